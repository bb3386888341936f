-- +goose Up
CREATE TABLE queue_events (
  at     BIGINT     NOT NULL COMMENT 'microseconds since 1970',
  digest BINARY(16) NOT NULL COMMENT 'of the line, half a SHA-256: the same line counts once',
  line   BLOB       NOT NULL,
  PRIMARY KEY (at, digest)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'lines of the queue_log that are of agents, or of no call';
