-- Triggers: what starts runs of a task. A deleted one keeps its row, for its revisions and for coming back.
CREATE TABLE task_trigger (
    id INTEGER PRIMARY KEY,
    space_id INTEGER NOT NULL,   -- of the task
    task_name_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,   -- the latest; grows with every change
    spec_id INTEGER NOT NULL,    -- trigger.TriggerSpec without what has a column here
    task_version TEXT NOT NULL,
    active INTEGER NOT NULL,
    description TEXT NOT NULL,
    automation_type INTEGER NOT NULL, -- task.TriggerAutomationSpecType
    automation BLOB NOT NULL,    -- task.TriggerAutomationSpec
    from_deploy INTEGER NOT NULL, -- DeployTask made it, and removes it when it is not listed any more (D-53)
    deployed_by INTEGER,         -- identity
    updated_by INTEGER,          -- identity
    deployed_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL, -- switched on or off
    triggered_ns INTEGER,        -- last run
    deleted_ns INTEGER,
    -- The schedule: the slot that comes next, and when to look at it, which is later after a failure. A run is inserted
    -- together with the step to the slot after it.
    next_ns INTEGER,
    due_ns INTEGER,
    failures INTEGER NOT NULL DEFAULT 0, -- in a row, of the slot that comes next
    artifact_name TEXT,          -- of an artifact trigger
    artifact_version TEXT,       -- NULL = any
    UNIQUE (task_name_id, name)
);
CREATE INDEX task_trigger_space ON task_trigger (space_id, name);          -- ListTriggers of a project, a trigger by its name alone
CREATE INDEX task_trigger_due ON task_trigger (due_ns) WHERE due_ns IS NOT NULL; -- the scheduler
CREATE INDEX task_trigger_artifact ON task_trigger (space_id, artifact_name) WHERE artifact_name IS NOT NULL AND active = 1; -- a new version of an artifact

-- The trigger after each change.
CREATE TABLE task_trigger_revision (
    trigger_id INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    action INTEGER NOT NULL,     -- trigger.TriggerRevisionAction
    spec_id INTEGER NOT NULL,
    task_version TEXT NOT NULL,
    active INTEGER NOT NULL,
    description TEXT NOT NULL,
    automation_type INTEGER NOT NULL,
    automation BLOB NOT NULL,
    deployed_by INTEGER,
    updated_by INTEGER,
    deployed_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL,
    triggered_ns INTEGER,
    deleted_ns INTEGER,
    PRIMARY KEY (trigger_id, revision)
) WITHOUT ROWID;
CREATE INDEX task_trigger_revision_spec ON task_trigger_revision (spec_id); -- which specs may go
CREATE INDEX task_triggered ON task (task_name_id) WHERE trigger_total > 0; -- summaries that may have to change

-- New versions of artifacts for which triggers have to start runs. A row goes when all of them have.
CREATE TABLE artifact_event (
    id INTEGER PRIMARY KEY,
    space_id INTEGER NOT NULL,
    artifact BLOB NOT NULL,      -- core.ArtifactID, with everything
    value BLOB NOT NULL,         -- core.Literal
    run_id INTEGER,              -- that made it
    done_id INTEGER NOT NULL DEFAULT 0, -- triggers up to this id have had their turn
    due_ns INTEGER NOT NULL,     -- when to look at it, later after a failure
    failures INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX artifact_event_due ON artifact_event (due_ns, id);
