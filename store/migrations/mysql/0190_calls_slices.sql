-- +goose Up
ALTER TABLE calls
  ADD COLUMN slice_seconds INT         NOT NULL DEFAULT 0 COMMENT 'of a slice; 0: all was held at once',
  ADD COLUMN keeper        BIGINT      NOT NULL DEFAULT 0 COMMENT 'who extends it; 0: nobody',
  ADD COLUMN answered_ms   BIGINT      NOT NULL DEFAULT 0 COMMENT 'Unix time of its last leg, while it is kept; 0: not yet',
  ADD COLUMN cut           VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' COMMENT 'why we ended it';
