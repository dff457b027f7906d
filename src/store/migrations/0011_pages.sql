-- Lists of artifacts and tasks are read in pieces: store/queries.def.
CREATE INDEX task_name_scope ON task_name (project, domain);              -- ListTasks

-- The same rows in another order of columns.
CREATE TABLE artifact_moved (
    id INTEGER PRIMARY KEY,      -- in order of creation, which is the order of all lists
    name_id INTEGER NOT NULL,
    space_id INTEGER NOT NULL,   -- that of the name
    version TEXT NOT NULL,
    digest BLOB NOT NULL,        -- of the content: the same version with the same content is no error
    part BLOB NOT NULL,          -- digest of the partitions' keys and values
    time_ns INTEGER,             -- the time partition
    time_key TEXT,               -- and its key
    source_run TEXT,             -- names, in the space of the artifact: the run may be gone
    source_action TEXT,
    source_ref TEXT,
    created_ns INTEGER NOT NULL,
    created_by INTEGER,          -- identity
    -- Last, since they may be large: what is behind them is read through all their pages.
    spec BLOB NOT NULL,          -- artifact.ArtifactSpec
    mismatch BLOB,               -- artifact.PartitionSchemaMismatch
    UNIQUE (name_id, version)
);
INSERT INTO artifact_moved
SELECT a.id, a.name_id, a.space_id, a.version, a.digest, a.part, a.time_ns,
       (SELECT p.key FROM artifact_pair p WHERE p.artifact_id = a.id AND p.kind = 2 AND a.time_ns IS NOT NULL
        AND CAST(strftime('%s', p.value) AS INTEGER) = a.time_ns / 1000000000 LIMIT 1),
       a.source_run, a.source_action, a.source_ref, a.created_ns, a.created_by, a.spec, a.mismatch
FROM artifact a;
DROP TABLE artifact;
ALTER TABLE artifact_moved RENAME TO artifact;
CREATE INDEX artifact_of_name ON artifact (name_id);                      -- ListArtifacts of a name
CREATE INDEX artifact_of_space ON artifact (space_id);                    -- ListArtifacts
CREATE INDEX artifact_part ON artifact (name_id, part);                   -- the newest of each partition
CREATE INDEX artifact_time ON artifact (name_id, time_ns) WHERE time_ns IS NOT NULL; -- time_partition
CREATE INDEX artifact_run ON artifact (source_run) WHERE source_run IS NOT NULL;     -- source_run = a name
CREATE INDEX artifact_ref ON artifact (source_ref) WHERE source_ref IS NOT NULL;     -- source_external_ref

DROP INDEX artifact_pair_name;
CREATE UNIQUE INDEX artifact_pair_name ON artifact_pair (name_id, kind, key, value, artifact_id); -- ListPartitionValues, ListArtifacts of a partition, metadata keys of a name

-- The moment by the clock, where the row's id is later; NULL = id.
ALTER TABLE audit ADD COLUMN time_ns INTEGER;
CREATE INDEX audit_time ON audit (time_ns) WHERE time_ns IS NOT NULL;     -- what is old, of those
