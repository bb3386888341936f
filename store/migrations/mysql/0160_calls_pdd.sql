-- +goose Up
ALTER TABLE calls ADD COLUMN pdd_ms INT NULL COMMENT 'from the dial to ringing; NULL: unknown';
