"""Random sequences of RPCs, legal ones and illegal ones, against a small model of what actions may do: each illegal one is
refused with the code that the documentation says, and after each the server's actions are those of the model."""
import itertools

import hypothesis
import pytest
import wire
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from waiting import wait_until

RUNS = st.sampled_from(["r", "s"])
# Names that are there, and some that are mostly not.
NAMES = st.sampled_from(["a0", "b", "c", "d", "e"])
TYPES = {"BOOLEAN": "boolValue", "INTEGER": "intValue", "FLOAT": "floatValue", "STRING": "stringValue"}
VALUES = st.sampled_from([("BOOLEAN", True), ("BOOLEAN", False), ("INTEGER", "7"), ("FLOAT", 2.5), ("STRING", "go")])
ENDED = {"SUCCEEDED", "ABORTED"}
OPEN = {"QUEUED", "WAITING_FOR_RESOURCES", "INITIALIZING", "RUNNING"}
number = itertools.count()


class Action:
    def __init__(self, parent, phase, takes=None):
        self.parent, self.phase, self.takes, self.value = parent, phase, takes, None


class Model(RuleBasedStateMachine):
    endpoint = None

    @initialize()
    def begin(self):
        self.prefix = f"m{next(number)}-"
        self.runs = {}
        self.inputs = {}

    # ---- what the server is asked -----------------------------------------------------------------------------------

    def call(self, path, message):
        return wire.call(self.endpoint, path, message).code

    def id(self, run, name):
        return {"run": wire.run_id(self.prefix + run), "name": name}

    def enqueue(self, run, name, parent, **spec):
        inputs = self.inputs.get(run, "s3://tern/flytesnacks/development/none/inputs.pb")
        message = wire.child(self.prefix + run, name, parent, inputs, "child")
        if spec:
            del message["action"]["task"]
        message["action"].update(spec)
        return self.call("/flyteidl2.actions.ActionsService/Enqueue", message)

    # ---- what the model says ----------------------------------------------------------------------------------------

    def why_not_below(self, run, name, parent):
        """The code that a new action is refused with."""
        actions = self.runs.get(run)
        if actions is None:
            return "not_found"
        if actions["a0"].phase == "ABORTED":
            return "aborted"
        if parent not in actions:
            return "not_found"
        if actions[parent].phase in ENDED:
            return "aborted"
        return "already_exists" if name in actions else None

    def end(self, run, name):
        """Aborts it, and what is below it."""
        actions = self.runs[run]
        if actions[name].phase not in ENDED:
            actions[name].phase = "ABORTED"
            for below, action in actions.items():
                if action.parent == name:
                    self.end(run, below)

    # ---- rules ------------------------------------------------------------------------------------------------------

    @rule(run=RUNS)
    def create_run(self, run):
        code = self.call(wire.RUNS + "CreateRun", wire.sleeper(self.prefix + run))
        assert code == ("already_exists" if run in self.runs else None)
        if not code:
            self.runs[run] = {"a0": Action(None, "OPEN")}
            self.inputs[run] = wire.call(self.endpoint, wire.RUNS + "GetActionDataURIs",
                                         {"actionId": self.id(run, "a0")}).json["inputsUri"]

    @rule(run=RUNS, name=NAMES, parent=NAMES)
    def enqueue_task(self, run, name, parent):
        refusal = self.why_not_below(run, name, parent)
        assert self.enqueue(run, name, parent) == refusal
        if not refusal:
            self.runs[run][name] = Action(parent, "OPEN")

    @rule(run=RUNS, name=NAMES, parent=NAMES, takes=st.sampled_from(sorted(TYPES)))
    def enqueue_condition(self, run, name, parent, takes):
        refusal = self.why_not_below(run, name, parent)
        condition = {"name": "approve", "prompt": "?", "type": {"simple": takes}}
        assert self.enqueue(run, name, parent, condition=condition) == refusal
        if not refusal:
            self.runs[run][name] = Action(parent, "PAUSED", takes)

    @rule(run=RUNS, name=NAMES, value=VALUES)
    def signal(self, run, name, value):
        action = self.runs.get(run, {}).get(name)
        kind, content = value
        code = self.call(wire.RUNS + "SignalEvent", {"actionId": self.id(run, name), "parentActionName": "a0",
                                                     "payload": {TYPES[kind]: content}})
        if action is None:
            assert code == "not_found"
        elif action.takes is None:
            assert code == "failed_precondition"
        elif action.value is not None:
            assert code == (None if action.value == value else "failed_precondition")
        elif action.phase in ENDED:
            assert code == "failed_precondition"
        elif action.takes != kind:
            assert code == "invalid_argument"
        else:
            assert code is None
            action.phase, action.value = "SUCCEEDED", value

    @rule(run=RUNS, name=NAMES, path=st.sampled_from([wire.RUNS + "AbortAction", "/flyteidl2.actions.ActionsService/Abort"]))
    def abort_action(self, run, name, path):
        code = self.call(path, {"actionId": self.id(run, name), "reason": "test"})
        assert code == (None if name in self.runs.get(run, {}) else "not_found")
        if not code:
            self.end(run, name)

    @rule(run=RUNS)
    def abort_run(self, run):
        code = self.call(wire.RUNS + "AbortRun", {"runId": wire.run_id(self.prefix + run)})
        assert code == (None if run in self.runs else "not_found")
        if not code:
            self.end(run, "a0")

    @rule(run=RUNS, name=NAMES)
    def report_as_an_executor(self, run, name):
        """Nobody has that role here (D-32)."""
        message = {"actionId": self.id(run, name), "attempt": 1, "status": {"phase": "ACTION_PHASE_SUCCEEDED", "attempts": 1}}
        assert self.call("/flyteidl2.actions.ActionsService/Update", message) == "permission_denied"

    # ---- what holds after each --------------------------------------------------------------------------------------

    def seen(self, run):
        a = wire.call(self.endpoint, wire.RUNS + "ListActions", {"runId": wire.run_id(self.prefix + run)})
        assert a.status == 200, a
        phases = {}
        for action in a.json.get("actions", []):
            phase = action["status"]["phase"].removeprefix("ACTION_PHASE_")
            phases[action["id"]["name"]] = "OPEN" if phase in OPEN else phase
        return phases

    @invariant()
    def the_server_agrees(self):
        for run in ("r", "s"):
            want = {name: action.phase for name, action in self.runs.get(run, {}).items()}
            # What is below an aborted action follows in pieces.
            wait_until(lambda: self.seen(run) == want, f"{want}, now {self.seen(run)}", seconds=20)

    def teardown(self):
        for run in getattr(self, "runs", {}):
            self.call(wire.RUNS + "AbortRun", {"runId": wire.run_id(self.prefix + run)})


@pytest.mark.parametrize("seed", [1, 2])
def test_sequences_of_rpcs(make_tern, seed):
    server = make_tern().start()
    machine = hypothesis.seed(seed)(type("Seeded", (Model,), {"endpoint": server.endpoint}))
    run_state_machine_as_test(machine, settings=hypothesis.settings(
        max_examples=60, stateful_step_count=25, deadline=None, database=None,
        suppress_health_check=list(hypothesis.HealthCheck)))
    # After kill -9 everything is as it was.
    before = wire.call(server.endpoint, wire.RUNS + "ListRuns", {"request": {"limit": 1000}, "projectId": wire.PROJECT}).json
    server.kill()
    server.restart()
    assert wire.call(server.endpoint, wire.RUNS + "ListRuns", {"request": {"limit": 1000}, "projectId": wire.PROJECT}).json == before
