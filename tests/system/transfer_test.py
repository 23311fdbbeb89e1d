"""A TCP transfer goes on, intact, while WANs are cut without a link going down, and return."""

import harness
from harness import Flow, Stalls
from sites import DETECTED_MS, TUNNEL, TwoSites, is_in_use

ENDLESS = 1_000_000_000_000  # bytes: until told to finish


def expect_detected(node, wan, cut, stalls):
    """The one Down event of a cut; its time after the cut, printed too."""
    harness.wait_for(lambda: node.downs(wan, cut), 5, f"{node.name} sees {wan} down")
    (down, *more) = node.downs(wan, cut)
    assert not more, more
    late = (down["at_ns"] - cut) / 1e6
    stalled = stalls.between(cut, down["at_ns"])
    print(f"  {node.name}: {wan} down {late:.0f} ms after the cut ({down['cause']}), in which the "
          f"machine stood still for {stalled:.0f} ms")
    assert late <= DETECTED_MS + stalled, late
    return late


def wait_used(bench, wan):
    """Until a WAN carries the traffic both ways, with the heartbeats of a path in use."""
    for node in (bench.branch, bench.hq):
        harness.wait_for(lambda: is_in_use(node.path(wan)), 10, f"{wan} in use")


def cut_and_return(bench, stalls, wan, direction=""):
    """A cut of the WAN in use: seen by both, the next takes over, and it is used again after."""
    nodes = (bench.branch, bench.hq)
    wait_used(bench, wan)
    cut = bench.lab.cut(wan, direction)
    times = [expect_detected(node, wan, cut, stalls) for node in nodes]
    for node in nodes:
        harness.wait_for(lambda: node.selected() not in (None, wan), 2, "another WAN in use")
    restored = bench.lab.restore(wan, direction)
    for node in nodes:
        node.wait_path(wan, "up", 5)
    up = bench.branch.events("path_state", to="up")[-1]["at_ns"]
    print(f"  {wan} up again {(up - restored) / 1e6:.0f} ms after it works")
    return times


def transfer(bench, sender, receiver, address):
    return Flow(bench, sender, receiver, address, "tcp", bytes=ENDLESS)


def expect_intact(flow, what):
    flow.finish()
    result = flow.result()
    assert result["intact"], result
    print(f"  {what}: intact, {result['bytes'] / 1e6:.0f} MB, {result['goodput_mbps']:.1f} Mbit/s, "
          f"longest gap {result['longest_gap_ms']:.0f} ms")


def test_cut_of_the_wan_in_use():
    """silent cuts of the WAN in use, both ways and one way, under two transfers"""
    with TwoSites() as bench:
        bench.up()
        stalls = Stalls(bench)
        there = transfer(bench, bench.branch_site, bench.hq_site, TUNNEL["hq"][0])
        back = transfer(bench, bench.hq_site, bench.branch_site, TUNNEL["branch"][0])
        times = []
        for direction in ("", "a2b", "b2a"):
            times += cut_and_return(bench, stalls, "fiber", direction)
        print(f"  detection: {min(times):.0f} to {max(times):.0f} ms")
        expect_intact(there, "branch to hq")
        expect_intact(back, "hq to branch")


def test_each_wan_in_turn():
    """one WAN after the other fails and returns; two at once leave the third to carry on"""
    with TwoSites() as bench:
        bench.up()
        stalls = Stalls(bench)
        there = transfer(bench, bench.branch_site, bench.hq_site, TUNNEL["hq"][1])
        back = transfer(bench, bench.hq_site, bench.branch_site, TUNNEL["branch"][1])
        for wan, other in (("fiber", "lte"), ("lte", "dsl")):
            wait_used(bench, wan)
            cut = bench.lab.cut(wan)
            for node in (bench.branch, bench.hq):
                expect_detected(node, wan, cut, stalls)
                node.wait_selected(other, 2)
        for wan in ("fiber", "lte"):
            bench.lab.restore(wan)
        bench.wait_up()
        wait_used(bench, "fiber")
        cut = bench.lab.cut("dsl")  # not in use: its heartbeats are slow
        for node in (bench.branch, bench.hq):
            harness.wait_for(lambda: node.downs("dsl", cut), 5, f"{node.name} sees dsl down")
        bench.lab.restore("dsl")
        bench.wait_up()
        expect_intact(there, "branch to hq")
        expect_intact(back, "hq to branch")


if __name__ == "__main__":
    harness.main()
