"""WANs and addresses that come and go while the node runs: interfaces that get or lose a default
route, a PPP device that comes back under another name, a larger or smaller interface MTU, further
addresses that hq offers by itself.

    branch == fiber, lte (emulated) == hq

branch reaches everything by default routes, as a box with two providers does.
"""

import contextlib
import time

import harness
from sites import PORT, TUNNEL, TwoSites, Wan

WANS = [Wan("fiber", {"delay": "5ms"}), Wan("lte", {"delay": "15ms"})]
HQ = ["10.200.0.2", "10.200.1.2"]  # it answers for both on every WAN


def default_route(site, index, device, command="add", metric=None):
    site.ip("route", command, "default", "via", f"10.200.{index}.2", "dev", device,
            "metric", str(metric or 100 + index))


def endpoint_of(index):
    return f"10.200.{index}.2:{PORT}"


@contextlib.contextmanager
def two_sites(wans=WANS):
    with TwoSites(wans) as bench:
        for index, wan in enumerate(wans):
            default_route(bench.branch_site, index, wan.name)
        yield bench


def without_wans(bench, endpoints):
    """branch has no [Wan] sections and knows these of hq's addresses."""
    bench.branch.config = [(name, keys) for name, keys in bench.branch.config
                           if not name.startswith("Wan ")]
    peer = bench.branch.section("Peer hq")
    peer.pop("Paths")
    peer["Endpoint"] = ", ".join(endpoints)


def all_pairs(wans, addresses):
    return [f"{wan}>{address}:{PORT}" for wan in wans for address in addresses]


def up_paths(node):
    return sorted(path["name"] for path in (node.peer() or {"paths": []})["paths"]
                  if path["state"] == "up")


def wait_paths(node, names, timeout=10):
    harness.wait_for(lambda: up_paths(node) == sorted(names), timeout,
                     f"{node.name}: just {names} up")


def test_default_routes():
    """without [Wan] sections an interface is a WAN as long as it has a default route"""
    with two_sites() as bench:
        site, branch = bench.branch_site, bench.branch
        default_route(site, 1, "lte", "delete")
        without_wans(bench, [endpoint_of(0), endpoint_of(1)])
        bench.hq.start()
        branch.start()
        wait_paths(branch, all_pairs(["fiber"], HQ))
        default_route(site, 1, "lte")
        wait_paths(branch, all_pairs(["fiber", "lte"], HQ))
        since = time.monotonic_ns()
        default_route(site, 0, "fiber", "delete")
        wait_paths(branch, all_pairs(["lte"], HQ))
        assert branch.downs("fiber", since)[0]["cause"] == "the WAN is gone", branch.events()
        harness.wait_answer(site, TUNNEL["hq"][0])
        default_route(site, 0, "fiber")
        wait_paths(branch, all_pairs(["fiber", "lte"], HQ))
        assert len(branch.events("keys_changed")) == 1 and not branch.events("peer_down")


def test_rename():
    """Device = ppp*: the device vanishes and another one of the pattern takes its place"""
    with TwoSites([Wan("fiber", {"delay": "5ms"}, nat=True), WANS[1]]) as bench:
        bench.branch.section("Wan fiber")["Device"] = "ppp*"
        site, box = bench.branch_site, bench.boxes["fiber"]

        def device(name):
            bench.veth(site, name, box, "inside")
            site.ip("address", "add", "10.210.0.2/24", "dev", name)
            box.ip("address", "add", "10.210.0.1/24", "dev", "inside")

        site.ip("link", "delete", "fiber")
        device("ppp0")
        bench.up()
        for old, new in (("ppp0", "ppp1"), ("ppp1", "ppp0")):
            since = time.monotonic_ns()
            site.ip("link", "delete", old)
            harness.wait_for(lambda: bench.branch.downs("fiber", since), 5, "fiber down")
            harness.wait_answer(site, TUNNEL["hq"][0])
            device(new)
            bench.branch.wait_path("fiber", "up")
            routes = site.ip("-4", "route", "show", "table", "all", "proto", "119")
            assert f"dev {new} " in routes and f"dev {old} " not in routes, routes
            assert old not in site.ip("rule"), site.ip("rule")
        since = time.monotonic_ns()
        site.ip("link", "set", "ppp0", "down")  # as a daemon that renames it under way
        site.ip("link", "set", "ppp0", "name", "ppp7")
        site.ip("link", "set", "ppp7", "up")
        harness.wait_for(lambda: bench.branch.downs("fiber", since), 5, "fiber down")
        bench.branch.wait_path("fiber", "up")
        assert len(bench.branch.events("keys_changed")) == 1


