-- +goose Up
CREATE TABLE members (
  group_id BIGINT NOT NULL,
  user_id  BIGINT NOT NULL,
  PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;

CREATE INDEX members_user ON members (user_id);
