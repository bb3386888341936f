-- +goose Up
CREATE TABLE rollup_days (
  source    VARCHAR(190) NOT NULL,
  kind      VARCHAR(40)  NOT NULL,
  day       INT          NOT NULL,
  rule      CHAR(32)     NOT NULL,
  signature CHAR(32)     NOT NULL COMMENT 'changes when the records of the day do, or those beside it',
  records   BIGINT       NOT NULL,
  made_at   DATETIME(6)  NOT NULL,
  PRIMARY KEY (source, kind, day)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'of which days there are roll-ups, and from what these were counted';
