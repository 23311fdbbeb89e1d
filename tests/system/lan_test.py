#!/usr/bin/env python3
"""[Lan]: all packets from and to a subnet behind branch take its WAN, both ways, with nothing said
at hq; another WAN while that is cut.
"""

import statistics

import harness
from sites import LAN, TwoSites, Wan

# Round trips of 20 and 80 ms: one that takes a WAN each way has 50.
WANS = (Wan("fiber", {"delay": "10ms"}), Wan("dsl", {"delay": "40ms"}))
HOST, OTHER, SERVER = f"{LAN['branch']}.70", f"{LAN['branch']}.10", f"{LAN['hq']}.10"


def round_trip(bench, source):
    """Median round-trip time in ms from an address of the client to the server."""
    times = harness.ping(bench.branch_lan, SERVER, count=9, extra=("-I", source))
    return statistics.median(times) if len(times) >= 5 else None


def goes_by(bench, source, least, most):
    """Within some seconds, for frames and detection take their time."""
    def is_so():
        time = round_trip(bench, source)
        return time is not None and least <= time < most and time
    return harness.wait_for(is_so, 8, f"{source}: a round trip of {least} to {most} ms")


def test_a_subnet_has_its_wan():
    """a subnet takes its slower WAN both ways, the fast one during a cut, and returns"""
    with TwoSites(WANS, lans=True) as bench:
        bench.branch.config.append(("Lan office", {"Subnet": f"{LAN['branch']}.64/26",
                                                   "Wan": "dsl"}))
        bench.branch_lan.ip("address", "add", f"{HOST}/24", "dev", "eth0")
        bench.branch.write_config()
        text = bench.branch.command("check")[1]
        assert f"lan office: {LAN['branch']}.64/26 wan dsl" in text, text
        bench.up()
        print(f"  mapped {goes_by(bench, HOST, 78, 130):.0f} ms, "
              f"other {goes_by(bench, OTHER, 18, 48):.0f} ms")
        bench.lab.cut("dsl")
        goes_by(bench, HOST, 18, 48)
        bench.lab.restore("dsl")
        goes_by(bench, HOST, 78, 130)


if __name__ == "__main__":
    harness.main()
