-- +goose Up
ALTER TABLE calls ADD COLUMN routing    TEXT   NULL; -- JSON; carriers and pools
ALTER TABLE calls ADD COLUMN carrier_id BIGINT NOT NULL DEFAULT 0; -- dialled last
ALTER TABLE calls ADD COLUMN buy_cost   BIGINT NOT NULL DEFAULT 0; -- what the carriers ask
