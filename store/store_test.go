package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		victim()
	}
	os.Exit(storetest.Main(m))
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.SQLite)
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	storetest.Shared(t)
	storetest.Run(t, storetest.OnShared)
	storetest.ServerTests(t)
}

// onBoth runs a test on a fresh database of each kind.
func onBoth(t *testing.T, test func(*testing.T, storetest.Database)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, storetest.SQLite(t))
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		test(t, storetest.OnShared(t))
	})
}

// TestCodeAndTablesKnowTheSameColumns, in both directions.
func TestCodeAndTablesKnowTheSameColumns(t *testing.T) {
	t.Parallel()
	byGORM, byHand, err := store.Columns()
	if err != nil {
		t.Fatal(err)
	}
	onBoth(t, func(t *testing.T, d storetest.Database) {
		d.Migrated(t)
		db := d.SQL(t)
		for table := range byHand {
			there := columnsOf(t, db, d.Server != nil, table)
			known := slices.Compact(slices.Sorted(slices.Values(slices.Concat(byGORM[table], byHand[table]))))
			if !slices.Equal(there, known) {
				t.Errorf("%s has the columns %v, the code knows %v", table, there, known)
			}
		}
		for table := range byGORM {
			if byHand[table] == nil {
				t.Errorf("no table %s is compared", table)
			}
		}
	})
}

func columnsOf(t *testing.T, db *sql.DB, server bool, table string) []string {
	t.Helper()
	query := "SELECT name FROM pragma_table_info(?)"
	if server {
		query = "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?"
	}
	rows, err := db.QueryContext(t.Context(), query, table)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	names := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names[name] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(names))
}

func policy(seconds int64) billing.Policy {
	return billing.Policy{
		MaxCallSeconds: seconds, RingSeconds: 40, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"},
	}
}

func request(clid, callID string) billing.CallRequest {
	return billing.CallRequest{CallID: callID, Identity: billing.Identity{CallerID: clid}, Number: "59899123000"}
}

// oneSecond is the end of a call of a second and a half.
func oneSecond(clid, callID string) billing.CallResult {
	ms, s := int64(1500), int64(1)
	return billing.CallResult{
		CallID: callID, Identity: billing.Identity{CallerID: clid},
		Evidence: models.Evidence{Source: billing.SourceReducer, DialStatus: "ANSWER", AnsweredMS: &ms, Answered: &s, Over: true},
	}
}

// TestProcessesWhoseIDsMeetHarmNothing: two that drew the same slot, at a standing clock, give the same ids all the time.
func TestProcessesWhoseIDsMeetHarmNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		for i := range 2 {
			if _, err := s.AddUser(t.Context(), models.NewUser{Username: fmt.Sprint("user", i), CLID: fmt.Sprint(i), Balance: 500 * money.Unit}, "test"); err != nil {
				t.Fatal(err)
			}
		}
		stand := time.Now()
		var services [2]*billing.Service
		for i := range services {
			s := d.Open(t, func(c *store.Config) { c.Now = func() time.Time { return stand } })
			s.SetSlot(7)
			services[i] = billing.New(billing.Options{Store: s, Policy: policy(2), Lanes: s.Lanes()})
			t.Cleanup(services[i].Close)
		}
		var wg sync.WaitGroup
		for i := range 120 {
			wg.Go(func() {
				k, clid, id := services[i%2], fmt.Sprint(i%2), fmt.Sprint("pbx-1.", i)
				var err error
				switch i % 6 {
				case 0, 1: // rows that are written whole
					_, err = k.Settle(t.Context(), oneSecond(clid, id))
				case 2, 3:
					err = k.RecordEmergency(t.Context(), request(clid, id))
				default:
					if _, err = k.Authorize(t.Context(), request(clid, id)); err == nil {
						_, err = k.Settle(t.Context(), oneSecond(clid, id))
					}
				}
				if err != nil {
					t.Errorf("%s: %v", id, err)
				}
			})
		}
		wg.Wait()
		report, err := s.Audit(t.Context())
		if err != nil || report.Calls != 120 || report.Transactions != 2+80 {
			t.Errorf("%+v, %v", report, err)
		}
		for i := range 2 {
			if b, err := s.UserByName(t.Context(), fmt.Sprint("user", i)); err != nil || b.Balance != 460*money.Unit {
				t.Errorf("%+v, %v; want 460", b.Balance, err)
			}
		}
	})
}

