-- +goose Up
CREATE TABLE entries (
  account_id BIGINT NOT NULL,
  tx_id      BIGINT NOT NULL,
  amount     BIGINT NOT NULL,
  PRIMARY KEY (account_id, tx_id),
  CONSTRAINT entries_amount CHECK (amount <> 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
