-- +goose Up
CREATE TABLE user_groups (
  id         BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name       VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  account_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'what other systems call it',
  value      BIGINT      NULL COMMENT 'of a refill, millionths; NULL: the default, for seconds',
  mode       VARCHAR(8)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  UNIQUE KEY user_groups_name (name),
  UNIQUE KEY user_groups_account_id (account_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
