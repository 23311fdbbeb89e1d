#!/usr/bin/env python3
"""What paths do when they fail, measured as issue after issue asks: for a quiet machine, by hand.

    WANBOND=... WANBOND_LAB=... python3 tests/system/path_evidence.py cuts --count 200 --kind up
    ... [--json FILE] cuts|udp|failure|back|rtt_sweep|bfd_sweep|stop|intermittent|soak [--count N]
        [--seconds S] [--kind both|up|down] [--rtt MS,MS] [--outages S,...]

Each prints the distribution of what it measured; --json keeps every value. Times count from the
emulator's own stamp of the cut, which also empties the pipe. None asserts a time.
"""

import argparse
import json
import signal
import statistics
import threading
import time

import harness
from sites import TUNNEL, TwoSites, Wan

DIRECTIONS = {"both": "", "up": "a2b", "down": "b2a"}
FLOWS = 8
LOAD_BYTES = 50_000  # in one direction of a WAN: more than its probes


def wans(rtt_ms, rate="50Mbit", keys=None, **link):
    """fiber, which is used, and lte; round trips in ms."""
    return [Wan(name, {"delay": f"{rtt / 2}ms", "rate": rate, "queue_bytes": "250KB", **link},
                {"Priority": number, **(keys or {})})
            for number, (name, rtt) in enumerate(zip(("fiber", "lte"), rtt_ms), 1)]


def spread(values):
    """min, median, p95, p99, max."""
    values = sorted(values)
    if not values:
        return {"count": 0}
    at = lambda share: values[min(len(values) - 1, int(len(values) * share))]
    return {"count": len(values), "min": values[0], "median": statistics.median(values),
            "p95": at(0.95), "p99": at(0.99), "max": values[-1]}


def show(what, values, unit="ms"):
    figures = spread(values)
    text = ", ".join(f"{key} {value:.1f}" for key, value in figures.items() if key != "count")
    print(f"  {what}: {text} {unit} of {figures['count']}", flush=True)


def timeouts(*namespaces):
    """Retransmission time-outs of TCP so far (TcpExt TCPTimeouts)."""
    count = 0
    for namespace in namespaces:
        lines = [line.split() for line in namespace.run(["cat", "/proc/net/netstat"]).splitlines()
                 if line.startswith("TcpExt:")]
        count += int(dict(zip(*lines))["TCPTimeouts"])
    return count


class Meter:
    """Bytes of a device of a namespace every 5 ms: received, or sent."""

    def __init__(self, namespace, device, column):
        self.samples, self.running = [], True
        self.thread = threading.Thread(target=self._run, args=(namespace, device, column))
        self.thread.start()

    def _run(self, namespace, device, column):
        with namespace.entered():
            while self.running:
                with open("/proc/thread-self/net/dev", encoding="ascii") as file:
                    line = next(line for line in file if line.strip().startswith(device + ":"))
                self.samples.append((time.monotonic_ns(), int(line.split(":")[1].split()[column])))
                time.sleep(0.005)

    def stop(self):
        self.running = False
        self.thread.join()

    def between(self, start_ns, end_ns):
        """Bytes within that time."""
        inside = [count for at, count in self.samples if start_ns <= at <= end_ns]
        return inside[-1] - inside[0] if inside else 0

    def first(self, since_ns, bytes_count):
        """When so much had passed since then; None: it has not."""
        start = next((count for at, count in self.samples if at >= since_ns), None)
        return next((at for at, count in self.samples
                     if at >= since_ns and count - start >= bytes_count), None)


RECEIVED, SENT = 0, 8


def download(bench, count=FLOWS):
    """TCP flows from hq to branch, without an end."""
    return [harness.Flow(bench, bench.hq_site, bench.branch_site, TUNNEL["branch"][0], "tcp",
                         bytes=1 << 40) for _ in range(count)]


def first_event(node, since_ns, kind, **matching):
    return next((event["at_ns"] for event in node.events(kind, **matching)
                 if event["at_ns"] >= since_ns), None)


def wait_used(bench):
    for node in (bench.branch, bench.hq):
        harness.wait_for(lambda: node.path("fiber")["selected"]
                         and node.path("fiber")["detection_time_ms"] < 1000, 30, "fiber in use")


def cut_once(bench, options, values):
    """One cut of fiber: suspicion, Down and move at both sites; its time."""
    wait_used(bench)
    time.sleep(1)
    cut = bench.lab.cut("fiber", DIRECTIONS[options.kind])
    for node in (bench.branch, bench.hq):
        harness.wait_for(lambda: node.downs("fiber", cut), 15, f"{node.name} sees the cut")
        down = node.downs("fiber", cut)[0]["at_ns"]
        suspect = first_event(node, cut, "path_state", to="suspect") or down
        moved = first_event(node, cut, "path_selected") or down
        for name, at in (("suspect", suspect), ("down", down), ("moved", moved)):
            values.setdefault(name, []).append((at - cut) / 1e6)
    time.sleep(0.5)
    bench.lab.restore("fiber", DIRECTIONS[options.kind])
    return cut


