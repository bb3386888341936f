-- +goose Up
CREATE TABLE refusals (
  id        BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at        DATETIME(6)  NOT NULL,
  user_id   BIGINT       NOT NULL,
  call_id   VARCHAR(160) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'of the channel',
  caller_id VARCHAR(80)  NOT NULL,
  number    VARCHAR(40)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  status    VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  rule      VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  reason    VARCHAR(200) NOT NULL,
  KEY refusals_user (user_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
