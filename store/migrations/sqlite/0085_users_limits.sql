-- +goose Up
ALTER TABLE users ADD COLUMN limits TEXT NULL; -- JSON
