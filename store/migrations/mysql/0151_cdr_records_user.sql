-- +goose Up
CREATE INDEX cdr_records_user ON cdr_records (user_id, started_at);
