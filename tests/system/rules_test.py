#!/usr/bin/env python3
"""[Rule] sections between real kernels: duplicate loses nothing over a bad WAN, pinned keeps to its
WAN and returns to it, overflow spares its second WAN, bypass leaves the tunnel out, drop drops and
counts, and what a rule cannot mean is refused.
"""

import signal
import socket
import time

import harness
from sites import TUNNEL, TwoSites, Wan

WANS = (Wan("fiber", {"delay": "10ms"}), Wan("lte", {"delay": "25ms"}))


def rule(bench, name, **keys):
    """A [Rule] at branch."""
    bench.branch.config.append((f"Rule {name}", keys))


def rule_of(bench, name):
    return next(rule for rule in bench.branch.show()["rules"] if rule["name"] == name)


def carries(bench, wan, span=0.5):
    """Whether the stream of 0.8 Mbit/s goes over a WAN now; heartbeats are a tenth of it."""
    before = bench.branch.path(wan)["tx_bytes"]
    time.sleep(span)
    return bench.branch.path(wan)["tx_bytes"] - before > 0.05e6 * span


def check_duplicate(bench):
    """0 lost and 0 twice of a voice stream while a WAN loses 5 % and is cut twice."""
    bench.lab.set("fiber", loss="5%")
    flow = bench.stream(rate=0.08, size=200, seconds=4)  # 50 packets a second
    time.sleep(0.8)
    for _ in range(2):
        bench.lab.cut("fiber")
        time.sleep(0.6)
        bench.lab.restore("fiber")
        time.sleep(0.9)
    result = flow.result()
    print(f"  {result['received']} packets twice, longest gap {result['longest_gap_ms']:.0f} ms, "
          f"delay at most {result['delay_ms']['max']:.0f} ms")
    assert result["lost"] == 0 and result["duplicates"] == 0, result
    seen = rule_of(bench, "voip")
    assert seen["mode"] == "duplicate" and seen["packets"] >= 200 and seen["flows"] == 1, seen
    assert bench.hq.drops()["duplicate"] > 50, bench.hq.drops()
    assert bench.branch.downs("fiber"), "the cuts were not noticed"
    bench.lab.set("fiber", loss="0%")
    bench.branch.wait_path("fiber", "up")


def check_pinned(bench):
    """The slower WAN, another one while that is down, and back."""
    flow = bench.stream(rate=0.8, seconds=3.5)
    time.sleep(0.4)
    assert carries(bench, "lte") and not carries(bench, "fiber")
    cut = bench.lab.cut("lte")
    time.sleep(0.3)
    assert carries(bench, "fiber")
    bench.lab.restore("lte")
    bench.branch.wait_path("lte", "up")
    time.sleep(0.3)
    assert carries(bench, "lte") and not carries(bench, "fiber")
    result = flow.result()
    print(f"  {result['lost']} lost, longest gap {result['longest_gap_ms']:.0f} ms")
    assert result["longest_gap_at_ns"] >= cut - 100_000_000, result
    assert result["longest_gap_ms"] < 250 and result["duplicates"] == 0, result


def check_explain(bench):
    """What a flow would get, by rule and by none."""
    def lines(*words):
        return bench.branch.command("explain", "10.77.0.2", *words)[1].splitlines()
    fiber, lte = (bench.branch.path(wan)["name"] for wan in ("fiber", "lte"))
    hq = TUNNEL["hq"][0]
    assert lines(hq, "--proto", "udp", "--size", "228") == [
        "peer hq", "rule voip: duplicate", f"path {fiber}", f"copy {lte}"]
    assert lines(hq, "--proto", "udp", "--dport", "5001") == [
        "peer hq", "rule backup: pinned", f"path {lte}"]
    assert lines(hq, "--proto", "icmp") == ["peer hq", "rule no-ping: drop"]
    assert lines(hq)[0] == "peer hq" and lines(hq)[-1] == f"path {fiber}", lines(hq)
    assert lines("192.0.2.1")[0].startswith("no peer"), lines("192.0.2.1")
    assert bench.branch.command("explain", "10.77.0.2", "fd77::1", check=False)[0] == 2


def test_rules_hold():
    """duplicate loses nothing over a bad WAN, pinned leaves its WAN only on failure, drop drops"""
    with TwoSites(WANS) as bench:
        rule(bench, "voip", Match="proto=udp size=100-400", Mode="duplicate", Wans="fiber, lte")
        rule(bench, "backup", Match="proto=udp dport=5000-6000", Mode="pinned", Wans="lte")
        rule(bench, "no-ping", Match="proto=icmp dst=10.77.0.0/24", Mode="drop")
        bench.up()
        check_explain(bench)
        assert not harness.ping(bench.branch_site, TUNNEL["hq"][0], count=3, exactly=True)
        assert bench.branch.drops()["rule"] == 3 == rule_of(bench, "no-ping")["packets"]
        check_duplicate(bench)
        check_pinned(bench)


