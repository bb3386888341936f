-- +goose Up
CREATE TABLE vouchers (
  serial   TEXT     NOT NULL PRIMARY KEY, -- 11 digits: those of the batch, and a running number
  batch_id BIGINT   NOT NULL,
  hash     TEXT     NOT NULL UNIQUE, -- HMAC-SHA-256 of the kind and the code, with the secret named vouchers
  state    TEXT     NOT NULL DEFAULT 'ready', -- ready, blocked, expired or used
  user_id  BIGINT   NOT NULL DEFAULT 0, -- who redeemed it, or the card's user
  used_at  DATETIME NULL
) WITHOUT ROWID;

CREATE INDEX vouchers_batch ON vouchers (batch_id, state);
