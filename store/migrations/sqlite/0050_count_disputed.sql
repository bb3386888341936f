-- +goose Up
INSERT INTO counters (name, value) SELECT 'disputed', COUNT(*) FROM calls WHERE disputed > seconds;
