package storetest

import (
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// Run checks that a Store keeps what billing promises, on a kind of database. Each test gets an empty one from fresh.
func Run(t *testing.T, fresh func(testing.TB) Database) {
	t.Helper()
	for _, group := range []map[string]func(*testing.T, Database){callTests, rowTests, raceTests, limitTests, keeperTests, ledgerTests, userTests, schemaTests} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, fresh(t))
			})
		}
	}
}

// callTests take calls through their lives.
var callTests = map[string]func(*testing.T, Database){
	"a call is authorised, held, settled and explained": aCall,
	"the credit of calls in progress is not given twice": func(t *testing.T, d Database) {
		k := newTill(t, d.Migrated(t))
		k.users()
		for i := range 3 {
			k.permit(fmt.Sprint("pbx-1.", i), abroad)
		}
		_, err := k.Authorize(t.Context(), request(martaCLID, "pbx-1.3", abroad))
		refused(t, err, billing.ErrInsufficientFunds)
		_, err = k.Authorize(t.Context(), request("999", "pbx-1.4", abroad))
		refused(t, err, billing.ErrUnknownCaller)
		k.has(marta, 180, 180)
	},
	"a repeated caller goes on under his hold, even when it is all he has": repeatedCaller,
	"a redirected call pays each leg by its own rate":                      redirectedCall,
	"a channel that dials again makes further calls":                       followOnCalls,
	"a call above its hold takes what there is, and the house pays the rest": func(t *testing.T, d Database) {
		k := newTill(t, d.Migrated(t))
		k.users()
		k.permit("pbx-1.1", abroad)
		k.end("pbx-1.1", answered("caller", 200_000))
		k.has(marta, 0, 0)
		if c := k.call("pbx-1.1"); c.Shortfall != 20*money.Unit || c.Charge != 200*money.Unit {
			t.Errorf("%+v", c)
		}
		listed, err := k.store.ListedCalls(t.Context(), "shortfall", 10)
		if err != nil || len(listed) != 1 {
			t.Errorf("%d calls with a shortfall, %v", len(listed), err)
		}
	},
	"a call that was given up is charged when its reducer comes": givenUp,
	"unauthorised calls are charged, or listed":                  unauthorised,
	"evidence of a longer talk is listed and never charged": func(t *testing.T, d Database) {
		k := newTill(t, d.Migrated(t))
		k.users()
		k.permit("pbx-1.1", abroad)
		k.end("pbx-1.1", answered("caller", 10_000))
		if charge := k.end("pbx-1.1", answered("reducer", 30_000)); !charge.Disputed || charge.Amount != 10*money.Unit {
			t.Errorf("%+v", charge)
		}
		listed, err := k.store.ListedCalls(t.Context(), "disputed", 10)
		if err != nil || len(listed) != 1 || listed[0].Disputed != 30 || len(listed[0].Notes) != 2 {
			t.Errorf("%+v, %v", listed, err)
		}
		k.has(marta, 170, 0)
	},
	"emergency calls are recorded, once, and cost nothing": emergencies,
	"several accounts are spent in burn order":             severalAccounts,
	"top-ups and removals are safe to repeat":              movements,
	"what callers send is stored as text, whatever it is":  hostileText,
	"a batch holds more than a statement can bind":         bigBatch,
	"the reconciler finds, claims and closes lost calls":   reconcile,
}

func aCall(t *testing.T, d Database) {
	k := newTill(t, d.Migrated(t))
	id, joelID := k.users()
	auth := k.permit("pbx-1.1", joelCLID)
	if auth.Seconds != 60 || auth.UserID != id || auth.Target != "PJSIP/"+joelCLID+"@trunk" {
		t.Errorf("%+v", auth)
	}
	k.has(marta, 180, 60)
	open := k.call("pbx-1.1")
	if open.State != models.CallOpen || open.CalleeID != joelID || open.Held() != 60*money.Unit || open.Limit != 60 || open.Rate != models.SecondRate() {
		t.Errorf("%+v", open)
	}
	if due := open.Due.Sub(open.Authorized); due != 100*time.Second {
		t.Errorf("due %s after the authorisation", due)
	}
	for i, source := range []string{"caller", "reducer", "caller", "cdr"} {
		charge := k.end("pbx-1.1", answered(source, 42_900))
		want := billing.Charge{CallID: "pbx-1.1", UserID: id, State: models.CallSettled, Seconds: 42, Amount: 42 * money.Unit, Already: i > 0}
		if diff := gocmp.Diff(want, charge); diff != "" {
			t.Errorf("%s (-want +got)\n%s", source, diff)
		}
	}
	k.has(marta, 138, 0)
	done := k.call("pbx-1.1")
	if done.State != models.CallSettled || done.Holds != nil || done.Seconds != 42 || done.TalkedMS != 42_900 || done.Status != "ANSWER" ||
		done.Cause != 16 || done.SettledBy != "caller" || done.Ended == nil || len(done.Notes) != 1 {
		t.Errorf("%+v", done)
	}
	k.permit("pbx-1.2", abroad)
	if charge := k.end("pbx-1.2", unanswered("caller", "BUSY")); charge.State != models.CallReleased {
		t.Errorf("%+v", charge)
	}
	k.permit("pbx-1.3", abroad)
	if err := k.Release(t.Context(), billing.Identity{CallerID: martaCLID}, "pbx-1.3", "caller"); err != nil {
		t.Error(err)
	}
	k.has(marta, 138, 0)
	available, user, err := k.Available(t.Context(), billing.Identity{AccountCode: marta})
	if err != nil || available != 138*money.Unit || user.ID != id {
		t.Errorf("%s of %s, %v", available, user.Username, err)
	}
}

