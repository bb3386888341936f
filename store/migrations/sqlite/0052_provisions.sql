-- +goose Up
CREATE TABLE provisions (
  id         INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  user_id    BIGINT   NOT NULL,
  action     TEXT     NOT NULL, -- create or delete
  imsi       TEXT     NOT NULL,
  clid       TEXT     NOT NULL DEFAULT '',
  made_at    DATETIME NOT NULL,
  due_at     DATETIME NOT NULL,
  claimed_until DATETIME NULL,
  refusals   INTEGER  NOT NULL DEFAULT 0,
  error      TEXT     NOT NULL DEFAULT '', -- of the last try
  given_up   BOOLEAN  NOT NULL DEFAULT FALSE
);

CREATE INDEX provisions_due ON provisions (given_up, due_at);
CREATE INDEX provisions_user ON provisions (user_id, id);
CREATE INDEX provisions_imsi ON provisions (imsi, id);
