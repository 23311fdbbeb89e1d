"""IPv6 outside, inside, and mixed with IPv4."""

import dataclasses

import harness
from harness import Flow
from sites import THREE_WANS, TUNNEL, TwoSites


def expect_traffic(bench):
    """Ping and TCP of both versions, both ways."""
    for site, other, addresses in ((bench.branch_site, bench.hq_site, TUNNEL["hq"]),
                                   (bench.hq_site, bench.branch_site, TUNNEL["branch"])):
        for address in addresses:
            harness.wait_answer(site, address)
            assert len(harness.ping(site, address, size=1300)) == 5, address
            result = Flow(bench, site, other, address, "tcp", bytes=2_000_000).result()
            assert result["intact"], result
            print(f"  {address}: {result['goodput_mbps']:.1f} Mbit/s, intact")


def with_versions(*ipv6):
    return [dataclasses.replace(wan, ipv6=is_6) for wan, is_6 in zip(THREE_WANS, ipv6)]


def test_outside():
    """all WANs speak IPv6; both versions travel inside, and a cut moves them"""
    with TwoSites(with_versions(True, True, True)) as bench:
        bench.up()
        assert bench.hq.path("fiber")["remote"].startswith("[fd00:200:"), bench.hq.peer()
        expect_traffic(bench)
        cut = bench.lab.cut("fiber")
        for node in (bench.branch, bench.hq):
            node.wait_selected("lte", 2)
            harness.wait_for(lambda: node.downs("fiber", cut), 3, "fiber down")
        assert harness.ping(bench.branch_site, TUNNEL["hq"][1])


def test_mixed():
    """one WAN speaks IPv6, two speak IPv4; traffic moves from one to the other and back"""
    with TwoSites(with_versions(True, False, False)) as bench:
        bench.both_call()
        bench.up()
        for node in (bench.branch, bench.hq):
            node.wait_selected("fiber")
            assert "[" in node.path("fiber")["remote"] and "[" not in node.path("lte")["remote"]
        expect_traffic(bench)
        bench.lab.cut("fiber")
        for node in (bench.branch, bench.hq):
            node.wait_selected("lte", 2)
        assert harness.ping(bench.branch_site, TUNNEL["hq"][1])
        bench.lab.restore("fiber")
        for node in (bench.branch, bench.hq):
            node.wait_selected("fiber")


if __name__ == "__main__":
    harness.main()
