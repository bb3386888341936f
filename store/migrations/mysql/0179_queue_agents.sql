-- +goose Up
CREATE TABLE queue_agents (
  queue_id INT NOT NULL,
  agent_id INT NOT NULL,
  PRIMARY KEY (queue_id, agent_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'which agents the queue_log named together with which queues';
