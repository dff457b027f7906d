-- The last change of a run is that of its root. With parent_id, which the queries name, the index covers them.
CREATE INDEX action_updated ON action (updated_ns, run_id, parent_id) WHERE parent_id IS NULL; -- ListRuns by updated_at
