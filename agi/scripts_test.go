package agi_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/agi"
	"talktime/agi/agitest"
	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// clerk is a Billing that answers as it was told and keeps what it was asked.
type clerk struct {
	auth      billing.Authorization // of every call
	err       error                 // of Authorize and Available
	emergency string                // this number is one
	down      error                 // of everything that needs the database
	available money.Amount
	user      models.User
	carriers  []models.Attempt // of every call
	advance   map[int]error    // of Advance to one of them

	mu       sync.Mutex
	requests []billing.CallRequest
	results  []billing.CallResult
	undone   []string
	advanced []int
	recorded []billing.CallRequest
}

// permits is a clerk who lets everybody call a number abroad for three minutes.
func permits() *clerk {
	return &clerk{auth: billing.Authorization{
		CallID: "127.0.0.1/1795210434.0", UserID: 4, Target: "PJSIP/59899123000@trunk", Ring: 40, Seconds: 180,
	}}
}

// refuses is a clerk who does not.
func refuses(kind error, reason string) *clerk {
	return &clerk{err: &billing.Refusal{Err: kind, Reason: reason}}
}

func (c *clerk) Authorize(_ context.Context, req billing.CallRequest) (billing.Authorization, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, req)
	if req.Fresh && c.auth.Repeated {
		return billing.Authorization{}, billing.ErrCalledBefore
	}
	return c.auth, errors.Join(c.err, c.down)
}

func (c *clerk) Emergency(req billing.CallRequest) (billing.Authorization, bool, error) {
	if c.emergency == "" || req.Number != c.emergency {
		return billing.Authorization{}, false, nil
	}
	return billing.Authorization{CallID: req.CallID, Target: "PJSIP/" + req.Number + "@trunk", Ring: 40, Emergency: true}, true, nil
}

func (c *clerk) RecordEmergency(_ context.Context, req billing.CallRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recorded = append(c.recorded, req)
	return c.down
}

func (c *clerk) Advance(_ context.Context, _ billing.Identity, _ string, at int, _ int64) (models.Attempt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advanced = append(c.advanced, at)
	if at < 0 || at >= len(c.carriers) {
		return models.Attempt{}, &billing.Refusal{Err: models.ErrNotFound, Reason: "the call has no such carrier"}
	}
	return c.carriers[at], errors.Join(c.advance[at], c.down)
}

func (c *clerk) Settle(_ context.Context, res billing.CallResult) (billing.Charge, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.results = append(c.results, res)
	return billing.Charge{CallID: res.CallID, State: models.CallSettled}, c.down
}

func (c *clerk) Undo(_ context.Context, _ billing.Identity, auth billing.Authorization) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.undone = append(c.undone, auth.CallID)
	return c.down
}

func (c *clerk) Available(context.Context, billing.Identity) (money.Amount, models.User, error) {
	return c.available, c.user, c.err
}

// evidence is the only evidence that was handed in, without the time.
func (c *clerk) evidence(t *testing.T) models.Evidence {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.results) != 1 {
		t.Fatalf("%d results were handed in, want 1", len(c.results))
	}
	e := c.results[0].Evidence
	if e.SeenAt.IsZero() || time.Since(e.SeenAt).Abs() > patience {
		t.Errorf("seen at %v", e.SeenAt)
	}
	e.SeenAt = time.Time{}
	return e
}

// tray is a Spool in memory.
type tray struct {
	mu      sync.Mutex
	records []agi.Record
	err     error
}

func (s *tray) Put(r agi.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.records = append(s.records, r)
	}
	return s.err
}

func (s *tray) take() []agi.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	records := s.records
	s.records = nil
	return records
}

// String is all that was logged.
func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// open starts a server for scripts and returns its address. It logs to log, which may be nil.
func open(t *testing.T, scripts *agi.Scripts, log *logbook) string {
	t.Helper()
	return openAt(t, scripts, log, nil)
}

