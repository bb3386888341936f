-- +goose Up
CREATE TABLE grants (
  user_id BIGINT NOT NULL,
  kind    TEXT   NOT NULL, -- queue, agent or account
  name    TEXT   NOT NULL,
  PRIMARY KEY (user_id, kind, name)
);
