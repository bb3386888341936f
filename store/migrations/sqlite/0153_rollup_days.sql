-- +goose Up
-- Of which days there are roll-ups, and from what these were counted.
CREATE TABLE rollup_days (
  source    TEXT     NOT NULL,
  kind      TEXT     NOT NULL,
  day       INTEGER  NOT NULL,
  rule      TEXT     NOT NULL,
  signature TEXT     NOT NULL, -- changes when the records of the day do, or those beside it
  records   INTEGER  NOT NULL,
  made_at   DATETIME NOT NULL,
  PRIMARY KEY (source, kind, day)
) WITHOUT ROWID;
