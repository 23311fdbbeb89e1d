"""The two sites themselves, before any node: links, NAT boxes, LANs, keys and configurations."""

import socket

import harness
from sites import THREE_WANS, TwoSites, Wan


def reaches(namespace, address):
    namespace.run(["ping", "-n", "-c", "1", "-W", "2", address])


def source_seen(listener, sender, destination):
    """The source address and port that `listener` sees of a datagram from `sender`."""
    sender.sendto(b"who am I", destination)
    return listener.recvfrom(100)[1]


def udp_socket(namespace, address, port=0):
    with namespace.entered():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    made.settimeout(2)
    return made


def test_links():
    """every WAN reaches its other end, over IPv4 or IPv6, and only that"""
    with TwoSites([*THREE_WANS, Wan("six", ipv6=True)]) as sites:
        for index in range(4):
            reaches(sites.branch_site, sites.addresses(index)[1])
            reaches(sites.hq_site, sites.addresses(index)[0])
        sites.lab.cut("lte")
        try:
            reaches(sites.branch_site, sites.addresses(1)[1])
            raise AssertionError("the cut WAN answers")
        except RuntimeError:
            pass


def test_nat():
    """behind NAT the other end sees the box, and after a rebinding another port of it"""
    with TwoSites([Wan("fiber"), Wan("lte", nat=True)]) as sites:
        sites.branch_site.ip("route", "add", "10.200.1.0/24", "via", "10.210.1.1")
        with udp_socket(sites.hq_site, "10.200.1.2", 5000) as listener, \
                udp_socket(sites.branch_site, "10.210.1.2") as sender:
            there = ("10.200.1.2", 5000)
            first = source_seen(listener, sender, there)
            assert first[0] == "10.200.1.1" and 20000 <= first[1] < 21000, first
            assert source_seen(listener, sender, there) == first
            listener.sendto(b"answer", first)
            assert sender.recv(100) == b"answer"
            sites.rebind("lte")
            second = source_seen(listener, sender, there)
            assert second[0] == "10.200.1.1" and 21000 <= second[1] < 22000, second


def test_lans():
    """LAN hosts reach their gateway"""
    with TwoSites(lans=True) as sites:
        reaches(sites.branch_lan, "10.1.0.1")
        reaches(sites.hq_lan, "10.2.0.1")


def test_configurations():
    """both configurations pass `wanbond check`"""
    with TwoSites([*THREE_WANS, Wan("nat", nat=True), Wan("six", ipv6=True)], lans=True) as sites:
        for node in (sites.branch, sites.hq):
            node.write_config()
            node.command("check")
        sites.branch.section("Peer hq")["PublicKey"] = "nonsense"
        sites.branch.write_config()
        assert sites.branch.command("check", check=False)[0] == 2


if __name__ == "__main__":
    harness.main()
