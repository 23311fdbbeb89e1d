"""io_uring forbidden by a system call filter, as container engines do: epoll, and no silence."""

import subprocess
import sys

import harness
from sites import TUNNEL, TwoSites

# Runs a program to which io_uring_setup() answers EPERM.
_REFUSE = """
import ctypes, os, struct, sys
IO_URING_SETUP, ALLOW, ERRNO, EPERM = 425, 0x7fff0000, 0x00050000, 1
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
code = b"".join(struct.pack("=HBBI", *step) for step in [
    (0x20, 0, 0, 0),               # load the number of the system call
    (0x15, 0, 1, IO_URING_SETUP),  # the one?
    (0x06, 0, 0, ERRNO | EPERM),
    (0x06, 0, 0, ALLOW)])
class Program(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("steps", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
program = Program(4, code)
if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(SECCOMP, FILTER, ctypes.byref(program)):
    sys.exit("no filter: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""
WITHOUT_IO_URING = [sys.executable, "-c", _REFUSE]


def test_falls_back():
    """a node takes epoll by itself, says why, and carries traffic"""
    with TwoSites() as bench:
        bench.up(prefix=WITHOUT_IO_URING)
        for node in (bench.branch, bench.hq):
            assert node.show()["io"] == "epoll", node.show()["io"]
            (line,) = [line for line in node.log.read_text().splitlines() if "I/O by" in line]
            assert "I/O by epoll" in line and "io_uring" in line, line
            assert "not permitted" in line, line
        print("  " + line)
        harness.wait_answer(bench.branch_site, TUNNEL["hq"][0])
        assert bench.transfer(5_000_000).result()["intact"]


def test_version_says_why():
    """`wanbond version` names both back ends and why one does not work"""
    done = subprocess.run([*WITHOUT_IO_URING, harness.program("WANBOND"), "version"],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines()[1:])
    print(f"  io_uring: {lines['io io_uring']}")
    assert "not usable" in lines["io io_uring"] and "not permitted" in lines["io io_uring"], lines
    assert lines["io epoll"] == "usable", lines


def test_no_way_round():
    """who asks for io_uring alone gets one line and exit 1"""
    with TwoSites() as bench:
        bench.hq.start(prefix=WITHOUT_IO_URING, WANBOND_IO="uring")
        assert bench.hq.process.wait(5) == 1
        (line,) = bench.hq.log.read_text().splitlines()
        print("  " + line)
        assert "io_uring" in line and "not permitted" in line, line


if __name__ == "__main__":
    harness.main()
