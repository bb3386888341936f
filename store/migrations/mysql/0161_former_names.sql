-- +goose Up
CREATE TABLE former_names (
  name    VARCHAR(64) NOT NULL PRIMARY KEY COMMENT 'a clid or an account_id that somebody had and has no more, or not always had',
  until   DATETIME(6) NOT NULL COMMENT 'UTC; when it was last given up',
  user_id BIGINT      NOT NULL DEFAULT 0 COMMENT 'whose it was all the time until then; 0: of several, or of a group'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'whose records of calls by a name were before it came to somebody else';
