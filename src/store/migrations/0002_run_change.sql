-- The number of the run's last change: grows over all runs, so that a watcher of many runs can ask for what is newer
-- than what it has seen.
ALTER TABLE run ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
UPDATE run SET change = id;
CREATE UNIQUE INDEX run_change ON run (change);                           -- WatchRuns: what is newer
