-- +goose Up
CREATE TABLE user_countries (
  user_id  BIGINT      NOT NULL,
  country  VARCHAR(8)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'calling code',
  first_at DATETIME(6) NOT NULL,
  PRIMARY KEY (user_id, country)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
