package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// fileSuffix, put after the name of a secret, names the file that holds its value.
const fileSuffix = "_FILE"

// maxSecretFile bounds what is read from such a file, which may be the wrong one.
const maxSecretFile = 64 << 10

// loader looks settings up and collects what is wrong with them. Its methods return the zero value
// for a faulty setting and go on, so that one pass finds everything.
type loader struct {
	getenv   func(string) (string, bool)
	dotenv   map[string]string
	names    []string // every variable that is set, sorted
	table    map[string]Setting
	secrets  map[string]Secret // looked up already: a file is read, and a mistake in it told, once
	mistakes []error
	warnings []string
}

func newLoader(getenv func(string) (string, bool), environ []string, dir string) *loader {
	l := &loader{
		getenv:  getenv,
		table:   make(map[string]Setting),
		secrets: make(map[string]Secret),
	}
	for _, s := range Describe() {
		l.table[s.Name] = s
	}
	if dir != "" {
		var err error
		if l.dotenv, err = readDotEnv(dir); err != nil {
			l.mistakes = append(l.mistakes, err)
		}
	}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		l.names = append(l.names, name)
	}
	for name := range l.dotenv {
		l.names = append(l.names, name)
	}
	slices.Sort(l.names)
	l.names = slices.Compact(l.names)
	return l
}

// err joins the mistakes in the order they were found. A setting that is looked at twice tells its
// mistake once.
func (l *loader) err() error {
	told := make(map[string]bool)
	var distinct []error
	for _, mistake := range l.mistakes {
		if !told[mistake.Error()] {
			told[mistake.Error()] = true
			distinct = append(distinct, mistake)
		}
	}
	return errors.Join(distinct...)
}

// mistake notes that a setting is wrong: "NAME is "value", but must be …". The value of a secret is left out.
func (l *loader) mistake(name, format string, args ...any) {
	problem := fmt.Sprintf(format, args...)
	value := l.raw(name)
	if l.table[generic(name)].Secret || value == "" {
		l.mistakes = append(l.mistakes, fmt.Errorf("%s %s", name, problem))
		return
	}
	const longest = 100
	if len(value) > longest {
		value = value[:longest] + "…"
	}
	l.mistakes = append(l.mistakes, fmt.Errorf("%s is %q, but %s", name, value, problem))
}

func (l *loader) warn(format string, args ...any) {
	l.warnings = append(l.warnings, fmt.Sprintf(format, args...))
}

// raw is what the environment, or else the .env file, says; empty when neither does.
func (l *loader) raw(name string) string {
	if value, set := l.getenv(name); set {
		return value
	}
	return l.dotenv[name]
}

// isSet tells a variable that is set and empty from one that is not set.
func (l *loader) isSet(name string) bool {
	if _, set := l.getenv(name); set {
		return true
	}
	_, set := l.dotenv[name]
	return set
}

// text returns a setting without blanks around it, or its default.
func (l *loader) text(name string) string {
	setting := l.table[generic(name)]
	value := strings.TrimSpace(l.raw(name))
	if value == "" && (!setting.emptyCounts || !l.isSet(name)) {
		return setting.Default
	}
	if strings.ContainsFunc(value, isControl) {
		l.mistake(name, "must not contain control characters")
		return ""
	}
	return value
}

func isControl(r rune) bool { return unicode.IsControl(r) }

// secret returns a value that is given by the variable itself or by the file NAME_FILE names. Blanks
// belong to it, the end of the file's last line does not.
func (l *loader) secret(name string) Secret {
	if value, done := l.secrets[name]; done {
		return value
	}
	value := l.readSecret(name)
	l.secrets[name] = value
	return value
}

