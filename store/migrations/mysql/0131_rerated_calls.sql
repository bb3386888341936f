-- +goose Up
CREATE TABLE rerated_calls (
  call_key         BIGINT       NOT NULL COMMENT 'id of the call',
  rerate_id        BIGINT       NOT NULL,
  charge_before    BIGINT       NOT NULL COMMENT 'millionths, with earlier adjustments',
  charge_after     BIGINT       NOT NULL,
  shortfall_before BIGINT       NOT NULL,
  shortfall_after  BIGINT       NOT NULL,
  tx_id            BIGINT       NOT NULL COMMENT '0: the call was left',
  why              VARCHAR(160) NOT NULL DEFAULT '',
  PRIMARY KEY (call_key, rerate_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
