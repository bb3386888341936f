-- +goose Up
CREATE TABLE rerates (
  id         INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  name       TEXT     NOT NULL UNIQUE,
  plan       TEXT     NOT NULL, -- JSON: which calls, and the versions that price them
  digest     TEXT     NOT NULL, -- of what was previewed
  actor      TEXT     NOT NULL,
  created_at DATETIME NOT NULL,
  done_at    DATETIME NULL,
  running    INTEGER  NULL UNIQUE, -- 1 until it is done, NULL then: one at a time
  reached    BIGINT   NOT NULL DEFAULT 0, -- id of the last call that it has looked at
  calls      BIGINT   NOT NULL DEFAULT 0,
  adjusted   BIGINT   NOT NULL DEFAULT 0,
  unadjusted BIGINT   NOT NULL DEFAULT 0, -- left for some reason
  credited   BIGINT   NOT NULL DEFAULT 0,
  charged    BIGINT   NOT NULL DEFAULT 0,
  uncovered  BIGINT   NOT NULL DEFAULT 0
);
