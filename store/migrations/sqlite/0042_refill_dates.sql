-- +goose Up
CREATE TABLE refill_dates (
  id       INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  group_id BIGINT   NOT NULL,
  day      TEXT     NOT NULL, -- due at its first moment in the zone of the settings
  reached  BIGINT   NOT NULL DEFAULT 0, -- all members up to this one have theirs
  done_at  DATETIME NULL
);

CREATE INDEX refill_dates_group ON refill_dates (group_id, done_at, day);
CREATE INDEX refill_dates_due ON refill_dates (done_at, day);
CREATE INDEX refill_dates_begun ON refill_dates (done_at, reached);
