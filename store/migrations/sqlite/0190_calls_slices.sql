-- +goose Up
ALTER TABLE calls ADD COLUMN slice_seconds INTEGER NOT NULL DEFAULT 0; -- of a slice; 0: all was held at once
ALTER TABLE calls ADD COLUMN keeper        BIGINT  NOT NULL DEFAULT 0; -- who extends it; 0: nobody
ALTER TABLE calls ADD COLUMN answered_ms   BIGINT  NOT NULL DEFAULT 0; -- Unix time of its last leg, while it is kept; 0: not yet
ALTER TABLE calls ADD COLUMN cut           TEXT    NOT NULL DEFAULT ''; -- why we ended it
