-- +goose Up
ALTER TABLE calls
  ADD COLUMN routing    MEDIUMTEXT NULL COMMENT 'JSON; carriers and pools',
  ADD COLUMN carrier_id BIGINT NOT NULL DEFAULT 0 COMMENT 'dialled last',
  ADD COLUMN buy_cost   BIGINT NOT NULL DEFAULT 0 COMMENT 'what the carriers ask';
