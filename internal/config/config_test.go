package config

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/money"
)

// load loads from a map, without a .env file.
func load(env map[string]string) (Config, error) { return loadDir(env, "") }

func loadDir(env map[string]string, dir string) (Config, error) {
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	getenv := func(name string) (string, bool) {
		value, set := env[name]
		return value, set
	}
	return Load(getenv, environ, dir)
}

func mustLoad(t *testing.T, env map[string]string) Config {
	t.Helper()
	c, err := load(env)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// TestHostZone: the host's zone has its own name where that is known.
func TestHostZone(t *testing.T) {
	t.Parallel()
	for tz, want := range map[string]string{"Europe/Vienna": "Europe/Vienna", ":Europe/Vienna": "Europe/Vienna", "": "UTC", "/no/such/zone": "Local"} {
		if got := hostZone(tz, true).String(); got != want {
			t.Errorf("TZ=%q: %s, want %s", tz, got, want)
		}
	}
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	if got, want := noon.In(hostZone("", false)).Format(time.RFC822Z), noon.In(time.Local).Format(time.RFC822Z); os.Getenv("TZ") == "" && got != want {
		t.Errorf("without TZ it is %s, want %s", got, want)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, nil)

	want := Config{
		Database: Database{Dialect: SQLite, Path: "data/talktime.db"},
		FastAGI: FastAGI{
			Listen:   "127.0.0.1:4573",
			Allow:    []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
			Sessions: 20000,
		},
		Admin: Admin{Listen: "127.0.0.1:5000"},
		Calls: Calls{
			Max:            7200 * time.Second,
			Ring:           40 * time.Second,
			Slice:          5 * time.Minute,
			WarnSound:      "beep",
			Dial:           "PJSIP/{number}@trunk",
			SubscriberDial: "PJSIP/IMSI{imsi}@openbts",
			EmergencyDial:  "PJSIP/{number}@trunk",
			DialTechs:      []string{"PJSIP", "SIP", "IAX2", "DAHDI"},
			Identify:       []string{"callerid", "account", "imsi"},
		},
		Callstat:        Callstat{FirstExtension: 2000, LastExtension: 3999},
		RollUps:         RollUpsOwn,
		QueueSLA:        20 * time.Second,
		Recordings:      "/var/spool/asterisk/monitor",
		Spool:           "data/spool",
		KeepRefusals:    90 * 24 * time.Hour,
		Notices:         Notices{Refusals: 20, Window: 5 * time.Minute},
		PBX:             PBX{Backend: PBXOff, MinSecret: 8, Contexts: []string{"from-internal"}},
		Elastix:         Elastix{PJSIPPeers: true},
		ReconcileEvery:  30 * time.Second,
		ShutdownTimeout: 10 * time.Second,
	}
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	if got, want := noon.In(c.Location).Format(time.RFC822Z), noon.In(time.Local).Format(time.RFC822Z); got != want {
		t.Errorf("Location = %v, where it is %s; want the host's, where it is %s", c.Location, got, want)
	}
	if !c.Inside.Extensions.MatchString("2001") || c.Inside.Extensions.MatchString("0551234567") || c.Inside.Trunks != nil {
		t.Errorf("Inside = %v, want numbers of 2 to 5 digits and no trunks", c.Inside)
	}
	c.Location, c.Inside = nil, Inside{}
	if diff := cmp.Diff(want, c, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("defaults differ (-want +got):\n%s", diff)
	}
}

func TestEmptyIsUnset(t *testing.T) {
	t.Parallel()
	env := make(map[string]string)
	for _, s := range Describe() {
		if !s.emptyCounts {
			env[anyName(s.Name)] = ""
		}
	}
	c := mustLoad(t, env)
	if c.Calls.Ring != 40*time.Second || c.FastAGI.Listen != "127.0.0.1:4573" || len(c.CDR.Databases) != 0 {
		t.Errorf("empty variables changed a default: %+v", c)
	}
	if len(c.Warnings)+len(c.Unknown) != 0 {
		t.Errorf("empty variables gave warnings %q, unknown %q", c.Warnings, c.Unknown)
	}
}

func TestEmptyCounts(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, map[string]string{"TALKTIME_DIAL": "", "TALKTIME_SUBSCRIBER_DIAL": " "})
	if c.Calls.Dial != "" || c.Calls.SubscriberDial != "" {
		t.Errorf("Dial = %q, SubscriberDial = %q, want both empty", c.Calls.Dial, c.Calls.SubscriberDial)
	}
}

