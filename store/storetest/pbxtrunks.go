package storetest

// RegistrationTable is that of trunks that register, to be put behind RealtimeTables.
const RegistrationTable = `;
CREATE TABLE ps_registrations (id varchar(80) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, transport varchar(40), server_uri varchar(255), client_uri varchar(255), contact_user varchar(80),
  outbound_auth varchar(80), outbound_proxy varchar(255), expiration int, retry_interval int, forbidden_retry_interval int, fatal_retry_interval int,
  max_retries int, auth_rejection_permanent varchar(3), ` + "`line`" + ` varchar(3), endpoint varchar(80), max_random_initial_delay int)`
