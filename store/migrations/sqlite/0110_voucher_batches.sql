-- +goose Up
CREATE TABLE voucher_batches (
  id          INTEGER  NOT NULL PRIMARY KEY, -- ours: it begins the serials
  kind        TEXT     NOT NULL, -- voucher or card
  name        TEXT     NOT NULL,
  made        INTEGER  NOT NULL,
  amount      BIGINT   NOT NULL, -- millionths, of each
  currency    TEXT     NOT NULL,
  valid_until DATETIME NULL,
  credit_days INTEGER  NOT NULL DEFAULT 0, -- 0: the credit stays
  deck        TEXT     NOT NULL DEFAULT '', -- of cards: as it was called when they were made
  language    TEXT     NOT NULL DEFAULT '',
  created_at  DATETIME NOT NULL,
  actor       TEXT     NOT NULL DEFAULT '',
  UNIQUE (kind, name)
);
