"""WANs that vanish, come back, lose addresses or routes, or refuse to send: the node lives on.

branch has two Ethernet WANs, fiber and lte, each with a router (a NAT box) behind it, and six, over
IPv6. Trouble is made at branch only, so hq learns of it from branch, over another WAN.
"""

import contextlib
import time

import harness
from sites import TUNNEL, TwoSites, Wan

WANS = [Wan("fiber", {"delay": "2ms"}, nat=True), Wan("lte", {"delay": "12ms"}, nat=True),
        Wan("six", {"delay": "25ms"}, ipv6=True)]
REFUSED, SILENCE, GONE = "the kernel refuses to send", "no sign of life", "the WAN is gone"
TOLD, DEAF = "the peer's WAN is gone", "the peer does not hear us"
WAY_NS = 12_000_000  # the shortest way from branch to hq
TOLD_MS = 100  # asked of a busy test machine: the round trip of the slowest WAN is 50 ms


def forbid(site, device):
    """A packet filter whose drops show as EPERM."""
    site.run(["nft", "-f", "-"], input=f"""
        table inet wall {{
          chain out {{
            type filter hook output priority 0
            oifname "{device}" udp dport 51900 drop
          }}
        }}""")


def connect(bench, index, address):
    """A new Ethernet device for a WAN, as a modem that was plugged in again."""
    wan = bench.wans[index].name
    bench.veth(bench.branch_site, wan, bench.boxes[wan], "inside")
    bench.branch_site.ip("address", "add", address, "dev", wan)
    bench.boxes[wan].ip("address", "add", f"10.210.{index}.1/24", "dev", "inside")


def own_routing(site):
    """Rules, and the routes that a node sets."""
    return site.ip("rule"), site.ip("-4", "route", "show", "table", "all", "proto", "119")


class Trouble:
    """One bench for all kinds of trouble, each of which passes."""

    def __init__(self, bench):
        self.bench, self.site = bench, bench.branch_site
        self.stalls = harness.Stalls(bench)
        self.ping = bench.start(self.site, ["ping", "-n", "-i", "0.05", TUNNEL["hq"][0]], "ping")

    def expect(self, what, wan, causes, make, cure):
        """The path over `wan` goes down for one of `causes`, traffic goes on, it comes back."""
        branch, others = self.bench.branch, [w.name for w in self.bench.wans if w.name != wan]
        since = time.monotonic_ns()
        make()
        harness.wait_for(lambda: branch.downs(wan, since), 5, f"{what}: {wan} down")
        down = branch.downs(wan, since)[0]
        assert down["cause"] in causes, (what, down)
        harness.wait_for(lambda: branch.selected() in others, 2, f"{what}: another WAN in use")
        # By itself hq would take 400 ms, the detection time, on an idle path 1.2 s.
        hq = self.bench.hq
        harness.wait_for(lambda: hq.downs(wan, since), 5, f"{what}: {wan} down at hq")
        told = hq.downs(wan, since)[0]
        told_ms = (told["at_ns"] - down["at_ns"]) / 1e6 - self.stalls.between(
            down["at_ns"], told["at_ns"])
        expected = {DEAF, SILENCE} if down["cause"] in (SILENCE, DEAF) else {TOLD}
        if told["at_ns"] < down["at_ns"] + WAY_NS:  # before branch could tell
            expected.add(SILENCE)
        assert told["cause"] in expected, (what, down, told)
        assert told_ms < TOLD_MS, (what, told_ms, told)
        harness.wait_answer(self.site, TUNNEL["hq"][0], 5)
        cured = time.monotonic_ns()
        cure()
        harness.wait_for(lambda: branch.path_is(wan, "up"), 10, f"{what}: {wan} up again")
        harness.wait_for(lambda: hq.path_is(wan, "up"), 10, f"{what}: {wan} up again at hq")
        up = [event["at_ns"] for event in branch.events("path_state", to="up")
              if event["path"].startswith(wan + ">") and event["at_ns"] > cured]
        assert up, f"{what}: {wan} was up before the cure"
        print(f"  {what}: {wan} down after {(down['at_ns'] - since) / 1e6:.0f} ms "
              f"({down['cause']}), told in {told_ms:.0f} ms, up {(up[0] - cured) / 1e6:.0f} ms "
              "after its end")

    def expect_undisturbed(self):
        """The peer was up all the time, in one session, with one process."""
        branch = self.bench.branch
        assert self.ping.poll() is None and branch.process.poll() is None
        assert not branch.events("peer_down") and len(branch.events("keys_changed")) == 1
        assert not self.bench.hq.events("peer_down"), self.bench.hq.events("peer_down")


@contextlib.contextmanager
def trouble():
    with TwoSites(WANS) as bench:
        for node in (bench.branch, bench.hq):
            for section, keys in node.config:
                if section.startswith("Wan "):  # a busy machine is no trouble of the WANs
                    keys["Heartbeat"] = "50ms x8"
        bench.up()
        bench.branch.wait_selected("fiber")
        made = Trouble(bench)
        yield made
        made.expect_undisturbed()


def test_device():
    """a WAN's device goes down and up; vanishes and comes back, with the same or another address"""
    with trouble() as t:
        ip, before = t.site.ip, own_routing(t.site)
        # A packet may be refused before the kernel's word of the change is read.
        t.expect("link down", "fiber", {GONE, REFUSED},
                 lambda: ip("link", "set", "fiber", "down"),
                 lambda: ip("link", "set", "fiber", "up"))
        for address in ("10.210.0.2/24", "10.210.0.77/24"):
            t.expect("device deleted", "fiber", {GONE, REFUSED},
                     lambda: ip("link", "delete", "fiber"),
                     lambda: connect(t.bench, 0, address))
        assert own_routing(t.site) == before, (before, own_routing(t.site))


def test_address():
    """a WAN's only address is removed, added again, exchanged for another one"""
    with trouble() as t:
        ip = t.site.ip
        for old, new in ((2, 2), (2, 99)):
            t.expect("address removed" if old == new else "address changed", "fiber",
                     {REFUSED, GONE},
                     lambda: ip("address", "delete", f"10.210.0.{old}/24", "dev", "fiber"),
                     lambda: ip("address", "add", f"10.210.0.{new}/24", "dev", "fiber"))


def test_carrier():
    """a WAN's cable is pulled: its device stays up, without a carrier"""
    with trouble() as t:
        box = t.bench.boxes["fiber"]
        # The kernel takes up to a second to say so (linkwatch): either end may see silence first.
        t.expect("no carrier", "fiber", {GONE, SILENCE, DEAF},
                 lambda: box.ip("link", "set", "inside", "down"),
                 lambda: box.ip("link", "set", "inside", "up"))


def test_refused():
    """no route (ENETUNREACH) and a packet filter's drop (EPERM)"""
    with trouble() as t:
        route = ["fd00:200:2::/64", "dev", "six"]
        t.expect("no route", "six", {REFUSED},
                 lambda: t.site.ip("-6", "route", "delete", *route),
                 lambda: t.site.ip("-6", "route", "add", *route))
        t.expect("not permitted", "fiber", {REFUSED},
                 lambda: forbid(t.site, "fiber"),
                 lambda: t.site.run(["nft", "delete", "table", "inet", "wall"]))
        assert t.bench.branch.drops()["send_failed"] > 0, t.bench.branch.drops()


if __name__ == "__main__":
    harness.main()
