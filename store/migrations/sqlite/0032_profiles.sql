-- +goose Up
CREATE TABLE profiles (
  user_id    INTEGER NOT NULL PRIMARY KEY,
  name       TEXT    NOT NULL DEFAULT '', -- of the person
  level      INTEGER NOT NULL DEFAULT 1,  -- 1 user, 2 collaborator; an administrator is 0, which users.admin says
  account_id TEXT    NULL UNIQUE          -- what other systems call him
);
