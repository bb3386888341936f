-- +goose Up
INSERT INTO counters (name, value) VALUES ('decks', 1);
