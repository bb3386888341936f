-- +goose Up
CREATE TABLE user_groups (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  name       TEXT    NOT NULL UNIQUE,
  account_id TEXT    NULL UNIQUE, -- what other systems call it
  value      BIGINT  NOT NULL, -- of a refill, millionths
  mode       TEXT    NOT NULL
);
