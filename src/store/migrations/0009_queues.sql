-- What was said of queues and projects (docs/queues.md); one that is not here has no limit and priority 0.
CREATE TABLE queue (
    project INTEGER NOT NULL,    -- 1 = name is a project's, in all domains
    name TEXT NOT NULL,
    max_working INTEGER NOT NULL, -- 0 = no limit
    priority INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    paused INTEGER NOT NULL,
    PRIMARY KEY (project, name)
) WITHOUT ROWID;
