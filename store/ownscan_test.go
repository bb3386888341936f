package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

// ownDesk is a database of ours with calls that are put into it.
type ownDesk struct {
	*testing.T
	store *store.Store
	db    *sql.DB
	n     int
}

func newOwnDesk(t *testing.T, d storetest.Database) *ownDesk {
	t.Helper()
	return &ownDesk{T: t, store: d.Migrated(t), db: d.SQL(t)}
}

func (d *ownDesk) exec(query string, args ...any) {
	d.Helper()
	if _, err := d.db.ExecContext(d.Context(), query, args...); err != nil {
		d.Fatalf("%s: %v", query, err)
	}
}

func (d *ownDesk) user(name, clid string) int64 {
	d.Helper()
	u, err := d.store.AddUser(d.Context(), models.NewUser{Username: name, CLID: clid, Balance: 1000 * money.Unit}, "test")
	if err != nil {
		d.Fatal(err)
	}
	return u.ID
}

// call is a call as it stands there once it is over; edit changes it.
func (d *ownDesk) call(began time.Time, edit ...func(*models.Call)) models.Call {
	d.n++
	ended := began.Add(20*time.Second + 300*time.Millisecond)
	rate := models.SecondRate()
	rate.PerMinute = 0
	c := models.Call{
		ID: store.IDAt(began) + int64(d.n), CallID: fmt.Sprintf("pbx-%d.%d", began.Unix(), d.n), CallerID: "2104", Number: "59899000001", State: models.CallSettled, Rate: rate,
		Authorized: began, Due: began.Add(time.Hour), Ended: &ended, Seconds: 12, Status: "ANSWER", SettledBy: billing.SourceReducer, Attempts: 1, Dials: 1,
	}
	for _, e := range edit {
		e(&c)
	}
	return c
}

func (d *ownDesk) keeps(calls ...models.Call) {
	d.Helper()
	err := d.store.Update(d.Context(), billing.Keys{}, func(st *billing.State) {
		for _, c := range calls {
			st.ChangedCalls[c.CallID] = c
		}
	})
	if err != nil {
		d.Fatal(err)
	}
}

// imports puts a record beside the calls.
func (d *ownDesk) imports(id int64, began time.Time, user int64, ours bool, edit ...string) {
	d.Helper()
	d.exec("INSERT INTO cdr_records (started_at, id, user_id, ours, duration, billsec, unique_id, cnum, cnam, caller_id, src, dst, context, channel, dst_channel, last_app, disposition, account)"+
		" VALUES (?, ?, ?, ?, 9, 5, ?, '2105', 'Ana', '\"Ana\" <2105>', '2105', '59899000002', 'internal', 'PJSIP/2105-1', 'PJSIP/trunk-1', 'Dial', 'ANSWERED', 'acme')",
		began.UTC().Format(time.DateTime), id, user, ours, fmt.Sprintf("imported.%d", id))
	for _, e := range edit {
		d.exec("UPDATE cdr_records SET "+e+" WHERE id = ?", id)
	}
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	location, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return location
}

