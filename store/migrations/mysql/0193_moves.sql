-- +goose Up
-- Whose money, status, limits or prices have changed while he has calls in progress: of the last minute.
CREATE TABLE moves (
  id      BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id BIGINT      NOT NULL COMMENT '0: everybody',
  at      DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  KEY moves_at (at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
