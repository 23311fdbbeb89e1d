"""The link emulator on the real kernel: delay, rate, cut and restore, scripts, clean-up."""

import os
import re
import socket
import subprocess
import time

import harness
from harness import Bench, Flow, Link


def two_hosts(bench, **settings):
    """Namespaces a and b with one emulated link "wan" between 10.9.0.1 and 10.9.0.2."""
    a, b = bench.namespace("a"), bench.namespace("b")
    lab = bench.start_lab([Link("wan", (a, "wan0", ["10.9.0.1/30", "fd09::1/64"]),
                          (b, "wan0", ["10.9.0.2/30", "fd09::2/64"]), **settings)])
    return a, b, lab


def ping(namespace, address, count=100, interval=0.01):
    """Round-trip times in ms."""
    output = namespace.run(["ping", "-n", "-i", str(interval), "-c", str(count), "-W", "2",
                            address])
    return [float(text) for text in re.findall(r"time=([\d.]+) ms", output)]


def sound(lab):
    """The emulator itself lost nothing."""
    for link in lab.stats().values():
        for direction in link.values():
            assert direction["missed_packets"] == 0, direction
            assert direction["no_memory_packets"] == 0, direction
            assert direction["cut_short_packets"] == 0, direction


def test_delay():
    """round trips take twice the delay, over IPv4 and IPv6"""
    with Bench() as bench:
        a, _, lab = two_hosts(bench, delay="20ms")
        for address in ("10.9.0.2", "fd09::2"):
            times = sorted(ping(a, address))
            print(f"  {address}: min {times[0]:.2f} median {times[50]:.2f} p95 {times[95]:.2f} ms")
            assert len(times) == 100
            assert times[0] >= 40.0, times[0]
            assert times[50] <= 45.0, times[50]
        sound(lab)


def test_rate():
    """a UDP stream above the rate comes out at the rate, within 2 percent"""
    with Bench() as bench:
        a, b, lab = two_hosts(bench, rate="20Mbit", overhead=14, queue_bytes="250KB")
        flow = Flow(bench, a, b, "10.9.0.2", "udp", rate=30, size=1000, seconds=3)
        # 1000 bytes of payload take 1000 + 28 + 14 on the line.
        got, expected = flow.result()["mbps"], 20 * 1000 / 1042
        print(f"  {got:.3f} of {expected:.3f} Mbit/s")
        assert abs(got / expected - 1) < 0.02, got
        assert lab.stats()["wan"]["a2b"]["queue_full_packets"] > 0
        sound(lab)


def test_loss():
    """lost packets are lost, and counted"""
    with Bench() as bench:
        a, b, lab = two_hosts(bench, delay="5ms", a2b__loss="5%")
        result = Flow(bench, a, b, "10.9.0.2", "udp", rate=8, size=200, seconds=2).result()
        assert result["sent"] == 10000
        assert 400 < result["lost"] < 600, result
        stats = lab.stats()["wan"]
        assert abs(stats["a2b"]["lost_packets"] - result["lost"]) <= 10, stats  # the end's copies
        assert stats["b2a"]["lost_packets"] == 0
        sound(lab)


def test_transfer():
    """TCP goes through intact, with jitter that reorders and loss"""
    with Bench() as bench:
        a, b, lab = two_hosts(bench, delay="5ms", jitter="1ms", order="free", rate="200Mbit",
                              loss="0.01%")
        result = Flow(bench, a, b, "10.9.0.2", "tcp", bytes=10_000_000).result()
        assert result["intact"]
        sound(lab)


def test_cut_and_restore():
    """nothing arrives after a cut, what was in the link is gone, and it comes back"""
    with Bench() as bench:
        a, b, lab = two_hosts(bench, delay="50ms")
        with b.entered():
            receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind(("10.9.0.2", 5000))
        receiver.settimeout(0.2)
        with a.entered():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.connect(("10.9.0.2", 5000))
        sender.send(b"before")
        assert receiver.recv(100) == b"before"
        for _ in range(5):
            sender.send(b"in the link")
        time.sleep(0.01)
        before = time.monotonic_ns()
        cut = lab.cut("wan", "a2b")
        assert before <= cut <= time.monotonic_ns()
        sender.send(b"during")
        try:
            raise AssertionError(receiver.recv(100))
        except TimeoutError:
            pass
        assert lab.stats()["wan"]["a2b"]["outage_packets"] == 6
        assert lab.stats()["wan"]["b2a"]["state"] == "up"
        restored = lab.restore("wan")
        sender.send(b"after")
        assert receiver.recv(100) == b"after"
        assert time.monotonic_ns() - restored >= 50_000_000
        assert [command for _, command in lab.events()] == ["cut wan a2b", "restore wan "]


