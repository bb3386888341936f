package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/billing"
	"talktime/dialplan"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// records is a CDR database with the table of our own sample.
type records struct {
	*testing.T
	pool   *sql.DB
	source *store.CDR
}

func newRecords(t *testing.T) records {
	t.Helper()
	d := storetest.OnShared(t)
	pool := d.SQL(t)
	schema, err := dialplan.Read("cdr.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.ExecContext(t.Context(), string(schema)); err != nil {
		t.Fatal(err)
	}
	source, err := store.OpenCDR(store.CDRConfig{
		Label: "DB1", Addr: d.Config.Addr, User: d.Config.User, Password: d.Config.Password, Name: d.Config.Name,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return records{t, pool, source}
}

// record is what differs between the rows of a test.
type record struct {
	after             time.Duration // the authorisation
	src, app, dst     string        // default: the caller, Dial, the number
	duration, billsec int
	disposition       string // default: ANSWERED
}

// writes adds rows of a channel, as Asterisk does after its end.
func (r records) writes(callID, caller string, authorized time.Time, rows ...record) {
	r.Helper()
	for _, row := range rows {
		if row.src == "" {
			row.src = caller
		}
		if row.app == "" {
			row.app = "Dial"
		}
		if row.dst == "" {
			row.dst = "59899123000"
		}
		if row.disposition == "" {
			row.disposition = "ANSWERED"
		}
		_, err := r.pool.ExecContext(r.Context(), "INSERT INTO cdr (calldate, clid, src, dst, dcontext, channel, lastapp, duration, billsec, "+
			"disposition, accountcode, uniqueid, linkedid) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
			authorized.Add(row.after).UTC().Format(time.DateTime), `"Lab" <`+row.src+`>`, row.src, row.dst, "talktime-caller", "PJSIP/caller-00000005",
			row.app, row.duration, row.billsec, row.disposition, "", billing.UniqueID(callID), billing.UniqueID(callID))
		if err != nil {
			r.Fatal(err)
		}
	}
}

// site is a billing.Service on a database, with its reconciler.
type site struct {
	*testing.T
	*billing.Service
	store      *store.Store
	reconciler *billing.Reconciler
	n          int

	mu   sync.Mutex
	back time.Duration // how far in the past calls are authorised
}

func newSite(t *testing.T, d storetest.Database, sources ...billing.CDRSource) *site {
	t.Helper()
	s := &site{T: t, store: d.Migrated(t)}
	s.Service = billing.New(billing.Options{Store: s.store, Policy: policy(60), Lanes: s.store.Lanes(), Now: func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return time.Now().UTC().Add(-s.back)
	}})
	t.Cleanup(s.Service.Close)
	s.reconciler = &billing.Reconciler{Service: s.Service, Calls: s.store, CDRs: sources, Logger: slog.New(slog.DiscardHandler)}
	return s
}

// ago lets the following calls be authorised so long ago.
func (s *site) ago(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back = d
}

// opens makes a user with 100 SEC and an open call of his.
func (s *site) opens() models.Call {
	s.Helper()
	s.n++
	clid := fmt.Sprintf("555%06d", s.n)
	if _, err := s.store.AddUser(s.Context(), models.NewUser{Username: "u" + clid, CLID: clid, Balance: 100 * money.Unit}, "test"); err != nil {
		s.Fatal(err)
	}
	id := fmt.Sprintf("10.0.0.5/1795212489.%d", s.n)
	if _, err := s.Authorize(s.Context(), request(clid, id)); err != nil {
		s.Fatal(err)
	}
	return s.call(id)
}

func (s *site) call(id string) models.Call {
	s.Helper()
	calls, err := s.store.CallsByID(s.Context(), []string{id})
	if err != nil {
		s.Fatal(err)
	}
	return calls[id]
}

// passes makes one pass.
func (s *site) passes(all bool) billing.ReconcileReport {
	s.Helper()
	report, err := s.reconciler.Run(s.Context(), all)
	if err != nil {
		s.Error(err)
	}
	return report
}

// is expects what became of a call, and what is left of its user's 100 SEC.
func (s *site) is(name string, c models.Call, state models.CallState, left, held int64) {
	s.Helper()
	got := s.call(c.CallID)
	b, err := s.store.UserByName(s.Context(), "u"+c.CallerID)
	if got.State != state || err != nil || b.Balance.Whole() != left || b.Held.Whole() != held {
		s.Errorf("%s: the call is %s, %s are left and %s held, %v; want %s, %d, %d", name, got.State, b.Balance, b.Held, err, state, left, held)
	}
}

// channels are those that are up.
type channels map[string]bool

func (c channels) Live(context.Context) (map[string]bool, error) { return c, nil }

// TestLostCallsAndTheirRecords: calls whose reducer never came, and the rows that Asterisk left of them.
func TestLostCallsAndTheirRecords(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		r := newRecords(t)
		s := newSite(t, d, r.source)
		s.reconciler.Live = channels{}
		const day = 24 * time.Hour
		type lost struct {
			name string
			rows []record
			// what becomes of a call that may still talk, and of one that is long overdue
			young, old models.CallState
			left       int64
		}
		open, settled, released, unreconciled := models.CallOpen, models.CallSettled, models.CallReleased, models.CallUnreconciled
		cases := []lost{
			{"a row of seven seconds", []record{{duration: 9, billsec: 7}}, settled, settled, 93},
			{"a row, and that of the h extension", []record{{duration: 7, billsec: 7}, {after: 7 * time.Second, dst: "h", app: "AGI", duration: 5, billsec: 5}}, settled, settled, 93},
			{"only a row of the h extension", []record{{dst: "h", app: "AGI", duration: 5, billsec: 5}}, open, unreconciled, 100},
			{"busy, then answered", []record{{disposition: "BUSY"}, {after: time.Second, duration: 7, billsec: 7}}, settled, settled, 93},
			{"busy", []record{{disposition: "BUSY"}}, released, released, 100},
			{"nobody answered", []record{{duration: 40, disposition: "NO ANSWER"}}, released, released, 100},
			{"a parallel dial", []record{{duration: 9, billsec: 7}, {duration: 9, billsec: 0, disposition: "NO ANSWER"}}, settled, settled, 93},
			{"rows that overlap", []record{{duration: 9, billsec: 7}, {after: time.Second, duration: 9, billsec: 7}}, settled, settled, 92},
			{"a late talk before an early one", []record{{duration: 50, billsec: 10}, {after: time.Second, duration: 20, billsec: 19}}, settled, settled, 71},
			{"a redirect", []record{{duration: 5, billsec: 4}, {after: 5 * time.Second, duration: 3, billsec: 3}}, settled, settled, 93},
			{"another caller's row", []record{{src: "59899777777", duration: 7, billsec: 7}}, open, unreconciled, 100},
			{"a row of the day before yesterday", []record{{after: -day - time.Hour, duration: 7, billsec: 7}}, open, unreconciled, 100},
			{"a row of yesterday", []record{{after: -day + time.Hour, duration: 7, billsec: 7}}, settled, settled, 93},
			{"a row of tomorrow", []record{{after: day + time.Hour, duration: 7, billsec: 7}}, open, unreconciled, 100},
			{"no row at all", nil, open, unreconciled, 100},
		}
		for _, age := range []time.Duration{0, time.Hour} {
			s.ago(age)
			calls := make([]models.Call, len(cases))
			for i, c := range cases {
				calls[i] = s.opens()
				r.writes(calls[i].CallID, calls[i].CallerID, calls[i].Authorized, c.rows...)
			}
			if report := s.passes(false); len(report.Problems) != 0 {
				t.Errorf("problems: %q", report.Problems)
			}
			for i, c := range cases {
				want, held := c.young, int64(0)
				if age > 0 {
					want = c.old
				}
				if want == open {
					held = 60
				}
				s.is(fmt.Sprintf("%s, %s ago", c.name, age), calls[i], want, c.left, held)
			}
			if age == 0 { // the operator knows that all have ended
				s.passes(true)
			}
		}
		if again := s.passes(false); again.Open != 0 {
			t.Errorf("a second pass finds %+v", again)
		}
	})
}

