-- +goose Up
-- Calls that are still in a queue or with an agent.
CREATE TABLE queue_open_calls (
  call_id TEXT    NOT NULL PRIMARY KEY,
  since   INTEGER NOT NULL, -- in the queue, or with the agent; microseconds since 1970
  last_at INTEGER NOT NULL -- its last event
) WITHOUT ROWID;
