-- +goose Up
CREATE TABLE queue_items (
  moment   BIGINT         NOT NULL COMMENT 'connected, else ended, else entered; or when the telephone stopped ringing; in microseconds since 1970',
  call_id  VARBINARY(150) NOT NULL,
  n        INT            NOT NULL COMMENT 'of passages from 0 up; of telephones that rang in vain from -1 down',
  queue_id INT            NOT NULL,
  agent_id INT            NOT NULL,
  outcome  TINYINT        NOT NULL COMMENT '0 waiting, 1 talking, 2 answered, 3 abandoned, 4 timeout, 5 empty, 6 key, 7 dumped, 8 incompatible, 9 lost; 100 a telephone',
  final    TINYINT        NOT NULL COMMENT 'number of the final event',
  counted  BOOLEAN        NOT NULL COMMENT 'without an ENTERQUEUE: entered is counted back',
  entered  BIGINT         NOT NULL,
  ended    BIGINT         NOT NULL COMMENT '0: not yet',
  wait     BIGINT         NOT NULL COMMENT 'seconds',
  ring     INT            NOT NULL COMMENT 'seconds; of a telephone milliseconds',
  talk     BIGINT         NOT NULL COMMENT 'seconds',
  place    BIGINT         NOT NULL COMMENT 'position in the queue on leaving unanswered',
  caller   VARBINARY(100) NOT NULL,
  url      VARBINARY(255) NOT NULL,
  did      VARBINARY(100) NOT NULL,
  pressed  VARBINARY(20)  NOT NULL COMMENT 'key',
  PRIMARY KEY (moment, call_id, n),
  KEY queue_items_call (call_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'passages of calls through queues, and telephones that rang in vain: made of the lines in queue_calls';
