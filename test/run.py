"""Runs the test suites and counts them. `make test` calls it after set-up and build.

usage: run.py [--all] [--build DIR] [SUITE ...]     without names: every suite of the table (--all: the long ones too)

Each suite prints its own output; at the end stands a line for each suite, then what was not run, then exactly one line
`N passed, N failed`. Exit status 1 when anything failed, when a suite ran nothing and did not say why, or when
nothing ran at all. The suites that need Go fail without it, unless TEST_WITHOUT_GO=1.

To register a suite, add a row to SUITES: a name, a function that returns (passed, failed, not run), and its arguments.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Callable

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, '.venv', 'bin', 'python')
UNIT_TIMEOUT_S = 300
SANITIZED_TIMEOUT_S = 1500  # sanitizers make everything slower
SUITE_TIMEOUT_S = 60 * 60
PLAYWRIGHT = 'playwright==1.65.2'


def unit(build):
    """Every cmocka program below build/unit, counted by its TAP output; one that crashes or hangs counts as failed."""
    passed, failed, skipped = 0, 0, []
    timeout_s = UNIT_TIMEOUT_S if os.path.basename(build) == 'build' else SANITIZED_TIMEOUT_S
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT='TAP')
    for folder, _, files in sorted(os.walk(os.path.join(build, 'unit'))):
        for name in sorted(f for f in files if f.endswith('_test')):
            path = os.path.join(folder, name)
            if not os.path.exists(os.path.join(ROOT, 'test', os.path.relpath(path, build) + '.c')):
                continue  # left over from an earlier build
            ok, bad, skip, text = unit_program(path, env, timeout_s)
            print(f'{os.path.relpath(path, ROOT)}: {ok} passed' + (f', {bad} FAILED\n{text}' if bad else ''), flush=True)
            passed, failed = passed + ok, failed + bad
            skipped += [f'{name}: {s}' for s in skip]
    return passed, failed, skipped


def unit_program(path, env, timeout_s=UNIT_TIMEOUT_S):
    try:
        p = subprocess.run([path], env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=timeout_s)
        text, status = p.stdout.decode(errors='replace'), p.returncode
    except subprocess.TimeoutExpired as e:
        text, status = (e.stdout or b'').decode(errors='replace') + '\ntimed out', 'timeout'
    skip = re.findall(r'^ok \d+ - (.*?) # SKIP', text, re.M | re.I)
    ok = len(re.findall(r'^ok \d+', text, re.M)) - len(skip)
    bad = len(re.findall(r'^not ok \d+', text, re.M))
    planned = sum(int(n) for n in re.findall(r'^1\.\.(\d+)', text, re.M))
    bad += max(0, planned - ok - bad - len(skip))  # never reached
    if status != 0 and bad == 0:
        bad, text = 1, text + f'\nexit status {status}'
    return ok, bad, skip, text


# Tests of these suites have servers of their own and wait much of their time, so two go side by side; those of one module
# in one process where they share a server.
BY_TEST = ('-n', '2', '--dist', 'load')
BY_MODULE = ('-n', '2', '--dist', 'loadfile')


def pytest(build, *args, python=VENV, before=(), folder=None, variables=()):
    """A pytest run, counted by its JUnit file. before: a command that starts it; folder: where that file goes."""
    xml = os.path.join(folder or os.path.join(build, 'test'), re.sub(r'\W+', '-', ' '.join(args)).strip('-') + '.xml')
    os.makedirs(os.path.dirname(xml), exist_ok=True)
    if os.path.exists(xml):
        os.remove(xml)
    env = dict(os.environ, TERN=os.path.join(build, 'tern'), PYTHONDONTWRITEBYTECODE='1', **dict(variables))
    try:
        subprocess.run([*before, python, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', f'--junitxml={xml}', *args], cwd=ROOT,
                       env=env, timeout=SUITE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        print(f'stopped after {SUITE_TIMEOUT_S} s')
    if not os.path.exists(xml):
        return 0, 1, []
    cases = list(ET.parse(xml).getroot().iter('testcase'))
    skipped = [c for c in cases if c.find('skipped') is not None]
    failed = [c for c in cases if c.find('failure') is not None or c.find('error') is not None]
    names = [f"{c.get('name')}: {c.find('skipped').get('message')}" for c in skipped]
    # An error while tearing down comes as a second entry of a case that passed.
    return len(cases) - len(skipped) - len(failed), len(failed), names


def pb(build):
    """The codec against the official packages, in a Python environment of its own: they fix other versions."""
    os.environ['BUILD'] = build
    if subprocess.run(['make', '--no-print-directory', f'BUILD={build}', 'pb-ready'], cwd=ROOT).returncode != 0:
        return 0, 1, []
    return pytest(build, 'test/pb', python=os.path.join(ROOT, 'build', 'venv-pb', 'bin', 'python'))


def fault(build, *args):
    """Tern with fault points is another build: build/fault."""
    folder = os.path.join(build, 'fault')
    if subprocess.run(['make', '--no-print-directory', f'-j{os.cpu_count() or 2}', 'MODE=fault',
                       f'BUILD={os.path.relpath(folder, ROOT)}', 'all'], cwd=ROOT).returncode != 0:
        return 0, 1, []
    os.environ['TERN_BINARY'] = os.path.join(folder, 'tern')
    try:
        return pytest(build, 'test/fault', *args)
    finally:
        del os.environ['TERN_BINARY']


def api_on(build, version, *args):
    """The API tests with another version of the SDK, in an environment of its own below build/."""
    folder = os.path.join(ROOT, 'build', f'venv-flyte-{version}')
    python = os.path.join(folder, 'bin', 'python')
    wanted = [re.sub('^(flyte.*)==.*', rf'\1=={version}', line.strip())
              for line in open(os.path.join(ROOT, 'test', 'requirements.txt')) if not line.startswith(('#', 'protobuf'))]
    ready = (subprocess.run([sys.executable, '-m', 'venv', folder]).returncode == 0 and
             subprocess.run([python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', *wanted]).returncode == 0)
    return pytest(build, *args, python=python) if ready else (0, 1, [])


def nobody(build, *args):
    """A pytest run as an account without rights, groups, a home or a cgroup (D-23)."""
    if os.geteuid() != 0 or not shutil.which('setpriv') or not shutil.which('unshare'):
        return 0, 0, ['becoming another account needs root, setpriv and unshare']
    # Other programs that tests run are installed below build/, where that account may not write.
    install = 'import connector_server, moto_server; connector_server.python(); moto_server.python()'
    subprocess.run([VENV, '-c', install], cwd=os.path.join(ROOT, 'test'), check=True)
    prefix = subprocess.run([VENV, '-c', 'import sys; print(sys.base_prefix)'], capture_output=True, text=True).stdout.strip()
    become = (os.path.join(ROOT, 'tools', 'nobody.sh'), f'{prefix}:{ROOT}')
    seen = subprocess.run([*become, 'sh', '-c', f'{VENV} -c "import flyte"'], cwd=ROOT, capture_output=True, text=True)
    if seen.returncode != 0:
        return 0, 0, [f'uid 65534 cannot use {VENV}: {seen.stderr.strip()[-200:]}']
    with tempfile.TemporaryDirectory(prefix='tern-nobody-') as folder:
        os.chown(folder, 65534, 65534)
        return pytest(build, *args, before=become, folder=folder, variables={'TMPDIR': folder, 'HOME': folder})


def without_go():
    """The counts of a suite that needs Go, where there is none; None where there is."""
    if os.path.exists(os.path.join(ROOT, '.venv', 'bin', 'go')) or shutil.which('go'):
        return None
    if os.environ.get('TEST_WITHOUT_GO'):
        return 0, 0, ['needs Go 1.24 or newer, and TEST_WITHOUT_GO is set']
    print('Go is not installed, `make setup` does that; TEST_WITHOUT_GO=1 lets the tests pass without')
    return 0, 1, []


def conform(build):
    """The Connect project's conformance suite, which is written in Go."""
    absent = without_go()
    if absent:
        return absent
    return command(build, 'make', '--no-print-directory', f'BUILD={os.path.relpath(build, ROOT)}', 'conform')


