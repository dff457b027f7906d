"""Errors, retries, timeouts, memory: what the user and the parent see."""
import json

import failures
import pytest
import wire


def details(r):
    return r.details().action_details.pb2


def test_user_error_reaches_the_client(run):
    r = run(failures.raises, text="pear", expect="failed")
    info = details(r).error_info
    assert "bad pear" in info.message and info.kind == info.KIND_USER


def test_user_error_is_caught_in_the_parent_with_its_type(run):
    out = run(failures.catches).outputs()[0]
    assert out.startswith("ValueError|") and "bad apple" in out


def test_retries_until_success(run):
    r = run(failures.third_time)
    assert r.outputs()[0] == 2
    attempts = details(r).attempts
    assert [a.attempt for a in attempts] == [1, 2, 3]
    assert [a.phase for a in attempts] == [6, 6, 5]  # FAILED, FAILED, SUCCEEDED


def test_retries_exhausted(run):
    r = run(failures.never, expect="failed")
    assert len(details(r).attempts) == 2
    assert "attempt 1 fails" in details(r).error_info.message


def test_non_recoverable_is_not_retried(run):
    assert len(details(run(failures.hopeless, expect="failed")).attempts) == 1


def test_backoff_grows(run):
    r = run(failures.backs_off)
    a = details(r).attempts
    gaps = [a[i + 1].start_time.ToMicroseconds() - a[i].end_time.ToMicroseconds() for i in range(2)]
    assert gaps[0] >= 900_000 and gaps[1] >= 1_900_000


def test_out_of_memory_is_told_as_such(run):
    assert run(failures.catches_oom).outputs()[0].startswith("oom:")


def test_process_that_dies_without_a_word(run):
    info = details(run(failures.exits, status=7, expect="failed")).error_info
    head, _, end = info.message.partition("; its log ends with:\n")
    assert "exit code 7" in head
    assert end.splitlines() == [f"  step {i} \\x1b[31mred\\x1b[0m" for i in range(2, 12)]


def test_last_words_without_end(run):
    """One line longer than what is looked at."""
    info = details(run(failures.exits, status=8, expect="failed")).error_info
    assert info.message.endswith("exit code 8 without a result")


@pytest.mark.parametrize("context", [{}, {"env_vars": {"TZ": "UTC"}}], ids=["warm", "cold"])
def test_process_that_crashes_after_its_result_was_stored(run, tern, context):
    r = run(failures.crashes_at_its_end, context=context)
    assert r.outputs()[0] == 7 and len(details(r).attempts) == 1
    events = {"id": {"run": wire.run_id(r.name), "name": "a0"}, "attempt": 1}
    with wire.Watch(tern.endpoint, wire.RUNS + "WatchClusterEvents", events) as told:
        said = ""
        while "SIGABRT" not in said:
            said += json.dumps(told.next())
    page = wire.run_page(tern.endpoint, r.name)
    assert '<td class="warning">CrashedWhenDone</td>' in page and "SIGABRT" in page[page.index("<h3>Events</h3>"):]


def test_events_on_the_page_are_of_the_attempt(run, tern):
    name = run(failures.third_time).name
    first, last = (wire.run_page(tern.endpoint, name, attempt=n) for n in (1, 3))
    assert '<td class="warning">Retrying</td>' in first and "; attempt 2 begins in " in first
    assert "attempt 3 begins in " not in first and "<h3>Events</h3>" not in last


def test_process_that_is_killed(run):
    info = details(run(failures.killed, expect="failed")).error_info
    assert "9" in info.message or "SIGKILL" in info.message


def test_max_runtime(run):
    run(failures.too_long, expect="timed_out")


def test_timeout_is_caught_in_the_parent(run):
    assert run(failures.catches_timeout).outputs()[0] != "no timeout"


def test_deadline_over_all_attempts(run):
    r = run(failures.past_deadline, expect="timed_out")
    assert len(details(r).attempts) < 10


def test_gpu_that_is_not_there_fails_at_once(run):
    info = details(run(failures.needs_gpu, expect="failed")).error_info
    assert "gpu" in info.message.lower()
