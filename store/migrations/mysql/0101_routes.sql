-- +goose Up
CREATE TABLE routes (
  id         BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
  prefix     VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
  ordering   VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'listed or cheapest',
  loss       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'skip, allow or alert',
  created_at DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