def cron(build):
    """Cron expressions against a library of Go."""
    absent = without_go()
    if absent:
        return absent
    if subprocess.run(['make', '--no-print-directory', f'BUILD={os.path.relpath(build, ROOT)}', 'cron-ready'], cwd=ROOT).returncode != 0:
        return 0, 1, []
    programs = {'CRON_ORACLE': os.path.join(build, 'tools', 'cron-oracle'), 'CRONSUM': os.path.join(build, 'test', 'cronsum')}
    return pytest(build, 'test/cron', variables=programs)


def sanitized(_, mode, *args):
    """A pytest run with the programs of MODE=asan or tsan; the fixtures look for what the sanitizer prints."""
    build = os.path.join(ROOT, 'build', mode)
    if subprocess.run(['make', '--no-print-directory', '-j2', f'MODE={mode}', f'BUILD=build/{mode}', 'all', 'programs'],
                      cwd=ROOT).returncode != 0:
        return 0, 1, []
    return pytest(build, *args)


def install(*packages):
    """Debian packages that one suite alone needs, where that is possible."""
    if os.geteuid() == 0 and shutil.which('apt-get'):
        print(f'installing {" ".join(packages)}', flush=True)
        subprocess.run(f'apt-get update -q && apt-get install -y -q --no-install-recommends {" ".join(packages)}', shell=True,
                       stdout=subprocess.DEVNULL, env=dict(os.environ, DEBIAN_FRONTEND='noninteractive'))


