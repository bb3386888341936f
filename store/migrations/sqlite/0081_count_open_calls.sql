-- +goose Up
UPDATE accounts SET open_calls = (SELECT COUNT(*) FROM calls WHERE calls.state = 'open' AND calls.user_id = accounts.user_id)
  WHERE name = 'main' AND user_id IN (SELECT user_id FROM calls WHERE state = 'open');
