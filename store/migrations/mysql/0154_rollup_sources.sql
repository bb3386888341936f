-- +goose Up
CREATE TABLE rollup_sources (
  source        VARCHAR(190) NOT NULL PRIMARY KEY,
  claimed_by    VARCHAR(40)  NOT NULL DEFAULT '',
  claimed_until DATETIME(6)  NULL COMMENT 'until when nobody else counts',
  passed_at     DATETIME(6)  NULL COMMENT 'when its days were last looked at, and none was left to be counted',
  days          INT          NOT NULL DEFAULT 0 COMMENT 'that are kept',
  stale         INT          NOT NULL DEFAULT 0 COMMENT 'days that were found to be counted anew and are not yet'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'who counts roll-ups, and how far they are';
