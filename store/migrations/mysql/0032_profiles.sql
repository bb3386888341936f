-- +goose Up
CREATE TABLE profiles (
  user_id    BIGINT       NOT NULL PRIMARY KEY,
  name       VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '' COMMENT 'of the person',
  level      INT          NOT NULL DEFAULT 1 COMMENT '1 user, 2 collaborator; an administrator is 0, which users.admin says',
  account_id VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'what other systems call him',
  UNIQUE KEY profiles_account_id (account_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
