-- +goose Up
INSERT INTO accounts (id, user_id, name) VALUES (1, 0, 'cash'), (2, 0, 'revenue'), (3, 0, 'shortfall'), (4, 0, 'closed');
