"""What every system test stands on: namespaces, the link emulator, clean-up, and the runner.

A test file defines functions named test_* and ends with `harness.main()`. Each file is one meson
test: exit 0 passed, 1 failed, 77 skipped. The programs under test come from the environment:
WANBOND and WANBOND_LAB. Python's standard library, iproute2 and nftables are all it needs.
"""

import contextlib
import ctypes
import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

CLONE_NEWNET = 0x40000000
AGAIN = "again   "  # read by tests/summary.py
HERE = pathlib.Path(__file__).resolve().parent
_libc = ctypes.CDLL(None, use_errno=True)


class Skip(Exception):
    """The machine cannot run this test; the text says why."""


def program(variable):
    """The path of a program under test, from the environment."""
    path = os.environ.get(variable)
    if not path or not os.access(path, os.X_OK):
        raise SystemExit(f"set {variable} to the program built by meson (meson test does)")
    return path


def require_machine():
    """Raises Skip unless TUN devices and network namespaces can be made here."""
    if os.geteuid() != 0:
        raise Skip("not root")
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        raise Skip(f"/dev/net/tun: {error.strerror}")
    if not shutil.which("ip"):
        raise Skip("no ip program (iproute2)")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode != 0:
        raise Skip("network namespaces cannot be made")


def run(command, **options):
    """Runs a command to its end; on failure raises with its output. Returns standard output."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n"
                           f"{done.stdout}{done.stderr}")
    return done.stdout


def wait_for(condition, timeout, what):
    """Calls `condition` every 10 ms until it gives something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


