-- +goose Up
INSERT INTO counters (name, value) VALUES ('batches', 0);
