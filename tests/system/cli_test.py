#!/usr/bin/env python3
"""The command line as a user meets it: exit status, texts, keys, check. Needs no rights.

Usage: cli_test.py WANBOND"""

import os
import subprocess
import sys
import tempfile
import unittest

WANBOND = ''
SECRET = 'yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='
PUBLIC = 'HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw='
PEER = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg='
COMMANDS = ['run', 'check', 'show', 'events', 'explain', 'genkey', 'pubkey', 'genpsk', 'version']


def wanbond(*words, stdin='', env=None):
    return subprocess.run([WANBOND, *words], input=stdin, capture_output=True, text=True,
                          timeout=20, env={**os.environ, **(env or {})})


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, text, name='t.conf', mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def expect(self, result, status, stderr):
        self.assertEqual(result.stderr, stderr)
        self.assertEqual(result.returncode, status)

    def test_every_command_has_help_on_standard_output(self):
        for command in COMMANDS:
            result = wanbond(command, '--help')
            self.expect(result, 0, '')
            self.assertIn(f'Usage: wanbond {command}', result.stdout)
        self.assertEqual(wanbond('--help').returncode, 0)

    def test_wrong_usage_is_2_with_a_suggestion(self):
        self.assertEqual(wanbond().returncode, 2)
        self.expect(wanbond('shwo'), 2,
                    "wanbond: there is no command 'shwo'; did you mean show?\n")
        self.assertEqual(wanbond('show', '--jsno').returncode, 2)
        self.assertEqual(wanbond('version', 'extra').returncode, 2)
        self.assertEqual(wanbond('check').returncode, 2)
        self.assertEqual(wanbond('check', 'a', 'b').returncode, 2)
        self.assertEqual(wanbond('check', '../x').returncode, 2)

    def test_keys_work_as_a_pipe(self):
        secret = wanbond('genkey').stdout
        self.assertEqual(len(secret), 45)
        self.assertNotEqual(secret, wanbond('genkey').stdout)
        self.assertEqual(len(wanbond('genpsk').stdout), 45)
        self.assertEqual(len(wanbond('pubkey', stdin=secret).stdout), 45)
        self.assertEqual(wanbond('pubkey', stdin=SECRET + '\n').stdout, PUBLIC + '\n')
        self.expect(wanbond('pubkey', stdin='hello'), 1,
                    'wanbond: pubkey: standard input is not a key (44 characters of base64)\n')

    def test_genkey_warns_of_an_open_file(self):
        path = self.write('', 'key', 0o644)
        with open(path, 'w', encoding='utf-8') as file:
            result = subprocess.run([WANBOND, 'genkey'], stdout=file, stderr=subprocess.PIPE,
                                    text=True)
        self.assertIn('umask 077', result.stderr)
        self.assertEqual(result.returncode, 0)

    def test_check_prints_what_would_run(self):
        path = self.write(f'[Interface]\nPrivateKey = {SECRET}\nAddress = 10.77.0.2/24\n'
                          '[Wan lo]\nDevice = lo\n'
                          f'[Peer hq]\nPublicKey = {PEER}\nEndpoint = 198.51.100.10:51900\n'
                          'AllowedIPs = 10.0.0.0/16\n')
        result = wanbond('check', '-c', path)
        self.assertEqual(result.returncode, 0, result.stderr)
        for text in (PUBLIC, 'interface wb0: 10.77.0.2/24', 'wan lo: device lo', 'peer hq:',
                     'path lo>198.51.100.10:51900', 'path lo>any'):
            self.assertIn(text, result.stdout)
        self.assertNotIn(SECRET, result.stdout + result.stderr)

    def test_check_names_file_line_and_cure(self):
        path = self.write(f'[Interface]\nPrivatKey = {SECRET}\n[Peer hq]\nPublicKey = {PEER}\n'
                          'AllowedIPs = 10.0.0.0/16\n')
        self.expect(wanbond('check', '-c', path), 2,
                    f'wanbond: {path}:2: unknown key PrivatKey in [Interface]; did you mean '
                    'PrivateKey?\n'
                    f'wanbond: {path}:1: [Interface] needs a PrivateKey; make one with: wanbond '
                    'genkey\n')
        self.assertEqual(wanbond('run', '-c', path).returncode, 2)

    def test_an_open_key_file_is_refused(self):
        key = self.write(SECRET, 'own.key', 0o644)
        path = self.write(f'[Interface]\nPrivateKey = {key}\n[Peer hq]\nPublicKey = {PEER}\n'
                          'AllowedIPs = 10.0.0.0/16\n')
        self.expect(wanbond('check', '-c', path), 2,
                    f'wanbond: {path}:2: PrivateKey: {key} can be read by group or others; cure: '
                    f'chmod 600 {key}\n')

    def test_an_absent_file_is_2_and_an_absent_instance_3(self):
        self.expect(wanbond('check', '-c', '/nonexistent.conf'), 2,
                    'wanbond: cannot read /nonexistent.conf: No such file or directory\n')
        self.expect(wanbond('show', 'no-such-instance'), 3,
                    'wanbond: no such instance is running (/run/wanbond/no-such-instance.sock)\n')
        self.assertEqual(wanbond('events', 'no-such-instance').returncode, 3)

    def test_a_wrong_environment_is_2(self):
        self.expect(wanbond('run', '-c', '/nonexistent.conf', env={'WANBOND_IO': 'select'}), 2,
                    "wanbond: WANBOND_IO: 'select' is not epoll or uring\n")
        self.expect(wanbond('run', '-c', '/nonexistent.conf', env={'WANBOND_AEAD': 'openssl'}), 2,
                    "wanbond: WANBOND_AEAD: 'openssl' is not sodium or ipsec-mb\n")
        self.expect(wanbond('run', '-c', '/nonexistent.conf', env={'WANBOND_OFFLOADS': 'on'}), 2,
                    "wanbond: WANBOND_OFFLOADS: 'on' is not off\n")

    def test_version_names_ciphers_and_back_ends(self):
        result = wanbond('version')
        self.expect(result, 0, '')
        for text in ('wanbond ', 'cipher aes-256-gcm: ', 'aead libsodium: usable', 'io io_uring: ',
                     'io epoll: usable'):
            self.assertIn(text, result.stdout)
        best = 'libIPSec_MB' if 'aead libIPSec_MB: usable' in result.stdout else 'libsodium'
        self.assertIn('cipher chacha20-poly1305: ' + best, result.stdout)


if __name__ == '__main__':
    WANBOND = sys.argv.pop(1)
    unittest.main()
