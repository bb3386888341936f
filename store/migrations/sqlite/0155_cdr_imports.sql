-- +goose Up
-- From where records of calls were imported, and how far.
CREATE TABLE cdr_imports (
  id         INTEGER  NOT NULL PRIMARY KEY,
  kind       TEXT     NOT NULL, -- file, table or made
  name       TEXT     NOT NULL, -- of the file when it was last read; host:port/schema.table and the days
  zone       TEXT     NOT NULL, -- of the times in it
  head       INTEGER  NOT NULL DEFAULT 0, -- bytes at the begin of the file by which it is known again
  digest     TEXT     NOT NULL DEFAULT '', -- of these, SHA-256
  position   INTEGER  NOT NULL DEFAULT 0, -- bytes that are read of the file; up to which calldate the table is, in seconds since 1970 by its clock
  lines_read INTEGER  NOT NULL DEFAULT 0, -- of the file, up to position
  warm       INTEGER  NOT NULL DEFAULT 0, -- where the last thousand records before position begin
  recent     INTEGER  NOT NULL DEFAULT 0, -- what these were
  read_rows  INTEGER  NOT NULL DEFAULT 0,
  added      INTEGER  NOT NULL DEFAULT 0,
  ours       INTEGER  NOT NULL DEFAULT 0, -- added, and of calls that stand in calls too
  malformed  INTEGER  NOT NULL DEFAULT 0,
  actor      TEXT     NOT NULL,
  started_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL
);
