-- +goose Up
CREATE TABLE audit_log (
  id     INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  at     DATETIME NOT NULL,
  actor  TEXT     NOT NULL,
  action TEXT     NOT NULL,
  target TEXT     NOT NULL DEFAULT '',
  before_json TEXT NULL,
  after_json  TEXT NULL
);