def test_settings_at_run_time():
    """new settings hold at once, for the directions named; nonsense is refused"""
    with Bench() as bench:
        a, _, lab = two_hosts(bench, delay="5ms")
        lab.set("wan", "b2a", delay="25ms")
        times = ping(a, "10.9.0.2", count=20)
        assert min(times) >= 30.0, times
        assert sorted(times)[10] <= 33.0, times
        for line, part in [("set wan delay=fast", "40ms"), ("set lte delay=1ms", "no link"),
                           ("set wan colour=red", "no such setting"), ("jump", "commands"),
                           ("cut wan sideways", "a2b"), ("set wan loss=101%", "100%")]:
            try:
                lab.command(line)
            except ValueError as error:
                assert part in str(error), error
            else:
                raise AssertionError(line)


def test_larger_than_the_device_was():
    """packets larger than the emulator's room, as an MTU was raised behind its back, are counted"""
    with Bench() as bench:
        a, b, lab = two_hosts(bench, delay="1ms")
        for site in (a, b):
            site.ip("link", "set", "wan0", "mtu", "9000")
        assert len(harness.ping(a, "10.9.0.2", count=3, size=1400)) == 3
        assert not harness.ping(a, "10.9.0.2", count=3, size=8000, extra=["-M", "do"], exactly=True)
        assert lab.stats()["wan"]["a2b"]["cut_short_packets"] == 3, lab.stats()


def test_script():
    """a script acts at its times"""
    with Bench() as bench:
        a, b = bench.namespace("a"), bench.namespace("b")
        link = Link("wan", (a, "wan0", ["10.9.0.1/30"]), (b, "wan0", ["10.9.0.2/30"]))
        script = "# one outage\nat 700ms restore wan\nat 200ms cut wan\n"
        lab = bench.start_lab([link], script=script)
        harness.wait_for(lambda: len(lab.events()) == 2, 5, "both steps")
        (cut, first), (restored, second) = lab.events()
        assert (first, second) == ("cut wan", "restore wan")
        assert abs(restored - cut - 500_000_000) < 50_000_000, restored - cut


def test_clean_up():
    """on SIGINT and SIGTERM devices, socket and its own namespaces are gone"""
    for number in ("INT", "TERM"):
        with Bench() as bench:
            control = bench.folder / "own.sock"
            names = [f"wb-{os.getpid()}-own{side}" for side in "ab"]
            process = subprocess.Popen(
                [harness.program("WANBOND_LAB"), "--control", str(control), "--link",
                 f"wan,{names[0]},wan0,10.9.0.1/30,{names[1]},wan0,10.9.0.2/30"],
                stdout=subprocess.PIPE, text=True)
            assert process.stdout.readline() == "ready\n"
            assert all(os.path.exists(f"/run/netns/{name}") for name in names)
            subprocess.run(["kill", f"-{number}", str(process.pid)], check=True)
            assert process.wait(5) == 0
            process.stdout.close()
            assert not control.exists()
            assert not any(os.path.exists(f"/run/netns/{name}") for name in names)


def test_bad_links():
    """a link that cannot be made says why, and leaves nothing behind"""
    for spec, part in [("wan,x,wan0", "a link is"),
                       ("wan,x,wan0,10.9.0.1,y,wan0,10.9.0.2/30", "address"),
                       ("wan,x,wan0,-,y,wan0,-,speed=1", "no such setting"),
                       ("wan,x,a-name-too-long-for-a-device,-,y,wan0,-", "15 bytes")]:
        spec = spec.replace(",x,", f",wb-{os.getpid()}-x,").replace(",y,", f",wb-{os.getpid()}-y,")
        done = subprocess.run([harness.program("WANBOND_LAB"), "--link", spec],
                              capture_output=True, text=True, timeout=10)
        assert done.returncode in (1, 2), done
        assert part in done.stderr, done.stderr
        assert not os.path.exists(f"/run/netns/wb-{os.getpid()}-x")


if __name__ == "__main__":
    harness.main()
