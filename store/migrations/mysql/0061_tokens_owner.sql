-- +goose Up
ALTER TABLE tokens
  ADD COLUMN account_user  BIGINT NOT NULL DEFAULT 0 COMMENT 'the user that the account was when the token was made',
  ADD COLUMN account_group BIGINT NOT NULL DEFAULT 0 COMMENT 'or the group';
