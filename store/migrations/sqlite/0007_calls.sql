-- +goose Up
-- What says DEFAULT without need is left out when a row that exists is changed with INSERT … ON CONFLICT DO UPDATE.
CREATE TABLE calls (
  id            INTEGER  NOT NULL PRIMARY KEY,
  call_id       TEXT     NOT NULL DEFAULT '' UNIQUE,
  user_id       BIGINT   NOT NULL DEFAULT 0,
  callee_id     BIGINT   NOT NULL DEFAULT 0,
  caller_id     TEXT     NOT NULL DEFAULT '',
  number        TEXT     NOT NULL DEFAULT '',
  state         TEXT     NOT NULL DEFAULT 'open',
  rate          TEXT     NOT NULL DEFAULT '', -- snapshot, JSON
  limit_seconds INTEGER  NOT NULL DEFAULT 0,
  holds         TEXT     NULL, -- JSON; NULL when nothing is held
  legs          TEXT     NULL, -- JSON; earlier legs under the same hold
  authorized_at DATETIME NOT NULL DEFAULT '2025-01-01 00:00:00.000000',
  due_at        DATETIME NOT NULL DEFAULT '2025-01-01 00:00:00.000000',
  up_before_ms  BIGINT   NOT NULL DEFAULT 0,
  attempts      INTEGER  NOT NULL DEFAULT 1, -- of the channel, on its first call
  dials         INTEGER  NOT NULL DEFAULT 1, -- authorisations under this hold
  notes         TEXT     NULL, -- JSON; evidence
  ended_at      DATETIME NULL,
  seconds       INTEGER  NOT NULL DEFAULT 0,
  talked_ms     BIGINT   NOT NULL DEFAULT 0,
  status        TEXT     NOT NULL DEFAULT '',
  cause         INTEGER  NOT NULL DEFAULT 0,
  charge        BIGINT   NOT NULL DEFAULT 0,
  shortfall     BIGINT   NOT NULL DEFAULT 0,
  settled_by    TEXT     NOT NULL DEFAULT '',
  unauthorized  BOOLEAN  NOT NULL DEFAULT FALSE,
  disputed      INTEGER  NOT NULL DEFAULT 0, -- seconds that later evidence claims
  claimed_until DATETIME NULL,
  writes        INTEGER  NOT NULL DEFAULT 0 -- since it was made, but for claims
);
