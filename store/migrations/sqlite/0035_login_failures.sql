-- +goose Up
CREATE TABLE login_failures (
  who      TEXT     NOT NULL PRIMARY KEY, -- hash of user and address
  failures INTEGER  NOT NULL,
  last_at  DATETIME NOT NULL
);
