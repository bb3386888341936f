-- +goose Up
ALTER TABLE accounts ADD COLUMN expires_at    DATETIME NULL; -- its money counts no more then, but for what is held
ALTER TABLE accounts ADD COLUMN open_calls    INTEGER  NOT NULL DEFAULT 0; -- of the user, on his main account
ALTER TABLE accounts ADD COLUMN hour          BIGINT   NOT NULL DEFAULT 0; -- YYYYMMDDHH of spent_hour
ALTER TABLE accounts ADD COLUMN spent_hour    BIGINT   NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN spent_day     BIGINT   NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN premium_day   BIGINT   NOT NULL DEFAULT 0; -- YYYYMMDD of premium_calls
ALTER TABLE accounts ADD COLUMN premium_calls INTEGER  NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN warn          BIGINT   NULL; -- a balance below it is told
