-- +goose Up
-- +goose StatementBegin
CREATE TRIGGER transactions_no_update BEFORE UPDATE ON transactions
BEGIN
  SELECT RAISE(ABORT, 'the ledger is append-only: post an opposite transaction instead');
END;
-- +goose StatementEnd
