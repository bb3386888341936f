package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

func utc(c *store.Config) { c.Location = time.UTC }

// members makes n users with the given balance and returns their ids.
func members(t *testing.T, s *store.Store, n int, balance money.Amount) []int64 {
	t.Helper()
	err := s.ImportUsers(t.Context(), "test", "test", func(yield func(models.NewUser) error) error {
		for i := range n {
			u := models.NewUser{Username: fmt.Sprintf("u%d", i), CLID: fmt.Sprint(5000 + i), Balance: balance}
			if err := yield(u); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	if err := s.Users(t.Context(), func(b models.Balance) error { ids = append(ids, b.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	return ids
}

func group(t *testing.T, s *store.Store, g models.NewGroup) models.Group {
	t.Helper()
	if g.Mode == "" {
		g.Mode = models.ModeTopUp
	}
	made, err := s.NewGroup(t.Context(), g, "test")
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func days(g models.Group) string {
	var all []string
	for _, d := range g.Dates {
		all = append(all, d.Date.Format(time.DateOnly))
	}
	return strings.Join(all, " ")
}

// balances are all users' balances in whole units, as often as they occur.
func balances(t *testing.T, s *store.Store) map[int64]int {
	t.Helper()
	of := make(map[int64]int)
	if err := s.Users(t.Context(), func(b models.Balance) error { of[b.Balance.Whole()]++; return nil }); err != nil {
		t.Fatal(err)
	}
	return of
}

func TestGroups(t *testing.T) {
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Open(t, utc)
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		ids := members(t, s, 3, 0)
		first := time.Date(2130, 1, 31, 0, 0, 0, 0, time.UTC)
		g := group(t, s, models.NewGroup{Name: "field team", First: first, Count: 3, Users: []int64{ids[1], ids[0], ids[1]}})
		if days(g) != "2130-01-31 2130-02-28 2130-03-31" || !slices.Equal(g.Members, ids[:2]) || g.Value != 1250*money.Unit || g.Mode != models.ModeTopUp {
			t.Errorf("%+v", g)
		}
		if _, err := s.NewGroup(t.Context(), models.NewGroup{Name: "field team", First: first, Count: 1, Mode: "add"}, "test"); !errors.Is(err, models.ErrConflict) {
			t.Errorf("the same name: %v", err)
		}
		if _, err := s.NewGroup(t.Context(), models.NewGroup{Name: "b", First: first, Count: 1, Mode: "add", Users: []int64{ids[0], 999}}, "test"); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("an unknown member: %v", err)
		}
		if _, err := s.Group(t.Context(), "b"); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a group that was refused is there: %v", err)
		}
		name, value := "team", 7*money.Unit
		change := models.GroupChange{Name: &name, Value: &value, Members: models.Membership{Add: []int64{ids[2], ids[0]}, Remove: []int64{ids[1], 999}}}
		g, err := s.ChangeGroup(t.Context(), "field team", change, "test")
		if err != nil || g.Name != "team" || g.Value != value || !slices.Equal(g.Members, []int64{ids[0], ids[2]}) {
			t.Errorf("%+v, %v", g, err)
		}
		if _, err := s.ChangeGroup(t.Context(), "field team", change, "test"); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("under the old name: %v", err)
		}
		if err := s.Join(t.Context(), ids[1], models.Membership{All: &[]int64{g.ID}}, "test"); err != nil {
			t.Error(err)
		}
		if err := s.Join(t.Context(), ids[1], models.Membership{Add: []int64{999}}, "test"); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("an unknown group: %v", err)
		}
		of, err := s.GroupsOf(t.Context(), ids)
		if err != nil || len(of) != 3 || of[ids[1]][0].Name != "team" {
			t.Errorf("%v, %v", of, err)
		}
		for _, query := range []string{
			`{"filters":[{"name":"tunel__username","op":"any","val":"u1"}]}`, `{"filters":[{"name":"dates_to_update__date","op":"any","val":"2130-02-28"}]}`,
		} {
			list, err := s.ListGroups(t.Context(), models.ListRequest{Query: query, Number: 1, Size: 10})
			if err != nil || list.Total != 1 || len(list.Items) != 1 {
				t.Errorf("%s: %+v, %v", query, list, err)
			}
		}
		users, err := s.ListUsers(t.Context(), models.ListRequest{Query: `{"filters":[{"name":"tunel__name","op":"any","val":"team"}]}`, Number: 1, Size: 10})
		if err != nil || users.Total != 3 {
			t.Errorf("the group's users: %d, %v", users.Total, err)
		}
		if err := s.DeleteGroup(t.Context(), "team", "test"); err != nil {
			t.Error(err)
		}
		if err := s.DeleteGroup(t.Context(), "team", "test"); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("deleted twice: %v", err)
		}
		storetest.Audited(t, s)
	})
}

