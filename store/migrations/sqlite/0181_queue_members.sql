-- +goose Up
-- Whose the telephones of queues are, as Asterisk said last.
CREATE TABLE queue_members (
  interface TEXT     NOT NULL PRIMARY KEY, -- as the queue_log names it, such as PJSIP/204
  name      TEXT     NOT NULL, -- the member whose it is
  seen_at   DATETIME NOT NULL -- UTC; when it was first seen with this name
) WITHOUT ROWID;