func repeatedCaller(t *testing.T, d Database) {
	c := newClock()
	k := newTill(t, d.Migrated(t), c.option, func(o *billing.Options) { o.Policy.MaxCallSeconds = 7200 })
	k.users()
	k.permit("pbx-1.1", abroad)
	c.pass(30 * time.Second)
	if again := k.permit("pbx-1.1", abroad); !again.Repeated || again.Seconds != 150 || again.Leg != 0 {
		t.Errorf("%+v", again)
	}
	k.has(marta, 180, 180)
	k.move(joel, 100, "r")
	_, err := k.Authorize(t.Context(), request(joelCLID, "pbx-1.1", abroad))
	refused(t, err, billing.ErrIdentityConflict)
	k.has(joel, 100, 0)
	// The dial was redirected; what the second one notes of its callee is only a part.
	second := answered("reducer", 45_000)
	second.CalleeUpMS, second.EndedMS = n(1_795_212_890_000), n(1_795_212_905_000)
	if charge := k.end("pbx-1.1", second); charge.Seconds != 45 {
		t.Errorf("%+v", charge)
	}
	k.has(marta, 135, 0)
}

// byDigit prices numbers of one digit at so many SEC a second, and all others at one.
func byDigit(_ models.User, number string, _ time.Time) (models.Rate, error) {
	r := models.SecondRate()
	if len(number) == 1 {
		r.PerMinute *= money.Amount(number[0] - '0')
		r.Prefix, r.ConnectFee, r.Minimum, r.Grace, r.Name = number, 1, 2, 0, "by digit"
	}
	return r, nil
}

func redirectedCall(t *testing.T, d Database) {
	c := newClock()
	k := newTill(t, d.Migrated(t), c.option, func(o *billing.Options) { o.Policy.Rate = byDigit })
	k.users()
	k.permit("pbx-1.1", "1")
	c.pass(20 * time.Second)
	second := k.permit("pbx-1.1", "4")
	if second.Leg != 1 || second.Seconds != 39 || !second.Repeated {
		t.Errorf("%+v", second)
	}
	redirected := models.Evidence{Source: "caller", DialStatus: "ANSWER", BillSec: n(20), Cause: 16, SeenAt: c.Now()}
	if charge := k.end("pbx-1.1", redirected); charge.State != models.CallOpen {
		t.Errorf("%+v", charge)
	}
	open := k.call("pbx-1.1")
	if len(open.Legs) != 1 || open.Legs[0].Number != "1" || open.Number != "4" || open.Rate.Prefix != "4" || len(open.Notes) != 1 {
		t.Errorf("%+v", open)
	}
	c.pass(10 * time.Second)
	last := answered("caller", 30_500)
	last.Leg = 1
	charge := k.end("pbx-1.1", last)
	if want := 60*money.Unit + 2; charge.Seconds != 30 || charge.Amount != want {
		t.Errorf("%+v, want %s", charge, want)
	}
	if done := k.call("pbx-1.1"); done.Legs[0].Seconds != 20 || done.State != models.CallSettled || done.Holds != nil {
		t.Errorf("%+v", done)
	}
}

func followOnCalls(t *testing.T, d Database) {
	c := newClock()
	k := newTill(t, d.Migrated(t), c.option)
	k.users()
	k.permit("pbx-1.1", abroad)
	c.pass(3 * time.Second)
	k.end("pbx-1.1", answered("caller", 3006))
	c.pass(5 * time.Second)
	if second := k.permit("pbx-1.1", abroad); second.CallID != "pbx-1.1#2" {
		t.Errorf("%+v", second)
	}
	if c := k.call("pbx-1.1#2"); c.UpBefore != 8006 || c.State != models.CallOpen || c.Attempts != 1 {
		t.Errorf("%+v", c)
	}
	if c := k.call("pbx-1.1"); c.Attempts != 2 || c.State != models.CallSettled {
		t.Errorf("%+v", c)
	}
	c.pass(4 * time.Second)
	if charge := k.end("pbx-1.1", answered("reducer", 12_100)); charge.CallID != "pbx-1.1#2" || charge.Seconds != 4 {
		t.Errorf("%+v", charge)
	}
	if third := k.permit("pbx-1.1", abroad); third.CallID != "pbx-1.1#3" {
		t.Errorf("%+v", third)
	}
	k.end("pbx-1.1#3", unanswered("caller", "BUSY"))
	k.has(marta, 173, 0)
	c.pass(time.Second)
	if err := k.RecordEmergency(t.Context(), request(martaCLID, "pbx-1.1", "112")); err != nil {
		t.Fatal(err)
	}
	first, second, third := k.call("pbx-1.1"), k.call("pbx-1.1#2"), k.call("pbx-1.1#3")
	next, err := k.store.NextCalls(t.Context(), []models.Call{first, third, {CallID: "pbx-1.2"}})
	if err != nil || len(next) != 2 || !next["pbx-1.1"].Equal(second.Authorized) || !next["pbx-1.1#3"].Equal(c.Now()) {
		t.Errorf("%v, %v", next, err)
	}
}

func givenUp(t *testing.T, d Database) {
	k := newTill(t, d.Migrated(t))
	k.users()
	k.permit("pbx-1.1", abroad)
	giveUp := billing.CallResult{CallID: "pbx-1.1", By: billing.SourceReconciler, GiveUp: true}
	if charge, err := k.Settle(t.Context(), giveUp); err != nil || charge.State != models.CallUnreconciled {
		t.Errorf("%+v, %v", charge, err)
	}
	k.has(marta, 180, 0)
	listed, err := k.store.ListedCalls(t.Context(), "unreconciled", 10)
	if err != nil || len(listed) != 1 || listed[0].CallID != "pbx-1.1" || listed[0].SettledBy != "reconciler" {
		t.Errorf("%+v, %v", listed, err)
	}
	k.move(marta, -160, "spent")
	if charge := k.end("pbx-1.1", answered("reducer", 50_000)); charge.State != models.CallSettled || charge.Amount != 50*money.Unit {
		t.Errorf("%+v", charge)
	}
	k.has(marta, 0, 0)
	if c := k.call("pbx-1.1"); c.Shortfall != 30*money.Unit || c.SettledBy != "reducer" {
		t.Errorf("%+v", c)
	}
	if listed, err := k.store.ListedCalls(t.Context(), "unreconciled", 10); err != nil || len(listed) != 0 {
		t.Errorf("%+v, %v", listed, err)
	}
}

