-- The oldest reusable results go first.
CREATE INDEX cache_entry_updated ON cache_entry (updated_ns);             -- retention.cache_*
