-- +goose Up
ALTER TABLE calls ADD COLUMN pdd_ms INTEGER NULL;
