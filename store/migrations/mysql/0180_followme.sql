-- +goose Up
CREATE TABLE followme_settings (
  grpnum         VARCHAR(20)  NOT NULL PRIMARY KEY COMMENT 'the extension',
  strategy       VARCHAR(50)  NOT NULL,
  grptime        SMALLINT     NOT NULL COMMENT 'seconds that it rings',
  grppre         VARCHAR(100) NOT NULL DEFAULT '' COMMENT 'put in front of the name of the caller',
  grplist        VARCHAR(255) NOT NULL COMMENT 'numbers with - between them, those outside with # behind them',
  annmsg_id      INT          NOT NULL DEFAULT 0,
  postdest       VARCHAR(255) NOT NULL DEFAULT '' COMMENT 'where a caller goes whom nobody answers',
  dring          VARCHAR(255) NOT NULL DEFAULT '' COMMENT 'Alert-Info',
  remotealert_id INT          NOT NULL DEFAULT 0,
  needsconf      VARCHAR(10)  NOT NULL DEFAULT '' COMMENT 'CHECKED or empty',
  toolate_id     INT          NOT NULL DEFAULT 0,
  pre_ring       SMALLINT     NOT NULL DEFAULT 0 COMMENT 'seconds that the extension rings alone before',
  ringing        VARCHAR(80)  NOT NULL DEFAULT ''
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT 'follow-me of extensions that are kept in PJSIP realtime tables, of which those of Asterisk are made';
