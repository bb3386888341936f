-- +goose Up
CREATE TABLE deck_activations (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  deck_id    BIGINT NOT NULL,
  version_id BIGINT NOT NULL,
  from_at    DATETIME NOT NULL,
  until_at   DATETIME NULL, -- when it was taken back
  actor      TEXT NOT NULL,
  created_at DATETIME NOT NULL
);
