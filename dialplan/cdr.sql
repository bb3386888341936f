-- The table of call records, for MariaDB and MySQL: the columns FreePBX has, and those its later
-- versions added. Talktime finds a call's rows by uniqueid, hence that index; the statistics read
-- ranges of calldate. There is no primary key in Asterisk's records (one uniqueid may have several
-- rows); id is ours and costs Asterisk nothing, because it writes only the columns it knows.
--
--   mariadb -u root -e "CREATE DATABASE IF NOT EXISTS asteriskcdrdb CHARACTER SET utf8mb4"
--   mariadb -u root asteriskcdrdb < cdr.sql

CREATE TABLE IF NOT EXISTS cdr (
  id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  calldate datetime NOT NULL,
  clid varchar(80) NOT NULL DEFAULT '',
  src varchar(80) NOT NULL DEFAULT '',
  dst varchar(80) NOT NULL DEFAULT '',
  dcontext varchar(80) NOT NULL DEFAULT '',
  channel varchar(80) NOT NULL DEFAULT '',
  dstchannel varchar(80) NOT NULL DEFAULT '',
  lastapp varchar(80) NOT NULL DEFAULT '',
  lastdata varchar(80) NOT NULL DEFAULT '',
  duration int NOT NULL DEFAULT 0,
  billsec int NOT NULL DEFAULT 0,
  disposition varchar(45) NOT NULL DEFAULT '',
  amaflags int NOT NULL DEFAULT 0,
  accountcode varchar(80) NOT NULL DEFAULT '',
  uniqueid varchar(150) NOT NULL DEFAULT '',
  userfield varchar(255) NOT NULL DEFAULT '',
  did varchar(50) NOT NULL DEFAULT '',
  recordingfile varchar(255) NOT NULL DEFAULT '',
  cnum varchar(80) NOT NULL DEFAULT '',
  cnam varchar(80) NOT NULL DEFAULT '',
  outbound_cnum varchar(80) NOT NULL DEFAULT '',
  outbound_cnam varchar(80) NOT NULL DEFAULT '',
  dst_cnam varchar(80) NOT NULL DEFAULT '',
  linkedid varchar(150) NOT NULL DEFAULT '',
  peeraccount varchar(80) NOT NULL DEFAULT '',
  sequence int NOT NULL DEFAULT 0,
  KEY calldate (calldate),
  KEY dst (dst),
  KEY accountcode (accountcode),
  KEY uniqueid (uniqueid),
  KEY linkedid (linkedid),
  KEY did (did),
  KEY recordingfile (recordingfile(191))
) DEFAULT CHARACTER SET utf8mb4;
