#!/usr/bin/env python3
"""Holds the man pages against the program, both ways: every command and option of --help is in
wanbond(8), every key of the parser in wanbond.conf(5), and neither page names others. The
example of wanbond.conf(5) must pass the parser.

Usage: man_test.py WANBOND MAN_FOLDER"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def program_commands(wanbond):
    """Commands of `wanbond --help`."""
    return set(re.findall(r'^  (\w+) +\S', run(wanbond, '--help'), re.M))


def program_options(wanbond, command):
    """Long options of one command, but --help."""
    text = run(wanbond, command, '--help')
    return set(re.findall(r'--([a-z]+)', text.split('Options', 1)[-1])) - {'help'}


def page_commands(page):
    """{command: long options named in its part} of wanbond(8)."""
    part = page.split('.Sh COMMANDS', 1)[1].split('\n.Sh ', 1)[0]
    items = re.split(r'^\.It Cm ', part, flags=re.M)[1:]
    return {item.split()[0]: set(re.findall(r'Fl -([a-z]+)', item)) for item in items}


def program_keys(wanbond):
    """{section: {key: default}} of the parser."""
    keys = {}
    for line in run(wanbond, 'check', '--keys').splitlines():
        name, default, _ = line.split('\t')
        section, key = name.split('.')
        keys.setdefault(section, {})[key] = default
    return keys


def page_keys(page):
    """{section: {key: text}} of wanbond.conf(5)."""
    keys = {}
    for part in re.split(r'^\.Ss ', page, flags=re.M)[1:]:
        section = part.split()[0]
        if ' section' not in part.splitlines()[0]:
            continue
        for item in re.split(r'^\.It Ic ', part.split('\n.Sh ')[0], flags=re.M)[1:]:
            for key in item.splitlines()[0].split(','):
                keys.setdefault(section, {})[key.strip()] = item
    return keys


def differences(what, program, page):
    yield from (f'{what} {name} is in the program, not in the page' for name in program - page)
    yield from (f'{what} {name} is in the page, not in the program' for name in page - program)


def check_commands(wanbond, page):
    documented = page_commands(page)
    yield from differences('command', program_commands(wanbond), set(documented))
    common = set(re.findall(r'Fl -([a-z]+)', page.split('.Sh COMMANDS')[0])) - {'help'}
    for command in sorted(program_commands(wanbond) & set(documented)):
        options = program_options(wanbond, command)
        yield from differences(f'{command}: option', options - common, documented[command])


def check_keys(wanbond, page):
    known, documented = program_keys(wanbond), page_keys(page)
    yield from differences('section', set(known), set(documented))
    for section in sorted(set(known) & set(documented)):
        yield from differences(f'[{section}] key', set(known[section]), set(documented[section]))
        for key, default in known[section].items():
            text = documented[section].get(key, '')
            if default and not re.search(r'Default:\s+(\.Ql )?' + re.escape(default), text):
                yield f'[{section}] {key}: the page does not say "Default: {default}"'


def check_example(wanbond, page):
    """The example is parsed; only its key file may be missing."""
    example = re.search(r'^\.Bd [^\n]*\n(\[Interface\].*?)^\.Ed', page, re.M | re.S).group(1)
    key = run(wanbond, 'genkey').strip()
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
        file.write(example.replace('/etc/wanbond/branch.key', key))
        file.flush()
        result = subprocess.run([wanbond, 'check', '-c', file.name], capture_output=True, text=True)
        if result.returncode != 0:
            yield f'the example of wanbond.conf(5) is refused: {result.stderr.strip()}'
    if len(example.strip().splitlines()) > 20:
        yield 'the example of wanbond.conf(5) is longer than 20 lines'


def main():
    wanbond, folder = sys.argv[1], Path(sys.argv[2])
    commands = (folder / 'wanbond.8').read_text('utf-8')
    config = (folder / 'wanbond.conf.5').read_text('utf-8')
    faults = [*check_commands(wanbond, commands), *check_keys(wanbond, config),
              *check_example(wanbond, config)]
    print('\n'.join(faults) or 'man pages and program agree')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