// openAt is open, with a clock of its own.
func openAt(t *testing.T, scripts *agi.Scripts, log *logbook, now func() time.Time) string {
	t.Helper()
	if log == nil {
		log = &logbook{}
	}
	scripts.Logger = log.logger()
	if scripts.Spool == nil {
		scripts.Spool = &tray{}
	}
	mux := agi.NewMux()
	scripts.Register(mux)
	t.Cleanup(scripts.Wait)
	return agitest.Start(t, &agi.Server{Handler: mux, Logger: scripts.Logger, Now: now})
}

// commands are what the server sent to a peer.
func commands(p *agitest.Peer) []string {
	var sent []string
	for _, l := range p.Lines {
		if c, ok := strings.CutPrefix(l, "> "); ok {
			sent = append(sent, c)
		}
	}
	return sent
}

// dialled is the argument of the only Dial, "" when there was none.
func dialled(t *testing.T, p *agitest.Peer) string {
	t.Helper()
	found := ""
	for _, c := range commands(p) {
		args, ok := strings.CutPrefix(c, "EXEC Dial ")
		if ok && found != "" {
			t.Errorf("a second Dial: %s", c)
		}
		if ok {
			found = strings.Trim(args, `"`)
		}
	}
	return found
}

// told expects what the dialplan finds in the variables of a refusal or a permission.
func told(t *testing.T, p *agitest.Peer, status, celcom, reason string) {
	t.Helper()
	if p.Vars["TALKTIME_STATUS"] != status || p.Vars["CELCOM_STATUS"] != celcom || p.Vars["TALKTIME_REASON"] != reason {
		t.Errorf("got %q, %q, %q; want %q, %q, %q", p.Vars["TALKTIME_STATUS"], p.Vars["CELCOM_STATUS"], p.Vars["TALKTIME_REASON"],
			status, celcom, reason)
	}
}

// migrated is an SQLite file with an empty schema, which every test copies.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "talktime-agi-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "empty.db")
	db, err := store.Open(store.Config{Path: path})
	if err != nil {
		return nil, err
	}
	_, err = db.Migrate(context.Background())
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// clock stands still until it is told otherwise.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) wait(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// office is the scripts over a real billing.Service on SQLite. Its books are audited when the test ends.
type office struct {
	t       *testing.T
	db      *store.Store
	service *billing.Service
	scripts *agi.Scripts
	spool   *tray
	log     *logbook
	clock   *clock
	vault   *vault
	policy  billing.Policy
	address string

	mu    sync.Mutex
	users int
	calls int
}

const abroad = "59899123000"

func newOffice(t *testing.T, edit ...func(*billing.Policy)) *office {
	t.Helper()
	empty, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "talktime.db")
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, spool: &tray{}, log: &logbook{}, clock: &clock{at: time.Now().UTC().Truncate(time.Second)}}
	if o.db, err = store.Open(store.Config{Path: path}); err != nil {
		t.Fatal(err)
	}
	policy := billing.Policy{
		MaxCallSeconds: 60, RingSeconds: 40, Identify: []string{billing.ByCallerID, billing.ByAccount, billing.ByIMSI},
		Dial: "PJSIP/{number}@trunk", SubscriberDial: "PJSIP/IMSI{imsi}@openbts", DialTechs: []string{"PJSIP", "SIP", "IAX2", "DAHDI"},
		Emergency: []string{"112"},
	}
	for _, e := range edit {
		e(&policy)
	}
	o.policy = policy
	o.service = billing.New(billing.Options{Store: o.db, Policy: policy, Now: o.clock.now})
	t.Cleanup(func() {
		o.service.Close()
		report, err := o.db.Audit(context.Background())
		if err != nil || !report.Clean() {
			t.Errorf("audit: %q, %v", report.Differences, err)
		}
		if err := o.db.Close(); err != nil {
			t.Error(err)
		}
	})
	o.vault = &vault{office: o, vouchers: map[string]voucher{}, cards: map[string]models.User{}, errs: map[string]error{}}
	o.scripts = &agi.Scripts{Billing: o.service, Spool: o.spool, Vouchers: o.vault, Cards: o.vault}
	o.address = openAt(t, o.scripts, o.log, o.clock.now)
	return o
}

// reopen makes another service on the same database, as a restart would.
func (o *office) reopen(t *testing.T) *billing.Service {
	t.Helper()
	s := billing.New(billing.Options{Store: o.db, Policy: o.policy, Now: o.clock.now})
	t.Cleanup(s.Close)
	return s
}

