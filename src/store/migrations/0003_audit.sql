-- What callers have changed. id = the moment in nanoseconds since 1970, one more than the last where that is later, so
-- that the order of ids is that of the changes whatever the clock does. Written with the change, in its transaction.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    rpc_id INTEGER NOT NULL,     -- audit_rpc
    by_id INTEGER,               -- identity; NULL = not known
    address TEXT,                -- where the call came from; NULL = this machine
    about TEXT                   -- what it changed, as project/domain/run/action and the like
);

-- Paths of RPCs, so that rows carry a number.
CREATE TABLE audit_rpc (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
);
