package storetest

// FreePBXTables are those of FreePBX as it has them, as statements with a semicolon at the end of a line between them.
const FreePBXTables = `
CREATE TABLE sip (id varchar(20) NOT NULL DEFAULT '-1', keyword varchar(30) NOT NULL DEFAULT '', data varchar(255) NOT NULL, flags int(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (id, keyword));
CREATE TABLE users (extension varchar(20) NOT NULL DEFAULT '', password varchar(20), name varchar(50), voicemail varchar(50), ringtimer int(3),
  noanswer varchar(100), recording varchar(50), outboundcid varchar(50), sipname varchar(50), noanswer_cid varchar(20) NOT NULL DEFAULT '',
  busy_cid varchar(20) NOT NULL DEFAULT '', chanunavail_cid varchar(20) NOT NULL DEFAULT '', noanswer_dest varchar(255) NOT NULL DEFAULT '',
  busy_dest varchar(255) NOT NULL, chanunavail_dest text, mohclass varchar(80) DEFAULT 'default', KEY extension (extension));
CREATE TABLE devices (id varchar(20) NOT NULL DEFAULT '', tech varchar(10) NOT NULL DEFAULT '', dial varchar(255) NOT NULL DEFAULT '', devicetype varchar(5) NOT NULL DEFAULT '',
  user varchar(50), description varchar(50), emergency_cid varchar(100), KEY id (id), KEY tech (tech));
CREATE TABLE findmefollow (grpnum varchar(20) NOT NULL, strategy varchar(50) NOT NULL, grptime smallint NOT NULL, grppre varchar(100), grplist varchar(255) NOT NULL,
  annmsg_id int, postdest varchar(255), dring varchar(255), remotealert_id int, needsconf varchar(10), toolate_id int, pre_ring smallint NOT NULL DEFAULT 0,
  ringing varchar(80), PRIMARY KEY (grpnum))`

// FollowMeTables are those of follow-mes of realtime, behind others.
const FollowMeTables = `;
CREATE TABLE followme (name varchar(80) PRIMARY KEY, active varchar(3), musicclass varchar(80), context varchar(80), takecall varchar(10),
  declinecall varchar(10), enable_callee_prompt varchar(3));
CREATE TABLE followme_numbers (id int AUTO_INCREMENT PRIMARY KEY, name varchar(80) NOT NULL, ordinal int NOT NULL, phonenumber varchar(80) NOT NULL, timeout int, KEY (name))`

// RealtimeTables are those of PJSIP realtime as we advise them.
const RealtimeTables = `
CREATE TABLE ps_auths (id varchar(80) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, auth_type varchar(16), username varchar(80),
  password varchar(255), realm varchar(120), md5_cred varchar(40), password_digest varchar(255), supported_algorithms_uas varchar(80));
CREATE TABLE ps_aors (id varchar(80) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, contact varchar(255), max_contacts int, remove_existing varchar(3), qualify_frequency int, qualify_timeout float,
  default_expiration int, minimum_expiration int, maximum_expiration int, mailboxes varchar(255), outbound_proxy varchar(255), support_path varchar(3));
CREATE TABLE ps_endpoints (id varchar(80) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, transport varchar(40), aors varchar(255), auth varchar(80), outbound_auth varchar(80), outbound_proxy varchar(255),
  context varchar(80), disallow varchar(200), allow varchar(200), identify_by varchar(80), callerid varchar(120), accountcode varchar(80), language varchar(20),
  mailboxes varchar(255), from_user varchar(80), from_domain varchar(120), dtmf_mode varchar(16), direct_media varchar(3), rtp_symmetric varchar(3),
  force_rport varchar(3), rewrite_contact varchar(3), trust_id_inbound varchar(3), trust_id_outbound varchar(3), send_rpid varchar(3), send_pai varchar(3),
  ice_support varchar(3), use_avpf varchar(3), media_encryption varchar(8), webrtc varchar(3), call_group varchar(80), pickup_group varchar(80),
  device_state_busy_at int, fax_detect varchar(3), t38_udptl varchar(3), deny varchar(255), permit varchar(255), rtp_timeout int, rtp_timeout_hold int,
  set_var text, allow_transfer varchar(3));
CREATE TABLE ps_endpoint_id_ips (id varchar(80) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, endpoint varchar(80), ` + "`match`" + ` varchar(255), srv_lookups varchar(3), match_header varchar(255))` + FollowMeTables
