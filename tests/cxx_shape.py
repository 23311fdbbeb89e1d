"""The shape of a C++ file, as far as tidy.py needs it: text without comments and strings, where
each function begins and ends, how deep its control flow nests. It counts braces, no more."""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S)
CONTROL = re.compile(r'^\s*(if|for|while|switch|else|do|try|catch)\b|}\s*(else|catch|while)\b')
TYPE = re.compile(r'\b(class|struct|union|enum)\b(?![^<]*>\s*(?:class|struct)\b)')
FUNCTION_END = re.compile(r'(\)|\b(const|noexcept|override|final|mutable|try)|->\s*[\w:<>&*,\s]+'
                          r'|\)\s*noexcept\s*\([^()]*\)|\{\}|&&?|\brequires\b.*)\s*$', re.S)
LAMBDA_END = re.compile(r'\]\s*(<[^<>]*>\s*)?(\([^{}]*\))?[^(){}\[\];]*$', re.S)


def strip(text: str) -> str:
    """`text` with comments blanked and strings emptied; every line keeps its number."""

    def blank(match: re.Match) -> str:
        token = match.group(0)
        if token[0] == '/':
            return '\n' * token.count('\n') or ' '
        quote = '"' if token[-1] == '"' else "'"
        return quote * 2 + '\n' * token.count('\n')

    return TOKEN.sub(blank, text)


@dataclass
class Function:
    """One function or test case: first and last line of its braces, deepest control nesting."""
    first: int
    last: int = 0
    depth: int = 0
    deepest_line: int = 0


@dataclass
class Scope:
    """An open brace: what it opens, and the text before it where that goes on after it closes."""
    kind: str
    head: str = ''
    function: Function = None


@dataclass
class Switch:
    """One switch: its `default:` line (0: none) and whether a case names a scoped enumerator."""
    default_line: int = 0
    scoped: bool = False


@dataclass
class Shape:
    functions: list = field(default_factory=list)
    switches: list = field(default_factory=list)


def classify(head: str, inside: bool) -> str:
    """What a brace after `head` opens: namespace, type, function, control, block or value."""
    head = re.sub(r'^\s*#.*$', '', head, flags=re.M).strip()
    if inside:
        if CONTROL.search(head) or re.match(r'(SUBCASE)\b', head):
            return 'block' if head.startswith('SUBCASE') else 'control'
        if LAMBDA_END.search(head) and '[' in head:
            return 'lambda'
        if TYPE.search(head) and '(' not in head:
            return 'type'
        return 'block' if not head or head.endswith(':') else 'value'
    if re.search(r'\bnamespace\b', head) or re.match(r'(extern ""|TEST_SUITE\b)', head):
        return 'namespace'
    if TYPE.search(head) and '(' not in re.sub(r'\balignas\([^)]*\)', '', head):
        return 'type'
    initializer_list = re.search(r'\)\s*(noexcept)?\s*:[^:]', head)
    if initializer_list and re.search(r'[\w>]\s*$', head) and not head.endswith('noexcept'):
        return 'value'
    if '(' in head and FUNCTION_END.search(head) or LAMBDA_END.search(head) and '= [' in head:
        return 'function'
    return 'value'


class Scanner:
    """Walks the braces of stripped text once and fills a Shape."""

    def __init__(self):
        self.shape, self.scopes, self.head, self.switches = Shape(), [], '', []

    def function(self) -> Function:
        return next((s.function for s in reversed(self.scopes) if s.function), None)

    def inside(self) -> bool:
        for scope in reversed(self.scopes):
            if scope.kind in ('function', 'lambda', 'control', 'block'):
                return True
            if scope.kind in ('type', 'namespace'):
                return False
        return False

    def open(self, line: int):
        kind = classify(self.head, self.inside())
        scope = Scope(kind, self.head if kind == 'value' else '')
        if kind == 'function':
            scope.function = Function(line)
            self.shape.functions.append(scope.function)
        self.scopes.append(scope)
        if kind == 'control' and re.search(r'\bswitch\b', self.head):
            self.switches.append((len(self.scopes), Switch()))
        self.measure(line)
        self.head = ''

    def measure(self, line: int):
        function = self.function()
        depth = 0
        for scope in self.scopes:
            depth = depth + 1 if scope.kind == 'control' else 0 if scope.function else depth
        if function and depth > function.depth:
            function.depth, function.deepest_line = depth, line

    def close(self, line: int):
        if not self.scopes:
            return
        if self.switches and self.switches[-1][0] == len(self.scopes):
            self.shape.switches.append(self.switches.pop()[1])
        scope = self.scopes.pop()
        if scope.function:
            scope.function.last = line
        self.head = scope.head + '{}' if scope.kind == 'value' else ''

    def colon(self, line: int):
        if self.switches and self.switches[-1][0] == len(self.scopes):
            switch = self.switches[-1][1]
            if re.search(r'\bdefault\s*$', self.head):
                switch.default_line = line
            elif re.search(r'\bcase\b.*::\s*\w+\s*$', self.head, re.S):
                switch.scoped = True
        label = re.match(r'\s*(case\b|default\b|public|private|protected)', self.head)
        self.head = '' if label else self.head + ':'



def scan(stripped: str) -> Shape:
    """The functions and switches of text that strip() returned."""
    text = re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', lambda m: '\n' * m.group(0).count('\n'),
                  stripped, flags=re.M)
    scanner, line = Scanner(), 1
    for at, char in enumerate(text):
        if char == '{':
            scanner.open(line)
        elif char == '}':
            scanner.close(line)
        elif char == ';' and scanner.head.count('(') <= scanner.head.count(')'):
            scanner.head = ''
        elif char == ':' and '::' not in text[at - 1:at + 2]:
            scanner.colon(line)
        else:
            scanner.head += char
        line += char == '\n'
    return scanner.shape
