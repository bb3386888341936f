-- +goose Up
CREATE TABLE queue_calls (
  call_id VARBINARY(150) NOT NULL PRIMARY KEY COMMENT 'unique id of the caller''s channel',
  started BIGINT         NOT NULL COMMENT 'first event, in microseconds since 1970; 0: it was in no queue',
  ended   BIGINT         NOT NULL COMMENT 'last event',
  talk    BIGINT         NOT NULL COMMENT 'seconds',
  caller  VARBINARY(100) NULL,
  url     VARBINARY(255) NULL,
  did     VARBINARY(100) NULL,
  tag     VARBINARY(100) NULL,
  log     MEDIUMBLOB     NOT NULL COMMENT 'its lines, each with its end',
  KEY queue_calls_started (started)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'calls of the queue_log with all their lines; the other columns say which calls a search need not look at, NULL: the lines decide';
