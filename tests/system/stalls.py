"""Prints the times, CLOCK_MONOTONIC in ns, between which this process wanted to run and could not:
a nap of 2 ms that took more than 5 ms longer. For harness.Stalls."""

import sys
import time

NAP_S = 0.002
LATE_NS = 5_000_000

before = time.monotonic_ns()
while True:
    time.sleep(NAP_S)
    now = time.monotonic_ns()
    if now - before > NAP_S * 1e9 + LATE_NS:
        print(before, now)
        sys.stdout.flush()
    before = now
