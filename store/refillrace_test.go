package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// ahead and past are days that are not due for a long time, and that were due long ago.
var (
	ahead = time.Date(2130, 1, 31, 0, 0, 0, 0, time.UTC)
	past  = time.Date(2020, 1, 31, 0, 0, 0, 0, time.UTC)
)

// twoStores are two processes' Stores on one database.
func twoStores(t *testing.T, d storetest.Database) (s, other *store.Store) {
	t.Helper()
	s, other = d.Open(t, utc), d.Open(t, utc)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	storetest.Audited(t, s)
	return s, other
}

// all expects that every user has so many units.
func all(t *testing.T, s *store.Store, units int64) {
	t.Helper()
	if got := balances(t, s); len(got) != 1 || got[units] == 0 {
		t.Errorf("balances %v, want %d for all", got, units)
	}
}

// untilDone repeats what says that the database was busy.
func untilDone(ctx context.Context, do func() error) error {
	for {
		if err := do(); !errors.Is(err, models.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
	}
}

// TestOneForcedRefillIsOne: however many others help to apply the date that it began with.
func TestOneForcedRefillIsOne(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, other := twoStores(t, d)
		value := 5 * money.Unit
		ids := members(t, s, 500, 0) // three parts
		group(t, s, models.NewGroup{Name: "g", First: ahead, Count: 20, Value: &value, Mode: models.ModeAdd, Users: ids})
		for round := range 6 {
			ctx, cancel := context.WithCancel(t.Context())
			var scheduler sync.WaitGroup
			for range 2 {
				scheduler.Go(func() {
					for ctx.Err() == nil {
						if _, err := other.RefillDue(ctx, "refill"); err != nil && ctx.Err() == nil && !errors.Is(err, models.ErrUnavailable) {
							t.Error(err)
						}
					}
				})
			}
			err := untilDone(t.Context(), func() error { _, err := s.Refill(t.Context(), "g", true, "test"); return err })
			cancel()
			scheduler.Wait()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.RefillDue(t.Context(), "refill"); err != nil {
				t.Error(err)
			}
			g, err := s.Group(t.Context(), "g")
			if left := 19 - round; err != nil || len(g.Dates) != left {
				t.Fatalf("%d dates are left after %d refills, want %d (%v)", len(g.Dates), round+1, left, err)
			}
			all(t, s, 5*int64(round+1))
		}
	})
}

// TestForcedRefillsAtOnce: nobody takes a date that another is applying, or the one after it; and whoever asks again until
// it is his turn takes one of his own.
func TestForcedRefillsAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, other := twoStores(t, d)
		value := 5 * money.Unit
		group(t, s, models.NewGroup{Name: "g", First: ahead, Count: 10, Value: &value, Mode: models.ModeAdd, Users: members(t, s, 3, 0)})
		var wg sync.WaitGroup
		var mu sync.Mutex
		done, refused := 0, 0
		for i := range 12 {
			wg.Go(func() {
				force := func() error {
					_, err := []*store.Store{s, other}[i%2].Refill(t.Context(), "g", true, "test")
					return err
				}
				err := untilDone(t.Context(), force)
				for errors.Is(err, models.ErrRefilling) {
					err = untilDone(t.Context(), force)
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					done++
				case errors.Is(err, models.ErrNoDate):
					refused++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if done != 10 || refused != 2 {
			t.Errorf("%d refills were done and %d refused, want 10 and 2", done, refused)
		}
		all(t, s, 50)
	})
}

// TestLargeGroup: as many members as a request may name, more than a line of the audit log could list.
func TestLargeGroup(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, _ := twoStores(t, d)
		many := 15_000
		if os.Getenv("TALKTIME_TEST_LARGE") != "" {
			many = 100_000
		}
		ids := members(t, s, many, 0)
		g := group(t, s, models.NewGroup{Name: "g", First: past, Count: 1, Users: ids})
		if len(g.Members) != many {
			t.Errorf("%d members", len(g.Members))
		}
		begin := time.Now()
		if n, err := s.RefillDue(t.Context(), "refill"); n != 1 || err != nil {
			t.Errorf("%d dates, %v", n, err)
		}
		t.Logf("%d members in %s", many, time.Since(begin))
		all(t, s, 1250)
		change := models.GroupChange{Members: models.Membership{Remove: ids}}
		if g, err := s.ChangeGroup(t.Context(), "g", change, "test"); err != nil || len(g.Members) != 0 {
			t.Errorf("%d members are left, %v", len(g.Members), err)
		}
		change.Members = models.Membership{All: &ids}
		if g, err := s.ChangeGroup(t.Context(), "g", change, "test"); err != nil || len(g.Members) != many {
			t.Errorf("%d members are back, %v", len(g.Members), err)
		}
	})
}

