#!/usr/bin/env python3
"""Runs clang-tidy 14 (.clang-tidy) over the sources that a build folder compiles.

Usage: lint.py BUILD_FOLDER [FILE...]. Slow, so a target of its own and not part of `check`."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JOBS = 2
# What a compile database of g++ says that clang does not know.
EXTRA = ['--extra-arg=-Wno-unknown-warning-option',
         '--extra-arg=-Wno-ignored-optimization-argument']


def sources(build: Path) -> list:
    entries = json.loads((build / 'compile_commands.json').read_text('utf-8'))
    files = {(build / entry['file']).resolve() for entry in entries}
    return sorted(str(file.relative_to(ROOT)) for file in files if file.is_relative_to(ROOT))


def lint(file: str, build: Path) -> str:
    """The findings on one file; empty when there are none."""
    done = subprocess.run(['clang-tidy-14', '-p', build, '--quiet', *EXTRA, file], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ''


def main() -> int:
    if not shutil.which('clang-tidy-14'):
        sys.exit('clang-tidy-14 is not installed: apt-get install clang-tidy-14')
    build = Path(sys.argv[1]).resolve()
    files = sys.argv[2:] or sources(build)
    failed = 0
    with ThreadPoolExecutor(JOBS) as pool:
        for text in pool.map(lambda file: lint(file, build), files):
            failed += bool(text)
            print(text, end='', flush=True)
    print(f'{len(files)} files, {failed} with findings')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
