#!/usr/bin/env python3
"""MPTCP over WANs that come and go, by wanbond and by the kernel: for a quiet machine, by hand.

    WANBOND=... WANBOND_LAB=... python3 tests/system/mptcp_tables.py download requests page
    ... [--json FILE] [--rtt MS,MS] [--rate MBIT] [--flapping NUMBER] [--periods S,...] [--mega N]
        [--seconds S] [--count N]

A client with an address for each of two WANs; the WAN of that number is on and off for so many
seconds each, or cut once for a second under a page of 216 objects. By the kernel alone each subflow
takes its WAN by the routing rules that the paper's gateways have. None asserts a time.
"""

import argparse
import json
import subprocess
import sys
import threading
import time

import harness
from mptcp_evidence import addresses, numbers, prepare
from path_evidence import run, spread
from sites import LAN, TwoSites, Wan

SERVER = f"{LAN['hq']}.10"
PORT = 8080
WAYS = ("wanbond", "kernel")


def wans_of(options):
    return [Wan(f"wan{number}", {"delay": f"{rtt / 2}ms", "rate": f"{options.rate}Mbit",
                                 "queue_bytes": str(max(60_000, int(options.rate * 12_500)))})
            for number, rtt in enumerate(options.rtt, 1)]


def route_plainly(bench, options):
    """In place of the tunnel: a table for each of the client's addresses, and routes back."""
    for number, address in enumerate(addresses(options)):
        here, there = bench.addresses(number)
        table = str(100 + number)
        bench.branch_site.ip("route", "add", "default", "via", there, "table", table)
        bench.branch_site.ip("rule", "add", "from", address, "lookup", table)
        bench.hq_site.ip("route", "add", f"{address}/32", "via", here)


class Ground:
    """Two sites, a client with an address for each WAN, a server that answers requests."""

    def __init__(self, options, way):
        self.options, self.way, self.bench = options, way, TwoSites(wans_of(options), lans=True)
        self.wan = f"wan{options.flapping}"

    def __enter__(self):
        bench = self.bench.__enter__()
        prepare(bench, self.options)
        if self.way == "wanbond":
            bench.up()
        else:
            route_plainly(bench, self.options)
        bench.start(bench.hq_lan, [sys.executable, str(harness.HERE / "web.py"), "serve", SERVER,
                                   str(PORT)], "server")
        time.sleep(0.5)
        return self

    def __exit__(self, *error):
        return self.bench.__exit__(*error)

    def ask(self, what, *words):
        """A client of the server."""
        return self.bench.branch_lan.popen(
            [sys.executable, str(harness.HERE / "web.py"), what, SERVER, str(PORT), *words],
            stdout=subprocess.PIPE, text=True)

    def download(self):
        return harness.Flow(self.bench, self.bench.hq_lan, self.bench.branch_lan, SERVER, "tcp",
                            bytes=int(self.options.mega * 1e6), mptcp=1, serve=1)


class Flapping:
    """Cuts and restores a WAN until it is left, a half period each; 0: never."""

    def __init__(self, ground, half_period):
        self.lab, self.wan, self.half_period = ground.bench.lab, ground.wan, half_period
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while self.half_period and not self.ended.wait(self.half_period):
            self.lab.cut(self.wan)
            self.ended.wait(self.half_period)
            self.lab.restore(self.wan)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *error):
        self.ended.set()
        self.thread.join()


def rows(options, measure):
    """One for each half period, a column for each way; the values."""
    values = {}
    for half_period in (0, *options.periods):
        name = f"on and off {half_period:g} s" if half_period else "never off"
        row = values.setdefault(name, {})
        for way in WAYS:
            with Ground(options, way) as ground:
                row[way], text = measure(ground, half_period)
            print(f"  {name:16} {way:8} {text}", flush=True)
    return values


def measure_download(options):
    """a download while a WAN comes and goes"""
    def once(ground, half_period):
        flow = ground.download()
        with Flapping(ground, half_period):
            result = flow.result(timeout=600)
        assert result["intact"], result
        return result, (f"{result['seconds']:6.1f} s, {result['goodput_mbps']:6.1f} Mbit/s, "
                        f"longest silence {result['longest_gap_ms']:6.0f} ms")
    return rows(options, once)


def measure_requests(options):
    """one byte asked for and answered, again and again, while a WAN comes and goes"""
    def once(ground, half_period):
        with Flapping(ground, half_period):
            output = ground.ask("ask", "--seconds", str(options.seconds)).communicate()[0]
        result = json.loads(output)
        return result, (f"{result['per_second']:6.1f} a second, longest wait "
                        f"{result['longest_ms']:6.0f} ms")
    return rows(options, once)


def page_times(options, ground):
    """Of options.count pages, and of their objects, the WAN cut 0.2 s after the page began."""
    pages, objects = [], []
    for number in range(options.count):
        process = ground.ask("fetch", "--seed", str(number + 1))
        time.sleep(0.2)
        ground.bench.lab.cut(ground.wan)
        time.sleep(1)
        ground.bench.lab.restore(ground.wan)
        result = json.loads(process.communicate()[0])
        pages.append(result["page_ms"])
        objects += result["objects_ms"]
        time.sleep(2)
    return {"page": pages, "object": objects}


def measure_page(options):
    """pages of 216 objects over six connections, an outage of one second in each"""
    values = {}
    for way in WAYS:
        with Ground(options, way) as ground:
            values[way] = page_times(options, ground)
        for what, times in values[way].items():
            figures = {key: value for key, value in spread(times).items() if key != "count"}
            print(f"  {way:8} {what:7}" + ", ".join(
                f"{key} {value:.0f}" for key, value in figures.items()) + " ms", flush=True)
    return values


def main():
    measures = {"download": measure_download, "requests": measure_requests, "page": measure_page}
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=measures)
    parser.add_argument("--rtt", type=numbers(float), default=(20, 20), help="ms, of each WAN")
    parser.add_argument("--rate", type=float, default=100, help="Mbit/s of each WAN")
    parser.add_argument("--flapping", type=int, default=1, help="which WAN comes and goes")
    parser.add_argument("--periods", type=numbers(float), default=(1, 2, 5, 10), help="s, half")
    parser.add_argument("--mega", type=float, default=1000, help="MB of a download")
    parser.add_argument("--seconds", type=float, default=40, help="of requests")
    parser.add_argument("--count", type=int, default=20, help="pages")
    parser.add_argument("--json", help="file for all values")
    options = parser.parse_args()
    options.wans, options.ipv6 = len(options.rtt), False
    run(measures, options)


if __name__ == "__main__":
    main()
