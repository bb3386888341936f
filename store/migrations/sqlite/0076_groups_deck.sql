-- +goose Up
ALTER TABLE user_groups ADD COLUMN deck_id BIGINT NOT NULL DEFAULT 0; -- that of its members to whom none is assigned; 0: none
