"""The TUN's MTU follows the WANs', and full packets of that size pass."""

import harness
from harness import Flow
from sites import TUNNEL, TwoSites, Wan

IP4_ICMP, IP6_ICMP, IP4_UDP = 28, 48, 28  # header bytes


def expect_full_packets(mtus, tun_mtu):
    """`mtus`: of the WANs, the best first."""
    with TwoSites([Wan(f"wan{index}", {"delay": f"{5 + 5 * index}ms", "device_mtu": mtu})
                   for index, mtu in enumerate(mtus)]) as bench:
        bench.up()
        for node in (bench.branch, bench.hq):
            assert node.show()["mtu"] == tun_mtu, node.show()["mtu"]
            assert f"mtu {tun_mtu} " in node.namespace.ip("link", "show", "wb0")
        address, address6 = TUNNEL["hq"]
        harness.wait_answer(bench.branch_site, address)
        dont = ["-M", "do"]
        for where, headers in ((address, IP4_ICMP), (address6, IP6_ICMP)):
            full = tun_mtu - headers
            assert len(harness.ping(bench.branch_site, where, size=full, extra=dont)) == 5, where
            assert not harness.ping(bench.branch_site, where, 1, size=full + 1, extra=dont,
                                    exactly=True)
        # A packet larger than the TUN arrives in fragments.
        assert len(harness.ping(bench.branch_site, address, size=2 * tun_mtu)) == 5
        for size in (tun_mtu - IP4_UDP, 200):
            stream = Flow(bench, bench.branch_site, bench.hq_site, address, "udp", rate=10,
                          size=size, seconds=1).result()
            # What does not fit never arrives; a busy machine may change the path and lose a few.
            assert stream["lost"] <= stream["sent"] // 50, stream
        transfer = Flow(bench, bench.hq_site, bench.branch_site, TUNNEL["branch"][0], "tcp",
                        bytes=5_000_000).result()
        assert transfer["intact"], transfer
        for node in (bench.branch, bench.hq):
            assert not {"send_failed", "too_big"} & node.drops().keys(), node.drops()
            assert node.show()["io_counters"]["send_failures"] == 0, node.show()["io_counters"]
        print(f"  WANs {mtus}: TUN {tun_mtu}, TCP {transfer['goodput_mbps']:.0f} Mbit/s")


def test_1400():
    """WANs of 1400 bytes"""
    expect_full_packets([1400, 1400], 1320)


def test_9000():
    """jumbo frames"""
    expect_full_packets([9000, 9000], 8920)


def test_mixed():
    """the lowest counts"""
    expect_full_packets([1500, 1400, 9000], 1320)


def test_1300():
    """never below IPv6's minimum: 1280 bytes, even where a WAN is too small for them"""
    with TwoSites([Wan("fiber", {"delay": "5ms"}),
                   Wan("lte", {"delay": "10ms", "device_mtu": 1300})]) as bench:
        bench.up()
        assert bench.branch.show()["mtu"] == 1280
        harness.wait_answer(bench.branch_site, TUNNEL["hq"][1])
        assert len(harness.ping(bench.branch_site, TUNNEL["hq"][1], size=1280 - IP6_ICMP)) == 5


if __name__ == "__main__":
    harness.main()
