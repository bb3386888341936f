-- +goose Up
CREATE TABLE cdr_imports (
  id         BIGINT       NOT NULL PRIMARY KEY,
  kind       VARCHAR(10)  NOT NULL COMMENT 'file, table or made',
  name       VARCHAR(255) NOT NULL COMMENT 'of the file when it was last read; host:port/schema.table and the days',
  zone       VARCHAR(64)  NOT NULL COMMENT 'of the times in it',
  head       INT          NOT NULL DEFAULT 0 COMMENT 'bytes at the begin of the file by which it is known again',
  digest     CHAR(64)     NOT NULL DEFAULT '' COMMENT 'of these, SHA-256',
  position   BIGINT       NOT NULL DEFAULT 0 COMMENT 'bytes that are read of the file; up to which calldate the table is, in seconds since 1970 by its clock',
  lines_read BIGINT       NOT NULL DEFAULT 0 COMMENT 'of the file, up to position',
  warm       BIGINT       NOT NULL DEFAULT 0 COMMENT 'where the last thousand records before position begin',
  recent     BIGINT       NOT NULL DEFAULT 0 COMMENT 'what these were',
  read_rows  BIGINT       NOT NULL DEFAULT 0,
  added      BIGINT       NOT NULL DEFAULT 0,
  ours       BIGINT       NOT NULL DEFAULT 0 COMMENT 'added, and of calls that stand in calls too',
  malformed  BIGINT       NOT NULL DEFAULT 0,
  actor      VARCHAR(80)  NOT NULL,
  started_at DATETIME(6)  NOT NULL,
  updated_at DATETIME(6)  NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'from where records of calls were imported, and how far';
