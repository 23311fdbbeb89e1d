"""A hub with two branches: everybody reaches what AllowedIPs permit, and nothing leaves in clear.

    north ==(n1, n2)== hub ==(s1)== south

The hub forwards between the branches. Behind each node is a LAN, an address on its loopback. The
branches' default routes lead to the hub's WAN ends: what no tunnel takes would leave there.
"""

import errno
import socket
import time

import harness
from harness import Link
from sites import PORT, Node, NodeBench
from traffic import family

TUNNEL = {"hub": "10.77.0.1", "north": "10.77.0.2", "south": "10.77.0.3"}
TUNNEL6 = {"hub": "fd77::1", "north": "fd77::2", "south": "fd77::3"}
LAN = {"hub": "10.0.0.1", "north": "10.1.0.1", "south": "10.2.0.1"}
# WAN: its branch, the address there and the address at the hub.
WANS = {"n1": ("north", "10.200.1.1", "10.200.1.2"), "n2": ("north", "10.200.2.1", "10.200.2.2"),
        "s1": ("south", "10.200.3.1", "10.200.3.2")}
# What each branch may reach through the hub, and has to take from it.
BEHIND_HUB = {"north": [TUNNEL["hub"], TUNNEL6["hub"], TUNNEL["south"], LAN["south"]],
              "south": [TUNNEL["hub"], TUNNEL6["hub"], TUNNEL["north"], LAN["hub"]]}
SPOOFED = ["10.2.0.1", "10.77.0.3", "192.0.2.7", "fd77::3"]  # none of them is north's
COUNT = """
    table inet leak {
      counter plain {}
      chain out {
        type filter hook postrouting priority 0
        oifname { "n1", "n2", "s1" } ip daddr { 10.0.0.0/8 } ip daddr != 10.200.0.0/16 \
          counter name plain
        oifname { "n1", "n2", "s1" } ip6 daddr fd77::/16 counter name plain
      }
    }"""


class ThreeNodes(NodeBench):
    """The picture above, nodes not started."""

    def __init__(self):
        super().__init__()
        try:
            self.sites = {name: self.namespace(name) for name in TUNNEL}
            self.lab = self.start_lab([
                Link(wan, (self.sites[branch], wan, [f"{here}/24"]),
                     (self.sites["hub"], wan, [f"{there}/24"]), delay="3ms")
                for wan, (branch, here, there) in WANS.items()])
            for name, site in self.sites.items():
                site.ip("address", "add", f"{LAN[name]}/32", "dev", "lo")
                site.run(["nft", "-f", "-"], input=COUNT)
            self.sites["hub"].write("/proc/sys/net/ipv4/ip_forward", "1")
            for wan, branch in (("n1", "north"), ("s1", "south")):
                self.sites[branch].ip("route", "add", "default", "via", WANS[wan][2])
            self.nodes = {name: Node(self, site, name) for name, site in self.sites.items()}
            self._configure()
        except BaseException:
            self.close()
            raise

    def _configure(self):
        for name, node in self.nodes.items():
            wans = [wan for wan, (branch, _, _) in WANS.items() if name in (branch, "hub")]
            node.config = [
                ("Interface", {"PrivateKey": node.key_file, "Device": "wb0", "User": "root",
                               "Address": f"{TUNNEL[name]}/32, {TUNNEL6[name]}/128",
                               "ListenPort": PORT if name == "hub" else 0,
                               "ControlSocket": self.folder / name / "run.sock"}),
                *((f"Wan {wan}", {"Device": wan}) for wan in wans)]
        for name, allowed in BEHIND_HUB.items():
            ends = {wan: f"{there}:{PORT}" for wan, (branch, _, there) in WANS.items()
                    if branch == name}
            self.nodes[name].config.append(
                ("Peer hub", {"PublicKey": self.nodes["hub"].public_key,
                              "Endpoint": ", ".join(ends.values()),
                              "Paths": ", ".join(f"{wan}>{end}" for wan, end in ends.items()),
                              "AllowedIPs": ", ".join(allowed)}))
            self.nodes["hub"].config.append(
                (f"Peer {name}", {"PublicKey": self.nodes[name].public_key,
                                  "AllowedIPs": f"{TUNNEL[name]}, {TUNNEL6[name]}, {LAN[name]}"}))

    def up(self):
        for node in self.nodes.values():
            node.start()
        for wan, (branch, _, _) in WANS.items():
            self.nodes[branch].wait_path(wan, "up")
        for branch in BEHIND_HUB:
            harness.wait_for(lambda: self.nodes["hub"].peer(branch)["state"] == "up", 10, branch)

    def reaches(self, name, address, source=None, count=3, exactly=False):
        extra = ["-I", source] if source else []
        answers = harness.ping(self.sites[name], address, count, extra=extra, exactly=exactly)
        return len(answers) == count

    def leaked(self, name):
        """Packets for the tunnel's networks that left by a WAN."""
        text = self.sites[name].run(["nft", "list", "counter", "inet", "leak", "plain"])
        return int(text.split("packets")[1].split()[0])

    def is_down(self, name):
        return self.nodes[name].peer()["state"] == "down"


