package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// TestJoiningIsLinear: many users who join a group cost as many statements as a few, and none of them looks at more users or
// members than those who join.
func TestJoiningIsLinear(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		ids := members(t, s, 700, 0)
		g := group(t, s, models.NewGroup{Name: "g", First: time.Now().AddDate(1, 0, 0), Count: 1, Users: ids[:300]})
		var noted []store.Statement
		if err := s.Note(func(n store.Statement) { noted = append(noted, n) }); err != nil {
			t.Fatal(err)
		}
		join := func(name string, of []int64, m models.Membership) (statements, values int) {
			t.Helper()
			noted = nil
			if n, err := s.ChangeUsers(t.Context(), of, models.UserChange{Groups: &m}, "test"); n != len(of) || err != nil {
				t.Fatalf("%d users, %v", n, err)
			}
			for _, n := range noted {
				values += n.Values
				if (strings.Contains(n.SQL, "members") || strings.Contains(n.SQL, "users")) && n.Values < len(of) {
					t.Errorf("%s, %d users: %s binds %d values, so it looks at others", name, len(of), n.SQL, n.Values)
				}
			}
			return len(noted), values
		}
		for _, c := range []struct {
			name string
			m    models.Membership
		}{
			{"add", models.Membership{Add: []int64{g.ID}}}, {"all", models.Membership{All: &[]int64{g.ID}}}, {"remove", models.Membership{Remove: []int64{g.ID}}},
		} {
			few, fewValues := join(c.name, ids[300:325], c.m)
			more, moreValues := join(c.name, ids[325:375], c.m)
			many, manyValues := join(c.name, ids[375:475], c.m)
			if few == 0 || few != more || more != many {
				t.Errorf("%s: 25, 50 and 100 users took %d, %d and %d statements", c.name, few, more, many)
			}
			if fewValues == 0 || manyValues-moreValues != 2*(moreValues-fewValues) {
				t.Errorf("%s: 25, 50 and 100 users took %d, %d and %d values", c.name, fewValues, moreValues, manyValues)
			}
		}
		// As many lines of the audit log as users, each with what was before.
		if _, err := s.ChangeUsers(t.Context(), ids[300:600], models.UserChange{Groups: &models.Membership{Add: []int64{g.ID}}}, "test"); err != nil {
			t.Fatal(err)
		}
		found := lines(t, s, "user.group")
		if len(found) != 100 || found[0].After != fmt.Sprintf(`{"groups":[%d]}`, g.ID) || found[99].Before != `{"groups":[]}` {
			t.Errorf("%d lines, the last %+v", len(found), found[0])
		}
	})
}

// TestWhoMayJoin: the value must go with the money of those who join; what others have who are members already is not looked
// at again, and nobody joins when one may not.
func TestWhoMayJoin(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		ids := members(t, s, 3, 0)
		if _, err := d.SQL(t).ExecContext(t.Context(), "UPDATE users SET currency = 'EUR' WHERE id = ?", ids[2]); err != nil {
			t.Fatal(err)
		}
		day, half := time.Now().AddDate(1, 0, 0), money.Unit/2
		plain := group(t, s, models.NewGroup{Name: "plain", First: day, Count: 1})
		cents := group(t, s, models.NewGroup{Name: "cents", First: day, Count: 1, Value: &half, Users: ids[2:]})
		for name, refused := range map[string]error{
			"two of seconds and one of euros": func() error {
				_, err := s.ChangeUsers(t.Context(), ids, models.UserChange{Groups: &models.Membership{Add: []int64{plain.ID}}}, "test")
				return err
			}(),
			"one of euros": s.Join(t.Context(), ids[2], models.Membership{All: &[]int64{plain.ID}}, "test"),
			"one of seconds": func() error {
				_, err := s.ChangeGroup(t.Context(), "cents", models.GroupChange{Members: models.Membership{Add: ids[:1]}}, "test")
				return err
			}(),
			"all": func() error {
				_, err := s.ChangeGroup(t.Context(), "plain", models.GroupChange{Members: models.Membership{All: &ids}}, "test")
				return err
			}(),
			"half a second": func() error {
				_, err := s.ChangeGroup(t.Context(), "plain", models.GroupChange{Value: &half, Members: models.Membership{Add: ids[:1]}}, "test")
				return err
			}(),
		} {
			if !errors.Is(refused, models.ErrInvalid) {
				t.Errorf("%s: %v", name, refused)
			}
		}
		for name, want := range map[string]int{"plain": 0, "cents": 1} {
			if g, err := s.Group(t.Context(), name); err != nil || len(g.Members) != want {
				t.Errorf("%s has %v, %v", name, g.Members, err)
			}
		}
		if n, err := s.ChangeUsers(t.Context(), ids[:2], models.UserChange{Groups: &models.Membership{Add: []int64{plain.ID}}}, "test"); n != 2 || err != nil {
			t.Errorf("%d users, %v", n, err)
		}
		if err := s.Join(t.Context(), ids[2], models.Membership{Add: []int64{cents.ID}}, "test"); err != nil {
			t.Error(err)
		}
	})
}

// TestChangesWithRefillsAtOnce: of many who change a large group and refill it at once, each has done both or neither, and
// all members have what was applied, by the values of its time.
func TestChangesWithRefillsAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, other := twoStores(t, d)
		const asking = 8
		ids := members(t, s, 450+asking, 0)
		value := money.Unit
		group(t, s, models.NewGroup{Name: "g", First: ahead, Count: asking - 2, Value: &value, Mode: models.ModeAdd, Users: ids[asking:]})
		var wg sync.WaitGroup
		var mu sync.Mutex
		joined := slices.Clone(ids[asking:])
		for i := range asking {
			wg.Go(func() {
				change := models.GroupChange{Members: models.Membership{Add: ids[i : i+1]}}
				err := untilDone(t.Context(), func() error {
					_, err := []*store.Store{s, other}[i%2].ChangeAndRefill(t.Context(), "g", change, 0, "test")
					return err
				})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					joined = append(joined, ids[i])
				} else if !errors.Is(err, models.ErrRefilling) && !errors.Is(err, models.ErrNoDate) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		done := len(joined) - len(ids) + asking
		g, err := s.Group(t.Context(), "g")
		slices.Sort(joined)
		if err != nil || done == 0 || !slices.Equal(g.Members, joined) || len(g.Dates) != asking-2-done {
			t.Errorf("%d were told that it is done, there are %d members and %d dates, %v", done, len(g.Members), len(g.Dates), err)
		}
		if got := balances(t, s); got[int64(done)] < 450 {
			t.Errorf("after %d refills the balances are %v", done, got)
		}
		if changes, refills := len(lines(t, s, "group.change")), len(lines(t, s, "group.refill")); changes != done || refills != done {
			t.Errorf("the audit log has %d changes and %d refills, want %d", changes, refills, done)
		}
	})
}
