"""Traffic for the system tests, as programs: TCP transfers checked by hash, paced UDP streams with
loss, gaps and delays. Each prints one JSON object. Times are CLOCK_MONOTONIC, which all processes
of one machine share, so one-way delays are real.
"""

import argparse
import hashlib
import json
import random
import signal
import socket
import statistics
import struct
import sys
import time

CHUNK = 1 << 18
HEADER = struct.Struct("!QQ")  # sequence number (or LAST), time of sending in ns
LAST = 1 << 63                 # added to the count of packets: the stream has ended
BUFFER = 8 << 20
GAP_NS, GAPS_MAX = 20_000_000, 10_000  # silences of a TCP receiver that are told one by one
SO_RCVBUFFORCE = 33


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def stream_socket(options):
    protocol = socket.IPPROTO_MPTCP if options.mptcp else 0
    stream = socket.socket(family(options.host), socket.SOCK_STREAM, protocol)
    if options.cc:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, options.cc.encode())
    return stream


def content(size, seed):
    """`size` bytes that only the seed determines, in chunks."""
    block = random.Random(seed).randbytes(CHUNK)
    for number in range(0, size, CHUNK):
        chunk = struct.pack("!Q", number) + block[8:]
        yield chunk[:min(CHUNK, size - number)]


def receive_all(connection, sample_ms=0):
    """Reads to the end: hash, bytes, longest silence and when it began, all above 20 ms; how much
    had come when, at most one sample in `sample_ms`."""
    digest, size, gap, gap_at, before = hashlib.sha256(), 0, 0, 0, None
    gaps, samples = [], []
    while data := connection.recv(CHUNK):
        now = time.monotonic_ns()
        if before is not None and now - before > gap:
            gap, gap_at = now - before, before
        if before is not None and now - before > GAP_NS and len(gaps) < GAPS_MAX:
            gaps.append((before, (now - before) / 1e6))
        before = now
        digest.update(data)
        size += len(data)
        if sample_ms and (not samples or now - samples[-1][0] >= sample_ms * 1e6):
            samples.append((now, size))
    return {"sha256": digest.hexdigest(), "bytes": size, "longest_gap_ms": gap / 1e6,
            "longest_gap_at_ns": gap_at, "gaps": gaps, "samples": samples}


def accept(options):
    """The first connection to that address. The listener stays: MPTCP joins need it."""
    options.listener = stream_socket(options)
    options.listener.bind((options.host, options.port))
    options.listener.listen(1)
    return options.listener.accept()[0]


def tcp_receive(options):
    """One transfer; the answer goes to the sender, too."""
    connection = connect(options) if options.serve else accept(options)
    result = receive_all(connection, options.sample)
    connection.sendall(json.dumps(result).encode())
    connection.close()
    return result


def tcp_send(options):
    """Sends all, or until SIGUSR1, and compares what the other end says with what was sent."""
    told_to_end = []
    signal.signal(signal.SIGUSR1, lambda *_: told_to_end.append(True))
    digest, size = hashlib.sha256(), 0
    connection = accept(options) if options.serve else connect(options)
    start = time.monotonic()
    for chunk in content(options.bytes, options.seed):
        if told_to_end:
            break
        digest.update(chunk)
        size += len(chunk)
        connection.sendall(chunk)
    connection.shutdown(socket.SHUT_WR)
    answer = json.loads(b"".join(iter(lambda: connection.recv(4096), b"")))
    seconds = time.monotonic() - start
    intact = answer["sha256"] == digest.hexdigest() and answer["bytes"] == size
    return {**answer, "intact": intact, "seconds": seconds,
            "goodput_mbps": size * 8 / 1e6 / seconds}


def connect(options):
    """The receiver may not listen yet: tries for 5 s."""
    end = time.monotonic() + 5
    while True:
        connection = stream_socket(options)
        try:
            connection.connect((options.host, options.port))
            return connection
        except ConnectionRefusedError:
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def udp_send(options):
    """A stream at an even pace; then the count, ten times."""
    sender = socket.socket(family(options.host), socket.SOCK_DGRAM)
    sender.connect((options.host, options.port))
    padding = bytes(options.size - HEADER.size)
    count = int(options.rate * 1e6 * options.seconds / 8 / options.size)
    interval = options.seconds * 1e9 / count
    start, refused = time.monotonic_ns(), 0
    for number in range(count):
        while (wait := start + number * interval - time.monotonic_ns()) > 0:
            if wait > 200_000:
                time.sleep((wait - 100_000) / 1e9)
        try:
            sender.send(HEADER.pack(number, time.monotonic_ns()) + padding)
        except OSError:
            refused += 1
    for _ in range(10):
        time.sleep(0.02)
        try:
            sender.send(HEADER.pack(LAST + count, 0))
        except OSError:
            pass
    return {"sent": count, "refused": refused,
            "seconds": (time.monotonic_ns() - start) / 1e9}


def udp_receive(options):
    """Takes a stream until its end is announced or nothing came for --idle seconds."""
    receiver = socket.socket(family(options.host), socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    receiver.bind((options.host, options.port))
    receiver.settimeout(options.idle)
    arrivals, size, sent = [], 0, None
    try:
        while sent is None:
            data = receiver.recv(65536)
            now = time.monotonic_ns()
            number, at = HEADER.unpack_from(data)
            if number >= LAST:
                sent = number - LAST
            else:
                arrivals.append((number, at, now))
                size = len(data)
    except TimeoutError:
        pass
    return summary(arrivals, sent, size)


def summary(arrivals, sent, size):
    numbers = [number for number, _, _ in arrivals]
    unique = len(set(numbers))
    result = {"received": unique, "duplicates": len(numbers) - unique,
              "sent": sent, "lost": None if sent is None else sent - unique,
              "reordered": sum(1 for x, y in zip(numbers, numbers[1:]) if y < x)}
    if unique < 2:
        return result
    times = [now for _, _, now in arrivals]
    delays = sorted((now - at) / 1e6 for _, at, now in arrivals)
    gap, gap_at = max((y - x, x) for x, y in zip(times, times[1:]))
    seconds = (times[-1] - times[0]) / 1e9
    result.update({
        "delay_ms": {"min": delays[0], "median": statistics.median(delays),
                     "p95": delays[len(delays) * 95 // 100], "max": delays[-1]},
        "longest_gap_ms": gap / 1e6, "longest_gap_at_ns": gap_at,
        "first_ns": times[0], "last_ns": times[-1],
        "mbps": (len(arrivals) - 1) * size * 8 / 1e6 / seconds})
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["tcp-send", "tcp-receive", "udp-send", "udp-receive"])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--bytes", type=int, default=1_000_000)
    parser.add_argument("--mptcp", type=int, default=0, help="1: multipath TCP")
    parser.add_argument("--serve", type=int, default=0, help="1: who receives connects, TCP")
    parser.add_argument("--cc", default="", help="congestion control; the kernel's default")
    parser.add_argument("--sample", type=float, default=0, help="ms, of what came when, TCP")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1.0, help="Mbit/s of payload")
    parser.add_argument("--size", type=int, default=1000, help="bytes of payload")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--idle", type=float, default=5.0)
    options = parser.parse_args()
    result = globals()[options.what.replace("-", "_")](options)
    print(json.dumps(result))
    sys.exit(0 if result.get("intact", True) else 1)


if __name__ == "__main__":
    main()
