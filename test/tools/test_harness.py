"""The fixtures of the server tests fail where a process of Tern left a sanitizer's report."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'api'))

from harness import Tern  # noqa: E402

REPORTS = {
    'address': '=1==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010\n    #0 0x1 in main',
    'undefined': 'src/a.c:1:2: runtime error: signed integer overflow',
    'thread': 'WARNING: ThreadSanitizer: data race (pid=1)',
    'leaks': '==1==ERROR: LeakSanitizer: detected memory leaks',
}


@pytest.fixture
def ended(tmp_path):
    """A server that is gone, with what it wrote; `tern stop` has nothing to do."""
    t = Tern(tmp_path / 't', binary='true')
    t.log.write_text('ready\n')
    (t.data / 'log').mkdir(parents=True)
    (t.data / 'log' / 'supervisor.log').write_text('ready\n')
    return t


def test_without_a_report(ended):
    ended.finish()


@pytest.mark.parametrize('report', REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize('log', ['server.log', 'data/log/supervisor.log', 'data/log/supervisor.log.1'])
def test_a_report_in_any_log_is_a_failure(ended, log, report):
    with (ended.folder / log).open('a') as f:
        f.write(report + '\n')
    with pytest.raises(AssertionError, match=log):
        ended.finish()
