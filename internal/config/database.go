package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Dialect is the kind of database behind a URL.
type Dialect string

// The dialects we speak. MySQL includes MariaDB.
const (
	SQLite Dialect = "sqlite"
	MySQL  Dialect = "mysql"
)

// defaultMySQLPort is what a URL or a CDR database without a port means.
const defaultMySQLPort = 3306

// Database is a parsed database URL. It prints without its password.
type Database struct {
	Dialect Dialect
	// Path is the file of an SQLite database, as the operator wrote it; the rest is empty then.
	Path string

	Host     string // name or address, IPv6 without brackets
	Port     int
	User     string
	Password Secret
	Name     string
	// TLS is the driver's word: empty, true, false, skip-verify or preferred.
	TLS string
}

// tlsModes are the values of the one query parameter a server URL may carry.
func tlsModes() []string { return []string{"true", "false", "skip-verify", "preferred"} }

var (
	hostName   = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?$`)
	schemaName = regexp.MustCompile(`^[A-Za-z0-9_$-]{1,64}$`)
)

// ParseDatabase reads sqlite:path or mysql://user:password@host:3306/name[?tls=…]. User, password and
// name may be percent-encoded; an IPv6 address stands in brackets. The error never repeats the user or
// the password.
//
// net/url is not used for this: its errors quote parts of the password when that is not encoded.
func ParseDatabase(text string) (Database, error) {
	if strings.ContainsFunc(text, isControl) {
		return Database{}, errors.New("must not contain control characters")
	}
	scheme, rest, found := strings.Cut(text, ":")
	if found {
		switch scheme {
		case "sqlite":
			return parseSQLite(rest)
		case "mysql":
			return parseMySQL(rest)
		}
	}
	return Database{}, errors.New("must be sqlite:path or mysql://user:password@host:3306/name")
}

func parseSQLite(path string) (Database, error) {
	switch {
	case path == "":
		return Database{}, errors.New("needs a path after sqlite:, such as sqlite:data/talktime.db")
	case strings.Contains(path, "?"):
		return Database{}, errors.New("must not have parameters or a ? in the path: how SQLite is used is not a setting")
	case strings.HasPrefix(path, ":"), strings.HasPrefix(path, "file:"):
		return Database{}, errors.New("must name a plain file after sqlite:, since an in-memory database would lose the money in it")
	case strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///"):
		return Database{}, errors.New("has no host: write sqlite:relative/path or sqlite:/absolute/path")
	}
	path = filepath.Clean(path)
	if strings.HasPrefix(path, ":") || strings.HasPrefix(path, "file:") {
		path = "./" + path // an odd name, but a file's
	}
	return Database{Dialect: SQLite, Path: path}, nil
}

func parseMySQL(rest string) (Database, error) {
	authority, found := strings.CutPrefix(rest, "//")
	if !found {
		return Database{}, errors.New("must have the form mysql://user:password@host:3306/name")
	}
	at := strings.LastIndex(authority, "@")
	if at < 0 {
		return Database{}, errors.New("needs a user, as in mysql://user:password@host:3306/name")
	}
	d := Database{Dialect: MySQL}
	if err := d.parseUser(authority[:at]); err != nil {
		return Database{}, err
	}
	if err := d.parseLocation(authority[at+1:]); err != nil {
		return Database{}, err
	}
	return d, nil
}

func (d *Database) parseUser(userinfo string) error {
	if strings.ContainsAny(userinfo, "@/?#[] ") {
		return errors.New("must have @ / ? # [ ] and blanks in user and password percent-encoded (@ is %40, / is %2F, ? is %3F, # is %23)")
	}
	user, password, _ := strings.Cut(userinfo, ":")
	user, errUser := url.PathUnescape(user)
	password, errPassword := url.PathUnescape(password)
	if errUser != nil || errPassword != nil {
		return errors.New("has a % in user or password that is not followed by two hexadecimal digits (% itself is %25)")
	}
	if user == "" {
		return errors.New("needs a user before the @")
	}
	if strings.ContainsFunc(user+password, isControl) {
		return errors.New("must not contain control characters in user or password")
	}
	d.User, d.Password = user, Secret(password)
	return nil
}

func (d *Database) parseLocation(location string) error {
	location, query, hasQuery := strings.Cut(location, "?")
	hostport, name, _ := strings.Cut(location, "/")

	var err error
	if d.Host, d.Port, err = splitHost(hostport, defaultMySQLPort); err != nil {
		return err
	}
	name, err = url.PathUnescape(name)
	if err != nil || !schemaName.MatchString(name) {
		return errors.New("needs the name of the database after the host: 1 to 64 letters, digits or _ $ -")
	}
	d.Name = name
	if !hasQuery {
		return nil
	}
	key, value, _ := strings.Cut(query, "=")
	if key != "tls" || !slices.Contains(tlsModes(), value) {
		return fmt.Errorf("may have only the parameter tls, one of %s", strings.Join(tlsModes(), ", "))
	}
	d.TLS = value
	return nil
}

// splitHost reads host, host:port, an IPv6 address in brackets, or that with a port.
func splitHost(text string, defaultPort int) (host string, port int, err error) {
	host, port = text, defaultPort
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		host = text[1 : len(text)-1]
	} else if strings.Contains(text, ":") {
		var portText string
		host, portText, err = net.SplitHostPort(text)
		if err != nil {
			return "", 0, errors.New("needs host or host:port, an IPv6 address in brackets")
		}
		port, err = strconv.Atoi(portText)
		if err != nil || port < 1 || port > 65535 {
			return "", 0, errors.New("needs a port from 1 to 65535 after the host")
		}
	}
	if !validHost(host) {
		return "", 0, errors.New("needs the name or the address of a host")
	}
	return host, port, nil
}

func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return hostName.MatchString(host)
}

// Addr is the server as host:port, IPv6 in brackets; empty for SQLite.
func (d Database) Addr() string {
	if d.Dialect == SQLite {
		return ""
	}
	return net.JoinHostPort(d.Host, strconv.Itoa(d.Port))
}

// URL writes the database as ParseDatabase reads it, password included.
func (d Database) URL() Secret {
	encoded := strings.TrimPrefix(url.UserPassword("u", d.Password.Reveal()).String(), "u:")
	return Secret(d.text(encoded))
}

// Redacted writes the URL for people and logs, with *** in place of the password, and where an SQLite file really is.
func (d Database) Redacted() string {
	if abs, err := filepath.Abs(d.Path); d.Dialect == SQLite && err == nil {
		d.Path = abs
	}
	return d.text("***")
}

// String is the redacted URL, so that printing a Database by accident gives nothing away.
func (d Database) String() string { return d.Redacted() }

// text writes the URL with this in the place of the password, if there is a password.
func (d Database) text(password string) string {
	switch d.Dialect {
	case SQLite:
		return "sqlite:" + d.Path
	case MySQL:
		userinfo := url.User(d.User).String()
		if d.Password != "" {
			userinfo += ":" + password
		}
		text := "mysql://" + userinfo + "@" + d.Addr() + "/" + d.Name
		if d.TLS != "" {
			text += "?tls=" + d.TLS
		}
		return text
	default:
		return ""
	}
}
