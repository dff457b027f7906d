-- The metadata of a Tern installation. Rules:
--  * ids are integers. An action's id is run id << 24 | ordinal, so a run's actions are one range of the table and the
--    root (a0) of run r is action r << 24; whatever belongs to an action is keyed by its id and goes with the same range.
--  * rows hold no blobs that many rows share: specs are stored once, by their digest.
--  * times are nanoseconds since 1970 (_ns), wall clock; NULL = not yet.
--  * ids are given in order; that of the newest run is never freed (retention spares it), so no id is used twice.
--  * an index exists only where a query of a service or of the engine needs it; the query is named beside it.

-- Every start of the machine that wrote here (D-08): times of one boot can be compared by its clock.
CREATE TABLE boot (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE
);

-- A project and a domain, as used by runs; made on first use.
CREATE TABLE space (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    UNIQUE (project, domain)
);

-- Full task names, so that runs and tasks carry a number.
CREATE TABLE task_name (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (project, domain, name)
);

-- Who made runs.
CREATE TABLE identity (
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
);

-- Content-addressed messages: id = the first 63 bits of digest = SHA-256 over kind, names and body.
CREATE TABLE spec (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    kind INTEGER NOT NULL,       -- enum store_spec_kind
    task_name_id INTEGER,        -- TASK
    version TEXT,                -- TASK
    name TEXT NOT NULL,          -- full task name, trace name, condition name; '' for RUN
    short_name TEXT,
    task_type TEXT,
    environment TEXT,
    body BLOB NOT NULL           -- the encoded message
);

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    space_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    phase INTEGER NOT NULL,      -- of the root action, kept equal
    source INTEGER NOT NULL,     -- workflow.RunSource
    task_name_id INTEGER,
    spec_id INTEGER NOT NULL,    -- RunSpec without run_start_time
    start_ns INTEGER,            -- run_spec.run_start_time
    created_ns INTEGER NOT NULL,
    created_by INTEGER,          -- identity
    trigger_task_id INTEGER,     -- task_name
    trigger_name TEXT,
    trigger_revision INTEGER,
    max_actions INTEGER NOT NULL DEFAULT 0, -- run_spec.max_action_concurrency
    related_id INTEGER,          -- run that relation names
    abort_ns INTEGER,            -- the run was aborted: nothing may be enqueued any more
    base_uri TEXT NOT NULL       -- run_output_base, without / at the end
);
CREATE UNIQUE INDEX run_name ON run (space_id, name);                     -- every RPC that names a run
CREATE INDEX run_created ON run (space_id, created_ns);                   -- ListRuns by time, WatchGroups
CREATE INDEX run_phase ON run (space_id, phase, created_ns DESC);         -- ListRuns, default order
CREATE INDEX run_task ON run (task_name_id, created_ns);                  -- ListRuns of a task
CREATE INDEX run_trigger ON run (trigger_task_id, trigger_name, created_ns) WHERE trigger_name IS NOT NULL;

-- labels.<key> filters of ListRuns
CREATE TABLE run_label (
    run_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_id, key)
) WITHOUT ROWID;
CREATE INDEX run_label_value ON run_label (key, value, run_id);

-- CreateRun by (request id, caller, body), D-02. Ids grow with time: the sweep goes by id.
CREATE TABLE idempotency (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    run_id INTEGER NOT NULL,
    created_ns INTEGER NOT NULL
);

CREATE TABLE action (
    id INTEGER PRIMARY KEY,      -- run id << 24 | ordinal; ordinals in order of creation
    run_id INTEGER NOT NULL,
    parent_id INTEGER,           -- NULL for a0
    seq INTEGER NOT NULL,        -- grows with every change of any action of the run; the cursor of streams
    type INTEGER NOT NULL,       -- workflow.ActionType
    phase INTEGER NOT NULL,      -- common.ActionPhase
    depth INTEGER NOT NULL,      -- ancestors
    attempt INTEGER NOT NULL,    -- current or last attempt, 1-based; 0 for traces and conditions
    user_failures INTEGER NOT NULL DEFAULT 0,
    system_failures INTEGER NOT NULL DEFAULT 0,
    spec_id INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    queued_ns INTEGER NOT NULL,  -- of the current attempt
    started_ns INTEGER,          -- first RUNNING
    ended_ns INTEGER,            -- NULL = open
    updated_ns INTEGER NOT NULL,
    -- updated_ns by the clock of that boot, which goes on during suspend and never jumps: the row's time goes on from
    -- there, whatever happens to the wall clock (D-08)
    updated_up_ns INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    cache_status INTEGER NOT NULL DEFAULT 0, -- core.CatalogCacheStatus
    cache_key BLOB,              -- D-52; NULL = not cached
    recovered_id INTEGER,        -- action whose result was taken over (recover)
    external INTEGER NOT NULL DEFAULT 0, -- an external executor owns it (D-32)
    abort_ns INTEGER,
    abort_by INTEGER,            -- identity
    error_kind INTEGER NOT NULL DEFAULT 0, -- core.ExecutionError.ErrorKind
    recoverable INTEGER NOT NULL DEFAULT 0, -- the error was
    name TEXT NOT NULL,
    group_name TEXT,
    queue TEXT,
    input_uri TEXT,              -- directory or .../inputs.pb, as sent
    output_uri TEXT,             -- tasks: the attempt's folder; traces: the file
    cache_text TEXT,             -- TaskAction.cache_key as sent
    abort_reason TEXT,
    error_code TEXT,
    error TEXT,
    value BLOB,                  -- signalled conditions: core.Literal
    value_by INTEGER             -- identity
);
CREATE UNIQUE INDEX action_name ON action (run_id, name);                 -- every RPC that names an action
CREATE INDEX action_seq ON action (run_id, seq);                          -- WatchActions: what is newer
CREATE INDEX action_child ON action (parent_id, seq) WHERE parent_id IS NOT NULL; -- WatchForUpdates, ListActions of a parent
CREATE INDEX action_open ON action (run_id, parent_id) WHERE ended_ns IS NULL;    -- recovery, abort, paused_actions_only
CREATE INDEX action_cached ON action (cache_key) WHERE cache_key IS NOT NULL AND ended_ns IS NULL; -- who waits for an entry

