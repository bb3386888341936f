-- +goose Up
ALTER TABLE users ADD COLUMN deck_id BIGINT NOT NULL DEFAULT 0; -- the rate deck assigned to him; 0: none
