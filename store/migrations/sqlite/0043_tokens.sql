-- +goose Up
CREATE TABLE tokens (
  id         INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  name       TEXT     NOT NULL UNIQUE,
  hash       TEXT     NOT NULL UNIQUE, -- SHA-256 of the secret, which is random
  scopes     TEXT     NOT NULL,
  account    TEXT     NOT NULL DEFAULT '',
  created_at DATETIME NOT NULL,
  expires_at DATETIME NULL,
  last_used  DATETIME NULL
);
