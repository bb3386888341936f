-- +goose Up
CREATE TABLE carriers (
  id         INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  name       TEXT     NOT NULL UNIQUE,
  dial       TEXT     NOT NULL,
  strip      BIGINT   NOT NULL DEFAULT 0, -- digits of the number
  prepend    TEXT     NOT NULL DEFAULT '',
  deck_id    BIGINT   NOT NULL DEFAULT 0, -- with what he asks; 0: nobody knows
  pool_id    BIGINT   NOT NULL DEFAULT 0, -- that bounds his calls at once; 0: none did yet
  enabled    BOOLEAN  NOT NULL DEFAULT TRUE,
  created_at DATETIME NOT NULL
);
