-- +goose Up
CREATE TABLE login_failures (
  who      CHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY COMMENT 'hash of user and address',
  failures INT         NOT NULL,
  last_at  DATETIME(6) NOT NULL,
  KEY login_failures_last_at (last_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