// TestFurtherCallOfAChannel: rows of what the channel did before are not its own.
func TestFurtherCallOfAChannel(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	s := newSite(t, storetest.SQLite(t), r.source)
	s.ago(time.Hour)
	first := s.opens()
	if _, err := s.Settle(t.Context(), billing.CallResult{CallID: first.CallID, Evidence: models.Evidence{
		Source: billing.SourceCaller, DialStatus: "BUSY",
	}}); err != nil {
		t.Fatal(err)
	}
	s.ago(59 * time.Minute)
	if _, err := s.Authorize(t.Context(), request(first.CallerID, first.CallID)); err != nil {
		t.Fatal(err)
	}
	second := s.call(first.CallID + "#2")
	r.writes(first.CallID, first.CallerID, first.Authorized, record{duration: 30, billsec: 30})
	r.writes(second.CallID, first.CallerID, second.Authorized, record{duration: 7, billsec: 7})
	s.passes(false)
	s.is("the second call", second, models.CallSettled, 93, 0)
}

// TestLateReducer: what was given up is charged once when its reducer comes after all, and leaves the operator's list.
func TestLateReducer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := newSite(t, d, newRecords(t).source)
		s.ago(time.Hour)
		c := s.opens()
		if report := s.passes(false); report.Unreconciled != 1 {
			t.Errorf("the pass reports %+v", report)
		}
		s.is("given up", c, models.CallUnreconciled, 100, 0)
		listed := func() int {
			calls, err := s.store.ListedCalls(t.Context(), "unreconciled", 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(calls)
		}
		if n := listed(); n != 1 {
			t.Errorf("%d calls are listed, want 1", n)
		}
		ms := int64(30_500)
		for range 3 {
			charge, err := s.Settle(t.Context(), billing.CallResult{CallID: c.CallID, Evidence: models.Evidence{
				Source: billing.SourceReducer, DialStatus: "ANSWER", AnsweredMS: &ms, Over: true,
			}})
			if err != nil || charge.Seconds != 30 {
				t.Errorf("charged %+v, %v", charge, err)
			}
			s.is("charged late", c, models.CallSettled, 70, 0)
		}
		if n := listed(); n != 0 {
			t.Errorf("%d calls are listed, want 0", n)
		}
	})
}

