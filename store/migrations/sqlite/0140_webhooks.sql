-- +goose Up
CREATE TABLE webhooks (
  id         INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT, -- never used again: deliveries name it
  name       TEXT     NOT NULL UNIQUE,
  url        TEXT     NOT NULL,
  secret     TEXT     NOT NULL, -- signs what is sent
  kinds      TEXT     NOT NULL, -- of notices, with blanks between; empty: all
  enabled    BOOLEAN  NOT NULL,
  created_at DATETIME NOT NULL
);
