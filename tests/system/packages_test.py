#!/usr/bin/env python3
"""The packages build, hold what they should, work, and go without a trace.

Usage: packages_test.py deb|rpm. Both compile the same program with the same flags, those of the
environment: with ccache only once. The deb is installed, used and purged in a copy-on-write view of
this system (overlayfs in a mount namespace), so that nothing of the machine is touched and every
file that is left over shows. Exits 77 (skipped) where the tools or overlayfs are missing."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests'))
import tidy  # noqa: E402

SKIPPED = 77
# How the names of what both packages install end; man pages may be compressed.
FILES = [
    '/usr/bin/wanbond', '/systemd/system/wanbond@.service', '/sysusers.d/wanbond.conf',
    '/tmpfiles.d/wanbond.conf', '/bash-completion/completions/wanbond', '/_wanbond',
    '/examples/branch.conf', '/examples/hq.conf', '/man7/wanbond.7', '/man8/wanbond.8',
    '/man5/wanbond.conf.5', '/man7/wanbond-protocol.7']
# The bookkeeping of dpkg and its triggers, not the package's own.
BOOKKEEPING = ('/var/lib/dpkg', '/var/log', '/var/cache', '/etc/passwd', '/etc/group',
               '/etc/shadow', '/etc/gshadow', '/etc/.pwd.lock', '/var/lib/systemd',
               '/var/backups', '/root', '/run-or-tmp/systemd')
USER_FILE = '/etc/wanbond/branch.conf'

INSTALL = 'dpkg -i /tmp/package.deb'
USE = '''
wanbond version
cd /etc/wanbond
install -o wanbond -m 600 /dev/null branch.key
wanbond genkey > branch.key
wanbond pubkey < branch.key
cp /usr/share/doc/wanbond/examples/branch.conf .
wanbond check branch
runuser -u wanbond -- wanbond check branch
test "$(stat -c '%U:%G %a' /run/wanbond /etc/wanbond)" = "wanbond:wanbond 750
root:wanbond 750"
if ls /etc/systemd/system/*.wants/wanbond* 2>/dev/null; then exit 1; fi
systemd-analyze verify wanbond@branch.service
'''
PURGE = 'dpkg --purge wanbond'
GONE = '! getent passwd wanbond && ! getent group wanbond && test ! -e /etc/wanbond'


def run(command: list, **options) -> str:
    """Standard output; on failure everything it said, and the end."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, **options)
    if done.returncode:
        sys.exit(f'{done.stdout}\n{" ".join(map(str, command))}: exit {done.returncode}')
    return done.stdout


def copy_sources(target: Path):
    for name in tidy.project_files(ROOT):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def require(*tools: str):
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing or os.geteuid() != 0:
        print('skipped:', f'not installed: {missing}' if missing else 'needs root')
        sys.exit(SKIPPED)


def expect_files(listed: list):
    missing = [part for part in FILES if not any(
        name.endswith((part, part + '.gz')) for name in listed)]
    strange = [name for name in listed if not name.startswith(('/usr/', '/lib/'))]
    if missing or strange:
        sys.exit(f'missing: {missing}\noutside /usr and /lib: {strange}')


def in_overlay(work: Path, package: Path, script: str) -> list:
    """Runs `script` on a writable view of this system; the files that it made, changed, removed."""
    layer = work / 'layer'
    shell = f'''set -e
mount -t tmpfs tmpfs {layer}
mkdir {layer}/upper {layer}/work {layer}/root
mount -t overlay overlay -o lowerdir=/,upperdir={layer}/upper,workdir={layer}/work {layer}/root
mount -t tmpfs tmpfs {layer}/root/run
mount -t tmpfs tmpfs {layer}/root/tmp
mount --rbind /proc {layer}/root/proc
mount --rbind /dev {layer}/root/dev
cp {package} {layer}/root/tmp/package.deb
chroot {layer}/root /bin/sh -exc "$SCRIPT" >&2
rm -f {layer}/root/tmp/package.deb
find {layer}/root/run {layer}/root/tmp -mindepth 1 -printf '/%P\\n' | sed 's|^|/run-or-tmp|'
find {layer}/upper -mindepth 1 ! -type d -printf '/%P\\n' |
  while read -r name; do cmp -s "{layer}/upper$name" "$name" || echo "$name"; done
'''
    layer.mkdir(exist_ok=True)
    done = subprocess.run(['unshare', '--mount', '--propagation', 'private', 'sh', '-c', shell],
                          env={**os.environ, 'SCRIPT': script, 'LC_ALL': 'C.UTF-8',
                               'DEBIAN_FRONTEND': 'noninteractive'},
                          text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f'{done.stdout}{done.stderr}\nin the overlay: exit {done.returncode}')
    print(done.stderr)
    return [name for name in done.stdout.splitlines() if not name.startswith(BOOKKEEPING)]


