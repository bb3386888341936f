package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Setting describes one environment variable. The table of all of them drives Load, the help text and
// the test that holds README's table to the code.
type Setting struct {
	// Name is the variable. DBn_… stands for DB1_…, DB2_… and so on, TALKTIME_AMIn_… for TALKTIME_AMI2_… to TALKTIME_AMI9_….
	Name string
	// Default is the value taken when the variable is unset or empty.
	Default string
	// Unset says what happens without a value, for a setting without Default: "none", "off", "generated".
	Unset string
	// Meaning is one line for the operator.
	Meaning string
	// Secret settings are never shown, and may be given as NAME_FILE, the path of a file that holds the value.
	Secret bool

	// Later settings are read and checked, but serve nothing yet.
	Later bool

	// emptyCounts marks the settings whose empty value means something else than their default.
	emptyCounts bool
}

// Shown is the Default as a table shows it: the value itself, or in words what happens without one.
func (s Setting) Shown() string {
	if s.Default != "" {
		return s.Default
	}
	return s.Unset
}

// Describe returns every setting, in the order of the documentation. The slice is the caller's own.
func Describe() []Setting {
	return []Setting{
		{
			Name: "TALKTIME_DATABASE_URL", Default: "sqlite:data/talktime.db", Secret: true,
			Meaning: "our own database: sqlite:path, or mysql://user:password@host:3306/name for MariaDB or MySQL, ?tls=true for TLS; percent-encode special characters of user and password",
		},
		{
			Name: "TALKTIME_FASTAGI_LISTEN", Default: "127.0.0.1:4573",
			Meaning: "address on which fastagi waits for Asterisk",
		},
		{
			Name: "TALKTIME_FASTAGI_ALLOW", Default: "127.0.0.0/8,::1/128",
			Meaning: "networks Asterisk may call from; FastAGI itself has no login",
		},
		{
			Name: "TALKTIME_FASTAGI_SESSIONS", Default: "20000",
			Meaning: "FastAGI connections open at once, 1 to 1000000; each needs a file descriptor, more are turned away",
		},
		{
			Name: "TALKTIME_ADMIN_LISTEN", Default: "127.0.0.1:5000",
			Meaning: "address of the admin server",
		},
		{
			Name: "TALKTIME_TLS_CERT", Unset: "none",
			Meaning: "certificate file (PEM) for the admin address; needs TALKTIME_TLS_KEY",
		},
		{
			Name: "TALKTIME_TLS_KEY", Unset: "none",
			Meaning: "key file (PEM) of that certificate",
		},
		{
			Name: "TALKTIME_TRUSTED_PROXIES", Unset: "none",
			Meaning: "networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; clients in them count as unknown",
		},
		{
			Name: "TALKTIME_PUBLIC_URL", Unset: "none",
			Meaning: "URL under which people reach the admin page, for links",
		},
		{
			Name: "TALKTIME_JSONP", Default: "off",
			Meaning: "on: `?callback=` wraps what the API answers for scripts of other hosts of the same site, which then see what the user who is logged in sees",
		},
		{
			Name: "TALKTIME_ADMIN_PASSWORD", Unset: "generated", Secret: true,
			Meaning: "password of the user admin, which admin serve creates when there is no admin; at least 6 characters",
		},
		{
			Name: "TALKTIME_MAX_CALL_SECONDS", Default: "7200",
			Meaning: "longest call, 1 to 86400",
		},
		{
			Name: "TALKTIME_DIAL", Default: "PJSIP/{number}@trunk", emptyCounts: true,
			Meaning: "where a call goes when nothing else says so; set but empty: such calls are refused as UNKNOWNCALLEE",
		},
		{
			Name: "TALKTIME_SUBSCRIBER_DIAL", Default: "PJSIP/IMSI{imsi}@openbts", emptyCounts: true,
			Meaning: "where a call to another user's number goes; {imsi}, {clid} and {number} are his; set but empty: like any other number",
		},
		{
			Name: "TALKTIME_DIAL_TECHS", Default: "PJSIP,SIP,IAX2,DAHDI",
			Meaning: "technologies a dial target may name",
		},
		{
			Name: "TALKTIME_RING_SECONDS", Default: "40",
			Meaning: "how long a call rings, 1 to 600",
		},
		{
			Name: "TALKTIME_SLICE_SECONDS", Default: "300",
			Meaning: "for how many seconds of a call money is held at a time, 2 to 3600: fastagi extends calls while the phones talk, so that calls of one user share his balance (operations manual, section 29); needs TALKTIME_AMI_ADDR; 0: the whole call is held",
		},
		{
			Name: "TALKTIME_WARN_SECONDS", Default: "0",
			Meaning: "how many seconds before the end of a call that is held in slices the caller hears a warning, 0 to 600; 0: none",
		},
		{
			Name: "TALKTIME_WARN_SOUND", Default: "beep",
			Meaning: "what he hears: a file below Asterisk's sounds folder, without its ending",
		},
		{
			Name: "TALKTIME_IDENTIFY", Default: "callerid,account,imsi",
			Meaning: "order in which a caller is looked up; what is left out is not used",
		},
		{
			Name: "TALKTIME_EMERGENCY", Unset: "none",
			Meaning: "exact numbers that always pass, unbilled",
		},
		{
			Name: "TALKTIME_EMERGENCY_DIAL", Unset: "TALKTIME_DIAL",
			Meaning: "where emergency numbers go",
		},
		{
			Name: "TALKTIME_COUNTRY", Unset: "none",
			Meaning: "calling code of the own country, such as 49: numbers in it are no new country to a user whose limits count these",
		},
		{
			Name: "TALKTIME_PROMPTS", Unset: "none",
			Meaning: "folder below Asterisk's sounds folder with recordings played before a refusal returns: nocredit, unknowncaller, unknowncallee, blocked, limit, norate, error; and with those of recharge and card (operations manual)",
		},
		{
			Name: "TALKTIME_PROMPT_NAME", Unset: "none",
			Meaning: "file below Asterisk's sounds folder, without its ending, to be played for one prompt instead, whose name stands in place of NAME with _ for -: TALKTIME_PROMPT_CARD_PIN",
		},
		{
			Name: "TALKTIME_CARD_LANGUAGES", Unset: "the channel's",
			Meaning: "languages of Asterisk's sounds from which the holder of a calling card chooses by a key from 1 on, such as en,es; at most 9",
		},
		{
			Name: "TALKTIME_SPOOL", Default: "data/spool",
			Meaning: "folder that keeps what a call's end said while the database could not be reached",
		},
		{
			Name: "TALKTIME_RECONCILE_SECONDS", Default: "30",
			Meaning: "how often lost calls are looked for, 1 to 3600",
		},
		{
			Name: "TALKTIME_KEEP_REFUSALS_DAYS", Default: "90",
			Meaning: "for how many days it is kept which calls were refused, 0 to 3650; 0: for ever",
		},
		{
			Name: "TALKTIME_LOW_BALANCE", Unset: "none",
			Meaning: "balances below which a notice is made, by currency, such as EUR:5,SEC:300, for users who have no own one",
		},
		{
			Name: "TALKTIME_NOTICE_REFUSALS", Default: "20/5",
			Meaning: "how many refused calls of a user within how many minutes make a notice, 1 to 100000 within 1 to 1440; off: none do",
		},
		{
			Name: "TALKTIME_NOTICE_MAIL", Unset: "none",
			Meaning: "addresses to which notices are sent by mail, such as ops@example.net,boss@example.net; needs TALKTIME_SMTP_ADDR",
		},
		{
			Name: "TALKTIME_SMTP_ADDR", Unset: "off",
			Meaning: "mail server for notices, host or host:port (587); at port 465 with TLS from the start, else with STARTTLS, without which mails go only to the same machine",
		},
		{
			Name: "TALKTIME_SMTP_USER", Unset: "none",
			Meaning: "user of the mail server; without one nobody logs in",
		},
		{
			Name: "TALKTIME_SMTP_PASSWORD", Unset: "none", Secret: true,
			Meaning: "password of that user",
		},
		{
			Name: "TALKTIME_SMTP_FROM", Unset: "none",
			Meaning: "address that mails come from; must be given with TALKTIME_SMTP_ADDR",
		},
		{
			Name: "TALKTIME_SHUTDOWN_SECONDS", Default: "10",
			Meaning: "how long open work may take after the first signal, 0 to 600",
		},
		{
			Name: "TALKTIME_TIMEZONE", Unset: "the host's",
			Meaning: "zone of reports, schedules and times without a zone, such as Europe/Vienna",
		},
		{
			Name: "TALKTIME_EXTENSIONS", Default: "^[0-9]{2,5}$",
			Meaning: "regular expression of the numbers that are inside",
		},
		{
			Name: "TALKTIME_TRUNKS", Unset: "none",
			Meaning: "regular expression of the channels that are trunks, that is, outside. It sees their names up to the last -, as PJSIP/trunk-",
		},
		{
			Name: "TALKTIME_NODEMANAGER", Unset: "off",
			Meaning: "OpenBTS's NodeManager, such as tcp://127.0.0.1:45064: it is told of every user with an IMSI who is made, changed or deleted",
		},
		{
			Name: "TALKTIME_AMI_ADDR", Unset: "off",
			Meaning: "Asterisk's manager interface, host or host:port (5038): calls are extended and cut by it, the reconciler asks it which calls are still up, the page Queues who waits",
		},
		{
			Name: "TALKTIME_AMI_USER", Unset: "none",
			Meaning: "its user",
		},
		{
			Name: "TALKTIME_AMI_SECRET", Unset: "none", Secret: true,
			Meaning: "its secret",
		},
		{
			Name: "TALKTIME_AMIn_ADDR", Unset: "none",
			Meaning: "those of further Asterisks, whose calls fastagi extends and cuts too: TALKTIME_AMI2_ADDR to TALKTIME_AMI9_ADDR; gaps are allowed",
		},
		{
			Name: "TALKTIME_AMIn_USER", Unset: "none",
			Meaning: "its user",
		},
		{
			Name: "TALKTIME_AMIn_SECRET", Unset: "none", Secret: true,
			Meaning: "its secret",
		},
		{
			Name: "TALKTIME_ARI_URL", Unset: "off",
			Meaning: "Asterisk's REST interface, such as http://127.0.0.1:8088/ari: there the backend realtime asks whether Asterisk takes what was written, and makes it forget telephones",
		},
		{
			Name: "TALKTIME_ARI_USER", Unset: "none",
			Meaning: "its user",
		},
		{
			Name: "TALKTIME_ARI_PASSWORD", Unset: "none", Secret: true,
			Meaning: "its password",
		},
		{
			Name: "DBn_HOST", Unset: "none",
			Meaning: "CDR databases to read, any number of them: DB1_HOST, DB2_HOST…; gaps are allowed; none: our own calls",
		},
		{
			Name: "DBn_PORT", Default: "3306",
			Meaning: "its port",
		},
		{
			Name: "DBn_USER", Unset: "none",
			Meaning: "its user, needed with DBn_HOST; reading rights are enough",
		},
		{
			Name: "DBn_PASSWORD", Unset: "none", Secret: true,
			Meaning: "its password",
		},
		{
			Name: "DBn_NAME", Default: "asteriskcdrdb",
			Meaning: "its schema",
		},
		{
			Name: "API_TOKEN", Unset: "none", Secret: true,
			Meaning: "token in the path of the reports callstat and asrstat; without it only tokens with the scope statistics open them",
		},
		{
			Name: "TALKTIME_CALLSTAT_EXTENSIONS", Default: "2000-3999",
			Meaning: "extensions the callstat report covers in foreign CDR databases",
		},
		{
			Name: "TALKTIME_CALLSTAT_OWN", Default: "off",
			Meaning: "on: our own calls stand in callstat beside the CDR databases; without CDR databases they always do",
		},
		{
			Name: "TALKTIME_ASR_PLUS", Default: "on",
			Meaning: "on: asrstat writes +49, never: 49; codes from a table country_codes of a CDR database are written as they stand there",
		},
		{
			Name: "TALKTIME_ASR_ACCESS_PREFIXES", Unset: "none",
			Meaning: "digits before international numbers that asrstat leaves out of them, such as 00,011",
		},
		{
			Name: "TALKTIME_ROLLUPS", Default: "own",
			Meaning: "of which calls admin serve keeps what it counted of each day, so that reports over months need not read every record: own, all (those of the CDR databases too) or off",
		},
		{
			Name: "TALKTIME_CALL_STATISTICS_DATE_ORDER", Default: "dmy",
			Meaning: "how the call statistics of accounts write and read dates: dmy for 17/06/2027, mdy for 06/17/2027; ISO 8601 is always read",
		},
		{
			Name: "TALKTIME_ZONES", Unset: "one for each country",
			Meaning: "CSV file with the zones of those statistics, by the first digits of numbers: zone_id,country,region,prefix",
		},
		{
			Name: "TALKTIME_CALLSTATS_ALLOW", Unset: "none",
			Meaning: "networks that may use the bare call statistics under /api/v1 without a token",
		},
		{
			Name: "TALKTIME_CDR_INCLUDE_S", Default: "off",
			Meaning: "on: cdrreport also lists rows whose destination is s",
		},
		{
			Name: "TALKTIME_CDR_ALL_COLUMNS", Default: "off",
			Meaning: "on: cdrreport also gives columns the original did not know",
		},
		{
			Name: "TALKTIME_ELASTIX_SHOW_FIREWALL_RULES", Default: "off",
			Meaning: "on: a token with the scope read sees the text of the host's firewall rules",
		},
		{
			Name: "TALKTIME_ELASTIX_COMPAT", Default: "docs",
			Meaning: "shapes of what /api/api.php answers: docs, as the documentation of elastix-api has them, or code, as its code wrote getharddrivers and getiptablesstatus",
		},
		{
			Name: "TALKTIME_ELASTIX_EXPOSE_MANAGER_SECRET", Default: "off",
			Meaning: "on: auth at /api/api.php tells tokens with the scope secrets TALKTIME_AMI_USER and TALKTIME_AMI_SECRET in place of a token for a quarter of an hour",
		},
		{
			Name: "TALKTIME_ELASTIX_PJSIP_PEERS", Default: "on",
			Meaning: "off: sippeers answers for an Asterisk without chan_sip that there are none, rather than with the endpoints of PJSIP in the same form",
		},
		{
			Name: "TALKTIME_ELASTIX_FOLDERS", Unset: "those of FreePBX",
			Meaning: "folders that getharddrivers measures, where they are elsewhere: logs=/var/log,thirdparty=/opt,voicemails=…,backups=…,configuration=…,recording=…",
		},
		{
			Name: "TALKTIME_SIP_ADDITIONAL", Unset: "/etc/asterisk/sip_additional.conf, or the tables of TALKTIME_PBX_BACKEND",
			Meaning: "file that sipextensions reads; with TALKTIME_PBX_BACKEND=realtime it never reads one",
		},
		{
			Name: "TALKTIME_QUEUE_LOG", Unset: "none",
			Meaning: "path of Asterisk's queue_log, from which queue statistics are made, or db for its table in DB1",
		},
		{
			Name: "TALKTIME_QUEUE_SLA_SECONDS", Default: "20",
			Meaning: "within how many seconds callers are to be connected, 1 to 3600: the service level of queue statistics, where nobody asks for another",
		},
		{
			Name: "TALKTIME_RECORDINGS", Default: "/var/spool/asterisk/monitor",
			Meaning: "root of the recordings: of queue calls by the names that DB1 has for them, of all at /api/pbx/recordings",
		},
		{
			Name: "TALKTIME_KEEP_RECORDINGS_DAYS", Default: "0",
			Meaning: "for how many days a recording is kept after it was last changed, 0 to 36500; admin serve deletes older ones; 0: for ever",
		},
		{
			Name: "TALKTIME_PBX_BACKEND", Default: "off",
			Meaning: "where extensions are managed: off, realtime (PJSIP tables) or freepbx",
		},
		{
			Name: "TALKTIME_PBX_DATABASE_URL", Unset: "none", Secret: true,
			Meaning: "MariaDB or MySQL database of that backend, written as TALKTIME_DATABASE_URL",
		},
		{
			Name: "TALKTIME_PBX_RELOAD", Unset: "nothing is run",
			Meaning: "what makes FreePBX apply its tables: a program by its full path and its arguments, split at blanks and given to no shell, such as /usr/sbin/fwconsole reload",
		},
		{
			Name: "TALKTIME_PBX_TRANSPORTS", Unset: "left to the telephone",
			Meaning: "which transports of pjsip.conf the backend realtime gives to telephones, by their protocol, such as udp=transport-udp,tls=transport-tls",
		},
		{
			Name: "TALKTIME_PBX_MIN_SECRET", Default: "8",
			Meaning: "characters that a telephone's secret must have at least, 1 to 80",
		},
		{
			Name: "TALKTIME_MUSIC_CLASSES", Unset: "none",
			Meaning: "classes of music on hold that a follow-me may name besides Ring, default and none, such as jazz,ads",
		},
		{
			Name: "TALKTIME_PBX_CONTEXTS", Default: "from-internal",
			Meaning: "contexts of the dialplan that /api/pbx/originate and redirect may send calls to, and members of queues be called by; each must charge what leads outside; the first counts where none is named",
		},
	}
}

