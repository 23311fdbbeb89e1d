#!/usr/bin/env python3
"""The library of layers 0 to 2 calls nothing but what nm_allow.txt lists.

Usage: nm_test.py LIBRARY. A clock, a socket or a system call that slips into the pure core shows
up here as an undefined symbol. Only for plain builds: sanitizers and coverage add their own."""

import re
import subprocess
import sys
from pathlib import Path


def symbols(library: str) -> tuple:
    """Names defined in `library`, and (object file, name) of those it needs."""
    text = subprocess.run(['nm', '--demangle', library], capture_output=True, text=True,
                          check=True).stdout
    defined, needed, member = set(), set(), ''
    for line in text.splitlines():
        if line.endswith('.o:'):
            member = Path(line[:-len('.o:')]).name
        elif match := re.match(r'[0-9a-f ]{16} ([A-Za-z]) (.*)', line):
            if match.group(1) in 'Uw':
                needed.add((member, match.group(2)))
            else:
                defined.add(match.group(2))
    return defined, needed


def allowed(name: str, member: str, rules: list) -> bool:
    return any(pattern.fullmatch(name) and where.search(member) for pattern, where in rules)


def read_rules(path: Path) -> list:
    """Pairs of compiled expressions: symbol, object file."""
    rules = []
    for line in path.read_text('utf-8').splitlines():
        if line and not line.startswith('#'):
            pattern, _, where = line.partition(' @ ')
            rules.append((re.compile(pattern), re.compile(where)))
    return rules


def main() -> int:
    rules = read_rules(Path(__file__).with_name('nm_allow.txt'))
    for bad in ('clock_gettime', 'std::chrono::_V2::steady_clock::now()', 'socket', 'read',
                'getrandom', 'randombytes_buf', 'crypto_box_keypair', 'pthread_create'):
        if allowed(bad, 'crypto_x', rules):
            sys.exit(f'nm_allow.txt allows {bad}: make the pattern that matches it narrower')
    defined, needed = symbols(sys.argv[1])
    if not needed:
        sys.exit(f'nm found no undefined symbol in {sys.argv[1]}: the test sees nothing')
    found = sorted((member, name) for member, name in needed
                   if name not in defined and not allowed(name, member, rules))
    for member, name in found:
        print(f'{member}: calls {name}; layers 0 to 2 take time, randomness and bytes as '
              'parameters (tests/nm_allow.txt)')
    print(f'{len(needed)} undefined symbols looked at, {len(found)} not allowed')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
