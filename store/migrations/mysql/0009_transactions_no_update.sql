-- +goose Up
CREATE TRIGGER transactions_no_update BEFORE UPDATE ON transactions FOR EACH ROW
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the ledger is append-only: post an opposite transaction instead';
