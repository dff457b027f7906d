"""Lists: filters, orders and pages against a model of them in Python, over rows that are written beside the server."""
import random
import sqlite3
from datetime import datetime, timezone

import pytest
import wire
from flyteidl2.common import phase_pb2
from flyteidl2.workflow import run_definition_pb2

TASKS = "/flyteidl2.task.TaskService/"
TRACKED = "/flyteidl2.workflow.TrackedRunService/"
DAY = 86400 * 10**9
TEXT, NUMBER, TIME = "text", "number", "time"


class Rows:
    """The runs of a server's database. add() writes straight into it, with whatever columns; no engine sees them."""

    def __init__(self, tern):
        self.endpoint = tern.endpoint
        self.db = sqlite3.connect(tern.data / "tern.db", isolation_level=None, timeout=30)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA synchronous=OFF")

    def one(self, table, where="1=1"):
        return dict(self.db.execute(f"SELECT * FROM {table} WHERE {where} ORDER BY 1 LIMIT 1").fetchone())

    def insert(self, table, row):
        self.db.execute(f"INSERT INTO {table} ({','.join(row)}) VALUES ({','.join('?' * len(row))})", list(row.values()))

    def add(self, like, labels=(), root=None, **columns):
        """A copy of the run `like` and its root, with other values."""
        alone = not self.db.in_transaction
        if alone:
            self.db.execute("BEGIN IMMEDIATE")
        run = self.one("run", f"name='{like}'")
        action = self.one("action", f"id={run['id'] << 24}")
        run["id"], run["change"] = self.db.execute("SELECT max(id)+1, max(change)+1 FROM run").fetchone()
        run.update(columns, name=columns.get("name", f"n{run['id']}"))
        action.update({"id": run["id"] << 24, "run_id": run["id"], "phase": run["phase"], "created_ns": run["created_ns"],
                       **(root or {})})
        self.insert("run", run)
        self.insert("action", action)
        for key, value in labels:
            self.insert("run_label", {"run_id": run["id"], "key": key, "value": value, "created_ns": run["created_ns"]})
        if alone:
            self.db.execute("COMMIT")
        return run["name"]

    def delete(self, name):
        self.db.execute("BEGIN IMMEDIATE")
        run = self.one("run", f"name='{name}'")["id"]
        for table, column in (("run_label", "run_id"), ("action", "run_id"), ("run", "id")):
            self.db.execute(f"DELETE FROM {table} WHERE {column}=?", (run,))
        self.db.execute("COMMIT")

    def by_id(self, table):
        return {r["id"]: r for r in self.db.execute(f"SELECT * FROM {table}")}

    def model(self):
        """Every run as its fields."""
        spaces, names, specs, people, actions = map(self.by_id, ("space", "task_name", "spec", "identity", "action"))
        labels = {}
        for r in self.db.execute("SELECT * FROM run_label"):
            labels.setdefault(r["run_id"], {})[r["key"]] = r["value"]
        for run in self.by_id("run").values():
            root = actions[run["id"] << 24]
            spec = specs[root["spec_id"]]
            task, ended = names[spec["task_name_id"]], root["ended_ns"]
            yield {"id": run["id"], "name": run["name"], "run_name": run["name"], "phase": run["phase"],
                   "project": spaces[run["space_id"]]["project"], "domain": spaces[run["space_id"]]["domain"],
                   "run_source": run["source"], "trigger_name": run["trigger_name"],
                   "trigger_revision": run["trigger_revision"], "task_name": task["name"],
                   "trigger_task_name": names[run["trigger_task_id"]]["name"] if run["trigger_task_id"] else None,
                   "task_domain": task["domain"], "action_type": root["type"],
                   "task_project": task["project"], "task_version": spec["version"], "function_name": spec["name"],
                   "created_by": people[run["created_by"]]["subject"] if run["created_by"] else None,
                   "created_at": run["created_ns"], "updated_at": root["updated_ns"], "ended_at": ended,
                   "duration_ms": None if ended is None else (ended - root["created_ns"]) // 10**6,
                   "paused": root["phase"] == 9 and ended is None,
                   "to_running": root["started_ns"] and root["started_ns"] - root["created_ns"],
                   **{f"labels.{k}": v for k, v in labels.get(run["id"], {}).items()}}


KINDS = {"run_name": TEXT, "project": TEXT, "domain": TEXT, "created_by": TEXT, "trigger_name": TEXT, "trigger_task_name": TEXT,
         "task_project": TEXT, "task_domain": TEXT, "task_name": TEXT, "task_version": TEXT, "function_name": TEXT,
         "phase": NUMBER, "action_type": NUMBER, "run_source": NUMBER, "trigger_revision": NUMBER, "duration_ms": NUMBER,
         "created_at": TIME, "updated_at": TIME, "ended_at": TIME}

