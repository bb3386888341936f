-- +goose Up
CREATE TABLE queue_days (
  zone    VARCHAR(100) NOT NULL COMMENT 'of the clock on the wall',
  day     INT          NOT NULL COMMENT 'days since 1970-01-01',
  part    SMALLINT     NOT NULL COMMENT 'what was packed is longer than a row may be: from 0 on',
  from_at BIGINT       NOT NULL COMMENT 'when the day began, in microseconds since 1970',
  to_at   BIGINT       NOT NULL COMMENT 'when it ended',
  data    MEDIUMBLOB   NOT NULL,
  PRIMARY KEY (zone, day, part),
  KEY queue_days_from (from_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'all that is over of queue_items of whole days, packed';
