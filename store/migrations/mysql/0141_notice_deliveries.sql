-- +goose Up
CREATE TABLE notice_deliveries (
  id            BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  notice_id     BIGINT       NOT NULL,
  webhook_id    BIGINT       NOT NULL COMMENT '0: by mail',
  try           INT          NOT NULL COMMENT 'from 1 on',
  state         VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'waiting, done, failed or given-up',
  due_at        DATETIME(6)  NOT NULL,
  claimed_until DATETIME(6)  NULL,
  tried_at      DATETIME(6)  NULL,
  status        INT          NOT NULL DEFAULT 0 COMMENT 'of HTTP; 0: no answer',
  error         VARCHAR(200) NOT NULL DEFAULT '',
  UNIQUE KEY notice_deliveries_try (notice_id, webhook_id, try),
  KEY notice_deliveries_due (state, due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