// TestLiveChannel: as long as it is up its call stays open, whatever the clock and the rows say.
func TestLiveChannel(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	s := newSite(t, storetest.SQLite(t), r.source)
	s.ago(time.Hour)
	c := s.opens()
	r.writes(c.CallID, c.CallerID, c.Authorized, record{duration: 7, billsec: 7})
	s.reconciler.Live = channels{billing.UniqueID(c.CallID): true}
	if report := s.passes(false); report.Left != 1 {
		t.Errorf("the pass reports %+v", report)
	}
	s.is("still up", c, models.CallOpen, 100, 60)
	s.reconciler.Live = channels{}
	s.passes(false)
	s.is("gone", c, models.CallSettled, 93, 0)
}

// TestCallRecordsOutOfReach: what only that database could tell stays open and is reported; the others tell what they know.
func TestCallRecordsOutOfReach(t *testing.T) {
	t.Parallel()
	away, err := store.OpenCDR(store.CDRConfig{Label: "DB7", Addr: "127.0.0.1:1", User: "reader", Password: "geheim"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = away.Close() })
	r := newRecords(t)
	s := newSite(t, storetest.SQLite(t), away, r.source)
	s.ago(time.Hour)
	told, untold := s.opens(), s.opens()
	r.writes(told.CallID, told.CallerID, told.Authorized, record{duration: 7, billsec: 7})
	report := s.passes(false)
	if report.Settled != 1 || report.Left != 1 || len(report.Problems) != 1 {
		t.Errorf("the pass reports %+v", report)
	}
	if text := strings.Join(report.Problems, " "); !strings.Contains(text, "CDR database DB7: ") || strings.Contains(text, "geheim") {
		t.Errorf("it says %s", text)
	}
	s.is("known to the other", told, models.CallSettled, 93, 0)
	s.is("known to nobody", untold, models.CallOpen, 100, 60)
	s.reconciler.CDRs = s.reconciler.CDRs[1:]
	for range 2 { // the claim of the first pass may last
		s.passes(true)
	}
	s.is("the operator's word", untold, models.CallUnreconciled, 100, 0)
}

