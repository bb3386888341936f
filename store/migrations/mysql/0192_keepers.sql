-- +goose Up
-- Processes that extend calls.
CREATE TABLE keepers (
  id      BIGINT       NOT NULL PRIMARY KEY,
  name    VARCHAR(120) NOT NULL,
  seen_at DATETIME(6)  NOT NULL,
  gone    BOOLEAN      NOT NULL DEFAULT FALSE COMMENT 'it has ended, and said so',
  figures TEXT         NOT NULL COMMENT 'JSON; what it has done'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
