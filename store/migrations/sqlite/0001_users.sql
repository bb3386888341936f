-- +goose Up
CREATE TABLE users (
  id            INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  username      TEXT     NOT NULL UNIQUE,
  password_hash TEXT     NOT NULL DEFAULT '',
  clid          TEXT     NULL UNIQUE,
  imsi          TEXT     NULL UNIQUE,
  admin         BOOLEAN  NOT NULL DEFAULT FALSE,
  currency      TEXT     NOT NULL DEFAULT 'SEC',
  epoch         BIGINT   NOT NULL DEFAULT 1,
  created_at    DATETIME NOT NULL,
  deleted_at    DATETIME NULL
);
