"""Two nodes find each other over three WANs, take the quickest, and say so."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

import harness
from sites import TUNNEL, TwoSites, is_in_use

# interface.md, section 3: names and types.
NODE = {"schema": int, "name": str, "version": str, "uptime_s": float, "device": str, "mtu": int,
        "io": str, "cipher_backend": str, "peers": list, "flows": dict, "drops": dict}
PEER = {"name": str, "public_key": str, "state": str, "cipher": str, "handshake_age_s": float,
        "tx_bytes": int, "rx_bytes": int, "resequencer": dict, "paths": list}
PATH = {"name": str, "id": int, "wan": str, "local": str, "remote": str, "state": str,
        "bfd_state": str, "detection_time_ms": float, "rtt_ms": float, "rtt_min_ms": float,
        "owd_relative_ms": float, "jitter_ms": float, "loss_ppm": int, "rate_mbps": float,
        "queue_ms": float, "mtu": int, "tx_packets": int, "tx_bytes": int, "rx_packets": int,
        "rx_bytes": int, "resent_packets": int, "downs": int, "last_down_cause": str}
RTT_MS = {"fiber": 20, "lte": 40, "dsl": 80}


def expect_fields(what, fields):
    for name, kind in fields.items():
        assert name in what, f"no {name} in {sorted(what)}"
        kinds = (int, float) if kind is float else kind
        assert isinstance(what[name], kinds), f"{name} = {what[name]!r} is no {kind.__name__}"


def expect_state(node, other):
    """Every field of `show --json`, with values that make sense after some pings."""
    state = node.show()
    expect_fields(state, NODE)
    assert state["schema"] == 1 and state["name"] == node.name, state
    assert state["device"] == "wb0" and state["mtu"] == 1420, state
    assert state["io"] in ("io_uring", "epoll"), state["io"]
    assert 0 < state["uptime_s"] < 60, state["uptime_s"]
    assert set(state["flows"]) >= {"mptcp", "tcp", "udp", "other"}, state["flows"]
    (peer,) = state["peers"]
    expect_fields(peer, PEER)
    assert (peer["name"], peer["public_key"]) == (other.name, other.public_key), peer
    assert peer["state"] == "up" and peer["tx_bytes"] > 0 and peer["rx_bytes"] > 0, peer
    assert peer["cipher"] in ("aes-256-gcm", "chacha20-poly1305"), peer["cipher"]
    assert 0 <= peer["handshake_age_s"] <= state["uptime_s"], peer
    assert set(peer["resequencer"]) >= {"held_packets", "late", "timeouts"}, peer
    assert len(peer["paths"]) >= len(RTT_MS), peer["paths"]
    for wan, rtt in RTT_MS.items():
        expect_path(node.path(wan), wan, rtt)
    assert is_in_use(node.path("fiber")), node.path("fiber")
    return state


def expect_path(path, wan, rtt):
    expect_fields(path, {**PATH, **({} if path["rtt_ms"] else {"rtt_ms": object,
                                                               "rtt_min_ms": object})})
    assert (path["wan"], path["state"], path["bfd_state"]) == (wan, "up", "Up"), path
    assert path["selected"] == (wan == "fiber"), path
    if path["rtt_ms"]:
        assert rtt - 1 <= path["rtt_min_ms"] <= rtt + 5 and path["rtt_ms"] < rtt + 20, path
    assert re.fullmatch(r"10\.200\.\d\.[12]:\d+", path["remote"]), path["remote"]
    assert path["mtu"] == 1500 and path["downs"] == 0, path
    for count in ("tx_packets", "tx_bytes", "rx_packets", "rx_bytes"):
        assert path[count] > 0, path


def expect_bringup(bench):
    nodes = (bench.branch, bench.hq)
    for node in nodes:
        node.wait_selected("fiber")
    for node in nodes:
        keys = node.events("keys_changed")[0]["at_ns"]
        times = [(event["at_ns"] - keys) / 1e6 for event in node.events("path_state", to="up")]
        print(f"  {node.name}: paths up {', '.join(f'{ms:.0f}' for ms in times)} ms after the keys")
    for site, address in ((bench.branch_site, TUNNEL["hq"]), (bench.hq_site, TUNNEL["branch"])):
        for version in address:
            harness.wait_answer(site, version)
            times = harness.ping(site, version, count=10)
            assert len(times) == 10, times
            assert 20 <= min(times) < 30, times
    print(f"  ping through the tunnel {min(times):.1f} ms, over a WAN of 20 ms")
    for node, other in (nodes, nodes[::-1]):
        node.wait_selected("fiber")  # a busy machine may have held it up and moved the traffic
        state = expect_state(node, other)
        text = node.command("show")[1]
        assert all(wan in text for wan in RTT_MS), text
    print(f"  by {state['io']}, {state['peers'][0]['cipher']}")


def test_one_caller():
    """the branch calls, hq learns its addresses"""
    with TwoSites() as bench:
        bench.up()
        expect_bringup(bench)


def watch_top(node, end):
    """What `top` writes on a terminal of 140 columns until `end` has been done to it, its exit
    status, and whether it has given the terminal back."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 140, 0, 0))
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen([node.program(), "top", "-c", str(node.file)], stdin=theirs,
                               stdout=theirs, stderr=theirs, env={**os.environ, "NO_COLOR": "1"})
    text = b""

    def has_drawn():
        nonlocal text
        while select.select([ours], [], [], 0)[0]:
            text += os.read(ours, 65536)
        return text.count(b"peer hq: up") >= 2
    harness.wait_for(has_drawn, 5, "two pictures")
    end(process, ours)
    status = process.wait(5)
    has_drawn()
    is_same = termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
    return text, status, is_same


