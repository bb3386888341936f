-- +goose Up
CREATE TABLE promotions (
  tx_id      INTEGER  NOT NULL PRIMARY KEY,
  expires_at DATETIME NOT NULL -- as it was promised; the account may live longer
);
