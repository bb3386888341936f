-- +goose Up
-- +goose StatementBegin
CREATE TRIGGER transactions_no_delete BEFORE DELETE ON transactions
BEGIN
  SELECT RAISE(ABORT, 'the ledger is append-only: post an opposite transaction instead');
END;
-- +goose StatementEnd
