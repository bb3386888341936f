-- +goose Up
CREATE TABLE ended_sessions (
  id         CHAR(26)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  expires_at DATETIME(6) NOT NULL COMMENT 'from then on the cookie is too old anyway',
  KEY ended_sessions_expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
