package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // TALKTIME_TIMEZONE works on a host without zone files

	"talktime/dialcode"
	"talktime/money"
)

// Config is everything both commands may be told. Each command takes the parts it needs.
type Config struct {
	Database Database // our own
	FastAGI  FastAGI
	Admin    Admin
	Calls    Calls
	Inside   Inside
	AMI      AMI // of our Asterisk; of several, the first
	// MoreAMI are those of further Asterisks, ascending by their number; none without the first.
	MoreAMI []AMI
	// NodeManager is host:port of OpenBTS's NodeManager; empty: off.
	NodeManager string
	ARI         ARI
	CDR         CDR
	Callstat    Callstat
	RollUps     RollUps
	// CallStatisticsAllow lists the networks that may use the bare call statistics; none: that mount is off.
	CallStatisticsAllow []netip.Prefix
	// MonthFirst says how the call statistics write dates: 06/17/2027; else 17/06/2027.
	MonthFirst bool
	// Zones is the file of their zones; empty: one for each country.
	Zones    string
	QueueLog QueueLog
	// QueueSLA is within which callers in queues are to be connected.
	QueueSLA time.Duration
	// Recordings is the root folder of the recordings.
	Recordings string
	// KeepRecordings is for how long they are kept; 0: for ever.
	KeepRecordings time.Duration

	PBX     PBX
	Elastix Elastix

	// Spool is the folder for evidence that could not be stored yet.
	Spool string
	// ReconcileEvery is the pause between two looks for lost calls.
	ReconcileEvery time.Duration
	// KeepRefusals is for how long the records of refused calls are kept; 0: for ever.
	KeepRefusals time.Duration
	// Notices is what is told, and by which mail server.
	Notices Notices
	// ShutdownTimeout is how long open work may take after the first signal.
	ShutdownTimeout time.Duration
	// Location is the zone of reports, schedules and naive timestamps; never nil.
	Location *time.Location

	// Warnings are sentences about settings that are accepted but probably not what was meant.
	Warnings []string
	// Unknown are names that look like settings of ours and are none: typing mistakes.
	Unknown []string
}

// FastAGI is how Asterisk reaches the fastagi command.
type FastAGI struct {
	Listen   string // host:port, for net.Listen
	Allow    []netip.Prefix
	Sessions int // connections open at once
}

// Admin is how people and programs reach the admin command.
type Admin struct {
	Listen         string // host:port, for net.Listen
	TLSCert        string // file; both or neither
	TLSKey         string
	TrustedProxies []netip.Prefix
	PublicURL      string // without a slash at the end; empty when not given
	Password       Secret // of the first admin; empty: generate one
	JSONP          bool   // answers may be wrapped for scripts of other hosts
}

// Certificate reads the pair of files of the admin address; nil when none is set. It is not a part of Load: whoever
// needs no certificate should not stop when it cannot be read.
func (a Admin) Certificate() (*tls.Certificate, error) {
	if a.TLSCert == "" || a.TLSKey == "" {
		return nil, nil
	}
	cert, errCert := readPEM("TALKTIME_TLS_CERT", a.TLSCert)
	key, errKey := readPEM("TALKTIME_TLS_KEY", a.TLSKey)
	if err := errors.Join(errCert, errKey); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("TALKTIME_TLS_CERT %s and TALKTIME_TLS_KEY %s are not a certificate and its key: %w", a.TLSCert, a.TLSKey, err)
	}
	return &pair, nil
}

func readPEM(name, path string) ([]byte, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("%s is %q, but must be a file that can be read: %w", name, path, errors.Unwrap(err))
	}
	return text, nil
}

