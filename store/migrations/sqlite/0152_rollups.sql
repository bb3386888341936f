-- +goose Up
-- What was counted of whole days of calls.
CREATE TABLE rollups (
  source TEXT    NOT NULL, -- whose calls: talktime, or the host of a CDR database
  kind   TEXT    NOT NULL, -- what was counted of them
  day    INTEGER NOT NULL, -- by the clock on the wall, in days since 1970-01-01
  part   INTEGER NOT NULL, -- what was counted is longer than a row may be: from 0 on
  rule   TEXT    NOT NULL, -- digest of the settings by which it was counted
  data   BLOB    NOT NULL,
  PRIMARY KEY (source, kind, day, part)
);