func unauthorised(t *testing.T, d Database) {
	var rate *models.Rate
	k := newTill(t, d.Migrated(t), func(o *billing.Options) {
		o.Policy.Rate = func(models.User, string, time.Time) (models.Rate, error) {
			if rate == nil {
				return models.Rate{}, billing.Refuse(billing.ErrNoRate, "no rate")
			}
			return *rate, nil
		}
	})
	id, _ := k.users()
	if charge := k.end("pbx-1.1", answered("reducer", 5000)); charge.State != models.CallUnreconciled {
		t.Errorf("without a rate: %+v", charge)
	}
	r := models.SecondRate()
	rate = &r
	if charge := k.end("pbx-1.1", answered("reducer", 5000)); charge.State != models.CallSettled || charge.Amount != 5*money.Unit {
		t.Errorf("with one: %+v", charge)
	}
	if charge := k.end("pbx-1.2", answered("reducer", 7000)); charge.State != models.CallSettled || charge.UserID != id {
		t.Errorf("at once: %+v", charge)
	}
	if c := k.call("pbx-1.2"); !c.Unauthorized || c.Rate != r || c.Charge != 7*money.Unit {
		t.Errorf("%+v", c)
	}
	stranger := result("999", "pbx-1.3", answered("reducer", 9000))
	for range 2 {
		if charge, err := k.Settle(t.Context(), stranger); err != nil || charge.State != models.CallUnreconciled || charge.Amount != 0 {
			t.Errorf("a stranger: %+v, %v", charge, err)
		}
	}
	if c := k.call("pbx-1.3"); c.UserID != 0 || c.Seconds != 9 || !c.Unauthorized {
		t.Errorf("%+v", c)
	}
	if charge := k.end("pbx-1.4", unanswered("reducer", "BUSY")); charge.State != "" || k.call("pbx-1.4").ID != 0 {
		t.Errorf("an unanswered call left a trace: %+v", charge)
	}
	k.has(marta, 168, 0)
}

func emergencies(t *testing.T, d Database) {
	k := newTill(t, d.Migrated(t))
	k.users()
	k.permit("pbx-1.1", abroad)
	for _, req := range []billing.CallRequest{
		request(martaCLID, "pbx-1.1", "112"), request(martaCLID, "pbx-1.1", "112"), request("", "pbx-1.2", "112"), request("", "pbx-1.2", "112"),
	} {
		if err := k.RecordEmergency(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]models.CallState{"pbx-1.1": models.CallOpen, "pbx-1.1#e112": models.CallEmergency, "pbx-1.2": models.CallEmergency} {
		if c := k.call(id); c.State != want {
			t.Errorf("%s is %q, want %s", id, c.State, want)
		}
	}
	if charge := k.end("pbx-1.2", answered("reducer", 5000)); charge.State != models.CallEmergency || charge.Amount != 0 {
		t.Errorf("%+v", charge)
	}
	k.end("pbx-1.1", answered("reducer", 5000))
	k.has(marta, 175, 0)
}

// addAccount gives a user one more account, with money in it, as a promotion will.
func addAccount(t *testing.T, db *sql.DB, userID int64, name string, burn int, balance money.Amount) {
	t.Helper()
	for _, step := range []struct {
		query string
		args  []any
	}{
		{"INSERT INTO accounts (user_id, name, burn, balance) VALUES (?, ?, ?, ?)", []any{userID, name, burn, int64(balance)}},
		{"INSERT INTO transactions (id, kind, ref, posted_at) VALUES (?, 'promo', ?, '2026-11-20 22:00:00.000000')", []any{burn, name}},
		{"INSERT INTO entries (account_id, tx_id, amount) SELECT id, ?, ? FROM accounts WHERE name = ?", []any{burn, int64(balance), name}},
		{"INSERT INTO entries (account_id, tx_id, amount) VALUES (1, ?, ?)", []any{burn, -int64(balance)}},
	} {
		if _, err := db.ExecContext(t.Context(), step.query, step.args...); err != nil {
			t.Fatal(err)
		}
	}
}

func severalAccounts(t *testing.T, d Database) {
	k := newTill(t, d.Migrated(t))
	_, joelID := k.users()
	db := d.SQL(t)
	addAccount(t, db, joelID, "bonus", 1, 10*money.Unit)
	addAccount(t, db, joelID, "late", 200, 30*money.Unit)
	k.move(joel, 5, "into the main one, which burns last")
	k.has(joel, 45, 0)
	auth, err := k.Authorize(t.Context(), request(joelCLID, "pbx-1.1", abroad))
	if err != nil || auth.Seconds != 45 {
		t.Fatalf("%+v, %v", auth, err)
	}
	if parts := k.call("pbx-1.1").Holds; len(parts) != 3 || parts[0].Amount != 10*money.Unit || parts[1].Amount != 30*money.Unit || parts[2].Amount != 5*money.Unit {
		t.Errorf("held %v", parts)
	}
	if _, err := k.Settle(t.Context(), result(joelCLID, "pbx-1.1", answered("caller", 12_000))); err != nil {
		t.Fatal(err)
	}
	k.has(joel, 33, 0)
	var bonus, late int64
	row := db.QueryRowContext(t.Context(), "SELECT MAX(CASE WHEN name = 'bonus' THEN balance END), MAX(CASE WHEN name = 'late' THEN balance END) FROM accounts")
	if err := row.Scan(&bonus, &late); err != nil || bonus != 0 || late != 28_000_000 {
		t.Errorf("bonus %d, late %d, %v", bonus, late, err)
	}
}

func movements(t *testing.T, d Database) {
	k := newTill(t, d.Migrated(t))
	k.users()
	k.permit("pbx-1.1", abroad)
	move := func(username string, amount money.Amount, ref string) (billing.Moved, error) {
		return k.Move(t.Context(), billing.Movement{Username: username, Amount: amount, Ref: ref, Actor: "olga"})
	}
	first, err := move(joel, money.Unit/4, "Überweisung 1")
	if err != nil || first.Available != money.Unit/4 {
		t.Errorf("%+v, %v", first, err)
	}
	again, err := move(joel, money.Unit/4, "Überweisung 1")
	if err != nil || !again.Already || again.Transaction.ID != first.Transaction.ID || again.Transaction.Actor != "olga" ||
		!again.Transaction.PostedAt.Equal(first.Transaction.PostedAt.Truncate(time.Microsecond)) {
		t.Errorf("%+v, want %+v; %v", again, first, err)
	}
	for _, c := range []struct {
		username string
		amount   money.Amount
		ref      string
		kind     error
	}{
		{joel, money.Unit / 2, "Überweisung 1", models.ErrConflict},
		{marta, money.Unit / 4, "Überweisung 1", models.ErrConflict},
		{marta, -121 * money.Unit, "too much", billing.ErrInsufficientFunds},
		{joel, 0, "nothing", models.ErrInvalid},
		{joel, 1, "Überweisung 1 ", models.ErrInvalid},
	} {
		_, err := move(c.username, c.amount, c.ref)
		refused(t, err, c.kind)
	}
	if other, err := move(joel, 1, "überweisung 1"); err != nil || other.Already {
		t.Errorf("a reference that differs in a capital: %+v, %v", other, err)
	}
	if _, err := move(marta, -120*money.Unit, "all that is free"); err != nil {
		t.Error(err)
	}
	k.has(marta, 60, 60)
	if _, err := move("nobody", 1, "x"); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
}

// hostileText: nothing that a phone or a dialplan sends makes a statement fail, or another call of its batch.
func hostileText(t *testing.T, d Database) {
	k := newTill(t, d.Migrated(t))
	k.users()
	for i, text := range []string{
		"Zoë", "日本", "💶", "a\xffb", "\x00", "' OR ''='", "\\", "\"", "`", "%", "_", "\u202e", strings.Repeat("é", 500), "IMSI" + strings.Repeat("9", 99), "unknown",
		" ", "NULL", "0x41", "-- ", "\r\n", martaCLID + " ",
	} {
		id := fmt.Sprint("pbx-1.", i)
		identity := billing.Identity{CallerID: text, AccountCode: text, Channel: "PJSIP/" + text}
		_, err := k.Authorize(t.Context(), billing.CallRequest{CallID: id, Identity: identity, Number: abroad})
		refused(t, err, billing.ErrUnknownCaller)
		_, err = k.Authorize(t.Context(), billing.CallRequest{CallID: "pbx-" + text, Identity: identity, Number: text, Target: text})
		var refusal *billing.Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("%q everywhere: %v", text, err)
		}
		e := answered("reducer", 5000)
		charge, err := k.Settle(t.Context(), billing.CallResult{CallID: id, Identity: identity, Number: text, Evidence: e})
		if err != nil || charge.State != models.CallUnreconciled {
			t.Errorf("%q as an unknown caller: %+v, %v", text, charge, err)
		}
		e.DialStatus = text
		if _, err := k.Settle(t.Context(), billing.CallResult{CallID: id + "s", Identity: identity, Evidence: e}); err != nil {
			t.Errorf("%q as a status: %v", text, err)
		}
		_, err = k.Settle(t.Context(), billing.CallResult{CallID: text, Identity: identity, Evidence: e})
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("%q as an id: %v", text, err)
		}
		if err := k.RecordEmergency(t.Context(), billing.CallRequest{CallID: id + "e", Identity: identity, Number: "112"}); err != nil {
			t.Errorf("%q calls for help: %v", text, err)
		}
		if err := k.Release(t.Context(), identity, text, "caller"); err != nil && !errors.As(err, &refusal) {
			t.Errorf("%q released: %v", text, err)
		}
		if _, err := k.store.UserByName(t.Context(), marta+text); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a user called marta%q: %v", text, err)
		}
		_, err = k.Move(t.Context(), billing.Movement{Username: text, Amount: 1, Ref: fmt.Sprint("r", i)})
		if !errors.Is(err, models.ErrNotFound) && !errors.As(err, &refusal) {
			t.Errorf("%q as a username: %v", text, err)
		}
	}
	k.has(marta, 180, 0)
}