func TestOwnRecords(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		ines, anonymous := d.user("ines", "2104"), d.user("anonymous", "")
		began := at("2026-11-20 10:00:00").Add(900 * time.Millisecond)
		next := func() time.Time { began = began.Add(time.Minute); return began }
		state := func(state models.CallState, status string, seconds int64) func(*models.Call) {
			return func(c *models.Call) { c.State, c.Status, c.Seconds = state, status, seconds }
		}
		b := func(text string) []byte { return []byte(text) }
		var want []stats.Record
		var calls []models.Call
		expect := func(disposition string, duration, billsec int64, edits ...func(*models.Call)) {
			c := d.call(next(), edits...)
			r := stats.Record{
				Start: c.Authorized.Unix(), Wall: c.Authorized.Unix() + 3600, Duration: duration, BillSec: billsec, UniqueID: b(c.CallID), CNum: b("2104"), CallerID: b(c.CallerID), Src: b(c.CallerID),
				Dst: b(c.Number), LastApp: b("Dial"), Disposition: b(disposition), Own: c.UserID != 0, OwnCallee: c.CalleeID != 0,
			}
			switch c.UserID {
			case ines:
				r.CNam, r.Account = b("ines"), b("ines")
			case anonymous:
				r.CNum, r.CNam, r.Account = b("anonymous"), b("anonymous"), b("anonymous")
			}
			want, calls = append(want, r), append(calls, c)
		}
		ofInes := func(c *models.Call) { c.UserID = ines }
		settledBy := func(by string) func(*models.Call) { return func(c *models.Call) { c.SettledBy = by } }
		ends := func(after time.Duration) func(*models.Call) {
			return func(c *models.Call) { end := c.Authorized.Add(after); c.Ended = &end }
		}
		expect("ANSWERED", 20, 12)
		expect("ANSWERED", 20, 12, ofInes, func(c *models.Call) { c.CalleeID = anonymous })
		expect("ANSWERED", 20, 12, func(c *models.Call) { c.UserID, c.CallerID = anonymous, "unknown" })
		expect("ANSWERED", 20, 0, state(models.CallSettled, "ANSWER", 0))
		expect("BUSY", 20, 0, state(models.CallReleased, "BUSY", 0))
		expect("NO ANSWER", 20, 0, state(models.CallReleased, "NOANSWER", 0))
		expect("NO ANSWER", 20, 0, state(models.CallReleased, "CANCEL", 0))
		expect("CONGESTION", 20, 0, state(models.CallReleased, "CONGESTION", 0))
		expect("FAILED", 20, 0, state(models.CallReleased, "CHANUNAVAIL", 0))
		expect("FAILED", 20, 0, state(models.CallReleased, "", 0))
		expect("ANSWERED", 20, 7, state(models.CallSettled, "", 7))
		expect("ANSWERED", 20, 7, state(models.CallSettled, "TORTURE", 7))
		expect("FAILED", 0, 0, state(models.CallUnreconciled, "", 0), settledBy(billing.SourceReconciler), ends(2*time.Hour))
		expect("ANSWERED", 12, 12, settledBy(billing.SourceReconciler), ends(2*time.Hour))
		expect("ANSWERED", 12, 12, settledBy(billing.SourceOperator), ends(2*time.Hour))
		expect("ANSWERED", 3600, 12, ends(2*time.Hour)) // it was cut when it was due, and told of late
		expect("ANSWERED", 12, 12, ends(-time.Second))
		expect("ANSWERED", 12, 12, func(c *models.Call) { c.Ended = nil })
		expect("ANSWERED", 12, 12, func(c *models.Call) { c.Due, c.Unauthorized = c.Authorized, true })
		d.keeps(calls...)
		d.keeps(d.call(next(), state(models.CallEmergency, "", 0)))

		service := billing.New(billing.Options{Store: d.store, Policy: policy(60), Now: func() time.Time { return began }})
		t.Cleanup(service.Close)
		next()
		if _, err := service.Authorize(t.Context(), request("2104", "pbx-open.1")); err != nil { // goes on
			t.Fatal(err)
		}

		hand, err := d.store.AddCDR(t.Context(), models.CDR{From: ines, Answer: next(), BillSec: 33}, "test")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, stats.Record{
			Start: began.Unix(), Wall: began.Unix() + 3600, Duration: 33, BillSec: 33, UniqueID: b(hand.CallID), CNum: b("2104"), CNam: b("ines"), Account: b("ines"),
			LastApp: b("Dial"), Disposition: b("ANSWERED"), Own: true,
		})
		d.imports(7, next(), ines, false)
		want = append(want, stats.Record{
			Start: began.Unix(), Wall: began.Unix() + 3600, Duration: 9, BillSec: 5, UniqueID: b("imported.7"), CNum: b("2105"), CNam: b("Ana"), CallerID: b(`"Ana" <2105>`), Src: b("2105"),
			Dst: b("59899000002"), Context: b("internal"), Channel: b("PJSIP/2105-1"), DstChannel: b("PJSIP/trunk-1"), LastApp: b("Dial"), Disposition: b("ANSWERED"), Account: b("acme"),
		})
		d.imports(8, next(), ines, true) // stands in calls too

		source := d.store.OwnRecords(berlin(t))
		tidy := cmp.Transformer("text", func(text []byte) string { return string(text) })
		if diff := cmp.Diff(want, scanned(t, source, november), tidy); diff != "" {
			t.Error(diff)
		}
		if source.Name() != stats.OwnName {
			t.Error(source.Name())
		}
		few := november
		few.Fields = stats.FieldDst
		for _, r := range scanned(t, source, few) {
			if len(r.CNum)+len(r.UniqueID)+len(r.Account) != 0 {
				t.Errorf("%+v", r)
			}
		}
		if _, err := service.Settle(t.Context(), oneSecond("2104", "pbx-open.1")); err != nil {
			t.Fatal(err)
		}
		if got := scanned(t, source, november); len(got) != len(want)+1 {
			t.Errorf("%d records", len(got))
		}
	})
}

