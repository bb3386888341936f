-- +goose Up
CREATE TABLE queue_bad_lines (
  file_id  BIGINT        NOT NULL,
  position BIGINT        NOT NULL,
  turn     BIGINT        NOT NULL COMMENT 'of queue_feed, when it was read',
  at       DATETIME(6)   NOT NULL COMMENT 'when it was read',
  line     VARBINARY(500) NOT NULL COMMENT 'its begin',
  why      VARCHAR(255)  NOT NULL,
  PRIMARY KEY (file_id, position)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'the latest lines of the queue_log that are none';
