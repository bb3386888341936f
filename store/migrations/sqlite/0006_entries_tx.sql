-- +goose Up
CREATE INDEX entries_tx ON entries (tx_id);
