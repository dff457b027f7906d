-- Lists of runs walk an index in order of creation: store/queries.def says which for what.
ALTER TABLE run ADD COLUMN task_spec_id INTEGER; -- the root's TaskSpec
UPDATE run SET task_spec_id = (SELECT a.spec_id FROM action a WHERE a.id = run.id << 24);
CREATE INDEX run_version ON run (task_spec_id, created_ns);               -- ListRuns of a version
CREATE INDEX spec_version ON spec (version) WHERE version IS NOT NULL;    -- the specs of a version
CREATE INDEX task_name_name ON task_name (name);                          -- ListRuns of a task, whatever its project
DROP INDEX run_phase;
CREATE INDEX run_phase ON run (space_id, phase, created_ns);              -- ListRuns by phase, in either direction
CREATE INDEX run_creator ON run (space_id, created_by, created_ns);       -- ListRuns of a person
CREATE INDEX run_time ON run (created_ns);                                -- ListRuns of all projects
CREATE INDEX run_tracked ON run (source, created_ns) WHERE source = 4;    -- ListRuns of TrackedRunService

ALTER TABLE run_label ADD COLUMN created_ns INTEGER NOT NULL DEFAULT 0;   -- of the run
UPDATE run_label SET created_ns = (SELECT r.created_ns FROM run r WHERE r.id = run_label.run_id);
DROP INDEX run_label_value;
CREATE INDEX run_label_value ON run_label (key, value, created_ns, run_id); -- ListRuns with a label
CREATE INDEX run_label_key ON run_label (key, created_ns, run_id);        -- ... whatever its value

CREATE INDEX action_paused ON action (run_id) WHERE phase = 9 AND ended_ns IS NULL; -- paused_actions_only
