-- +goose Up
CREATE INDEX rerated_calls_run ON rerated_calls (rerate_id, call_key);
