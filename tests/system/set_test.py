#!/usr/bin/env python3
"""Orders by hand: a WAN is drained, put down, kept as a backup and taken back under traffic."""

import time

import harness
from sites import TUNNEL, TwoSites, Wan

WANS = (Wan("fiber", {"delay": "10ms"}), Wan("lte", {"delay": "20ms"}))


def wait_moved(bench, wan):
    for node in (bench.branch, bench.hq):
        node.wait_selected(wan, 5)


def test_no_packet_is_lost():
    """no packet is lost and no path goes down while WANs are drained and taken back"""
    with TwoSites(WANS) as bench:
        bench.up()
        wait_moved(bench, "fiber")
        flows = [harness.Flow(bench, a, b, address, "udp", rate=4, size=500, seconds=9)
                 for a, b, address in
                 ((bench.branch_site, bench.hq_site, TUNNEL["hq"][0]),
                  (bench.hq_site, bench.branch_site, TUNNEL["branch"][0]))]
        start = time.monotonic_ns()
        for node, words in ((bench.branch, ("wan", "fiber", "drain")),
                            (bench.hq, ("wan", "fiber", "backup")),
                            (bench.branch, ("path", bench.branch.path("fiber")["name"], "down"))):
            time.sleep(0.5)
            node.command("set", *words)
            wait_moved(bench, "lte")
            node.command("set", *words[:2], "up")
            wait_moved(bench, "fiber")
        for node in (bench.branch, bench.hq):
            assert not node.downs("lte", start)
            assert node.path("fiber")["downs"] == 0, node.path("fiber")
            assert node.path("fiber")["order"] == "up"
        for flow in flows:
            result = flow.result()
            print(f"  {result['received']} packets, {result['lost']} lost, longest gap "
                  f"{result['longest_gap_ms']:.0f} ms")
            assert result["lost"] == 0 and result["duplicates"] == 0, result


def test_orders_are_checked():
    """what is wrong with an order is said, with the exit status of wanbond(8)"""
    with TwoSites(WANS) as bench:
        bench.up()
        for words, status in ((("wan", "dsl", "drain"), 1), (("path", "none", "down"), 1),
                              (("wan", "fiber", "sideways"), 2), (("link", "fiber", "up"), 2),
                              (("wan", "fiber"), 2), (("wan", "fiber", "drain"), 0)):
            assert bench.branch.command("set", *words, check=False)[0] == status, words
        assert bench.branch.path("fiber")["order"] == "drain"


if __name__ == "__main__":
    harness.main()
