package elastix

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"talktime/models"
	"talktime/pbx"
	"talktime/pbx/extension"
	"talktime/pbx/host"
)

// The scopes that a key may have. None implies another.
const (
	ScopeRead       = "read"       // peers, extensions, live calls, the machine
	ScopeCDR        = "cdr"        // call records
	ScopeRecordings = "recordings" // of calls
	ScopeWrite      = "write"      // extensions and follow-mes
	ScopeSecrets    = "secrets"    // passwords of telephones, and that of the manager interface where a site shows it
)

// Scopes are these.
func Scopes() []string {
	return []string{ScopeRead, ScopeCDR, ScopeRecordings, ScopeWrite, ScopeSecrets}
}

// Asterisk is asked over its manager interface. It is pbx.Client.
type Asterisk interface {
	CoreShowChannels(ctx context.Context) ([]pbx.Channel, error)
	// SIPPeers is errors.ErrUnsupported where there is no chan_sip.
	SIPPeers(ctx context.Context) ([]pbx.SIPPeer, error)
	Peers(ctx context.Context) ([]pbx.Peer, error) // endpoints of PJSIP
	Do(ctx context.Context, a pbx.Action) (pbx.Message, error)
	Command(ctx context.Context, command string) ([]string, error)
}

// Recordings are files of recorded calls. They are pbx.Recordings.
type Recordings interface {
	// Open opens one by its path below their folder. The error is models.ErrNotFound for all that a client may not have, and
	// models.ErrUnavailable when too many are open, before it looks for any.
	Open(name string) (*os.File, fs.FileInfo, error)
}

// CDRs are the rows of a table cdr. They are store.CDRStatistics.
type CDRs interface {
	LatestCDRs(ctx context.Context, q models.CDRQuery) (models.CDRRows, error)
}

// Tokens makes tokens.
type Tokens interface {
	// Issue makes one that may what a key may, for a quarter of an hour, and as long as there is that key.
	Issue(ctx context.Context, key Key) (string, error)
}

// Manager knows the account at the manager interface.
type Manager interface {
	// Account is that of Asterisk's manager.conf.
	Account(ctx context.Context) (user, secret string, err error)
}

// Host is the machine on which Asterisk runs.
type Host interface {
	Resources(ctx context.Context) (host.Resources, error)
	Disk(ctx context.Context, path string) (host.Disk, error)
	FolderSize(ctx context.Context, path string) (int64, error) // bytes
	Firewall(ctx context.Context) (host.Firewall, error)
}

// API answers. What is nil is not configured: commands that need it are answered with 501.
type API struct {
	Asterisk   Asterisk
	Extensions extension.Backend // its changes reach Asterisk, see extension.Applied
	Rules      extension.Rules
	SIPFile    func() (io.ReadCloser, error) // opens sip_additional.conf; nil: sipextensions is made of Extensions
	CDRs       CDRs
	Recordings Recordings
	Tokens     Tokens
	Manager    Manager // nil: the account at the manager interface is never shown
	Host       Host
	Folders    []Folder // nil: DefaultFolders

	Location *time.Location // of the clock on the wall
	Now      func() time.Time

	NoPJSIPPeers bool          // an Asterisk without chan_sip has no peers, rather than its endpoints
	IncludeS     bool          // call records with dst s too
	AllColumns   bool          // of call records
	ShowRules    bool          // of the firewall; else a summary
	Code         bool          // shapes are those of the script, where its documentation shows others
	Patience     time.Duration // with Asterisk, for a question; 0: ten seconds
}

// Key is who asks.
type Key struct {
	Name   string
	Scopes []string // without any he may nothing
}

// Request is what was sent.
type Request struct {
	Method string
	Query  string // of the URL, as it was sent
	Form   string // the body as application/x-www-form-urlencoded
	Sent   bool   // there is a header Authorization
	Key    *Key   // whose it is; nil: nobody's
}

// Asks reports whether the request asks for something. If not, it does not matter who sends it.
func (r Request) Asks() bool { return parseParams(r.Query).sent("cmd") }

// Answer is what is sent back.
type Answer struct {
	Status int
	Type   string // Content-Type
	Body   []byte
	File   *File // nil: Body; else whoever sends it closes it

	Allow   string // the header Allow; empty: none
	NoStore bool   // Cache-Control: no-store

	Audit *Audit // for the audit log; nil: nothing
	Cause error  // why something is missing, for the log; never for clients
}

// File is a recording: http.ServeContent sends it, with the ranges and headers that it knows of.
type File struct {
	*os.File
	Size        int64 // bytes
	Modified    time.Time
	Disposition string // the header Content-Disposition
}

// Audit is a line of the audit log. Secrets are masked in what it holds.
type Audit struct {
	Verb, Target  string // such as extension.update, 204
	Before, After any    // nil: there was, or is, none
}

// Command is something that may be asked for.
type Command struct {
	Name  string
	Scope string // that a key needs; empty: any one of them
	Reads bool   // by GET and HEAD too, with its parameters in the query too

	answer func(API, context.Context, *params, Key) Answer
}

