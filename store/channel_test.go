package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// phoneCall is a channel of Asterisk as it was observed: what it did, what it shows of that, and what we are told of it.
// All its times are whole seconds, and nobody's phone rings.
type phoneCall struct {
	*rapid.T
	service    *billing.Service
	store      *store.Store
	reconciler *billing.Reconciler
	clock      time.Time
	id, clid   string
	user       int64

	up       time.Time // when the channel was first answered; zero: it was not
	status   string    // DIALSTATUS
	answered *int64    // ANSWEREDTIME_MS
	helped   bool      // TALKTIME_EMERGENCY
	spool    []billing.CallResult

	keeper int64 // of the last dial; 0: nobody
	leg    int

	talked int64  // with somebody, in seconds
	unsure int64  // seconds under a hold that goes on, in which the channel did something else
	last   string // call of the channel,
	open   bool   // which may be open: what passes may count
	// guessed says that nobody can tell whether an emergency call was answered: what follows may be free.
	guessed bool
	said    []string
}

func (p *phoneCall) say(format string, args ...any) {
	p.said = append(p.said, fmt.Sprintf("%3.0fs ", p.clock.Sub(began).Seconds())+fmt.Sprintf(format, args...))
}

var began = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)

func (p *phoneCall) wait(seconds int64) {
	p.clock = p.clock.Add(time.Duration(seconds) * time.Second)
}

func (p *phoneCall) face() billing.Identity { return billing.Identity{CallerID: p.clid} }

// witness hands in what somebody saw: now, later, or never.
func (p *phoneCall) witness(who string, res billing.CallResult) {
	res.Identity, res.Evidence.SeenAt = p.face(), p.clock
	switch fate := rapid.SampledFrom([]string{"comes", "comes", "waits in the spool", "is lost"}).Draw(p.T, who); fate {
	case "comes":
		p.settle(who, res)
	case "waits in the spool":
		p.say("%s is spooled: %s", who, word(res.Evidence))
		p.spool = append(p.spool, res)
	default:
		p.say("%s is lost: %s", who, word(res.Evidence))
	}
}

func (p *phoneCall) settle(who string, res billing.CallResult) {
	charge, err := p.service.Settle(p.Context(), res)
	if err != nil {
		p.Fatalf("%s: %v", who, err)
	}
	p.say("%s: %s: %s is %s with %d s", who, word(res.Evidence), charge.CallID, charge.State, charge.Seconds)
	if charge.CallID == p.last && charge.State != models.CallOpen {
		p.open = false
	}
}

func word(e models.Evidence) string {
	text := e.DialStatus
	if e.AnsweredMS != nil {
		text += fmt.Sprintf(" answered %d ms", *e.AnsweredMS)
	}
	if e.BillSec != nil {
		text += fmt.Sprintf(" billsec %d", *e.BillSec)
	}
	return text
}

// authorizes asks for a permission, as the scripts do: with what the channel shows, once it has called before.
func (p *phoneCall) authorizes(number string) (auth billing.Authorization, ok bool) {
	req := billing.CallRequest{CallID: p.id, Identity: p.face(), Number: number, Fresh: true, Keeper: rapid.Int64Range(0, 2).Draw(p.T, "keeper")}
	auth, err := p.service.Authorize(p.Context(), req)
	if errors.Is(err, billing.ErrCalledBefore) {
		req.Fresh = false
		req.Shows = p.shows()
		auth, err = p.service.Authorize(p.Context(), req)
		auth.Told = auth.Told || p.helped
	}
	var refusal *billing.Refusal
	if errors.As(err, &refusal) {
		p.say("refused: %v", err)
		return auth, false
	}
	if err != nil {
		p.Fatal(err)
	}
	p.say("authorised %s leg %d dial %d, repeated %t", auth.CallID, auth.Leg, auth.Dial, auth.Repeated)
	p.last, p.open, p.keeper, p.leg = auth.CallID, true, auth.Keeper, auth.Leg
	return auth, true
}

// shows is what the channel shows of its last dial, where that has ended.
func (p *phoneCall) shows() *models.Evidence {
	if p.status == "" || p.status == "ANSWER" && p.answered == nil || p.helped {
		return nil
	}
	e := &models.Evidence{Source: billing.SourceCaller, DialStatus: p.status, AnsweredMS: p.answered, SeenAt: p.clock}
	if p.answered == nil {
		e.BillSec = new(int64)
	}
	p.say("the channel shows %s", word(*e))
	return e
}

