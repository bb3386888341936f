-- +goose Up
CREATE TABLE ended_sessions (
  id         TEXT     NOT NULL PRIMARY KEY,
  expires_at DATETIME NOT NULL -- from then on the cookie is too old anyway
);
