-- +goose Up
CREATE TABLE pbx_changes (
  id          BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at          DATETIME(6) NOT NULL COMMENT 'UTC',
  actor       VARCHAR(80) NOT NULL,
  kind        VARCHAR(16) NOT NULL COMMENT 'extension, followme or trunk',
  verb        VARCHAR(16) NOT NULL COMMENT 'add, update or delete',
  account     VARCHAR(40) NOT NULL COMMENT 'the extension or the trunk',
  before_json TEXT        NOT NULL COMMENT 'with secrets',
  after_json  TEXT        NOT NULL COMMENT 'with secrets',
  undoes      BIGINT      NOT NULL DEFAULT 0 COMMENT 'the change that it took back; 0: none'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'changes of extensions, follow-mes and trunks, with all that is needed to take them back; they go after 30 days';
