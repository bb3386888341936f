-- +goose Up
CREATE TABLE deck_rates (
  version_id        BIGINT NOT NULL,
  n                 BIGINT NOT NULL, -- the row in its file, from 1
  prefix            TEXT NOT NULL,
  destination       TEXT NOT NULL DEFAULT '',
  per_minute        BIGINT NOT NULL,
  connect_fee       BIGINT NOT NULL DEFAULT 0,
  first_seconds     BIGINT NOT NULL DEFAULT 1,
  increment_seconds BIGINT NOT NULL DEFAULT 1,
  minimum           BIGINT NOT NULL DEFAULT 0,
  grace_seconds     BIGINT NOT NULL DEFAULT 0,
  from_at           DATETIME NULL,
  to_at             DATETIME NULL,
  days              BIGINT NOT NULL DEFAULT 0, -- bit 0 is Sunday; 0: all
  start_minute      BIGINT NOT NULL DEFAULT 0,
  end_minute        BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (version_id, n)
) WITHOUT ROWID;