def gaps_at(result, cuts):
    """The longest silence of a receiver around each of these times."""
    return [max((gap for at, gap in result["gaps"] if cut - 100e6 <= at <= cut + 1500e6),
                default=0.0) for cut in cuts]


def cut_series(options, plan, values):
    """options.count cuts under one upload, two per tunnel: a third would meet the hold-down."""
    for done in range(0, options.count, 2):
        with TwoSites(plan) as bench:
            bench.up()
            before = timeouts(bench.branch_site, bench.hq_site)
            flow = harness.Flow(bench, bench.branch_site, bench.hq_site, TUNNEL["hq"][0], "tcp",
                                bytes=1 << 40)
            cuts = [cut_once(bench, options, values) for _ in range(min(2, options.count - done))]
            time.sleep(1)
            flow.finish()
            values.setdefault("gap", []).extend(gaps_at(flow.result(), cuts))
            rto = timeouts(bench.branch_site, bench.hq_site) - before
            values.setdefault("inner_rto", []).append(rto)


def measure_cuts(options):
    """silent cuts of the WAN in use under an upload"""
    values = {}
    cut_series(options, wans(options.rtt), values)
    for name in ("suspect", "down", "moved", "gap"):
        show(f"{options.kind}: {name} after the cut", values[name])
    print(f"  inner retransmission time-outs: {sum(values['inner_rto'])}")
    return values


def measure_udp(options):
    """UDP, 2000 packets/s each way, over silent cuts"""
    values = {}
    for done in range(0, options.count, 2):
        count = min(2, options.count - done)
        with TwoSites(wans(options.rtt)) as bench:
            bench.up()
            flows = [harness.Flow(bench, a, b, address, "udp", rate=3.2, size=200,
                                  seconds=8 * count) for a, b, address in
                     ((bench.branch_site, bench.hq_site, TUNNEL["hq"][0]),
                      (bench.hq_site, bench.branch_site, TUNNEL["branch"][0]))]
            for _ in range(count):
                cut_once(bench, options, values)
            for flow in flows:
                result = flow.result()
                values.setdefault("lost_per_cut", []).append(result["lost"] / count)
                values.setdefault("gap", []).append(result["longest_gap_ms"])
    show("lost per cut and direction", values["lost_per_cut"], "packets")
    show("longest gap", values["gap"])
    return values


def recovery_ms(meter, cut):
    """Until 50 ms carry 90 % of what is carried from 2 to 4 s after the cut."""
    settled = meter.between(cut + 2e9, cut + 4e9) / 40
    for at in range(cut, cut + int(2e9), 5_000_000):
        if meter.between(at, at + 50e6) >= 0.9 * settled:
            return (at - cut) / 1e6
    return 2000.0


def measure_failure(options):
    """T-throughput-failure: 8 downloads, until their goodput is that of what is left"""
    values = {"recovery": []}
    for _ in range(options.count):
        with TwoSites(wans(options.rtt)) as bench:
            bench.up()
            download(bench)
            wait_used(bench)
            time.sleep(4)
            meter = Meter(bench.branch_site, "wb0", RECEIVED)
            cut = bench.lab.cut("fiber", DIRECTIONS[options.kind])
            time.sleep(4.2)
            meter.stop()
            values["recovery"].append(recovery_ms(meter, cut))
    show("goodput is back", values["recovery"])
    return values


def measure_back(options):
    """until the returned WAN carries load, after outages of 1 to 60 s"""
    values = {}
    for outage in options.outages:
        for _ in range(options.count):
            with TwoSites(wans(options.rtt)) as bench:
                bench.up()
                download(bench)
                wait_used(bench)
                bench.lab.cut("fiber")
                time.sleep(outage)
                meter = Meter(bench.hq_site, "fiber", SENT)
                time.sleep(0.05)
                restored = bench.lab.restore("fiber")
                time.sleep(3)
                meter.stop()
                loaded = meter.first(restored, LOAD_BYTES)
                values.setdefault(f"{outage:g} s", []).append(
                    (loaded - restored) / 1e6 if loaded else 3000.0)
        show(f"after {outage:g} s", values[f"{outage:g} s"])
    return values