// Calls is what the decision about a call needs besides the database.
type Calls struct {
	Max  time.Duration // longest talk
	Ring time.Duration // how long a call rings

	Slice     time.Duration // for how much of a call money is held at a time; 0: for all of it
	Warn      time.Duration // how long before the end a caller is told; 0: he is not
	WarnSound string        // file below Asterisk's sounds, without its ending

	// Dial, SubscriberDial and EmergencyDial are checked templates of the form
	// Tech/resource[&Tech/resource…] with {number}, in SubscriberDial also {imsi} and {clid}.
	Dial           string // empty: refuse as UNKNOWNCALLEE
	SubscriberDial string // empty: a subscriber's number is routed like any other
	EmergencyDial  string // never empty when Emergency is not
	DialTechs      []string

	Identify  []string // IdentifyCallerID, IdentifyAccount, IdentifyIMSI in the order of trying
	Emergency []string // exact numbers
	Country   string   // calling code of the own country; empty: none is
	Prompts   string   // folder below Asterisk's sounds folder; empty: say nothing of refusals

	Recordings    map[string]string // files that stand for single prompts, by the names of those; nil: none
	CardLanguages []string          // from which the holder of a card chooses; none: the channel's
}

// Notices is what is told of, and to whom by mail.
type Notices struct {
	LowBalance map[string]money.Amount // balances below which it is told, by currency; nil: none
	Refusals   int                     // of a user within Window; 0: nobody is told
	Window     time.Duration
	Mail       []string // addresses; none: no mail is sent
	SMTP       SMTP
}

// SMTP is a mail server.
type SMTP struct {
	Addr     string // host:port; empty: off
	User     string // empty: no login
	Password Secret
	From     string // an address
}

// Inside says which numbers and channels are ours, from which the direction of a call follows.
type Inside struct {
	Extensions *regexp.Regexp // numbers inside; never nil
	Trunks     *regexp.Regexp // channels outside; nil: none is known
}

// Asterisks are the manager interfaces of all Asterisks, none when there are none.
func (c Config) Asterisks() []AMI {
	if c.AMI.Addr == "" {
		return nil
	}
	return append([]AMI{c.AMI}, c.MoreAMI...)
}

// Slices is for how many seconds of a call money is held at a time; 0 is for all of it, as without an Asterisk who can be told of more.
func (c Config) Slices() int64 {
	if c.AMI.Addr == "" {
		return 0
	}
	return int64(c.Calls.Slice / time.Second)
}

// AMI is Asterisk's manager interface.
type AMI struct {
	Addr   string // host:port; empty: off
	User   string
	Secret Secret
}

// ARI is Asterisk's REST interface.
type ARI struct {
	URL      string // without a slash at the end; empty: off
	User     string
	Password Secret
}

// CDR is what is read from the CDR databases.
type CDR struct {
	Databases  []CDRDatabase // ascending by Slot; none: our own calls
	IncludeS   bool          // list rows whose destination is s
	AllColumns bool          // give every column
}

// CDRDatabase is one Asterisk CDR database, DBn_….
type CDRDatabase struct {
	Slot     int // the n
	Host     string
	Port     int
	User     string
	Password Secret
	Name     string // schema
}

// Addr is host:port.
func (d CDRDatabase) Addr() string { return net.JoinHostPort(d.Host, strconv.Itoa(d.Port)) }

// Callstat is the report of that name.
type Callstat struct {
	Token              Secret // API_TOKEN; empty: no request has it
	FirstExtension     int    // in foreign CDR databases, both ends included
	LastExtension      int
	AlwaysWithOwnCalls bool
	BareCodes          bool     // asrstat writes calling codes without +
	AccessPrefixes     []string // before international numbers
}

// RollUps says of which calls it is kept what was counted of each day.
type RollUps string

// What roll-ups are kept of.
const (
	RollUpsOff RollUps = "off" // nothing: every report reads its records
	RollUpsOwn RollUps = "own" // our own calls
	RollUpsAll RollUps = "all" // these, and those of the CDR databases
)

// Elastix is the interface of the script of elastix-api.
type Elastix struct {
	ShowFirewallRules   bool              // a token with the scope read sees the text of the firewall's rules
	AsTheCode           bool              // shapes are those of the script's code; else those of its documentation
	ExposeManagerSecret bool              // auth tells a token with the scope secrets our account at the manager interface
	PJSIPPeers          bool              // sippeers lists endpoints of PJSIP where there is no chan_sip
	Folders             map[string]string // that getharddrivers measures, by what it calls them, as far as they are not the usual ones
	SIPAdditional       string            // file that sipextensions reads; empty: not said
}

