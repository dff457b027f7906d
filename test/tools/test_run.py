"""test/run.py counts what programs say, and what they fail to say."""
import importlib.util
import pathlib
import sys

import pytest

RUN = pathlib.Path(__file__).resolve().parents[1] / 'run.py'


@pytest.fixture(scope='module')
def run():
    """The functions of run.py, without its last line, which runs everything."""
    source = RUN.read_text().replace('sys.exit(main())', '')
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('run', None, origin=str(RUN)))
    module.__file__ = str(RUN)
    sys.modules['run'] = module
    exec(compile(source, str(RUN), 'exec'), module.__dict__)
    return module


def program(tmp_path, body):
    path = tmp_path / 'x_test'
    path.write_text('#!/bin/sh\n' + body)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize('body, counts', [
    ('echo 1..2; echo ok 1 - a; echo ok 2 - b', (2, 0)),
    ('echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1', (1, 1)),
    ('echo 1..3; echo ok 1 - a; kill -SEGV $$', (1, 2)),  # the two that were not reached
    ('echo 1..1; echo ok 1 - a; exit 3', (1, 1)),         # a sanitizer's complaint at the end
    ('kill -SEGV $$', (0, 1)),
])
def test_unit_programs(run, tmp_path, body, counts):
    ok, bad, _, _ = run.unit_program(program(tmp_path, body), None)
    assert (ok, bad) == counts


@pytest.mark.parametrize('body, counts', [
    ('exit 0', (1, 0)),
    ('exit 1', (0, 1)),
    ('echo 12 passed, 0 failed', (12, 0)),
    ('echo 12 passed, 3 failed; exit 1', (12, 3)),
    ('echo 12 passed, 0 failed; exit 1', (12, 1)),
])
def test_commands(run, tmp_path, body, counts):
    assert run.command('build', program(tmp_path, body))[:2] == counts


@pytest.mark.parametrize('suite', ['conform', 'cron'])
def test_without_go(run, suite, tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setattr(run, 'ROOT', str(tmp_path))
    monkeypatch.delenv('TEST_WITHOUT_GO', raising=False)
    assert getattr(run, suite)('build')[:2] == (0, 1)
    monkeypatch.setenv('TEST_WITHOUT_GO', '1')
    passed, failed, skipped = getattr(run, suite)('build')
    assert (passed, failed) == (0, 0) and 'Go' in skipped[0]


def test_a_suite_that_runs_nothing_fails(run):
    suite = run.Suite('empty', lambda build: (0, 0, []))
    assert run.run_suite(suite, 'build')[1:3] == (0, 1)
