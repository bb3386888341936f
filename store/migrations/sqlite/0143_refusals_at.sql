-- +goose Up
CREATE INDEX refusals_at ON refusals (at, user_id);
