package store_test

import (
	"fmt"
	"strings"
	"testing"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// TestListsScanNoTable: the first page of a list costs the same however many rows there are. Each list is read along an
// index from the right place, and nothing is sorted.
func TestListsScanNoTable(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		crowd(t, s, 2000)
		plans, err := s.Plans(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(plans) < 12 {
			t.Errorf("%d plans", len(plans))
		}
		for name, plan := range plans {
			for _, step := range plan {
				server := d.Server != nil
				switch {
				case server && (step.How == "ALL" || step.How == "index" && step.Key == "" || strings.Contains(step.Extra, "filesort") || strings.Contains(step.Extra, "temporary")),
					!server && (strings.HasPrefix(step.How, "SCAN") || strings.Contains(step.How, "TEMP B-TREE")):
					t.Errorf("%s: %+v", name, step)
				}
			}
		}
	})
}

// crowd makes users with some money and some calls.
func crowd(t *testing.T, s *store.Store, users int) {
	t.Helper()
	err := s.ImportUsers(t.Context(), "test", func(yield func(models.NewUser) error) error {
		for n := range users {
			u := models.NewUser{Username: fmt.Sprintf("user%d", n), CLID: fmt.Sprint(5550 + n), IMSI: fmt.Sprint(n), Balance: money.Unit}
			if err := yield(u); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), billing.Keys{}, func(st *billing.State) {
		for n := range users {
			c := models.Call{
				ID: st.NewID(), CallID: fmt.Sprintf("pbx-1.%d", n), UserID: int64(n%50 + 1), CalleeID: int64(n%40 + 1), State: models.CallReleased,
				Rate: models.SecondRate(), Attempts: 1, Dials: 1,
			}
			st.ChangedCalls[c.CallID] = c
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUsersAreCounted: by a counter that every way of making and deleting them keeps right.
func TestUsersAreCounted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		is := func(want int64) {
			t.Helper()
			if n, err := s.Counter(t.Context()); n != want || err != nil {
				t.Errorf("%d users are counted, not %d (%v)", n, want, err)
			}
		}
		crowd(t, s, 1100)
		is(1100)
		admin, err := s.NewUserWithProfile(t.Context(), models.NewUser{Username: "admin", Admin: true}, models.UserChange{}, "test")
		if err != nil {
			t.Fatal(err)
		}
		is(1101)
		if _, err := s.AddUser(t.Context(), models.NewUser{Username: "admin"}, "test"); err == nil {
			t.Error("a name was given twice")
		}
		is(1101)
		if err := s.DeleteUser(t.Context(), admin.ID, "test"); err == nil {
			t.Error("the last administrator was deleted")
		}
		is(1101)
		for id := range int64(3) {
			if err := s.DeleteUser(t.Context(), id+1, "test"); err != nil {
				t.Error(err)
			}
		}
		is(1098)
		// Both at once: one of them is too late.
		done := make(chan error)
		for range 2 {
			go func() { done <- s.DeleteUser(t.Context(), 9, "test") }()
		}
		if a, b := <-done, <-done; (a == nil) == (b == nil) {
			t.Errorf("%v, %v", a, b)
		}
		is(1097)
		if n, atLeast, err := s.CountRows(t.Context(), "u.deleted_at IS NULL AND u.username LIKE 'user%'"); n != 1096 || atLeast || err != nil {
			t.Errorf("%d, %v, %v", n, atLeast, err)
		}
	})
}
