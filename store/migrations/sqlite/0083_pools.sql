-- +goose Up
CREATE TABLE pools (
  id    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  name  TEXT    NOT NULL UNIQUE, -- group:ID or carrier:ID
  most  INTEGER NOT NULL DEFAULT 0, -- calls at once; 0: any number
  calls INTEGER NOT NULL DEFAULT 0  -- open ones
);
