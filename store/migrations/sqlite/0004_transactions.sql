-- +goose Up
CREATE TABLE transactions (
  id        INTEGER  NOT NULL PRIMARY KEY,
  kind      TEXT     NOT NULL,
  ref       TEXT     NOT NULL,
  posted_at DATETIME NOT NULL,
  actor     TEXT     NOT NULL DEFAULT '',
  UNIQUE (kind, ref)
);