ENUMS = {"phase": phase_pb2.ActionPhase, "action_type": run_definition_pb2.ActionType, "run_source": run_definition_pb2.RunSource}
PREFIXES = {phase_pb2.ActionPhase: "ACTION_PHASE_", run_definition_pb2.ActionType: "ACTION_TYPE_",
            run_definition_pb2.RunSource: "RUN_SOURCE_"}

ONE = {"EQUAL": lambda a, b: a == b, "NOT_EQUAL": lambda a, b: a != b, "GREATER_THAN": lambda a, b: a > b,
       "GREATER_THAN_OR_EQUAL": lambda a, b: a >= b, "LESS_THAN": lambda a, b: a < b,
       "LESS_THAN_OR_EQUAL": lambda a, b: a <= b}
TEXTS = {"CONTAINS": lambda a, b: b in a, "CONTAINS_CASE_INSENSITIVE": lambda a, b: b.lower() in a.lower(),
         "ENDS_WITH": lambda a, b: a.endswith(b), "NOT_ENDS_WITH": lambda a, b: not a.endswith(b)}
MANY = {"VALUE_IN": lambda a, b: a in b, "VALUE_NOT_IN": lambda a, b: a not in b}


def holds(f, row):
    value = row.get(f["field"])
    if f["function"] in ("EXISTS", "NOT_EXISTS"):
        return (value is None) == (f["function"] == "NOT_EXISTS")
    if value is None:
        return False
    if f["function"] in MANY:
        return MANY[f["function"]](value, f["plain"])
    return {**ONE, **TEXTS}[f["function"]](value, f["plain"][0])