// TestTwoReconcilers: two processes on one database settle each call once, and each says only what it did itself.
func TestTwoReconcilers(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		const calls = 60
		r := newRecords(t)
		s := newSite(t, d, r.source)
		s.ago(time.Hour)
		var lost []models.Call
		for range calls {
			c := s.opens()
			lost = append(lost, c)
			r.writes(c.CallID, c.CallerID, c.Authorized, record{duration: 7, billsec: 7})
		}
		start := make(chan struct{})
		reports := make([]billing.ReconcileReport, 3)
		errs := make([]error, len(reports))
		var passes sync.WaitGroup
		for i := range reports {
			other := d.Open(t)
			service := billing.New(billing.Options{Store: other, Policy: policy(60), Lanes: other.Lanes()})
			t.Cleanup(service.Close)
			passes.Go(func() {
				<-start
				pass := billing.Reconciler{Service: service, Calls: other, CDRs: s.reconciler.CDRs, Logger: s.reconciler.Logger}
				reports[i], errs[i] = pass.Run(t.Context(), false)
			})
		}
		close(start)
		passes.Wait()
		settled := 0
		for _, report := range reports {
			settled += report.Settled
		}
		if settled != calls || errors.Join(errs...) != nil {
			t.Errorf("%d calls were settled, want %d: %+v, %v", settled, calls, reports, errors.Join(errs...))
		}
		if i := slices.IndexFunc(lost, func(c models.Call) bool { return s.call(c.CallID).Charge != 7*money.Unit }); i >= 0 {
			t.Errorf("call %d was charged %s", i, s.call(lost[i].CallID).Charge)
		}
	})
}

// TestUnreadableCall: a call whose row cannot be read is named in every pass, and keeps no other from being looked at.
func TestUnreadableCall(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := newSite(t, d)
		pool := d.SQL(t)
		breaks := func(c models.Call, column, text string) {
			t.Helper()
			if _, err := pool.ExecContext(t.Context(), "UPDATE calls SET "+column+" = ? WHERE call_id = ?", text, c.CallID); err != nil {
				t.Fatal(err)
			}
		}
		s.ago(time.Hour)
		first, broken, last := s.opens(), s.opens(), s.opens()
		for _, column := range []string{"notes", "rate"} {
			var healthy sql.NullString
			if err := pool.QueryRowContext(t.Context(), "SELECT "+column+" FROM calls WHERE call_id = ?", broken.CallID).Scan(&healthy); err != nil {
				t.Fatal(err)
			}
			breaks(broken, column, "[")
			for pass := range 2 {
				report := s.passes(false)
				if text := strings.Join(report.Problems, "; "); len(report.Problems) != 1 || !strings.Contains(text, broken.CallID) || !strings.Contains(text, column) {
					t.Errorf("%s, pass %d: problems %q", column, pass, report.Problems)
				}
				if report.Left != 1 || pass == 0 && column == "notes" && report.Unreconciled != 2 {
					t.Errorf("%s, pass %d: %+v", column, pass, report)
				}
			}
			breaks(broken, column, healthy.String)
		}
		s.is("before it", first, models.CallUnreconciled, 100, 0)
		s.is("behind it", last, models.CallUnreconciled, 100, 0)
		s.is("itself", broken, models.CallOpen, 100, 60)
		if report := s.passes(false); len(report.Problems) != 0 || report.Unreconciled != 1 {
			t.Errorf("mended: %+v", report)
		}
		s.is("mended", broken, models.CallUnreconciled, 100, 0)
	})
}
