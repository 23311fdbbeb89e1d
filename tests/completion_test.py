#!/usr/bin/env python3
"""The completions for bash and zsh know the commands and options of `wanbond --help`, no others.

Usage: completion_test.py PROGRAM FOLDER"""

import re
import subprocess
import sys
from pathlib import Path

# Options that every command has, or that stand for NAME.
COMMON = {'--help', '--config'}
ASK_BASH = '''source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wanbond; printf '%s\\n' "${COMPREPLY[@]}"'''


def output(*command) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def bash_offers(script: Path, *words: str) -> set:
    """What bash would offer for the last of `words`."""
    return set(output('bash', '-c', ASK_BASH, 'bash', script, 'wanbond', *words).split())


def complain(where: str, offered: set, real: set) -> int:
    for word in sorted(offered - real):
        print(f'{where}: offers `{word}`, which the program does not know')
    for word in sorted(real - offered):
        print(f'{where}: lacks `{word}`')
    return len(offered ^ real)


def main() -> int:
    program, folder = sys.argv[1], Path(sys.argv[2])
    bash, zsh = folder / 'wanbond.bash', folder / 'wanbond.zsh'
    commands = set(re.findall(r'^  (\w+) +\S', output(program, '--help'), re.M))
    faults = complain('wanbond.bash', bash_offers(bash, '') - {'--help', '--version'}, commands)
    text = zsh.read_text('utf-8')
    faults += complain('wanbond.zsh', set(re.findall(r"^    '([a-z]+):", text, re.M)), commands)
    zsh_options = set(re.findall(r'--[a-z]+', text))
    known = set(COMMON)
    for command in commands:
        options = set(re.findall(r'--[a-z][a-z-]*', output(program, command, '--help')))
        known |= options
        faults += complain(f'wanbond.bash {command}', bash_offers(bash, command, '-') | {'--help'},
                           options | {'--help'})
    faults += complain('wanbond.zsh', zsh_options, known)
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
