-- +goose Up
-- Whose money, status, limits or prices have changed while he has calls in progress: of the last minute.
CREATE TABLE moves (
  id      INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT, -- never used again: keepers know how far they have read
  user_id BIGINT   NOT NULL, -- 0: everybody
  at      DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);
CREATE INDEX moves_at ON moves (at);
