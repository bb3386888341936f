-- +goose Up
CREATE TABLE refill_dates (
  id       BIGINT   NOT NULL AUTO_INCREMENT PRIMARY KEY,
  group_id BIGINT   NOT NULL,
  day      CHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'due at its first moment in the zone of the settings',
  reached  BIGINT   NOT NULL DEFAULT 0 COMMENT 'all members up to this one have theirs',
  done_at  DATETIME(6) NULL,
  KEY refill_dates_group (group_id, done_at, day),
  KEY refill_dates_due (done_at, day),
  KEY refill_dates_begun (done_at, reached)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
