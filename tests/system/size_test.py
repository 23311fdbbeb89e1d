"""Paths that carry less than their interfaces promise, no ICMP anywhere: sizes are found, senders
are told, a flow survives a path that shrinks under it. And what a WAN marks reaches the inside."""

import shutil
import socket
import subprocess
import time

import harness
from harness import Flow, Stalls
from sites import TUNNEL, TwoSites, Wan

ENDLESS = 1_000_000_000_000  # bytes: until told to finish
OVERHEAD = 28 + 32  # IPv4, UDP, DATA
STALL_MS = 1000  # asked of a TCP flow when its path shrinks
IP4_ICMP = 28
ETH_P_IP, ETH_P_ALL = 0x0800, 0x0003


def one_wan(mtu=0, **keys):
    return TwoSites([Wan("fiber", {"delay": "10ms", "rate": "50Mbit", "queue_bytes": "250KB",
                                   "mtu": str(mtu), **keys})])


def wait_size(node, wan, mtu, timeout=10):
    harness.wait_for(lambda: (node.path(wan) or {}).get("mtu") == mtu, timeout,
                     f"{node.name}: {wan} carries {mtu} bytes")


def ping_says(namespace, address, size, *extra):
    done = namespace.popen(["ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "-s", str(size),
                            *extra, address], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True)
    return done.communicate()[0]


def test_found():
    """the size of a path is found, and told to who sends more"""
    with one_wan(mtu=1400) as bench:
        bench.up()
        address, address6 = TUNNEL["hq"]
        for node in (bench.branch, bench.hq):
            wait_size(node, "fiber", 1400)
            assert node.show()["mtu"] == 1420  # of the TUN: constant
            harness.wait_for(lambda: node.events("path_size", payload_bytes=1372), 15, "an event")
        harness.wait_answer(bench.branch_site, address6)
        inner = 1400 - OVERHEAD
        assert harness.ping(bench.branch_site, address, 1, size=inner - IP4_ICMP,
                            extra=["-M", "do"])
        said = ping_says(bench.branch_site, address, 1420 - IP4_ICMP, "-M", "do")
        assert f"mtu = {inner}" in said or f"mtu={inner}" in said, said
        said = ping_says(bench.branch_site, address6, 1420 - 48, "-M", "do")
        assert f"mtu: {inner}" in said or f"mtu={inner}" in said or f"mtu = {inner}" in said, said
        # Without don't-fragment the packet arrives in fragments that we make.
        assert len(harness.ping(bench.hq_site, TUNNEL["branch"][0], 5, size=1420 - IP4_ICMP,
                                extra=["-M", "dont"])) == 5
        transfer = Flow(bench, bench.hq_site, bench.branch_site, TUNNEL["branch"][0], "tcp",
                        bytes=3_000_000).result()
        assert transfer["intact"], transfer


def test_mss():
    """SYNs of hosts behind the gateways are held to the smallest path, both ways"""
    with TwoSites([Wan("fiber", {"delay": "5ms", "mtu": "1400"}), Wan("lte", {"delay": "10ms"})],
                  lans=True) as bench:
        bench.up()
        wait_size(bench.branch, "fiber", 1400)
        wait_size(bench.hq, "fiber", 1400)
        server = socket_in(bench.hq_lan, socket.SOCK_STREAM)
        server.bind(("10.2.0.10", 7000))
        server.listen()
        client = socket_in(bench.branch_lan, socket.SOCK_STREAM)
        client.settimeout(5)
        client.connect(("10.2.0.10", 7000))
        accepted, _ = server.accept()
        for name, end in (("client", client), ("server", accepted)):
            # Linux takes the 12 bytes of the time stamp option off.
            mss = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
            print(f"  {name}: maximum segment {mss} bytes")
            assert mss == 1400 - OVERHEAD - 40 - 12, mss


def socket_in(namespace, kind, family=socket.AF_INET, protocol=0):
    with namespace.entered():
        return socket.socket(family, kind, protocol)


