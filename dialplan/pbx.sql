-- The tables that Asterisk reads telephones, trunks and follow-mes from, for MariaDB and MySQL, and the rights of their two users:
-- asterisk, who is named in res_odbc.conf, and talktime, who is named in TALKTIME_PBX_DATABASE_URL. Replace both passwords; users who
-- are there already keep theirs.
--
--   mariadb -u root -e "CREATE DATABASE IF NOT EXISTS asterisk CHARACTER SET utf8mb4"
--   mariadb -u root asterisk < pbx.sql
--
-- Asterisk's own, longer schema serves as well; so do columns of yours beside these. After an ALTER TABLE have Asterisk connect anew:
-- module reload res_odbc.so. An id is compared letter by letter, hence its collation. Yes and no are words, never 1 and 0.

CREATE TABLE IF NOT EXISTS ps_auths (
  id varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  auth_type varchar(16),
  username varchar(80),
  password varchar(255),
  realm varchar(120),
  md5_cred varchar(40),
  password_digest varchar(255),
  supported_algorithms_uas varchar(80)
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS ps_aors (
  id varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  contact varchar(255),
  max_contacts int,
  remove_existing varchar(3),
  qualify_frequency int,
  qualify_timeout float,
  default_expiration int,
  minimum_expiration int,
  maximum_expiration int,
  mailboxes varchar(255),
  outbound_proxy varchar(255),
  support_path varchar(3)
) DEFAULT CHARACTER SET utf8mb4;

-- Three columns have values when nobody gives one, which Talktime writes, too; without allow_transfer it makes no extension. A transfer would move a call away from the channel that carries its limit, and the
-- rest of it would cost nothing. The media ends without a hang-up when a telephone loses its network. Who has no auth must have ip as
-- identify_by: else whoever writes his id in From is he. None may be called anonymous, which is everybody.
CREATE TABLE IF NOT EXISTS ps_endpoints (
  id varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  transport varchar(40),
  aors varchar(255),
  auth varchar(80),
  outbound_auth varchar(80),
  outbound_proxy varchar(255),
  context varchar(80),
  disallow varchar(200),
  allow varchar(200),
  identify_by varchar(80),
  callerid varchar(255),
  accountcode varchar(80),
  language varchar(20),
  mailboxes varchar(255),
  from_user varchar(80),
  from_domain varchar(120),
  dtmf_mode varchar(16),
  direct_media varchar(3),
  rtp_symmetric varchar(3),
  force_rport varchar(3),
  rewrite_contact varchar(3),
  trust_id_inbound varchar(3),
  trust_id_outbound varchar(3),
  send_rpid varchar(3),
  send_pai varchar(3),
  ice_support varchar(3),
  use_avpf varchar(3),
  media_encryption varchar(8),
  webrtc varchar(3),
  call_group varchar(80),
  pickup_group varchar(80),
  device_state_busy_at int,
  fax_detect varchar(3),
  t38_udptl varchar(3),
  deny varchar(255),
  permit varchar(255),
  rtp_timeout int DEFAULT 60,
  rtp_timeout_hold int DEFAULT 600,
  set_var text,
  allow_transfer varchar(3) DEFAULT 'no'
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS ps_endpoint_id_ips (
  id varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  endpoint varchar(80),
  `match` varchar(255),
  srv_lookups varchar(3),
  match_header varchar(255)
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS ps_registrations (
  id varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  transport varchar(40),
  server_uri varchar(255),
  client_uri varchar(255),
  contact_user varchar(80),
  outbound_auth varchar(80),
  outbound_proxy varchar(255),
  expiration int,
  retry_interval int,
  forbidden_retry_interval int,
  fatal_retry_interval int,
  max_retries int,
  auth_rejection_permanent varchar(3),
  `line` varchar(3),
  endpoint varchar(80),
  max_random_initial_delay int
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS followme (
  name varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  active varchar(3),
  musicclass varchar(80),
  context varchar(80),
  takecall varchar(10),
  declinecall varchar(10),
  enable_callee_prompt varchar(3)
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS followme_numbers (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  ordinal int NOT NULL,
  phonenumber varchar(255) NOT NULL,
  timeout int,
  KEY name (name)
) DEFAULT CHARACTER SET utf8mb4;

CREATE USER IF NOT EXISTS asterisk@'127.0.0.1' IDENTIFIED BY 'REPLACE-WITH-THE-DATABASE-PASSWORD';
CREATE USER IF NOT EXISTS talktime@'127.0.0.1' IDENTIFIED BY 'REPLACE-WITH-ANOTHER-PASSWORD';

-- Asterisk reads, and removes what Talktime has it forget.
GRANT SELECT, DELETE ON ps_auths TO asterisk@'127.0.0.1';
GRANT SELECT, DELETE ON ps_aors TO asterisk@'127.0.0.1';
GRANT SELECT, DELETE ON ps_endpoints TO asterisk@'127.0.0.1';
GRANT SELECT, DELETE ON ps_registrations TO asterisk@'127.0.0.1';
GRANT SELECT ON ps_endpoint_id_ips TO asterisk@'127.0.0.1';
GRANT SELECT ON followme TO asterisk@'127.0.0.1';
GRANT SELECT ON followme_numbers TO asterisk@'127.0.0.1';

GRANT SELECT, INSERT, UPDATE, DELETE ON ps_auths TO talktime@'127.0.0.1';
GRANT SELECT, INSERT, UPDATE, DELETE ON ps_aors TO talktime@'127.0.0.1';
GRANT SELECT, INSERT, UPDATE, DELETE ON ps_endpoints TO talktime@'127.0.0.1';
GRANT SELECT, INSERT, UPDATE, DELETE ON ps_endpoint_id_ips TO talktime@'127.0.0.1';
GRANT SELECT, INSERT, UPDATE, DELETE ON ps_registrations TO talktime@'127.0.0.1';
GRANT SELECT, INSERT, UPDATE, DELETE ON followme TO talktime@'127.0.0.1';
GRANT SELECT, INSERT, UPDATE, DELETE ON followme_numbers TO talktime@'127.0.0.1';
