-- +goose Up
CREATE INDEX accounts_expires ON accounts (expires_at);
