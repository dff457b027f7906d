"""Environments with a reuse policy (docs/warm-pool.md): ordinary actions on the warm pool, none finds another's modules changed."""
import reused
from flyte.remote import Action
from waiting import wait_until


def test_a_reused_environment_is_the_warm_pool(run):
    def warm():
        r = run(reused.remembers, n=3)
        return r if all(a["start"] == "warm" for a in r.outputs()[0]) else None

    r = wait_until(warm, "actions forked from the pool")
    actions = r.outputs()[0]
    assert [a["seen"] for a in actions] == ["[0]", "[1]", "[2]"]
    assert len({a["pid"] for a in actions}) == 3
    assert r.details().action_details.pb2.task.task_template.type == "actor"
    assert len(list(Action.listall(for_run_name=r.name))) == 4
    assert [run(reused.remember, x=x).outputs()[0]["seen"] for x in (7, 8)] == ["[7]", "[8]"]