// phone is a user with a telephone.
type phone struct {
	*office
	clid, imsi, name string
}

func (o *office) phone(balance int64) phone {
	o.t.Helper()
	o.mu.Lock()
	o.users++
	n := o.users
	o.mu.Unlock()
	p := phone{o, fmt.Sprintf("555%06d", n), fmt.Sprintf("72499%010d", n), fmt.Sprintf("user%d", n)}
	u := models.NewUser{Username: p.name, CLID: p.clid, IMSI: p.imsi, Balance: money.Amount(balance) * money.Unit}
	if _, err := o.db.AddUser(o.t.Context(), u, "test"); err != nil {
		o.t.Fatal(err)
	}
	return p
}

// peer is a call from this phone, on a channel of its own.
func (p phone) peer(script, number string, args ...string) *agitest.Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	return &agitest.Peer{Greeting: agitest.Greeting{
		Script: script, UniqueID: fmt.Sprintf("1795210434.%d", p.calls), CallerID: p.clid, Extension: number, Args: args,
	}}
}

// does makes a call, and returns it when the script has ended.
func (p phone) does(t *testing.T, script, number string, dial func(*agitest.Dial)) *agitest.Peer {
	t.Helper()
	c := p.peer(script, number)
	c.Dial = dial
	agitest.Call(t, p.address, c)
	return c
}

// hangsUp runs the reducer of a call.
func (o *office) hangsUp(t *testing.T, c *agitest.Peer) *agitest.Peer {
	t.Helper()
	h := c.H("reducer")
	agitest.Call(t, o.address, h)
	return h
}

// has expects a balance and what of it is held, in whole units.
func (p phone) has(t *testing.T, balance, held int64) {
	t.Helper()
	b, err := p.db.UserByName(context.Background(), p.name)
	if err != nil || b.Balance != money.Amount(balance)*money.Unit || b.Held != money.Amount(held)*money.Unit {
		t.Errorf("%s has %s with %s held, %v; want %d with %d held", p.name, b.Balance, b.Held, err, balance, held)
	}
}

// call is the call of a channel.
func (o *office) call(t *testing.T, p *agitest.Peer) models.Call {
	t.Helper()
	id := "127.0.0.1/" + p.UniqueID
	calls, err := o.db.CallsByID(context.Background(), []string{id})
	if err != nil {
		t.Fatal(err)
	}
	return calls[id]
}

// ended waits until the server has done all it does for the n-th call of a channel, also where Asterisk did not wait.
func (o *office) ended(t *testing.T, c *agitest.Peer, n int) {
	t.Helper()
	eventually(t, "the end of the script", func() bool {
		found := 0
		for _, l := range o.log.lines(t, "call", nil) {
			if l["unique_id"] == c.UniqueID {
				found++
			}
		}
		return found >= n
	})
}

// talks returns what a Dial comes to: so much talk, ended by the callee.
func talks(d time.Duration) func(*agitest.Dial) {
	return func(dial *agitest.Dial) { dial.Talk = d }
}

// fails returns a Dial that nobody answers.
func fails(status string) func(*agitest.Dial) {
	return func(d *agitest.Dial) { d.Status = status }
}

