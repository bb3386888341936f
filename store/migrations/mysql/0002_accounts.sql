-- +goose Up
-- What says DEFAULT without need is left out when a row that exists is changed with INSERT … ON DUPLICATE KEY UPDATE.
CREATE TABLE accounts (
  id           BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id      BIGINT      NOT NULL DEFAULT 0 COMMENT '0: an account of the house',
  name         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  currency     VARCHAR(8)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'SEC',
  balance      BIGINT      NOT NULL DEFAULT 0 COMMENT 'millionths; of the house always 0',
  held         BIGINT      NOT NULL DEFAULT 0,
  credit_limit BIGINT      NOT NULL DEFAULT 0,
  status       VARCHAR(8)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'active',
  burn         INT         NOT NULL DEFAULT 100,
  UNIQUE KEY accounts_owner (user_id, name, currency),
  CONSTRAINT accounts_available CHECK (balance - held + credit_limit >= 0),
  CONSTRAINT accounts_held CHECK (held >= 0),
  CONSTRAINT accounts_credit CHECK (credit_limit >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
