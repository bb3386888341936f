-- +goose Up
CREATE TABLE tokens (
  id         BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name       VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  hash       CHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'SHA-256 of the secret, which is random',
  scopes     VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  account    VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  created_at DATETIME(6)  NOT NULL,
  expires_at DATETIME(6)  NULL,
  last_used  DATETIME(6)  NULL,
  UNIQUE KEY tokens_name (name),
  UNIQUE KEY tokens_hash (hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
