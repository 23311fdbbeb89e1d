#!/usr/bin/env python3
"""MPTCP subflows over several WANs: a host with one NIC and three addresses downloads; each of its
subflows takes a WAN of its own, and the failure of one costs no byte.
"""

import time

import harness
from mptcp_test import counters
from sites import LAN, TwoSites, Wan

RATE = 20  # Mbit/s of each WAN
WANS = tuple(Wan(name, {"delay": delay, "rate": f"{RATE}Mbit", "queue_bytes": "150KB"})
             for name, delay in (("fiber", "10ms"), ("lte", "12ms"), ("dsl", "15ms")))
SHARE_MIN = 0.2  # of the bytes, on each WAN
GOODPUT_MIN = 2.2 * RATE


def prepare(bench):
    """Three addresses of the client's one NIC, a subflow from each."""
    client, server = bench.branch_lan, bench.hq_lan
    try:
        for host in (client, server):
            host.ip("mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2")
    except RuntimeError as missing:
        raise harness.Skip("this kernel has no MPTCP") from missing
    for number in (11, 12):
        client.ip("address", "add", f"{LAN['branch']}.{number}/24", "dev", "eth0")
        client.ip("mptcp", "endpoint", "add", f"{LAN['branch']}.{number}", "dev", "eth0",
                  "subflow")


def received(bench):
    """Bytes that came to branch, by WAN."""
    return {wan.name: bench.branch.path(wan.name)["rx_bytes"] for wan in WANS}


def test_each_wan_carries_a_subflow():
    """a download with three subflows fills three WANs, and a cut of one loses no byte"""
    with TwoSites(WANS, lans=True) as bench:
        prepare(bench)
        bench.up()
        flow = harness.Flow(bench, bench.hq_lan, bench.branch_lan, f"{LAN['hq']}.10", "tcp",
                            bytes=1 << 30, mptcp=1, serve=1)
        time.sleep(2)
        before, start = received(bench), time.monotonic()
        time.sleep(2)
        after, seconds = received(bench), time.monotonic() - start
        share = {wan: after[wan] - before[wan] for wan in after}
        total = sum(share.values())
        print("  " + ", ".join(f"{wan} {count * 8 / seconds / 1e6:.1f}"
                               for wan, count in share.items()) + " Mbit/s")
        assert bench.hq.show()["flows"]["mptcp"] == 3, bench.hq.show()["flows"]
        assert min(share.values()) >= SHARE_MIN * total, share
        assert total * 8 / seconds / 1e6 >= GOODPUT_MIN, share
        cut = bench.lab.cut("lte")
        time.sleep(1.2)
        bench.lab.restore("lte")
        bench.branch.wait_path("lte", "up")
        time.sleep(1.2)
        flow.finish()
        result = flow.result()
        print(f"  {result['goodput_mbps']:.0f} Mbit/s in all, longest gap "
              f"{result['longest_gap_ms']:.0f} ms")
        assert result["intact"], result
        after_cut = [gap for at, gap in result["gaps"] if at >= cut]
        assert max(after_cut, default=0) < 500, after_cut
        seen = counters(bench.branch_lan)
        assert seen["MPJoinSynAckRx"] == 2, seen
        assert received(bench)["lte"] - after["lte"] > RATE / 8 * 1e6 / 4  # it is used again


if __name__ == "__main__":
    harness.main()