def browser(build):
    """Pages in a real Chromium, driven by Playwright below build/: both are installed here, only this suite needs them."""
    names = ('chromium', 'chromium-browser', 'google-chrome')
    if not any(map(shutil.which, names)):
        install('chromium')
    if not any(map(shutil.which, names)):
        return 0, 0, ['needs Chromium: apt-get install chromium']
    folder = os.path.join(ROOT, 'build', 'browser')
    if not os.path.exists(os.path.join(folder, PLAYWRIGHT.replace('==', '-') + '.dist-info')):
        shutil.rmtree(folder, ignore_errors=True)
        if subprocess.run([VENV, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', folder,
                           PLAYWRIGHT]).returncode != 0:
            return 0, 1, []
    return pytest(build, 'test/browser')


def box(podman, folder):
    """An image box:1 with a shell and little more, made of busybox."""
    root = os.path.join(folder, 'box')
    os.makedirs(os.path.join(root, 'bin'))
    os.makedirs(os.path.join(root, 'tmp'))
    shutil.copy(shutil.which('busybox'), os.path.join(root, 'bin'))
    for name in subprocess.check_output(['busybox', '--list'], text=True).split():
        if name != 'busybox':
            os.symlink('busybox', os.path.join(root, 'bin', name))
    tar = os.path.join(folder, 'box.tar')
    subprocess.run(['tar', '-C', root, '-cf', tar, '.'], check=True)
    return subprocess.run([*podman, 'import', tar, 'box:1'], stdout=subprocess.DEVNULL).returncode == 0


def containers(build):
    """Container tasks with a real podman, its images and containers in a folder of their own, by the first OCI runtime that
    works here: crun refuses machines with both versions of cgroups."""
    programs = ('podman', 'runc', 'busybox')
    if not all(map(shutil.which, programs)):
        install('podman', 'crun', 'runc', 'busybox-static')
    if not all(map(shutil.which, programs)):
        return 0, 0, ['needs podman and an image: apt-get install podman crun runc busybox-static']
    with tempfile.TemporaryDirectory(prefix='tern-podman-') as folder:
        podman = [shutil.which('podman'), '--root', f'{folder}/root', '--runroot', f'{folder}/run', '--storage-driver', 'vfs']
        if not box(podman, folder):
            return 0, 0, ['podman cannot import an image here']
        for runtime in ('crun', 'runc'):
            by_runtime = [*podman, '--runtime', runtime]
            tried = subprocess.run([*by_runtime, 'run', '--rm', '--memory=64m', 'box:1', '/bin/true'], capture_output=True, text=True)
            if tried.returncode == 0:
                break
        else:
            return 0, 0, [f'podman runs no container here: {tried.stderr.strip()[-200:]}']
        program = os.path.join(folder, 'podman')
        with open(program, 'w') as f:
            f.write(f'#!/bin/sh\nexec {" ".join(by_runtime)} "$@"\n')
        os.chmod(program, 0o755)
        return pytest(build, 'test/api/test_containers.py', variables={'TERN_TEST_CONTAINERS': program})