// Commands are all, in the order of the documentation.
func Commands() []Command {
	return []Command{
		{"auth", "", false, API.auth},
		{"sippeers", ScopeRead, true, API.sipPeers},
		{"sipextensions", ScopeRead, true, API.sipExtensions},
		{"systemresources", ScopeRead, true, API.systemResources},
		{"cdrreport", ScopeCDR, true, API.cdrReport},
		{"getwavfile", ScopeRecordings, true, API.getWAVFile},
		{"getharddrivers", ScopeRead, true, API.getHardDrivers},
		{"getiptablesstatus", ScopeRead, true, API.getIPTablesStatus},
		{"activecall", ScopeRead, true, API.activeCall},
		{"addextension", ScopeWrite, false, API.addExtension},
		{"updateextension", ScopeWrite, false, API.updateExtension},
		{"deleteextension", ScopeWrite, false, API.deleteExtension},
		{"addfollowmeextension", ScopeWrite, false, API.addFollowMe},
		{"updatefollowmeextension", ScopeWrite, false, API.updateFollowMe},
		{"deletefollowmeextension", ScopeWrite, false, API.deleteFollowMe},
		{"getfollowmeextension", ScopeRead, true, API.getFollowMe},
		{"getallfollowmeextensions", ScopeRead, true, API.getAllFollowMes},
	}
}

// Do answers a request. Whatever was sent and whatever fails, there is an answer.
func (a API) Do(ctx context.Context, r Request) Answer {
	query := parseParams(r.Query)
	switch {
	case !query.sent("cmd"):
		return plain(http.StatusOK, "test")
	case !r.Sent:
		return plain(http.StatusUnauthorized, "key not found")
	case r.Key == nil:
		return plain(http.StatusUnauthorized, "key not matched")
	}
	all := Commands()
	i := slices.IndexFunc(all, func(c Command) bool { return c.Name == query.values["cmd"] })
	if i < 0 {
		return plain(http.StatusNotFound, "cmd not matched")
	}
	c := all[i]
	methods := []string{http.MethodPost}
	if c.Reads {
		methods = []string{http.MethodGet, http.MethodHead, http.MethodPost}
	}
	switch {
	case !slices.Contains(methods, r.Method):
		refused := Refusal(http.StatusMethodNotAllowed, "METHOD NOT ALLOWED")
		refused.Allow = strings.Join(methods, ", ")
		return refused
	case c.Scope != "" && !r.Key.may(c.Scope), len(r.Key.Scopes) == 0:
		return Refusal(http.StatusForbidden, "FORBIDDEN")
	case c.Reads:
		return c.answer(a, ctx, parseParams(r.Query, r.Form), *r.Key)
	}
	return c.answer(a, ctx, parseParams(r.Form), *r.Key)
}

func (k Key) may(scope string) bool { return slices.Contains(k.Scopes, scope) }

// plain is one of the script's texts.
func plain(status int, text string) Answer {
	return Answer{Status: status, Type: "text/plain; charset=utf-8", Body: []byte(text)}
}

func answered(v any) Answer {
	return Answer{Status: http.StatusOK, Type: "application/json", Body: encode(v)}
}

// Refusal says in the script's form that there is nothing.
func Refusal(status int, what string) Answer {
	return Answer{Status: status, Type: "application/json", Body: fmt.Appendf(nil, `{"status":%s,"code":%d}`, encode(what), status)}
}

func invalid(name string) Answer {
	return Refusal(http.StatusBadRequest, "INVALID PARAMETER: "+name)
}

func notConfigured() Answer { return Refusal(http.StatusNotImplemented, "NOT CONFIGURED") }

func failed(status int, what string, cause error) Answer {
	answer := Refusal(status, what)
	answer.Cause = cause
	return answer
}

func asteriskFailed(cause error) Answer {
	return failed(http.StatusBadGateway, "ASTERISK UNAVAILABLE", cause)
}

func databaseFailed(cause error) Answer {
	return failed(http.StatusServiceUnavailable, "DATABASE UNAVAILABLE", cause)
}

func hostFailed(cause error) Answer {
	return failed(http.StatusServiceUnavailable, "HOST UNAVAILABLE", cause)
}

// auth gives a token for the key, or what was meant by it: the account at the manager interface.
func (a API) auth(ctx context.Context, _ *params, key Key) Answer {
	var user, secret string
	var audit *Audit
	var err error
	switch {
	case a.Manager != nil && key.may(ScopeSecrets):
		if user, secret, err = a.Manager.Account(ctx); err != nil {
			return asteriskFailed(err)
		}
		audit = &Audit{Verb: "manager.read", Target: user}
	case a.Tokens == nil:
		return notConfigured()
	default:
		user = key.Name
		if secret, err = a.Tokens.Issue(ctx, key); err != nil {
			return databaseFailed(err)
		}
	}
	answer := answered(object{"lordword", base64.StdEncoding.EncodeToString([]byte(user + ":" + secret))})
	answer.NoStore, answer.Audit = true, audit
	return answer
}
