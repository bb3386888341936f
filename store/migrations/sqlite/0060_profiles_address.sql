-- +goose Up
ALTER TABLE profiles ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE profiles ADD COLUMN cpf TEXT NOT NULL DEFAULT ''; -- number at the tax office
