-- +goose Up
-- Follow-me of extensions that are kept in PJSIP realtime tables, of which those of Asterisk are made.
CREATE TABLE followme_settings (
  grpnum         TEXT     NOT NULL PRIMARY KEY, -- the extension
  strategy       TEXT     NOT NULL,
  grptime        SMALLINT NOT NULL, -- seconds that it rings
  grppre         TEXT     NOT NULL DEFAULT '', -- put in front of the name of the caller
  grplist        TEXT     NOT NULL, -- numbers with - between them, those outside with # behind them
  annmsg_id      INT      NOT NULL DEFAULT 0,
  postdest       TEXT     NOT NULL DEFAULT '', -- where a caller goes whom nobody answers
  dring          TEXT     NOT NULL DEFAULT '', -- Alert-Info
  remotealert_id INT      NOT NULL DEFAULT 0,
  needsconf      TEXT     NOT NULL DEFAULT '', -- CHECKED or empty
  toolate_id     INT      NOT NULL DEFAULT 0,
  pre_ring       SMALLINT NOT NULL DEFAULT 0, -- seconds that the extension rings alone before
  ringing        TEXT     NOT NULL DEFAULT ''
) WITHOUT ROWID;