def test_offered_addresses():
    """hq offers its second address and a third that it gets later; branch calls them from every
    WAN, and leaves them when they are gone"""
    with two_sites() as bench:
        without_wans(bench, [endpoint_of(0)])
        bench.hq.start()
        bench.branch.start()

        third, wans = "10.200.0.3", ["fiber", "lte"]
        wait_paths(bench.branch, all_pairs(wans, HQ))
        bench.hq_site.ip("address", "add", f"{third}/24", "dev", "fiber")
        wait_paths(bench.branch, all_pairs(wans, [*HQ, third]))
        bench.hq_site.ip("address", "delete", f"{third}/24", "dev", "fiber")
        wait_paths(bench.branch, all_pairs(wans, HQ))
        removed = {event["path"] for event in bench.branch.events("path_removed")}
        assert removed == set(all_pairs(wans, [third])), removed
        assert not bench.branch.events("peer_down")


def test_two_on_one_device():
    """two WANs on one device differ by Source, and each is routed by its own Gateway"""
    with TwoSites([Wan("fiber", {"delay": "5ms"}, nat=True)]) as bench:
        site, box, branch = bench.branch_site, bench.boxes["fiber"], bench.branch
        site.ip("address", "add", "10.210.0.3/24", "dev", "fiber")
        box.ip("address", "add", "10.210.0.9/24", "dev", "inside")
        branch.section("Wan fiber")["Source"] = "10.210.0.2"
        branch.config.insert(2, ("Wan second", {"Device": "fiber", "Source": "10.210.0.3",
                                                "Gateway": "10.210.0.9"}))
        branch.section("Peer hq").pop("Paths")
        bench.hq.start()
        branch.start()
        wait_paths(branch, all_pairs(["fiber", "second"], HQ[:1]))
        for source, gateway in (("10.210.0.2", "10.210.0.1"), ("10.210.0.3", "10.210.0.9")):
            route = site.ip("route", "get", HQ[0], "from", source, "oif", "fiber", "mark",
                            "0x77620000")
            assert f"via {gateway} " in route, route


def test_name():
    """a name that is not known at first is called at its IPv4 and IPv6 addresses once it is"""
    with TwoSites([Wan("fiber", {"delay": "5ms"})]) as bench:
        for site, number in ((bench.branch_site, 1), (bench.hq_site, 2)):
            site.write("/proc/sys/net/ipv6/conf/fiber/disable_ipv6", "0")
            site.ip("address", "add", f"fd00:200:9::{number}/64", "dev", "fiber", "nodad")
        hosts = bench.folder / "hosts"
        hosts.write_text("127.0.0.1 localhost\n")
        peer = bench.branch.section("Peer hq")
        peer.pop("Paths")
        peer["Endpoint"] = f"hq.invalid:{PORT}"
        bench.hq.start()
        own_hosts = f"mount --bind {hosts} /etc/hosts && exec \"$@\""
        bench.branch.start(prefix=["unshare", "--mount", "sh", "-c", own_hosts, "-"])
        harness.wait_for(lambda: "cannot resolve hq.invalid" in bench.branch.log.read_text(), 10,
                         "the first answer is none")
        assert not bench.branch.peer()["paths"]
        hosts.write_text("10.200.0.2 hq.invalid\nfd00:200:9::2 hq.invalid\n")
        wait_paths(bench.branch, all_pairs(["fiber"], [HQ[0], "[fd00:200:9::2]"]), 20)


def test_mtu():
    """the MTU of a WAN's interface is lowered and raised again: the path's size follows at once"""
    with two_sites() as bench:
        bench.up()
        assert bench.branch.path("fiber")["mtu"] == 1500
        for mtu in (1400, 1500):
            for site in (bench.branch_site, bench.hq_site):
                site.ip("link", "set", "fiber", "mtu", str(mtu))
            for node in (bench.branch, bench.hq):
                harness.wait_for(lambda: node.path("fiber")["mtu"] == mtu, 2,
                                 f"{node.name}: mtu {mtu}, not {node.path('fiber')['mtu']}")
        assert not bench.branch.downs("fiber") and not bench.hq.downs("fiber")


if __name__ == "__main__":
    harness.main()