def test_top():
    """top draws every path, ends by q and by SIGINT, and gives the terminal back"""
    with TwoSites() as bench:
        bench.up()
        for end in (lambda process, ours: os.write(ours, b"rq"),
                    lambda process, ours: process.send_signal(signal.SIGINT)):
            text, status, is_same = watch_top(bench.branch, end)
            assert status == 0 and is_same, (status, is_same)
            assert text.startswith(b"\033[?1049h") and text.endswith(b"\033[?1049l"), text
            assert all(wan.encode() + b">10.200." in text for wan in RTT_MS), text
        assert bench.branch.command("top", check=False)[0] == 2  # no terminal


def test_both_call():
    """both know each other's addresses"""
    with TwoSites() as bench:
        bench.both_call()
        bench.up()
        expect_bringup(bench)


def test_default_paths():
    """without Paths every WAN tries every endpoint; pairs that no route joins do no harm"""
    with TwoSites() as bench:
        del bench.branch.section("Peer hq")["Paths"]
        bench.hq.start()
        bench.branch.start()

        def states():
            return [path["state"] for path in (bench.branch.peer() or {"paths": []})["paths"]]
        harness.wait_for(lambda: states().count("up") >= 3, 10, "three paths up")
        harness.wait_answer(bench.branch_site, TUNNEL["hq"][0])
        print(f"  {states().count('up')} of {len(states())} pairs are up")
        assert len(states()) == 9, states()


def test_late_wan():
    """a WAN that is cut at first joins when it works"""
    with TwoSites() as bench:
        bench.lab.cut("fiber")
        bench.hq.start()
        bench.branch.start()
        bench.branch.wait_up(["lte", "dsl"])
        bench.branch.wait_selected("lte")
        restored = bench.lab.restore("fiber")
        for node in (bench.branch, bench.hq):
            node.wait_selected("fiber")
        up = bench.branch.events("path_state", to="up")[-1]["at_ns"]
        print(f"  up {(up - restored) / 1e6:.0f} ms after it began to work")


if __name__ == "__main__":
    harness.main()
