-- +goose Up
CREATE TABLE accounts (
  id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  user_id      BIGINT  NOT NULL, -- 0: an account of the house
  name         TEXT    NOT NULL,
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
