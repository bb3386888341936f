-- +goose Up
CREATE TABLE users (
  id            BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  username      VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  clid          VARCHAR(24)  CHARACTER SET ascii COLLATE ascii_bin NULL,
  imsi          VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NULL,
  admin         BOOLEAN      NOT NULL DEFAULT FALSE,
  currency      VARCHAR(8)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'SEC',
  epoch         BIGINT       NOT NULL DEFAULT 1,
  created_at    DATETIME(6)  NOT NULL,
  deleted_at    DATETIME(6)  NULL,
  UNIQUE KEY users_username (username),
  UNIQUE KEY users_clid (clid),
  UNIQUE KEY users_imsi (imsi)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