def sweep(options, rows):
    """The same cuts for each row; a table of medians and maxima."""
    values = {}
    print("              suspect        Down       moved         gap  (median/max, ms)")
    for name, plan in rows:
        row = values.setdefault(name, {})
        cut_series(options, plan, row)
        cells = "".join(f"{statistics.median(row[key]):6.0f}/{max(row[key]):5.0f}"
                        for key in ("suspect", "down", "moved", "gap"))
        print(f"  {name:>10}{cells}", flush=True)
    return values


def measure_rtt_sweep(options):
    """cuts at round trips of 1 to 200 ms"""
    return sweep(options, [(f"{rtt} ms", wans((rtt, rtt)))
                           for rtt in (1, 2, 5, 10, 20, 50, 100, 200)])


def measure_bfd_sweep(options):
    """cuts at BFD intervals of 20 ms to 1 s"""
    return sweep(options, [(f"{interval} ms", wans(options.rtt,
                                                   keys={"Heartbeat": f"{interval}ms x4"}))
                           for interval in (20, 50, 100, 200, 500, 1000)])


def measure_stop(options):
    """kill -STOP of hq for 500 ms under load: Downs of all WANs at each site"""
    values = {"branch": [], "hq": []}
    for _ in range(options.count):
        with TwoSites(wans(options.rtt)) as bench:
            bench.up()
            download(bench)
            wait_used(bench)
            time.sleep(1)
            start = time.monotonic_ns()
            bench.hq.process.send_signal(signal.SIGSTOP)
            time.sleep(0.5)
            bench.hq.process.send_signal(signal.SIGCONT)
            time.sleep(4)
            for node in (bench.branch, bench.hq):
                values[node.name].append(sum(len(node.downs(wan.name, start))
                                             for wan in bench.wans))
    print(f"  Downs per stop: {values}")
    return values


def carried(options, half_period):
    """Bytes per second of 8 downloads while fiber is on and off; 0: it is off for good."""
    with TwoSites(wans(options.rtt)) as bench:
        bench.up()
        download(bench)
        wait_used(bench)
        bench.lab.cut("fiber")
        time.sleep(6)
        meter = Meter(bench.branch_site, "wb0", RECEIVED)
        start = time.monotonic_ns()
        while time.monotonic_ns() - start < options.seconds * 1e9:
            time.sleep(half_period or 1)
            if half_period:
                bench.lab.restore("fiber")
                time.sleep(half_period)
                bench.lab.cut("fiber")
        end = time.monotonic_ns()
        meter.stop()
        return meter.between(start, end) * 1e9 / (end - start)


def measure_intermittent(options):
    """a WAN on and off beside a healthy one: 8 downloads against the healthy one alone"""
    alone = carried(options, 0)
    values = {"alone_mbps": alone * 8 / 1e6}
    for half_period in (0.5, 1, 2, 5):
        share = carried(options, half_period) / alone
        values[f"{half_period} s"] = share
        print(f"  on and off every {half_period} s: {share:.3f} of {alone * 8 / 1e6:.1f} Mbit/s",
              flush=True)
    return values


def measure_soak(options):
    """full load with 1 % loss and 10 ms of jitter: false Downs"""
    with TwoSites(wans(options.rtt, jitter="10ms", loss="1%")) as bench:
        bench.up()
        start = time.monotonic_ns()
        download(bench)
        time.sleep(options.seconds)
        values = {node.name: sum(len(node.downs(wan.name, start)) for wan in bench.wans)
                  for node in (bench.branch, bench.hq)}
        received = bench.branch.peer()["rx_bytes"]
    print(f"  Downs in {options.seconds} s: {values}; {received / 1e9:.2f} GB received")
    return values


def run(measures, options):
    """Those of options.what, in turn; all values to the file of options.json."""
    harness.require_machine()
    results = {}
    for name in options.what:
        print(f"{name}: {measures[name].__doc__.splitlines()[0]}", flush=True)
        results[name] = measures[name](options)
        if options.json:
            with open(options.json, "w", encoding="ascii") as file:
                json.dump({"options": vars(options), "results": results}, file, indent=1)


def main():
    measures = {name.removeprefix("measure_"): function for name, function in globals().items()
                if name.startswith("measure_")}
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=measures)
    parser.add_argument("--count", type=int, default=10, help="cuts, or tries of each row")
    parser.add_argument("--seconds", type=float, default=60, help="of soak and intermittent")
    parser.add_argument("--kind", choices=DIRECTIONS, default="both", help="direction that is cut")
    parser.add_argument("--rtt", default="20,20", help="ms, of the WAN in use and of the other")
    parser.add_argument("--outages", default="1,2,5,10,60", help="s, of back")
    parser.add_argument("--json", help="file for all values")
    options = parser.parse_args()
    options.rtt = tuple(float(text) for text in options.rtt.split(","))
    options.outages = tuple(float(text) for text in options.outages.split(","))
    run(measures, options)


if __name__ == "__main__":
    main()
