-- +goose Up
CREATE TABLE notices (
  id      INTEGER  NOT NULL PRIMARY KEY AUTOINCREMENT,
  at      DATETIME NOT NULL,
  kind    TEXT     NOT NULL,
  user_id BIGINT   NOT NULL,
  data    TEXT     NOT NULL, -- JSON
  once    TEXT     NULL UNIQUE -- there is one notice about it at most
);