// helps dials an emergency number, which is free. It is answered at once, or not at all.
func (p *phoneCall) helps() {
	if shown := p.shows(); shown != nil {
		p.settle("the dial before", billing.CallResult{CallID: p.id, Shown: true, Identity: p.face(), Evidence: *shown})
	}
	if err := p.service.RecordEmergency(p.Context(), billing.CallRequest{CallID: p.id, Identity: p.face(), Number: "112"}); err != nil {
		p.Fatal(err)
	}
	seconds := rapid.Int64Range(0, 30).Draw(p.T, "emergency call")
	p.status, p.answered, p.helped = "CHANUNAVAIL", nil, true
	if seconds == 0 {
		p.say("nobody answers 112")
		p.guessed = p.guessed || p.up.IsZero()
		return
	}
	if p.up.IsZero() {
		p.up = p.clock
	}
	p.wait(seconds)
	p.say("%d s with 112", seconds)
	if p.open {
		p.unsure += seconds
	}
	ms := p.clock.Sub(p.up).Milliseconds()
	p.status, p.answered = "ANSWER", &ms
}

// dials runs the script caller, or authorize and the dialplan's Dial.
func (p *phoneCall) dials() {
	number := rapid.SampledFrom([]string{"59899123000", "59899123001"}).Draw(p.T, "number")
	if p.open && p.status == "" { // what comes within a second of the first permission is the same request, sent twice
		p.idles(1)
	}
	auth, ok := p.authorizes(number)
	if !ok {
		return
	}
	p.helped = false
	if !auth.Repeated || auth.Told {
		p.status, p.answered = "", nil
	}
	leg := models.Evidence{Source: billing.SourceCaller, Leg: auth.Leg, Dial: auth.Dial}
	talk := rapid.Int64Range(1, 9).Draw(p.T, "talk")
	switch rapid.SampledFrom([]string{"answered", "answered", "redirected", "redirected", "busy", "not dialled", "killed"}).Draw(p.T, "dial") {
	case "killed": // before it could dial
		return
	case "not dialled":
		if err := p.service.Undo(p.Context(), p.face(), auth); err != nil {
			p.Fatal(err)
		}
		p.say("undone")
		return
	case "busy":
		ringing := rapid.Int64Range(0, 20).Draw(p.T, "ringing")
		p.wait(ringing)
		if auth.Repeated && !p.up.IsZero() { // what the dial before came to may not be told yet
			p.unsure += ringing
		}
		leg.DialStatus, leg.BillSec = "BUSY", new(int64)
		p.status, p.answered = "BUSY", nil
	case "answered":
		p.talks(talk)
		ms := p.clock.Sub(p.up).Milliseconds()
		p.status, p.answered = "ANSWER", &ms
		leg.DialStatus, leg.AnsweredMS = "ANSWER", &ms
	case "redirected":
		p.talks(talk)
		p.status, p.answered = "ANSWER", nil
		leg.DialStatus, leg.BillSec = "ANSWER", &talk
	}
	p.witness("the caller's leg", billing.CallResult{CallID: auth.CallID, Exact: true, Evidence: leg})
}

func (p *phoneCall) talks(seconds int64) {
	if p.up.IsZero() {
		p.up = p.clock
	}
	for elapsed := int64(0); elapsed < seconds; {
		p.wait(1)
		elapsed++
		p.reviewed(time.Duration(elapsed) * time.Second)
	}
	p.talked += seconds
	p.say("talked %d s", seconds)
}

// reviewed is what a keeper does while the channel talks.
func (p *phoneCall) reviewed(elapsed time.Duration) {
	if p.keeper == 0 {
		return
	}
	kept, err := p.service.Review(p.Context(), billing.Review{
		CallID: p.last, UserID: p.user, Keeper: p.keeper, Identity: p.face(), Leg: p.leg, Elapsed: elapsed,
	})
	if err != nil {
		p.Fatal(err)
	}
	if kept.Grown {
		p.say("held for %d s after %s", kept.Limit, elapsed)
	}
}

