package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// Numbers and names of the people in these tests.
const (
	marta     = "marta"
	martaCLID = "555000204"
	martaIMSI = "724990000000204"
	joel      = "joel"
	joelCLID  = "555000205"
	abroad    = "59899123000"
)

// till is a Service over a Store, in the terms of a test.
type till struct {
	testing.TB
	*billing.Service
	store *store.Store
}

func policy() billing.Policy {
	return billing.Policy{
		MaxCallSeconds: 60, RingSeconds: 40, Identify: []string{billing.ByCallerID, billing.ByAccount, billing.ByIMSI},
		Dial: "PJSIP/{number}@trunk", SubscriberDial: "PJSIP/IMSI{imsi}@openbts", DialTechs: []string{"PJSIP"}, Emergency: []string{"112"},
	}
}

// newTill opens a Service on a Store. It is closed before the Store's audit.
func newTill(t testing.TB, s *store.Store, edit ...func(*billing.Options)) *till {
	t.Helper()
	o := billing.Options{Store: s, Policy: policy(), Lanes: s.Lanes()}
	for _, e := range edit {
		e(&o)
	}
	service := billing.New(o)
	t.Cleanup(service.Close)
	return &till{t, service, s}
}

// clocked is an option with a time of day that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().UTC().Truncate(time.Microsecond)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) option(o *billing.Options) { o.Now = c.Now }

// users makes Marta with 180 SEC, and Joel with nothing.
func (k *till) users() (martaID, joelID int64) {
	k.Helper()
	return k.user(models.NewUser{Username: marta, CLID: martaCLID, IMSI: martaIMSI, Balance: 180 * money.Unit}),
		k.user(models.NewUser{Username: joel, CLID: joelCLID})
}

func (k *till) user(u models.NewUser) int64 {
	k.Helper()
	made, err := k.store.AddUser(k.Context(), u, "test")
	if err != nil {
		k.Fatal(err)
	}
	return made.ID
}

func request(clid, callID, number string) billing.CallRequest {
	return billing.CallRequest{CallID: callID, Identity: billing.Identity{CallerID: clid}, Number: number}
}

// permit expects a permission for Marta.
func (k *till) permit(callID, number string) billing.Authorization {
	k.Helper()
	auth, err := k.Authorize(k.Context(), request(martaCLID, callID, number))
	if err != nil {
		k.Fatalf("authorize %s: %v", callID, err)
	}
	return auth
}

// end hands in what a witness saw of a call of Marta's.
func (k *till) end(callID string, e models.Evidence) billing.Charge {
	k.Helper()
	charge, err := k.Settle(k.Context(), result(martaCLID, callID, e))
	if err != nil {
		k.Fatalf("settle %s: %v", callID, err)
	}
	return charge
}

func result(clid, callID string, e models.Evidence) billing.CallResult {
	return billing.CallResult{CallID: callID, Identity: billing.Identity{CallerID: clid}, Evidence: e}
}

func (k *till) move(username string, units int64, ref string) {
	k.Helper()
	_, err := k.Move(k.Context(), billing.Movement{Username: username, Amount: money.Amount(units) * money.Unit, Ref: ref, Actor: "test"})
	if err != nil {
		k.Fatalf("move %d of %s: %v", units, username, err)
	}
}

// has expects what a user has and what of it is held, in whole units.
func (k *till) has(username string, balance, held int64) {
	k.Helper()
	b, err := k.store.UserByName(k.Context(), username)
	if err != nil {
		k.Fatal(err)
	}
	if b.Balance != money.Amount(balance)*money.Unit || b.Held != money.Amount(held)*money.Unit || b.Available != b.Balance-b.Held {
		k.Errorf("%s has %s, of which %s is held and %s available; want %d and %d", username, b.Balance, b.Held, b.Available, balance, held)
	}
}

// call reads one call.
func (k *till) call(callID string) models.Call {
	k.Helper()
	calls, err := k.store.CallsByID(k.Context(), []string{callID})
	if err != nil {
		k.Fatal(err)
	}
	return calls[callID]
}

func (k *till) reconciler() *billing.Reconciler {
	return &billing.Reconciler{Service: k.Service, Calls: k.store, Logger: slog.New(slog.DiscardHandler)}
}

func refused(t testing.TB, err, kind error) {
	t.Helper()
	var refusal *billing.Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, kind) {
		t.Errorf("got %v, want a refusal for %v", err, kind)
	}
}

func n(v int64) *int64 { return &v }

func answered(source string, ms int64) models.Evidence {
	return models.Evidence{
		Source: source, DialStatus: "ANSWER", AnsweredMS: n(ms), Answered: n(ms / 1000), Cause: 16, Over: source == billing.SourceReducer,
	}
}

func unanswered(source, status string) models.Evidence {
	return models.Evidence{Source: source, DialStatus: status, Cause: 17, Over: source == billing.SourceReducer}
}

// stubbornly repeats what a database that comes and goes makes fail, as the spool and the phones do.
func stubbornly(ctx context.Context, do func() error) error {
	for {
		err := do()
		var refusal *billing.Refusal
		if err == nil || errors.As(err, &refusal) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; at last: %w", ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
