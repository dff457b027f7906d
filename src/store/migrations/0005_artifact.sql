-- Artifacts: values with a name and versions, and which objects they name.

CREATE TABLE artifact_name (
    id INTEGER PRIMARY KEY,
    space_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    schema BLOB,                 -- artifact.ArtifactPartitionSchema, declared or of the first version
    declared INTEGER NOT NULL,
    versions INTEGER NOT NULL,   -- how many there are
    latest_id INTEGER,           -- the newest; NULL: only declared
    UNIQUE (space_id, name)
);
CREATE INDEX artifact_name_latest ON artifact_name (space_id, latest_id) WHERE latest_id IS NOT NULL; -- ListArtifactNames

CREATE TABLE artifact (
    id INTEGER PRIMARY KEY,      -- in order of creation, which is the order of all lists
    name_id INTEGER NOT NULL,
    space_id INTEGER NOT NULL,   -- that of the name
    version TEXT NOT NULL,
    digest BLOB NOT NULL,        -- of the content: the same version with the same content is no error
    spec BLOB NOT NULL,          -- artifact.ArtifactSpec
    mismatch BLOB,               -- artifact.PartitionSchemaMismatch
    part BLOB NOT NULL,          -- digest of the partitions' keys and values
    time_ns INTEGER,             -- the time partition
    source_run TEXT,             -- names, in the space of the artifact: the run may be gone
    source_action TEXT,
    source_ref TEXT,
    created_ns INTEGER NOT NULL,
    created_by INTEGER,          -- identity
    UNIQUE (name_id, version)
);
CREATE INDEX artifact_of_name ON artifact (name_id);                      -- ListArtifacts of a name
CREATE INDEX artifact_of_space ON artifact (space_id);                    -- ListArtifacts
CREATE INDEX artifact_part ON artifact (name_id, part);                   -- the newest of each partition
CREATE INDEX artifact_time ON artifact (name_id, time_ns) WHERE time_ns IS NOT NULL;            -- time_partition
CREATE INDEX artifact_run ON artifact (source_run, source_action) WHERE source_run IS NOT NULL; -- source_run = a name
CREATE INDEX artifact_ref ON artifact (source_ref) WHERE source_ref IS NOT NULL;                -- source_external_ref

-- Pairs that lists filter by. kind 1: user_metadata; 2: partitions, the time partition as RFC 3339.
CREATE TABLE artifact_pair (
    artifact_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    name_id INTEGER NOT NULL,
    space_id INTEGER NOT NULL,
    PRIMARY KEY (artifact_id, kind, key)
) WITHOUT ROWID;
CREATE INDEX artifact_pair_name ON artifact_pair (name_id, kind, key, value);   -- ListPartitionValues, metadata keys of a name
CREATE INDEX artifact_pair_space ON artifact_pair (space_id, kind, key);        -- metadata keys of a project

-- Objects of our bucket that artifacts name: a key, or the folder above. Retention of runs and uploads spares them.
CREATE TABLE artifact_object (
    id INTEGER PRIMARY KEY,
    artifact_id INTEGER,         -- NULL: deleted, so that what is left of its run can go
    key TEXT NOT NULL,
    run_gone INTEGER NOT NULL DEFAULT 0 -- the run that made the object is gone
);
CREATE INDEX artifact_object_key ON artifact_object (key);
CREATE INDEX artifact_object_of ON artifact_object (artifact_id);
