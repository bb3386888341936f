-- +goose Up
CREATE TABLE refusals (
  id        INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  at        DATETIME NOT NULL,
  user_id   BIGINT   NOT NULL,
  call_id   TEXT     NOT NULL, -- of the channel
  caller_id TEXT     NOT NULL,
  number    TEXT     NOT NULL,
  status    TEXT     NOT NULL,
  rule      TEXT     NOT NULL,
  reason    TEXT     NOT NULL
);
CREATE INDEX refusals_user ON refusals (user_id, id);
