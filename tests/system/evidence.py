"""The long measurements behind evidence.md: too long for every build, for a quiet machine, by hand.

    meson compile -C build evidence          all of them, about 25 minutes
    python3 tests/system/evidence.py cuts ...   some of them (with WANBOND and WANBOND_LAB set)

What paths do when they fail is measured by path_evidence.py.

Each prints what it measured; none asserts a time, but the transfer must be intact.
"""

import os
import signal
import statistics
import sys
import time

import harness
from harness import Flow
from sites import TUNNEL, TwoSites, is_in_use

TICKS = os.sysconf("SC_CLK_TCK")


def spread(values):
    values = sorted(values)
    return (f"min {values[0]:.1f}, median {statistics.median(values):.1f}, "
            f"max {values[-1]:.1f} ms of {len(values)}")


def load(bench, size):
    """A TCP flow from branch to hq that fills the WAN in use."""
    return Flow(bench, bench.branch_site, bench.hq_site, TUNNEL["hq"][0], "tcp", bytes=size)


def wait_used(bench, wan):
    for node in (bench.branch, bench.hq):
        harness.wait_for(lambda: is_in_use(node.path(wan)), 15, f"{wan} in use")


def cpu_seconds(node):
    with open(f"/proc/{node.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cut_once(bench, suspects, downs, returns):
    wait_used(bench, "fiber")
    time.sleep(1)
    cut = bench.lab.cut("fiber")
    nodes = (bench.branch, bench.hq)
    for node in nodes:
        harness.wait_for(lambda: node.downs("fiber", cut), 5, f"{node.name} sees it")
        (down,) = node.downs("fiber", cut)
        downs.append((down["at_ns"] - cut) / 1e6)
        suspects.append((first_selection(node, cut) - cut) / 1e6)
    restored = bench.lab.restore("fiber")
    for node in nodes:
        harness.wait_for(lambda: first_selection(node, restored), 10, "the return")
        returns.append((first_selection(node, restored) - restored) / 1e6)


def first_selection(node, since_ns):
    times = [event["at_ns"] for event in node.events("path_selected")
             if event["at_ns"] >= since_ns]
    return times[0] if times else None


def measure_cuts(pairs=10):
    """silent cut of the WAN in use under load: from the cut to Down, at both sites"""
    suspects, downs, returns = [], [], []
    for _ in range(pairs):  # a third cut within 30 s would meet the hold-down
        with TwoSites() as bench:
            bench.up()
            load(bench, 8_000_000_000)
            for _ in range(2):
                cut_once(bench, suspects, downs, returns)
    print(f"  flows moved after the cut: {spread(suspects)}")
    print(f"  Down after the cut: {spread(downs)}; above 100 ms: "
          f"{sum(value > 100 for value in downs)}")
    print(f"  flows back after the return: {spread(returns)}")


def measure_load(minutes=10):
    """full load without any cut: false Downs"""
    with TwoSites() as bench:
        bench.up()
        start = time.monotonic_ns()
        load(bench, 20_000_000_000)
        time.sleep(minutes * 60)
        for node in (bench.branch, bench.hq):
            path = node.path("fiber")
            downs = sum(len(node.downs(wan.name, start)) for wan in bench.wans)
            suspects = len([event for event in node.events("path_state", to="suspect")
                            if event["at_ns"] >= start])
            print(f"  {node.name}: {downs} Downs, {suspects} suspicions in {minutes} min; "
                  f"fiber sent {path['tx_bytes'] / 1e9:.2f} GB, "
                  f"received {path['rx_bytes'] / 1e9:.2f} GB")


def measure_stop(tries=4):
    """kill -STOP of hq for 300 ms under load: Downs of the path in use at each site"""
    with TwoSites() as bench:
        bench.up()
        load(bench, 8_000_000_000)
        counts = {"branch": [], "hq": []}
        for _ in range(tries):
            bench.wait_up()
            harness.wait_for(lambda: bench.branch.selected() == "fiber", 70, "fiber in use")
            wait_used(bench, "fiber")
            start = time.monotonic_ns()
            bench.hq.process.send_signal(signal.SIGSTOP)
            time.sleep(0.3)
            bench.hq.process.send_signal(signal.SIGCONT)
            time.sleep(3)
            for node in (bench.branch, bench.hq):
                counts[node.name].append(len(node.downs("fiber", start)))
        for name, values in counts.items():
            print(f"  {name}: Downs per stop {values}")


def measure_gigabyte(minutes=15):
    """1 GB over TCP with new keys every 5 s and a cut of 2 s every 7 s

    Hold-down keeps a WAN away after its third cut in 30 s, so slower ones carry most of it."""
    with TwoSites() as bench:
        bench.up(WANBOND_REKEY_AFTER="5s")
        flow = load(bench, 1_000_000_000)
        cuts, end = 0, time.monotonic() + 60 * minutes
        while flow.is_running():
            assert time.monotonic() < end, f"not through after {minutes} minutes, {cuts} cuts"
            used = harness.wait_for(bench.branch.selected, 15, "a WAN in use")
            bench.lab.cut(used)
            cuts += 1
            time.sleep(2)
            bench.lab.restore(used)
            time.sleep(5)
        result = flow.result()
        keys = len(bench.branch.events("keys_changed"))
        print(f"  intact: {result['intact']}, {result['seconds']:.0f} s, {cuts} cuts, {keys} sets "
              f"of keys, longest gap {result['longest_gap_ms']:.0f} ms")
        assert result["intact"], result


def measure_idle(seconds=60):
    """an idle node with three WANs: share of a core, memory"""
    with TwoSites() as bench:
        bench.up()
        time.sleep(8)
        before = {node: cpu_seconds(node) for node in (bench.branch, bench.hq)}
        time.sleep(seconds)
        for node, used in before.items():
            share = (cpu_seconds(node) - used) / seconds * 100
            print(f"  {node.name}: {share:.2f} % of a core, {node.memory_kb() / 1024:.1f} MB "
                  "resident")


def main():
    harness.require_machine()
    measures = {name.removeprefix("measure_"): function for name, function in globals().items()
                if name.startswith("measure_")}
    for name in sys.argv[1:] or measures:
        print(f"{name}: {measures[name].__doc__.splitlines()[0]}", flush=True)
        measures[name]()


if __name__ == "__main__":
    main()
