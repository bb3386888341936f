-- +goose Up
-- Changes of extensions, follow-mes and trunks, with all that is needed to take them back. They go after 30 days.
CREATE TABLE pbx_changes (
  id          INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  at          DATETIME NOT NULL, -- UTC
  actor       TEXT     NOT NULL,
  kind        TEXT     NOT NULL, -- extension, followme or trunk
  verb        TEXT     NOT NULL, -- add, update or delete
  account     TEXT     NOT NULL, -- the extension or the trunk
  before_json TEXT     NOT NULL, -- with secrets
  after_json  TEXT     NOT NULL, -- with secrets
  undoes      BIGINT   NOT NULL DEFAULT 0 -- the change that it took back; 0: none
);
