#!/usr/bin/env python3
"""Counts the results in meson's testlog.json; the last line is `N passed, N failed, N skipped`.

Usage: summary.py TESTLOG [--must-run SUITE]. With --must-run, a skipped test of that suite counts
as failed, and so does a suite without tests: the machine could have run them.

A system test that fails is tried once more (tests/system/harness.py); those that needed it are
named."""

import json
import sys
from pathlib import Path

PASSED = {'OK', 'EXPECTEDFAIL'}
SKIPPED = {'SKIP'}
AGAIN = 'again   '


def suites(test: dict) -> list:
    """meson names a test `project:suite+suite / name`."""
    place, slash, _ = test['name'].partition(' / ')
    return place.split(':')[-1].split('+') if slash else []


def count(tests: list, must_run: str) -> dict:
    """Names of the tests by outcome: passed, failed, skipped."""
    names = {'passed': [], 'failed': [], 'skipped': []}
    for test in tests:
        name, result = test['name'], test['result']
        if result in PASSED:
            names['passed'].append(name)
        elif result not in SKIPPED:
            names['failed'].append(f'{name} ({result.lower()})')
        elif must_run and must_run in suites(test):
            names['failed'].append(f'{name} (skipped, but this machine can run it)')
        else:
            names['skipped'].append(name)
    if must_run and not any(must_run in suites(test) for test in tests):
        names['failed'].append(f'suite {must_run} (has no test)')
    return names


def tried_again(tests: list) -> list:
    """What of the system tests passed at the second attempt only, or not even then."""
    return [f"{test['name']}: {line.removeprefix(AGAIN)}" for test in tests
            for line in test.get('stdout', '').splitlines() if line.startswith(AGAIN)]


def main() -> int:
    must_run = sys.argv[sys.argv.index('--must-run') + 1] if '--must-run' in sys.argv else ''
    log = Path(sys.argv[1])
    lines = log.read_text('utf-8').splitlines() if log.exists() else []
    tests = [json.loads(line) for line in lines if line]
    names = count(tests, must_run)
    if not lines:
        names['failed'].append(f'{log} (no test ran)')
    for name in tried_again(tests):
        print(f'tried twice: {name}')
    for outcome in ('skipped', 'failed'):
        for name in names[outcome]:
            print(f'{outcome}: {name}')
    print(', '.join(f'{len(found)} {outcome}' for outcome, found in names.items()))
    return 1 if names['failed'] else 0


if __name__ == '__main__':
    sys.exit(main())
