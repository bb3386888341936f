-- +goose Up
CREATE INDEX calls_callee ON calls (callee_id, id);
