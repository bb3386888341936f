-- +goose Up
ALTER TABLE tokens ADD COLUMN account_user BIGINT NOT NULL DEFAULT 0; -- the user that the account was when the token was made
ALTER TABLE tokens ADD COLUMN account_group BIGINT NOT NULL DEFAULT 0; -- or the group