def test_overflow():
    """overflow leaves the metered WAN alone until the first is full, then moves what is too much"""
    wans = (Wan("fiber", {"delay": "10ms", "rate": "6Mbit", "queue_bytes": "60KB"}),
            Wan("lte", {"delay": "25ms"}, {"Metered": "yes"}))
    with TwoSites(wans) as bench:
        rule(bench, "bulk", Match="proto=udp", Mode="overflow")
        bench.up()
        lte = bench.branch.path("lte")
        assert (bench.branch.path("fiber")["use"], lte["use"]) == ("used", "metered"), lte
        assert "not used: metered" in bench.branch.command("show")[1]
        explained = bench.branch.command("explain", "10.77.0.2", TUNNEL["hq"][0])[1]
        assert f"not {lte['name']}: metered" in explained, explained
        def mbit_over(wan, span):
            before = bench.branch.path(wan)["tx_bytes"]
            time.sleep(span)
            return (bench.branch.path(wan)["tx_bytes"] - before) * 8e-6 / span
        first = bench.stream(rate=4, seconds=6.5)
        assert mbit_over("lte", 1) < 0.1
        second = bench.stream(rate=2.5, seconds=5)
        harness.wait_for(lambda: mbit_over("lte", 0.5) > 2, 5, "the second WAN is used")
        assert mbit_over("fiber", 0.5) < 5.5 and mbit_over("lte", 0.5) > 2
        print(f"  lost: {first.result()['lost']} and {second.result()['lost']}")


def seen_as(bench, port):
    """The address that the server at hq sees a connection of branch's LAN come from; None: there
    was none, since packets went the way that was being left."""
    with bench.hq_lan.entered():
        listener = socket.create_server(("10.2.0.10", port))
    with listener:
        listener.settimeout(3)
        with bench.branch_lan.entered():
            client = socket.socket()
        with client:
            client.settimeout(3)
            try:
                client.connect(("10.2.0.10", port))
                connection, address = listener.accept()
            except TimeoutError:
                return None
            connection.close()
    return address[0]


def kernel_rules(bench):
    return [line for line in bench.branch_site.run(["ip", "rule"]).splitlines() if "119" in line]


def test_bypass():
    """bypass leaves by the first WAN with a carrier, all else by the tunnel; nothing stays"""
    with TwoSites(WANS, lans=True) as bench:
        for index, wan in enumerate(WANS):
            bench.branch.section(f"Wan {wan.name}")["Gateway"] = f"10.200.{index}.2"
        bench.branch.section("Interface")["PostUp"] = (
            "nft 'add table ip wb-%i; add chain ip wb-%i out { type nat hook postrouting priority "
            "srcnat; }; add rule ip wb-%i out oifname { fiber, lte } masquerade'")
        rule(bench, "direct", Match="proto=tcp dport=9000-9010", Mode="bypass")
        bench.up()
        assert seen_as(bench, 9000) == "10.200.0.1"
        assert seen_as(bench, 9011) == "10.1.0.10"
        bench.branch_site.ip("link", "set", "fiber", "down")
        harness.wait_for(lambda: seen_as(bench, 9001) == "10.200.1.1", 3, "the next WAN is taken")
        bench.branch_site.ip("link", "set", "fiber", "up")
        harness.wait_for(lambda: seen_as(bench, 9002) == "10.200.0.1", 3, "the first one is back")
        explained = bench.branch.command("explain", "10.1.0.10", "10.2.0.10", "--dport", "9000")[1]
        assert explained.splitlines()[1] == "rule direct: bypass", explained
        bench.branch.stop(signal.SIGKILL)
        assert any("30902:" in line for line in kernel_rules(bench))
        bench.branch.start()
        bench.wait_up()
        assert len([line for line in kernel_rules(bench) if "30902:" in line]) == 1
        bench.branch.stop()
        assert not kernel_rules(bench), kernel_rules(bench)


def test_faults_are_refused():
    """check refuses what this version cannot do, and shows the rules that would run"""
    with TwoSites(WANS) as bench:
        rule(bench, "web", Match="proto=tcp dport=443", Mode="smoothly")
        bench.branch.write_config()
        assert bench.branch.command("check", check=False)[0] == 2
        bench.branch.config[-1][1].update(Mode="handoff", Wans="lte, fiber", MaxExtraDelay="40ms")
        bench.branch.write_config()
        text = bench.branch.command("check")[1]
        assert "rule web: handoff wans lte, fiber max extra delay 40ms" in text, text


if __name__ == "__main__":
    harness.main()
