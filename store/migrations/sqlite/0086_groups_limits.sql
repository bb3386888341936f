-- +goose Up
ALTER TABLE user_groups ADD COLUMN limits  TEXT   NULL; -- JSON; of each member who has none of his own
ALTER TABLE user_groups ADD COLUMN pool_id BIGINT NOT NULL DEFAULT 0; -- in which the calls of all members count; 0: none
