-- What callers have changed. id = the moment in nanoseconds since 1970, one more than the last where that is later, so
-- that the order of ids is that of the changes whatever the clock does. Written with the change, in its transaction.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    time_ns INTEGER,             -- the moment by the clock, where id is later; NULL = id
    rpc_id INTEGER NOT NULL,     -- audit_rpc
    by_id INTEGER,               -- identity; NULL = not known
    address TEXT,                -- where the call came from; NULL = this machine
    about TEXT                   -- what it changed, as project/domain/run/action and the like
);
CREATE INDEX audit_time ON audit (time_ns) WHERE time_ns IS NOT NULL;     -- what is old, of those

-- Paths of RPCs, so that rows carry a number.
CREATE TABLE audit_rpc (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
);
