#!/usr/bin/env python3
"""What MPTCP gets from several WANs, and what a failure costs it: for a quiet machine, by hand.

    WANBOND=... WANBOND_LAB=... python3 tests/system/mptcp_evidence.py shares --wans 5
    ... [--json FILE] shares|fairness|failure [--wans N] [--rate MBIT] [--rtt MS] [--count N]
        [--cc NAME] [--outages S,...] [--sessions N,...] [--seconds S] [--ipv6]

A client behind branch has one NIC with an address for each WAN and downloads from behind hq; with
--ipv6 it made itself IPv6 addresses from a router advertisement. Rates are those of the
applications, as shares of what the WANs carry of TCP's payload in the tunnel. A failure is a silent
cut of the first WAN, both ways, with all that is under way in it; times count from the emulator's
stamp. None asserts a time.
"""

import argparse
import time

import harness
from advertise import advertise
from mptcp_test import counters
from path_evidence import run, show
from sites import LAN, TwoSites, Wan

PACKET = 1500
# IPv4, UDP, wanbond; inner IPv4, TCP with timestamps and a data sequence mapping.
OVERHEAD = 20 + 8 + 32 + 20 + 20 + 40
OVERHEAD_IPV6 = 20  # more
PREFIXES = "fd01:{}::"  # of the client's LAN, one for each WAN
SERVER6 = "fd02::10"
WINDOW_FAILED_NS, WINDOW_BACK_NS = 100e6, 200e6
ENOUGH = 0.9
STALL_WITHIN_NS = 300e6  # of the cut: what stalls later has another reason


def wans_of(options):
    return [Wan(f"wan{number}", {"delay": f"{options.rtt / 2}ms", "rate": f"{options.rate}Mbit",
                                 "queue_bytes": str(max(60_000, int(options.rate * 12_500)))})
            for number in range(1, options.wans + 1)]


def addresses(options):
    """The client's, one for each WAN."""
    return [f"{LAN['branch']}.{10 + number}" for number in range(options.wans)]


def addresses6(namespace, device, scope):
    """Its IPv6 addresses that are in use."""
    lines = namespace.ip("-6", "-o", "address", "show", "dev", device, "scope", scope,
                         "-tentative").splitlines()
    return sorted(line.split()[3].partition("/")[0] for line in lines)


def make_ipv6(bench, options):
    """The same LANs by IPv6; the client's addresses, one for each WAN."""
    client, server = bench.branch_lan, bench.hq_lan
    prefixes = [PREFIXES.format(number) for number in range(1, options.wans + 1)]
    for site, lans in ((bench.branch_site, prefixes), (bench.hq_site, ["fd02::"])):
        site.write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
        for lan in lans:
            site.ip("address", "add", f"{lan}1/64", "dev", "lan", "nodad")
    server.ip("address", "add", f"{SERVER6}/64", "dev", "eth0", "nodad")
    server.ip("route", "add", "default", "via", "fd02::1")
    bench.branch.section("Peer hq")["AllowedIPs"] += ", fd02::/64"
    bench.hq.section("Peer branch")["AllowedIPs"] += ", fd01::/16"
    harness.wait_for(lambda: addresses6(bench.branch_site, "lan", "link"), 10, "a router's address")
    advertise(bench.branch_site, "lan", prefixes)
    harness.wait_for(lambda: len(addresses6(client, "eth0", "global")) == options.wans, 10,
                     "addresses by advertisement")
    return addresses6(client, "eth0", "global")


def prepare(bench, options):
    """An endpoint for each further address of the client's NIC."""
    client, server = bench.branch_lan, bench.hq_lan
    for host in (client, server):
        host.ip("mptcp", "limits", "set", "subflow", str(options.wans - 1),
                "add_addr_accepted", "8")
    if options.ipv6:
        for address in make_ipv6(bench, options):
            client.ip("mptcp", "endpoint", "add", address, "dev", "eth0", "subflow")
        return
    for address in addresses(options)[1:]:
        client.ip("address", "add", f"{address}/24", "dev", "eth0")
        client.ip("mptcp", "endpoint", "add", address, "dev", "eth0", "subflow")


def server_address(options):
    return SERVER6 if options.ipv6 else f"{LAN['hq']}.10"


def download(bench, options, mptcp=1):
    return harness.Flow(bench, bench.hq_lan, bench.branch_lan, server_address(options), "tcp",
                        bytes=1 << 40, mptcp=mptcp, serve=1, sample=5,
                        **({"cc": options.cc} if options.cc else {}))


def payload_bits(options):
    """What one WAN carries for applications, bit/s."""
    overhead = OVERHEAD + (OVERHEAD_IPV6 if options.ipv6 else 0)
    return options.rate * 1e6 * (PACKET - overhead) / PACKET


def bits_between(samples, start, end):
    """Mean rate at which the application read, bit/s."""
    inside = [(at, size) for at, size in samples if start <= at <= end]
    return (inside[-1][1] - inside[0][1]) * 8e9 / (end - start) if len(inside) > 1 else 0.0


