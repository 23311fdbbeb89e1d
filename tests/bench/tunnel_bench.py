#!/usr/bin/env python3
"""wanbond, raw veth, and every other tunnel found on this machine, in turn in one run: speed, CPU,
latency, memory, and their ratios. As root; asserts nothing about time.

    tunnel_bench.py [--rounds N] [--seconds S] [--wire trains|cut|both] [--tunnels NAME,...]
                    [--measures NAME,...] [--json FILE] [--markdown FILE] [--list]

`trains` leaves segmentation to the receiver, as veth does by default; `cut` sends single packets
over the WAN, as a network card does. WANBOND, WANBOND_NULL (without encryption, built for this
bench only) and UDP_LOAD name programs of the build.
"""

import argparse
import json
import pathlib
import shutil
import sys
import time

import topology  # first: it makes the system tests' modules known
import harness
import measures
import tables
import tunnels


def names(text, known, what):
    """The names of a comma-separated list; all without one."""
    wanted = text.split(",") if text else list(known)
    for name in wanted:
        if name not in known:
            raise SystemExit(f"no {what} '{name}': choose from {', '.join(known)}")
    return wanted


def read_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=1, help="of one measurement")
    parser.add_argument("--wire", choices=["trains", "cut", "both"], default="trains")
    parser.add_argument("--tunnels", help="comma-separated, all by default")
    parser.add_argument("--measures", help="comma-separated, all by default")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def usable(wanted):
    """Those of the wanted tunnels that can run here; says why the others cannot."""
    found = []
    for driver in tunnels.all_drivers():
        if driver.name in wanted:
            reason = driver.missing()
            if reason:
                print(f"skipped {driver.name}: {reason}", flush=True)
            else:
                found.append(driver)
    return found


def take_turn(ground, driver, options, wanted):
    """One round of one tunnel: {column: value}."""
    driver.start(ground)
    try:
        harness.wait_answer(ground.client, topology.SERVER, 15)
        round_ = measures.Round(ground, driver, options.seconds)
        result = {}
        for name in wanted:
            result.update(measures.MEASURES[name](round_))
            time.sleep(measures.SETTLE)
        return result
    finally:
        driver.stop(ground)


def run(options, drivers, wanted):
    wires = ["trains", "cut"] if options.wire == "both" else [options.wire]
    results = {wire: {driver.name: {} for driver in drivers} for wire in wires}
    with topology.Ground() as ground:
        measures.start_server(ground)
        for number in range(options.rounds):
            for wire in wires:
                ground.cut_trains(wire == "cut")
                for driver in drivers:
                    result = take_turn(ground, driver, options, wanted)
                    print(f"round {number + 1}, {wire}, {driver.name}: "
                          + ", ".join(f"{column} {tables.number(value)}"
                                      for column, value in result.items()), flush=True)
                    for column, value in result.items():
                        results[wire][driver.name].setdefault(column, []).append(value)
    return results


def main():
    options = read_options()
    known = [driver.name for driver in tunnels.all_drivers()]
    if options.list:
        print("tunnels:", ", ".join(known))
        print("measures:", ", ".join(measures.MEASURES))
        return
    try:
        harness.require_machine()
        for program in ("iperf3", "ping", "ss"):
            if not shutil.which(program):
                raise harness.Skip(f"no {program} on this machine")
    except harness.Skip as reason:
        print(f"skipped {reason}")
        sys.exit(77)
    wanted = names(options.measures, measures.MEASURES, "measure")
    drivers = usable(names(options.tunnels, known, "tunnel"))
    results = run(options, drivers, wanted)
    text = tables.report(results)
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
