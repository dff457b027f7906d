-- The task that runs when a run has failed: docs/failure-handlers.md.
ALTER TABLE run ADD COLUMN on_failure TEXT;    -- its full name, perhaps with :version; NULL = none
ALTER TABLE run ADD COLUMN handler_id INTEGER; -- the action that runs it; later ones of the run are below that

-- Failed runs whose handler is yet to be started.
CREATE TABLE failure (
    run_id INTEGER PRIMARY KEY,
    due_ns INTEGER NOT NULL,     -- when to look at it, later after an attempt that did not work
    failures INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX failure_due ON failure (due_ns, run_id);
