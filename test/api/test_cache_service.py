"""CacheService, both versions, by the stubs of the published package; and how old results go."""
import sqlite3
import time

import pytest
import wire
from flyteidl2.cacheservice import cacheservice_pb2 as v1
from flyteidl2.cacheservice.v2 import cacheservice_pb2 as v2
from google.protobuf import json_format

from test_retention import gc, restart_with

URI = "s3://tern/flytesnacks/development/made/a0/1/outputs.pb"
SCOPE = {"project": "flytesnacks", "domain": "development"}
BASES = {"Get": v1.GetCacheRequest, "Put": v1.PutCacheRequest, "Delete": v1.DeleteCacheRequest,
         "GetOrExtendReservation": v1.GetOrExtendReservationRequest, "ReleaseReservation": v1.ReleaseReservationRequest}
REPLIES = {"Get": v1.GetCacheResponse, "GetOrExtendReservation": v1.GetOrExtendReservationResponse}


class Cache:
    """One version of the service; scope: whose keys (v2)."""

    def __init__(self, endpoint, version, scope=SCOPE):
        self.endpoint, self.version, self.scope = endpoint, version, scope
        self.field = "base_request." if version == 2 else ""

    def __call__(self, rpc, **fields):
        base = BASES[rpc](**fields)
        path, message = "/flyteidl2.cacheservice.CacheService/", base
        if self.version == 2:
            path = "/flyteidl2.cacheservice.v2.CacheService/"
            message = getattr(v2, BASES[rpc].__name__)(base_request=base, identifier=v2.Identifier(**self.scope))
        told = wire.call(self.endpoint, path + rpc, json_format.MessageToDict(message))
        if told.status == 200 and rpc in REPLIES:
            return json_format.ParseDict(told.json, REPLIES[rpc]())
        return told


@pytest.fixture(params=[1, 2])
def cache(request, tern):
    return Cache(tern.endpoint, request.param)


def output(uri=URI, **pairs):
    return v1.CachedOutput(output_uri=uri, metadata=v1.Metadata(key_map=v1.KeyMapMetadata(values=pairs)))


def test_entries(cache):
    assert cache("Get", key="k").code == "not_found" == cache("Delete", key="k").code
    assert cache("Put", key="k", output=output(by="one")).status == 200
    first = cache("Get", key="k").output
    assert first.output_uri == URI and dict(first.metadata.key_map.values) == {"by": "one"}
    assert first.metadata.created_at == first.metadata.last_updated_at != v1.Metadata().created_at
    assert cache("Put", key="k", output=output(by="two")).code == "already_exists"
    young = v1.OverwriteOutput()
    young.max_age.FromSeconds(3600)
    assert cache("Put", key="k", output=output(by="two"), overwrite=young).code == "already_exists"
    assert cache("Put", key="k", output=output(by="two"), overwrite=v1.OverwriteOutput(overwrite=True)).status == 200
    second = cache("Get", key="k").output.metadata
    assert second.key_map.values["by"] == "two" and second.created_at == first.metadata.created_at
    assert second.last_updated_at.ToNanoseconds() > first.metadata.last_updated_at.ToNanoseconds()
    assert cache("Delete", key="k").status == 200 and cache("Get", key="k").code == "not_found"


def test_reservations(cache):
    ask = lambda owner, **more: cache("GetOrExtendReservation", key="r", owner_id=owner, **more).reservation  # noqa: E731
    mine = ask("one")
    assert (mine.key, mine.owner_id, mine.heartbeat_interval.seconds) == ("r", "one", 10)
    assert mine.expires_at.seconds > time.time() + 20
    assert ask("two").owner_id == "one"
    assert cache("ReleaseReservation", key="r", owner_id="two").status == 200 and ask("two").owner_id == "one"
    assert cache("ReleaseReservation", key="r", owner_id="one").status == 200 and ask("two").owner_id == "two"
    cache("ReleaseReservation", key="r", owner_id="two")


def test_scopes_do_not_meet(tern):
    caches = [Cache(tern.endpoint, 1), Cache(tern.endpoint, 2), Cache(tern.endpoint, 2, {**SCOPE, "domain": "production"})]
    for i, cache in enumerate(caches):
        assert cache("Put", key="shared", output=output(n=str(i))).status == 200
    assert [c("Get", key="shared").output.metadata.key_map.values["n"] for c in caches] == ["0", "1", "2"]


BAD = [("Get", {}, "key is required"), ("Get", {"key": "k" * 513}, "key: at most 512 bytes"),
       ("Put", {"key": "k"}, "output is required"), ("Delete", {}, "key is required"),
       ("Put", {"key": "k", "output": v1.CachedOutput()}, "output.output_uri is required"),
       ("Put", {"key": "k", "output": output("/etc/passwd")}, "output.output_uri"),
       ("Put", {"output": output()}, "key is required"),
       ("GetOrExtendReservation", {"key": "k"}, "owner_id is required"),
       ("GetOrExtendReservation", {"owner_id": "o"}, "key is required"),
       ("ReleaseReservation", {"key": "k", "owner_id": "o" * 257}, "owner_id: at most 256 bytes")]


@pytest.mark.parametrize("rpc, fields, said", BAD)
def test_bad_calls(cache, rpc, fields, said):
    told = cache(rpc, **fields)
    assert told.code == "invalid_argument" and told.message.startswith(cache.field + said), told


def test_old_results_go(make_tern):
    """The oldest ones when there are too many, then those that are too old; many of them in pieces."""
    server = make_tern().start()
    count, keep, now = 1300, 3, time.time_ns()
    with sqlite3.connect(server.data / "tern.db", timeout=20) as db:
        db.executemany("INSERT INTO cache_entry (key, output_uri, created_ns, updated_ns) VALUES (?, ?, ?, ?)",
                       ((i.to_bytes(32, "big"), URI, now, now - i) for i in range(count)))
    db.close()
    cache = Cache(server.endpoint, 1)
    cache("Put", key="newest", output=output())
    assert gc(server, "--dry-run")["cached results"] == 0
    restart_with(server, "--retention.cache_entries", str(keep))
    cache.endpoint = server.endpoint
    assert gc(server, "--dry-run")["cached results"] == count + 1 - keep
    assert gc(server)["cached results"] == count + 1 - keep and gc(server)["cached results"] == 0
    assert cache("Get", key="newest").output.output_uri == URI
    db = sqlite3.connect(server.data / "tern.db", timeout=20)
    assert [r[0] for r in db.execute("SELECT updated_ns FROM cache_entry ORDER BY updated_ns")][:2] == [now - 1, now]
    with db:
        db.execute("UPDATE cache_entry SET updated_ns = updated_ns - 91 * 86400 * 1000000000 WHERE updated_ns < ?", (now,))
    assert gc(server)["cached results"] == 1
    assert db.execute("SELECT count(*) FROM cache_entry").fetchone() == (keep - 1,)
    db.close()
