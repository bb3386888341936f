-- +goose Up
CREATE TABLE decks (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  name       TEXT NOT NULL UNIQUE,
  currency   TEXT NOT NULL,
  zone       TEXT NOT NULL,
  is_default BOOLEAN NOT NULL DEFAULT FALSE,
  created_at DATETIME NOT NULL
);
