-- +goose Up
CREATE TABLE user_countries (
  user_id  BIGINT   NOT NULL,
  country  TEXT     NOT NULL, -- calling code
  first_at DATETIME NOT NULL,
  PRIMARY KEY (user_id, country)
);
