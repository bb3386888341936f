-- +goose Up
CREATE TABLE entries (
  account_id BIGINT NOT NULL,
  tx_id      BIGINT NOT NULL,
  amount     BIGINT NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (account_id, tx_id)
) WITHOUT ROWID;
