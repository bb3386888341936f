-- +goose Up
CREATE TABLE deck_rates (
  version_id        BIGINT NOT NULL,
  n                 BIGINT NOT NULL COMMENT 'the row in its file, from 1',
  prefix            VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  destination       VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  per_minute        BIGINT NOT NULL,
  connect_fee       BIGINT NOT NULL DEFAULT 0,
  first_seconds     BIGINT NOT NULL DEFAULT 1,
  increment_seconds BIGINT NOT NULL DEFAULT 1,
  minimum           BIGINT NOT NULL DEFAULT 0,
  grace_seconds     BIGINT NOT NULL DEFAULT 0,
  from_at           DATETIME(6) NULL,
  to_at             DATETIME(6) NULL,
  days              BIGINT NOT NULL DEFAULT 0 COMMENT 'bit 0 is Sunday; 0: all',
  start_minute      BIGINT NOT NULL DEFAULT 0,
  end_minute        BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (version_id, n)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