// ElastixFolders is what getharddrivers calls the folders that it measures.
func ElastixFolders() []string {
	return []string{"logs", "thirdparty", "voicemails", "backups", "configuration", "recording"}
}

// QueueLog is where Asterisk's queue_log is found; the zero value is nowhere.
type QueueLog struct {
	Path  string // a file, or
	Table bool   // the table queue_log of DB1
}

// PBX is where extensions and trunks are managed.
type PBX struct {
	Backend  PBXBackend
	Database Database // a server's; zero when the backend is off

	Reload       []string          // a program by its full path, and its arguments; nil: none
	Transports   map[string]string // names of pjsip.conf by udp, tcp, tls, ws and wss
	MinSecret    int               // characters
	MusicClasses []string
	Contexts     []string // of the dialplan that calls may be sent to, the first where nobody says; at least one
}

// PBXBackend is the kind of tables a PBX keeps its extensions in.
type PBXBackend string

// The backends we can write.
const (
	PBXOff      PBXBackend = "off"
	PBXRealtime PBXBackend = "realtime"
	PBXFreePBX  PBXBackend = "freepbx"
)

// maxSeconds is a day, the longest call there is.
const maxSeconds = 86400

// Load reads and checks every setting. getenv answers for one variable, as os.LookupEnv does; environ
// lists the environment, as os.Environ does, so that every DBn_ slot and every mistyped name is found;
// dir is the folder whose .env file is read, empty for none.
//
// The error joins all mistakes, one sentence and one line each. The Config that comes with an error
// is good for its Warnings and Unknown only.
func Load(getenv func(string) (string, bool), environ []string, dir string) (Config, error) {
	l := newLoader(getenv, environ, dir)
	var c Config

	c.Database = l.database("TALKTIME_DATABASE_URL")
	c.FastAGI = FastAGI{
		Listen:   l.listen("TALKTIME_FASTAGI_LISTEN"),
		Allow:    l.prefixes("TALKTIME_FASTAGI_ALLOW"),
		Sessions: l.number("TALKTIME_FASTAGI_SESSIONS", 1, 1_000_000),
	}
	for _, prefix := range c.FastAGI.Allow {
		if prefix.Bits() == 0 {
			l.warn("TALKTIME_FASTAGI_ALLOW has %s: everybody who reaches the port may make calls and end them", prefix)
		}
	}
	c.Admin = l.admin()
	if c.Admin.Listen == c.FastAGI.Listen && c.Admin.Listen != "" && !strings.HasSuffix(c.Admin.Listen, ":0") {
		l.mistake("TALKTIME_ADMIN_LISTEN", "must differ from TALKTIME_FASTAGI_LISTEN")
	}
	c.Calls = l.calls()
	c.Spool = l.path("TALKTIME_SPOOL")
	c.ReconcileEvery = l.seconds("TALKTIME_RECONCILE_SECONDS", 1, 3600)
	const day = 24 * time.Hour
	c.KeepRefusals = time.Duration(l.number("TALKTIME_KEEP_REFUSALS_DAYS", 0, 3650)) * day
	c.ShutdownTimeout = l.seconds("TALKTIME_SHUTDOWN_SECONDS", 0, 600)
	c.Notices = l.notices()
	c.Location = l.location("TALKTIME_TIMEZONE")
	c.Inside = Inside{
		Extensions: l.regexp("TALKTIME_EXTENSIONS"),
		Trunks:     l.regexp("TALKTIME_TRUNKS"),
	}
	c.AMI = l.ami("TALKTIME_AMI")
	c.MoreAMI = l.moreAMI(c.AMI)
	l.useless(c)
	c.NodeManager = l.zeroMQ("TALKTIME_NODEMANAGER", 45064)
	c.ARI = l.ari()
	c.CDR = CDR{
		Databases:  l.cdrDatabases(),
		IncludeS:   l.toggle("TALKTIME_CDR_INCLUDE_S"),
		AllColumns: l.toggle("TALKTIME_CDR_ALL_COLUMNS"),
	}
	c.Callstat = l.callstat()
	c.RollUps = l.rollUps()
	c.CallStatisticsAllow = l.prefixes("TALKTIME_CALLSTATS_ALLOW")
	c.MonthFirst = l.monthFirst("TALKTIME_CALL_STATISTICS_DATE_ORDER")
	c.Zones = l.path("TALKTIME_ZONES")
	c.Elastix = l.elastix(c.AMI)
	c.QueueLog = l.queueLog(c.CDR.Databases)
	c.QueueSLA = l.seconds("TALKTIME_QUEUE_SLA_SECONDS", 1, 3600)
	c.Recordings = l.path("TALKTIME_RECORDINGS")
	c.KeepRecordings = time.Duration(l.number("TALKTIME_KEEP_RECORDINGS_DAYS", 0, 36500)) * day
	if c.KeepRecordings > 0 {
		l.retained(c.Recordings)
	}
	c.PBX = l.pbx()

	c.Warnings, c.Unknown = l.warnings, l.unknown()
	return c, l.err()
}

