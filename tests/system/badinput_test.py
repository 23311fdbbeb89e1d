"""Bad datagrams against a running node: dropped, counted by reason, not answered, no harm done.

    stranger -- net \\
                     hq == fiber, lte == branch
The stranger is a host on a third WAN of hq. What branch and hq say to each other is recorded at hq;
the stranger sends it again, and so does branch's box, from branch's own address and port.
"""

import dataclasses
import itertools
import os
import random
import socket
import struct
import time

import harness
from sites import PORT, TUNNEL, Node, TwoSites, Wan

WANS = [Wan("fiber", {"delay": "5ms"}), Wan("lte", {"delay": "15ms"})]
HERE, STRANGER = "10.250.0.1", "10.250.0.2"
HS_INIT, HS_RESP, HS_COOKIE, DATA, CTRL = 0x71, 0x72, 0x73, 0x74, 0x75
SIZES = {HS_INIT: 176, HS_RESP: 116, HS_COOKIE: 64}
GROWTH_KB = 2048   # of resident memory under attack, once every buffer was in use
BURST = 50         # datagrams that any receive buffer holds
# hq's own kernel sends, too, and the first packets of a stream come twice.
FROM_LAN = {"no_route", "no_path", "duplicate"}
ALL_FRAMES, PACKET_OUTGOING = 3, 4


@dataclasses.dataclass
class Seen:
    """A datagram on a device; `outgoing` from the namespace that it was seen in."""
    outgoing: bool
    source: tuple
    payload: bytes

    @property
    def type(self):
        return self.payload[0]


class Sniffer:
    """All UDP over IPv4 on one device, as the device carries it."""

    def __init__(self, namespace, device):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                                        socket.htons(ALL_FRAMES))
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
            self.socket.bind((device, ALL_FRAMES))
        self.socket.setblocking(False)

    def take(self):
        """What it has seen since the last call."""
        seen = []
        while True:
            try:
                packet, address = self.socket.recvfrom(65535)
            except BlockingIOError:
                return seen
            head = (packet[0] & 15) * 4 if packet else 0
            if not packet or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
                continue
            port, _, length = struct.unpack_from("!HHH", packet, head)
            seen.append(Seen(address[2] == PACKET_OUTGOING,
                             (socket.inet_ntoa(packet[12:16]), port),
                             packet[head + 8:head + length]))


class Attack(TwoSites):
    """The picture above, no node started. begin() starts both and records how they come up."""

    def __init__(self):
        super().__init__(WANS)
        try:
            self.stranger = self.namespace("stranger")
            self.veth(self.hq_site, "net", self.stranger, "eth0")
            self.hq_site.ip("address", "add", f"{HERE}/24", "dev", "net")
            self.stranger.ip("address", "add", f"{STRANGER}/24", "dev", "eth0")
            self.hq.config.insert(-1, ("Wan net", {"Device": "net"}))
            self.tap = Sniffer(self.hq_site, "fiber")
            self.answers = Sniffer(self.stranger, "eth0")
            with self.stranger.entered():
                self.from_stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.from_stranger.connect((HERE, PORT))
            with self.branch_site.entered():
                self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        except BaseException:
            self.close()
            raise

    def begin(self):
        self.up()
        self.began = time.monotonic()
        harness.wait_answer(self.branch_site, TUNNEL["hq"][0])
        harness.ping(self.branch_site, TUNNEL["hq"][0], 50, 0.01)
        self.recorded = [seen for seen in self.tap.take() if seen.payload]

    def to_hq(self, kind):
        return [seen for seen in self.recorded if not seen.outgoing and seen.type == kind]

    def send(self, payloads, burst=BURST):
        """From the stranger, no faster than hq reads."""
        for number, payload in enumerate(payloads, 1):
            self.from_stranger.send(payload)
            if number % burst == 0:
                time.sleep(0.01)

    def send_as(self, source, payloads):
        """Over fiber from any address and port: that of branch's node, for one."""
        there = self.addresses(0)[1]
        for number, payload in enumerate(payloads, 1):
            udp = struct.pack("!HHHH", source[1], PORT, 8 + len(payload), 0) + payload
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64,
                             socket.IPPROTO_UDP, 0, socket.inet_aton(source[0]),
                             socket.inet_aton(there))
            self.raw.sendto(ip + udp, (there, 0))
            if number % BURST == 0:
                time.sleep(0.01)

    def expect_drops(self, what, count, reasons, send):
        """`send()` brings `count` datagrams; all are counted, under these reasons."""
        def total(drops):
            return sum(drops.get(reason, 0) for reason in reasons)
        before = self.hq.drops()
        send()
        harness.wait_for(lambda: total(self.hq.drops()) - total(before) >= count, 5,
                         f"{what}: {count} drops by {reasons}; {before} is {self.hq.drops()}")
        after = self.hq.drops()
        grown = {reason: after[reason] - before.get(reason, 0) for reason in after
                 if after[reason] != before.get(reason, 0) and reason not in FROM_LAN}
        print(f"  {what}: {count} dropped as {grown}")
        assert grown.keys() <= set(reasons) and total(after) - total(before) == count, grown

    def expect_silence(self, what):
        time.sleep(0.05)
        answers = [seen for seen in self.answers.take() if not seen.outgoing]
        assert not answers, (what, len(answers), answers[0])