func TestEverySetting(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, map[string]string{
		"TALKTIME_DATABASE_URL":                "mysql://talk:s%40lt@db.example.net/talktime?tls=true",
		"TALKTIME_FASTAGI_LISTEN":              ":4574",
		"TALKTIME_FASTAGI_ALLOW":               "10.0.0.0/8 192.0.2.7, 2001:db8::/32",
		"TALKTIME_FASTAGI_SESSIONS":            "50",
		"TALKTIME_ADMIN_LISTEN":                "[::1]:5001",
		"TALKTIME_TLS_CERT":                    "tls/cert.pem",
		"TALKTIME_TLS_KEY":                     "tls/key.pem",
		"TALKTIME_TRUSTED_PROXIES":             "127.0.0.1",
		"TALKTIME_PUBLIC_URL":                  "https://billing.example.net/talk/",
		"TALKTIME_ADMIN_PASSWORD":              "correct horse",
		"TALKTIME_MAX_CALL_SECONDS":            "3600",
		"TALKTIME_DIAL":                        "PJSIP/{number}@a&IAX2/b/{number}",
		"TALKTIME_SUBSCRIBER_DIAL":             "PJSIP/{clid}",
		"TALKTIME_DIAL_TECHS":                  "PJSIP, IAX2",
		"TALKTIME_RING_SECONDS":                "25",
		"TALKTIME_SLICE_SECONDS":               "60",
		"TALKTIME_WARN_SECONDS":                "10",
		"TALKTIME_WARN_SOUND":                  "site/nearly-over",
		"TALKTIME_IDENTIFY":                    "account callerid",
		"TALKTIME_EMERGENCY":                   "112, 911 *5",
		"TALKTIME_EMERGENCY_DIAL":              "PJSIP/{number}@emergency",
		"TALKTIME_PROMPTS":                     "talktime/en/",
		"TALKTIME_PROMPT_CARD_PIN":             "site/pin",
		"TALKTIME_PROMPT_GOODBYE":              " ",
		"TALKTIME_CARD_LANGUAGES":              "en, pt_BR",
		"TALKTIME_SPOOL":                       "/var/lib/talktime/spool",
		"TALKTIME_RECONCILE_SECONDS":           "5",
		"TALKTIME_SHUTDOWN_SECONDS":            "0",
		"TALKTIME_KEEP_REFUSALS_DAYS":          "7",
		"TALKTIME_ROLLUPS":                     "all",
		"TALKTIME_LOW_BALANCE":                 "EUR:5.5, SEC:-300",
		"TALKTIME_NOTICE_REFUSALS":             "off",
		"TALKTIME_NOTICE_MAIL":                 "ops@example.net, boss@example.net",
		"TALKTIME_SMTP_ADDR":                   "mail.example.net",
		"TALKTIME_SMTP_USER":                   "talk",
		"TALKTIME_SMTP_PASSWORD":               "smtp-password",
		"TALKTIME_SMTP_FROM":                   "talktime@example.net",
		"TALKTIME_COUNTRY":                     "598",
		"TALKTIME_TIMEZONE":                    "Pacific/Auckland",
		"TALKTIME_EXTENSIONS":                  "^2...$",
		"TALKTIME_TRUNKS":                      "^PJSIP/trunk-",
		"TALKTIME_AMI_ADDR":                    "192.0.2.1",
		"TALKTIME_NODEMANAGER":                 "tcp://192.0.2.9",
		"TALKTIME_AMI_USER":                    "talktime",
		"TALKTIME_AMI_SECRET":                  "ami-secret",
		"TALKTIME_AMI3_ADDR":                   "192.0.2.3:5039",
		"TALKTIME_AMI3_USER":                   "billing",
		"TALKTIME_AMI3_SECRET":                 "third-secret",
		"TALKTIME_ARI_URL":                     "http://127.0.0.1:8088/ari/",
		"TALKTIME_ARI_USER":                    "talktime",
		"TALKTIME_ARI_PASSWORD":                "ari-password",
		"DB1_HOST":                             "cdr1",
		"DB1_USER":                             "reader",
		"DB7_HOST":                             "2001:db8::7",
		"DB7_PORT":                             "3307",
		"DB7_USER":                             "reader",
		"DB7_PASSWORD":                         "cdr-password",
		"DB7_NAME":                             "asterisk",
		"API_TOKEN":                            "0123456789abcdef",
		"TALKTIME_CALLSTAT_EXTENSIONS":         "100-199",
		"TALKTIME_CALLSTAT_OWN":                "on",
		"TALKTIME_ASR_PLUS":                    "never",
		"TALKTIME_ASR_ACCESS_PREFIXES":         "00, 011",
		"TALKTIME_CALLSTATS_ALLOW":             "10.1.0.0/16",
		"TALKTIME_CALL_STATISTICS_DATE_ORDER":  "mdy",
		"TALKTIME_ZONES":                       "/etc/talktime/zones.csv",
		"TALKTIME_CDR_INCLUDE_S":               "true",
		"TALKTIME_CDR_ALL_COLUMNS":             "YES",
		"TALKTIME_ELASTIX_SHOW_FIREWALL_RULES": "1",

		"TALKTIME_ELASTIX_COMPAT":                "code",
		"TALKTIME_ELASTIX_EXPOSE_MANAGER_SECRET": "on",
		"TALKTIME_ELASTIX_PJSIP_PEERS":           "off",
		"TALKTIME_ELASTIX_FOLDERS":               "logs=/srv/log/, backups=/srv/backup",
		"TALKTIME_SIP_ADDITIONAL":                "/srv/sip/../sip_additional.conf",
		"TALKTIME_QUEUE_LOG":                     "db",
		"TALKTIME_QUEUE_SLA_SECONDS":             "45",
		"TALKTIME_RECORDINGS":                    "/srv/monitor/",
		"TALKTIME_KEEP_RECORDINGS_DAYS":          "400",
		"TALKTIME_PBX_BACKEND":                   "freepbx",
		"TALKTIME_PBX_DATABASE_URL":              "mysql://pbx@[2001:db8::1]:3310/asterisk",
		"TALKTIME_PBX_RELOAD":                    " /usr/sbin/fwconsole  reload ",
		"TALKTIME_PBX_TRANSPORTS":                "udp=transport-udp, tls=secure",
		"TALKTIME_PBX_MIN_SECRET":                "12",
		"TALKTIME_MUSIC_CLASSES":                 "jazz,ads",
		"TALKTIME_PBX_CONTEXTS":                  "from-internal, from-queue",
	})

	if got := c.Location.String(); got != "Pacific/Auckland" {
		t.Errorf("Location = %s", got)
	}
	if c.Inside.Extensions.String() != "^2...$" || c.Inside.Trunks.String() != "^PJSIP/trunk-" {
		t.Errorf("Inside = %v", c.Inside)
	}
	c.Location, c.Inside = nil, Inside{}
	want := Config{
		Database: Database{Dialect: MySQL, Host: "db.example.net", Port: 3306, User: "talk", Password: "s@lt", Name: "talktime", TLS: "true"},
		FastAGI: FastAGI{
			Listen: ":4574", Sessions: 50,
			Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32")},
		},
		Admin: Admin{
			Listen: "[::1]:5001", TLSCert: "tls/cert.pem", TLSKey: "tls/key.pem",
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			PublicURL:      "https://billing.example.net/talk", Password: "correct horse",
		},
		Calls: Calls{
			Max: time.Hour, Ring: 25 * time.Second, Slice: time.Minute, Warn: 10 * time.Second, WarnSound: "site/nearly-over",
			Dial: "PJSIP/{number}@a&IAX2/b/{number}", SubscriberDial: "PJSIP/{clid}", EmergencyDial: "PJSIP/{number}@emergency",
			DialTechs: []string{"PJSIP", "IAX2"}, Identify: []string{"account", "callerid"},
			Emergency: []string{"112", "911", "*5"}, Country: "598", Prompts: "talktime/en",
			Recordings: map[string]string{"card-pin": "site/pin"}, CardLanguages: []string{"en", "pt_BR"},
		},
		AMI:         AMI{Addr: "192.0.2.1:5038", User: "talktime", Secret: "ami-secret"},
		MoreAMI:     []AMI{{Addr: "192.0.2.3:5039", User: "billing", Secret: "third-secret"}},
		NodeManager: "192.0.2.9:45064",
		ARI:         ARI{URL: "http://127.0.0.1:8088/ari", User: "talktime", Password: "ari-password"},
		CDR: CDR{
			Databases: []CDRDatabase{
				{Slot: 1, Host: "cdr1", Port: 3306, User: "reader", Name: "asteriskcdrdb"},
				{Slot: 7, Host: "2001:db8::7", Port: 3307, User: "reader", Password: "cdr-password", Name: "asterisk"},
			},
			IncludeS: true, AllColumns: true,
		},
		Callstat:            Callstat{Token: "0123456789abcdef", FirstExtension: 100, LastExtension: 199, AlwaysWithOwnCalls: true, BareCodes: true, AccessPrefixes: []string{"00", "011"}},
		CallStatisticsAllow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		MonthFirst:          true,
		Zones:               "/etc/talktime/zones.csv",
		RollUps:             RollUpsAll,
		QueueLog:            QueueLog{Table: true},
		QueueSLA:            45 * time.Second,
		Recordings:          "/srv/monitor",
		KeepRecordings:      400 * 24 * time.Hour,
		Spool:               "/var/lib/talktime/spool",
		KeepRefusals:        7 * 24 * time.Hour,
		Notices: Notices{
			LowBalance: map[string]money.Amount{"EUR": 5_500_000, "SEC": -300_000_000}, Mail: []string{"ops@example.net", "boss@example.net"},
			SMTP: SMTP{Addr: "mail.example.net:587", User: "talk", Password: "smtp-password", From: "talktime@example.net"},
		},
		PBX: PBX{
			Backend: PBXFreePBX, Database: Database{Dialect: MySQL, Host: "2001:db8::1", Port: 3310, User: "pbx", Name: "asterisk"},
			Reload: []string{"/usr/sbin/fwconsole", "reload"}, Transports: map[string]string{"udp": "transport-udp", "tls": "secure"}, MinSecret: 12, MusicClasses: []string{"jazz", "ads"},
			Contexts: []string{"from-internal", "from-queue"},
		},
		Elastix: Elastix{
			ShowFirewallRules: true, AsTheCode: true, ExposeManagerSecret: true, Folders: map[string]string{"logs": "/srv/log", "backups": "/srv/backup"},
			SIPAdditional: "/srv/sip_additional.conf",
		},
		ReconcileEvery: 5 * time.Second,
	}
	if diff := cmp.Diff(want, c, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("settings differ (-want +got):\n%s", diff)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  map[string]string
		want []string // one text for each mistake, in order
	}{
		{"database without a scheme", m("TALKTIME_DATABASE_URL", "talktime.db"), []string{"TALKTIME_DATABASE_URL must be sqlite:path or mysql://user:password@host:3306/name"}},
		{"fastagi address without a port", m("TALKTIME_FASTAGI_LISTEN", "localhost"), []string{`TALKTIME_FASTAGI_LISTEN is "localhost", but must be host:port`}},
		{"fastagi port out of range", m("TALKTIME_FASTAGI_LISTEN", "127.0.0.1:70000"), []string{`"127.0.0.1:70000", but must have a port from 0 to 65535`}},
		{"fastagi host that is none", m("TALKTIME_FASTAGI_LISTEN", "a b:1"), []string{`TALKTIME_FASTAGI_LISTEN is "a b:1"`}},
		{"allow is no network", m("TALKTIME_FASTAGI_ALLOW", "10.0.0.0/8,lan"), []string{`"lan" is none`}},
		{"allow with host bits", m("TALKTIME_FASTAGI_ALLOW", "10.1.2.3/8"), []string{`write 10.0.0.0/8 for "10.1.2.3/8"`}},
		{"allow with a mapped address", m("TALKTIME_FASTAGI_ALLOW", "::ffff:10.0.0.0/104"), []string{"in IPv4 form"}},
		{"allow of commas only", m("TALKTIME_FASTAGI_ALLOW", ","), []string{"must name at least one thing"}},
		{"no sessions", m("TALKTIME_FASTAGI_SESSIONS", "0"), []string{`TALKTIME_FASTAGI_SESSIONS is "0", but must be a whole number from 1 to 1000000`}},
		{"admin address without a port", m("TALKTIME_ADMIN_LISTEN", "::1"), []string{"TALKTIME_ADMIN_LISTEN"}},
		{"both on one address", m("TALKTIME_ADMIN_LISTEN", "127.0.0.1:4573"), []string{"must differ from TALKTIME_FASTAGI_LISTEN"}},
		{"certificate without a key", m("TALKTIME_TLS_CERT", "c.pem"), []string{"TALKTIME_TLS_KEY must be given with TALKTIME_TLS_CERT"}},
		{"key without a certificate", m("TALKTIME_TLS_KEY", "k.pem"), []string{"TALKTIME_TLS_CERT must be given with TALKTIME_TLS_KEY"}},
		{"proxies are no networks", m("TALKTIME_TRUSTED_PROXIES", "all"), []string{"TALKTIME_TRUSTED_PROXIES"}},
		{"public URL without a scheme", m("TALKTIME_PUBLIC_URL", "billing.example.net"), []string{"TALKTIME_PUBLIC_URL"}},
		{"public URL with a query", m("TALKTIME_PUBLIC_URL", "https://a.example/?x=1"), []string{"without ? and #"}},
		{"password too short", m("TALKTIME_ADMIN_PASSWORD", "12345"), []string{"TALKTIME_ADMIN_PASSWORD must have at least 6 characters"}},
		{"password with a newline", m("TALKTIME_ADMIN_PASSWORD", "1234567\n8"), []string{"TALKTIME_ADMIN_PASSWORD must be one line"}},
		{"slice of a second", m("TALKTIME_SLICE_SECONDS", "1"), []string{`TALKTIME_SLICE_SECONDS is "1", but must be a whole number of seconds from 2 to 3600, without a unit, or 0 for the whole call`}},
		{"slice of more than an hour", m("TALKTIME_SLICE_SECONDS", "3601"), []string{"TALKTIME_SLICE_SECONDS"}},
		{"slice below nothing", m("TALKTIME_SLICE_SECONDS", "-5"), []string{"TALKTIME_SLICE_SECONDS"}},
		{"slice with a unit", m("TALKTIME_SLICE_SECONDS", "5s"), []string{"TALKTIME_SLICE_SECONDS"}},
		{"warning below nothing", m("TALKTIME_WARN_SECONDS", "-1"), []string{"TALKTIME_WARN_SECONDS"}},
		{"warning that is no file", m("TALKTIME_WARN_SOUND", "/etc/x,y"), []string{"TALKTIME_WARN_SOUND is \"/etc/x,y\", but must be a file below Asterisk's sounds folder"}},
		{
			"second Asterisk without the first",
			m("TALKTIME_AMI2_ADDR", "b", "TALKTIME_AMI2_USER", "u", "TALKTIME_AMI2_SECRET", "s"),
			[]string{"TALKTIME_AMI_ADDR must be given with TALKTIME_AMI2_ADDR"},
		},
		{
			"one Asterisk three times",
			m("TALKTIME_AMI_ADDR", "a", "TALKTIME_AMI_USER", "u", "TALKTIME_AMI_SECRET", "s", "TALKTIME_AMI2_ADDR", "a:5038", "TALKTIME_AMI2_USER", "u",
				"TALKTIME_AMI2_SECRET", "s", "TALKTIME_AMI9_ADDR", "a", "TALKTIME_AMI9_USER", "u", "TALKTIME_AMI9_SECRET", "s"),
			[]string{`TALKTIME_AMI2_ADDR is "a:5038", but must be that of another Asterisk`, `TALKTIME_AMI9_ADDR is "a", but must be that of another Asterisk`},
		},
		{
			"second Asterisk without a login",
			m("TALKTIME_AMI_ADDR", "a", "TALKTIME_AMI_USER", "u", "TALKTIME_AMI_SECRET", "s", "TALKTIME_AMI2_ADDR", "b"),
			[]string{"TALKTIME_AMI2_USER must be given with TALKTIME_AMI2_ADDR", "TALKTIME_AMI2_SECRET must be given with TALKTIME_AMI2_ADDR"},
		},
		{"call of no length", m("TALKTIME_MAX_CALL_SECONDS", "0"), []string{"from 1 to 86400"}},
		{"call of more than a day", m("TALKTIME_MAX_CALL_SECONDS", "86401"), []string{"from 1 to 86400"}},
		{"seconds with a unit", m("TALKTIME_MAX_CALL_SECONDS", "2h"), []string{`TALKTIME_MAX_CALL_SECONDS is "2h", but must be a whole number of seconds from 1 to 86400, without a unit`}},
		{"seconds with a fraction", m("TALKTIME_RING_SECONDS", "1.5"), []string{"TALKTIME_RING_SECONDS"}},
		{"ringing for ever", m("TALKTIME_RING_SECONDS", "601"), []string{"from 1 to 600"}},
		{"no pause between reconciliations", m("TALKTIME_RECONCILE_SECONDS", "0"), []string{"from 1 to 3600"}},
		{"country", m("TALKTIME_COUNTRY", "+49"), []string{"without + or 00"}},
		{"no country", m("TALKTIME_COUNTRY", "999"), []string{"calling code of a country"}},
		{"a low balance without a currency", m("TALKTIME_LOW_BALANCE", "5"), []string{`must be amounts by currency such as EUR:5,SEC:300, each currency once; "5" is none`}},
		{"a low balance twice", m("TALKTIME_LOW_BALANCE", "EUR:5,EUR:6"), []string{`"EUR:6" is none`}},
		{"refusals without minutes", m("TALKTIME_NOTICE_REFUSALS", "20"), []string{"must be off, or a number from 1 to 100000 and minutes from 1 to 1440"}},
		{"mail to a name", m("TALKTIME_NOTICE_MAIL", "ops", "TALKTIME_SMTP_ADDR", "mx", "TALKTIME_SMTP_FROM", "a@example.net"), []string{`"ops" is none`}},
		{"mail to a header", m("TALKTIME_NOTICE_MAIL", "Ops<ops@example.net>", "TALKTIME_SMTP_ADDR", "mx", "TALKTIME_SMTP_FROM", "a@example.net"), []string{`"Ops<ops@example.net>" is none`}},
		{"mail without a server", m("TALKTIME_NOTICE_MAIL", "ops@example.net"), []string{"TALKTIME_SMTP_ADDR must be given with TALKTIME_NOTICE_MAIL"}},
		{"mail from nobody", m("TALKTIME_NOTICE_MAIL", "ops@example.net", "TALKTIME_SMTP_ADDR", "mx"), []string{"TALKTIME_SMTP_FROM must be a mail address, and given with TALKTIME_SMTP_ADDR"}},
		{"a mail password of nobody", m("TALKTIME_NOTICE_MAIL", "ops@example.net", "TALKTIME_SMTP_ADDR", "mx", "TALKTIME_SMTP_FROM", "a@example.net", "TALKTIME_SMTP_PASSWORD", "x"), []string{"TALKTIME_SMTP_USER must be given"}},
		{"refusals kept too long", m("TALKTIME_KEEP_REFUSALS_DAYS", "4000"), []string{"from 0 to 3650"}},
		{"roll-ups of nobody", m("TALKTIME_ROLLUPS", "on"), []string{"TALKTIME_ROLLUPS is \"on\", but must be off, own or all"}},
		{"negative shutdown", m("TALKTIME_SHUTDOWN_SECONDS", "-1"), []string{"from 0 to 600"}},
		{"dial without a technology", m("TALKTIME_DIAL", "{number}@trunk"), []string{"must have the form Tech/resource"}},
		{"dial with a forbidden technology", m("TALKTIME_DIAL", "Local/{number}@x"), []string{`names the technology "Local"`}},
		{"dial with options", m("TALKTIME_DIAL", "PJSIP/{number}@trunk,60,T"), []string{"must have 1 to 200 letters"}},
		{"dial with a variable", m("TALKTIME_DIAL", "PJSIP/${EXTEN}@trunk"), []string{"has the placeholder {EXTEN}, but only {number} is filled in"}},
		{"dial with a placeholder of another setting", m("TALKTIME_DIAL", "PJSIP/{imsi}@trunk"), []string{"only {number} is filled in"}},
		{"dial with an open brace", m("TALKTIME_DIAL", "PJSIP/{number@trunk"), []string{"must have 1 to 200 letters"}},
		{"dial with an empty part", m("TALKTIME_DIAL", "PJSIP/1&"), []string{"must have the form"}},
		{"dial without a resource", m("TALKTIME_DIAL", "PJSIP/"), []string{"must have 1 to 200 letters"}},
		{"dial too long", m("TALKTIME_DIAL", "PJSIP/"+strings.Repeat("1", 201)), []string{"must have 1 to 200 letters"}},
		{"dial with a control character", m("TALKTIME_DIAL", "PJSIP/1\n2"), []string{"must not contain control characters"}},
		{"subscriber dial with an unknown placeholder", m("TALKTIME_SUBSCRIBER_DIAL", "PJSIP/{name}"), []string{"{number}, {imsi}, {clid}"}},
		{"technology that is none", m("TALKTIME_DIAL_TECHS", "PJSIP,IAX2,my/tech"), []string{`"my/tech" is none`}},
		{"technology twice", m("TALKTIME_DIAL_TECHS", "PJSIP,PJSIP"), []string{`must not name "PJSIP" twice`}},
		{"default target without its technology", m("TALKTIME_DIAL_TECHS", "SIP"), []string{"TALKTIME_DIAL names the technology", "TALKTIME_SUBSCRIBER_DIAL names the technology"}},
		{"unknown way to identify", m("TALKTIME_IDENTIFY", "callerid,ip"), []string{`must be a list of callerid, account, imsi; "ip" is none of them`}},
		{"way to identify twice", m("TALKTIME_IDENTIFY", "imsi,imsi"), []string{`must not name "imsi" twice`}},
		{"no way to identify", m("TALKTIME_IDENTIFY", " , "), []string{"must name at least one thing"}},
		{"emergency number that is a pattern", m("TALKTIME_EMERGENCY", "112,_9XX"), []string{`"_9XX" is none`}},
		{"emergency number twice", m("TALKTIME_EMERGENCY", "112,112"), []string{"twice"}},
		{"emergency numbers without a target", m("TALKTIME_EMERGENCY", "112", "TALKTIME_DIAL", ""), []string{"TALKTIME_EMERGENCY_DIAL must say where emergency numbers go"}},
		{"emergency target that is none", m("TALKTIME_EMERGENCY_DIAL", "trunk"), []string{"TALKTIME_EMERGENCY_DIAL"}},
		{"prompts outside the sounds folder", m("TALKTIME_PROMPTS", "../etc"), []string{"below Asterisk's sounds folder"}},
		{"prompts as an absolute path", m("TALKTIME_PROMPTS", "/srv/sounds"), []string{"below Asterisk's sounds folder"}},
		{"a prompt outside the sounds folder", m("TALKTIME_PROMPT_CARD_PIN", "/etc/x"), []string{`TALKTIME_PROMPT_CARD_PIN is "/etc/x", but must be a file below`}},
		{"a language that is none", m("TALKTIME_CARD_LANGUAGES", "en,../x"), []string{`"../x" is none`}},
		{"a language twice", m("TALKTIME_CARD_LANGUAGES", "en,en"), []string{`must not name "en" twice`}},
		{"more languages than keys", m("TALKTIME_CARD_LANGUAGES", "aa,ab,ac,ad,ae,af,ag,ah,ai,aj"), []string{"at most 9 languages"}},
		{"prompts joined as Playback joins them", m("TALKTIME_PROMPTS", "a&b"), []string{"TALKTIME_PROMPTS"}},
		{"unknown time zone", m("TALKTIME_TIMEZONE", "Mars/Olympus"), []string{`TALKTIME_TIMEZONE is "Mars/Olympus"`}},
		{"extensions no regular expression", m("TALKTIME_EXTENSIONS", "^[0-9"), []string{"TALKTIME_EXTENSIONS"}},
		{"trunks no regular expression", m("TALKTIME_TRUNKS", "*"), []string{"TALKTIME_TRUNKS"}},
		{"manager with a bad port", m("TALKTIME_AMI_ADDR", "pbx:0", "TALKTIME_AMI_USER", "u", "TALKTIME_AMI_SECRET", "s"), []string{"TALKTIME_AMI_ADDR"}},
		{"node manager over something else", m("TALKTIME_NODEMANAGER", "ipc:///tmp/x"), []string{"TALKTIME_NODEMANAGER is \"ipc:///tmp/x\", but needs a port"}},
		{"manager without a login", m("TALKTIME_AMI_ADDR", "pbx"), []string{"TALKTIME_AMI_USER must be given", "TALKTIME_AMI_SECRET must be given"}},
		{"rest interface by another protocol", m("TALKTIME_ARI_URL", "ws://pbx/ari", "TALKTIME_ARI_USER", "u", "TALKTIME_ARI_PASSWORD", "p"), []string{"TALKTIME_ARI_URL"}},
		{"rest interface without a login", m("TALKTIME_ARI_URL", "http://pbx/ari"), []string{"TALKTIME_ARI_USER must be given", "TALKTIME_ARI_PASSWORD must be given"}},
		{"cdr database with a port in the host", m("DB1_HOST", "cdr:3306", "DB1_USER", "u"), []string{"DB1_HOST"}},
		{"cdr database with a bad port", m("DB2_HOST", "cdr", "DB2_PORT", "x", "DB2_USER", "u"), []string{`DB2_PORT is "x", but must be a whole number from 1 to 65535`}},
		{"cdr database without a user", m("DB3_HOST", "cdr"), []string{"DB3_USER must be given with DB3_HOST"}},
		{"cdr database with a bad name", m("DB4_HOST", "cdr", "DB4_USER", "u", "DB4_NAME", "a.b"), []string{"DB4_NAME"}},
		{"reserved token", m("API_TOKEN", "weekly"), []string{"API_TOKEN must not be one of the words"}},
		{"token that cannot be in a path", m("API_TOKEN", "aaaaaaaa/aaaaaaaaaaaa"), []string{"API_TOKEN must not contain"}},
		{"extensions of callstat without an end", m("TALKTIME_CALLSTAT_EXTENSIONS", "2000"), []string{"TALKTIME_CALLSTAT_EXTENSIONS"}},
		{"extensions of callstat the wrong way round", m("TALKTIME_CALLSTAT_EXTENSIONS", "3999-2000"), []string{"the smaller one first"}},
		{"codes with half a plus", m("TALKTIME_ASR_PLUS", "off"), []string{`TALKTIME_ASR_PLUS is "off", but must be on or never`}},
		{"an access prefix with a plus", m("TALKTIME_ASR_ACCESS_PREFIXES", "00,+"), []string{`"+" is none`}},
		{"an access prefix twice", m("TALKTIME_ASR_ACCESS_PREFIXES", "00,00"), []string{`must not name "00" twice`}},
		{"token that is a report", m("API_TOKEN", "callstat"), []string{"API_TOKEN must not be one of the words"}},
		{"neither on nor off", m("TALKTIME_CALLSTAT_OWN", "maybe"), []string{`TALKTIME_CALLSTAT_OWN is "maybe", but must be on or off`}},
		{"include s neither on nor off", m("TALKTIME_CDR_INCLUDE_S", "2"), []string{"TALKTIME_CDR_INCLUDE_S"}},
		{"all columns neither on nor off", m("TALKTIME_CDR_ALL_COLUMNS", "2"), []string{"TALKTIME_CDR_ALL_COLUMNS"}},
		{"compat of nothing", m("TALKTIME_ELASTIX_COMPAT", "php"), []string{`TALKTIME_ELASTIX_COMPAT is "php", but must be docs or code`}},
		{"the secret of no manager", m("TALKTIME_ELASTIX_EXPOSE_MANAGER_SECRET", "on"), []string{`TALKTIME_ELASTIX_EXPOSE_MANAGER_SECRET is "on", but may be on only with TALKTIME_AMI_ADDR`}},
		{"a folder that nobody measures", m("TALKTIME_ELASTIX_FOLDERS", "tmp=/tmp"), []string{`"tmp=/tmp" is none`}},
		{"a relative folder", m("TALKTIME_ELASTIX_FOLDERS", "logs=log"), []string{`"logs=log" is none`}},
		{"a folder twice", m("TALKTIME_ELASTIX_FOLDERS", "logs=/a,logs=/b"), []string{"has logs twice"}},
		{"firewall rules neither on nor off", m("TALKTIME_ELASTIX_SHOW_FIREWALL_RULES", "2"), []string{"TALKTIME_ELASTIX_SHOW_FIREWALL_RULES"}},
		{"an order of dates that there is not", m("TALKTIME_CALL_STATISTICS_DATE_ORDER", "ymd"), []string{`TALKTIME_CALL_STATISTICS_DATE_ORDER is "ymd", but must be dmy or mdy`}},
		{"call statistics for no network", m("TALKTIME_CALLSTATS_ALLOW", "kazoo"), []string{"TALKTIME_CALLSTATS_ALLOW"}},
		{"queue log in a missing database", m("TALKTIME_QUEUE_LOG", "db"), []string{"TALKTIME_QUEUE_LOG"}},
		{"queue log in a database that is not the first", m("TALKTIME_QUEUE_LOG", "db", "DB2_HOST", "h", "DB2_USER", "u"), []string{"TALKTIME_QUEUE_LOG"}},
		{"recordings kept for ages", m("TALKTIME_KEEP_RECORDINGS_DAYS", "36501"), []string{"TALKTIME_KEEP_RECORDINGS_DAYS"}},
		{"recordings deleted everywhere", m("TALKTIME_KEEP_RECORDINGS_DAYS", "30", "TALKTIME_RECORDINGS", "/srv/.."), []string{`TALKTIME_KEEP_RECORDINGS_DAYS is "30", but must be 0 while TALKTIME_RECORDINGS is /`}},
		{"recordings deleted beside voicemail", m("TALKTIME_KEEP_RECORDINGS_DAYS", "30", "TALKTIME_RECORDINGS", "/var/spool/asterisk/"), []string{"must be 0 while TALKTIME_RECORDINGS is /var/spool/asterisk"}},
		{"recordings with a control character", m("TALKTIME_RECORDINGS", "/srv/\x00"), []string{"TALKTIME_RECORDINGS"}},
		{"unknown backend", m("TALKTIME_PBX_BACKEND", "issabel"), []string{"must be off, realtime or freepbx"}},
		{"backend without a database", m("TALKTIME_PBX_BACKEND", "realtime"), []string{"TALKTIME_PBX_DATABASE_URL must be given with TALKTIME_PBX_BACKEND=realtime"}},
		{"backend with a bad database", m("TALKTIME_PBX_BACKEND", "realtime", "TALKTIME_PBX_DATABASE_URL", "postgres://x"), []string{"TALKTIME_PBX_DATABASE_URL must be sqlite:path or mysql:"}},
		{"backend in a file", m("TALKTIME_PBX_BACKEND", "realtime", "TALKTIME_PBX_DATABASE_URL", "sqlite:x"), []string{"TALKTIME_PBX_DATABASE_URL must be a MariaDB or MySQL server's"}},
		{"freepbx without a manager", m("TALKTIME_PBX_BACKEND", "freepbx", "TALKTIME_PBX_DATABASE_URL", "mysql://u@h/n"), []string{"TALKTIME_AMI_ADDR must be given with TALKTIME_PBX_BACKEND=freepbx"}},
		{"reload by a shell's name", m("TALKTIME_PBX_RELOAD", "fwconsole reload"), []string{"must begin with the full path of a program"}},
		{"secrets of no length", m("TALKTIME_PBX_MIN_SECRET", "0"), []string{"TALKTIME_PBX_MIN_SECRET"}},
		{"a class of music that would be a variable", m("TALKTIME_MUSIC_CLASSES", "${X}"), []string{`"${X}" is none`}},
		{"a context that is none", m("TALKTIME_PBX_CONTEXTS", "from-internal,a/b"), []string{`TALKTIME_PBX_CONTEXTS is "from-internal,a/b"`}},
		{"no context", m("TALKTIME_PBX_CONTEXTS", " , "), []string{"must name at least one thing"}},
		{"a context twice", m("TALKTIME_PBX_CONTEXTS", "a,a"), []string{`must not name "a" twice`}},
		{"a transport of no protocol", m("TALKTIME_PBX_TRANSPORTS", "sctp=x"), []string{"TALKTIME_PBX_TRANSPORTS"}},
		{"two transports of a protocol", m("TALKTIME_PBX_TRANSPORTS", "udp=x,udp=y"), []string{"TALKTIME_PBX_TRANSPORTS"}},
		{"all together", m("TALKTIME_RING_SECONDS", "x", "TALKTIME_TIMEZONE", "y", "API_TOKEN", "csv"), []string{"RING", "TIMEZONE", "API_TOKEN"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(tt.env)
			if err == nil {
				t.Fatal("Load accepted it")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("%d mistakes, want %d:\n%v", len(lines), len(tt.want), err)
			}
			for i, line := range lines {
				if !strings.Contains(line, tt.want[i]) {
					t.Errorf("mistake %d = %s\nwant it to contain %s", i+1, line, tt.want[i])
				}
			}
		})
	}
}