func (l *loader) admin() Admin {
	a := Admin{
		Listen:         l.listen("TALKTIME_ADMIN_LISTEN"),
		TLSCert:        l.path("TALKTIME_TLS_CERT"),
		TLSKey:         l.path("TALKTIME_TLS_KEY"),
		TrustedProxies: l.prefixes("TALKTIME_TRUSTED_PROXIES"),
		PublicURL:      l.url("TALKTIME_PUBLIC_URL"),
		Password:       l.secret("TALKTIME_ADMIN_PASSWORD"),
		JSONP:          l.toggle("TALKTIME_JSONP"),
	}
	if a.TLSCert != "" && a.TLSKey == "" {
		l.mistake("TALKTIME_TLS_KEY", "must be given with TALKTIME_TLS_CERT")
	}
	if a.TLSKey != "" && a.TLSCert == "" {
		l.mistake("TALKTIME_TLS_CERT", "must be given with TALKTIME_TLS_KEY")
	}
	if p := a.Password.Reveal(); p != "" && len([]rune(p)) < 6 {
		l.mistake("TALKTIME_ADMIN_PASSWORD", "must have at least 6 characters")
	}
	return a
}

func (l *loader) calls() Calls {
	c := Calls{
		Max:       l.seconds("TALKTIME_MAX_CALL_SECONDS", 1, maxSeconds),
		Ring:      l.seconds("TALKTIME_RING_SECONDS", 1, 600),
		Slice:     l.slice("TALKTIME_SLICE_SECONDS"),
		Warn:      l.seconds("TALKTIME_WARN_SECONDS", 0, 600),
		WarnSound: l.sound("TALKTIME_WARN_SOUND"),
		DialTechs: l.list("TALKTIME_DIAL_TECHS"),
		Identify:  l.list("TALKTIME_IDENTIFY"),
		Emergency: l.list("TALKTIME_EMERGENCY"),
		Country:   l.text("TALKTIME_COUNTRY"),
		Prompts:   l.prompts("TALKTIME_PROMPTS"),

		Recordings:    l.recordings(),
		CardLanguages: l.languages("TALKTIME_CARD_LANGUAGES"),
	}
	if c.Country != "" && !dialcode.Valid(c.Country) {
		l.mistake("TALKTIME_COUNTRY", "must be the calling code of a country, such as 49, without + or 00")
	}
	l.distinct("TALKTIME_DIAL_TECHS", c.DialTechs)
	for _, tech := range c.DialTechs {
		if !techName.MatchString(tech) {
			l.mistake("TALKTIME_DIAL_TECHS", "must be a list of channel technologies such as PJSIP,IAX2; %q is none", tech)
		}
	}
	c.Dial = l.target("TALKTIME_DIAL", c.DialTechs, "{number}")
	c.SubscriberDial = l.target("TALKTIME_SUBSCRIBER_DIAL", c.DialTechs, "{number}", "{imsi}", "{clid}")

	known := []string{IdentifyCallerID, IdentifyAccount, IdentifyIMSI}
	l.distinct("TALKTIME_IDENTIFY", c.Identify)
	for _, way := range c.Identify {
		if !slices.Contains(known, way) {
			l.mistake("TALKTIME_IDENTIFY", "must be a list of %s; %q is none of them", strings.Join(known, ", "), way)
		}
	}

	l.distinct("TALKTIME_EMERGENCY", c.Emergency)
	for _, number := range c.Emergency {
		if !dialNumber.MatchString(number) {
			l.mistake("TALKTIME_EMERGENCY", "must be a list of exact numbers, each 1 to 40 of the characters 0-9 + * #; %q is none", number)
		}
	}
	c.EmergencyDial = l.target("TALKTIME_EMERGENCY_DIAL", c.DialTechs, "{number}")
	if c.EmergencyDial == "" {
		c.EmergencyDial = c.Dial
	}
	if len(c.Emergency) > 0 && c.EmergencyDial == "" {
		l.mistake("TALKTIME_EMERGENCY_DIAL", "must say where emergency numbers go, because TALKTIME_DIAL is empty")
	}
	return c
}

