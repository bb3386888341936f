-- +goose Up
ALTER TABLE user_groups
  ADD COLUMN limits  TEXT CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'JSON; of each member who has none of his own',
  ADD COLUMN pool_id BIGINT NOT NULL DEFAULT 0 COMMENT 'in which the calls of all members count; 0: none';
