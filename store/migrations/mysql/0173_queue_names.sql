-- +goose Up
CREATE TABLE queue_names (
  agent BOOLEAN        NOT NULL COMMENT 'else a queue',
  id    INT            NOT NULL COMMENT 'from 1 in the order of first sight, for queues and for agents each',
  name  VARBINARY(150) NOT NULL,
  shown VARCHAR(150)   NOT NULL DEFAULT '' COMMENT 'what people call it; empty: its name',
  PRIMARY KEY (agent, id),
  UNIQUE KEY queue_names_name (agent, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'queues and agents that the queue_log named';