// ami reads the settings of one manager interface, whose names begin so.
func (l *loader) ami(prefix string) AMI {
	addr, user, secret := prefix+"_ADDR", prefix+"_USER", prefix+"_SECRET"
	a := AMI{Addr: l.addr(addr, 5038), User: l.text(user), Secret: l.secret(secret)}
	l.login(addr, user, secret)
	return a
}

// The numbers in the settings of further Asterisks.
const (
	firstMoreAMI = 2
	lastMoreAMI  = 9
)

func (l *loader) moreAMI(first AMI) []AMI {
	var more []AMI
	for n := firstMoreAMI; n <= lastMoreAMI; n++ {
		prefix := fmt.Sprintf("TALKTIME_AMI%d", n)
		a := l.ami(prefix)
		addr := prefix + "_ADDR"
		same := func(other AMI) bool { return other.Addr == a.Addr }
		switch {
		case a.Addr == "":
			continue
		case l.text("TALKTIME_AMI_ADDR") == "":
			l.mistake("TALKTIME_AMI_ADDR", "must be given with %s: it is that of the first Asterisk", addr)
		case same(first) || slices.ContainsFunc(more, same):
			l.mistake(addr, "must be that of another Asterisk than those before it")
		}
		more = append(more, a)
	}
	return more
}

// useless warns of settings about calls held in slices that have no effect.
func (l *loader) useless(c Config) {
	const slice, warn = "TALKTIME_SLICE_SECONDS", "TALKTIME_WARN_SECONDS"
	switch {
	case c.AMI.Addr == "" && c.Calls.Slice > 0 && l.text(slice) != l.table[slice].Default:
		l.warn("%s has no effect without TALKTIME_AMI_ADDR: nobody could tell Asterisk that a call may go on", slice)
	case c.Calls.Warn > 0 && c.Slices() == 0:
		l.warn("%s has no effect: calls are not held in slices, see %s and TALKTIME_AMI_ADDR", warn, slice)
	}
}

func (l *loader) ari() ARI {
	a := ARI{
		URL:      l.url("TALKTIME_ARI_URL"),
		User:     l.text("TALKTIME_ARI_USER"),
		Password: l.secret("TALKTIME_ARI_PASSWORD"),
	}
	l.login("TALKTIME_ARI_URL", "TALKTIME_ARI_USER", "TALKTIME_ARI_PASSWORD")
	return a
}

// cdrDatabases reads the DBn_ slots. A slot without a host does not exist, as in the program whose
// settings these are; when something else of it is set, that is worth a warning.
func (l *loader) cdrDatabases() []CDRDatabase {
	var databases []CDRDatabase
	for _, slot := range l.slots() {
		name := func(field string) string { return fmt.Sprintf("DB%d_%s", slot, field) }
		if l.text(name("HOST")) == "" {
			l.warn("%s is not set, so that %s is ignored", name("HOST"), strings.Join(l.given(slot), ", "))
			continue
		}
		d := CDRDatabase{
			Slot:     slot,
			Host:     l.host(name("HOST")),
			Port:     l.number(name("PORT"), 1, 65535),
			User:     l.text(name("USER")),
			Password: l.secret(name("PASSWORD")),
			Name:     l.text(name("NAME")),
		}
		if d.User == "" {
			l.mistake(name("USER"), "must be given with %s", name("HOST"))
		}
		if !schemaName.MatchString(d.Name) {
			l.mistake(name("NAME"), "must be the name of a schema: 1 to 64 letters, digits or _ $ -")
		}
		databases = append(databases, d)
	}
	return databases
}

