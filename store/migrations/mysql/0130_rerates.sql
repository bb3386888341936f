-- +goose Up
CREATE TABLE rerates (
  id         BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name       VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE,
  plan       MEDIUMTEXT  NOT NULL COMMENT 'JSON: which calls, and the versions that price them',
  digest     CHAR(32)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'of what was previewed',
  actor      VARCHAR(80) NOT NULL,
  created_at DATETIME(6) NOT NULL,
  done_at    DATETIME(6) NULL,
  running    TINYINT     NULL UNIQUE COMMENT '1 until it is done, NULL then: one at a time',
  reached    BIGINT      NOT NULL DEFAULT 0 COMMENT 'id of the last call that it has looked at',
  calls      BIGINT      NOT NULL DEFAULT 0,
  adjusted   BIGINT      NOT NULL DEFAULT 0,
  unadjusted BIGINT      NOT NULL DEFAULT 0 COMMENT 'left for some reason',
  credited   BIGINT      NOT NULL DEFAULT 0,
  charged    BIGINT      NOT NULL DEFAULT 0,
  uncovered  BIGINT      NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
