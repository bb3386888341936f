-- +goose Up
ALTER TABLE accounts
  ADD COLUMN expires_at    DATETIME(6) NULL COMMENT 'its money counts no more then, but for what is held',
  ADD COLUMN open_calls    INT    NOT NULL DEFAULT 0 COMMENT 'of the user, on his main account',
  ADD COLUMN hour          BIGINT NOT NULL DEFAULT 0 COMMENT 'YYYYMMDDHH of spent_hour',
  ADD COLUMN spent_hour    BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN spent_day     BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN premium_day   BIGINT NOT NULL DEFAULT 0 COMMENT 'YYYYMMDD of premium_calls',
  ADD COLUMN premium_calls INT    NOT NULL DEFAULT 0,
  ADD COLUMN warn          BIGINT NULL COMMENT 'a balance below it is told';
