"""`wanbond demo` interrupted, on a terminal, and where it cannot work."""

import os
import pathlib
import pty
import shutil
import signal
import subprocess
import tempfile
import time

import harness
from demo_test import Demo, descendants


def test_interrupt():
    """SIGINT and SIGTERM end it at any moment, and nothing stays"""
    for number, wait in [(signal.SIGINT, 0.05), (signal.SIGTERM, 0.4), (signal.SIGINT, 1.5),
                         (signal.SIGTERM, 6.0)]:
        demo = Demo("--duration", "10", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(wait)
        children = descendants(demo.process.pid)
        demo.process.send_signal(number)
        _, messages = demo.process.communicate(timeout=10)
        assert demo.process.returncode != 0
        if wait > 0.3:
            assert messages.startswith("wanbond: demo: interrupted"), messages
            assert demo.process.returncode == 1
        demo.leaves_nothing(children)


def test_terminal():
    """on a terminal it draws live lines, without colours if NO_COLOR is set; --keep keeps files"""
    main, terminal = pty.openpty()
    os.environ["NO_COLOR"] = "1"
    demo = Demo("--keep", "--duration", "10", stdout=terminal, stderr=subprocess.PIPE)
    del os.environ["NO_COLOR"]
    os.close(terminal)
    text = b""
    end = time.monotonic() + 4
    while time.monotonic() < end:
        text += os.read(main, 4096)
    demo.process.send_signal(signal.SIGINT)
    _, messages = demo.process.communicate(timeout=10)
    os.close(main)
    assert b"Mbit/s" in text and b"A\r\x1b[J" in text, text
    assert b"\x1b[3" not in text, text
    kept, = pathlib.Path(demo.folder.name).iterdir()
    assert str(kept) in messages, messages
    names = sorted(path.name for path in kept.iterdir())
    assert names == ["branch.conf", "branch.log", "hq.conf", "hq.log"], names
    for name in ("branch.conf", "hq.conf"):
        assert (kept / name).stat().st_mode & 0o777 == 0o600
    demo.folder.cleanup()


def test_errors():
    """what cannot work says so, with the cure"""
    for options, status, part in [(["--duration", "5"], 2, "from 10 to 300"),
                                  (["--duration", "soon"], 2, "from 10 to 300"),
                                  (["extra"], 2, "demo")]:
        done = subprocess.run([harness.program("WANBOND"), "demo", *options],
                              capture_output=True, text=True, timeout=10)
        assert (done.returncode, part in done.stderr) == (status, True), done
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # for the ordinary user
        copy = shutil.copy(harness.program("WANBOND"), folder)
        done = subprocess.run([copy, "demo"], capture_output=True, text=True, timeout=10,
                              user=65534, env={**os.environ, "TMPDIR": "/tmp"})
    assert done.returncode == 1 and "sudo wanbond demo" in done.stderr, done


if __name__ == "__main__":
    harness.main()