func (l *loader) readSecret(name string) Secret {
	setting := l.table[generic(name)]
	value, path := l.raw(name), l.raw(name+fileSuffix)
	// The environment wins over the .env file, whichever of the two ways it is given there.
	if value != "" && path != "" {
		_, valueInEnv := l.getenv(name)
		_, pathInEnv := l.getenv(name + fileSuffix)
		switch {
		case valueInEnv && !pathInEnv:
			path = ""
		case pathInEnv && !valueInEnv:
			value = ""
		}
	}
	switch {
	case value != "" && path != "":
		l.mistake(name, "must not be given together with %s", name+fileSuffix)
		return ""
	case path != "":
		text, err := readSecretFile(path)
		if err != nil {
			l.mistake(name+fileSuffix, "must be a file that can be read: %s", err)
			return ""
		}
		if value = strings.TrimRight(text, "\r\n"); value == "" {
			l.mistake(name+fileSuffix, "must be a file that is not empty")
			return ""
		}
	case value == "":
		return Secret(setting.Default)
	}
	if strings.ContainsFunc(value, isControl) {
		l.mistake(name, "must be one line without control characters")
		return ""
	}
	return Secret(value)
}

func readSecretFile(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", errors.Unwrap(err) // without the path, which the sentence has already
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", errors.New("reading it fails")
	}
	if len(text) > maxSecretFile {
		return "", errors.New("it is too large for a secret")
	}
	return string(text), nil
}

func (l *loader) database(name string) Database {
	url := l.secret(name).Reveal()
	if url == "" {
		return Database{} // told already
	}
	d, err := ParseDatabase(strings.TrimSpace(url))
	if err != nil {
		l.mistake(name, "%s", err)
	}
	return d
}

// list splits at commas and blanks.
func (l *loader) list(name string) []string {
	value := l.text(name)
	items := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	if len(items) > 0 {
		return items
	}
	if value != "" {
		l.mistake(name, "must name at least one thing, or be empty for the default")
	}
	return nil
}

func (l *loader) distinct(name string, items []string) {
	for i, item := range items {
		if slices.Contains(items[:i], item) {
			l.mistake(name, "must not name %q twice", item)
			return
		}
	}
}

func (l *loader) number(name string, low, high int) int {
	n, err := strconv.Atoi(l.text(name))
	if err != nil || n < low || n > high {
		l.mistake(name, "must be a whole number from %d to %d", low, high)
		return 0
	}
	return n
}

func (l *loader) seconds(name string, low, high int) time.Duration {
	n, err := strconv.Atoi(l.text(name))
	if err != nil || n < low || n > high {
		l.mistake(name, "must be a whole number of seconds from %d to %d, without a unit", low, high)
		return 0
	}
	return time.Duration(n) * time.Second
}

// slice reads for how long money is held at a time. A slice of one second would have to be extended before it begins.
func (l *loader) slice(name string) time.Duration {
	n, err := strconv.Atoi(l.text(name))
	if err != nil || n != 0 && n < 2 || n < 0 || n > 3600 {
		l.mistake(name, "must be a whole number of seconds from 2 to 3600, without a unit, or 0 for the whole call")
		return 0
	}
	return time.Duration(n) * time.Second
}

func (l *loader) numberRange(name string) (first, last int) {
	low, high, found := strings.Cut(l.text(name), "-")
	first, errFirst := strconv.Atoi(strings.TrimSpace(low))
	last, errLast := strconv.Atoi(strings.TrimSpace(high))
	if !found || errFirst != nil || errLast != nil || first < 0 || first > last {
		l.mistake(name, "must be two numbers such as 2000-3999, the smaller one first")
		return 0, 0
	}
	return first, last
}

func (l *loader) toggle(name string) bool {
	switch strings.ToLower(l.text(name)) {
	case "on", "true", "yes", "1":
		return true
	case "off", "false", "no", "0":
		return false
	default:
		l.mistake(name, "must be on or off")
		return false
	}
}

// listen reads an address to listen on: an empty host means every address, port 0 any free port.
func (l *loader) listen(name string) string {
	value := l.text(name)
	host, port, err := net.SplitHostPort(value)
	if err != nil || (host != "" && !validHost(host)) {
		l.mistake(name, "must be host:port, such as 127.0.0.1:4573 or [::1]:4573")
		return ""
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		l.mistake(name, "must have a port from 0 to 65535 after the last colon")
		return ""
	}
	return value
}

