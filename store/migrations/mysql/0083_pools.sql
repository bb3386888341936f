-- +goose Up
CREATE TABLE pools (
  id    BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name  VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'group:ID or carrier:ID',
  most  INT         NOT NULL DEFAULT 0 COMMENT 'calls at once; 0: any number',
  calls INT         NOT NULL DEFAULT 0 COMMENT 'open ones',
  UNIQUE KEY pools_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
