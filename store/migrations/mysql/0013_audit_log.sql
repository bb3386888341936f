-- +goose Up
CREATE TABLE audit_log (
  id     BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at     DATETIME(6)  NOT NULL,
  actor  VARCHAR(80)  NOT NULL,
  action VARCHAR(40)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  target VARCHAR(160) NOT NULL DEFAULT '',
  before_json TEXT    NULL,
  after_json  TEXT    NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
