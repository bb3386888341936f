-- +goose Up
CREATE TABLE voucher_tries (
  who      TEXT     NOT NULL PRIMARY KEY, -- hash of a caller or a user
  failures INTEGER  NOT NULL,
  first_at DATETIME NOT NULL,
  last_at  DATETIME NOT NULL
);

CREATE INDEX voucher_tries_last_at ON voucher_tries (last_at);