def ping(namespace, address, count=5, interval=0.05, size=56, extra=(), exactly=False):
    """Round-trip times in ms of the first `count` pings, of those that come back in a second or
    so. Lost ones are made up for by more, of which nothing is told; not if `exactly`."""
    # Without -w ping waits for the last answer no longer than twice the slowest so far, and a
    # machine that stutters looks like a loss.
    limit = ["-W", "1"] if exactly else ["-w", str(math.ceil(count * interval + 1))]
    done = namespace.popen(["ping", "-n", "-i", str(interval), "-c", str(count), *limit, "-s",
                            str(size), *extra, address], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    answers = re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms", done.communicate()[0])
    return [float(text) for number, text in answers if int(number) <= count]


def wait_answer(namespace, address, timeout=5):
    """Until a ping comes back."""
    wait_for(lambda: ping(namespace, address, count=1), timeout, f"{address} answers")


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """A named network namespace; delete() ends it. Names carry this process's id."""

    def __init__(self, name):
        self.name = f"wb-{os.getpid()}-{name}"
        run(["ip", "netns", "add", self.name])
        self.fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link", "set", "lo", "up")

    def delete(self):
        os.close(self.fd)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)

    def ip(self, *arguments):
        return run(["ip", "-n", self.name, *arguments])

    def popen(self, command, **options):
        """Starts a program inside; it dies with this process."""
        def settle():
            _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            _setns(self.fd)
        return subprocess.Popen(command, preexec_fn=settle, **options)

    def run(self, command, **options):
        """As run(), inside."""
        return run(command, preexec_fn=lambda: _setns(self.fd), **options)

    def write(self, path, text):
        """Writes a file below /proc/sys/net, which shows the namespace of the writer."""
        with self.entered(), open(path, "w", encoding="ascii") as file:
            file.write(text)

    @contextlib.contextmanager
    def entered(self):
        """Sockets made meanwhile belong to this namespace for good."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _setns(self.fd)
        try:
            yield
        finally:
            _setns(home)
            os.close(home)


class Link:
    """One emulated link: two ends (Namespace, device, addresses) and its settings."""

    def __init__(self, name, a, b, **settings):
        self.name, self.a, self.b, self.settings = name, a, b, settings

    def spec(self):
        """As wanbond-lab takes it. A keyword a2b__delay stands for a2b.delay."""
        parts = [self.name]
        for namespace, device, addresses in (self.a, self.b):
            parts += [namespace.name, device, "+".join(addresses) or "-"]
        parts += [f"{key.replace('__', '.')}={value}" for key, value in self.settings.items()]
        return ",".join(parts)


class Lab:
    """A running link emulator. Times are CLOCK_MONOTONIC nanoseconds, as time.monotonic_ns()."""

    def __init__(self, folder, links, script=None, seed=1):
        self.log = folder / "lab.log"
        self.output = folder / "lab.out"
        command = [program("WANBOND_LAB"), "--control", str(folder / "lab.sock"),
                   "--log", str(self.log), "--seed", str(seed)]
        for link in links:
            command += ["--link", link.spec()]
        if script:
            (folder / "lab.script").write_text(script)
            command += ["--script", str(folder / "lab.script")]
        with open(self.output, "w", encoding="utf-8") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_for(self._is_ready, 10, "wanbond-lab ready")
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(str(folder / "lab.sock"))
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.stream = self.socket.makefile("rw", encoding="utf-8")

    def _is_ready(self):
        text = self.output.read_text()
        assert self.process.poll() is None, f"wanbond-lab ended: {text}"
        return text.startswith("ready")

    def command(self, line):
        """Gives a command; (time, JSON or None). Raises if the emulator refuses it."""
        self.stream.write(line + "\n")
        self.stream.flush()
        word, *rest = self.stream.readline().rstrip("\n").split(" ", 2)
        if word != "ok":
            raise ValueError(" ".join(rest) or "the emulator is gone")
        return int(rest[0]), json.loads(rest[1]) if len(rest) > 1 else None

    def cut(self, link, direction=""):
        """A silent outage; returns its time."""
        return self.command(f"cut {link} {direction}")[0]

    def restore(self, link, direction=""):
        return self.command(f"restore {link} {direction}")[0]

    def set(self, link, direction="", **settings):
        pairs = " ".join(f"{key}={value}" for key, value in settings.items())
        return self.command(f"set {link} {direction} {pairs}")[0]

    def stats(self):
        return self.command("stats")[1]

    def events(self):
        """[(time, command)] of every change so far, the script's too."""
        lines = self.log.read_text().splitlines()
        return [(int(at), command) for at, command in (line.split(" ", 1) for line in lines)]

    def close(self):
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Bench(contextlib.ExitStack):
    """The ground of one test: a temporary folder, namespaces, an emulator, programs. Leaving it
    cleans everything up; leaving it by an exception prints the logs first."""

    def __init__(self):
        super().__init__()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wanbond-test-"))
        self.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.push(self._report)

    def _report(self, kind, _error, _trace):
        if kind is None or issubclass(kind, (Skip, KeyboardInterrupt)):
            return
        for log in sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")]):
            lines = log.read_text(errors="replace").splitlines()
            print(f"--- {log.name}, last {min(len(lines), 40)} of {len(lines)} lines")
            print("\n".join(lines[-40:]))

    def namespace(self, name):
        namespace = Namespace(name)
        self.callback(namespace.delete)
        return namespace

    def start_lab(self, links, **options):
        lab = Lab(self.folder, links, **options)
        self.callback(lab.close)
        return lab

    def start(self, namespace, command, log, **options):
        """Starts a program in a namespace, its output in a log of that name; ended on leaving."""
        with open(self.folder / f"{log}.log", "a", encoding="utf-8") as output:
            process = namespace.popen(command, stdout=output, stderr=subprocess.STDOUT, **options)
        self.callback(_end, process)
        return process

    def veth(self, a, a_device, b, b_device):
        """A pair of Ethernet devices between two namespaces, both up."""
        a.ip("link", "add", a_device, "type", "veth", "peer", "name", b_device, "netns", b.name)
        a.ip("link", "set", a_device, "up")
        b.ip("link", "set", b_device, "up")


