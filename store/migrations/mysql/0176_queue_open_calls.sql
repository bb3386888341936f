-- +goose Up
CREATE TABLE queue_open_calls (
  call_id VARBINARY(150) NOT NULL PRIMARY KEY,
  since   BIGINT         NOT NULL COMMENT 'in the queue, or with the agent; microseconds since 1970',
  last_at BIGINT         NOT NULL COMMENT 'its last event'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'calls that are still in a queue or with an agent';
