#!/usr/bin/env python3
"""Every header compiles alone, without warnings.

Usage: headers_test.py STAMP_FILE COMPILER... with the flags. A header that its own .cc file begins
with has been compiled alone by the build. Of the others, those whose text and included headers of
ours did not change since they last passed (STAMP_FILE) are not compiled again."""

import hashlib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tidy

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ['-x', 'c++', '-std=c++20', '-fsyntax-only', '-Wall', '-Wextra', '-Werror',
         '-Wno-missing-field-initializers', '-D_GNU_SOURCE', '-DWANBOND_VECTORS=""',
         '-DWANBOND_TEST_DATA=""']
INCLUDE_ROOTS = ['', 'src', 'tests']


def project_headers(header: Path, seen: set) -> set:
    """`header` and the headers of ours that it includes, at any depth."""
    if header in seen:
        return seen
    seen.add(header)
    for name in re.findall(r'^\s*#\s*include "([^"]+)"', header.read_text('utf-8'), re.M):
        found = [ROOT / place / name for place in INCLUDE_ROOTS if (ROOT / place / name).is_file()]
        if found:
            project_headers(found[0], seen)
    return seen


def is_compiled_first(header: str) -> bool:
    """True if the .cc file of the same name begins with this header."""
    source = (ROOT / header).with_suffix('.cc')
    if not source.is_file():
        return False
    first = re.search(r'^\s*#\s*include (\S+)', source.read_text('utf-8'), re.M)
    return bool(first) and first.group(1) == f'"{tidy.own_header(header[:-2] + ".cc")}"'


def digest(header: str, command: list) -> str:
    total = hashlib.sha256(' '.join(command).encode())
    for file in sorted(project_headers(ROOT / header, set())):
        total.update(file.read_bytes())
    return total.hexdigest()


def compile_alone(header: str, command: list) -> str:
    """The compiler's complaints; empty when there are none."""
    done = subprocess.run(command + ['-'], input=f'#include "{header}"\n', text=True, cwd=ROOT,
                          capture_output=True, check=False)
    return done.stderr if done.returncode else ''


def main() -> int:
    stamp, compiler = Path(sys.argv[1]), sys.argv[2:]
    command = compiler + FLAGS + [f'-I{ROOT / place}' for place in INCLUDE_ROOTS]
    passed = set(json.loads(stamp.read_text('utf-8'))) if stamp.exists() else set()
    headers = {name: digest(name, command) for name in tidy.project_files(ROOT)
               if name.endswith('.h') and not is_compiled_first(name)}
    due = [name for name, value in headers.items() if value not in passed]
    with ThreadPoolExecutor(2) as pool:
        complaints = dict(zip(due, pool.map(lambda name: compile_alone(name, command), due)))
    stamp.write_text(json.dumps([value for name, value in headers.items()
                                 if not complaints.get(name)]), 'utf-8')
    failed = [name for name in due if complaints[name]]
    for name in failed:
        print(f'{name}: does not compile alone; include what it uses\n{complaints[name]}')
    print(f'{len(headers)} headers without a .cc file, {len(due)} compiled, {len(failed)} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
