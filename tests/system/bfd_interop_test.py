#!/usr/bin/env python3
"""Our BFD sessions (src/proto/bfd, strict, in bfd_shim) against FRR's bfdd and BIRD, over UDP 3784:
up, timers changed by Poll and Final, loss in one direction, AdminDown, a restart. A peer that is
not installed is skipped by name.
"""

import json
import os
import re
import shutil
import subprocess
import time

import harness

SHIM, PEER = "10.99.0.1", "10.99.0.2"
ADMIN_DOWN, DOWN, INIT, UP = range(4)
NEIGHBOR_SAID_DOWN, ADMINISTRATIVELY, EXPIRED = 3, 7, 1
FRR = "/usr/lib/frr"


class Shim:
    """Our end: commands in, JSON lines out."""

    def __init__(self, bench, namespace):
        self.output = bench.folder / "shim.out"
        self.file = open(self.output, "w", encoding="utf-8")
        bench.callback(self.file.close)
        self.process = namespace.popen([harness.program("BFD_SHIM"), SHIM, PEER],
                                       stdin=subprocess.PIPE, stdout=self.file, text=True)
        bench.callback(self.process.kill)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def events(self, kind):
        text = self.output.read_text()
        lines = text[:text.rfind("\n") + 1].splitlines()  # the last one may be in the writing
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def count(self, kind):
        return len(self.events(kind))

    def status(self):
        before = self.count("status")
        self.say("status")
        harness.wait_for(lambda: self.count("status") > before, 5, "the shim's status")
        return self.events("status")[-1]

    def changes(self, first=0):
        return [(change["to"], change["diag"]) for change in self.events("state")[first:]]

    def wait_change(self, first, timeout):
        """The first change of state since that number of them: new state and diagnostic."""
        return harness.wait_for(lambda: self.changes(first), timeout, "the shim notices")[0]

    def wait(self, state, timeout):
        harness.wait_for(lambda: self.status()["state"] == state, timeout, f"shim in state {state}")


class Frr:
    """zebra and bfdd with all their files in the bench's folder."""
    name = "FRR bfdd"
    last_words = (DOWN, NEIGHBOR_SAID_DOWN)

    def __init__(self, bench, namespace):
        self.namespace, self.folder = namespace, bench.folder / "frr"
        self.folder.mkdir()
        for name in ("zebra", "bfdd"):
            (self.folder / f"{name}.conf").write_text(self.config() if name == "bfdd" else "\n")
        shutil.chown(self.folder, "frr", "frr")
        for file in self.folder.iterdir():
            shutil.chown(file, "frr", "frr")
        os.chmod(bench.folder, 0o755)
        for name, extra in (("zebra", []), ("bfdd", ["--bfdctl", self.folder / "bfdd.sock"])):
            bench.start(namespace, [f"{FRR}/{name}", "-f", self.folder / f"{name}.conf", "-i",
                                    self.folder / f"{name}.pid", "-z", self.folder / "zserv.api",
                                    "--vty_socket", self.folder, "-P", "0", *extra], name)
            harness.wait_for((self.folder / f"{name}.vty").exists, 10, f"{name} runs")

    @staticmethod
    def is_installed():
        return os.access(f"{FRR}/bfdd", os.X_OK) and shutil.which("vtysh")

    @staticmethod
    def config():
        return (f"bfd\n peer {SHIM} local-address {PEER}\n  detect-multiplier 4\n"
                "  transmit-interval 50\n  receive-interval 50\n  no shutdown\n exit\nexit\n")

    def command(self, *lines):
        words = [word for line in lines for word in ("-c", line)]
        return self.namespace.run(["vtysh", "--vty_socket", self.folder, "-d", "bfdd", *words])

    def change(self, *lines):
        self.command("configure terminal", "bfd", f"peer {SHIM} local-address {PEER}", *lines)

    def view(self):
        """Its idea of the session: state, interval of ours that it knows."""
        (peer,) = json.loads(self.command("show bfd peers json"))
        return {"state": peer["status"], "remote_interval_ms": peer["remote-transmit-interval"],
                "remote_mult": peer["remote-detect-multiplier"]}

    def set_interval(self, milliseconds):
        self.change(f"transmit-interval {milliseconds}", f"receive-interval {milliseconds}")

    def shut_down(self):
        self.change("shutdown")

    def go_on(self):
        self.change("no shutdown")


class Bird:
    """bird with one session to the shim, asked for by a static route."""
    name = "BIRD"
    last_words = (DOWN, EXPIRED)  # a session that is taken out of its configuration just ends

    def __init__(self, bench, namespace):
        self.namespace, self.folder, self.interval = namespace, bench.folder / "bird", 50
        self.folder.mkdir()
        self.is_down = False
        self.write()
        bench.start(namespace, ["bird", "-f", "-c", self.folder / "bird.conf", "-s",
                                self.folder / "bird.ctl", "-P", self.folder / "bird.pid"], "bird")
        harness.wait_for((self.folder / "bird.ctl").exists, 10, "bird runs")

    @staticmethod
    def is_installed():
        return shutil.which("bird") and shutil.which("birdc")

    def write(self):
        session = "" if self.is_down else f'  neighbor {SHIM} dev "eth0" local {PEER};\n'
        (self.folder / "bird.conf").write_text(
            f"router id 10.99.0.2;\nprotocol device {{}}\nprotocol bfd {{\n"
            f'  interface "eth0" {{ interval {self.interval} ms; multiplier 4; }};\n{session}}}\n')

    def command(self, *words):
        return self.namespace.run(["birdc", "-s", self.folder / "bird.ctl", *words])

    def configure(self):
        self.write()
        self.command("configure")

    def view(self):
        match = re.search(rf"^{re.escape(SHIM)}\s+\S+\s+(\w+)", self.command("show", "bfd",
                                                                          "sessions"), re.M)
        return {"state": match.group(1).lower() if match else None}

    def set_interval(self, milliseconds):
        self.interval = milliseconds
        self.configure()

    def shut_down(self):
        self.is_down = True
        self.configure()

    def go_on(self):
        self.is_down = False
        self.configure()


