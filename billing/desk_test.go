package billing_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

func policy() billing.Policy {
	return billing.Policy{
		MaxCallSeconds: 60, RingSeconds: 40, Identify: []string{billing.ByCallerID, billing.ByAccount, billing.ByIMSI},
		Dial: "PJSIP/{number}@trunk", SubscriberDial: "PJSIP/IMSI{imsi}@openbts", DialTechs: []string{"PJSIP", "SIP", "IAX2", "DAHDI"},
		Emergency: []string{"112"},
	}
}

// desk is a Service over a memory store, with a clock that stands still until it is told otherwise. Marta's number is
// 555000204; she has 180 SEC. Joel's is 555000205; he has nothing.
type desk struct {
	testing.TB
	*billing.Service
	store       *memory
	marta, joel models.User
	clock       time.Time
}

const (
	martaCLID = "555000204"
	martaIMSI = "724990000000204"
	joelCLID  = "555000205"
	joelIMSI  = "724990000000205"
	abroad    = "59899123000"
)

func newDesk(t testing.TB, edit ...func(*billing.Options)) *desk {
	t.Helper()
	d := &desk{TB: t, store: newMemory(), clock: time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)}
	o := billing.Options{Store: d.store, Policy: policy(), Now: func() time.Time { return d.clock }}
	for _, e := range edit {
		e(&o)
	}
	d.Service = billing.New(o)
	t.Cleanup(d.Close)
	d.marta = d.store.addUser("marta", martaCLID, martaIMSI)
	d.joel = d.store.addUser("joel", joelCLID, joelIMSI)
	d.topUp("marta", 180)
	t.Cleanup(func() {
		for _, difference := range d.store.audit() {
			t.Error("audit:", difference)
		}
	})
	return d
}

// with changes the policy of a desk.
func with(edit func(*billing.Policy)) func(*billing.Options) {
	return func(o *billing.Options) { edit(&o.Policy) }
}

func (d *desk) wait(seconds float64) {
	d.clock = d.clock.Add(time.Duration(seconds * float64(time.Second)))
}

func (d *desk) topUp(name string, units int64) {
	d.Helper()
	_, err := d.Move(context.Background(), billing.Movement{
		Username: name, Amount: money.Amount(units) * money.Unit, Ref: fmt.Sprint("ref-", len(d.store.posted)), Actor: "test",
	})
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) request(callID, number string) billing.CallRequest {
	return billing.CallRequest{CallID: callID, Identity: billing.Identity{CallerID: martaCLID}, Number: number}
}

// authorize expects a permission.
func (d *desk) authorize(callID, number string) billing.Authorization {
	d.Helper()
	auth, err := d.Authorize(d.Context(), d.request(callID, number))
	if err != nil {
		d.Fatalf("authorize %s to %s: %v", callID, number, err)
	}
	return auth
}

// settle hands in what a witness saw.
func (d *desk) settle(callID string, e models.Evidence) billing.Charge {
	d.Helper()
	charge, err := d.Settle(d.Context(), billing.CallResult{CallID: callID, Identity: billing.Identity{CallerID: martaCLID}, Evidence: e})
	if err != nil {
		d.Fatalf("settle %s: %v", callID, err)
	}
	return charge
}

// account is the only account of a user.
func (d *desk) account(u models.User) models.Account {
	d.Helper()
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	for _, a := range d.store.accounts {
		if a.UserID == u.ID {
			return a
		}
	}
	d.Fatal("no account")
	return models.Account{}
}

func (d *desk) call(callID string) models.Call {
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	return clone(d.store.calls[callID])
}

// money expects what Marta has and what of it is held, in whole units.
func (d *desk) money(balance, held int64) {
	d.Helper()
	a := d.account(d.marta)
	if a.Balance != money.Amount(balance)*money.Unit || a.Held != money.Amount(held)*money.Unit {
		d.Errorf("balance %s, held %s; want %d, %d", a.Balance, a.Held, balance, held)
	}
}

// refused expects a refusal of a kind, and gives its reason.
func refused(t testing.TB, err, kind error) string {
	t.Helper()
	var refusal *billing.Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want a refusal for %v", err, kind)
	}
	return refusal.Reason
}

func n(v int64) *int64 { return &v }

// Evidence as Asterisk 22 gave it; milliseconds.
func answered(source string, ms int64) models.Evidence {
	return models.Evidence{
		Source: source, DialStatus: "ANSWER", AnsweredMS: n(ms), Answered: n(ms / 1000), Cause: 16, Over: source == billing.SourceReducer,
	}
}

func unanswered(source, status string, cause int) models.Evidence {
	return models.Evidence{Source: source, DialStatus: status, Cause: cause, BillSec: n(0), Over: source == billing.SourceReducer}
}
