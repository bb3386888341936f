-- +goose Up
CREATE TABLE deck_activations (
  id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  deck_id    BIGINT NOT NULL,
  version_id BIGINT NOT NULL,
  from_at    DATETIME(6) NOT NULL,
  until_at   DATETIME(6) NULL COMMENT 'when it was taken back',
  actor      VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  created_at DATETIME(6) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