class Pair(harness.Bench):
    """The shim and a peer on two ends of a wire; the peer's side can be made deaf or dumb."""

    def __init__(self, kind):
        if not kind.is_installed():
            raise harness.Skip(f"{kind.name} is not installed")
        super().__init__()
        try:
            self.here, self.there = self.namespace("shim"), self.namespace("peer")
            self.veth(self.here, "eth0", self.there, "eth0")
            self.here.ip("address", "add", f"{SHIM}/24", "dev", "eth0")
            self.there.ip("address", "add", f"{PEER}/24", "dev", "eth0")
            self.shim = Shim(self, self.here)
            self.peer = kind(self, self.there)
        except BaseException:
            self.close()
            raise

    def wait_up(self, timeout=10):
        self.shim.wait(UP, timeout)
        self.wait_peer("up")

    def wait_quick(self):
        """Up, and the slow timers of a session that was down have given way to both sides' own."""
        self.wait_up()
        harness.wait_for(lambda: self.shim.status()["detection_ms"] == 4 * 50, 5,
                         "detection 200 ms")

    def wait_peer(self, state, timeout=5):
        harness.wait_for(lambda: self.peer.view()["state"] == state, timeout,
                         f"{self.peer.name} says {state}")

    def lose(self, direction):
        """What the peer hears ("input") or says ("output") is lost until restore()."""
        self.there.run(["nft", "-f", "-"], input=f"""
            table ip cut {{
              chain loss {{
                type filter hook {direction} priority 0
                udp dport 3784 drop
              }}
            }}""")

    def restore(self):
        self.there.run(["nft", "delete", "table", "ip", "cut"])


def check_up(pair):
    """Up within 2 s of the later start."""
    start = time.monotonic()
    pair.wait_up()
    return time.monotonic() - start


def check_timers(pair):
    """Either side changes its timers while Up: Poll, Final, no Down."""
    before = pair.shim.count("state")
    for mine in (200, 40):
        finals = pair.shim.count("final_received")
        pair.shim.say(f"intervals {mine} {mine} 5")
        harness.wait_for(lambda: pair.shim.count("final_received") > finals, 5, "our Poll answered")
        harness.wait_for(lambda: pair.shim.status()["interval_ms"] == max(mine, 50), 5,
                         f"we send every {max(mine, 50)} ms")
    view = pair.peer.view()
    assert view.get("remote_interval_ms", 40) == 40 and view.get("remote_mult", 5) == 5, view
    polls = pair.shim.count("final_sent")
    pair.peer.set_interval(120)
    harness.wait_for(lambda: pair.shim.count("final_sent") > polls, 5, "its Poll answered")
    harness.wait_for(lambda: pair.shim.status()["detection_ms"] == 4 * 120, 5, "detection 480 ms")
    pair.peer.set_interval(50)
    harness.wait_for(lambda: pair.shim.status()["detection_ms"] == 4 * 50, 5, "detection 200 ms")
    assert pair.shim.changes(before) == [], pair.shim.changes(before)


def check_one_way(pair):
    """Loss in one direction: the deaf side sees it, the other is told."""
    for direction, diag in (("input", NEIGHBOR_SAID_DOWN), ("output", EXPIRED)):
        before = pair.shim.count("state")
        pair.lose(direction)
        assert pair.shim.wait_change(before, 2) == (DOWN, diag), pair.shim.changes(before)
        harness.wait_for(lambda: pair.peer.view()["state"] != "up", 2, "the peer knows")
        pair.restore()
        pair.wait_quick()


def check_admin_down(pair):
    """AdminDown by either side is told and no failure; taken back, the session returns."""
    pair.shim.say("admin_down")
    harness.wait_for(lambda: pair.peer.view()["state"] != "up", 2, "the peer knows")
    assert pair.shim.status()["diag"] == ADMINISTRATIVELY
    pair.shim.say("admin_up")
    pair.wait_quick()
    before = pair.shim.count("state")
    pair.peer.shut_down()
    assert pair.shim.wait_change(before, 2) == pair.peer.last_words, pair.shim.changes(before)
    pair.peer.go_on()
    pair.wait_up()


def check_restart(pair):
    """A new session of ours with another discriminator comes up with the peer's old one."""
    old = pair.shim.status()["my_discriminator"]
    pair.shim.say("restart")
    pair.wait_up()
    assert pair.shim.status()["my_discriminator"] != old


def talk_to(kind):
    with Pair(kind) as pair:
        seconds = check_up(pair)
        print(f"  {kind.name}: up after {seconds:.2f} s")
        assert seconds < 2, seconds
        for check in (check_timers, check_one_way, check_admin_down, check_restart):
            start = time.monotonic()
            check(pair)
            seconds = time.monotonic() - start
            print(f"  {kind.name}: {check.__doc__.splitlines()[0]} ({seconds:.1f} s)")


def test_frr():
    """our BFD and FRR's bfdd agree"""
    talk_to(Frr)


def test_bird():
    """our BFD and BIRD's agree"""
    talk_to(Bird)


if __name__ == "__main__":
    harness.main()