class Flow:
    """Traffic from one namespace to an address of another, through traffic.py."""

    def __init__(self, bench, sender, receiver, address, kind, **options):
        Flow.count += 1
        self.kind = kind
        place = [address, str(5000 + Flow.count)]
        extra = [text for key, value in options.items() for text in (f"--{key}", str(value))]
        self.receiver = self._start(bench, receiver, [f"{kind}-receive", *place, *extra])
        time.sleep(0.3)  # until it listens: a UDP sender would not notice
        self.sender = self._start(bench, sender, [f"{kind}-send", *place, *extra])

    count = 0

    @staticmethod
    def _start(bench, namespace, arguments):
        process = namespace.popen([sys.executable, str(HERE / "traffic.py"), *arguments],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        bench.callback(_end, process)
        return process

    def is_running(self):
        return self.sender.poll() is None

    def finish(self):
        """Tells a TCP sender that it has sent enough."""
        assert self.is_running(), "the transfer ended too early"
        self.sender.send_signal(signal.SIGUSR1)

    def result(self, timeout=120):
        """Waits for the end. The receiver's report, and the sender's for TCP: `intact`,
        `goodput_mbps`, `longest_gap_ms`, `lost` ... (see traffic.py)."""
        reports = []
        for process in (self.sender, self.receiver):
            output, errors = process.communicate(timeout=timeout)
            if not output:
                raise AssertionError(f"{self.kind} traffic failed: {errors}")
            reports.append(json.loads(output))
        return {**reports[1], **reports[0]} if self.kind == "tcp" else reports[1]


class Stalls:
    """Watches, with the priority that nodes have, how long this machine lets nobody run. What a
    test says of a node's reaction time holds for a machine that runs it."""

    def __init__(self, bench):
        self.log = bench.folder / "stalls"
        with open(self.log, "w", encoding="ascii") as output:
            self.process = subprocess.Popen(
                ["nice", "-n", "-10", sys.executable, str(HERE / "stalls.py")], stdout=output)
        bench.callback(_end, self.process)

    def between(self, start_ns, end_ns):
        """Milliseconds of standstill within that time."""
        text = self.log.read_text()
        whole = text[:text.rfind("\n") + 1]  # the last line may be half written
        spans = [map(int, line.split()) for line in whole.splitlines()]
        return sum(max(0, min(end, end_ns) - max(start, start_ns)) for start, end in spans) / 1e6


def _end(process):
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _sweep():
    """Deletes namespaces of test processes that were killed before they could."""
    for line in run(["ip", "netns", "list"]).splitlines():
        name = line.split()[0]
        parts = name.split("-")
        if len(parts) < 3 or parts[0] != "wb" or not parts[1].isdigit():
            continue
        if not os.path.exists(f"/proc/{parts[1]}"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _run_one(name, function):
    """"ok", "skipped" or "FAILED", and prints it."""
    start = time.monotonic()
    text = (function.__doc__ or name).strip().splitlines()[0]
    try:
        function()
        result = "ok"
    except Skip as reason:
        result, text = "skipped", f"{text}: {reason}"
    except Exception:
        traceback.print_exc(file=sys.stdout)
        result = "FAILED"
    print(f"{result:8}{text} ({time.monotonic() - start:.1f} s)", flush=True)
    return result


def _run_twice(name, function):
    """As _run_one(). These tests run in real time, and a shared machine may stand still at a bad
    moment: what fails is tried once more, and said to have needed it (tests/summary.py)."""
    result = _run_one(name, function)
    if result != "FAILED":
        return result
    print(f"{AGAIN}{name}", flush=True)
    return _run_one(name, function)


def main():
    """Runs the test_* functions of the calling script, or those named on the command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        require_machine()
    except Skip as reason:
        print(f"skipped {reason}")
        sys.exit(77)
    _sweep()
    tests = {name: value for name, value in vars(sys.modules["__main__"]).items()
             if name.startswith("test_") and callable(value)}
    wanted = sys.argv[1:] or list(tests)
    results = [_run_twice(name, tests[name]) for name in wanted]
    if "FAILED" in results:
        sys.exit(1)
    sys.exit(0 if "ok" in results else 77)
