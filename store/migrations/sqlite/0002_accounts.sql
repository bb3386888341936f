-- +goose Up
-- What says DEFAULT without need is left out when a row that exists is changed with INSERT … ON CONFLICT DO UPDATE.
CREATE TABLE accounts (
  id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  user_id      BIGINT  NOT NULL DEFAULT 0, -- 0: an account of the house
  name         TEXT    NOT NULL DEFAULT '',
  currency     TEXT    NOT NULL DEFAULT 'SEC',
  balance      BIGINT  NOT NULL DEFAULT 0, -- millionths; of the house always 0
  held         BIGINT  NOT NULL DEFAULT 0,
  credit_limit BIGINT  NOT NULL DEFAULT 0,
  status       TEXT    NOT NULL DEFAULT 'active',
  burn         INTEGER NOT NULL DEFAULT 100,
  UNIQUE (user_id, name, currency),
  CONSTRAINT accounts_available CHECK (balance - held + credit_limit >= 0),
  CONSTRAINT accounts_held CHECK (held >= 0),
  CONSTRAINT accounts_credit CHECK (credit_limit >= 0)
);