// TestRefusals: each refusal reaches the dialplan in its words, and nobody is dialled.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind           error
		status, celcom string
		prompt         string
	}{
		{billing.ErrInsufficientFunds, "NOCREDIT", "NOCREDIT", "nocredit"},
		{billing.ErrUnknownCaller, "UNKNOWNCALLER", "UNKNOWNCALLER", "unknowncaller"},
		{billing.ErrUnknownCallee, "UNKNOWNCALLEE", "UNKNOWNCALLEE", "unknowncallee"},
		{billing.ErrAccountBlocked, "BLOCKED", "NOCREDIT", "blocked"},
		{billing.ErrLimit, "LIMIT", "NOCREDIT", "limit"},
		{billing.ErrNoRate, "NORATE", "UNKNOWNCALLEE", "norate"},
		{billing.ErrIdentityConflict, "ERROR", "ERROR", "error"},
		{models.ErrInvalid, "ERROR", "ERROR", "error"},
	} {
		for _, script := range []string{"caller", "authorize", "authorise"} {
			t.Run(test.status+" in "+script, func(t *testing.T) {
				t.Parallel()
				c := refuses(test.kind, "so that you know")
				address := open(t, &agi.Scripts{Billing: c, Prompts: "talktime"}, nil)
				p := &agitest.Peer{Greeting: agitest.Greeting{Script: script, CallerID: "555000204", Extension: abroad}}
				agitest.Call(t, address, p)
				told(t, p, test.status, test.celcom, "so that you know")
				want := []string{
					`SET VARIABLE TALKTIME_STATUS "` + test.status + `"`, `SET VARIABLE TALKTIME_REASON "so that you know"`,
					`SET VARIABLE CELCOM_STATUS "` + test.celcom + `"`, `EXEC Progress ""`, `STREAM FILE "talktime/` + test.prompt + `" ""`,
				}
				if sent := commands(p); !slices.Equal(sent[max(len(sent)-len(want), 0):], want) {
					t.Errorf("the last commands were %q, want %q", sent, want)
				}
				if dialled(t, p) != "" || len(c.undone)+len(c.results) != 0 {
					t.Errorf("dialled %q, undone %v, settled %v", dialled(t, p), c.undone, c.results)
				}
			})
		}
	}
}

// TestInternalErrors refuse, and tell the log what the phone is not told.
func TestInternalErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		err    error
		reason string
	}{
		{"the database is away", fmt.Errorf("authorise: %w", models.ErrUnavailable), "the database does not answer"},
		{"too many wait", billing.ErrBusy, "the database does not answer"},
		{"the account is locked by somebody else", billing.ErrLocked, "the database does not answer"},
		{"anything else", errors.New("disk on fire"), "internal error"},
	} {
		for _, script := range []string{"caller", "authorize", "balance"} {
			t.Run(test.name+" in "+script, func(t *testing.T) {
				t.Parallel()
				log := &logbook{}
				address := open(t, &agi.Scripts{Billing: &clerk{err: test.err}}, log)
				p := &agitest.Peer{Greeting: agitest.Greeting{Script: script, CallerID: "555000204", Extension: abroad}}
				agitest.Call(t, address, p)
				told(t, p, "ERROR", "ERROR", test.reason)
				if dialled(t, p) != "" || p.Vars["TALKTIME_DIALARGS"] != "" {
					t.Errorf("permitted: %q", commands(p))
				}
				if !strings.Contains(log.String(), test.err.Error()) || !strings.Contains(log.String(), `"status":"ERROR"`) {
					t.Errorf("the log says %s", log)
				}
			})
		}
	}
}

// TestRefusalOfACallerWhoIsGone: he hears no prompt, and that is no failure.
func TestRefusalOfACallerWhoIsGone(t *testing.T) {
	t.Parallel()
	for _, event := range []agitest.Event{agitest.HangUp, agitest.Drop} {
		log := &logbook{}
		address := open(t, &agi.Scripts{Billing: refuses(billing.ErrInsufficientFunds, "no credit"), Prompts: "talktime"}, log)
		p := &agitest.Peer{Greeting: agitest.Greeting{Script: "caller"}, Event: func(n int, _ string) agitest.Event {
			if n == 2 {
				return event
			}
			return agitest.Answer
		}}
		agitest.Call(t, address, p)
		if strings.Contains(log.String(), `"level":"ERROR"`) || dialled(t, p) != "" {
			t.Errorf("the log says %s", log)
		}
	}
}

