"""A node that is killed, stopped or started again: traffic is back soon, nothing is left behind."""

import signal
import time

import harness
from sites import TUNNEL, Node, TwoSites

BACK_S = 3  # traffic again after a restart


def traces(site):
    """What a node could leave in a namespace: devices, addresses, routes, rules."""
    return [site.ip(*words) for words in (
        ["-brief", "link"], ["-4", "route", "show", "table", "all"],
        ["-6", "route", "show", "table", "all"], ["rule"], ["-6", "rule"])]


def expect_back(bench, began, what):
    """Pings from both sides come through again in time."""
    for site, address in ((bench.branch_site, TUNNEL["hq"][0]),
                          (bench.hq_site, TUNNEL["branch"][0])):
        harness.wait_answer(site, address, 15)
    took = time.monotonic() - began
    print(f"  {what}: traffic both ways {took:.2f} s after")
    assert took <= BACK_S, took


def restart_each(bench, number, what):
    for node in (bench.branch, bench.hq):
        # The other one goes on sending meanwhile, as users do.
        status = node.stop(number)
        assert status == (0 if number == signal.SIGTERM else -number), status
        began = time.monotonic()
        node.start()
        expect_back(bench, began, f"{node.name} {what}")


def test_killed():
    """kill -9 and an immediate start, of either side, one caller"""
    with TwoSites() as bench:
        bench.up()
        restart_each(bench, signal.SIGKILL, "killed and started")
        bench.wait_up()


def test_killed_both_call():
    """kill -9 and an immediate start, of either side, both call"""
    with TwoSites() as bench:
        bench.both_call()
        bench.up()
        restart_each(bench, signal.SIGKILL, "killed and started")


def test_stopped():
    """a graceful stop and an immediate start, of either side"""
    with TwoSites() as bench:
        bench.up()
        restart_each(bench, signal.SIGTERM, "stopped and started")
        bench.wait_up()


def test_goodbye():
    """who is told goodbye knows at once, and is called again when the other is back"""
    with TwoSites() as bench:
        bench.up()
        at = time.monotonic_ns()
        bench.hq.stop()
        harness.wait_for(lambda: bench.branch.peer()["state"] == "down", 3, "the peer down")
        (down,) = bench.branch.events("peer_down")
        print(f"  branch knows {(down['at_ns'] - at) / 1e6:.0f} ms after the signal")
        assert down["at_ns"] - at < 500_000_000, down
        time.sleep(1)
        bench.hq.start()
        expect_back(bench, time.monotonic(), "hq back after a second")


def test_nothing_is_left():
    """TERM, INT and kill -9 leave no device, route or rule; the next start sweeps the rest"""
    with TwoSites() as bench:
        # A default route, a network and a gateway: all kinds of routes and rules there are.
        bench.branch.section("Peer hq")["AllowedIPs"] += ", 10.99.0.0/16, 0.0.0.0/0, ::/0"
        bench.branch.section("Wan fiber")["Gateway"] = "10.200.0.2"
        before = {node: traces(node.namespace) for node in (bench.branch, bench.hq)}
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGTERM):
            bench.up()
            now = traces(bench.branch.namespace)
            assert "10.99.0.0/16" in now[1] and "lookup" in "".join(now), now
            for node, state in before.items():
                status = node.stop(number)
                if number == signal.SIGKILL:
                    continue
                assert status == 0, status
                assert traces(node.namespace) == state, (state, traces(node.namespace))
        print("  as before after TERM, INT, and after KILL with another run")


def test_sweep_beside_another():
    """a start sweeps what a killed run left, though a node of another namespace shares the folder
    of control sockets; what a node of the same namespace holds stays"""
    with TwoSites() as bench:
        for node in (bench.branch, bench.hq):
            node.section("Interface")["ControlSocket"] = bench.folder / f"{node.name}.sock"
        allowed = bench.branch.section("Peer hq")["AllowedIPs"]
        bench.branch.section("Peer hq")["AllowedIPs"] += ", 10.99.0.0/16"
        bench.up()
        bench.branch.stop(signal.SIGKILL)
        assert "10.99.0.0/16" in bench.branch_site.ip("route"), "left behind"
        bench.branch.section("Peer hq")["AllowedIPs"] = allowed
        other = Node(bench, bench.branch_site, "other")
        other.config = [
            ("Interface", {"PrivateKey": other.key_file, "Device": "wb1", "ListenPort": 0,
                           "User": "root", "ControlSocket": bench.folder / "other.sock"}),
            ("Wan fiber", {"Device": "fiber"}),
            ("Peer nobody", {"PublicKey": bench.hq.public_key, "AllowedIPs": "10.98.0.0/16"})]
        other.start()
        harness.wait_for(other.show, 5, "the other node runs")
        routes = bench.branch_site.ip("route")
        assert "10.99.0.0/16" not in routes and "10.98.0.0/16" in routes, routes
        bench.branch.start()
        harness.wait_answer(bench.branch_site, TUNNEL["hq"][0])
        assert "10.98.0.0/16" in bench.branch_site.ip("route"), "it belongs to the other node"


if __name__ == "__main__":
    harness.main()