// TestRefills: what is due is applied once, in the order of the dates, however many do it at once.
func TestRefills(t *testing.T) {
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, other := d.Open(t, utc), d.Open(t, utc)
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		const many = 450 // more than fit into one transaction
		ids := members(t, s, many, 100*money.Unit)
		value := 150 * money.Unit
		past := time.Date(2020, 1, 31, 0, 0, 0, 0, time.UTC)
		group(t, s, models.NewGroup{Name: "raised", First: past, Count: 3, Value: &value, Users: ids[:300]})
		group(t, s, models.NewGroup{Name: "added", First: past, Count: 2, Value: &value, Mode: models.ModeAdd, Users: ids[200:]})
		group(t, s, models.NewGroup{Name: "later", First: time.Date(2130, 1, 1, 0, 0, 0, 0, time.UTC), Count: 2, Value: &value, Mode: models.ModeAdd, Users: ids[:1]})

		var servers sync.WaitGroup
		var mu sync.Mutex
		applied := 0
		for i := range 6 {
			servers.Go(func() {
				n, err := []*store.Store{s, other}[i%2].RefillDue(t.Context(), "refill")
				if err != nil && !errors.Is(err, models.ErrUnavailable) { // another one is at it
					t.Error(err)
				}
				mu.Lock()
				applied += n
				mu.Unlock()
			})
		}
		servers.Wait()
		if n, err := s.RefillDue(t.Context(), "refill"); err != nil {
			t.Error(err)
		} else if applied += n; applied != 5 {
			t.Errorf("%d dates were applied, want 5", applied)
		}
		// raised alone: 150. added alone: 100 + 2 × 150. Of both: all dates of one day come in the order they were made:
		// 150, +150 = 300, +150 on the second day; topping up never lowers.
		if got, want := balances(t, s), (map[int64]int{150: 200, 450: 100, 400: 150}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("balances %v, want %v", got, want)
		}
		g, err := s.Group(t.Context(), "later")
		if err != nil || len(g.Dates) != 2 {
			t.Errorf("%+v, %v", g, err)
		}
		storetest.Audited(t, s)
	})
}

func TestForcedRefill(t *testing.T) {
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Open(t, utc)
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		ids := members(t, s, 2, 10*money.Unit)
		later := time.Date(2130, 1, 1, 0, 0, 0, 0, time.UTC)
		group(t, s, models.NewGroup{Name: "g", First: later, Count: 2, Users: ids[:1]})
		if g, err := s.Refill(t.Context(), "g", false, "test"); err != nil || len(g.Dates) != 2 || balances(t, s)[10] != 2 {
			t.Errorf("nothing was due: %+v, %v", g, err)
		}
		if g, err := s.Refill(t.Context(), "g", true, "test"); err != nil || days(g) != "2130-02-01" || balances(t, s)[1250] != 1 {
			t.Errorf("forced: %+v, %v", g, err)
		}
		if _, err := s.Refill(t.Context(), "g", true, "test"); err != nil {
			t.Error(err)
		}
		if _, err := s.Refill(t.Context(), "g", true, "test"); !errors.Is(err, models.ErrNoDate) {
			t.Errorf("no date is left: %v", err)
		}
		if _, err := s.Refill(t.Context(), "nobody", true, "test"); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("no such group: %v", err)
		}
		storetest.Audited(t, s)
	})
}

// TestBrokenRefill: a process that dies between two parts of a group leaves the rest to the next, and nobody gets his twice.
func TestBrokenRefill(t *testing.T) {
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Open(t, utc)
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		ids := members(t, s, 500, 0)
		value := 5 * money.Unit
		group(t, s, models.NewGroup{Name: "g", First: time.Date(2130, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1, Value: &value, Mode: models.ModeAdd, Users: ids})
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() {
			for ctx.Err() == nil && balances(t, s)[5] == 0 {
			}
			cancel()
		})
		_, err := s.Refill(ctx, "g", true, "test")
		t.Logf("broken off: %v; %v have theirs", err, balances(t, s))
		cancel()
		watching.Wait()
		if _, err := s.RefillDue(t.Context(), "refill"); err != nil {
			t.Error(err)
		}
		if got := balances(t, s); got[5] != 500 {
			t.Errorf("balances %v, want 5 for all", got)
		}
		storetest.Audited(t, s)
	})
}

