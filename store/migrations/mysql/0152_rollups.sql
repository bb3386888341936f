-- +goose Up
CREATE TABLE rollups (
  source VARCHAR(190) NOT NULL COMMENT 'whose calls: talktime, or the host of a CDR database',
  kind   VARCHAR(40)  NOT NULL COMMENT 'what was counted of them',
  day    INT          NOT NULL COMMENT 'by the clock on the wall, in days since 1970-01-01',
  part   SMALLINT     NOT NULL COMMENT 'what was counted is longer than a row may be: from 0 on',
  rule   CHAR(32)     NOT NULL COMMENT 'digest of the settings by which it was counted',
  data   MEDIUMBLOB   NOT NULL,
  PRIMARY KEY (source, kind, day, part)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'what was counted of whole days of calls';