// inEuros makes a user's money euros; the house has accounts for them when asked to.
func inEuros(t *testing.T, d storetest.Database, user int64, house bool) {
	t.Helper()
	db := d.SQL(t)
	statements := []string{
		fmt.Sprintf("UPDATE users SET currency = 'EUR' WHERE id = %d", user), fmt.Sprintf("UPDATE accounts SET currency = 'EUR' WHERE user_id = %d", user),
	}
	if house {
		statements = append(statements,
			"INSERT INTO accounts (user_id, name, currency) VALUES (0, 'cash', 'EUR'), (0, 'revenue', 'EUR'), (0, 'shortfall', 'EUR'), (0, 'closed', 'EUR')")
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// TestValueOfOtherCurrencies: 1250 seconds by default must not become 1250 euros, by whichever way the user comes in.
func TestValueOfOtherCurrencies(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, _ := twoStores(t, d)
		ids := members(t, s, 2, 0)
		inEuros(t, d, ids[1], true)
		g := group(t, s, models.NewGroup{Name: "g", First: past, Count: 1, Users: ids[:1]})
		_, err := s.NewGroup(t.Context(), models.NewGroup{Name: "h", First: past, Count: 1, Mode: models.ModeAdd, Users: ids}, "test")
		if !errors.Is(err, models.ErrInvalid) {
			t.Errorf("a new group: %v", err)
		}
		if _, err := s.ChangeGroup(t.Context(), "g", models.GroupChange{Members: models.Membership{Add: ids[1:]}}, "test"); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("a group that is there: %v", err)
		}
		if err := s.Join(t.Context(), ids[1], models.Membership{Add: []int64{g.ID}}, "test"); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("by the user: %v", err)
		}
		value := 7 * money.Unit
		if _, err := s.ChangeGroup(t.Context(), "g", models.GroupChange{Value: &value, Members: models.Membership{Add: ids[1:]}}, "test"); err != nil {
			t.Errorf("with a value: %v", err)
		}
		if n, err := s.RefillDue(t.Context(), "refill"); n != 1 || err != nil {
			t.Errorf("%d dates, %v", n, err)
		}
		all(t, s, 7)
	})
}

// TestOneBadDateStopsNoOther: what cannot be applied waits, and the groups behind it get theirs.
func TestOneBadDateStopsNoOther(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, _ := twoStores(t, d)
		ids := members(t, s, 2, 0)
		inEuros(t, d, ids[0], false)
		value := 7 * money.Unit
		group(t, s, models.NewGroup{Name: "bad", First: past, Count: 2, Value: &value, Users: ids[:1]})
		group(t, s, models.NewGroup{Name: "good", First: past.AddDate(0, 3, 0), Count: 2, Value: &value, Mode: models.ModeAdd, Users: ids[1:]})
		for range 2 {
			if _, err := s.RefillDue(t.Context(), "refill"); err == nil {
				t.Error("the failure was kept quiet")
			}
		}
		if got := balances(t, s); got[14] != 1 || got[0] != 1 {
			t.Errorf("balances %v, want 14 for one and 0 for the other", got)
		}
	})
}

// TestLookingForRefillsLocksNothing: a date that somebody is about to change, and that is not due, keeps nobody waiting.
func TestLookingForRefillsLocksNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, other := twoStores(t, d)
		ids := members(t, s, 1, 0)
		group(t, s, models.NewGroup{Name: "g", First: ahead, Count: 3, Users: ids})
		tx, err := d.SQL(t).BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		if _, err := tx.ExecContext(t.Context(), "UPDATE refill_dates SET reached = 0 WHERE group_id > 0"); err != nil {
			t.Fatal(err)
		}
		if n, err := other.RefillDue(t.Context(), "refill"); n != 0 || err != nil {
			t.Errorf("%d dates, %v", n, err)
		}
	})
}

// TestRefillsInZonesWithoutMidnight: a day stays that day where its first hour is left out for summer time.
func TestRefillsInZonesWithoutMidnight(t *testing.T) {
	t.Parallel()
	santiago, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Open(t, func(c *store.Config) { c.Location = santiago })
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := time.Date(2043, 8, 6, 0, 0, 0, 0, santiago)
		g := group(t, s, models.NewGroup{Name: "g", First: first, Count: 3}) // 2043-09-06 begins at 01:00
		if days(g) != "2043-08-06 2043-09-06 2043-10-06" {
			t.Errorf("%s", days(g))
		}
		for _, date := range g.Dates {
			if before := date.Date.Add(-time.Minute); before.Day() != 5 {
				t.Errorf("%s is not the first moment of its day", date.Date)
			}
		}
	})
}

