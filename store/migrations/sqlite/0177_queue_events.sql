-- +goose Up
-- Lines of the queue_log that are of agents, or of no call.
CREATE TABLE queue_events (
  at     INTEGER NOT NULL, -- microseconds since 1970
  digest BLOB    NOT NULL, -- of the line, half a SHA-256: the same line counts once
  line   BLOB    NOT NULL,
  PRIMARY KEY (at, digest)
) WITHOUT ROWID;
