-- +goose Up
CREATE TABLE queue_feed (
  id            TINYINT     NOT NULL PRIMARY KEY COMMENT '1',
  claimed_by    VARCHAR(80) NOT NULL DEFAULT '',
  claimed_until DATETIME(6) NULL COMMENT 'until when nobody else reads',
  turn          BIGINT      NOT NULL DEFAULT 0 COMMENT 'raised by each transaction of whoever reads, so that two cannot do so at once',
  changes       BIGINT      NOT NULL DEFAULT 0 COMMENT 'raised by each that changes what reports say',
  restarted     BIGINT      NOT NULL DEFAULT 0 COMMENT 'when Asterisk last started, by the log, in microseconds since 1970'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'who reads the queue_log, and what concerns all of it: one row';