def test_shrinks():
    """a path that shrinks under a TCP flow, without a word: no stall of 1 s"""
    for direction, (sender, receiver, address) in {
            "up": ("branch_site", "hq_site", TUNNEL["hq"][0]),
            "down": ("hq_site", "branch_site", TUNNEL["branch"][0])}.items():
        with one_wan() as bench:
            stalls = Stalls(bench)
            bench.up()
            for node in (bench.branch, bench.hq):
                wait_size(node, "fiber", 1500)
            flow = Flow(bench, getattr(bench, sender), getattr(bench, receiver), address, "tcp",
                        bytes=ENDLESS)
            time.sleep(2)
            start = time.monotonic_ns()
            bench.lab.set("fiber", mtu=1400)
            node = bench.branch if direction == "up" else bench.hq
            wait_size(node, "fiber", 1400)
            found = (time.monotonic_ns() - start) / 1e6
            time.sleep(2)
            flow.finish()
            result = flow.result()
            stalled = stalls.between(start, time.monotonic_ns())
            print(f"  {direction}: 1400 bytes known after {found:.0f} ms, longest gap "
                  f"{result['longest_gap_ms']:.0f} ms, {result['goodput_mbps']:.0f} Mbit/s, the "
                  f"machine stood still for {stalled:.0f} ms")
            assert result["intact"], result
            assert result["longest_gap_ms"] <= STALL_MS + stalled, result
            for end in (bench.branch, bench.hq):
                assert not end.downs("fiber", start), "the path is narrower, not down"


def test_too_small():
    """a path that carries less than 1312 bytes of payload carries no data, and says so"""
    with TwoSites([Wan("fiber", {"delay": "5ms", "mtu": "1300"}),
                   Wan("lte", {"delay": "20ms"})]) as bench:
        bench.up()
        harness.wait_answer(bench.branch_site, TUNNEL["hq"][0])
        for node in (bench.branch, bench.hq):
            harness.wait_for(lambda: node.events("path_size", cause="too small for data"), 10,
                             "an event")
            assert node.selected() == "lte", node.selected()
        assert len(harness.ping(bench.branch_site, TUNNEL["hq"][0], size=1392)) == 5


class Sniffer:
    """Traffic classes of IPv4 packets that a device of a namespace gives to its host."""

    def __init__(self, namespace, device):
        self.socket = socket_in(namespace, socket.SOCK_DGRAM, socket.AF_PACKET,
                                socket.htons(ETH_P_ALL))
        self.socket.bind((device, ETH_P_ALL))
        self.socket.setblocking(False)

    def classes(self, wanted):
        """Of packets for which wanted(bytes) holds, since the last call."""
        seen = []
        try:
            while True:
                data, (_, protocol, *_) = self.socket.recvfrom(2048)
                if protocol == ETH_P_IP and wanted(data):
                    seen.append(data[1])
        except BlockingIOError:
            return seen


def is_echo(data):
    return data[9] == 1 and data[20] == 8


def is_data(data):
    return data[9] == 17 and data[28] == 0x74


def test_ecn():
    """ECN outside is that inside, DSCP is not; marks of a WAN come out by RFC 6040"""
    with one_wan() as bench:
        bench.up()
        address = TUNNEL["hq"][0]
        harness.wait_answer(bench.branch_site, address)
        outer, inner = Sniffer(bench.hq_site, "fiber"), Sniffer(bench.hq_site, "wb0")
        for tos in (0, 1, 2, 3, 0xb8 | 2):
            outer.classes(is_data), inner.classes(is_echo)
            harness.ping(bench.branch_site, address, 3, extra=["-Q", str(tos)], exactly=True)
            assert tos & 3 in outer.classes(is_data), tos
            assert inner.classes(is_echo) == [tos] * 3, tos
        if shutil.which("nft") is None:
            raise harness.Skip("nft is missing")
        bench.hq_site.run(["nft", "-f", "-"], input="""
            table ip congestion {
              chain arriving {
                type filter hook prerouting priority -300; policy accept;
                iifname "fiber" udp dport 51900 ip ecn set ce
              }
            }""")
        for tos, out in ((2, 3), (1, 3), (3, 3), (0xb8 | 2, 0xb8 | 3), (0, None)):
            inner.classes(is_echo)
            harness.ping(bench.branch_site, address, 3, extra=["-Q", str(tos)], exactly=True)
            assert inner.classes(is_echo) == ([] if out is None else [out] * 3), tos
        assert bench.hq.drops().get("marked_ce", 0) >= 3, bench.hq.drops()


if __name__ == "__main__":
    harness.main()