// TestOwnRecordsOrder: many calls, in the order in which they began, each in the range in which it did.
func TestOwnRecordsOrder(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		user := d.user("ines", "2104")
		first := at("2026-11-10 00:00:00")
		starts := map[string]time.Time{}
		var calls []models.Call
		for n := range 2*store.OwnPage + 100 {
			c := d.call(first.Add(time.Duration(n)*30*time.Second), func(c *models.Call) {
				c.UserID = user
				switch {
				case n%500 == 7: // redirected, up to days later
					c.Legs = []models.Leg{{Number: "1", Authorized: c.Authorized, Rate: c.Rate}}
					c.Authorized = c.Authorized.Add(time.Duration(rand.IntN(6*24*3600)) * time.Second)
				case n%3 == 0: // its operation waited
					c.Authorized = c.Authorized.Add(time.Duration(rand.IntN(3000)-1500) * time.Millisecond)
				case n%100 == 1: // the clock was set
					c.Authorized = c.Authorized.Add(-90 * time.Second)
				}
				c.Due = c.Authorized.Add(time.Hour)
			})
			starts[c.CallID], calls = c.Authorized, append(calls, c)
		}
		for part := range slices.Chunk(calls, 250) {
			d.keeps(part...)
		}
		for n := range 300 {
			began := first.Add(time.Duration(n) * 200 * time.Second)
			d.imports(int64(n-150), began, user, n%10 == 0)
			if n%10 != 0 {
				starts[fmt.Sprintf("imported.%d", n-150)] = began
			}
			if n%10 == 0 {
				c, err := d.store.AddCDR(t.Context(), models.CDR{From: user, Answer: began, BillSec: 1}, "test")
				if err != nil {
					t.Fatal(err)
				}
				starts[c.CallID] = began
			}
		}
		source := d.store.OwnRecords(time.UTC)
		for _, account := range []*stats.Account{nil, {Users: []int64{user}}} {
			got := map[string]int64{}
			from, to := first.AddDate(0, 0, -1), first.AddDate(0, 0, 20)
			for next := from; next.Before(to); next = next.Add(31 * time.Hour) {
				scan := during(next, next.Add(31*time.Hour))
				scan.Account = account
				for _, r := range scanned(t, source, scan) { // which sees that they are in order
					if _, twice := got[string(r.UniqueID)]; twice {
						t.Errorf("%s comes twice", r.UniqueID)
					}
					got[string(r.UniqueID)] = r.Start
				}
			}
			for id, began := range starts {
				if start, ok := got[id]; !ok || start != began.Unix() {
					t.Errorf("%s: %d, %v, want %d", id, start, ok, began.Unix())
				}
			}
			if len(got) != len(starts) {
				t.Errorf("%d records, want %d", len(got), len(starts))
			}
			all := during(from, to)
			all.Account = account
			if got := scanned(t, source, all); len(got) != len(starts) {
				t.Errorf("%d records in one go, want %d", len(got), len(starts))
			}
		}
	})
}

