-- +goose Up
CREATE TABLE voucher_batches (
  id          BIGINT      NOT NULL PRIMARY KEY COMMENT 'ours: it begins the serials',
  kind        VARCHAR(8)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'voucher or card',
  name        VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  made        BIGINT      NOT NULL,
  amount      BIGINT      NOT NULL COMMENT 'millionths, of each',
  currency    VARCHAR(8)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  valid_until DATETIME(6) NULL,
  credit_days INT         NOT NULL DEFAULT 0 COMMENT '0: the credit stays',
  deck        VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '' COMMENT 'of cards: as it was called when they were made',
  language    VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  created_at  DATETIME(6) NOT NULL,
  actor       VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  UNIQUE KEY voucher_batches_name (kind, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
