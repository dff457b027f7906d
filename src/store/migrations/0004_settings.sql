-- What runs get that they do not say themselves; one row for each level that has settings.
CREATE TABLE settings (
    domain TEXT NOT NULL,        -- '' = the organization's level
    project TEXT NOT NULL,       -- '' = the domain's level
    version INTEGER NOT NULL,
    body BLOB,                   -- settings.Settings; NULL = an empty one
    PRIMARY KEY (domain, project)
) WITHOUT ROWID;

-- The stages that every project has, in the order of position. Runs and tasks may name others.
CREATE TABLE domain (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_ns INTEGER NOT NULL
);
