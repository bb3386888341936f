-- +goose Up
-- Passages of calls through queues, and telephones that rang in vain: made of the lines in queue_calls.
CREATE TABLE queue_items (
  moment   INTEGER NOT NULL, -- connected, else ended, else entered; or when the telephone stopped ringing; in microseconds since 1970
  call_id  TEXT    NOT NULL,
  n        INTEGER NOT NULL, -- of passages from 0 up; of telephones that rang in vain from -1 down
  queue_id INTEGER NOT NULL,
  agent_id INTEGER NOT NULL,
  outcome  INTEGER NOT NULL, -- 0 waiting, 1 talking, 2 answered, 3 abandoned, 4 timeout, 5 empty, 6 key, 7 dumped, 8 incompatible, 9 lost; 100 a telephone
  final    INTEGER NOT NULL, -- number of the final event
  counted  BOOLEAN NOT NULL, -- without an ENTERQUEUE: entered is counted back
  entered  INTEGER NOT NULL,
  ended    INTEGER NOT NULL, -- 0: not yet
  wait     INTEGER NOT NULL, -- seconds
  ring     INTEGER NOT NULL, -- seconds; of a telephone milliseconds
  talk     INTEGER NOT NULL, -- seconds
  place    INTEGER NOT NULL, -- position in the queue on leaving unanswered
  caller   TEXT    NOT NULL,
  url      TEXT    NOT NULL,
  did      TEXT    NOT NULL,
  pressed  TEXT    NOT NULL, -- key
  PRIMARY KEY (moment, call_id, n)
) WITHOUT ROWID;
CREATE INDEX queue_items_call ON queue_items (call_id);
