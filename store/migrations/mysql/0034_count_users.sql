-- +goose Up
INSERT INTO counters (name, value) SELECT 'users', COUNT(*) FROM users WHERE deleted_at IS NULL;
