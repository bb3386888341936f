-- +goose Up
CREATE TABLE cdr_records (
  started_at  DATETIME     NOT NULL COMMENT 'UTC',
  id          BIGINT       NOT NULL COMMENT 'made of what the record says, so that it comes in once',
  user_id     BIGINT       NOT NULL DEFAULT 0 COMMENT 'who called; 0: nobody of ours',
  callee_id   BIGINT       NOT NULL DEFAULT 0,
  ours        BOOLEAN      NOT NULL DEFAULT FALSE COMMENT 'of a call that stands in calls too, and is counted there',
  duration    INT          NOT NULL DEFAULT 0,
  billsec     INT          NOT NULL DEFAULT 0,
  unique_id   VARCHAR(150) NOT NULL DEFAULT '',
  cnum        VARCHAR(80)  NOT NULL DEFAULT '',
  cnam        VARCHAR(80)  NOT NULL DEFAULT '',
  caller_id   VARCHAR(80)  NOT NULL DEFAULT '',
  src         VARCHAR(80)  NOT NULL DEFAULT '',
  dst         VARCHAR(80)  NOT NULL DEFAULT '',
  context     VARCHAR(80)  NOT NULL DEFAULT '',
  channel     VARCHAR(80)  NOT NULL DEFAULT '',
  dst_channel VARCHAR(80)  NOT NULL DEFAULT '',
  last_app    VARCHAR(80)  NOT NULL DEFAULT '',
  disposition VARCHAR(45)  NOT NULL DEFAULT '',
  account     VARCHAR(80)  NOT NULL DEFAULT '',
  PRIMARY KEY (started_at, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'records of calls that were imported; they charge nobody';
