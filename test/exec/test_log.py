"""Logs: order, times, odd bytes, cursors, lines of our own, followers, the bound."""
import time

from waiting import wait_until
from test_process import sh


def test_streams_in_order(execd):
    e = execd()
    id, _ = e.run(sh('for i in 1 2 3; do echo out $i; echo err $i >&2; done'))
    assert e.log(id).split('\n')[:-1] == [x for i in '123' for x in ('out ' + i, 'err ' + i)]


def test_times_follow_the_output(execd):
    e = execd()
    before = time.time_ns()
    id, _ = e.run(sh('echo one; sleep 0.5; echo two; sleep 0.5; echo three'))
    after = time.time_ns()
    times = [x['time_ns'] for x in e.do('log', id=id)['lines']]
    assert before - 20_000_000 <= times[0] <= times[1] <= times[2] <= after + 20_000_000
    assert 0.3e9 < times[1] - times[0] < 2e9 and 0.3e9 < times[2] - times[1] < 2e9


def test_pages_and_cursors(execd):
    e = execd()
    id, _ = e.run(sh('seq 1 5000'))
    lines, cursor, pages = [], 0, 0
    while True:
        page = e.do('log', id=id, cursor=cursor, max=333)
        assert len(page['lines']) <= 333
        lines += [x['text'] for x in page['lines']]
        cursor, pages = page['next'], pages + 1
        if page['ended']:
            break
    assert lines == ['%d\n' % i for i in range(1, 5001)]
    assert pages >= 15
    again = e.do('log', id=id, cursor=cursor)
    assert again['lines'] == [] and again['ended']


def test_odd_bytes(execd):
    e = execd()
    id, _ = e.run(sh(r"printf 'a\377b\n\303\244\nx\001y\ttab\033[1m\n\rprogress 1\rprogress 2\r\nzero\000end\nlast'"))
    assert [x['text'] for x in e.do('log', id=id)['lines']] == [
        'a\ufffdb\n', '\u00e4\n', 'x?y\ttab\033[1m\n', '\n', 'progress 1\n', 'progress 2\n', 'zero?end\n', 'last\n']


def test_a_long_line_is_cut_not_lost(execd):
    e = execd()
    id, _ = e.run(['/usr/bin/python3', '-c', 'print("\u00e4" * 100000)'], env={'PYTHONIOENCODING': 'utf-8'})
    lines = [x['text'] for x in e.do('log', id=id)['lines']]
    assert len(lines) == 4
    assert ''.join(x[:-1] for x in lines) == '\u00e4' * 100000


def test_a_half_line_waits(execd, data):
    e = execd()
    id = e.launch(sh('printf half; while [ ! -e %s/go ]; do sleep 0.02; done; echo " whole"' % data))
    e.wait_state(id, 'RUNNING')
    wait_until(lambda: list((data / 'logs').rglob('*.log'))[0].stat().st_size == 4)
    page = e.do('log', id=id)
    assert page['lines'] == [] and page['next'] == 0 and not page['ended']
    (data / 'go').touch()
    e.wait_over(id)
    assert e.log(id) == 'half whole\n'


def test_followers_are_woken(execd):
    e = execd()
    id = e.launch(sh('i=0; while [ $i -lt 5 ]; do echo $i; i=$((i+1)); sleep 0.15; done'))
    lines, cursor = [], 0

    def look():
        nonlocal cursor
        page = e.ask('log', id=id, cursor=cursor)
        if page['code'] == 'ok':
            lines.extend(page['lines'])
            cursor = page['next']
            return True if page['ended'] else None
    e.wait_for(look)
    assert [x['text'] for x in lines] == ['%d\n' % i for i in range(5)]
    assert sum(1 for x in e.events if x['event'] == 'log' and x['id'] == id) >= 4


def test_lines_of_our_own(execd):
    e = execd()
    assert e.ask('log', id=1)['code'] == 'not_found'
    e.do('system', id=1, line='queued for a reason')
    page = e.do('log', id=1)
    assert [(x['text'], x['system']) for x in page['lines']] == [('queued for a reason\n', True)]
    id = e.launch(sh('printf "no newline"; sleep 0.3; echo; echo end'), id=1)
    e.wait_state(id, 'RUNNING')
    wait_until(lambda: any('no newline' in p.read_text() for p in (e.data / 'logs').rglob('1-1.log')))
    e.do('system', id=1, line='in\nbetween')
    e.wait_over(id)
    e.do('system', id=1, line='after')
    got = [(x['text'], x['system']) for x in e.do('log', id=1)['lines']]
    assert got[0] == ('queued for a reason\n', True)
    assert ('no newline\n', False) in got and ('in between\n', True) in got
    assert got[-2:] == [('end\n', False), ('after\n', True)]


def test_the_middle_of_a_huge_log_is_dropped(execd, data):
    e = execd()
    script = 'import sys\nblock = b"".join(b"%07d %s\\n" % (i, b"x" * 991) for i in range(1000))\n' \
             'for k in range(450): sys.stdout.buffer.write(block.replace(b" x", b" %03d" % k))\nprint("the end")'
    id, o = e.run(['/usr/bin/python3', '-c', script], timeout=120)
    assert o['exit_code'] == 0
    path = next((data / 'logs').rglob('%d-1.log' % id))
    assert path.stat().st_size > 440e6
    assert path.stat().st_blocks * 512 < 320 << 20
    first = e.do('log', id=id, cursor=0, max=3)['lines']
    assert first[0]['text'].startswith('0000000 000')
    page = e.do('log', id=id, cursor=(128 << 20) - 5000, max=100)
    dropped = [x for x in page['lines'] if x['system']]
    assert len(dropped) == 1 and 'dropped here' in dropped[0]['text']
    assert not any('\0' in x['text'] or '??' in x['text'] for x in page['lines'])
    cursor = path.stat().st_size - 3000
    tail = e.do('log', id=id, cursor=cursor)
    assert tail['lines'][-1]['text'] == 'the end\n' and tail['ended']


def test_logs_outlive_cleanup_and_restart(execd, data):
    e = execd()
    id, _ = e.run(sh('echo kept; printf "without newline"'))
    e.do('cleanup', id=id)
    e.wait_state(id, 'UNKNOWN')
    e.close()
    e = execd()
    page = e.do('log', id=id)
    assert [x['text'] for x in page['lines']] == ['kept\n', 'without newline\n'] and page['ended']
