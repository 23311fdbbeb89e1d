"""Requests and answers over MPTCP for mptcp_tables.py: `serve` answers each request of 8 bytes, a
size, with so many bytes; `fetch` asks for a page over a few connections and tells in JSON when each
object had come; `ask` asks for one byte at a time and tells how often it was answered, and the
longest wait.
"""

import argparse
import json
import random
import socket
import struct
import sys
import threading
import time

REQUEST = struct.Struct("!Q")
OBJECT_MEDIAN, OBJECT_SPREAD, OBJECT_MAX = 6_000, 1.2, 300_000  # bytes, lognormal


def mptcp_socket():
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def answer(connection):
    block = bytes(1 << 16)
    with connection:
        while request := connection.recv(REQUEST.size, socket.MSG_WAITALL):
            left = REQUEST.unpack(request)[0]
            while left > 0:
                left -= connection.send(block[:left])


def serve(options):
    """Until it is killed."""
    listener = mptcp_socket()
    listener.bind((options.host, options.port))
    listener.listen(64)
    while True:
        connection = listener.accept()[0]
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def get(connection, size):
    connection.sendall(REQUEST.pack(size))
    while size > 0:
        data = connection.recv(min(size, 1 << 16))
        if not data:
            raise ConnectionError("the server has gone")
        size -= len(data)


def page(seed, count):
    """Sizes of its objects."""
    chance = random.Random(seed)
    return [min(OBJECT_MAX, 1 + int(OBJECT_MEDIAN * chance.lognormvariate(0, OBJECT_SPREAD)))
            for _ in range(count)]


def fetch(options):
    """Each connection takes the next object as soon as it has the last."""
    sizes, times, lock = page(options.seed, options.objects), [], threading.Lock()
    total, start = sum(sizes), time.monotonic_ns()

    def work():
        connection = mptcp_socket()
        connection.connect((options.host, options.port))
        while True:
            with lock:
                if not sizes:
                    return
                size = sizes.pop()
            asked = time.monotonic_ns()
            get(connection, size)
            with lock:
                times.append((time.monotonic_ns() - asked) / 1e6)
    threads = [threading.Thread(target=work) for _ in range(options.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"objects_ms": times, "bytes": total,
            "page_ms": (time.monotonic_ns() - start) / 1e6}


def ask(options):
    connection = mptcp_socket()
    connection.connect((options.host, options.port))
    count, longest, start = 0, 0, time.monotonic_ns()
    while (before := time.monotonic_ns()) < start + options.seconds * 1e9:
        get(connection, 1)
        longest = max(longest, time.monotonic_ns() - before)
        count += 1
    return {"per_second": count * 1e9 / (time.monotonic_ns() - start), "longest_ms": longest / 1e6}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["serve", "fetch", "ask"])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--objects", type=int, default=216)
    parser.add_argument("--connections", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(globals()[options.what](options)))


if __name__ == "__main__":
    sys.exit(main())