// TestOwnRecordsOfAccounts: whoever asks for some users sees nobody else's calls, whether these are few or many.
func TestOwnRecordsOfAccounts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		users := members(t, d.store, store.MaxOwners+10, money.Unit)
		began := at("2026-11-20 10:00:00")
		of := map[int64][]string{}
		var calls []models.Call
		for n := range 500 {
			user := users[rand.IntN(len(users))]
			c := d.call(began.Add(time.Duration(n)*time.Second), func(c *models.Call) {
				c.UserID, c.CalleeID = user, users[rand.IntN(len(users))]
			})
			calls, of[user] = append(calls, c), append(of[user], c.CallID)
			if n%10 == 0 {
				d.imports(int64(n), c.Authorized, user, false)
				of[user] = append(of[user], fmt.Sprintf("imported.%d", n))
			}
			if n%50 == 0 {
				hand, err := d.store.AddCDR(t.Context(), models.CDR{From: user, Answer: c.Authorized, BillSec: 1}, "test")
				if err != nil {
					t.Fatal(err)
				}
				of[user] = append(of[user], hand.CallID)
			}
		}
		d.keeps(calls...)
		source := d.store.OwnRecords(time.UTC)
		for _, some := range [][]int64{{}, users[:1], users[3:7], users[:store.MaxOwners], users[:store.MaxOwners+1], users, {999999}} {
			want := []string{}
			for _, user := range some {
				want = append(want, of[user]...)
			}
			scan := november
			scan.Account = &stats.Account{Users: some, Names: []string{"2104", "2105", "acme"}} // those are for databases of others
			got := uniqueIDs(scanned(t, source, scan))
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d users: %s", len(some), diff)
			}
		}
	})
}

// TestOwnClocks: days are those of the site, also those on which clocks change, for records and for what is said of days.
func TestOwnClocks(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		location := berlin(t)
		n := 0
		for _, change := range []string{"2026-03-29", "2026-10-25"} {
			date, err := time.ParseInLocation(time.DateOnly, change, location)
			if err != nil {
				t.Fatal(err)
			}
			midnight := stats.DayAt(date)
			var calls []models.Call
			for began := (midnight - 1).Begin(location); began.Before((midnight + 2).Begin(location)); began = began.Add(15 * time.Minute) {
				calls = append(calls, d.call(began))
				d.imports(int64(n), began, 0, false)
				n++
			}
			d.keeps(calls...)
			source := d.store.OwnRecords(location)
			days, err := source.Days(t.Context(), midnight-2, midnight+3)
			if err != nil || len(days) != 3 {
				t.Errorf("%v, %v", days, err)
			}
			for day := midnight - 1; day < midnight+2; day++ {
				begin, end := day.Begin(location), (day + 1).Begin(location)
				all := scanned(t, source, during(begin, end))
				if want := 8 * int(end.Sub(begin)/time.Hour); len(all) != want || !strings.HasPrefix(days[day], fmt.Sprint(want, " ")) {
					t.Errorf("%s: %d records, %q, want %d", day, len(all), days[day], want)
				}
				for _, r := range all {
					if stats.DayOf(r.Wall) != day || r.Wall != stats.WallOf(time.Unix(r.Start, 0).In(location)) {
						t.Errorf("%s: %d is %d", day, r.Start, r.Wall)
					}
				}
			}
		}
	})
}

