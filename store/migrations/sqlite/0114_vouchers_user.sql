-- +goose Up
CREATE INDEX vouchers_user ON vouchers (user_id);
