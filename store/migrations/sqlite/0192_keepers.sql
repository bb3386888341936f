-- +goose Up
-- Processes that extend calls.
CREATE TABLE keepers (
  id      INTEGER  NOT NULL PRIMARY KEY,
  name    TEXT     NOT NULL,
  seen_at DATETIME NOT NULL,
  gone    BOOLEAN  NOT NULL DEFAULT FALSE, -- it has ended, and said so
  figures TEXT     NOT NULL -- JSON; what it has done
);