// m makes an environment of names and values in turn.
func m(pairs ...string) map[string]string {
	env := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return env
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  map[string]string
		want string
	}{
		{"slot without a host", m("DB2_HOST", "", "DB2_USER", "u", "DB2_PORT", "3306"), "DB2_HOST is not set, so that DB2_PORT, DB2_USER is ignored"},
		{"manager login without an address", m("TALKTIME_AMI_USER", "u"), "TALKTIME_AMI_ADDR is not set"},
		{"further manager login without an address", m("TALKTIME_AMI2_SECRET", "s"), "TALKTIME_AMI2_ADDR is not set"},
		{"slices without a manager", m("TALKTIME_SLICE_SECONDS", "60"), "TALKTIME_SLICE_SECONDS has no effect without TALKTIME_AMI_ADDR"},
		{"warning without a manager", m("TALKTIME_WARN_SECONDS", "10"), "TALKTIME_WARN_SECONDS has no effect"},
		{
			"warning without slices",
			m("TALKTIME_WARN_SECONDS", "10", "TALKTIME_SLICE_SECONDS", "0", "TALKTIME_AMI_ADDR", "a", "TALKTIME_AMI_USER", "u", "TALKTIME_AMI_SECRET", "s"),
			"TALKTIME_WARN_SECONDS has no effect",
		},
		{"rest login without an address", m("TALKTIME_ARI_PASSWORD", "p"), "TALKTIME_ARI_URL is not set"},
		{"token that may be guessed", m("API_TOKEN", "short"), "API_TOKEN has less than 16 characters"},
		{"database of no backend", m("TALKTIME_PBX_DATABASE_URL", "sqlite:x"), "TALKTIME_PBX_BACKEND is off"},
		{"everybody may call", m("TALKTIME_FASTAGI_ALLOW", "0.0.0.0/0"), "TALKTIME_FASTAGI_ALLOW has 0.0.0.0/0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := mustLoad(t, tt.env)
			if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], tt.want) {
				t.Errorf("Warnings = %q, want one with %q", c.Warnings, tt.want)
			}
		})
	}
}