// reservedTokens are path words of the reports mounted beside callstat, and the mark for "the token is
// in a header"; none of them can be told from a token.
func reservedTokens() []string {
	return []string{"-", "countries", "csv", "hourly", "daily", "weekly", "monthly", "callstat", "asrstat"}
}

// accessPrefix is what is dialled before international numbers.
var accessPrefix = regexp.MustCompile(`^[0-9]{1,8}$`)

func (l *loader) callstat() Callstat {
	c := Callstat{
		Token:              l.secret("API_TOKEN"),
		AlwaysWithOwnCalls: l.toggle("TALKTIME_CALLSTAT_OWN"),
	}
	c.FirstExtension, c.LastExtension = l.numberRange("TALKTIME_CALLSTAT_EXTENSIONS")
	switch l.text("TALKTIME_ASR_PLUS") {
	case "on":
	case "never":
		c.BareCodes = true
	default:
		l.mistake("TALKTIME_ASR_PLUS", "must be on or never")
	}
	c.AccessPrefixes = l.list("TALKTIME_ASR_ACCESS_PREFIXES")
	l.distinct("TALKTIME_ASR_ACCESS_PREFIXES", c.AccessPrefixes)
	for _, prefix := range c.AccessPrefixes {
		if !accessPrefix.MatchString(prefix) {
			l.mistake("TALKTIME_ASR_ACCESS_PREFIXES", "must be a list of up to 8 digits each, such as 00,011; %q is none", prefix)
		}
	}
	token := c.Token.Reveal()
	switch {
	case token == "":
	case slices.Contains(reservedTokens(), token):
		l.mistake("API_TOKEN", "must not be one of the words %s", strings.Join(reservedTokens(), ", "))
	case strings.ContainsAny(token, "/?# "):
		l.mistake("API_TOKEN", "must not contain / ? # or a blank, since it is a part of a path")
	case len(token) < 16:
		l.warn("API_TOKEN has less than 16 characters and may be guessed")
	}
	return c
}

func (l *loader) rollUps() RollUps {
	const name = "TALKTIME_ROLLUPS"
	r := RollUps(l.text(name))
	if r != RollUpsOff && r != RollUpsOwn && r != RollUpsAll {
		l.mistake(name, "must be off, own or all")
	}
	return r
}

func (l *loader) monthFirst(name string) bool {
	switch l.text(name) {
	case "mdy":
		return true
	case "dmy":
	default:
		l.mistake(name, "must be dmy or mdy")
	}
	return false
}

func (l *loader) elastix(manager AMI) Elastix {
	const compat, expose, folders = "TALKTIME_ELASTIX_COMPAT", "TALKTIME_ELASTIX_EXPOSE_MANAGER_SECRET", "TALKTIME_ELASTIX_FOLDERS"
	e := Elastix{
		ShowFirewallRules: l.toggle("TALKTIME_ELASTIX_SHOW_FIREWALL_RULES"), ExposeManagerSecret: l.toggle(expose),
		PJSIPPeers: l.toggle("TALKTIME_ELASTIX_PJSIP_PEERS"), SIPAdditional: l.path("TALKTIME_SIP_ADDITIONAL"),
	}
	switch l.text(compat) {
	case "docs":
	case "code":
		e.AsTheCode = true
	default:
		l.mistake(compat, "must be docs or code")
	}
	if e.ExposeManagerSecret && manager.Addr == "" {
		l.mistake(expose, "may be on only with TALKTIME_AMI_ADDR, whose user it is")
	}
	for _, item := range l.list(folders) {
		key, folder, _ := strings.Cut(item, "=")
		switch {
		case !slices.Contains(ElastixFolders(), key) || !filepath.IsAbs(folder):
			l.mistake(folders, "must be a list of folders by the words %s, such as logs=/var/log; %q is none", strings.Join(ElastixFolders(), ", "), item)
		case e.Folders[key] != "":
			l.mistake(folders, "has %s twice", key)
		default:
			if e.Folders == nil {
				e.Folders = make(map[string]string)
			}
			e.Folders[key] = filepath.Clean(folder)
		}
	}
	return e
}