// addr reads an address to connect to and returns it as host:port.
func (l *loader) addr(name string, defaultPort int) string {
	return l.addrIn(name, l.text(name), defaultPort)
}

// zeroMQ reads an address as ZeroMQ writes it, with tcp:// before it or without, and returns it as host:port.
func (l *loader) zeroMQ(name string, defaultPort int) string {
	return l.addrIn(name, strings.TrimPrefix(l.text(name), "tcp://"), defaultPort)
}

func (l *loader) addrIn(name, value string, defaultPort int) string {
	if value == "" {
		return ""
	}
	host, port, err := splitHost(value, defaultPort)
	if err != nil {
		l.mistake(name, "%s", err)
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func (l *loader) host(name string) string {
	host := l.text(name)
	if !validHost(host) {
		l.mistake(name, "must be the name or the address of a host, without a port")
		return ""
	}
	return host
}

// prefixes reads networks; a single address stands for itself.
func (l *loader) prefixes(name string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, item := range l.list(name) {
		prefix, err := netip.ParsePrefix(item)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(item); err == nil && addr.Zone() == "" {
				prefix = netip.PrefixFrom(addr, addr.BitLen())
			}
		}
		switch {
		case !prefix.IsValid():
			l.mistake(name, "must be a list of networks such as 10.0.0.0/8,::1/128; %q is none", item)
		case prefix.Addr().Is4In6():
			l.mistake(name, "must have the IPv4 network %q in IPv4 form", item)
		case prefix != prefix.Masked():
			l.mistake(name, "must not have address bits beyond the length of the network: write %s for %q", prefix.Masked(), item)
		default:
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}

func (l *loader) regexp(name string) *regexp.Regexp {
	value := l.text(name)
	if value == "" {
		return nil
	}
	re, err := regexp.Compile(value)
	if err != nil {
		l.mistake(name, "must be a regular expression: %s", err)
		return nil
	}
	return re
}

func (l *loader) location(name string) *time.Location {
	value := l.text(name)
	if value == "" {
		return hostZone(os.LookupEnv("TZ")) //nolint:forbidigo // what Go itself goes by, and no setting of ours
	}
	location, err := time.LoadLocation(value)
	if err != nil {
		l.mistake(name, "must be the name of a time zone such as Europe/Vienna or UTC")
		return time.UTC
	}
	return location
}

// hostZone is the zone that Go calls Local, by TZ or the host's settings, under its own name where that can be known:
// people are told which one it is.
func hostZone(name string, set bool) *time.Location {
	if name = strings.TrimPrefix(name, ":"); set && name == "" {
		return time.UTC
	}
	if !set {
		target, err := filepath.EvalSymlinks("/etc/localtime")
		if err != nil {
			return time.Local
		}
		_, name, _ = strings.Cut(target, "/zoneinfo/")
	}
	if zone, err := time.LoadLocation(name); err == nil && name != "" {
		return zone
	}
	return time.Local
}

// path reads a file or folder name; relative ones start at the working directory.
func (l *loader) path(name string) string {
	value := l.text(name)
	if value == "" {
		return ""
	}
	return filepath.Clean(value)
}

// promptsFolder is what may stand before a recording's name in an AGI command.
var promptsFolder = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)

func (l *loader) prompts(name string) string {
	value := strings.TrimSuffix(l.text(name), "/")
	if value != "" && !promptsFolder.MatchString(value) {
		l.mistake(name, "must be a folder below Asterisk's sounds folder, such as talktime or site/talktime: letters, digits, _ - and /")
		return ""
	}
	return value
}

// sound reads the name of one sound.
func (l *loader) sound(name string) string {
	file := l.text(name)
	if !promptsFolder.MatchString(file) {
		l.mistake(name, aSound)
		return ""
	}
	return file
}

const aSound = "must be a file below Asterisk's sounds folder without its ending, such as site/welcome: letters, digits, _ - and /"

// recordings are the files of single prompts, by the name of the prompt in small letters with hyphens.
func (l *loader) recordings() map[string]string {
	var files map[string]string
	for _, name := range l.names {
		prompt, ours := strings.CutPrefix(name, promptPrefix)
		if !ours || l.text(name) == "" {
			continue
		}
		file := l.text(name)
		if !promptsFolder.MatchString(file) {
			l.mistake(name, aSound)
			continue
		}
		if files == nil {
			files = make(map[string]string)
		}
		files[strings.ReplaceAll(strings.ToLower(prompt), "_", "-")] = file
	}
	return files
}

// languageName is a language as Asterisk names the folders of its sounds: en, pt_BR, en_US_f_Allison.
var languageName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{1,39}$`)

// languages is a list of languages that fit on the keys 1 to 9.
func (l *loader) languages(name string) []string {
	items := l.list(name)
	l.distinct(name, items)
	for _, item := range items {
		if !languageName.MatchString(item) {
			l.mistake(name, "must be a list of languages such as en,pt_BR; %q is none", item)
		}
	}
	if len(items) > 9 {
		l.mistake(name, "must name at most 9 languages, for they are chosen by one key")
	}
	return items
}

func (l *loader) url(name string) string {
	value := l.text(name)
	if value == "" {
		return ""
	}
	if strings.Contains(value, "@") {
		// Not through mistake, which would show the value: before the @ there may be a password.
		l.mistakes = append(l.mistakes, fmt.Errorf("%s must not contain a user or password (no @)", name))
		return ""
	}
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || !validHost(u.Hostname()) || u.RawQuery != "" || u.Fragment != "" {
		l.mistake(name, "must be a URL such as https://billing.example.net/path, without ? and #")
		return ""
	}
	return strings.TrimRight(value, "/")
}

func (l *loader) target(name string, techs []string, allowed ...string) string {
	template := l.text(name)
	if template == "" {
		return ""
	}
	if err := checkTarget(template, techs, allowed); err != nil {
		l.mistake(name, "%s", err)
		return ""
	}
	return template
}

// login checks an address, a user and a secret that are of use only together.
func (l *loader) login(address, user, secret string) {
	hasUser, hasSecret := l.text(user) != "", l.raw(secret) != "" || l.raw(secret+fileSuffix) != ""
	if l.text(address) == "" {
		if hasUser || hasSecret {
			l.warn("%s is not set, so that %s and %s are ignored", address, user, secret)
		}
		return
	}
	if !hasUser {
		l.mistake(user, "must be given with %s", address)
	}
	if !hasSecret {
		l.mistake(secret, "must be given with %s", address)
	}
}

// slots are the numbers n of which some DBn_ setting has a value, ascending.
func (l *loader) slots() []int {
	var slots []int
	for _, name := range l.names {
		m := slotName.FindStringSubmatch(name)
		if m == nil || !l.known(name) || l.raw(name) == "" {
			continue
		}
		n, err := strconv.Atoi(m[1])
		if err == nil && !slices.Contains(slots, n) {
			slots = append(slots, n)
		}
	}
	slices.Sort(slots)
	return slots
}

// given are the variables of one slot that have a value.
func (l *loader) given(slot int) []string {
	prefix := fmt.Sprintf("DB%d_", slot)
	var given []string
	for _, name := range l.names {
		if strings.HasPrefix(name, prefix) && l.known(name) && l.raw(name) != "" {
			given = append(given, name)
		}
	}
	return given
}

// known says whether a variable is a setting, or the file of a secret one.
func (l *loader) known(name string) bool {
	if strings.HasPrefix(name, "TALKTIME_AMIn_") { // it is the table's name for others
		return false
	}
	name = generic(name)
	if _, found := l.table[name]; found {
		return true
	}
	base, isFile := strings.CutSuffix(name, fileSuffix)
	return isFile && l.table[base].Secret
}

// unknown lists variables with our prefixes that are no settings. Those of the project's own scripts
// and tests are no mistake.
func (l *loader) unknown() []string {
	var unknown []string
	for _, name := range l.names {
		ours := strings.HasPrefix(name, "TALKTIME_") || slotName.MatchString(name)
		script := name == "TALKTIME_TOOLS" || strings.HasPrefix(name, "TALKTIME_TEST_")
		if ours && !script && !l.known(name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
