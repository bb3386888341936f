-- +goose Up
INSERT INTO accounts (user_id, name, currency) SELECT 0, 'expired', currency FROM accounts WHERE user_id = 0 AND name = 'cash';
