#!/usr/bin/env python3
"""tidy.py catches what it promises to catch, and lets good code pass."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cxx_shape
import tidy

HEAD = '// A sample.\n#pragma once\n'
LONG = 'void f() {\n' + '  g();\n' * 70 + '}\n'
DEEP = ('void f() {\n  if (a) {\n    for (;;) {\n      while (b) {\n        if (c) {\n'
        '          g();\n        }\n      }\n    }\n  }\n}\n')
SWITCH = 'int f(K k) {\n  switch (k) {\n    case K::A: return 1;\n    default: return 2;\n  }\n}\n'

# Path, text, a part of the message that is due.
BAD = [
    ('src/base/a.h', HEAD + '#include "crypto/key.h"\n', 'base includes "crypto/key.h"'),
    ('crypto/a.h', HEAD + '#include "proto/wire.h"\n', 'crypto includes "proto/wire.h"'),
    ('crypto/a.h', HEAD + '#include "sched/path.h"\n', 'crypto includes "sched/path.h"'),
    ('src/proto/a.h', HEAD + '#include "crypto/key.h"\n', 'proto includes'),
    ('sched/a.h', HEAD + '#include "proto/bfd.h"\n', 'sched includes'),
    ('src/core/a.h', HEAD + '#include "io/io.h"\n', 'core includes "io/io.h"'),
    ('src/core/a.h', HEAD + '#include "tun/device.h"\n', 'core includes "tun/device.h"'),
    ('src/core/a.h', HEAD + '#include "config.h"\n', 'core includes "config.h"'),
    ('src/io/a.h', HEAD + '#include "proto/wire.h"\n', 'io includes'),
    ('tun/offload.h', HEAD + '#include "io/fd.h"\n', 'offload includes'),
    ('tun/device.h', HEAD + '#include "io/io.h"\n', 'device includes'),
    ('tests/sim/a.h', HEAD + '#include "io/io.h"\n', 'sim includes'),
    ('src/core/a.h', HEAD + '#include "../config.h"\n', 'from the root'),
    ('crypto/a.h', HEAD + '#include <sodium.h>\n', 'of libsodium'),
    ('src/core/a.cc', '#include <sodium.h>\n', 'of libsodium'),
    ('src/io/poll.cc', '#include <liburing.h>\n', 'of liburing'),
    ('src/driver.cc', '#include <boost/program_options.hpp>\n', 'of Boost'),
    ('src/config.h', HEAD + '#include <boost/program_options.hpp>\n', 'of Boost'),
    ('src/core/a.cc', '#include <spdlog/spdlog.h>\n', 'of spdlog'),
    ('src/main.cc', '#include <doctest/doctest.h>\n', 'of doctest'),
    ('src/core/a.cc', '#include <sys/socket.h>\n', 'system header'),
    ('src/config.cc', '#include <unistd.h>\n', 'system header'),
    ('tun/offload.cc', '#include <linux/virtio_net.h>\n', 'system header'),
    ('tests/sim/a.cc', '#include <unistd.h>\n', 'system header'),
    ('src/base/a.cc', '#include <stdint.h>\n', 'write <cstdint>'),
    ('src/core/a.cc', '#include <thread>\n', 'layers 0 to 2 are pure'),
    ('src/core/a.cc', '#include <vector>\n\n#include "core/a.h"\n', 'own header'),
    ('src/core/a.cc', 'auto t = std::chrono::steady_clock::now();\n', 'take `Time now`'),
    ('tests/sim/a.cc', 'auto t = std::chrono::system_clock::now();\n', 'take `Time now`'),
    ('crypto/a.cc', 'void f() { randombytes_buf(p, 4); }\n', 'Random&'),
    ('tests/unit/a.cc', 'void f() { crypto_box_keypair(p, s); }\n', 'Random&'),
    ('sched/a.cc', 'std::random_device device;\n', 'Random&'),
    ('sched/a.h', HEAD + 'std::function<void()> f;\n', 'std::function'),
    ('src/proto/a.cc', 'void f() { throw 1; }\n', 'exceptions'),
    ('sched/a.cc', 'auto* p = new int;\n', 'allocates by hand'),
    ('sched/a.cc', 'void f() { p = malloc(3); }\n', 'allocates by hand'),
    ('src/core/a.cc', 'void f() { printf(""); }\n', 'terminal'),
    ('src/core/a.cc', 'std::atomic<int> a;\n', 'threads'),
    ('src/proto/a.cc', 'auto* h = reinterpret_cast<const Header*>(p);\n', 'reinterpret_cast'),
    ('src/proto/a.h', HEAD + 'struct __attribute__((packed)) A {};\n', 'packed'),
    ('src/driver.h', HEAD + 'std::shared_ptr<int> p;\n', 'shared ownership'),
    ('src/driver.cc', 'using namespace std;\n', 'using namespace'),
    ('src/driver.cc', '#define X 1\n', 'macro'),
    ('src/driver.h', HEAD + 'class A : public B {};\n', 'inherits'),
    ('src/driver.h', HEAD + 'struct A final : B {};\n', 'inherits'),
    ('src/driver.cc', 'void f() { assert(x); }\n', 'check()'),
    ('src/driver.cc', 'namespace other {\n}\n', 'namespace'),
    ('tests/unit/a.cc', 'void f() { std::this_thread::sleep_for(t); }\n', 'sleeps'),
    ('src/core/a.cc', 'std::unordered_map<int, int> m_;\nvoid f() {\n  for (auto& x : m_) g(x);\n'
     '}\n', 'unordered `m_`'),
    ('src/core/a.h', '// A sample.\n', 'pragma once'),
    ('src/core/a.h', '#pragma once\n', 'head comment'),
    ('src/core/Big.h', HEAD, 'snake_case'),
    ('lib/a.h', HEAD, 'known folders'),
    ('src/driver.cc', LONG, 'function of 72 lines'),
    ('src/driver.cc', 'int x;\n' * 501, 'file of 501 lines'),
    ('src/driver.cc', DEEP, 'a.cc:5: nesting of 4'.replace('a.cc', 'src/driver.cc')),
    ('src/driver.cc', SWITCH, ':4: `default` in a switch'),
    ('src/driver.cc', '// ' + 'x' * 98 + '\n', '101 columns'),
    ('src/driver.cc', '\tint x;\n', 'tab'),
    ('src/driver.cc', 'int x; \n', 'blank or carriage'),
    ('src/driver.cc', 'int x;', 'no newline'),
    ('src/driver.cc', '// return x;\n', 'commented-out'),
    ('src/driver.cc', '// TO' 'DO: later\n', 'open end'),
    ('README.md', 'see /ho' 'me/me/x\n', 'one machine'),
    ('tests/a.py', 'x = 1\n', 'docstring'),
    ('tests/a.py', '"""A sample."""\ndef f():\n' + '    g()\n' * 71, 'function of 72 lines'),
]

GOOD = [
    ('src/core/a.cc', '#include "core/a.h"\n\n#include <array>\n\n#include "crypto/aead.h"\n'
     '#include "proto/wire.h"\n#include "sched/path.h"\n#include "tun/offload.h"\n'),
    ('src/base/address.cc', '#include <arpa/inet.h>\n'),
    ('crypto/a.cc', '#include <sodium.h>\nauto* p = reinterpret_cast<const unsigned char*>(q);\n'),
    ('src/io/random.cc', '#include <sodium.h>\nvoid f() { randombytes_buf(p, 4); }\n'),
    ('src/io/ring.h', HEAD + '#include <liburing.h>\nclass Ring : public Io {};\n'),
    ('tun/device.cc', '#include "tun/device.h"\n\n#include <linux/if_tun.h>\n#include "io/fd.h"\n'),
    ('src/config.cc', '#include <boost/program_options.hpp>\n'),
    ('src/core/a.cc', '// steady_clock, new and throw in words; "malloc(3)"\nauto s = "throw";\n'),
    ('src/core/a.h', HEAD + 'enum class K : std::uint8_t { A };\nstruct T { int x{}; };\n'
     'struct T::U {};\n'),
    ('src/proto/a.cc', 'int f(int k) {\n  switch (k) {\n    case 1: return 1;\n'
     '    default: return 2;\n  }\n}\n'),
    ('src/core/a.cc', 'void f() {\n' + '  g();\n' * 68 + '}\n\nA::A() noexcept : a_{1}, b_(2) {\n'
     + '  g();\n' * 60 + '}\n'),
    ('src/driver.cc', '// TO' 'DO(RFC 9999 is a draft): follow it\n'),
]


def findings(path: str, text: str) -> list:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, 'utf-8')
        return tidy.run(root, [path])


class TidyTest(unittest.TestCase):
    def test_bad_samples_are_caught(self):
        for path, text, message in BAD:
            with self.subTest(path=path, text=text[-60:]):
                self.assertTrue(any(message in line for line in findings(path, text)),
                                f'wanted "{message}", got {findings(path, text)}')

    def test_good_samples_pass(self):
        for path, text in GOOD:
            with self.subTest(path=path, text=text[:60]):
                self.assertEqual(findings(path, text), [])

    def test_libipsec_mb_has_one_user(self):
        with tempfile.TemporaryDirectory() as folder:
            root, names = Path(folder), ['crypto/a.cc', 'crypto/b.cc']
            (root / 'crypto').mkdir()
            for name in names:
                (root / name).write_text('#include <intel-ipsec-mb.h>\n', 'utf-8')
            self.assertTrue(any('second user' in line for line in tidy.run(root, names)))

    def test_a_type_has_one_definition(self):
        with tempfile.TemporaryDirectory() as folder:
            root, names = Path(folder), ['sched/a.h', 'sched/b.h', 'src/core/c.h']
            for name, text in zip(names, ('struct A {\n};\n', 'class A final {\n};\n',
                                          'struct A;\nenum class B : int { C };\n')):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(HEAD + text, 'utf-8')
            told = [line for line in tidy.run(root, names) if 'also a type of' in line]
            self.assertEqual(len(told), 1)
            self.assertTrue(told[0].startswith('sched/b.h:3: `A`'), told)

    def test_functions_are_found_in_all_their_forms(self):
        text = ('struct A {\n  int x{1};\n  int f() const noexcept { return x; }\n};\n'
                'template <class T>\nauto g(T t) -> std::array<int, 2> {\n  return {t, t};\n}\n'
                'A::A(int x) : x_{x}, y_(x) {\n  auto l = [&](int i) { return i; };\n}\n'
                'bool operator==(const A& a, const A& b) { return true; }\n'
                'TEST_CASE("a {") {\n  SUBCASE("b") {\n    h();\n  }\n}\n'
                'constexpr int table[] = {1, 2};\n')
        shape = cxx_shape.scan(cxx_shape.strip(text))
        self.assertEqual([(f.first, f.last) for f in shape.functions],
                         [(3, 3), (6, 8), (9, 11), (12, 12), (13, 17)])

    def test_every_banned_word_and_library_has_a_sample(self):
        samples = ' '.join(message for _, _, message in BAD)
        for library, _, _ in tidy.LIBRARIES:
            if library != 'libIPSec_MB':
                self.assertIn(library, samples)


if __name__ == '__main__':
    unittest.main()