// idles lets the channel listen to something.
func (p *phoneCall) idles(seconds int64) {
	p.wait(seconds)
	p.say("idled %d s", seconds)
	if p.open && !p.up.IsZero() {
		p.unsure += seconds
	}
}

// flushes replays the spool.
func (p *phoneCall) flushes() {
	for _, res := range p.spool {
		p.settle("the spool", res)
	}
	p.spool = nil
}

func (p *phoneCall) reconciles(all bool) {
	report, err := p.reconciler.Run(p.Context(), all)
	if err != nil {
		p.Fatal(err)
	}
	p.say("reconciled: %+v", report)
}

// ends hangs up: the reducer reads what the channel shows.
func (p *phoneCall) ends() {
	e := models.Evidence{Source: billing.SourceReducer, DialStatus: p.status, AnsweredMS: p.answered, BillSec: new(int64), Over: true}
	p.witness("the reducer", billing.CallResult{CallID: p.id, Evidence: e, Emergency: p.helped})
}

// calls are those of the channel.
func (p *phoneCall) calls() []models.Call {
	ids := []string{p.id}
	for n := 2; n < 20; n++ {
		ids = append(ids, fmt.Sprint(p.id, "#", n))
	}
	found, err := p.store.CallsByID(p.Context(), ids)
	if err != nil {
		p.Fatal(err)
	}
	var calls []models.Call
	for _, id := range ids {
		if c, ok := found[id]; ok {
			calls = append(calls, c)
		}
	}
	return calls
}

// TestEveryTalkIsChargedOnceOrListed, whichever witnesses of a channel come, come late or never, in whatever order.
func TestEveryTalkIsChargedOnceOrListed(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t).Migrated(t)
	var n atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		i := n.Add(1)
		p := &phoneCall{T: t, store: db, clock: began, id: fmt.Sprint("pbx-1.", i), clid: fmt.Sprintf("555%06d", i)}
		rules := policy(200)
		rules.Slice = rapid.SampledFrom([]int64{0, 2, 5, 60}).Draw(t, "slice")
		p.service = billing.New(billing.Options{Store: db, Policy: rules, Lanes: db.Lanes(), Now: func() time.Time { return p.clock }})
		defer p.service.Close()
		p.reconciler = &billing.Reconciler{Service: p.service, Calls: db, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return p.clock }}
		user, err := db.AddUser(context.Background(), models.NewUser{Username: "u" + p.clid, CLID: p.clid, Balance: 10_000 * money.Unit}, "test")
		if err != nil {
			t.Fatal(err)
		}
		p.user = user.ID
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"dial", "dial", "dial", "help", "idle", "spool", "reconcile"}).Draw(t, "step") {
			case "dial":
				p.dials()
			case "help":
				p.helps()
			case "idle":
				p.idles(rapid.Int64Range(1, 50).Draw(t, "idle"))
			case "spool":
				p.flushes()
			case "reconcile":
				p.reconciles(false)
			}
		}
		p.ends()
		last := []func(){p.flushes, func() { p.wait(400); p.reconciles(false); p.reconciles(true) }}
		if rapid.Bool().Draw(t, "the reconciler is first") {
			slices.Reverse(last)
		}
		for _, do := range last {
			do()
		}
		var charged int64
		listed := false
		for _, c := range p.calls() {
			p.say("%s is %s by %s with %d s, disputed %d", c.CallID, c.State, c.SettledBy, c.Seconds, c.Disputed)
			charged += c.Seconds
			listed = listed || c.State == models.CallUnreconciled || c.Disputed > c.Seconds
			if c.State == models.CallOpen {
				t.Errorf("%s is open", c.CallID)
			}
		}
		b, err := db.UserByName(context.Background(), user.Username)
		if err != nil || b.Held != 0 || b.Balance != money.Amount(10_000-charged)*money.Unit {
			t.Errorf("%s, of which %s is held, after %d s; %v", b.Balance, b.Held, charged, err)
		}
		if charged > p.talked+p.unsure {
			t.Errorf("charged %d s for a talk of %d (and %d of which nobody knows)", charged, p.talked, p.unsure)
		}
		if charged < p.talked && !listed && !p.guessed {
			t.Errorf("charged %d s for a talk of %d, and nobody is told", charged, p.talked)
		}
		if t.Failed() {
			for _, s := range p.said {
				t.Log(s)
			}
		}
	})
}
