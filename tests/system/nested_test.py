"""What a tunnel must bear with: another tunnel inside it, a default route into it, its own endpoint
within AllowedIPs, a TUN device in another namespace than its sockets, a box without IPv6.

The cases are those of WireGuard's own namespace test that have a meaning here and that no other
file has; see its tools/testing/selftests/wireguard/netns.sh.
"""

import harness
from harness import Flow
from sites import PORT, TUNNEL, Node, TwoSites, Wan

WANS = [Wan("fiber", {"delay": "5ms"}), Wan("lte", {"delay": "15ms"})]
INNER = {"branch": "10.78.0.2", "hq": "10.78.0.1"}
OUTSIDE = "203.0.113.80"  # behind hq, as the Internet is


def expect_transfer(bench, address):
    result = Flow(bench, bench.branch_site, bench.hq_site, address, "tcp",
                  bytes=2_000_000).result()
    assert result["intact"], result
    print(f"  {address}: {result['goodput_mbps']:.0f} Mbit/s, intact")


def inner_node(bench, name, site):
    node = Node(bench, site, f"inner-{name}")
    node.config = [("Interface", {"PrivateKey": node.key_file, "Device": "wb1", "User": "root",
                                  "Address": f"{INNER[name]}/24",
                                  "ListenPort": PORT + 1 if name == "hq" else 0,
                                  "ControlSocket": bench.folder / f"inner-{name}" / "run.sock"}),
                   ("Wan tunnel", {"Device": "wb0"})]
    return node


def test_nested():
    """a tunnel in a tunnel works, and does not notice that a WAN of the outer one fails"""
    with TwoSites(WANS) as bench:
        bench.up()
        here = inner_node(bench, "branch", bench.branch_site)
        there = inner_node(bench, "hq", bench.hq_site)
        here.config.append(("Peer hq", {"PublicKey": there.public_key,
                                        "Endpoint": f"{TUNNEL['hq'][0]}:{PORT + 1}",
                                        "AllowedIPs": f"{INNER['hq']}/32"}))
        there.config.append(("Peer branch", {"PublicKey": here.public_key,
                                             "AllowedIPs": f"{INNER['branch']}/32"}))
        there.start()
        here.start()
        here.wait_up(["tunnel"])
        assert here.show()["mtu"] == 1340, "80 bytes less than the outer tunnel's"
        expect_transfer(bench, INNER["hq"])
        bench.lab.cut("fiber")
        bench.branch.wait_selected("lte")
        harness.wait_answer(bench.branch_site, INNER["hq"])
        expect_transfer(bench, INNER["hq"])
        assert not here.events("peer_down") and not there.events("peer_down")


def test_default_route():
    """a default route into the tunnel takes everything but the tunnel's own datagrams"""
    with TwoSites(WANS) as bench:
        bench.branch.section("Peer hq")["AllowedIPs"] = "0.0.0.0/0, ::/0"
        for index, wan in enumerate(WANS):
            bench.branch_site.ip("route", "add", "default", "via", f"10.200.{index}.2", "dev",
                                 wan.name, "metric", str(100 + index))
        bench.hq_site.ip("address", "add", f"{OUTSIDE}/32", "dev", "lo")
        bench.up()
        where = bench.branch_site.ip("route", "get", OUTSIDE)
        assert " dev wb0 " in where, where
        expect_transfer(bench, OUTSIDE)
        bench.lab.cut("fiber")
        bench.branch.wait_selected("lte")
        expect_transfer(bench, OUTSIDE)
        bench.lab.restore("fiber")
        bench.wait_up()


def test_endpoint_inside():
    """AllowedIPs that contain the endpoints make no loop: each path leaves by its WAN"""
    with TwoSites(WANS) as bench:
        bench.branch.section("Peer hq")["AllowedIPs"] += ", 10.200.0.0/16"
        bench.up()
        for address in TUNNEL["hq"]:
            harness.wait_answer(bench.branch_site, address)
        expect_transfer(bench, TUNNEL["hq"][0])
        bench.wait_up()


def test_namespace():
    """the TUN device is moved to a container that has no other way out; the sockets stay"""
    with TwoSites(WANS) as bench:
        interface = bench.branch.section("Interface")
        interface["Table"] = "off"
        interface.pop("Address")
        bench.up()
        inside = bench.namespace("container")
        bench.branch_site.ip("link", "set", "wb0", "netns", inside.name)
        inside.ip("address", "add", f"{TUNNEL['branch'][0]}/24", "dev", "wb0")
        inside.ip("link", "set", "wb0", "up")
        harness.wait_answer(inside, TUNNEL["hq"][0])
        result = Flow(bench, inside, bench.hq_site, TUNNEL["hq"][0], "tcp",
                      bytes=2_000_000).result()
        assert result["intact"], result
        bench.lab.cut("fiber")
        bench.branch.wait_selected("lte")
        harness.wait_answer(inside, TUNNEL["hq"][0])


def test_without_ipv6():
    """a box whose IPv6 is switched off"""
    with TwoSites(WANS) as bench:
        for site, node in ((bench.branch_site, bench.branch), (bench.hq_site, bench.hq)):
            for device in ("all", "default"):
                site.write(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6", "1")
            interface = node.section("Interface")
            interface["Address"] = interface["Address"].split(",")[0]
        for node, peer in ((bench.branch, "hq"), (bench.hq, "branch")):
            node.section(f"Peer {peer}")["AllowedIPs"] = f"{TUNNEL[peer][0]}/32"
        bench.up()
        harness.wait_answer(bench.branch_site, TUNNEL["hq"][0])
        expect_transfer(bench, TUNNEL["hq"][0])


if __name__ == "__main__":
    harness.main()
