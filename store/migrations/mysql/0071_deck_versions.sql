-- +goose Up
CREATE TABLE deck_versions (
  id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  deck_id    BIGINT NOT NULL,
  number     BIGINT NOT NULL,
  note       VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  rates      BIGINT NULL COMMENT 'how many; NULL: they are not all there yet',
  actor      VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  created_at DATETIME(6) NOT NULL,
  UNIQUE (deck_id, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
