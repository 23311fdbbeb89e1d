"""Both ends change their addresses under way, one or the other family goes away, and a carrier's
NAT forgets whatever is silent for a few seconds: the session, its keys and its streams go on.
"""

import time

import harness
from harness import Flow
from sites import PORT, TUNNEL, TwoSites, Wan, endpoint

FIBER = Wan("fiber", {"delay": "10ms"})
GAP_MS = 1000  # an only path is down for this long at most


def stream(bench, sender, receiver, to):
    return Flow(bench, sender, receiver, TUNNEL[to][0], "udp", rate=1, size=500, seconds=4)


def expect_one_session(bench):
    for node in (bench.branch, bench.hq):
        assert len(node.events("keys_changed")) == 1, node.events()


def change_address(site, device, old, new):
    """As a new lease does: the old address is gone before the new one is there."""
    site.ip("address", "delete", f"{old}/24", "dev", device)
    site.ip("address", "add", f"{new}/24", "dev", device)


def test_both_move():
    """branch, then hq, gets another address on the only WAN; both streams go on"""
    with TwoSites([FIBER]) as bench:
        bench.up()
        streams = [stream(bench, bench.branch_site, bench.hq_site, "hq"),
                   stream(bench, bench.hq_site, bench.branch_site, "branch")]
        time.sleep(0.5)
        change_address(bench.branch_site, "fiber", "10.200.0.1", "10.200.0.11")
        harness.wait_for(lambda: (bench.hq.path("fiber") or {}).get("remote", "").startswith(
            "10.200.0.11:"), 5, "hq sees branch at its new address")
        time.sleep(0.5)
        change_address(bench.hq_site, "fiber", "10.200.0.2", "10.200.0.22")
        harness.wait_for(lambda: any(path["remote"] == f"10.200.0.22:{PORT}"
                                     and path["state"] == "up"
                                     for path in bench.branch.peer()["paths"]),
                         5, "branch sees hq at its new address")
        for name, flow in zip(("branch to hq", "hq to branch"), streams):
            result = flow.result()
            print(f"  {name}: {result['lost']} of {result['sent']} lost, longest gap "
                  f"{result['longest_gap_ms']:.0f} ms")
            assert result["longest_gap_ms"] < GAP_MS, result
        expect_one_session(bench)


def test_families():
    """one WAN has a path over IPv4 and one over IPv6; each takes over when the other goes"""
    with TwoSites([FIBER]) as bench:
        for site, number in ((bench.branch_site, 1), (bench.hq_site, 2)):
            site.write("/proc/sys/net/ipv6/conf/fiber/disable_ipv6", "0")
            site.ip("address", "add", f"fd00:200:9::{number}/64", "dev", "fiber", "nodad")
        ends = [endpoint("10.200.0.2"), endpoint("fd00:200:9::2")]
        bench.branch.section("Peer hq").update(
            {"Endpoint": ", ".join(ends), "Paths": ", ".join(f"fiber>{end}" for end in ends)})
        bench.hq.start()
        bench.branch.start()

        def is_up(node, text):
            return any(path["state"] == "up" and path["remote"].startswith(text)
                       for path in (node.peer() or {"paths": []})["paths"])
        for family in ("10.200.", "[fd00:200:9:"):
            for node in (bench.branch, bench.hq):
                harness.wait_for(lambda: is_up(node, family), 5, f"{node.name}: {family} up")
        flow = stream(bench, bench.branch_site, bench.hq_site, "hq")
        for gone, there in ((["10.200.0.1/24"], "[fd00:200:9:"),
                            (["fd00:200:9::1/64"], "10.200.")):
            bench.branch_site.ip("address", "delete", *gone, "dev", "fiber")
            for node in (bench.branch, bench.hq):
                harness.wait_for(lambda: is_up(node, there), 5, f"{node.name}: {there} up")
            harness.wait_answer(bench.branch_site, TUNNEL["hq"][1])
            nodad = ["nodad"] if ":" in gone[0] else []
            bench.branch_site.ip("address", "add", *gone, "dev", "fiber", *nodad)
            for family in ("10.200.", "[fd00:200:9:"):
                harness.wait_for(lambda: is_up(bench.branch, family), 5, f"{family} up again")
        result = flow.result()
        print(f"  {result['lost']} of {result['sent']} lost, longest gap "
              f"{result['longest_gap_ms']:.0f} ms")
        assert result["longest_gap_ms"] < 300, result
        expect_one_session(bench)


def test_forgetful_nat():
    """a NAT that forgets after 3 s of silence never does, on an idle, a metered and a busy path"""
    wans = [Wan("fiber", {"delay": "10ms"}, nat=True),
            Wan("lte", {"delay": "20ms"}, keys={"Metered": "yes"}, nat=True)]
    with TwoSites(wans) as bench:
        for box in bench.boxes.values():
            for name in ("timeout", "timeout_stream"):
                box.write(f"/proc/sys/net/netfilter/nf_conntrack_udp_{name}", "3")
        bench.up()
        before = {wan.name: bench.hq.path(wan.name)["remote"] for wan in wans}
        time.sleep(10)
        for wan, remote in before.items():
            path = bench.hq.path(wan)
            assert (path["remote"], path["downs"]) == (remote, 0), path
        harness.wait_answer(bench.hq_site, TUNNEL["branch"][0])
        expect_one_session(bench)


if __name__ == "__main__":
    harness.main()