// Usage returns the settings as plain text for a command's help.
func Usage() string {
	var b strings.Builder
	b.WriteString("Settings are environment variables, read from a file .env in the working directory too (the environment wins).\n")
	b.WriteString("Those marked * may be given as NAME_FILE, the path of a file that holds the value.\n\n")
	for _, s := range Describe() {
		if s.Later {
			continue
		}
		mark := ""
		if s.Secret {
			mark = " *"
		}
		fmt.Fprintf(&b, "  %s%s (%s)\n      %s\n", s.Name, mark, s.Shown(), s.Meaning)
	}
	return b.String()
}

// MarkdownTable returns the settings as the table that README carries; a test compares the two.
func MarkdownTable() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	var later []string
	for _, s := range Describe() {
		if s.Later {
			later = append(later, "`"+s.Name+"`")
			continue
		}
		shown := s.Unset
		if s.Default != "" {
			shown = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Name, shown, strings.ReplaceAll(s.Meaning, "|", `\|`))
	}
	if len(later) > 0 {
		b.WriteString("\nRead and checked already, for what is not there yet: " + strings.Join(later, ", ") + ".\n")
	}
	return b.String()
}

// slotName matches the variables of one CDR database: DB1_HOST, DB12_PASSWORD.
var slotName = regexp.MustCompile(`^DB([1-9][0-9]{0,3})_([A-Z_]+)$`)

// amiName matches the variables of the manager interface of one further Asterisk.
var amiName = regexp.MustCompile(`^TALKTIME_AMI[2-9]_([A-Z_]+)$`)

// promptPrefix begins the variable of one prompt.
const promptPrefix = "TALKTIME_PROMPT_"

// generic returns the name under which the table knows a variable: DB7_HOST is DBn_HOST.
func generic(name string) string {
	if strings.HasPrefix(name, promptPrefix) {
		return promptPrefix + "NAME"
	}
	if m := slotName.FindStringSubmatch(name); m != nil {
		return "DBn_" + m[2]
	}
	if m := amiName.FindStringSubmatch(name); m != nil {
		return "TALKTIME_AMIn_" + m[1]
	}
	return name
}
