-- +goose Up
CREATE TABLE voucher_tries (
  who      CHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY COMMENT 'hash of a caller or a user',
  failures INT         NOT NULL,
  first_at DATETIME(6) NOT NULL,
  last_at  DATETIME(6) NOT NULL,
  KEY voucher_tries_last_at (last_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