def command(build, *argv):
    """A program that ends with a line `N passed, N failed`, or one check: its exit status."""
    p = subprocess.Popen(argv, cwd=ROOT, env=dict(os.environ, TERN=os.path.join(build, 'tern')), text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    counts = None
    for line in p.stdout:
        print(line, end='', flush=True)
        counts = re.match(r'(\d+) passed, (\d+) failed', line) or counts
    status = p.wait()
    if not counts:
        return int(status == 0), int(status != 0), []
    passed, failed = int(counts.group(1)), int(counts.group(2))
    return passed, failed or int(status != 0), []


@dataclass
class Suite:
    name: str
    run: Callable
    args: tuple = ()
    long: bool = False  # only with --all


SUITES = [
    Suite('lint', command, ('make', '--no-print-directory', 'lint')),
    Suite('unit', unit),
    Suite('tools', pytest, ('test/tools',)),
    Suite('pb', pb),
    Suite('net', pytest, ('test/net',)),
    Suite('exec', pytest, ('test/exec',)),
    Suite('object', pytest, ('test/object',)),
    Suite('conform', conform),
    Suite('cron', cron),
    Suite('api', pytest, ('test/api', *BY_MODULE, '-m', 'not slow')),
    Suite('fault', fault, (*BY_TEST, '-m', 'quick')),
    Suite('browser', browser, long=True),
    Suite('containers', containers, long=True),
    Suite('api-slow', pytest, ('test/api', '-m', 'slow'), long=True),
    Suite('api-2.6.6', api_on, ('2.6.6', 'test/api', *BY_MODULE), long=True),
    Suite('api-nobody', nobody, ('test/api', *BY_MODULE), long=True),
    Suite('api-asan', sanitized, ('asan', 'test/api', *BY_MODULE), long=True),
    Suite('fault-all', fault, (*BY_TEST, '-m', 'not quick and not points'), long=True),
    Suite('fault-points', fault, (*BY_TEST, '-m', 'points'), long=True),
    Suite('fuzz', command, ('make', '--no-print-directory', 'fuzz'), long=True),
    Suite('asan', command, ('make', '--no-print-directory', 'asan'), long=True),
    Suite('net-asan', sanitized, ('asan', 'test/net'), long=True),
    Suite('net-tsan', sanitized, ('tsan', 'test/net'), long=True),
    Suite('tsan', command, ('make', '--no-print-directory', 'tsan'), long=True),
]


def run_suite(suite, build):
    print(f'\n==== {suite.name}', flush=True)
    start = time.monotonic()
    passed, failed, skipped = suite.run(build, *suite.args)
    if passed + failed == 0 and not skipped:
        print(f'{suite.name}: nothing ran')
        failed = 1
    return suite.name, passed, failed, skipped, time.monotonic() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--build', default='build')
    parser.add_argument('suites', nargs='*')
    args = parser.parse_args()
    build = os.path.join(ROOT, args.build)
    unknown = set(args.suites) - {s.name for s in SUITES}
    if unknown:
        sys.exit(f'no such suite: {", ".join(sorted(unknown))}; there are {", ".join(s.name for s in SUITES)}')
    chosen = [s for s in SUITES if s.name in args.suites or (not args.suites and (args.all or not s.long))]
    results = [run_suite(s, build) for s in chosen]
    print('\n====')
    for name, passed, failed, skipped, seconds in results:
        print(f'{name:12} {passed:6} passed {failed:6} failed  {seconds:6.1f} s')
    for name, _, _, skipped, _ in results:
        for s in skipped:
            print(f'not run: {name}: {s}')
    for s in SUITES:
        if s not in chosen:
            print(f'not run: {s.name}' + (' (make test-all runs it)' if s.long else ''))
    passed, failed = sum(r[1] for r in results), sum(r[2] for r in results)
    print(f'{"in all":12} {passed:6} passed {failed:6} failed  {sum(r[4] for r in results):6.1f} s')
    print(f'{passed} passed, {failed} failed')
    return 1 if failed or not passed else 0


sys.exit(main())