-- How many descendants of an action are in each phase, kept on write. A row exists once there is a child.
CREATE TABLE subtree (
    action_id INTEGER PRIMARY KEY,
    open_children INTEGER NOT NULL DEFAULT 0, -- direct children that have not ended
    n1 INTEGER NOT NULL DEFAULT 0,
    n2 INTEGER NOT NULL DEFAULT 0,
    n3 INTEGER NOT NULL DEFAULT 0,
    n4 INTEGER NOT NULL DEFAULT 0,
    n5 INTEGER NOT NULL DEFAULT 0,
    n6 INTEGER NOT NULL DEFAULT 0,
    n7 INTEGER NOT NULL DEFAULT 0,
    n8 INTEGER NOT NULL DEFAULT 0,
    n9 INTEGER NOT NULL DEFAULT 0,
    n10 INTEGER NOT NULL DEFAULT 0
);

-- One launch of a task. The first row of an action is written with the intent to launch it.
CREATE TABLE attempt (
    action_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    queued_ns INTEGER NOT NULL,
    waiting_ns INTEGER,
    initializing_ns INTEGER,
    running_ns INTEGER,
    ended_ns INTEGER,
    boot INTEGER,
    cache_status INTEGER NOT NULL DEFAULT 0,
    error_kind INTEGER NOT NULL DEFAULT 0,
    recoverable INTEGER NOT NULL DEFAULT 0,
    has_log INTEGER NOT NULL DEFAULT 0,
    has_report INTEGER NOT NULL DEFAULT 0,
    cache_source INTEGER,        -- action whose outputs were reused
    cache_source_attempt INTEGER,
    exit_code INTEGER,
    cpu_ns INTEGER,
    max_rss INTEGER,
    output_uri TEXT,             -- the attempt's folder
    error_code TEXT,
    error TEXT,
    wait_reason TEXT,
    PRIMARY KEY (action_id, attempt)
) WITHOUT ROWID;

-- What happened to an action beyond its phases, in order: ClusterEvents, and what external executors report.
CREATE TABLE event (
    action_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,        -- per action, from 1
    attempt INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    kind INTEGER NOT NULL,       -- workflow.ClusterEvent.Type
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (action_id, seq)
) WITHOUT ROWID;

-- ActionEvents of external executors, first write wins.
CREATE TABLE report (
    action_id INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    version INTEGER NOT NULL,
    info BLOB NOT NULL,          -- workflow.ActionEvent
    PRIMARY KEY (action_id, attempt, phase, version)
) WITHOUT ROWID;

-- Unfinished cascades of aborts: the open children of action_id must be ended (0 = all of run_id).
CREATE TABLE cascade (
    run_id INTEGER NOT NULL,
    action_id INTEGER NOT NULL,
    reason TEXT NOT NULL,
    by_id INTEGER,
    PRIMARY KEY (run_id, action_id)
) WITHOUT ROWID;

-- StateService
CREATE TABLE state (
    action_id INTEGER PRIMARY KEY,
    body TEXT NOT NULL
);

CREATE TABLE project (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    labels BLOB,                 -- task.Labels
    state INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
) WITHOUT ROWID;

-- Deployed versions of tasks.
CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    task_name_id INTEGER NOT NULL,
    version TEXT NOT NULL,
    spec_id INTEGER NOT NULL,
    function_name TEXT NOT NULL,
    environment TEXT NOT NULL,
    env_description TEXT NOT NULL,
    short_description TEXT NOT NULL,
    entrypoint INTEGER NOT NULL DEFAULT 0, -- TaskMetadata.is_entrypoint
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL,
    deployed_by INTEGER,         -- identity
    trigger_name TEXT,
    trigger_total INTEGER NOT NULL DEFAULT 0,
    trigger_active INTEGER NOT NULL DEFAULT 0,
    trigger_automation BLOB,     -- task.TriggerAutomationSpec, when there is exactly one
    UNIQUE (task_name_id, version)
);
CREATE INDEX task_created ON task (task_name_id, created_ns);              -- the newest version, ListVersions

-- Values are sealed by the secret service before they come here.
CREATE TABLE secret (
    id INTEGER PRIMARY KEY,
    domain TEXT NOT NULL,        -- '' = global
    project TEXT NOT NULL,       -- '' = the whole domain
    name TEXT NOT NULL,
    type INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL,
    UNIQUE (domain, project, name)
);

-- Results that may be reused. key = SHA-256 (D-52, or of the cache service's scoped key).
CREATE TABLE cache_entry (
    key BLOB PRIMARY KEY,
    output_uri TEXT NOT NULL,
    action_id INTEGER,           -- that made it; NULL when it came by the cache service
    attempt INTEGER,
    metadata BLOB,               -- cacheservice.Metadata
    created_ns INTEGER NOT NULL,
    updated_ns INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE cache_reservation (
    key BLOB PRIMARY KEY,
    owner TEXT NOT NULL,
    heartbeat_s INTEGER NOT NULL,
    expires_ns INTEGER NOT NULL
) WITHOUT ROWID;
