package lab

// FreePBXSchema makes the tables of asteriskcdrdb as FreePBX has them: call records without a primary key, and queue_log
// for Asterisk's realtime logger.
const FreePBXSchema = `
CREATE TABLE IF NOT EXISTS cdr (
  calldate      DATETIME     NOT NULL DEFAULT '0000-00-00 00:00:00',
  clid          VARCHAR(80)  NOT NULL DEFAULT '',
  src           VARCHAR(80)  NOT NULL DEFAULT '',
  dst           VARCHAR(80)  NOT NULL DEFAULT '',
  dcontext      VARCHAR(80)  NOT NULL DEFAULT '',
  channel       VARCHAR(80)  NOT NULL DEFAULT '',
  dstchannel    VARCHAR(80)  NOT NULL DEFAULT '',
  lastapp       VARCHAR(80)  NOT NULL DEFAULT '',
  lastdata      VARCHAR(80)  NOT NULL DEFAULT '',
  duration      INT          NOT NULL DEFAULT 0,
  billsec       INT          NOT NULL DEFAULT 0,
  disposition   VARCHAR(45)  NOT NULL DEFAULT '',
  amaflags      INT          NOT NULL DEFAULT 0,
  accountcode   VARCHAR(20)  NOT NULL DEFAULT '',
  uniqueid      VARCHAR(64)  NOT NULL DEFAULT '',
  userfield     VARCHAR(255) NOT NULL DEFAULT '',
  did           VARCHAR(50)  NOT NULL DEFAULT '',
  recordingfile VARCHAR(255) NOT NULL DEFAULT '',
  cnum          VARCHAR(80)  NOT NULL DEFAULT '',
  cnam          VARCHAR(80)  NOT NULL DEFAULT '',
  outbound_cnum VARCHAR(80)  NOT NULL DEFAULT '',
  outbound_cnam VARCHAR(80)  NOT NULL DEFAULT '',
  dst_cnam      VARCHAR(80)  NOT NULL DEFAULT '',
  linkedid      VARCHAR(64)  NOT NULL DEFAULT '',
  peeraccount   VARCHAR(80)  NOT NULL DEFAULT '',
  sequence      INT          NOT NULL DEFAULT 0,
  KEY calldate (calldate),
  KEY dst (dst),
  KEY accountcode (accountcode),
  KEY uniqueid (uniqueid),
  KEY did (did),
  KEY recordingfile (recordingfile(191))
);
CREATE TABLE IF NOT EXISTS queue_log (
  id        INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  time      VARCHAR(32)  DEFAULT NULL,
  callid    VARCHAR(64)  NOT NULL DEFAULT '',
  queuename VARCHAR(64)  NOT NULL DEFAULT '',
  agent     VARCHAR(64)  NOT NULL DEFAULT '',
  event     VARCHAR(32)  NOT NULL DEFAULT '',
  data1     VARCHAR(100) NOT NULL DEFAULT '',
  data2     VARCHAR(100) NOT NULL DEFAULT '',
  data3     VARCHAR(100) NOT NULL DEFAULT '',
  data4     VARCHAR(100) NOT NULL DEFAULT '',
  data5     VARCHAR(100) NOT NULL DEFAULT '',
  KEY callid (callid),
  KEY time (time)
)`