def as_text(kind, value):
    if kind != TIME:
        return str(value)
    return datetime.fromtimestamp(value // 10**9, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{value % 10**9:09d}Z"


def expected(rows, question):
    """The rows that a question asks for, in its order."""
    found = [r for r in rows if question["scope"](r) and all(holds(f, r) for f in question["filters"])]
    sorts = question["sorts"]
    if not sorts:
        return sorted(found, key=lambda r: (r["phase"], -r["created_at"], -r["id"]))
    for field, down in reversed([*sorts, ("id", sorts[-1][1])]):
        found.sort(key=lambda r: (r[field] if r[field] is not None else "" if KINDS.get(field) == TEXT else 0), reverse=down)
    return found


def request(question, token=""):
    filters = [{"field": f["field"], "function": f["function"], "values": f["values"]} for f in question["filters"]]
    sorts = [{"key": k, "direction": "DESCENDING" if down else "ASCENDING"} for k, down in question["sorts"]]
    return {**question["message"], "request": {"limit": question["limit"], "token": token, "filters": filters,
                                               "sortByFields": sorts}}


def page(endpoint, question, token=""):
    a = wire.call(endpoint, question.get("service", wire.RUNS) + "ListRuns", request(question, token))
    assert a.status == 200, (a, question["filters"], question["sorts"])
    names = [r["action"]["id"]["run"]["name"] for r in a.json.get("runs", [])]
    assert len(names) <= question["limit"]
    return names, a.json.get("token", "")


def some_name(rng, enum, number):
    """A number as its name in the IDL, or as the end of it, in any case; one that has no name as itself."""
    if number not in enum.values():
        return str(number)
    full = enum.Name(number)
    return rng.choice((full, full.lower(), full.removeprefix(PREFIXES[enum]), full.removeprefix(PREFIXES[enum]).lower()))


def some_filter(rng, rows, field):
    kind = KINDS.get(field, TEXT)
    label = field.startswith("labels.")
    functions = ["EQUAL", "VALUE_IN", "EXISTS", "NOT_EXISTS"] if label else [*ONE, *MANY, "EXISTS", "NOT_EXISTS", "EQUAL", "VALUE_IN"]
    function = rng.choice(functions + (list(TEXTS) if kind == TEXT and not label else []))
    there = [r[field] for r in rows if r.get(field) is not None] or ["none"]
    plain = [rng.choice(there) for _ in range(rng.randint(1, 3) if function in MANY else 1)]
    if function in TEXTS:
        plain = [plain[0][rng.randint(0, 2):]]
    if kind == NUMBER and rng.random() < 0.2:
        plain[0] += 1
    values = [] if "EXISTS" in function else [as_text(kind, v) for v in plain]
    if field in ENUMS and rng.random() < 0.5:
        values = [some_name(rng, ENUMS[field], v) for v in plain][:len(values)]
    elif field == "phase" and function == "EQUAL" and plain[0] >= 10:
        values = list(values[0])  # as the SDK sends the phase 10
    return {"field": field, "function": function, "values": values, "plain": plain}


SCOPES = (
    ({"projectId": wire.PROJECT}, lambda r: (r["project"], r["domain"]) == ("flytesnacks", "development")),
    ({"projectId": {"name": "flytesnacks", "domain": "production"}}, lambda r: r["domain"] == "production"),
    ({"org": "any"}, lambda r: True),
    ({"taskName": {"project": "flytesnacks", "domain": "development", "name": "env.task1"}},
     lambda r: r["task_name"] == "env.task1"),
    ({"taskId": {"project": "flytesnacks", "domain": "development", "name": "env.task1", "version": "v1"}},
     lambda r: (r["task_name"], r["task_version"]) == ("env.task1", "v1")),
    ({"projectId": wire.PROJECT, "pausedActionsOnly": True}, lambda r: r["domain"] == "development" and r["paused"]),
)


def some_question(rng, rows):
    (message, scope), tracked = rng.choice(SCOPES), rng.random() < 0.15
    fields = [*KINDS, "labels.team", "labels.rare", "phase", "task_name", "created_by", "created_at"]
    filters = [some_filter(rng, rows, rng.choice(fields)) for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
    key = rng.choice(([], ["created_at"], ["created_at"], [rng.choice(list(KINDS))], rng.sample(list(KINDS), 2)))
    return {"message": message, "scope": lambda r: scope(r) and (not tracked or r["run_source"] == 4), "filters": filters,
            "service": TRACKED if tracked else wire.RUNS, "sorts": [(k, rng.random() < 0.5) for k in key],
            "limit": rng.choice((1, 3, 7, 20, 50))}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Three tasks in two versions and two domains; 1,500 runs of them with many equal times and absent values."""
    from harness import Tern
    tern = Tern(tmp_path_factory.mktemp("listing") / "tern", args=["--retention.runs", "0"]).start()  # runs of 1970 stay
    seeds = []
    for k in range(6):
        spec = wire.task_spec("core-echo")
        spec["taskTemplate"]["id"].update(name=f"env.task{k % 3}", version=f"v{k // 3}")
        run = dict(wire.run_id(f"seed{k}"), domain="production" if k == 5 else "development")
        a = wire.create_run(tern.endpoint, {"runId": run, "taskSpec": spec, "runSpec": {}})
        assert a.status == 200, a
        seeds.append(run["name"])
    made = Rows(tern)
    made.seeds, made.rng = seeds, random.Random(4)
    for k in range(3):
        made.insert("identity", {"subject": f"Person{k}", "name": "x"})
    made.tasks = [r["id"] for r in made.db.execute("SELECT id FROM task_name")]
    made.people = [r["id"] for r in made.db.execute("SELECT id FROM identity")]
    made.db.execute("BEGIN IMMEDIATE")
    for _ in range(1500):
        some_run(made)
    made.db.execute("COMMIT")
    yield made
    made.db.close()
    tern.finish()


def some_run(made):
    rng = made.rng
    created = 1_760_000_000 * 10**9 + rng.randint(0, 60) * DAY // 7
    phase = rng.choice((4, 5, 5, 5, 6, 6, 7, 8, 9, 10))
    ended = None if phase in (4, 9) else created + rng.randint(0, 4) * 10**8
    labels = [(k, v) for k, v, p in (("team", f"t{rng.randint(0, 2)}", 0.5), ("rare", "yes", 0.03)) if rng.random() < p]
    trigger = rng.random() < 0.2
    return made.add(rng.choice(made.seeds), labels, phase=phase, created_ns=created, source=rng.choice((1, 2, 3, 4)),
                    created_by=rng.choice([None, *made.people]), trigger_name="tr" if trigger else None,
                    trigger_revision=rng.randint(1, 3) if trigger else None,
                    trigger_task_id=rng.choice(made.tasks) if trigger else None,
                    root={"ended_ns": ended, "updated_ns": created + rng.randint(0, 9) * DAY})


def test_pages_show_what_stays_once_and_in_order(rows):
    """Random questions, while runs come and go between the pages: every run that was there all the time comes exactly
    once, in the order asked for, and nothing else."""
    rng = random.Random(11)
    for number in range(80):
        before = list(rows.model())
        question = some_question(rng, before)
        question["limit"] = max(question["limit"], len(expected(before, question)) // 20)
        names, token, gone, new = [], None, set(), set()
        while token != "":
            more, token = page(rows.endpoint, question, token or "")
            names += more
            for _ in range(rng.choice((0, 0, 1, 2)) if token else 0):
                if rng.random() < 0.5:
                    new.add(some_run(rows))
                else:
                    gone.add(rng.choice(before)["name"])
            for name in [n for n in gone if rows.db.execute("SELECT 1 FROM run WHERE name=?", (n,)).fetchone()]:
                if name not in rows.seeds:
                    rows.delete(name)
        what = f"question {number}: {question['service']} {request(question)}"
        assert len(names) == len(set(names)), what
        stayed = [r["name"] for r in expected(before, question) if r["name"] not in gone or r["name"] in rows.seeds]
        assert [n for n in names if n not in gone - set(rows.seeds) and n not in new] == stayed, what


def test_every_function_on_every_field(rows):
    rng = random.Random(5)
    model = list(rows.model())
    for field in [*KINDS, "labels.team"]:
        for _ in range(12):
            question = {"message": {"org": "any"}, "scope": lambda r: True, "filters": [some_filter(rng, model, field)],
                        "sorts": [("created_at", True)], "limit": 300}
            wanted = [r["name"] for r in expected(model, question)]
            assert page(rows.endpoint, question)[0] == wanted[:300], question["filters"]


def groups(rows, filters):
    """What WatchGroups says of the runs of development, whenever they began: runs by task and phase, the newest ones, and how
    long it took on average until they ran."""
    message = {"projectId": SCOPES[0][0]["projectId"], "startDate": "1970-01-01T00:00:00Z", "endDate": "2200-01-01T00:00:00Z",
               "request": {"filters": [{k: f[k] for k in ("field", "function", "values")} for f in filters]}}
    a = wire.post(rows.endpoint, wire.RUNS + "WatchGroups", wire.frame(wire.json.dumps(message).encode()), "application/connect+json")
    assert wire.stream_error(a) == (None, ""), (a, filters)
    told = wire.json.loads(next(payload for flags, payload in wire.frames(a.body))).get("taskGroups", [])
    return {g["taskName"]: (int(g["totalRuns"]), {phase_pb2.ActionPhase.Value(c["phase"]): int(c["count"]) for c in g["phaseCounts"]},
                            [s["runName"] for s in g["recentStatuses"]], wire.duration_ns(g.get("averageTimeToRunning", "0s")))
            for g in told}


def test_groups_are_of_the_runs_that_lists_list(rows):
    rng, model = random.Random(12), list(rows.model())
    fields = [*KINDS, "labels.team", "labels.rare"]
    for number in range(60):
        filters = [some_filter(rng, model, rng.choice(fields)) for _ in range(rng.choice((0, 1, 1, 2)))]
        wanted = {}
        for r in expected(model, {"scope": SCOPES[0][1], "filters": filters, "sorts": [("created_at", True)]}):
            total, phases, newest, waits = wanted.get(r["function_name"], (0, {}, [], []))
            phases[r["phase"]] = phases.get(r["phase"], 0) + 1
            wanted[r["function_name"]] = total + 1, phases, [*newest, r["name"]][:10], waits + [r["to_running"]] * bool(r["to_running"])
        # Their sum is more than 64 bits of nanoseconds have room for: the rows began to run a year after they were made.
        wanted = {k: (*v[:3], sum(v[3]) // (len(v[3]) or 1)) for k, v in wanted.items()}
        assert groups(rows, filters) == wanted, (number, filters)


def test_offsets_are_taken(rows):
    model = list(rows.model())
    for sorts in ([], [("created_at", False)], [("duration_ms", True)]):
        question = {"message": {"org": "any"}, "scope": lambda r: True, "filters": [], "sorts": sorts, "limit": 10}
        all_names = [r["name"] for r in expected(model, question)]
        names, token = page(rows.endpoint, question, "37")
        assert names == all_names[37:47]
        assert page(rows.endpoint, question, token)[0] == all_names[47:57]
        assert page(rows.endpoint, question, str(len(model) + 5)) == ([], "")


def test_what_is_no_token_of_this_question_is_refused(rows):
    question = {"message": {"org": "any"}, "scope": lambda r: True, "filters": [], "sorts": [("phase", True)], "limit": 3}
    _, token = page(rows.endpoint, question)
    others = [dict(question, sorts=[("phase", False)]), dict(question, message={"projectId": wire.PROJECT}),
              dict(question, filters=[{"field": "phase", "function": "EQUAL", "values": ["5"]}])]
    asked = [(question, t) for t in ("x", "-1", "1e3", token[:-4], token + "AAAA", "A" + token, "99999999999999999999")]
    for q, t in asked + [(o, token) for o in others]:
        a = wire.call(rows.endpoint, wire.RUNS + "ListRuns", request(q, t))
        assert a.code == "invalid_argument" and "token" in a.message, (t, a)
    assert page(rows.endpoint, dict(question, limit=5), token)[0], "another limit is no other question"


def test_bad_requests_name_the_field(rows):
    for part, word in (({"filters": [{"field": "no", "function": "EQUAL", "values": ["1"]}]}, "no"),
                       ({"filters": [{"field": "phase", "function": "CONTAINS", "values": ["1"]}]}, "phase"),
                       ({"filters": [{"field": "phase", "function": "EQUAL", "values": ["SLEEPY"]}]}, "phase"),
                       ({"filters": [{"field": "created_at", "function": "EQUAL", "values": ["today"]}]}, "created_at"),
                       ({"filters": [{"field": "task_name", "function": "EQUAL"}]}, "task_name"),
                       ({"filters": [{"field": "labels.x", "function": "CONTAINS", "values": ["1"]}]}, "labels"),
                       ({"sortBy": {"key": "trigger_type"}}, "trigger_type"),
                       ({"sortByFields": [{"key": "phase"}] * 9}, "sort_by_fields")):
        a = wire.call(rows.endpoint, wire.RUNS + "ListRuns", {"org": "any", "request": part})
        assert a.code == "invalid_argument" and word in a.message, (part, a)


def test_actions_of_a_run(rows):
    """Filters and orders of ListActions, with rows coming between the pages."""
    run = rows.one("run", f"name='{rows.seeds[0]}'")["id"]
    root, rng = rows.one("action", f"id={run << 24}"), random.Random(3)

    def add(i):
        parent = rng.choice([0, *range(1, min(i, 3))])
        rows.insert("action", {**root, "id": (run << 24) + i, "name": f"c{i}", "parent_id": (run << 24) + parent, "seq": i + 1,
                               "depth": 1, "phase": rng.choice((5, 6, 9)), "type": rng.choice((1, 3)),
                               "created_ns": root["created_ns"] + i, "ended_ns": root["created_ns"] + i + rng.randint(0, 5) * 10**7})
    for i in range(1, 120):
        add(i)

    def pages(part, between=lambda: None):
        names, token = [], None
        while token != "":
            a = wire.call(rows.endpoint, wire.RUNS + "ListActions",
                          {"runId": wire.run_id(rows.seeds[0]), "request": {"limit": 13, "token": token or "", **part}})
            assert a.status == 200, a
            names += [x["id"]["name"] for x in a.json.get("actions", [])]
            token = a.json.get("token", "")
            between()
        return names
    model = [r for i, r in sorted(rows.by_id("action").items()) if i >> 24 == run]
    named = {r["id"]: r["name"] for r in model}
    down, up = {"key": "created_at"}, {"key": "created_at", "direction": "ASCENDING"}
    assert pages({}) == pages({"sortBy": up}) == [r["name"] for r in model]
    assert pages({"sortBy": down}) == [r["name"] for r in reversed(model)]
    for field, value, keep in (("phase", "6", lambda r: r["phase"] == 6), ("phase", "PAUSED", lambda r: r["phase"] == 9),
                               ("parent_name", "c1", lambda r: named.get(r["parent_id"]) == "c1"),
                               ("action_type", "3", lambda r: r["type"] == 3)):
        part = {"filters": [{"field": field, "function": "EQUAL", "values": [value]}], "sortBy": up}
        assert pages(part) == [r["name"] for r in model if keep(r)], part
    by = sorted(model, key=lambda r: ((r["ended_ns"] - r["created_ns"]) // 10**6, r["id"]))
    later = iter(range(200, 300))
    names = pages({"sortBy": {"key": "duration_ms", "direction": "ASCENDING"}}, lambda: add(next(later)))
    assert [n for n in names if int(n[1:]) < 200] == [r["name"] for r in by] and len(names) == len(set(names))


@pytest.fixture
def deploy(rows):
    def deploy_one(name, version, **metadata):
        spec = wire.task_spec("core-echo")
        spec["taskTemplate"]["metadata"] = metadata
        task = {"project": "flytesnacks", "domain": "development", "name": name, "version": version}
        a = wire.call(rows.endpoint, TASKS + "DeployTask", {"taskId": task, "spec": spec})
        assert a.status == 200, a
        return task
    return deploy_one


def test_tasks_and_versions(rows, deploy):
    """Pages of tasks and versions while others are deployed."""
    def pages(method, message, key, sort, between):
        got, token = [], None
        while token != "":
            a = wire.call(rows.endpoint, TASKS + method, {**message, "request": {"limit": 3, "token": token or "", **sort}})
            assert a.status == 200, a
            got += [key(x) for x in a.json.get("tasks", a.json.get("versions", []))]
            token = a.json.get("token", "")
            between()
        return got
    names = [f"list.t{i}" for i in range(8)]
    for version in ("1", "2"):
        for name in names:
            deploy(name, version)
    number = iter(range(100))
    project, name_of = {"projectId": wire.PROJECT}, lambda t: t["taskId"]["name"]

    def newer():  # a name before all others, and a newer version of an old name
        deploy(f"list.a{next(number)}", "1")
    for sort in ({"sortBy": {"key": "name"}}, {"sortBy": {"key": "created_at"}}, {}):
        assert [n for n in pages("ListTasks", project, name_of, sort, newer) if n in names] == names[::-1], sort
    ascending = {"sortBy": {"key": "name", "direction": "ASCENDING"}}
    assert [n for n in pages("ListTasks", project, name_of, ascending, newer) if n in names] == names
    for i in range(7):
        deploy("list.v", f"v{i}")
    task = {"taskName": {"project": "flytesnacks", "domain": "development", "name": "list.v"}}
    got = pages("ListVersions", task, lambda v: v["version"], {}, lambda: deploy("list.v", f"w{next(number)}"))
    assert got == [f"v{i}" for i in reversed(range(7))]


def test_latest_runs(rows, deploy):
    """Of a task and of each of its versions."""
    task = {v: deploy("latest.t", v, discoveryVersion=v) for v in ("1", "2", "3")}
    one = {"field": "name", "function": "EQUAL", "values": ["latest.t"]}

    def latest():
        tasks = wire.call(rows.endpoint, TASKS + "ListTasks", {"projectId": wire.PROJECT, "request": {"limit": 5, "filters": [one]}})
        versions = wire.call(rows.endpoint, TASKS + "ListVersions", {"taskName": {k: v for k, v in task["1"].items() if k != "version"}})
        runs = [tasks.json["tasks"][0]["taskSummary"].get("latestRun"), *(v.get("latestRun") for v in versions.json["versions"])]
        return [r and (r["runId"]["name"], r["rootTaskName"]) for r in runs]

    assert latest() == [None, None, None, None]
    for run, version in (("latest1", "1"), ("latest2", "2"), ("latest3", "1")):
        assert wire.create_run(rows.endpoint, {"runId": wire.run_id(run), "taskId": task[version], "runSpec": {}}).status == 200
    assert latest() == [("latest3", "latest.t"), None, ("latest2", "latest.t"), ("latest3", "latest.t")]


def test_projects(rows):
    """Pages of projects while others are made before and after what was shown."""
    names = [f"p{i}" for i in range(20, 30)]
    for name in names:
        assert wire.create_project(rows.endpoint, name).status == 200
    back = names[::-1]
    for sort, want in (({}, names), ({"sortBy": {"key": "created_at"}}, back), ({"sortBy": {"key": "labels"}}, back)):
        got, token = [], None
        while token != "":
            a = wire.call(rows.endpoint, wire.PROJECTS + "ListProjects",
                          {"limit": 3, "token": token or "", "filters": "contains(name,p)+ne(state,1)", **sort})
            assert a.status == 200, a
            got += [p["id"] for p in a.json["projects"].get("projects", [])]
            token = a.json["projects"].get("token", "")
            wire.create_project(rows.endpoint, f"p1{len(got)}-{sort.get('sortBy', {}).get('key', 'x')[0]}")
        assert [n for n in got if n in names] == want, sort
    a = wire.call(rows.endpoint, wire.PROJECTS + "ListProjects", {"token": "nonsense"})
    assert a.code == "invalid_argument" and "token" in a.message


def test_secrets(rows):
    """Pages of secrets in order of creation, while what was shown last goes."""
    def call(rpc, message):
        a = wire.call(rows.endpoint, "/flyteidl2.secret.SecretService/" + rpc, message)
        assert a.status == 200, a
        return a.json

    def secret(name):
        return {"id": {"name": name, "project": "flytesnacks", "domain": "development"}}
    for i in range(7):
        call("CreateSecret", {**secret(f"s{i}"), "secretSpec": {"type": "SECRET_TYPE_GENERIC", "stringValue": "x"}})
    call("CreateSecret", {"id": {"name": "elsewhere"}, "secretSpec": {"type": "SECRET_TYPE_GENERIC", "stringValue": "x"}})
    got, token = [], None
    while token != "":
        told = call("ListSecrets", {"project": "flytesnacks", "domain": "development", "limit": 2, "token": token or ""})
        got += [s["id"]["name"] for s in told.get("secrets", [])]
        token = told.get("token", "")
        call("DeleteSecret", secret(got[-1]))
    assert got == [f"s{i}" for i in range(7)]
    a = wire.call(rows.endpoint, "/flyteidl2.secret.SecretService/ListSecrets", {"token": "nonsense"})
    assert a.code == "invalid_argument" and "token" in a.message


def test_a_long_list_answers_in_pieces(rows):
    """More rows than one answer looks at: a filter that hardly anything passes, and an order that no index has."""
    like = rows.seeds[0]
    run, action = rows.one("run", f"name='{like}'"), rows.one("action", f"id={rows.one('run', f'name={like!r}')['id'] << 24}")
    first, change = rows.db.execute("SELECT max(id)+1, max(change)+1 FROM run").fetchone()
    rows.insert("space", {"project": "flytesnacks", "domain": "staging"})
    run["space_id"] = rows.one("space", "domain='staging'")["id"]
    count = 130_000
    rows.db.execute("BEGIN IMMEDIATE")
    rows.db.executemany(f"INSERT INTO run ({','.join(run)}) VALUES ({','.join('?' * len(run))})", (
        list({**run, "id": first + i, "change": change + i, "name": f"many{i}", "created_ns": i * 1000}.values())
        for i in range(count)))
    rows.db.executemany(f"INSERT INTO action ({','.join(action)}) VALUES ({','.join('?' * len(action))})", (
        list({**action, "id": first + i << 24, "run_id": first + i, "created_ns": i * 1000,
              "ended_ns": (i * 7919) % count * 10**9, "updated_ns": (i * 7919) % count * 10**9}.values()) for i in range(count)))
    rows.db.execute("COMMIT")
    scope = {"message": {"projectId": {"name": "flytesnacks", "domain": "staging"}}, "limit": 100}
    one = {"field": "run_name", "function": "ENDS_WITH", "values": ["many77"]}
    names, token, pages = [], None, 0
    while token != "":
        more, token = page(rows.endpoint, {**scope, "filters": [one], "sorts": [("created_at", True)]}, token or "")
        names, pages = names + more, pages + 1
    assert names == ["many77"] and pages > 1
    names, token = page(rows.endpoint, {**scope, "filters": [], "sorts": [("ended_at", False)]})
    keys = [int(n[4:]) * 7919 % count for n in names]
    assert len(names) == 100 and keys == sorted(keys) and token
    some = {"field": "run_name", "function": "ENDS_WITH", "values": ["7"]}
    expected = [f"many{i}" for i in range(7, count, 10)]

    def all_pages(filters, sort):
        names, token, pages = [], None, 0
        while token != "":
            more, token = page(rows.endpoint, {**scope, "limit": 1000, "filters": filters, "sorts": [sort]}, token or "")
            names, pages = names + more, pages + 1
        return names, [int(n[4:]) * 7919 % count for n in names], pages
    names, keys, pages = all_pages([some], ("ended_at", False))
    assert sorted(names) == sorted(expected)
    windows = 1 + sum(a > b for a, b in zip(keys, keys[1:]))
    assert 1 < windows < pages
    # The last change has an index: the whole list is in that order, and few that have changed since are found at once.
    for descending in (True, False):
        names, keys, _ = all_pages([some], ("updated_at", descending))
        assert sorted(names) == sorted(expected) and keys == sorted(keys, reverse=descending)

    def updated(function, key):
        at = datetime.fromtimestamp(key, timezone.utc).isoformat().replace("+00:00", "Z")
        return {"field": "updated_at", "function": function, "values": [at]}
    for sort in (("updated_at", True), ("created_at", False), ("ended_at", False)):
        names, token = page(rows.endpoint, {**scope, "filters": [
            updated("GREATER_THAN_OR_EQUAL", 1000), updated("LESS_THAN", 1050)], "sorts": [sort]})
        keys = [int(n[4:]) * 7919 % count for n in names]
        assert sorted(keys) == list(range(1000, 1050)) and token == ""
        order = keys if sort[0] != "created_at" else [int(n[4:]) for n in names]
        assert order == sorted(order, reverse=sort[1])
    names, keys, pages = all_pages([updated("LESS_THAN", 5000)], ("updated_at", True))
    assert keys == list(range(4999, -1, -1)) and pages == 5


def test_a_long_list_of_versions_answers_in_pieces(rows):
    """What a filter names is looked for where it is; what nothing names, in pieces."""
    day = {"value": {"timeValue": "2026-01-01T00:00:00Z"}, "key": "day"}
    name = {"project": "flytesnacks", "domain": "development", "name": "long"}
    spec = {"value": {"scalar": {"blob": {"uri": "s3://tern/x/y/z"}}}, "type": {"blob": {}}, "timePartition": day,
            "partitions": {"value": {"region": {"staticValue": "eu"}}}}
    first = {"artifactId": {"name": name, "version": "first"}, "spec": spec}
    assert wire.call(rows.endpoint, wire.ARTIFACTS + "CreateArtifact", first).status == 200
    like, count = rows.one("artifact", "version='first'"), 130_000
    rows.db.execute("UPDATE artifact SET source_action='a1', source_run='r1', source_ref='ref' WHERE id=?", (like["id"],))
    rows.db.execute("BEGIN IMMEDIATE")
    rows.db.executemany(f"INSERT INTO artifact ({','.join(like)}) VALUES ({','.join('?' * len(like))})", (
        list({**like, "id": like["id"] + 1 + i, "version": f"v{i}", "part": b"other", "time_ns": 0}.values())
        for i in range(count)))
    rows.db.execute("COMMIT")

    def pages(*filters, **more):
        got, token = [], None
        while token != "":
            a = wire.call(rows.endpoint, wire.ARTIFACTS + "ListArtifacts", {
                "projectId": wire.PROJECT, "name": "long", **more,
                "request": {"limit": 200, "token": token or "", "filters": filters}})
            assert a.status == 200, a
            got.append([x["artifactId"]["version"] for x in a.json.get("artifacts", [])])
            token = a.json.get("token", "")
        return got

    def equal(field, value):
        return {"field": field, "function": "EQUAL", "values": [value]}
    for filters in (equal("partition.region", "eu"), equal("time_partition", day["value"]["timeValue"]), equal("source_run", "r1"),
                    equal("source_external_ref", "ref"), equal("version", "first")):
        assert pages(filters) == pages(equal("source_action", "a1"), filters) == [["first"]], filters
    for asked in ({"latestPerPartition": True}, {}):
        got = pages(equal("source_action", "a1"), **asked)
        assert len(got) > 1 and [v for page in got for v in page] == ["first"], asked
    some = {"field": "version", "function": "VALUE_IN", "values": ["first", "v5", "v7", "v9"]}
    assert [v for page in pages(some, latestPerPartition=True) for v in page] == ["v9", "first"]
    assert [v for page in pages(latestPerPartition=True) for v in page] == [f"v{count - 1}", "first"]


def test_a_long_list_of_tasks_answers_in_pieces(rows):
    """Of each name the newest version that the filters select; names are looked through in pieces."""
    def deployed(name, version):
        a = wire.call(rows.endpoint, TASKS + "DeployTask", {"taskId": {
            "project": "flytesnacks", "domain": "staging", "name": name, "version": version}, "spec": wire.task_spec("core-echo")})
        assert a.status == 200, a
    deployed("long.one", "1")
    deployed("long.one", "2")
    name, count = rows.one("task_name", "name='long.one'"), 130_000
    task = rows.one("task", f"task_name_id={name['id']}")
    first = {table: rows.db.execute(f"SELECT max(id)+1 FROM {table}").fetchone()[0] for table in ("task", "task_name")}
    rows.db.execute("BEGIN IMMEDIATE")
    rows.db.executemany("INSERT INTO task_name VALUES (?, ?, ?, ?)", (
        (first["task_name"] + i, name["project"], name["domain"], f"many{i}") for i in range(count)))
    rows.db.executemany(f"INSERT INTO task ({','.join(task)}) VALUES ({','.join('?' * len(task))})", (
        list({**task, "id": first["task"] + i, "task_name_id": first["task_name"] + i, "environment": f"env{i % 40000}"}.values())
        for i in range(count)))
    rows.db.execute("COMMIT")

    def ask(token="", sort=("created_at", "DESCENDING"), **equal):
        a = wire.call(rows.endpoint, TASKS + "ListTasks", {
            "projectId": {"name": "flytesnacks", "domain": "staging"}, "request": {
                "limit": 100, "token": token, "sortBy": {"key": sort[0], "direction": sort[1]},
                "filters": [{"field": k, "function": "EQUAL", "values": [v]} for k, v in equal.items()]}})
        assert a.status == 200, a
        return [(t["taskId"]["name"], t["taskId"]["version"]) for t in a.json.get("tasks", [])], a.json.get("token", ""), a.json["metadata"]
    got, token, pages = [], None, 0
    while token != "":
        more, token, counts = ask(token or "", environment="env7")
        got, pages = got + more, pages + 1
        assert 0 < counts["total"] <= 100_000
    assert sorted(n for n, _ in got) == sorted(f"many{i}" for i in range(7, count, 40000)) and pages > 1
    assert ask(name="long.one")[:2] == ([("long.one", "2")], "")
    assert ask(name="long.one", version="1")[:2] == ([("long.one", "1")], "")
    assert ask(name="long.one", version="3")[:2] == ([], "")
    got, token, _ = ask(sort=("name", "ASCENDING"))
    assert len(got) == 100 and got == sorted(got) and token


def test_the_sdk_lists_runs(sdk, tern):
    """Run.listall with all its filters, over more runs than one page has."""
    from flyte.remote import Run
    from flyte.remote._common import TimeFilter

    begin = datetime.now(timezone.utc)
    spec = wire.task_spec("core-echo")
    spec["taskTemplate"]["id"].update(name="listing.sdk", version="v7")
    names = [f"sdklist{i}" for i in range(105)]
    for name in names:
        labels = {"values": {"listing": "sdk", **({"odd": "yes"} if int(name[7:]) % 2 else {})}}
        a = wire.create_run(tern.endpoint, {"runId": wire.run_id(name), "taskSpec": spec, "runSpec": {"labels": labels}})
        assert a.status == 200, a
    subject = Rows(tern).one("identity", "id=(SELECT created_by FROM run WHERE name='sdklist0')")["subject"]
    phases = ("queued", "waiting_for_resources", "initializing", "running", "succeeded")

    def listed(**filters):
        return [r.name for r in Run.listall(limit=500, **filters)]
    assert listed(with_labels={"listing": "sdk"}, in_phase=phases) == names
    assert listed(task_name="listing.sdk", task_version="v7", sort_by=("created_at", "desc")) == names[::-1]
    assert listed(created_by_subject=subject, task_name="listing.sdk", created_at=TimeFilter(after=begin)) == names
    assert listed(with_labels={"listing": "sdk"}, with_label_keys=["odd"]) == names[1::2]
    assert listed(task_name="listing.sdk", created_at=TimeFilter(before=begin)) == []
    assert listed(with_labels={"listing": "sdk"}, updated_at=TimeFilter(after=begin)) == names
    assert listed(with_labels={"listing": "sdk"}, paused_actions_only=True) == []
    assert listed(with_labels={"listing": "sdk"}, created_by_subject="nobody") == []
