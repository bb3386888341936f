-- +goose Up
CREATE TABLE grants (
  user_id BIGINT      NOT NULL,
  kind    VARCHAR(8)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'queue, agent or account',
  name    VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (user_id, kind, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
