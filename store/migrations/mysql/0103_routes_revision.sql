-- +goose Up
INSERT INTO counters (name, value) VALUES ('routes', 1);