// bigBatch commits more at once than SQLite binds in a statement.
func bigBatch(t *testing.T, d Database) {
	k := newTill(t, d.Migrated(t), func(o *billing.Options) { o.Policy.MaxCallSeconds, o.Lanes = 1, 1 })
	k.users()
	k.move(joel, 600, "r")
	done := make(chan error)
	for i := range 500 {
		go func() {
			id := fmt.Sprint("pbx-1.", i)
			_, err := k.Authorize(t.Context(), request(joelCLID, id, abroad))
			if err == nil {
				_, err = k.Settle(t.Context(), result(joelCLID, id, answered("caller", 1001)))
			}
			done <- err
		}()
	}
	for range 500 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	k.has(joel, 100, 0)
}

func reconcile(t *testing.T, d Database) {
	past := newClock()
	past.pass(-time.Hour) // by the database's clock these calls are long overdue
	s := d.Migrated(t)
	old, now := newTill(t, s, past.option), newTill(t, s)
	old.users()
	old.permit("pbx-1.1", abroad)
	old.permit("pbx-1.2", abroad)
	now.permit("pbx-1.3", abroad)
	old.end("pbx-1.2", models.Evidence{Source: "caller", DialStatus: "ANSWER", BillSec: n(7)})
	calls, err := s.OpenCalls(t.Context(), 0, 10)
	if err != nil || len(calls) != 3 || calls[0].CallID != "pbx-1.1" {
		t.Fatalf("%+v, %v", calls, err)
	}
	if late := calls[0].OverdueBy; late < 57*time.Minute || late > 62*time.Minute {
		t.Errorf("overdue by %s, want 58 minutes and a bit", late)
	}
	if ahead := calls[2].OverdueBy; ahead > -90*time.Second {
		t.Errorf("overdue by %s, though it has just begun", ahead)
	}
	if rest, err := s.OpenCalls(t.Context(), calls[0].ID, 1); err != nil || len(rest) != 1 || rest[0].ID != calls[1].ID {
		t.Errorf("%+v, %v", rest, err)
	}
	for want := range map[bool]bool{true: true} {
		if got, err := s.ClaimCall(t.Context(), calls[0].ID, time.Hour); got != want || err != nil {
			t.Errorf("claimed %v, %v", got, err)
		}
	}
	if got, err := s.ClaimCall(t.Context(), calls[0].ID, time.Hour); got || err != nil {
		t.Errorf("claimed twice: %v, %v", got, err)
	}
	if got, err := s.ClaimCall(t.Context(), 4711, time.Hour); got || err != nil {
		t.Errorf("claimed what is not there: %v, %v", got, err)
	}
	if got, err := s.ClaimCall(t.Context(), calls[1].ID, -time.Second); !got || err != nil {
		t.Errorf("claimed %v, %v", got, err)
	}
	report, err := now.reconciler().Run(t.Context(), false)
	want := billing.ReconcileReport{Open: 3, Settled: 1, Left: 2} // 1.1 is claimed, 1.3 talks
	if diff := gocmp.Diff(want, report); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	report, err = now.reconciler().Run(t.Context(), true)
	want = billing.ReconcileReport{Open: 2, Unreconciled: 2}
	if diff := gocmp.Diff(want, report); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if got, err := s.ClaimCall(t.Context(), calls[1].ID, time.Hour); got || err != nil {
		t.Errorf("claimed a closed call: %v, %v", got, err)
	}
	now.has(marta, 173, 0)
	if _, err := s.ListedCalls(t.Context(), "nonsense", 1); !errors.Is(err, models.ErrInvalid) {
		t.Error(err)
	}
	if open, err := s.ListedCalls(t.Context(), "open", 5); err != nil || len(open) != 0 {
		t.Errorf("%+v, %v", open, err)
	}
}

