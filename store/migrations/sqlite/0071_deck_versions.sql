-- +goose Up
CREATE TABLE deck_versions (
  id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  deck_id    BIGINT NOT NULL,
  number     BIGINT NOT NULL,
  note       TEXT NOT NULL DEFAULT '',
  rates      BIGINT NULL, -- how many; NULL: they are not all there yet
  actor      TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  UNIQUE (deck_id, number)
);
