-- +goose Up
-- +goose StatementBegin
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries
BEGIN
  SELECT RAISE(ABORT, 'the ledger is append-only: post an opposite transaction instead');
END;
-- +goose StatementEnd
