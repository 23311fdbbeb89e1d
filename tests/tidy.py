#!/usr/bin/env python3
"""Holds the project's sources to its layering and habits (HACKING.md).

Prints one `file:line: what; cure` per finding and exits 1 if there is any. Without arguments it
reads every file that git tracks or would track; with arguments, those files."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import cxx_shape

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
NESTING_MAX = 3

# ---- The layering table. First matching pattern wins: what this file is. ----------------------
ZONES = [
    (r'src/base/', 'base'),
    (r'crypto/', 'crypto'),
    (r'src/proto/', 'proto'),
    (r'sched/', 'sched'),
    (r'src/core/', 'core'),
    (r'src/io/', 'io'),
    (r'tun/device', 'device'),
    (r'tun/', 'offload'),
    (r'src/lab/link_(model|settings)', 'model'),
    (r'src/(config|show|log)[^/]*$', 'words'),
    (r'src/', 'program'),
    (r'tests/sim/', 'sim'),
    (r'tests/', 'tests'),
]
# Zone: the headers of ours that it may include, as patterns. A zone always sees itself.
OURS = {
    'base': [],
    'crypto': ['base/'],
    'proto': ['base/'],
    'sched': ['base/'],
    'core': ['base/', 'crypto/', 'proto/', 'sched/', 'tun/(?!device)'],
    'io': ['base/'],
    'device': ['base/', 'io/fd\\.h', 'tun/'],
    'offload': ['base/'],
    'model': ['base/'],
    'words': ['.'],
    'program': ['.'],
    'sim': ['base/', 'crypto/', 'proto/', 'sched/', 'core/', 'tun/(?!device)', 'tests/sim/',
            'lab/link_(model|settings)\\.h'],
    'tests': ['.'],
}
SELF = {'base': 'base/', 'crypto': 'crypto/', 'proto': 'proto/', 'sched': 'sched/',
        'core': 'core/', 'io': 'io/', 'device': 'tun/device', 'offload': 'tun/(?!device)',
        'model': 'lab/link_(model|settings)'}
PURE = {'base', 'crypto', 'proto', 'sched', 'core', 'offload', 'model'}

# Library: header pattern, the files that may include it.
LIBRARIES = [
    ('libsodium', r'sodium(\.h|/)', r'crypto/[^/]+\.cc|src/io/random\.cc|tests/(?!sim/).*\.cc'),
    ('liburing', r'liburing', r'src/io/ring[^/]*\.(h|cc)'),
    ('libIPSec_MB', r'(intel-)?ipsec-mb', r'crypto/[^/]+\.cc'),
    ('Boost', r'boost/', r'src/(config[^/]*|cmd_[^/]*)\.cc'),
    ('spdlog', r'(spdlog|fmt)/', r'src/(log|show|metrics)[^/]*\.cc'),
    ('doctest', r'doctest/', r'tests/.*\.(cc|h)'),
]
LIBRARY_CURE = {
    'libsodium': 'use it behind crypto/*.cc or io/random.cc',
    'liburing': 'use it behind io/ring',
    'libIPSec_MB': 'use it behind one file of crypto/',
    'Boost': 'parse options in config*.cc and cmd_*.cc only',
    'spdlog': 'word messages in log, show or metrics only',
    'doctest': 'tests live in tests/',
}
# Outside src/io, tun/device and the layer-3 files that set the process up: no system header.
SYSTEM_ZONES = {'io', 'device', 'program', 'tests'}
SYSTEM_EXCEPTIONS = {('src/base/address.cc', 'arpa/inet.h')}
STANDARD_C = {'assert', 'ctype', 'errno', 'inttypes', 'limits', 'locale', 'math', 'signal',
              'stdarg', 'stddef', 'stdint', 'stdio', 'stdlib', 'string', 'time'}
IMPURE_STANDARD = {
    'thread', 'mutex', 'shared_mutex', 'condition_variable', 'future', 'atomic', 'random',
    'iostream', 'fstream', 'sstream', 'ostream', 'istream', 'filesystem', 'ctime', 'csignal',
    'stop_token', 'semaphore', 'latch', 'barrier', 'format', 'regex', 'exception', 'stdexcept'}

# ---- Words that a zone must not contain: zones, pattern, what, cure, files excepted. -----------
EVERYWHERE = set(OURS)
PROGRAM = EVERYWHERE - {'sim', 'tests'}
REPRODUCIBLE = PURE | {'sim'}
BANNED = [
    (REPRODUCIBLE, r'\b(steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday'
     r'|timespec_get)\b', 'reads a clock', 'take `Time now` as a parameter',
     r'tests/sim/swarm\.cc'),  # it stops after some minutes
    (EVERYWHERE, r'\brandombytes\w*|\bcrypto_\w+_(keypair|keygen)\b', 'makes its own randomness',
     'take it from a `Random&`', r'src/io/random\.cc'),
    (REPRODUCIBLE, r'\b(random_device|mt19937\w*|s?rand|getrandom)\b\s*[({]?',
     'draws from outside', 'take it from a `Random&`', ''),
    (PURE, r'\bstd::(move_only_)?function\b', 'std::function may allocate',
     'use a template parameter or return a value', ''),
    (PURE, r'\b(throw|try|catch)\b', 'exceptions do not cross layers 0 to 2',
     'return std::optional, a DropReason or a Result', ''),
    (PURE, r'\b(malloc|calloc|realloc|free)\s*\(|\bnew\b(?!\s*[=;])', 'allocates by hand',
     'use a bounded container or the PacketPool', r'src/base/packet\.cc'),
    (PURE, r'\b(f?printf|puts|perror|std::(cout|cerr|clog))\b', 'writes to the terminal',
     'report an Event; layer 3 words it', r'src/base/check\.cc'),
    (PURE, r'\bstd::(thread|jthread|mutex|atomic\w*)\b|\bthread_local\b',
     'layers 0 to 2 know no threads', 'keep the machine single-threaded; layer 3 owns threads', ''),
    (PURE | {'device'}, r'\breinterpret_cast<(?!(const )?(unsigned char|char|std::byte'
     r'|std::uint8_t|crypto_\w+_state|gcm_key_data)\s*\*\s*>|std::uintptr_t>)',
     'reinterpret_cast over bytes',
     'use ByteReader, ByteWriter or memcpy', r'src/base/packet\.cc'),
    (EVERYWHERE, r'__attribute__\s*\(\(\s*packed|#\s*pragma\s+pack', 'packed struct',
     'use ByteReader and ByteWriter', ''),
    (PROGRAM, r'\bshared_ptr\b|\bmake_shared\b', 'shared ownership', 'give it one owner', ''),
    (PROGRAM, r'\busing\s+namespace\b(?!\s+std::(chrono_)?literals)(?!\s+std::chrono_literals)',
     '`using namespace`', 'name what you use', r'src/wanbond\.cc|src/lab/lab_main\.cc'),
    (PROGRAM, r'^\s*#\s*define\b', 'macro', 'use constexpr, a template or a function', ''),
    (PROGRAM, r'\bdynamic_cast\b|\bgoto\b', 'dynamic_cast or goto', 'use a variant or a return',
     ''),
    (PROGRAM, r'(?<!enum )\b(class|struct)\s+\w+(\s+final)?\s*:(?!:)\s*'
     r'(?!(public\s+)?(wanbond::)?(Random|Io)\b)[\w:]',
     'inherits', 'only Random and Io are base classes; hold a member instead', ''),
    (EVERYWHERE, r'\bassert\s*\(', 'assert() vanishes in release builds', 'use check()', ''),
    (EVERYWHERE, r'\bnamespace\s+(?!wanbond\b)\w+(?!\s*=)[\w:]*\s*\{', 'namespace of another name',
     'only wanbond (and wanbond::sim)', ''),
    ({'sim', 'tests'}, r'\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(', 'sleeps',
     'move virtual time, or test it in tests/system', r'tests/(system|bench)/.*'),
]

# ---- Text files in general. --------------------------------------------------------------------
TEXT_SUFFIXES = {'.cc', '.h', '.py', '.sh', '.build', '.txt', '.md', '.conf', '.service', '.spec',
                 '.8', '.5', '.7', '.bash', '.zsh', ''}
LONG_LINES = re.compile(r'\.md$|^LICENSE$|^tests/data/|^packaging/debian/|\.service$')
TABS = re.compile(r'^packaging/debian/rules$|^tests/data/')
GENERAL = [
    (r'\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b(?!\([^)]+\): \S)', 'open end without a reason',
     'do it, or write `TO' 'DO(why it waits): what`'),
    (r'(?<![\w.])/(home|work|Users)/\w|/tmp/(wt|b)[-/]', 'a path of one machine',
     'make it relative or an option'),
]


class Report:
    """Findings of one run, in the order in which they were found."""

    def __init__(self):
        self.lines = []

    def add(self, path: str, line: int, what: str, cure: str):
        self.lines.append(f'{path}:{line}: {what}; {cure}')


def zone_of(path: str) -> str:
    return next((zone for pattern, zone in ZONES if re.match(pattern, path)), '')


def own_header(path: str) -> str:
    """How a .cc file spells the header it implements."""
    return re.sub(r'^src/', '', path)[:-len('.cc')] + '.h'


def check_include(path: str, line: int, spelled: str, report: Report):
    """One `#include` against the layering table."""
    zone, name = zone_of(path), spelled[1:-1]
    if spelled[0] == '"':
        allowed = OURS[zone] + ([SELF[zone]] if zone in SELF else [])
        if name.startswith('../') or name.endswith('.cc'):
            report.add(path, line, f'includes "{name}"', 'write it from the root or from src/')
        elif not any(re.match(pattern, name) for pattern in allowed):
            report.add(path, line, f'{zone} includes "{name}"', 'the layering table (HACKING.md) '
                       'does not allow it: pass the value in, or move the code')
        return
    for library, pattern, allowed in LIBRARIES:
        if re.match(pattern, name):
            if not re.fullmatch(allowed, path):
                report.add(path, line, f'includes <{name}> of {library}', LIBRARY_CURE[library])
            return
    if zone in SYSTEM_ZONES or (path, name) in SYSTEM_EXCEPTIONS:
        return
    if name.endswith('.h') and name[:-2] in STANDARD_C:
        report.add(path, line, f'includes <{name}>', f'write <c{name[:-2]}>')
    elif name.endswith('.h') or '/' in name:
        report.add(path, line, f'{zone} includes the system header <{name}>',
                   'system calls live in src/io, tun/device and the set-up files of layer 3')
    elif zone in PURE and name in IMPURE_STANDARD:
        report.add(path, line, f'{zone} includes <{name}>', 'layers 0 to 2 are pure: no threads, '
                   'streams, clocks, signals or exceptions')


def check_includes(path: str, text: str, report: Report):
    found = [(number, match.group(1)) for number, line in enumerate(text.split('\n'), 1)
             if (match := re.match(r'\s*#\s*include\s*([<"][^>"]+[>"])', line))]
    for line, spelled in found:
        check_include(path, line, spelled, report)
    own = f'"{own_header(path)}"'
    if path.endswith('.cc') and own in (s for _, s in found) and found[0][1] != own:
        report.add(path, found[0][0], 'own header is not first', f'include {own} first')


def check_banned(path: str, stripped: str, report: Report):
    zone = zone_of(path)
    for zones, pattern, what, cure, excepted in BANNED:
        if zone not in zones or (excepted and re.fullmatch(excepted, path)):
            continue
        for match in re.finditer(pattern, stripped, re.M):
            report.add(path, stripped.count('\n', 0, match.start()) + 1,
                       f'{what}: `{match.group(0).strip()}`', cure)


def check_unordered(path: str, stripped: str, report: Report):
    """Two runs may see an unordered container in different orders."""
    if zone_of(path) not in PURE:
        return
    names = re.findall(r'\bunordered_(?:multi)?(?:map|set)<[^;]*>\s+(\w+)\s*[;{=]', stripped)
    for name in set(names):
        for match in re.finditer(rf':\s*{name}\s*\)|\b{name}\.begin\(', stripped):
            report.add(path, stripped.count('\n', 0, match.start()) + 1,
                       f'iterates the unordered `{name}`', 'use an ordered or indexed container')


def check_shape(path: str, stripped: str, report: Report):
    shape = cxx_shape.scan(stripped)
    for function in shape.functions:
        lines = function.last - function.first + 1
        if lines > FUNCTION_LINES_MAX:
            report.add(path, function.first, f'function of {lines} lines (at most '
                       f'{FUNCTION_LINES_MAX})', 'split it by what it does')
        if function.depth > NESTING_MAX:
            report.add(path, function.deepest_line, f'nesting of {function.depth} (at most '
                       f'{NESTING_MAX})', 'return early or name the inner part')
    for switch in shape.switches:
        if switch.scoped and switch.default_line:
            report.add(path, switch.default_line, '`default` in a switch over an enum class',
                       'name every enumerator, so that a new one is a warning')


def check_cxx(path: str, text: str, report: Report):
    if not zone_of(path):
        report.add(path, 1, 'C++ outside the known folders', 'see the layout in HACKING.md')
        return
    if path.endswith('.h') and '#pragma once' not in text:
        report.add(path, 1, 'header without `#pragma once`', 'add it below the head comment')
    if path.endswith('.h') and not text.startswith('//'):
        report.add(path, 1, 'no head comment', 'say in a sentence what it is and its place')
    if not re.fullmatch(r'[a-z0-9_]+\.(cc|h)', Path(path).name):
        report.add(path, 1, 'file name is not snake_case', 'rename it')
    stripped = cxx_shape.strip(text)
    check_includes(path, text, report)
    check_banned(path, stripped, report)
    check_unordered(path, stripped, report)
    check_shape(path, stripped, report)
    for number, line in enumerate(text.split('\n'), 1):
        if re.match(r'\s*//\s*(if \(|for \(|while \(|return\b|auto |const auto ).*[;{]$', line):
            report.add(path, number, 'commented-out code', 'delete it; git remembers')


def check_python(path: str, text: str, report: Report):
    tree = ast.parse(text)
    if not ast.get_docstring(tree):
        report.add(path, 1, 'no docstring at the head', 'say in a sentence what it is')
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                report.add(path, node.lineno, f'function of {lines} lines (at most '
                           f'{FUNCTION_LINES_MAX})', 'split it by what it does')


def check_text(path: str, text: str, report: Report):
    lines = text.split('\n')
    if text and not text.endswith('\n'):
        report.add(path, len(lines), 'no newline at the end', 'add one')
    source = Path(path).suffix in ('.cc', '.h', '.py', '.sh')
    if source and len(lines) - 1 > FILE_LINES_MAX:
        report.add(path, FILE_LINES_MAX, f'file of {len(lines) - 1} lines (at most '
                   f'{FILE_LINES_MAX})', 'split it: one noun per file')
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX and not LONG_LINES.search(path):
            report.add(path, number, f'{len(line)} columns (at most {COLUMNS_MAX})', 'break it')
        if '\t' in line and not TABS.search(path):
            report.add(path, number, 'tab', 'use spaces')
        if line != line.rstrip():
            report.add(path, number, 'blank or carriage return at the end of the line', 'delete it')
        for pattern, what, cure in GENERAL:
            if match := re.search(pattern, line):
                report.add(path, number, f'{what}: `{match.group(0)}`', cure)


def check_one_user(root: Path, paths: list, report: Report):
    """libIPSec_MB is used by one file at most."""
    users = [path for path in paths if path.startswith('crypto/') and path.endswith('.cc')
             and 'ipsec-mb' in (root / path).read_text('utf-8')]
    for path in users[1:]:
        report.add(path, 1, f'second user of libIPSec_MB beside {users[0]}', 'keep it in one file')


def check_one_definition(root: Path, paths: list, report: Report):
    """Two types of one name in one namespace break the one-definition rule, and no tool says so."""
    first = {}
    for path in paths:
        if not path.endswith('.h') or zone_of(path) in ('', 'sim', 'tests'):
            continue
        text = cxx_shape.strip((root / path).read_text('utf-8'))
        for match in re.finditer(r'^(?:struct|class|enum class) (\w+)(?= [^;]*\{)', text, re.M):
            line = text.count('\n', 0, match.start()) + 1
            if match[1] in first:
                report.add(path, line, f'`{match[1]}` is also a type of {first[match[1]]}',
                           'give one of them another name')
            first.setdefault(match[1], path)


def check_file(root: Path, path: str, report: Report):
    try:
        text = (root / path).read_text('utf-8')
    except UnicodeDecodeError:
        return  # binary test data
    if Path(path).suffix in TEXT_SUFFIXES:
        check_text(path, text, report)
    if path.endswith(('.cc', '.h')):
        check_cxx(path, text, report)
    if path.endswith('.py'):
        check_python(path, text, report)


def project_files(root: Path) -> list:
    """What git tracks or would track; without git, what is there but build folders."""
    git = subprocess.run(['git', '-C', root, 'ls-files', '-z', '--cached', '--others',
                          '--exclude-standard'], capture_output=True, text=True, check=False)
    if git.returncode == 0:
        names = git.stdout.split('\0')
    else:
        names = [str(file.relative_to(root)) for file in root.rglob('*')
                 if not str(file.relative_to(root)).startswith(('build', '.'))]
    return sorted(name for name in set(names) if name and (root / name).is_file())


def run(root: Path, paths: list) -> list:
    """The findings on `paths` (relative to `root`), one line each."""
    report = Report()
    for path in paths:
        check_file(root, path, report)
    check_one_user(root, paths, report)
    check_one_definition(root, paths, report)
    return report.lines


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    paths = [str(Path(name).resolve().relative_to(root)) for name in sys.argv[1:]]
    findings = run(root, paths or project_files(root))
    print('\n'.join(findings) or 'tidy: nothing to say')
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main())
