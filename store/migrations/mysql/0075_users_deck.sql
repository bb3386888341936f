-- +goose Up
ALTER TABLE users ADD COLUMN deck_id BIGINT NOT NULL DEFAULT 0 COMMENT 'the rate deck assigned to him; 0: none';
