-- +goose Up
CREATE TABLE carriers (
  id         BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name       VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE,
  dial       VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  strip      BIGINT       NOT NULL DEFAULT 0 COMMENT 'digits of the number',
  prepend    VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  deck_id    BIGINT       NOT NULL DEFAULT 0 COMMENT 'with what he asks; 0: nobody knows',
  pool_id    BIGINT       NOT NULL DEFAULT 0 COMMENT 'that bounds his calls at once; 0: none did yet',
  enabled    BOOLEAN      NOT NULL DEFAULT TRUE,
  created_at DATETIME(6)  NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