def measure_shares(options):
    """one download with a subflow over each WAN"""
    values = {"share": [], "least": []}
    for _ in range(options.count):
        with TwoSites(wans_of(options), lans=True) as bench:
            prepare(bench, options)
            bench.up()
            flow = download(bench, options)
            time.sleep(3)
            names = [wan.name for wan in bench.wans]
            before = {name: bench.branch.path(name)["rx_bytes"] for name in names}
            start = time.monotonic_ns()
            time.sleep(options.seconds)
            after = {name: bench.branch.path(name)["rx_bytes"] for name in names}
            end = time.monotonic_ns()
            pings = harness.ping(bench.branch_lan, server_address(options), count=20)
            flow.finish()
            samples = flow.result()["samples"]
            share = bits_between(samples, start, end) / (options.wans * payload_bits(options))
            counts = [after[name] - before[name] for name in names]
            values["share"].append(share)
            values["least"].append(min(counts) * options.wans / sum(counts))
            print(f"  {share:.3f} of all WANs; bytes by WAN "
                  + " ".join(f"{count / 1e6:.1f}" for count in counts)
                  + f" MB; ping beside it {sorted(pings)[len(pings) // 2]:.1f} ms", flush=True)
    return values


def measure_fairness(options):
    """sessions at once: what each gets of its even share"""
    values = {}
    for mixed in (0, 1):
        for sessions in options.sessions:
            row = values.setdefault(f"{sessions}{' mixed' if mixed else ''}", [])
            with TwoSites(wans_of(options), lans=True) as bench:
                prepare(bench, options)
                bench.up()
                flows = [download(bench, options, mptcp=0 if mixed and number % 2 else 1)
                         for number in range(sessions)]
                time.sleep(4)
                start = time.monotonic_ns()
                time.sleep(options.seconds)
                end = time.monotonic_ns()
                for flow in flows:
                    flow.finish()
                rates = [bits_between(flow.result()["samples"], start, end) for flow in flows]
            total = options.wans * payload_bits(options)
            row.extend(rate * sessions / sum(rates) for rate in rates)
            fair = sum(rates) ** 2 / (sessions * sum(rate * rate for rate in rates))
            print(f"  {sessions:2} {'MPTCP and TCP' if mixed else 'MPTCP':13}: of all WANs "
                  f"{sum(rates) / total:.3f}, share of the least {min(row):.2f}, of the most "
                  f"{max(row):.2f}, Jain {fair:.3f}", flush=True)
    return values


def until(samples, since, window_ns, bits):
    """ms until a window begins whose mean rate is at least that; 10 s: it does not."""
    for at in range(since, since + int(10e9), 5_000_000):
        if bits_between(samples, at, at + window_ns) >= bits:
            return (at - since) / 1e6
    return 10_000.0


def fail_once(options, outage, values):
    with TwoSites(wans_of(options), lans=True) as bench:
        prepare(bench, options)
        bench.up()
        flow = download(bench, options)
        time.sleep(4)
        cut = bench.lab.cut("wan1")
        time.sleep(0.2)
        late = harness.Flow(bench, bench.hq_lan, bench.branch_lan, server_address(options), "tcp",
                            bytes=10_000, mptcp=1, serve=1)  # connects 0.5 s after the cut
        time.sleep(max(0.0, outage - (time.monotonic_ns() - cut) / 1e9))
        restored = bench.lab.restore("wan1")
        time.sleep(3)
        flow.finish()
        result = flow.result()
        assert result["intact"] and late.result()["intact"], result
        values.setdefault("blackholes", []).append(counters(bench.branch_lan)["Blackhole"])
    samples = result["samples"]
    before = bits_between(samples, cut - int(1.5e9), cut)
    left = before * (options.wans - 1) / options.wans
    gaps = [(at, gap) for at, gap in result["gaps"] if cut - 20e6 <= at <= cut + STALL_WITHIN_NS]
    at, gap = max(gaps, key=lambda item: item[1], default=(cut, 0))
    values.setdefault("throughput_failure", []).append(
        until(samples, cut, WINDOW_FAILED_NS, ENOUGH * left))
    values.setdefault("latency_failure", []).append(max(0.0, (at - cut) / 1e6 + gap))
    values.setdefault("stall", []).append(gap)
    values.setdefault("throughput_recovery", []).append(
        until(samples, restored, WINDOW_BACK_NS, ENOUGH * before))


def measure_failure(options):
    """a silent cut of one WAN under a download: what the application notices"""
    values = {}
    for outage in options.outages:
        row = values.setdefault(f"{outage:g} s", {})
        for _ in range(options.count):
            fail_once(options, outage, row)
        print(f"  outage of {outage:g} s, blackholes {sum(row['blackholes'])}")
        for name in ("throughput_failure", "latency_failure", "stall", "throughput_recovery"):
            show(f"  {name.replace('_', ' ')}", row[name])
    return values


def numbers(kind):
    return lambda text: tuple(kind(part) for part in text.split(","))


def main():
    measures = {"shares": measure_shares, "fairness": measure_fairness, "failure": measure_failure}
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=measures)
    parser.add_argument("--wans", type=int, default=3)
    parser.add_argument("--rate", type=float, default=100, help="Mbit/s of each WAN")
    parser.add_argument("--rtt", type=float, default=20, help="ms")
    parser.add_argument("--cc", default="", help="cubic, bbr; the kernel's default")
    parser.add_argument("--count", type=int, default=3, help="runs of each row")
    parser.add_argument("--seconds", type=float, default=5, help="that are measured")
    parser.add_argument("--outages", type=numbers(float), default=(1, 2, 5), help="s")
    parser.add_argument("--sessions", type=numbers(int), default=(5, 10, 15))
    parser.add_argument("--ipv6", action="store_true", help="by router advertisements")
    parser.add_argument("--json", help="file for all values")
    run(measures, parser.parse_args())


if __name__ == "__main__":
    main()
