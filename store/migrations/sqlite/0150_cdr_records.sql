-- +goose Up
-- Records of calls that were imported; they charge nobody.
CREATE TABLE cdr_records (
  started_at  DATETIME NOT NULL, -- UTC
  id          BIGINT   NOT NULL, -- made of what the record says, so that it comes in once
  user_id     BIGINT   NOT NULL DEFAULT 0, -- who called; 0: nobody of ours
  callee_id   BIGINT   NOT NULL DEFAULT 0,
  ours        BOOLEAN  NOT NULL DEFAULT FALSE, -- of a call that stands in calls too, and is counted there
  duration    INTEGER  NOT NULL DEFAULT 0,
  billsec     INTEGER  NOT NULL DEFAULT 0,
  unique_id   TEXT     NOT NULL DEFAULT '',
  cnum        TEXT     NOT NULL DEFAULT '',
  cnam        TEXT     NOT NULL DEFAULT '',
  caller_id   TEXT     NOT NULL DEFAULT '',
  src         TEXT     NOT NULL DEFAULT '',
  dst         TEXT     NOT NULL DEFAULT '',
  context     TEXT     NOT NULL DEFAULT '',
  channel     TEXT     NOT NULL DEFAULT '',
  dst_channel TEXT     NOT NULL DEFAULT '',
  last_app    TEXT     NOT NULL DEFAULT '',
  disposition TEXT     NOT NULL DEFAULT '',
  account     TEXT     NOT NULL DEFAULT '',
  PRIMARY KEY (started_at, id)
) WITHOUT ROWID;
