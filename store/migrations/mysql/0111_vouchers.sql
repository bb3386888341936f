-- +goose Up
CREATE TABLE vouchers (
  serial   CHAR(11)    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY COMMENT 'those of the batch, and a running number; as the ref of a transaction',
  batch_id BIGINT      NOT NULL,
  hash     CHAR(64)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'HMAC-SHA-256 of the kind and the code, with the secret named vouchers',
  state    VARCHAR(8)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'ready' COMMENT 'ready, blocked, expired or used',
  user_id  BIGINT      NOT NULL DEFAULT 0 COMMENT 'who redeemed it, or the user of the card',
  used_at  DATETIME(6) NULL,
  UNIQUE KEY vouchers_hash (hash),
  KEY vouchers_batch (batch_id, state)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
