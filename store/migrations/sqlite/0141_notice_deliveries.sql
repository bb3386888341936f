-- +goose Up
CREATE TABLE notice_deliveries (
  id            INTEGER  NOT NULL PRIMARY KEY,
  notice_id     BIGINT   NOT NULL,
  webhook_id    BIGINT   NOT NULL, -- 0: by mail
  try           INTEGER  NOT NULL, -- from 1 on
  state         TEXT     NOT NULL, -- waiting, done, failed or given-up
  due_at        DATETIME NOT NULL,
  claimed_until DATETIME NULL,
  tried_at      DATETIME NULL,
  status        INTEGER  NOT NULL DEFAULT 0, -- of HTTP; 0: no answer
  error         TEXT     NOT NULL DEFAULT '',
  UNIQUE (notice_id, webhook_id, try)
);
CREATE INDEX notice_deliveries_due ON notice_deliveries (state, due_at);
