-- +goose Up
-- The latest lines of the queue_log that are none.
CREATE TABLE queue_bad_lines (
  file_id  INTEGER  NOT NULL,
  position INTEGER  NOT NULL,
  turn     INTEGER  NOT NULL, -- of queue_feed, when it was read
  at       DATETIME NOT NULL, -- when it was read
  line     TEXT     NOT NULL, -- its begin
  why      TEXT     NOT NULL,
  PRIMARY KEY (file_id, position)
) WITHOUT ROWID;
