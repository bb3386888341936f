-- +goose Up
-- +goose StatementBegin
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries
BEGIN
  SELECT RAISE(ABORT, 'the ledger is append-only: post an opposite transaction instead');
END;
-- +goose StatementEnd
