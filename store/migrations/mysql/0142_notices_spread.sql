-- +goose Up
ALTER TABLE notices
  ADD COLUMN spread BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'deliveries are made',
  ADD KEY notices_spread (spread, id);
