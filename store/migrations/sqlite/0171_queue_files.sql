-- +goose Up
-- How far files of the queue_log, or its table, were read.
CREATE TABLE queue_files (
  id         INTEGER  NOT NULL PRIMARY KEY,
  kind       TEXT     NOT NULL, -- file or table
  name       TEXT     NOT NULL, -- of the file when it was last read; host:port/schema.table
  head       INTEGER  NOT NULL, -- bytes at its begin by which it is known again
  digest     TEXT     NOT NULL, -- of these, SHA-256
  done       BOOLEAN  NOT NULL, -- it was rotated and read to its end
  position   INTEGER  NOT NULL, -- bytes read; of a table the id
  size       INTEGER  NOT NULL, -- bytes there were when it was last looked at; of a table the last id
  lines_read INTEGER  NOT NULL,
  bad        INTEGER  NOT NULL, -- lines that were none
  first_at   INTEGER  NOT NULL, -- time of the earliest event, in microseconds since 1970
  last_at    INTEGER  NOT NULL,
  lost       INTEGER  NOT NULL, -- bytes that were there and are gone, unread
  read_at    DATETIME NULL, -- when it was last read to its end
  turn       INTEGER  NOT NULL -- of queue_feed, when it was last read
);
