-- +goose Up
CREATE TABLE rerated_calls (
  call_key         BIGINT NOT NULL, -- id of the call
  rerate_id        BIGINT NOT NULL,
  charge_before    BIGINT NOT NULL, -- millionths, with earlier adjustments
  charge_after     BIGINT NOT NULL,
  shortfall_before BIGINT NOT NULL,
  shortfall_after  BIGINT NOT NULL,
  tx_id            BIGINT NOT NULL, -- 0: the call was left
  why              TEXT   NOT NULL DEFAULT '',
  PRIMARY KEY (call_key, rerate_id)
);
