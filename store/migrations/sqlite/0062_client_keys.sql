-- +goose Up
CREATE TABLE client_keys (
  client_key TEXT    NOT NULL PRIMARY KEY, -- one for transactions of all kinds
  tx_id      INTEGER NOT NULL
);