func (l *loader) queueLog(databases []CDRDatabase) QueueLog {
	const name = "TALKTIME_QUEUE_LOG"
	if l.text(name) != "db" {
		return QueueLog{Path: l.path(name)}
	}
	if !slices.ContainsFunc(databases, func(d CDRDatabase) bool { return d.Slot == 1 }) {
		l.mistake(name, "may be db only with a database DB1_HOST that has the table (a file of that name is ./db)")
	}
	return QueueLog{Table: true}
}

func (l *loader) pbx() PBX {
	const name, database, reload = "TALKTIME_PBX_BACKEND", "TALKTIME_PBX_DATABASE_URL", "TALKTIME_PBX_RELOAD"
	p := PBX{
		Backend:      PBXBackend(l.text(name)),
		Reload:       strings.Fields(l.text(reload)),
		Transports:   l.transports("TALKTIME_PBX_TRANSPORTS"),
		MinSecret:    l.number("TALKTIME_PBX_MIN_SECRET", 1, 80),
		MusicClasses: l.list("TALKTIME_MUSIC_CLASSES"),
		Contexts:     l.list("TALKTIME_PBX_CONTEXTS"),
	}
	l.distinct("TALKTIME_PBX_CONTEXTS", p.Contexts)
	for _, context := range p.Contexts {
		if !pbxName.MatchString(context) {
			l.mistake("TALKTIME_PBX_CONTEXTS", "must be a list of contexts of the dialplan, each of 1 to 80 letters, digits, dots, dashes or underscores; %q is none", context)
		}
	}
	if len(p.Reload) == 0 {
		p.Reload = nil
	} else if !filepath.IsAbs(p.Reload[0]) {
		l.mistake(reload, "must begin with the full path of a program")
	}
	for _, class := range p.MusicClasses {
		if !pbxName.MatchString(class) {
			l.mistake("TALKTIME_MUSIC_CLASSES", "must be a list of names of 1 to 80 letters, digits, dots, dashes or underscores; %q is none", class)
		}
	}
	switch p.Backend {
	case PBXOff:
		if l.secret(database) != "" {
			l.warn("%s is given, but %s is off", database, name)
		}
		return p
	case PBXRealtime, PBXFreePBX:
	default:
		l.mistake(name, "must be off, realtime or freepbx")
		return p
	}
	if l.secret(database) == "" {
		l.mistake(database, "must be given with %s=%s", name, p.Backend)
		return p
	}
	if p.Database = l.database(database); p.Database.Dialect == SQLite {
		l.mistake(database, "must be a MariaDB or MySQL server's, mysql://user:password@host:3306/name: Asterisk and FreePBX read their tables there")
	}
	if p.Backend == PBXFreePBX && l.text("TALKTIME_AMI_ADDR") == "" {
		l.mistake("TALKTIME_AMI_ADDR", "must be given with %s=%s, since follow-mes are kept in Asterisk's own database too", name, p.Backend)
	}
	if p.Backend != PBXFreePBX && p.Reload != nil {
		l.warn("%s is given, but %s is %s, which needs no reload", reload, name, p.Backend)
	}
	return p
}

// pbxName is the name of something in a file of Asterisk.
var pbxName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,80}$`)

// transports reads a list of protocol=name.
func (l *loader) transports(name string) map[string]string {
	var of map[string]string
	for _, item := range l.list(name) {
		protocol, transport, _ := strings.Cut(item, "=")
		if !slices.Contains([]string{"udp", "tcp", "tls", "ws", "wss"}, protocol) || !pbxName.MatchString(transport) || of[protocol] != "" {
			l.mistake(name, "must be a list such as udp=transport-udp,tls=transport-tls, each of udp, tcp, tls, ws and wss once at most")
			return nil
		}
		if of == nil {
			of = map[string]string{}
		}
		of[protocol] = transport
	}
	return of
}
