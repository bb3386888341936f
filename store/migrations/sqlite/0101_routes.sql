-- +goose Up
CREATE TABLE routes (
  id         INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  prefix     TEXT     NOT NULL UNIQUE,
  ordering   TEXT     NOT NULL, -- listed or cheapest
  loss       TEXT     NOT NULL, -- skip, allow or alert
  created_at DATETIME NOT NULL
);