def has_overlay(work: Path) -> bool:
    """Whether overlayfs can be stacked upon this system: tried, not asked."""
    probe = f'''mount -t tmpfs tmpfs {work} && mkdir {work}/u {work}/w {work}/r &&
mount -t overlay overlay -o lowerdir=/,upperdir={work}/u,workdir={work}/w {work}/r'''
    return subprocess.run(['unshare', '--mount', '--propagation', 'private', 'sh', '-c', probe],
                          capture_output=True, check=False).returncode == 0


def build_environment(work: Path) -> dict:
    """Neither where sources lie nor debhelper's home or rpmbuild's language matter to ccache."""
    environment = {'DEB_BUILD_OPTIONS': 'nocheck noautodbgsym parallel=2', **os.environ,
                   'CCACHE_BASEDIR': str(work), 'CCACHE_DEPEND': '1', 'CCACHE_NOHASHDIR': '1',
                   'CCACHE_SLOPPINESS': 'locale'}
    if shutil.which('ccache'):
        environment['CCACHE_DIR'] = run(['ccache', '--get-config', 'cache_dir']).strip()
    return environment


def flags_of_deb(environment: dict) -> str:
    """The compiler's flags as debian/rules gets them; any will do where there is no Debian."""
    if not shutil.which('dpkg-buildflags'):
        return '-O2'
    hardened = {**environment, 'DEB_BUILD_MAINT_OPTIONS': 'hardening=+all'}
    return ' '.join(run(['dpkg-buildflags', '--get', name], env=hardened).strip()
                    for name in ('CXXFLAGS', 'CPPFLAGS'))


def test_deb(work: Path):
    require('dpkg-buildpackage', 'dh', 'unshare')
    source = work / 'wanbond'
    copy_sources(source)
    shutil.copytree(source / 'packaging/debian', source / 'debian')
    run(['dpkg-buildpackage', '-b', '-us', '-uc'], cwd=source, env=build_environment(work))
    package = next(work.glob('wanbond_*.deb'))
    contents = run(['dpkg-deb', '--contents', package])
    expect_files([line.split()[5][1:] for line in contents.splitlines() if line[0] != 'd'])
    if not has_overlay(work):
        print('skipped: the package is built, but overlayfs is not usable here to try it')
        sys.exit(SKIPPED)
    left = in_overlay(work, package, f'{INSTALL}\n{PURGE}\n{GONE}')
    if left:
        sys.exit(f'left after purge: {left}')
    left = in_overlay(work, package, f'{INSTALL}\n{USE}\n{PURGE}\ngetent passwd wanbond')
    if sorted(left) != [USER_FILE, USER_FILE.replace('.conf', '.key')]:
        sys.exit(f'after purge only what the user wrote should be left, not {left}')


def test_rpm(work: Path):
    require('rpmbuild', 'rpm')
    environment = build_environment(work)
    flags = flags_of_deb(environment)
    spec = (ROOT / 'packaging/rpm/wanbond.spec').read_text('utf-8')
    version = next(line.split()[1] for line in spec.splitlines() if line.startswith('Version:'))
    source, top = work / f'wanbond-{version}', work / 'rpmbuild'
    copy_sources(source)
    (top / 'SOURCES').mkdir(parents=True)
    with tarfile.open(top / f'SOURCES/wanbond-{version}.tar.gz', 'w:gz') as archive:
        archive.add(source, source.name)
    run(['rpmbuild', '-bb', '--nodeps', '--define', f'_topdir {top}', '--define',
         f'_dbpath {work}/rpmdb', '--define', 'debug_package %{nil}', '--define',
         f'optflags {flags}', source / 'packaging/rpm/wanbond.spec'], env=environment)
    package = next((top / 'RPMS').glob('*/wanbond-*.rpm'))
    expect_files(run(['rpm', '-qlp', package]).splitlines())
    print(run(['rpm', '-qip', package]))


def main() -> int:
    with tempfile.TemporaryDirectory(prefix='wanbond-packages-') as folder:
        {'deb': test_deb, 'rpm': test_rpm}[sys.argv[1]](Path(folder))
    return 0


if __name__ == '__main__':
    sys.exit(main())
