-- +goose Up
-- The open calls that somebody extends. It is an index.
CREATE TABLE kept_calls (
  user_id  BIGINT NOT NULL,
  call_key BIGINT NOT NULL COMMENT 'id of the call',
  PRIMARY KEY (user_id, call_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
