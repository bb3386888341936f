-- +goose Up
CREATE INDEX calls_state ON calls (state, id);
