-- +goose Up
CREATE TABLE webhooks (
  id         BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name       VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  url        VARCHAR(500) NOT NULL,
  secret     VARCHAR(80)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'signs what is sent',
  kinds      VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'of notices, with blanks between; empty: all',
  enabled    BOOLEAN      NOT NULL,
  created_at DATETIME(6)  NOT NULL,
  UNIQUE KEY webhooks_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