// TestRefillsAndImportsWhoseIDsMeet: what takes many ids in one transaction takes others when they are taken.
func TestRefillsAndImportsWhoseIDsMeet(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		stand := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		pair := func() (stores [2]*store.Store) { // the second gives the very ids that the first has given
			for i := range stores {
				stores[i] = d.Open(t, func(c *store.Config) { c.Now, c.Location = func() time.Time { return stand }, time.UTC })
				stores[i].SetSlot(7)
			}
			stand = stand.Add(time.Minute)
			return stores
		}
		imported := func(s *store.Store, name string) error {
			return s.ImportUsers(t.Context(), "test", "test", func(yield func(models.NewUser) error) error {
				for i := range 40 {
					if err := yield(models.NewUser{Username: fmt.Sprint(name, i), Balance: 10 * money.Unit}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		for i, s := range pair() {
			if err := imported(s, fmt.Sprint("import", i, "-")); err != nil {
				t.Errorf("import %d: %v", i, err)
			}
		}
		for i, s := range pair() {
			if _, err := s.AddUser(t.Context(), models.NewUser{Username: fmt.Sprint("alone", i), Balance: 10 * money.Unit}, "test"); err != nil {
				t.Errorf("user %d: %v", i, err)
			}
		}
		var ids []int64
		if err := s.Users(t.Context(), func(b models.Balance) error { ids = append(ids, b.ID); return nil }); err != nil {
			t.Fatal(err)
		}
		value := 5 * money.Unit
		group(t, s, models.NewGroup{Name: "a", First: ahead, Count: 1, Value: &value, Mode: models.ModeAdd, Users: ids})
		group(t, s, models.NewGroup{Name: "b", First: ahead, Count: 1, Value: &value, Mode: models.ModeAdd, Users: ids})
		stores := pair()
		for i, name := range []string{"a", "b"} {
			if _, err := stores[i].Refill(t.Context(), name, true, "test"); err != nil {
				t.Errorf("refill of %s: %v", name, err)
			}
		}
		if got := balances(t, s); got[20] != 82 {
			t.Errorf("balances %v, want 20 for all 82", got)
		}
		storetest.Audited(t, s)
	})
}

// TestAnSQLiteFileThatSomebodyElseLocks is an error after two seconds, and no harm afterwards.
func TestAnSQLiteFileThatSomebodyElseLocks(t *testing.T) {
	t.Parallel()
	d := storetest.SQLite(t)
	s := d.Migrated(t)
	if _, err := s.AddUser(t.Context(), models.NewUser{Username: "marta", CLID: "1", Balance: 10 * money.Unit}, "test"); err != nil {
		t.Fatal(err)
	}
	k := billing.New(billing.Options{Store: s, Policy: policy(2)})
	t.Cleanup(k.Close)
	conn, err := d.SQL(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := k.Authorize(t.Context(), request("1", "pbx-1.1")); err == nil || time.Since(start) > 4*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	if _, err := s.UserByName(t.Context(), "marta"); err != nil {
		t.Errorf("reading beside a writer: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, err := k.Authorize(ctx, request("1", "pbx-1.2"))
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	if err := k.Release(t.Context(), billing.Identity{CallerID: "1"}, "pbx-1.2", "test"); err != nil {
		t.Error(err)
	}
}

// TestSQLiteIsDurable: a commit is on the disk when it returns.
func TestSQLiteIsDurable(t *testing.T) {
	t.Parallel()
	s := storetest.SQLite(t).Open(t)
	for name, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "2000"} {
		if got, err := s.Pragma(name); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", name, got, err, want)
		}
	}
}

// TestManyMakeAnSQLiteFile: those who find no database at the same moment all make it, and each can go on.
func TestManyMakeAnSQLiteFile(t *testing.T) {
	t.Parallel()
	for range 100 {
		path := filepath.Join(t.TempDir(), "new.db")
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				s, err := store.Open(store.Config{Path: path})
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
}

// TestTwoProcessesShareAnSQLiteFile: one that commits as fast as it can does not starve the other. SQLite asks for its
// lock again and again rather than queueing for it, so that now and then one may ask in vain for its two seconds.
func TestTwoProcessesShareAnSQLiteFile(t *testing.T) {
	t.Parallel()
	d := storetest.SQLite(t)
	first, second := d.Migrated(t), d.Open(t)
	if _, err := first.AddUser(t.Context(), models.NewUser{Username: "marta", CLID: "1", Balance: 1_000_000 * money.Unit}, "test"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	busy := billing.New(billing.Options{Store: first, Policy: policy(2)})
	t.Cleanup(busy.Close)
	var wg sync.WaitGroup
	for i := range 32 { // as much as goes
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprint("pbx-", i, ".", n)
				if _, err := busy.Authorize(ctx, request("1", id)); err == nil {
					_, _ = busy.Settle(ctx, oneSecond("1", id))
				}
			}
		})
	}
	other := billing.New(billing.Options{Store: second, Policy: policy(2)})
	t.Cleanup(other.Close)
	inVain := 0
	for i := range 40 {
		id := fmt.Sprint("other-1.", i)
		for _, step := range []func() error{
			func() error { _, err := other.Authorize(t.Context(), request("1", id)); return err },
			func() error { _, err := other.Settle(t.Context(), oneSecond("1", id)); return err },
		} {
			err := step()
			for errors.Is(err, billing.ErrLocked) && inVain < 20 {
				inVain++
				err = step()
			}
			if err != nil {
				t.Fatalf("call %d, after %d times in vain: %v", i, inVain, err)
			}
		}
	}
	t.Logf("in vain %d times", inVain)
	cancel()
	wg.Wait()
	r := billing.Reconciler{Service: other, Calls: second, Logger: discard}
	if _, err := r.Run(t.Context(), true); err != nil {
		t.Error(err)
	}
}
