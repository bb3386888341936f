-- +goose Up
CREATE TABLE provisions (
  id         BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id    BIGINT       NOT NULL,
  action     VARCHAR(8)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'create or delete',
  imsi       VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  clid       VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  made_at    DATETIME(6)  NOT NULL,
  due_at     DATETIME(6)  NOT NULL,
  claimed_until DATETIME(6) NULL,
  refusals   INT          NOT NULL DEFAULT 0,
  error      VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '' COMMENT 'of the last try',
  given_up   BOOLEAN      NOT NULL DEFAULT FALSE,
  KEY provisions_due (given_up, due_at),
  KEY provisions_user (user_id, id),
  KEY provisions_imsi (imsi, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
