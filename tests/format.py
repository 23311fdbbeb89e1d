#!/usr/bin/env python3
"""Holds C++ sources to .clang-format: `format.py` says which differ, `format.py --fix` rewrites.

Exits 77 (skipped) where clang-format 14 is not installed: other versions format differently."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import tidy

ROOT = Path(__file__).resolve().parent.parent
VERSION = '14'
SKIPPED = 77


def clang_format() -> str:
    """The command of the wanted version, or an empty string."""
    for name in (f'clang-format-{VERSION}', 'clang-format'):
        if path := shutil.which(name):
            said = subprocess.run([path, '--version'], capture_output=True, text=True, check=True)
            if re.search(rf'version {VERSION}\.', said.stdout):
                return path
    return ''


def main() -> int:
    command = clang_format()
    if not command:
        print(f'clang-format {VERSION} is not installed: apt-get install clang-format-{VERSION}')
        return SKIPPED
    files = [name for name in tidy.project_files(ROOT) if name.endswith(('.cc', '.h'))]
    if '--fix' in sys.argv[1:]:
        return subprocess.run([command, '-i', *files], cwd=ROOT, check=False).returncode
    wrong = []
    for name in files:
        text = (ROOT / name).read_text('utf-8')
        done = subprocess.run([command, f'--assume-filename={ROOT / name}'], input=text, cwd=ROOT,
                              capture_output=True, text=True, check=True)
        if done.stdout != text:
            wrong.append(name)
            print(f'{name}: not as clang-format writes it; meson compile -C build format')
    print(f'{len(files)} files, {len(wrong)} differ')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
