-- +goose Up
ALTER TABLE notices ADD COLUMN spread BOOLEAN NOT NULL DEFAULT FALSE; -- deliveries are made
CREATE INDEX notices_spread ON notices (spread, id);
