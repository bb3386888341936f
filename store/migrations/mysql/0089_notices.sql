-- +goose Up
CREATE TABLE notices (
  id      BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at      DATETIME(6)  NOT NULL,
  kind    VARCHAR(24)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id BIGINT       NOT NULL,
  data    TEXT         NOT NULL COMMENT 'JSON',
  once    VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'there is one notice about it at most',
  UNIQUE KEY notices_once (once)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
