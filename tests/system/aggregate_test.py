#!/usr/bin/env python3
"""One TCP flow gets what all WANs carry together, and what it shares them with does not wait."""

import harness
from sites import TwoSites, Wan

MB = 1_000_000


def wan(name, rate, delay):
    """A link of `rate` Mbit/s with a buffer of 200 ms, `delay` ms one way."""
    return Wan(name, {"delay": f"{delay}ms", "rate": f"{rate}Mbit",
                      "queue_bytes": f"{rate * 25}KB"})


def carry(bench, size):
    """One flow from branch to hq and a small packet every 10 ms beside it; Mbit/s, one-way ms."""
    bench.up()
    flow = bench.transfer(size)
    probe = bench.stream(rate=0.08, size=100, seconds=4)
    result, beside = flow.result(), probe.result()
    assert result["intact"], result
    assert beside["duplicates"] == 0 and beside["lost"] <= 2, beside
    rate, delay = result["goodput_mbps"], beside["delay_ms"]
    print(f"  one flow {rate:.1f} Mbit/s, beside it {delay['median']:.1f} ms one way, "
          f"95 % below {delay['p95']:.1f}")
    return rate, delay


def test_two_equal_wans():
    """one flow over two WANs of 50 Mbit/s has clearly more than one of them carries"""
    with TwoSites((wan("fiber", 50, 10), wan("cable", 50, 10))) as bench:
        rate, delay = carry(bench, 50 * MB)
        assert rate >= 1.25 * 50, rate  # 1.7 on a machine at rest
        assert delay["median"] <= 10 + 40, delay
        for name in ("fiber", "cable"):  # of 50 MB
            assert bench.branch.path(name)["tx_bytes"] >= 10 * MB, bench.branch.path(name)


def test_unequal_wans():
    """a second WAN that is slower and longer never costs one flow anything"""
    with TwoSites((wan("fiber", 40, 10), wan("lte", 20, 30))) as bench:
        rate, delay = carry(bench, 25 * MB)
        assert rate >= 36, rate  # 40 less headers, slow start and the handshake
        assert delay["median"] <= 10 + 50, delay


def test_backup():
    """a WAN that is a backup carries nothing while the other works"""
    with TwoSites((wan("fiber", 50, 10), wan("lte", 50, 10))) as bench:
        bench.up()
        bench.branch.command("set", "wan", "lte", "backup")
        bench.hq.wait_selected("fiber")
        before = bench.branch.path("lte")["tx_bytes"]
        result = bench.transfer(5 * MB).result()
        assert result["intact"], result
        assert bench.branch.path("lte")["tx_bytes"] - before < MB / 2, bench.branch.path("lte")


if __name__ == "__main__":
    harness.main()
