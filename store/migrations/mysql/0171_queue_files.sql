-- +goose Up
CREATE TABLE queue_files (
  id         BIGINT       NOT NULL PRIMARY KEY,
  kind       VARCHAR(10)  NOT NULL COMMENT 'file or table',
  name       VARCHAR(500) NOT NULL COMMENT 'of the file when it was last read; host:port/schema.table',
  head       INT          NOT NULL COMMENT 'bytes at its begin by which it is known again',
  digest     VARCHAR(64)  NOT NULL COMMENT 'of these, SHA-256',
  done       BOOLEAN      NOT NULL COMMENT 'it was rotated and read to its end',
  position   BIGINT       NOT NULL COMMENT 'bytes read; of a table the id',
  size       BIGINT       NOT NULL COMMENT 'bytes there were when it was last looked at; of a table the last id',
  lines_read BIGINT       NOT NULL,
  bad        BIGINT       NOT NULL COMMENT 'lines that were none',
  first_at   BIGINT       NOT NULL COMMENT 'time of the earliest event, in microseconds since 1970',
  last_at    BIGINT       NOT NULL,
  lost       BIGINT       NOT NULL COMMENT 'bytes that were there and are gone, unread',
  read_at    DATETIME(6)  NULL COMMENT 'when it was last read to its end',
  turn       BIGINT       NOT NULL COMMENT 'of queue_feed, when it was last read'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'how far files of the queue_log, or its table, were read';
