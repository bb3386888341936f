-- +goose Up
CREATE INDEX deck_rates_prefix ON deck_rates (version_id, prefix);