// rowTests look at single rows.
var rowTests = map[string]func(*testing.T, Database){
	"every field of a call comes back as it was":   callRoundTrip,
	"every field of a user and his account":        userRoundTrip,
	"amounts near the bounds are kept to the last": bounds,
	"a currency without house accounts moves no money": func(t *testing.T, d Database) {
		k := newTill(t, d.Migrated(t))
		k.users()
		db := d.SQL(t)
		for _, q := range []string{
			"UPDATE users SET currency = 'EUR' WHERE username = 'joel'", "UPDATE accounts SET currency = 'EUR' WHERE user_id = (SELECT id FROM users WHERE username = 'joel')",
		} {
			if _, err := db.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := k.Move(t.Context(), billing.Movement{Username: joel, Amount: 1, Ref: "r"}); err == nil {
			t.Error("money was booked on no account")
		}
		_, err := k.Authorize(t.Context(), request(joelCLID, "pbx-1.1", abroad))
		refused(t, err, billing.ErrNoRate)
	},
	"ids grow with time and differ between stores": newIDs,
	"the database's clock is near ours": func(t *testing.T, d Database) {
		now, err := d.Migrated(t).Clock(t.Context())
		if err != nil || time.Since(now).Abs() > 2*time.Second || now.Location() != time.UTC {
			t.Errorf("%s, %v", now, err)
		}
	},
}

// everyField is a call of which no field is empty.
func everyField(t *testing.T) models.Call {
	t.Helper()
	at := func(seconds int) time.Time { return time.Date(2026, 11, 20, 22, 0, seconds, 123_456_000, time.UTC) }
	rate := models.Rate{
		Currency: "SEC", Prefix: "598", ConnectFee: 1, PerMinute: 2_000_001, First: 30, Increment: 6, Minimum: 5, Grace: 3, Name: "Uruguay “mobile”",
	}
	ended := at(50)
	c := models.Call{
		ID: 1<<53 - 1, CallID: "10.0.0.5/1795212652.0", UserID: 7, CalleeID: 8, CallerID: "“Zoë” 💶", Number: "+59899123000*#", State: models.CallOpen,
		Rate: rate, Limit: 86400, Holds: []models.HoldPart{{AccountID: 5, Amount: 1}, {AccountID: 6, Amount: 1 << 60}},
		Legs:       []models.Leg{{Number: "1", Rate: rate, Authorized: at(1), Seconds: 9}, {Number: "2", Rate: models.SecondRate(), Authorized: at(2)}},
		Authorized: at(3), Due: at(4), UpBefore: 1 << 40, Attempts: 3, Dials: 4,
		Notes: []models.Evidence{
			{
				Source: "caller", Leg: 1, DialStatus: "ANSWER", AnsweredMS: n(1), Answered: n(0), BillSec: n(2), CalleeUpMS: n(3), ChannelUp: n(4),
				EndedMS: n(5), Cause: 16, Over: true, SeenAt: at(5),
			},
			{Source: "reducer"},
		},
		Routing: models.Routing{
			Attempts: []models.Attempt{{Carrier: 3, Name: "“one”", Target: "PJSIP/1@one", Buy: rate, Pool: 9, Loss: true}, {Carrier: 4, Target: "PJSIP/1@two"}},
			At:       1, Pools: []int64{2, 9},
		},
		Slice: 300, Keeper: 1 << 62, AnsweredMS: 1 << 41, Cut: "blocked",
		BuyCost: 77,
		Ended:   &ended, Seconds: 31 * 86400, TalkedMS: 1 << 41, Status: "CHANUNAVAIL", Cause: 127, PDD: new(int64(86_400_000)), Charge: 1 << 62, Shortfall: 1 << 61,
		SettledBy: "reconciler", Unauthorized: true, Disputed: 99,
	}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("the test forgets models.Call.%s", v.Type().Field(i).Name)
		}
	}
	return c
}

