-- +goose Up
CREATE TABLE members (
  group_id BIGINT NOT NULL,
  user_id  BIGINT NOT NULL,
  PRIMARY KEY (group_id, user_id),
  KEY members_user (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
