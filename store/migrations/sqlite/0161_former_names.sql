-- +goose Up
-- Whose records of calls by a name were before it came to somebody else.
CREATE TABLE former_names (
  name    TEXT     NOT NULL PRIMARY KEY, -- a clid or an account_id that somebody had and has no more, or not always had
  until   DATETIME NOT NULL, -- UTC; when it was last given up
  user_id BIGINT   NOT NULL DEFAULT 0 -- whose it was all the time until then; 0: of several, or of a group
) WITHOUT ROWID;
