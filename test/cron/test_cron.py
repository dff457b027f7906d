"""engine/cron.c against robfig/cron with Go's time zones (oracle/main.go), and against croniter where no clock changes."""
import os
import pathlib
import random
import re
import subprocess
from datetime import datetime, timezone

import pytest
from croniter import croniter

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
ORACLE = os.environ.get("CRON_ORACLE", BUILD / "tools" / "cron-oracle")
CRONSUM = os.environ.get("CRONSUM", BUILD / "test" / "cronsum")


def at(year, month=1, day=1):
    return int(datetime(year, month, day, tzinfo=timezone.utc).timestamp())


PAST, FUTURE = (at(2009), at(2019)), (at(2038), at(2040))  # in the tables of the zone files, and by their rules
# By the hour at night, by half an hour, at midnight, by two hours, for Ramadan, a day that never was.
ZONES = [("UTC", PAST), ("Europe/Berlin", FUTURE), ("America/New_York", PAST), ("Australia/Lord_Howe", PAST),
         ("Australia/Lord_Howe", FUTURE), ("Pacific/Apia", PAST), ("Africa/Casablanca", PAST), ("America/Santiago", FUTURE),
         ("Asia/Beirut", FUTURE), ("Africa/Cairo", PAST), ("Asia/Kathmandu", PAST), ("Antarctica/Troll", FUTURE),
         ("America/Sao_Paulo", PAST), ("Asia/Pyongyang", PAST)]
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
NAMES = {3: "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), 4: "SUN MON TUE WED THU FRI SAT".split()}


def value(rng, field):
    low, high = RANGES[field]
    v = rng.randint(low, high)
    if field in NAMES and rng.random() < 0.3:
        name = NAMES[field][v - low]
        return v, rng.choice([name, name.lower(), name.title()])
    return v, str(v)


def item(rng, field):
    kind = rng.random()
    (a, a_text), (b, b_text) = sorted((value(rng, field), value(rng, field)))
    step = f"/{rng.randint(1, RANGES[field][1])}"
    if kind < 0.3:
        return a_text
    if kind < 0.5:
        return f"{a_text}-{b_text}" + (step if rng.random() < 0.3 else "")
    if kind < 0.6:
        return a_text + step
    return rng.choice("**?") + (step if kind < 0.75 else "")


def expression(rng):
    return " ".join(",".join(item(rng, f) for _ in range(rng.choice([1, 1, 1, 2, 3]))) for f in range(5))


def ask(program, lines, *args):
    done = subprocess.run([program, *args], input="".join(line + "\n" for line in lines), capture_output=True, text=True,
                          timeout=60, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines), done.stderr
    return answers


FIXED = ["30 2 * * *", "0 0 * * *", "15 1,2,3 * * *", "*/10 0-4 * * *", "0 0 29 2 *", "0 12 31 * MON", "59 23 30 12 *",
         "30 1 * * SUN", "@daily", "@hourly", "@weekly", "@monthly", "@yearly"]


def assert_same(lines, *args):
    for line, our, their in zip(lines, ask(CRONSUM, lines), ask(ORACLE, lines, *args)):
        if our.startswith("error") and "never comes" in our:
            assert their.startswith("0 "), (line, our, their)
        else:
            assert our == their, line


@pytest.mark.parametrize("zone, span", ZONES, ids=[f"{z}-{datetime.fromtimestamp(s[0], timezone.utc):%Y}" for z, s in ZONES])
def test_every_minute_of_ten_years(zone, span):
    rng = random.Random(f"{zone}{span}")
    assert_same([f"{span[0]} {span[1]} {zone} {e}" for e in FIXED + [expression(rng) for _ in range(30)]])


def test_a_year_as_robfig_cron_walks():
    """Where all days begin at midnight and clocks change by whole hours; elsewhere it misses some, or never ends."""
    rng = random.Random(7)
    expressions = FIXED + [expression(rng) for _ in range(12)]
    for zone in ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"):
        assert_same([f"{at(2016)} {at(2017)} {zone} {e}" for e in expressions], "walk")


def damaged(rng, text):
    at = rng.randrange(len(text))
    kind = rng.random()
    if kind < 0.4:
        return text[:at] + text[at + 1:]
    return text[:at] + rng.choice("0123456789*?/,-LW#@ aM+") + text[at + (kind < 0.7):]


# What robfig/cron takes although it means nothing, and we refuse: empty items, a sign, a range after a star, no day at all,
# steps and numbers of many digits.
REFUSED = re.compile(r"(^|[ ,]),|,($| )|[+]|[*?]-|\d{4,}")


def test_what_is_no_expression():
    rng = random.Random(8)
    lines = [f"{PAST[0]} {PAST[0] + 90 * 86400} UTC {damaged(rng, expression(rng))}" for _ in range(3000)]
    both = 0
    for line, our, their in zip(lines, ask(CRONSUM, lines), ask(ORACLE, lines)):
        text = line.split(" ", 3)[3]
        if our.startswith("error") and their.startswith("error"):
            both += 1
        elif our.startswith("error"):
            assert "never comes" in our or REFUSED.search(text), (line, our, their)
        else:
            assert not their.startswith("error"), (line, our, their)
            assert our.split()[:2] == their.split()[:2], (line, our, their)
    assert both > 300


def test_periods():
    lines = [f"0 1 UTC @every {d}" for d in ("1s", "90s", "1h30m", "1h30m10s", "36h", "1.5h", "100ms", "1500ms", "x", "", "-1s")]
    ours, theirs = ask(CRONSUM, lines), ask(ORACLE, lines)
    for line, our, their in zip(lines, ours, theirs):
        if not line.endswith("-1s"):  # robfig/cron makes a second of it
            assert our.split()[:2] == their.split()[:2] or our[:5] == their[:5] == "error", (line, our, their)


EMPTY_RANGE = re.compile(r"\b(\d+)-\1\b")


def numbers(text):
    """Without names."""
    return re.sub(r"[A-Za-z]{3}", lambda m: str(next(n.index(m[0].upper()) + RANGES[f][0] for f, n in NAMES.items()
                                                     if m[0].upper() in n)), text)


def test_croniter_agrees():
    """Not where croniter means something else: "*/2" on days, "20-20"."""
    rng = random.Random(9)
    start = at(2027, 5, 17)
    for _ in range(150):
        text = expression(rng)
        fields = text.split()
        if "?" in text or EMPTY_RANGE.search(numbers(text)) or any("*" in f and f != "*" for f in (fields[2], fields[4])):
            continue
        ours = ask(CRONSUM, [f"{start} {at(2031)} UTC {text}"], "20")[0]
        if ours.startswith("error"):
            assert "never comes" in ours
            continue
        walk = croniter(text.upper(), start - 1)
        theirs = [int(walk.get_next(float)) for _ in ours.split()]
        assert [int(t) for t in ours.split()] == theirs, text
