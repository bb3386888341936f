-- +goose Up
CREATE INDEX calls_user ON calls (user_id, id);
