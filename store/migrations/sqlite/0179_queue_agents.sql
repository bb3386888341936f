-- +goose Up
-- Which agents the queue_log named together with which queues.
CREATE TABLE queue_agents (
  queue_id INTEGER NOT NULL,
  agent_id INTEGER NOT NULL,
  PRIMARY KEY (queue_id, agent_id)
) WITHOUT ROWID;