// TestOwnDays: everything that changes what is counted of a day changes what is said of it, and of no other day.
func TestOwnDays(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		ines, ana := d.user("ines", "2104"), d.user("ana", "2105")
		first := at("2026-11-01 00:00:00")
		var calls []models.Call
		for n := range 240 {
			calls = append(calls, d.call(first.Add(time.Duration(n)*time.Hour).Add(time.Minute), func(c *models.Call) { c.UserID = ines }))
		}
		d.keeps(calls...)
		hand, err := d.store.AddCDR(t.Context(), models.CDR{From: ines, Answer: first.AddDate(0, 0, 4), BillSec: 10}, "test")
		if err != nil {
			t.Fatal(err)
		}
		d.imports(1, first.AddDate(0, 0, 5), ines, false)
		source := d.store.OwnRecords(time.UTC)
		day := stats.DayAt(first)
		says := func() map[stats.Day]string {
			t.Helper()
			days, err := source.Days(t.Context(), day-60, day+60)
			if err != nil {
				t.Fatal(err)
			}
			for day, text := range days {
				if text == "" || len(text) > 200 {
					t.Errorf("%s: %q", day, text)
				}
			}
			return days
		}
		before := says()
		if diff := cmp.Diff(before, says()); diff != "" || len(before) != 10 {
			t.Errorf("%d days: %s", len(before), diff)
		}
		step := func(name string, change func(), want ...stats.Day) {
			t.Helper()
			change()
			after := says()
			var changed []stats.Day
			for n := day - 60; n < day+60; n++ {
				if before[n] != after[n] {
					changed = append(changed, n)
				}
			}
			if diff := cmp.Diff(want, changed); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			before = after
		}
		everyDay := func(from stats.Day) (all []stats.Day) {
			for n := from; n < day+10; n++ {
				all = append(all, n)
			}
			return all
		}
		change := func(edit func(*models.CDR)) func() {
			return func() {
				if _, err := d.store.ChangeCDR(t.Context(), hand.ID, edit, "test"); err != nil {
					t.Fatal(err)
				}
			}
		}
		step("a write", func() { d.exec("UPDATE calls SET writes = writes + 1 WHERE id = ?", calls[50].ID) }, day+2)
		step("two writes, of which one takes from another", func() {
			d.exec("UPDATE calls SET seconds = seconds + 1 WHERE id = ?", calls[100].ID)
			d.exec("UPDATE calls SET seconds = seconds - 1 WHERE id = ?", calls[101].ID)
		}, day+4)
		step("a call ends", func() { d.keeps(d.call(first.AddDate(0, 0, 12))) }, day+12)
		step("an open call", func() { d.exec("UPDATE calls SET state = 'open' WHERE id = ?", calls[30].ID) }, day+1)
		step("which ends", func() { d.exec("UPDATE calls SET state = 'settled' WHERE id = ?", calls[30].ID) }, day+1)
		step("longer, by hand", change(func(c *models.CDR) { c.BillSec++ }), day+4)
		step("somebody else's, by hand", change(func(c *models.CDR) { c.From = ana }), day+4)
		step("to somebody, by hand", change(func(c *models.CDR) { c.To = ines }), day+4)
		step("later, by hand", change(func(c *models.CDR) { c.Answer = c.Answer.Add(time.Second) }), day+4)
		step("another day, by hand", change(func(c *models.CDR) { c.Answer = c.Answer.AddDate(0, 0, 1) }), day+4, day+5)
		step("deleted, by hand", func() {
			if err := d.store.DeleteCDR(t.Context(), hand.ID, "test"); err != nil {
				t.Fatal(err)
			}
		}, day+5)
		step("imported", func() { d.imports(2, first.AddDate(0, 0, 6), 0, false) }, day+6)
		step("imported, and ours", func() { d.exec("UPDATE cdr_records SET ours = 1 WHERE id = 2") }, day+6)
		step("imported, and somebody's", func() { d.exec("UPDATE cdr_records SET user_id = ? WHERE id = 2", ana) }, day+6)
		step("imported, and not", func() { d.exec("DELETE FROM cdr_records WHERE id = 2") }, day+6)
		step("re-rated", func() {
			d.exec("INSERT INTO rerated_calls (call_key, rerate_id, charge_before, charge_after, shortfall_before, shortfall_after, tx_id, why) VALUES (?, 1, 0, 7, 0, 0, 0, 'left')", calls[200].ID)
		}, day+8)
		step("another number", func() {
			if _, err := d.store.ChangeUsers(t.Context(), []int64{ines}, models.UserChange{CLID: new(new("2199"))}, "test"); err != nil {
				t.Fatal(err)
			}
		}, everyDay(day)...)
		step("of somebody who has not called", func() {
			if _, err := d.store.ChangeUsers(t.Context(), []int64{ana}, models.UserChange{CLID: new(new("2198"))}, "test"); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestOwnScansEnd(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		var calls []models.Call
		for n := range 1500 {
			calls = append(calls, d.call(at("2026-11-20 10:00:00").Add(time.Duration(n)*time.Second)))
		}
		d.keeps(calls...)
		source := d.store.OwnRecords(time.UTC)
		for range 2 * store.MaxSearches {
			n := 0
			err := source.Each(t.Context(), november, func(*stats.Record) error {
				if d.store.Searching() > 0 {
					t.Error("a connection waits for whoever counts")
				}
				if n++; n == 3 {
					return errEnough
				}
				return nil
			})
			if err != errEnough || n != 3 { //nolint:errorlint // exactly what the function returned
				t.Errorf("%d, %v", n, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := source.Each(ctx, november, func(*stats.Record) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := source.Days(ctx, 0, 10); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		over, stop := context.WithDeadline(t.Context(), time.Now())
		defer stop()
		var failure *stats.SourceError
		if err := source.Each(over, november, func(*stats.Record) error { return nil }); !errors.As(err, &failure) || failure.Error() != "Error querying talktime: it took too long" {
			t.Error(err)
		}
		if got := scanned(t, source, november); len(got) != 1500 {
			t.Error(len(got))
		}
	})
}

func TestOwnRecordsWithoutDatabase(t *testing.T) {
	t.Parallel()
	s, err := store.Open(store.Config{Addr: "127.0.0.1:1", User: "talktime", Password: "hunter2", Name: "talktime"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var failure *stats.SourceError
	err = s.OwnRecords(time.UTC).Each(t.Context(), november, func(*stats.Record) error { return nil })
	if !errors.As(err, &failure) || err.Error() != "Error querying talktime: nothing listens there" || !errors.Is(err, models.ErrUnavailable) {
		t.Error(err)
	}
}

func TestStatisticsAccount(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		ines, ana := d.user("ines", "2104"), d.user("ana", "")
		if _, err := d.store.ChangeUsers(t.Context(), []int64{ines}, models.UserChange{AccountID: new(new("acme"))}, "test"); err != nil {
			t.Fatal(err)
		}
		group(t, d.store, models.NewGroup{Name: "sales", AccountID: new("shop-7"), Users: []int64{ines, ana}, First: time.Now(), Count: 1})
		ofInes := stats.Account{Users: []int64{ines}, Names: []string{"2104", "acme"}}
		for id, want := range map[string]stats.Account{
			"acme": ofInes, fmt.Sprint(ines): ofInes,
			fmt.Sprint(ana): {Users: []int64{ana}},
			"shop-7":        {Users: []int64{ines, ana}, Names: []string{"shop-7", "2104", "acme"}},
		} {
			got, err := d.store.StatisticsAccount(t.Context(), id)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(want, "Others")); diff != "" || err != nil {
				t.Errorf("%s: %v, %s", id, err, diff)
			}
		}
		for _, id := range []string{"", "nobody", "ines", "007", "999", "all", "' OR 1 --"} {
			if _, err := d.store.StatisticsAccount(t.Context(), id); !errors.Is(err, models.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
	})
}