// keep writes calls as if billing had decided so, and returns them as another transaction reads them.
func keep(t *testing.T, s *store.Store, calls ...models.Call) []models.Call {
	t.Helper()
	var keys billing.Keys
	for _, c := range calls {
		keys.Calls = append(keys.Calls, c.CallID)
	}
	if err := s.Update(t.Context(), keys, func(st *billing.State) {
		for _, c := range calls {
			st.ChangedCalls[c.CallID] = c
		}
	}); err != nil {
		t.Fatal(err)
	}
	var found []models.Call
	if err := s.Update(t.Context(), keys, func(st *billing.State) {
		for _, c := range calls {
			found = append(found, st.Calls[c.CallID])
		}
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func callRoundTrip(t *testing.T, d Database) {
	s := d.Open(t) // it is not audited: there is no such user
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	full := everyField(t)
	same := func(when string, want models.Call) {
		t.Helper()
		if diff := gocmp.Diff([]models.Call{want}, keep(t, s, want)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", when, diff)
		}
		read, err := s.CallsByID(t.Context(), []string{want.CallID})
		if diff := gocmp.Diff(want, read[want.CallID]); err != nil || diff != "" {
			t.Errorf("%s, read alone: %v (-want +got)\n%s", when, err, diff)
		}
	}
	same("a new call with everything", full)
	open, err := s.OpenCalls(t.Context(), 0, 9)
	if err != nil || len(open) != 1 {
		t.Fatalf("%d open calls, %v", len(open), err)
	}
	if diff := gocmp.Diff(full, open[0].Call); diff != "" {
		t.Errorf("the list of open calls (-want +got)\n%s", diff)
	}
	// One that exists, each field changed alone and then given back: whatever form of statement is chosen keeps it.
	empty := models.Call{ID: 5, CallID: "pbx-1.2", State: models.CallOpen, Rate: full.Rate, Authorized: full.Authorized, Due: full.Due, Attempts: 1, Dials: 1}
	same("a new call with next to nothing", empty)
	// What is known when a call is authorised, or authorised again, is not written again when it closes.
	known := []string{"UserID", "CalleeID", "CallerID", "Number", "Rate", "Limit", "Authorized", "Due", "UpBefore", "Dials", "Routing"}
	for _, base := range []models.CallState{models.CallOpen, models.CallSettled, models.CallReleased, models.CallUnreconciled} {
		for i := range reflect.TypeFor[models.Call]().NumField() {
			name := reflect.TypeFor[models.Call]().Field(i).Name
			if slices.Contains([]string{"ID", "CallID"}, name) || base != models.CallOpen && slices.Contains(known, name) {
				continue
			}
			changed := empty
			changed.State = base
			reflect.ValueOf(&changed).Elem().Field(i).Set(reflect.ValueOf(full).Field(i))
			same(fmt.Sprintf("%s of a call that is %s", name, base), changed)
			same(fmt.Sprintf("%s taken back", name), empty)
		}
	}
	// New ones, each with one field more than an authorisation knows. Some are known only of a call that is closed.
	closing := []string{"Seconds", "TalkedMS", "Status", "Cause", "PDD", "Charge", "Shortfall", "SettledBy", "Unauthorized", "Disputed"}
	for i := range reflect.TypeFor[models.Call]().NumField() {
		fresh := empty
		reflect.ValueOf(&fresh).Elem().Field(i).Set(reflect.ValueOf(full).Field(i))
		fresh.ID, fresh.CallID = int64(100+i), fmt.Sprint("pbx-2.", i)
		if slices.Contains(closing, reflect.TypeFor[models.Call]().Field(i).Name) {
			fresh.State = models.CallSettled
		}
		same("a new call with "+reflect.TypeFor[models.Call]().Field(i).Name, fresh)
	}
}

func userRoundTrip(t *testing.T, d Database) {
	s := d.Migrated(t)
	want := models.NewUser{
		Username: "Zoë 日本 \\'%_", PasswordHash: "$argon2id$v=19$x", CLID: "+59899123000", IMSI: "001010000000001", Admin: true, Balance: 1_250_001,
	}
	made, err := s.AddUser(t.Context(), want, "test")
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.UserByName(t.Context(), want.Username)
	if err != nil {
		t.Fatal(err)
	}
	if b.User.Username != want.Username || b.PasswordHash != want.PasswordHash || *b.CLID != want.CLID || *b.IMSI != want.IMSI || !b.Admin ||
		b.Currency != models.SEC || b.Epoch != 1 || time.Since(b.CreatedAt).Abs() > time.Minute || b.Balance != want.Balance || b.Available != want.Balance {
		t.Errorf("%+v", b)
	}
	err = s.Update(t.Context(), billing.Keys{IMSIs: []string{want.IMSI}}, func(st *billing.State) {
		if diff := gocmp.Diff(made, st.Users[made.ID]); diff != "" {
			t.Errorf("loaded (-want +got)\n%s", diff)
		}
		a := st.Accounts[made.ID][0]
		wantAccount := models.Account{
			ID: a.ID, UserID: made.ID, Name: "main", Currency: "SEC", Balance: want.Balance, Status: models.AccountActive, Burn: 100,
		}
		if diff := gocmp.Diff(wantAccount, a); diff != "" {
			t.Errorf("account (-want +got)\n%s", diff)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func bounds(t *testing.T, d Database) {
	const most = 1_000_000_000_000 * money.Unit
	k := newTill(t, d.Migrated(t), func(o *billing.Options) { o.Policy.MaxCallSeconds = 86400 })
	for i, amount := range []money.Amount{most, most - 1, 1} {
		name := fmt.Sprint("rich", i)
		k.user(models.NewUser{Username: name, CLID: fmt.Sprint(i), Balance: amount})
		b, err := k.store.UserByName(t.Context(), name)
		if err != nil || b.Balance != amount {
			t.Errorf("%s, %v; want %s", b.Balance, err, amount)
		}
	}
	_, err := k.store.AddUser(t.Context(), models.NewUser{Username: "too rich", Balance: most + 1}, "test")
	refused(t, err, models.ErrInvalid)
	_, err = k.Move(t.Context(), billing.Movement{Username: "rich0", Amount: 1, Ref: "r"})
	refused(t, err, models.ErrInvalid)
	auth, err := k.Authorize(t.Context(), request("0", "pbx-1.1", abroad))
	if err != nil || auth.Seconds != 86400 {
		t.Errorf("%+v, %v", auth, err)
	}
	if charge, err := k.Settle(t.Context(), result("0", "pbx-1.1", answered("caller", 31*24*3600*1000))); err != nil || charge.Seconds != 2678400 {
		t.Errorf("a month: %+v, %v", charge, err)
	}
	if b, err := k.store.UserByName(t.Context(), "rich0"); err != nil || b.Balance != most-2678400*money.Unit {
		t.Errorf("%s, %v", b.Balance, err)
	}
	// Talk that no column could hold is no evidence, and the call stays with the reconciler.
	if _, err := k.Authorize(t.Context(), request("1", "pbx-1.2", abroad)); err != nil {
		t.Error(err)
	}
	e := answered("reducer", 1<<40)
	e.Cause = 1 << 40
	if charge, err := k.Settle(t.Context(), result("1", "pbx-1.2", e)); err != nil || charge.State != models.CallOpen {
		t.Errorf("35 years: %+v, %v", charge, err)
	}
	report, err := k.reconciler().Run(t.Context(), true)
	if err != nil || report.Unreconciled != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	e = unanswered("reducer", "BUSY")
	e.Cause = 1 << 40
	if _, err := k.Authorize(t.Context(), request("1", "pbx-1.3", abroad)); err != nil {
		t.Error(err)
	}
	if charge, err := k.Settle(t.Context(), result("1", "pbx-1.3", e)); err != nil || charge.State != models.CallReleased {
		t.Errorf("a cause that is none: %+v, %v", charge, err)
	}
	if c := k.call("pbx-1.3"); c.Cause != 0 {
		t.Errorf("cause %d", c.Cause)
	}
}

func newIDs(t *testing.T, d Database) {
	first, second := d.Migrated(t), d.Open(t)
	slot := func(s *store.Store) (slot int64) {
		if err := s.Update(t.Context(), billing.Keys{}, func(st *billing.State) { slot = st.NewID() % 64 }); err != nil {
			t.Fatal(err)
		}
		return slot
	}
	for slot(second) == slot(first) { // one of 64, drawn by chance; what two do that drew the same one has a test of its own
		second = d.Open(t)
	}
	var ids []int64
	before := time.Now()
	for _, s := range []*store.Store{first, second} {
		own := make([]int64, 0, 200)
		for range 50 {
			err := s.Update(t.Context(), billing.Keys{}, func(st *billing.State) { own = append(own, st.NewID(), st.NewID()) })
			if err != nil {
				t.Fatal(err)
			}
		}
		if !slices.IsSorted(own) {
			t.Errorf("ids do not grow: %v", own)
		}
		ids = append(ids, own...)
	}
	slices.Sort(ids)
	if unique := slices.Compact(slices.Clone(ids)); len(unique) != 200 {
		t.Errorf("%d ids were given, of which %d differ", len(ids), len(unique))
	}
	if ids[0] < 1 || ids[len(ids)-1] >= 1<<53 {
		t.Errorf("ids %d … %d do not fit a JSON number", ids[0], ids[len(ids)-1])
	}
	// The id says when, to 8 µs: the newest rows lie together.
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(ids[0]/64) * 8 * time.Microsecond)
	if at.Sub(before).Abs() > time.Minute {
		t.Errorf("the first id is of %s", at)
	}
}

var errStop = errors.New("the file ends in the middle")

// userTests make and change users.
var userTests = map[string]func(*testing.T, Database){
	"an import is all or nothing": importAllOrNothing,
	"5,000 users with balances":   importMany,
	"usernames, clids and imsis are unique": func(t *testing.T, d Database) {
		s := d.Migrated(t)
		add := func(u models.NewUser) error { _, err := s.AddUser(t.Context(), u, "test"); return err }
		if err := add(models.NewUser{Username: marta, CLID: "1", IMSI: "2", Balance: money.Unit}); err != nil {
			t.Fatal(err)
		}
		for _, u := range []models.NewUser{{Username: marta}, {Username: "x", CLID: "1", Balance: 5}, {Username: "y", IMSI: "2", Balance: 5}} {
			if err := add(u); !errors.Is(err, models.ErrConflict) {
				t.Errorf("%+v: %v", u, err)
			}
		}
		for _, u := range []models.NewUser{{Username: "Marta"}, {Username: "no phone"}, {Username: "+1", CLID: "+1"}} {
			if err := add(u); err != nil {
				t.Errorf("%+v: %v", u, err)
			}
		}
		if _, err := s.UserByName(t.Context(), "x"); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a refused user: %v", err)
		}
	},
	"the first user is number one, and passwords end sessions": func(t *testing.T, d Database) {
		s := d.Migrated(t)
		if has, err := s.HasAdmin(t.Context()); has || err != nil {
			t.Errorf("%v, %v", has, err)
		}
		u, err := s.AddUser(t.Context(), models.NewUser{Username: "admin", Admin: true}, "test")
		if err != nil || u.ID != 1 && !d.clustered() || u.CLID != nil || u.IMSI != nil {
			t.Errorf("%+v, %v", u, err)
		}
		if has, err := s.HasAdmin(t.Context()); !has || err != nil {
			t.Errorf("%v, %v", has, err)
		}
		for range 2 { // the same hash again is a change too
			hash := "hash"
			if n, err := s.ChangeUsers(t.Context(), []int64{u.ID}, models.UserChange{PasswordHash: &hash}, "test"); n != 1 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
		if b, err := s.UserByName(t.Context(), "admin"); err != nil || b.PasswordHash != "hash" || b.Epoch != 3 {
			t.Errorf("%+v, %v", b, err)
		}
	},
	"users are found by any of their names": func(t *testing.T, d Database) {
		k := newTill(t, d.Migrated(t))
		id, joelID := k.users()
		k.user(models.NewUser{Username: "admin"})
		found, err := k.store.UsersWith(t.Context(), []string{"", "ü", marta}, []string{joelCLID, martaCLID, ""}, []string{"", martaIMSI})
		var ids []int64
		for _, u := range found {
			ids = append(ids, u.ID)
		}
		slices.Sort(ids)
		if err != nil || !slices.Equal(ids, []int64{id, joelID}) {
			t.Errorf("%v, %v", ids, err)
		}
	},
	"the audit log keeps who did what": func(t *testing.T, d Database) {
		s := d.Migrated(t)
		for _, actor := range []string{"olga", "a\xff" + strings.Repeat("é", 200)} {
			if err := s.Log(t.Context(), actor, "user.add", strings.Repeat("x", 500), nil, map[string]string{"username": "Zoë"}); err != nil {
				t.Error(err)
			}
		}
		var after string
		var before sql.NullString
		row := d.SQL(t).QueryRowContext(t.Context(), "SELECT before_json, after_json FROM audit_log WHERE actor = 'olga'")
		if err := row.Scan(&before, &after); err != nil || before.Valid || after != `{"username":"Zoë"}` {
			t.Errorf("%q, %q, %v", before.String, after, err)
		}
	},
}

func importing(users ...models.NewUser) func(func(models.NewUser) error) error {
	return func(yield func(models.NewUser) error) error {
		for _, u := range users {
			if err := yield(u); err != nil {
				return err
			}
		}
		return nil
	}
}

func importAllOrNothing(t *testing.T, d Database) {
	s := d.Migrated(t)
	if _, err := s.AddUser(t.Context(), models.NewUser{Username: marta, CLID: "1"}, "test"); err != nil {
		t.Fatal(err)
	}
	many := make([]models.NewUser, 1200)
	for i := range many {
		many[i] = models.NewUser{Username: fmt.Sprint("user", i), CLID: fmt.Sprint("9", i), Balance: money.Unit}
	}
	with := func(u models.NewUser) []models.NewUser { return append(slices.Clone(many), u) }
	for name, c := range map[string]struct {
		each func(func(models.NewUser) error) error
		want error
	}{
		"a name that is taken":      {importing(with(models.NewUser{Username: marta})...), models.ErrConflict},
		"a clid that is taken":      {importing(with(models.NewUser{Username: "x", CLID: "1"})...), models.ErrConflict},
		"twice the same":            {importing(with(many[0])...), models.ErrConflict},
		"a balance out of range":    {importing(with(models.NewUser{Username: "x", Balance: money.Max})...), models.ErrInvalid},
		"a file that ends too soon": {func(yield func(models.NewUser) error) error { _ = importing(many...)(yield); return errStop }, errStop},
	} {
		if err := s.ImportUsers(t.Context(), "test", "test", c.each); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		users := 0
		if err := s.Users(t.Context(), func(models.Balance) error { users++; return nil }); err != nil || users != 1 {
			t.Errorf("%s: %d users are there, %v", name, users, err)
		}
	}
	if err := s.ImportUsers(t.Context(), "test", "test", importing()); err != nil {
		t.Errorf("nobody at all: %v", err)
	}
}

func importMany(t *testing.T, d Database) {
	s := d.Migrated(t)
	each := func(yield func(models.NewUser) error) error {
		for i := range 5000 {
			if err := yield(models.NewUser{Username: fmt.Sprint("user", i), CLID: fmt.Sprint("59", i), Balance: money.Amount(i % 3)}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.ImportUsers(t.Context(), "test", "test", each); err != nil {
		t.Fatal(err)
	}
	i, last := 0, int64(0)
	err := s.Users(t.Context(), func(b models.Balance) error {
		if b.Username != fmt.Sprint("user", i) || b.Balance != money.Amount(i%3) || b.ID <= last {
			return fmt.Errorf("user %d is %+v", i, b)
		}
		i, last = i+1, b.ID
		return nil
	})
	if err != nil || i != 5000 {
		t.Errorf("%d users, %v", i, err)
	}
	if err := s.Users(t.Context(), func(models.Balance) error { return errStop }); !errors.Is(err, errStop) {
		t.Errorf("a reader who has enough: %v", err)
	}
	report, err := s.Audit(t.Context())
	if err != nil || report.Accounts != 5000 || report.Transactions != 3333 || report.Entries != 6666 {
		t.Errorf("%+v, %v", report, err)
	}
}

// schemaTests migrate.
var schemaTests = map[string]func(*testing.T, Database){
	"a fresh database is migrated once": func(t *testing.T, d Database) {
		s := d.Open(t)
		for range 2 {
			if err := s.CheckSchema(t.Context()); !errors.Is(err, store.ErrSchema) {
				t.Errorf("before: %v", err)
			}
		}
		if tables := tables(t, d); len(tables) != 0 {
			t.Errorf("looking made the tables %v", tables)
		}
		names, err := s.Migrate(t.Context())
		if err != nil || len(names) == 0 {
			t.Fatalf("%v, %v", names, err)
		}
		if err := s.CheckSchema(t.Context()); err != nil {
			t.Errorf("after: %v", err)
		}
		if again, err := s.Migrate(t.Context()); err != nil || len(again) != 0 {
			t.Errorf("again: %v, %v", again, err)
		}
		Audited(t, s)
	},
	"three that migrate at once": func(t *testing.T, d Database) {
		done := make(chan error)
		for range 3 {
			s := d.Open(t)
			go func() {
				_, err := s.Migrate(t.Context())
				if err == nil {
					err = s.CheckSchema(t.Context())
				}
				done <- err
			}()
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		newTill(t, d.Migrated(t)).users()
	},
	"a newer schema is refused": func(t *testing.T, d Database) {
		s := d.Migrated(t)
		if _, err := d.SQL(t).ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
			t.Fatal(err)
		}
		if err := s.CheckSchema(t.Context()); !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), "9999") {
			t.Errorf("%v", err)
		}
		if names, err := s.Migrate(t.Context()); err == nil {
			t.Errorf("it was migrated: %v", names)
		}
	},
	"an older schema is refused": func(t *testing.T, d Database) {
		s := d.Migrated(t)
		if _, err := d.SQL(t).ExecContext(t.Context(), "DELETE FROM goose_db_version WHERE version_id > 5"); err != nil {
			t.Fatal(err)
		}
		if err := s.CheckSchema(t.Context()); !errors.Is(err, store.ErrSchema) {
			t.Errorf("%v", err)
		}
	},
}

func tables(t *testing.T, d Database) []string {
	t.Helper()
	query := "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
	if d.Server == nil {
		query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
	}
	rows, err := d.SQL(t).QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}