def is_unreachable(site, address):
    """True if the kernel refuses at once: an unreachable route."""
    with site.entered(), socket.socket(family(address), socket.SOCK_DGRAM) as sender:
        return sender.connect_ex((address, 9)) == errno.EHOSTUNREACH


def test_allowed_ips():
    """hub and branches reach each other as AllowedIPs permit; foreign sources are dropped"""
    with ThreeNodes() as bench:
        bench.up()
        for branch, allowed in BEHIND_HUB.items():
            for address in allowed:
                assert bench.reaches(branch, address), (branch, address)
            for address in (TUNNEL[branch], TUNNEL6[branch], LAN[branch]):
                assert bench.reaches("hub", address), (branch, address)
        # South does not take north's LAN from the hub, which passes it on.
        assert not bench.reaches("north", TUNNEL["south"], LAN["north"], exactly=True)
        dropped = bench.nodes["south"].drops()
        assert dropped.get("source_not_allowed") == 3, dropped
        assert "source_not_allowed" not in bench.nodes["hub"].drops()
        expect_spoofed_dropped(bench)


def send_from(site, source, address, count):
    with site.entered(), socket.socket(family(address), socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for _ in range(count):
            sender.sendto(b"not mine", (address, 9))


def expect_spoofed_dropped(bench):
    north, hub = bench.sites["north"], bench.nodes["hub"]
    # Only the tunnel's own source check may stand in the way.
    for device in ("all", "wb0"):
        hub.namespace.write(f"/proc/sys/net/ipv4/conf/{device}/rp_filter", "0")
    hub.namespace.run(["nft", "-f", "-"], input="""
        table inet seen {
          counter spoofed {}
          chain in {
            type filter hook prerouting priority raw
            iifname "wb0" counter name spoofed
          }
        }""")
    for source in SPOOFED:
        north.ip("address", "add", source, "dev", "lo", *["nodad"] * (":" in source))
    for number, source in enumerate(SPOOFED, 1):
        address = TUNNEL6["hub"] if ":" in source else TUNNEL["hub"]
        send_from(north, source, address, 5)
        harness.wait_for(lambda: hub.drops().get("source_not_allowed") == 5 * number, 3,
                         f"{source} counted: {hub.drops()}")
    text = hub.namespace.run(["nft", "list", "counter", "inet", "seen", "spoofed"])
    assert "packets 0 " in text, text
    for source in SPOOFED:
        north.ip("address", "delete", source, "dev", "lo")
    assert bench.reaches("north", TUNNEL["hub"]), "own sources pass"
    print(f"  {5 * len(SPOOFED)} spoofed packets dropped by the hub, none came out of its TUN")


def test_no_leak():
    """without the tunnel no packet for its networks leaves by a WAN, not even in between"""
    with ThreeNodes() as bench:
        north, node = bench.sites["north"], bench.nodes["north"]
        harness.ping(north, LAN["south"], count=1, exactly=True)
        assert bench.leaked("north") == 1, "the counter counts what leaves without wanbond"
        bench.up()
        before = bench.leaked("north")
        stream = bench.start(north, ["ping", "-n", "-i", "0.005", LAN["south"]], "ping")
        harness.wait_answer(north, LAN["south"])
        for what, stop, go_on in (
                ("every WAN cut", lambda: [bench.lab.cut(wan) for wan in ("n1", "n2")],
                 lambda: [bench.lab.restore(wan) for wan in ("n1", "n2")]),
                ("the hub stopped", bench.nodes["hub"].stop, bench.nodes["hub"].start)):
            stop()
            harness.wait_for(lambda: bench.is_down("north"), 5, f"{what}: peer down")
            for address in (LAN["south"], TUNNEL["hub"], TUNNEL6["hub"]):
                assert is_unreachable(north, address), (what, address)
            began = time.monotonic()
            go_on()
            harness.wait_answer(north, LAN["south"], 15)
            print(f"  {what}: unreachable; back {time.monotonic() - began:.1f} s after its end")
        assert stream.poll() is None and node.process.poll() is None
        assert bench.leaked("north") == before, bench.leaked("north") - before


if __name__ == "__main__":
    harness.main()