def expect_unharmed(bench):
    """The session that was there before goes on, over the paths that it had."""
    for node in (bench.branch, bench.hq):
        assert node.process.poll() is None, node.name
        assert len(node.events("keys_changed")) == 1, node.events("keys_changed")
        assert not node.events("path_moved") and not node.events("peer_down"), node.events()
    assert len(bench.hq.peer("branch")["paths"]) == len(WANS), bench.hq.peer("branch")["paths"]
    assert bench.hq.show()["io_counters"]["send_failures"] == 0, bench.hq.show()["io_counters"]


def junk(count, seed):
    """Random bytes: every type there is and is not, lengths from 0 to a full datagram."""
    rng = random.Random(seed)
    yield b""
    for first, size in itertools.product(range(256), (1, 8, 64, 176)):
        yield bytes([first]) + rng.randbytes(size - 1)
    for kind in rng.choices([*SIZES, DATA, CTRL, 0x76], k=count):
        head = bytes([kind])
        if kind in SIZES:  # as well formed as can be: version 1, two connection ids of path 0
            head = struct.pack("<BBHII", kind, 1, 0, *(rng.randrange(1 << 18) << 6 for _ in "ab"))
        size = SIZES.get(kind, rng.randrange(33, 1473))
        yield head + rng.randbytes(size - len(head))


def test_bad_datagrams():
    """random, cut, oversized, replayed, reflected and reordered datagrams harm no running tunnel"""
    with Attack() as bench:
        bench.begin()
        stream = bench.stream(rate=1, size=500, seconds=5)
        memory = expect_noise_dropped(bench)
        expect_copies_dropped(bench)
        result = stream.result()
        print(f"  meanwhile {result['lost']} of {result['sent']} lost, longest gap "
              f"{result['longest_gap_ms']:.0f} ms")
        assert result["lost"] <= result["sent"] // 50 and result["duplicates"] == 0, result
        expect_reordered_delivered(bench)
        expect_old_handshake_refused(bench)
        grown = bench.hq.memory_kb() - memory
        print(f"  memory {memory} KB, then {grown:+} KB")
        assert grown <= GROWTH_KB, (memory, grown)
        expect_unharmed(bench)


def expect_noise_dropped(bench):
    """What no node ever sent. hq's memory after the first part, which used every buffer."""
    init, data, control = (bench.to_hq(kind)[0].payload for kind in (HS_INIT, DATA, CTRL))
    reasons = {"malformed", "unknown_connection", "bad_mac", "bad_tag", "stale_handshake"}
    big = [data + os.urandom(65507 - len(data)), os.urandom(65507)] * 100
    bench.expect_drops("64 KB", len(big), reasons, lambda: bench.send(big, burst=2))
    memory = bench.hq.memory_kb()
    noise = list(junk(2000, 1))
    bench.expect_drops("random", len(noise), reasons, lambda: bench.send(noise))
    cut = [whole[:size] for whole in (init, data, control) for size in range(len(whole))]
    bench.expect_drops("every truncation", len(cut), {"malformed", "bad_tag"},
                       lambda: bench.send(cut))
    bench.expect_drops("a byte more", 2, {"malformed", "bad_tag"},
                       lambda: bench.send([init + b"\0", data + b"\0"]))
    bench.expect_silence("noise")
    return memory


def expect_copies_dropped(bench):
    """What branch said, said again; what hq said, sent back. By the stranger and as branch."""
    branch = bench.to_hq(DATA)[0].source
    said = [seen.payload for seen in bench.recorded
            if not seen.outgoing and seen.type in (DATA, CTRL)]
    heard = [seen.payload for seen in bench.recorded if seen.outgoing]
    not_for_hq = {"unknown_connection", "bad_tag", "bad_mac", "stale_handshake"}
    for who, send in (("the stranger", bench.send),
                      ("branch's address", lambda copies: bench.send_as(branch, copies))):
        bench.expect_drops(f"replayed from {who}", len(said), {"replayed"}, lambda: send(said))
        bench.expect_drops(f"reflected from {who}", len(heard), not_for_hq, lambda: send(heard))
    bench.expect_silence("copies")