// TestBrokenRefillOfADate: asking again for the same date gives the rest theirs, and a third time nothing.
func TestBrokenRefillOfADate(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Open(t, utc)
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		ids := members(t, s, 500, 0)
		value := 5 * money.Unit
		date := group(t, s, models.NewGroup{Name: "g", First: ahead, Count: 2, Value: &value, Mode: models.ModeAdd, Users: ids}).Dates[1].ID
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() {
			for ctx.Err() == nil && balances(t, s)[5] == 0 {
			}
			cancel()
		})
		_, _, err := s.RefillDate(ctx, "g", date, "test")
		t.Logf("broken off: %v; %v have theirs", err, balances(t, s))
		cancel()
		watching.Wait()
		for n := range 3 {
			g, applied, err := s.RefillDate(t.Context(), "g", date, "test")
			if err != nil || len(g.Dates) != 1 || g.Dates[0].ID == date || n > 0 && applied {
				t.Errorf("%+v, applied: %v, %v", g.Dates, applied, err)
			}
		}
		if got := balances(t, s); got[5] != 500 {
			t.Errorf("balances %v, want 5 for all", got)
		}
		if n := len(lines(t, s, "group.refill")); n != 1 {
			t.Errorf("the audit log has %d refills", n)
		}
		storetest.Audited(t, s)
	})
}

func TestTransfers(t *testing.T) {
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		ids := members(t, s, 3, 100*money.Unit)
		service := billing.New(billing.Options{Store: s})
		defer service.Close()
		move := func(from, to int64, units money.Amount, ref string) error {
			_, err := service.Transfer(t.Context(), billing.Transfer{From: from, To: to, Amount: units * money.Unit, Ref: ref, Actor: "test"})
			return err
		}
		if err := errors.Join(move(ids[0], ids[1], 30, "a"), move(ids[0], ids[1], 30, "a")); err != nil {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"another amount": move(ids[0], ids[1], 31, "a"), "another payer": move(ids[2], ids[1], 30, "a"), "another payee": move(ids[0], ids[2], 30, "a"),
		} {
			if !errors.Is(err, models.ErrConflict) {
				t.Errorf("%s under the same reference: %v", name, err)
			}
		}
		if err := move(ids[0], ids[1], 71, "b"); !errors.Is(err, billing.ErrInsufficientFunds) {
			t.Errorf("more than there is: %v", err)
		}
		if err := move(ids[0], ids[0], 1, "c"); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("to himself: %v", err)
		}
		if err := move(ids[0], 999, 1, "d"); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("to nobody: %v", err)
		}
		// Round and round in both directions at once: nothing waits for itself for ever, and nothing is lost.
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				err := move(ids[i%3], ids[(i+1+i/30)%3], 1, fmt.Sprintf("r%d", i))
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := balances(t, s); got[70] != 1 || got[130] != 1 || got[100] != 1 {
			t.Errorf("balances %v, want 70, 130 and 100", got)
		}
		storetest.Audited(t, s)
	})
}

func TestTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, d storetest.Database) {
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		s := d.Open(t, func(c *store.Config) { c.Now = func() time.Time { return now } })
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		expires := now.Add(time.Hour)
		for n := range 4 {
			if _, err := s.AddUser(t.Context(), models.NewUser{Username: fmt.Sprint("user", n)}, "test"); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := s.NewToken(t.Context(), models.NewToken{Name: "other", Account: "77"}, "test"); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("an account of nobody: %v", err)
		}
		made, secret, err := s.NewToken(t.Context(), models.NewToken{Name: "reports", Scopes: []string{"read", "cdr"}, Account: "4", ExpiresAt: &expires}, "test")
		if err != nil || len(secret) < 26 {
			t.Fatal(err)
		}
		if _, _, err := s.NewToken(t.Context(), models.NewToken{Name: "reports"}, "test"); !errors.Is(err, models.ErrConflict) {
			t.Errorf("the same name: %v", err)
		}
		found, err := s.Token(t.Context(), secret)
		if err != nil || found.ID != made.ID || !slices.Equal(found.Scopes, []string{"read", "cdr"}) || found.Account != "4" || found.Owner.User != 4 {
			t.Errorf("%+v, %v", found, err)
		}
		if found, err = s.Token(t.Context(), secret); err != nil || found.LastUsed == nil || !found.LastUsed.Equal(now) {
			t.Errorf("last used %v, %v", found.LastUsed, err)
		}
		if _, err := s.Token(t.Context(), secret[:len(secret)-1]); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a wrong secret: %v", err)
		}
		now = expires
		if _, err := s.Token(t.Context(), secret); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("an expired one: %v", err)
		}
		now = expires.Add(-time.Second)
		list, err := s.ListTokens(t.Context(), models.ListRequest{Number: 1, Size: 10, Query: `{"filters":[{"name":"name","op":"eq","val":"reports"}]}`})
		if err != nil || list.Total != 1 {
			t.Errorf("%+v, %v", list, err)
		}
		if err := s.RevokeToken(t.Context(), made.ID, "test"); err != nil {
			t.Error(err)
		}
		if _, err := s.Token(t.Context(), secret); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a revoked one: %v", err)
		}
		if err := s.RevokeToken(t.Context(), made.ID, "test"); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("revoked twice: %v", err)
		}
	})
}
