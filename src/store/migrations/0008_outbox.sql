-- Phases of which a rule of the run wants to hear: 1 << phase. 0 = the run has no rules.
ALTER TABLE run ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;

-- What is to be sent, a row for each delivery, written in the transaction of the change that it tells of. Rows stay as
-- long as their run: they are also how a second message about the same change is prevented.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    action_id INTEGER NOT NULL,  -- the run's root, or the condition
    phase INTEGER NOT NULL,      -- common.ActionPhase that it came to
    rule INTEGER NOT NULL,       -- number of the run's rule, or of the named rule's delivery; -1 = the condition's webhook
    channel INTEGER NOT NULL,    -- enum store_outbox_channel
    server INTEGER NOT NULL,     -- hash of where it goes: one slow server must not hold back the others
    config TEXT,                 -- the delivery config's name; NULL = the delivery is in the run's or condition's spec
    token TEXT,                  -- of a condition's webhook: who has it may answer the condition
    attempts INTEGER NOT NULL,   -- made so far
    created_ns INTEGER NOT NULL,
    due_ns INTEGER NOT NULL,     -- when the next attempt may be made
    ended_ns INTEGER,            -- NULL = to be sent
    error TEXT                   -- of the last attempt; of an ended one: it was given up
);
CREATE UNIQUE INDEX outbox_once ON outbox (action_id, phase, rule, channel);
CREATE INDEX outbox_due ON outbox (server, due_ns) WHERE ended_ns IS NULL;
CREATE INDEX outbox_dead ON outbox (id) WHERE ended_ns IS NOT NULL AND error IS NOT NULL;
