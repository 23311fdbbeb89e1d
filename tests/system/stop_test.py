"""A node that gets no processor time for 300 ms."""

import signal
import time

import harness
from harness import Flow
from sites import TUNNEL, TwoSites, is_in_use


def pause(bench, sleeper, other):
    """Stops one node for 300 ms under streams both ways."""
    for node in (sleeper, other):
        harness.wait_for(lambda: is_in_use(node.path("fiber")), 10, "fiber in use")
    at = time.monotonic_ns()
    sleeper.process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    sleeper.process.send_signal(signal.SIGCONT)
    for node in (sleeper, other):
        node.wait_selected("fiber", 5)
    time.sleep(1.5)  # for a second Down to come, if one does
    for node, name in ((sleeper, "stopped"), (other, "awake")):
        downs = node.downs("fiber", at)
        print(f"  {node.name}, {name}: {len(downs)} Down" + "".join(
            f" at {(down['at_ns'] - at) / 1e6:.0f} ms, {down['cause']}" for down in downs))
        assert len(downs) <= 1, downs
        assert node.selected() == "fiber", node.peer()


def test_stopped():
    """at most one Down at each side for each stop, and the path is used again"""
    with TwoSites() as bench:
        bench.up()
        flows = [Flow(bench, bench.branch_site, bench.hq_site, TUNNEL["hq"][0], "udp", rate=2,
                      size=500, seconds=6),
                 Flow(bench, bench.hq_site, bench.branch_site, TUNNEL["branch"][0], "udp", rate=2,
                      size=500, seconds=6)]
        pause(bench, bench.branch, bench.hq)
        pause(bench, bench.hq, bench.branch)
        for flow in flows:
            result = flow.result()
            print(f"  {result['lost']} of {result['sent']} lost, longest gap "
                  f"{result['longest_gap_ms']:.0f} ms")


if __name__ == "__main__":
    harness.main()
