-- +goose Up
CREATE TABLE transactions (
  id        BIGINT       NOT NULL PRIMARY KEY,
  kind      VARCHAR(12)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  ref       VARCHAR(160) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  posted_at DATETIME(6)  NOT NULL,
  actor     VARCHAR(80)  NOT NULL DEFAULT '',
  UNIQUE KEY transactions_ref (kind, ref)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