// TestMembersGoDuringARefill: who is deleted meanwhile has nothing left, everybody else has his, once.
func TestMembersGoDuringARefill(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, other := twoStores(t, d)
		value := 5 * money.Unit
		ids := members(t, s, 450, 0)
		group(t, s, models.NewGroup{Name: "g", First: past, Count: 3, Value: &value, Mode: models.ModeAdd, Users: ids})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; i < len(ids); i += 3 {
				if err := untilDone(t.Context(), func() error { _, err := other.DeleteUser(t.Context(), ids[i], "test"); return err }); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			if err := untilDone(t.Context(), func() error { _, err := s.RefillDue(t.Context(), "refill"); return err }); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if got := balances(t, s); got[15] != 300 || len(got) != 1 {
			t.Errorf("balances %v, want 15 for 300", got)
		}
		g, err := s.Group(t.Context(), "g")
		if err != nil || len(g.Members) != 300 || len(g.Dates) != 0 {
			t.Errorf("%d members, %d dates, %v", len(g.Members), len(g.Dates), err)
		}
	})
}

// refillVictim makes TestRefillVictim a process that applies what is due until it is killed.
const refillVictim = "TALKTIME_TEST_REFILL_VICTIM"

// TestRefillVictim is no test, but the process that TestKillingASchedulerLosesAndDoublesNothing kills.
func TestRefillVictim(t *testing.T) {
	settings := os.Getenv(refillVictim)
	if settings == "" {
		return
	}
	c := store.Config{}
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		t.Fatal(err)
	}
	c.Location = time.UTC
	s, err := store.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, _ = s.RefillDue(context.Background(), "victim") // another victim may be at it
	}
}

// TestKillingASchedulerLosesAndDoublesNothing: two at a time are killed in the middle of a group, again and again.
func TestKillingASchedulerLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, _ := twoStores(t, d)
		value := 5 * money.Unit
		const dates = 12
		ids := members(t, s, 1000, 0)
		group(t, s, models.NewGroup{Name: "g", First: past, Count: dates, Value: &value, Mode: models.ModeAdd, Users: ids})
		c := d.Config
		settings, err := json.Marshal(map[string]string{"Path": c.Path, "Addr": c.Addr, "User": c.User, "Password": c.Password, "Name": c.Name})
		if err != nil {
			t.Fatal(err)
		}
		given := func() (units int64) {
			for balance, users := range balances(t, s) {
				units += balance * int64(users)
			}
			return units
		}
		kills := 0
		for ; kills < 4; kills++ {
			var victims [2]*storetest.Child
			for i := range victims {
				cmd := exec.Command(os.Args[0], "-test.run=^TestRefillVictim$", "-test.count=1")
				cmd.Env = append(os.Environ(), refillVictim+"="+string(settings))
				if victims[i], err = storetest.StartChild(cmd); err != nil {
					t.Fatal(err)
				}
			}
			for before := given(); given() < before+2600*5 && given() < dates*1000*5; { // more than two dates and a half
				if victims[0].Ended() || victims[1].Ended() || t.Context().Err() != nil {
					t.Fatal("a victim ended by itself")
				}
			}
			victims[0].Kill()
			victims[1].Kill()
		}
		if err := untilDone(t.Context(), func() error { _, err := s.RefillDue(t.Context(), "refill"); return err }); err != nil {
			t.Error(err)
		}
		all(t, s, dates*5)
	})
}

// TestOneKeyIsOneTransfer, at two servers at once; all hear of the same transaction.
func TestOneKeyIsOneTransfer(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, other := twoStores(t, d)
		ids := members(t, s, 2, 100*money.Unit)
		var services [2]*billing.Service
		for i, s := range []*store.Store{s, other} {
			services[i] = billing.New(billing.Options{Store: s, Lanes: s.Lanes()})
			t.Cleanup(services[i].Close)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[int64]bool{}
		for i := range 100 {
			wg.Go(func() {
				done, err := services[i%2].Transfer(t.Context(), billing.Transfer{From: ids[0], To: ids[1], Amount: 60 * money.Unit, Ref: "key", Actor: "test"})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				seen[done.Transaction.ID] = true
				mu.Unlock()
			})
		}
		wg.Wait()
		if got := balances(t, s); len(seen) != 1 || got[40] != 1 || got[160] != 1 {
			t.Errorf("%d transactions, balances %v", len(seen), got)
		}
	})
}

// TestLookingForRefillsIsCheap: it reads what is due and what was begun, however many dates are still to come.
func TestLookingForRefillsIsCheap(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, _ := twoStores(t, d)
		for i := range 5 {
			group(t, s, models.NewGroup{Name: fmt.Sprint("g", i), First: ahead, Count: 1200})
		}
		if d.Server != nil {
			if _, err := d.SQL(t).ExecContext(t.Context(), "ANALYZE TABLE refill_dates"); err != nil {
				t.Fatal(err)
			}
		}
		plan, err := s.DuePlan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(plan)
		for _, index := range []string{"refill_dates_due", "refill_dates_begun"} {
			if !strings.Contains(text, index) {
				t.Errorf("%s is not used: %s", index, text)
			}
		}
	})
}