def expect_reordered_delivered(bench):
    bench.lab.set("fiber", jitter="4ms", order="free")
    before = bench.hq.drops()
    result = bench.stream(rate=2, size=300, seconds=1).result()
    bench.lab.set("fiber", jitter="0", order="kept")
    print(f"  a WAN that reorders: {result['lost']} of {result['sent']} lost")
    assert result["lost"] == 0 and result["duplicates"] == 0, result
    for reason in ("replayed", "bad_tag"):
        assert bench.hq.drops().get(reason) == before.get(reason), bench.hq.drops()


def expect_old_handshake_refused(bench, copies=20):
    """At most a cookie a second, smaller than the question, and nothing changes."""
    init = bench.to_hq(HS_INIT)[0].payload
    harness.wait_for(lambda: time.monotonic() - bench.began > 6, 6, "the answer cache forgets")
    bench.answers.take()
    before, began = bench.hq.drops(), time.monotonic()
    for _ in range(copies):
        bench.send([init])
        time.sleep(0.05)
    seconds = time.monotonic() - began
    answers = [seen for seen in bench.answers.take() if not seen.outgoing]
    print(f"  an old HS_INIT {copies} times in {seconds:.1f} s: {len(answers)} answers of "
          f"{sorted({len(seen.payload) for seen in answers})} bytes")
    assert all(seen.type == HS_COOKIE for seen in answers), answers
    assert len(answers) <= seconds + 1, answers
    drops = bench.hq.drops()
    refused = sum(drops.get(reason, 0) - before.get(reason, 0)
                  for reason in ("stale_handshake", "rate_limited"))
    assert refused >= copies - len(answers), (before, drops)


def add_intruder(bench, name, interface=(), peer=()):
    """A node of the stranger that calls hq; (node, its [Peer hq] keys)."""
    node = Node(bench, bench.stranger, name)
    node.config = [
        ("Interface", {"PrivateKey": node.key_file, "Device": f"wb-{name}", "User": "root",
                       "Table": "off", "ListenPort": 0,
                       "ControlSocket": bench.folder / name / "run.sock", **dict(interface)}),
        ("Wan net", {"Device": "eth0"}),
        ("Peer hq", {"PublicKey": bench.hq.public_key, "Endpoint": f"{HERE}:{PORT}",
                     "AllowedIPs": "10.77.0.1/32", **dict(peer)})]
    return node


def psk():
    return harness.run([Node.program(), "genpsk"]).strip()


def test_wrong_keys():
    """peers with an unknown key, a wrong preshared key or a wrong network key stay outside"""
    with Attack() as bench:
        nodes = {"unknown": add_intruder(bench, "unknown"),
                 "psk": add_intruder(bench, "psk", peer={"PresharedKey": psk()}),
                 "netkey": add_intruder(bench, "netkey", interface={"NetKey": psk()})}
        # hq knows two of them, but for one key each.
        bench.hq.config += [
            ("Peer psk", {"PublicKey": nodes["psk"].public_key, "AllowedIPs": "10.99.0.1",
                          "PresharedKey": psk()}),
            ("Peer netkey", {"PublicKey": nodes["netkey"].public_key, "AllowedIPs": "10.99.0.2"})]
        bench.begin()
        for name, reason in (("unknown", "unknown_peer"), ("netkey", "bad_mac"), ("psk", None)):
            asked, answers, drops = calls_of(bench, nodes[name])
            print(f"  {name}: {asked} calls, {len(answers)} answers, hq drops {drops}")
            if reason:
                assert not answers and drops.get(reason, 0) >= 1, (answers, drops)
            else:  # the answer shows the caller that its preshared key is wrong: hq cannot know
                assert all(seen.type == HS_RESP for seen in answers), answers
                assert len(answers) <= asked and nodes[name].drops()["stale_handshake"], name
            nodes[name].stop()
            if reason != "unknown_peer":
                assert bench.hq.peer(name)["state"] == "down", bench.hq.peer(name)
        expect_unharmed(bench)


def calls_of(bench, node):
    """Runs an intruder until it has called twice: calls, answers, and what hq dropped."""
    bench.answers.take()
    before, calls = bench.hq.drops(), []
    node.start()

    def called_twice():
        calls.extend(seen for seen in bench.answers.take() if seen.payload)
        return sum(seen.outgoing for seen in calls) >= 2
    harness.wait_for(called_twice, 10, f"{node.name} calls")
    time.sleep(0.2)
    calls.extend(seen for seen in bench.answers.take() if seen.payload)
    state = node.peer()
    assert state["state"] != "up" and not state["handshake_age_s"], state
    drops = {reason: count - before.get(reason, 0) for reason, count in bench.hq.drops().items()
             if count != before.get(reason, 0) and reason not in FROM_LAN}
    return sum(seen.outgoing for seen in calls), [s for s in calls if not s.outgoing], drops


if __name__ == "__main__":
    harness.main()
