-- +goose Up
-- Who counts roll-ups, and how far they are.
CREATE TABLE rollup_sources (
  source        TEXT     NOT NULL PRIMARY KEY,
  claimed_by    TEXT     NOT NULL DEFAULT '',
  claimed_until DATETIME NULL, -- until when nobody else counts
  passed_at     DATETIME NULL, -- when its days were last looked at, and none was left to be counted
  days          INTEGER  NOT NULL DEFAULT 0, -- that are kept
  stale         INTEGER  NOT NULL DEFAULT 0 -- days that were found to be counted anew and are not yet
) WITHOUT ROWID;
