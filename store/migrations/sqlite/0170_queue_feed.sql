-- +goose Up
-- Who reads the queue_log, and what concerns all of it: one row.
CREATE TABLE queue_feed (
  id            INTEGER  NOT NULL PRIMARY KEY, -- 1
  claimed_by    TEXT     NOT NULL DEFAULT '',
  claimed_until DATETIME NULL, -- until when nobody else reads
  turn          INTEGER  NOT NULL DEFAULT 0, -- raised by each transaction of whoever reads, so that two cannot do so at once
  changes       INTEGER  NOT NULL DEFAULT 0, -- raised by each that changes what reports say
  restarted     INTEGER  NOT NULL DEFAULT 0 -- when Asterisk last started, by the log, in microseconds since 1970
);
