package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/models"
	"talktime/store"
	"talktime/store/storetest"
)

// provisionSite is a store that notes what a node manager is to be told.
func provisionSite(t *testing.T, test func(*testing.T, storetest.Database, *store.Store)) {
	t.Helper()
	t.Parallel()
	for name, d := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := d(t)
			d.Config.Provisions = true
			test(t, d, d.Migrated(t))
		})
	}
}

// told lists what waits, as "create 7 IMSI clid".
func told(t *testing.T, s *store.Store) string {
	t.Helper()
	waiting, err := s.Provisions(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range waiting {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %d %s %s", p.Action, p.UserID, p.IMSI, p.CLID)))
	}
	return strings.Join(lines, ", ")
}

// next claims what is due, or fails the test when it is not this.
func next(t *testing.T, s *store.Store, want string) models.Provision {
	t.Helper()
	p, err := s.ClaimProvision(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got := "nothing"
	if p != nil {
		got = fmt.Sprintf("%s %d %s", p.Action, p.UserID, p.IMSI)
	}
	if got != want {
		t.Fatalf("next is %s, want %s", got, want)
	}
	if p == nil {
		return models.Provision{}
	}
	return *p
}

func TestProvisions(t *testing.T) {
	provisionSite(t, func(t *testing.T, d storetest.Database, s *store.Store) {
		ctx := t.Context()
		ptr := func(text string) *string { return &text }
		imsi := func(text string) **string { p := &text; return &p }
		none := func() **string { var p *string; return &p }
		change := func(id int64, c models.UserChange) {
			t.Helper()
			if _, err := s.ChangeUsers(ctx, []int64{id}, c, "test"); err != nil {
				t.Fatal(err)
			}
		}
		waits := func(want string) {
			t.Helper()
			if got := told(t, s); got != want {
				t.Errorf("there waits %s, want %s", got, want)
			}
		}
		done := func(p models.Provision) {
			t.Helper()
			if err := s.ProvisionDone(ctx, p.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.AddUser(ctx, models.NewUser{Username: "operator"}, "test"); err != nil {
			t.Fatal(err)
		}
		marta, err := s.AddUser(ctx, models.NewUser{Username: "marta", CLID: "555", IMSI: "0017"}, "test")
		if err != nil {
			t.Fatal(err)
		}
		joel, err := s.NewUserWithProfile(ctx, models.NewUser{Username: "joel", IMSI: "0018"}, models.UserChange{}, "test")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.AddUser(ctx, models.NewUser{Username: "eve", IMSI: "0018"}, "test"); err == nil {
			t.Error("two users have one card")
		}
		waits(fmt.Sprintf("create %d 0017 555, create %d 0018", marta.ID, joel.ID))

		// What changes nothing about the card is nothing for the node manager.
		change(marta.ID, models.UserChange{Username: ptr("mara"), PasswordHash: ptr("x"), IMSI: imsi("0017"), CLID: imsi("555")})
		if p := next(t, s, fmt.Sprintf("create %d 0017", marta.ID)); p.CLID != "555" {
			t.Errorf("it has the number %q", p.CLID)
		}
		first := next(t, s, fmt.Sprintf("create %d 0018", joel.ID))
		next(t, s, "nothing")

		// While joel's is at work his card changes hands: nobody may be told of that before.
		change(joel.ID, models.UserChange{IMSI: imsi("0019")})
		change(marta.ID, models.UserChange{IMSI: imsi("0018"), CLID: none()})
		waits(fmt.Sprintf("create %d 0017 555, create %d 0018, delete %d 0018, create %d 0019, delete %d 0017, create %d 0018",
			marta.ID, joel.ID, joel.ID, joel.ID, marta.ID, marta.ID))
		next(t, s, "nothing")
		done(first)
		second := next(t, s, fmt.Sprintf("delete %d 0018", joel.ID))
		next(t, s, "nothing")
		done(second)
		third := next(t, s, fmt.Sprintf("create %d 0019", joel.ID))

		// A claim ends by itself: marta's first was broken off.
		db := d.SQL(t)
		if _, err := db.ExecContext(ctx, "UPDATE provisions SET claimed_until = made_at WHERE user_id = ?", marta.ID); err != nil {
			t.Fatal(err)
		}
		broken := next(t, s, fmt.Sprintf("create %d 0017", marta.ID))
		broken.Error, broken.Refusals = strings.Repeat("ü", 300), 3
		if err := s.ProvisionFailed(ctx, broken, time.Hour); err != nil {
			t.Fatal(err)
		}
		next(t, s, "nothing") // until it is due again
		broken.GivenUp, broken.Error = true, "NodeManager answered create with 406"
		if err := s.ProvisionFailed(ctx, broken, time.Hour); err != nil {
			t.Fatal(err)
		}
		f, err := s.Figures(ctx)
		if err != nil || f.Provisions != 4 || f.ProvisionsFailing != 1 || f.ProvisionsGivenUp != 1 {
			t.Errorf("figures %+v (%v)", f, err)
		}
		all, err := s.Provisions(ctx, 1)
		if err != nil || len(all) != 1 || all[0].Refusals != 3 || !all[0].GivenUp || all[0].Error != broken.Error || all[0].Made.IsZero() {
			t.Errorf("the first that waits is %+v (%v)", all, err)
		}
		done(next(t, s, fmt.Sprintf("delete %d 0017", marta.ID))) // what was given up keeps nobody back
		done(third)

		// Whoever is deleted takes what waits for him in vain along.
		if _, err := s.DeleteUser(ctx, marta.ID, "test"); err != nil {
			t.Fatal(err)
		}
		waits(fmt.Sprintf("delete %d 0018", marta.ID))
		done(next(t, s, fmt.Sprintf("delete %d 0018", marta.ID)))
		if n, err := s.ProvisionAgain(ctx, 0, "test"); err != nil || n != 1 {
			t.Errorf("%d users are told again (%v)", n, err)
		}
		if n, err := s.ProvisionAgain(ctx, joel.ID, "test"); err != nil || n != 1 {
			t.Errorf("%d users are told again (%v)", n, err)
		}
		waits(fmt.Sprintf("create %d 0019", joel.ID))
		storetest.Audited(t, s)
	})
}

// TestProvisionsOff: without a node manager nothing is noted.
func TestProvisionsOff(t *testing.T) {
	t.Parallel()
	s := storetest.SQLite(t).Migrated(t)
	u, err := s.AddUser(t.Context(), models.NewUser{Username: "marta", IMSI: "0017"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	var none *string
	if _, err := s.ChangeUsers(t.Context(), []int64{u.ID}, models.UserChange{IMSI: &none}, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteUser(t.Context(), u.ID, "test"); err != nil {
		t.Fatal(err)
	}
	if got := told(t, s); got != "" {
		t.Errorf("there waits %s", got)
	}
}

// TestProvisionsAtOnce: many workers do each thing once.
func TestProvisionsAtOnce(t *testing.T) {
	provisionSite(t, func(t *testing.T, _ storetest.Database, s *store.Store) {
		const users, workers = 60, 6
		err := s.ImportUsers(t.Context(), "test", "test", func(yield func(models.NewUser) error) error {
			for n := range users {
				if err := yield(models.NewUser{Username: fmt.Sprintf("u%d", n), IMSI: fmt.Sprintf("9%d", n)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		seen := map[int64]int{}
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for {
					waiting, err := s.Provisions(t.Context(), 1)
					if err != nil || len(waiting) == 0 {
						return
					}
					p, err := s.ClaimProvision(t.Context(), time.Minute)
					if err != nil {
						t.Error(err)
						return
					}
					if p == nil {
						continue
					}
					mu.Lock()
					seen[p.UserID]++
					mu.Unlock()
					if err := s.ProvisionDone(t.Context(), p.ID); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		for user, times := range seen {
			if times != 1 {
				t.Errorf("user %d was told of %d times", user, times)
			}
		}
		if len(seen) != users {
			t.Errorf("%d users were told of, want %d", len(seen), users)
		}
	})
}
