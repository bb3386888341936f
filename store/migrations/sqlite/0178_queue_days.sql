-- +goose Up
-- All that is over of queue_items of whole days, packed.
CREATE TABLE queue_days (
  zone    TEXT    NOT NULL, -- of the clock on the wall
  day     INTEGER NOT NULL, -- days since 1970-01-01
  part    INTEGER NOT NULL, -- what was packed is longer than a row may be: from 0 on
  from_at INTEGER NOT NULL, -- when the day began, in microseconds since 1970
  to_at   INTEGER NOT NULL, -- when it ended
  data    BLOB    NOT NULL,
  PRIMARY KEY (zone, day, part)
);
CREATE INDEX queue_days_from ON queue_days (from_at);
