-- +goose Up
CREATE TABLE user_groups (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  name       TEXT    NOT NULL UNIQUE,
  account_id TEXT    NULL UNIQUE, -- what other systems call it
  value      BIGINT  NULL, -- of a refill, millionths; NULL: the default, for seconds
  mode       TEXT    NOT NULL
);
