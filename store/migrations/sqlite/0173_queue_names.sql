-- +goose Up
-- Queues and agents that the queue_log named.
CREATE TABLE queue_names (
  agent BOOLEAN NOT NULL, -- else a queue
  id    INTEGER NOT NULL, -- from 1 in the order of first sight, for queues and for agents each
  name  TEXT    NOT NULL,
  shown TEXT    NOT NULL DEFAULT '', -- what people call it; empty: its name
  PRIMARY KEY (agent, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX queue_names_name ON queue_names (agent, name);
