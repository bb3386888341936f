-- +goose Up
CREATE TABLE promotions (
  tx_id      BIGINT      NOT NULL PRIMARY KEY,
  expires_at DATETIME(6) NOT NULL COMMENT 'as it was promised; the account may live longer'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
