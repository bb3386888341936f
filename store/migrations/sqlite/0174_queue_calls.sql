-- +goose Up
-- Calls of the queue_log with all their lines. The other columns say which calls a search need not look at; NULL: the lines decide.
CREATE TABLE queue_calls (
  call_id TEXT    NOT NULL PRIMARY KEY, -- unique id of the caller's channel
  started INTEGER NOT NULL, -- first event, in microseconds since 1970; 0: it was in no queue
  ended   INTEGER NOT NULL, -- last event
  talk    INTEGER NOT NULL, -- seconds
  caller  TEXT    NULL,
  url     TEXT    NULL,
  did     TEXT    NULL,
  tag     TEXT    NULL,
  log     BLOB    NOT NULL -- its lines, each with its end
) WITHOUT ROWID;
CREATE INDEX queue_calls_started ON queue_calls (started);