// TestAsterisks: slices are for those who have an Asterisk who can be told that a call may go on.
func TestAsterisks(t *testing.T) {
	t.Parallel()
	if c := mustLoad(t, nil); c.Asterisks() != nil || c.Slices() != 0 {
		t.Errorf("without a manager interface: %v, slices of %d", c.Asterisks(), c.Slices())
	}
	env := m("TALKTIME_AMI_ADDR", "a", "TALKTIME_AMI_USER", "u", "TALKTIME_AMI_SECRET", "s")
	for _, n := range []string{"9", "2"} {
		env["TALKTIME_AMI"+n+"_ADDR"], env["TALKTIME_AMI"+n+"_USER"], env["TALKTIME_AMI"+n+"_SECRET"] = "a"+n, "u"+n, "s"+n
	}
	c := mustLoad(t, env)
	want := []AMI{{"a:5038", "u", "s"}, {"a2:5038", "u2", "s2"}, {"a9:5038", "u9", "s9"}}
	if !slices.Equal(c.Asterisks(), want) || c.Slices() != 300 || len(c.Warnings)+len(c.Unknown) != 0 {
		t.Errorf("%d Asterisks, slices of %d, %q %q", len(c.Asterisks()), c.Slices(), c.Warnings, c.Unknown)
	}
	env["TALKTIME_SLICE_SECONDS"] = "0"
	if c := mustLoad(t, env); c.Slices() != 0 || len(c.Warnings) != 0 {
		t.Errorf("slices of %d, %q", c.Slices(), c.Warnings)
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, m(
		"TALKTIME_RNG_SECONDS", "40", "TALKTIME_RING_SECONDS_FILE", "x", "DB1_PASSWD", "x", "TALKTIME_EMPTY_ONE", "",
		"TALKTIME_AMI1_ADDR", "a", "TALKTIME_AMI10_ADDR", "a", "TALKTIME_AMIn_ADDR", "a", "TALKTIME_AMI2_SECRET_FILE", "",
		"TALKTIME_TOOLS", "/x", "TALKTIME_TEST_MYSQL", "x", "HOME", "/", "DB_HOST", "x", "MY_TALKTIME_X", "x",
	))
	want := []string{"DB1_PASSWD", "TALKTIME_AMI10_ADDR", "TALKTIME_AMI1_ADDR", "TALKTIME_AMIn_ADDR", "TALKTIME_EMPTY_ONE", "TALKTIME_RING_SECONDS_FILE", "TALKTIME_RNG_SECONDS"}
	if diff := cmp.Diff(want, c.Unknown); diff != "" {
		t.Errorf("Unknown differs (-want +got):\n%s", diff)
	}
	bad, err := load(m("TALKTIME_RNG_SECONDS", "40", "TALKTIME_RING_SECONDS", "x"))
	if err == nil || len(bad.Unknown) != 1 {
		t.Errorf("Unknown = %q beside the error %v, want it filled in", bad.Unknown, err)
	}
}