// TestTranscripts replays whole dialogues, as Asterisk 22 would hold them, with a billing that permits everything but
// where the transcript says otherwise.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	second := billing.Authorization{
		CallID: "127.0.0.1/1795210434.0", Target: "PJSIP/59899555000@trunk", Ring: 40, Seconds: 12, Leg: 1, Repeated: true,
	}
	noCredit := refuses(billing.ErrInsufficientFunds, "no credit")
	three := func() *clerk {
		c := permits()
		c.carriers = carriers()
		c.auth.Target, c.auth.Attempts = c.carriers[0].Target, c.carriers
		return c
	}
	for _, test := range []struct {
		file    string
		billing *clerk
		prompts string
		want    models.Evidence // handed to billing; the zero value is none
	}{
		{"caller-answered", permits(), "", models.Evidence{
			Source: "caller", DialStatus: "ANSWER", AnsweredMS: n(5006), Answered: n(5), Cause: 16,
			CalleeUpMS: n(1795210438_126), ChannelUp: n(1795210436_123), EndedMS: n(1795210441_131),
		}},
		{"caller-failover", three(), "", models.Evidence{
			Source: "caller", DialStatus: "ANSWER", AnsweredMS: n(3006), Answered: n(3), Cause: 16,
			CalleeUpMS: n(1795210438_101), ChannelUp: n(1795210438_101), EndedMS: n(1795210441_107),
		}},
		{"authorize-route", three(), "", models.Evidence{}},
		{"attempt", three(), "", models.Evidence{}},
		{"caller-busy", permits(), "", models.Evidence{Source: "caller", DialStatus: "BUSY", BillSec: n(0), Cause: 17}},
		{"caller-without-mset", permits(), "", models.Evidence{Source: "caller", DialStatus: "BUSY", BillSec: n(0), Cause: 17}},
		{"caller-again", &clerk{auth: second}, "", models.Evidence{
			Source: "caller", Leg: 1, DialStatus: "ANSWER", AnsweredMS: n(9020), Answered: n(9), Cause: 16,
		}},
		{"caller-refused", noCredit, "", models.Evidence{}},
		{"caller-refused-aloud", noCredit, "talktime", models.Evidence{}},
		{"authorize", permits(), "", models.Evidence{}},
		{"authorize-refused", noCredit, "", models.Evidence{}},
		{"emergency", &clerk{emergency: "112", down: models.ErrUnavailable}, "", models.Evidence{}},
		{"reducer", permits(), "", models.Evidence{
			Source: "reducer", DialStatus: "ANSWER", AnsweredMS: n(3005), Answered: n(3), BillSec: n(0), Cause: 16, Over: true,
			CalleeUpMS: n(1795210438_126), EndedMS: n(1795210441_131),
		}},
		{"reducer-one-by-one", permits(), "", models.Evidence{
			Source: "reducer", DialStatus: "ANSWER", AnsweredMS: n(3005), Answered: n(3), BillSec: n(0), Cause: 16, Over: true,
		}},
		{"reducer-old-peer", permits(), "", models.Evidence{Source: "reducer", DialStatus: "NOANSWER", BillSec: n(0), Cause: 16, Over: true}},
		{"balance", &clerk{available: 185 * money.Unit, user: models.User{Currency: models.SEC}}, "", models.Evidence{}},
		{"balance-money", &clerk{available: 12*money.Unit + money.Unit/2, user: models.User{Currency: "EUR"}}, "", models.Evidence{}},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			scripts := &agi.Scripts{Billing: test.billing, Prompts: test.prompts}
			agitest.ReplayFile(t, open(t, scripts, nil), filepath.Join("testdata", test.file+".txt"))
			if test.want == (models.Evidence{}) {
				if len(test.billing.results) != 0 {
					t.Errorf("handed in %+v", test.billing.results)
				}
				return
			}
			if got := test.billing.evidence(t); fmt.Sprint(facts(got)) != fmt.Sprint(facts(test.want)) {
				t.Errorf("got  %v\nwant %v", facts(got), facts(test.want))
			}
		})
	}
}

func n(v int64) *int64 { return &v }

// facts writes evidence so that its numbers show.
func facts(e models.Evidence) []string {
	var all []string
	for name, v := range map[string]*int64{
		"answered_ms": e.AnsweredMS, "answered": e.Answered, "billsec": e.BillSec, "callee_up": e.CalleeUpMS,
		"channel_up": e.ChannelUp, "ended": e.EndedMS,
	} {
		if v != nil {
			all = append(all, fmt.Sprint(name, "=", *v))
		}
	}
	slices.Sort(all)
	return append(all, e.Source, e.DialStatus, fmt.Sprint("leg=", e.Leg, " cause=", e.Cause, " over=", e.Over))
}
