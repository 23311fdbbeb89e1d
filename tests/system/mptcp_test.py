"""Multipath TCP between hosts behind the gateways, with DSS checksums (RFC 8684 section 3.3.1): a
tunnel that splits and joins segments must leave the options and the payload that they cover alone.
"""

import harness
from sites import TwoSites

SIZE = 20_000_000


def counters(namespace):
    """The kernel's MPTCP counters of a namespace."""
    with namespace.entered(), open("/proc/self/net/netstat", encoding="ascii") as file:
        lines = [line.split() for line in file if line.startswith("MPTcpExt:")]
    return dict(zip(lines[0][1:], map(int, lines[1][1:])))


def enable(namespace):
    try:
        namespace.write("/proc/sys/net/mptcp/checksum_enabled", "1")
    except FileNotFoundError as missing:
        raise harness.Skip("this kernel has no MPTCP") from missing


def test_checksums_survive():
    """MPTCP with DSS checksums both ways: intact, no checksum error, no fallback to TCP"""
    with TwoSites(lans=True) as bench:
        for host in (bench.branch_lan, bench.hq_lan):
            enable(host)
        bench.up()
        there = bench.transfer(SIZE, mptcp=1)
        back = harness.Flow(bench, bench.hq_lan, bench.branch_lan, "10.1.0.10", "tcp", bytes=SIZE,
                            mptcp=1)
        for flow in (there, back):
            result = flow.result()
            assert result["intact"], result
            print(f"  {result['goodput_mbps']:.0f} Mbit/s")
        for host in (bench.branch_lan, bench.hq_lan):
            seen = counters(host)
            assert seen["MPCapableSYNACKRX"] == 1, seen  # it was MPTCP that went over
            bad = {name: count for name, count in seen.items()
                   if count and ("Csum" in name or "Fallback" in name)}
            assert not bad, bad


if __name__ == "__main__":
    harness.main()