// TestTableIsComplete holds the table of settings and Load together: Load asks for every row, and for
// nothing else.
func TestTableIsComplete(t *testing.T) {
	t.Parallel()
	env := m("DB1_HOST", "h", "DB1_USER", "u", "TALKTIME_PBX_BACKEND", "realtime", "TALKTIME_PBX_DATABASE_URL", "mysql://u@h/n",
		"TALKTIME_PROMPT_CARD_PIN", "x")
	asked := make(map[string]bool)
	_, err := Load(func(name string) (string, bool) {
		asked[generic(name)] = true
		value, set := env[name]
		return value, set
	}, []string{"DB1_HOST=h", "TALKTIME_PROMPT_CARD_PIN=x"}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Describe() {
		if !asked[s.Name] {
			t.Errorf("%s is in the table, but Load does not read it", s.Name)
		}
		delete(asked, s.Name)
		if s.Secret {
			if !asked[s.Name+fileSuffix] {
				t.Errorf("%s is secret, but %s%s is not read", s.Name, s.Name, fileSuffix)
			}
			delete(asked, s.Name+fileSuffix)
		}
		if s.Shown() == "" || s.Meaning == "" || (s.Default != "" && s.Unset != "") {
			t.Errorf("%s needs a meaning and either a default or words for none: %+v", s.Name, s)
		}
		if secretName := strings.HasSuffix(s.Name, "PASSWORD") || strings.HasSuffix(s.Name, "SECRET"); secretName && !s.Secret && s.Default == "" { // what has one is no secret, but about some
			t.Errorf("%s must be secret", s.Name)
		}
		row := "| `" + s.Name + "` | "
		if s.Later {
			row = "`" + s.Name + "`"
		}
		if strings.Contains(Usage(), s.Name+" ") == s.Later || !strings.Contains(MarkdownTable(), row) {
			t.Errorf("%s is missing in the help or in the table", s.Name)
		}
	}
	for name := range asked {
		t.Errorf("Load reads %s, which is not in the table", name)
	}
}
