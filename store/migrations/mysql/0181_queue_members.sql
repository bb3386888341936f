-- +goose Up
CREATE TABLE queue_members (
  interface VARBINARY(150) NOT NULL PRIMARY KEY COMMENT 'as the queue_log names it, such as PJSIP/204',
  name      VARBINARY(150) NOT NULL COMMENT 'the member whose it is',
  seen_at   DATETIME(6)    NOT NULL COMMENT 'UTC; when it was first seen with this name'
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'whose the telephones of queues are, as Asterisk said last';
