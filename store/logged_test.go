package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// lines are those of the audit log about something, the newest first.
func lines(t *testing.T, s *store.Store, action string) []models.AuditLine {
	t.Helper()
	list, err := s.ListAudit(t.Context(), models.ListRequest{Number: 1, Size: 100, Query: fmt.Sprintf(`{"filters":[{"name":"action","op":"eq","val":%q}]}`, action)})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// TestMoneyMovesWithItsLine: what moves money by hand is in the audit log, or it has not happened.
func TestMoneyMovesWithItsLine(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		ids := members(t, s, 2, 100*money.Unit)
		service := billing.New(billing.Options{Store: s, Policy: policy(2), Lanes: s.Lanes()})
		defer service.Close()
		if _, err := service.Authorize(t.Context(), request("5000", "pbx-1.1")); err != nil {
			t.Fatal(err)
		}
		note := func(action string) func(billing.Moved) models.AuditLine {
			return func(m billing.Moved) models.AuditLine {
				return models.AuditLine{At: m.Transaction.PostedAt, Actor: "test", Action: action, Target: m.Transaction.Ref.Ref, After: `{"a":"é"}`}
			}
		}
		movements := map[string]func() error{
			"topup": func() error {
				_, err := service.Move(t.Context(), billing.Movement{UserID: ids[0], Amount: 20 * money.Unit, Ref: "t", Actor: "test", Note: note("topup")})
				return err
			},
			"debit": func() error {
				_, err := service.Move(t.Context(), billing.Movement{UserID: ids[0], Amount: -5 * money.Unit, Ref: "d", Actor: "test", Note: note("debit")})
				return err
			},
			"transfer": func() error {
				_, err := service.Transfer(t.Context(), billing.Transfer{From: ids[0], To: ids[1], Amount: money.Unit, Ref: "x", Actor: "test", Note: note("transfer")})
				return err
			},
			"hold.release": func() error {
				_, _, err := service.GiveUp(t.Context(), "pbx-1.1", "test")
				return err
			},
		}
		has := func(name string, balance, held money.Amount) {
			t.Helper()
			if b, err := s.UserByName(t.Context(), name); err != nil || b.Balance != balance*money.Unit || b.Held != held*money.Unit {
				t.Errorf("%s has %s and %s held, want %d and %d: %v", name, b.Balance, b.Held, balance, held, err)
			}
		}
		rename := func(from, to string) {
			t.Helper()
			if _, err := d.SQL(t).ExecContext(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
				t.Fatal(err)
			}
		}
		rename("audit_log", "elsewhere")
		for action, move := range movements {
			if err := move(); err == nil {
				t.Errorf("%s is done without its line", action)
			}
		}
		has("u0", 100, 2)
		has("u1", 100, 0)
		rename("elsewhere", "audit_log")
		for action, move := range movements {
			if err := move(); err != nil {
				t.Errorf("%s: %v", action, err)
			}
			again := move()
			if action == "hold.release" && errors.Is(again, models.ErrNotFound) {
				again = nil
			}
			if again != nil {
				t.Errorf("%s again: %v", action, again)
			}
			if found := lines(t, s, action); len(found) != 1 || found[0].Actor != "test" {
				t.Errorf("%s is in the audit log so: %+v", action, found)
			}
		}
		has("u0", 114, 0)
		has("u1", 101, 0)
	})
}

// TestUsersComeWithTheirLine: who is made or gets another password is in the audit log, or it has not happened.
func TestUsersComeWithTheirLine(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		id := members(t, s, 1, money.Unit)[0]
		hash := "hash"
		changes := map[string]struct {
			do     func() error
			target string
			says   []string
		}{
			"user.add": {func() error {
				_, err := s.AddUser(t.Context(), models.NewUser{Username: "marta", CLID: "555000204", Balance: 20 * money.Unit, PasswordHash: "secret"}, "olga")
				return err
			}, "marta", []string{`"username":"marta"`, `"clid":"555000204"`, `"balance":"20"`}},
			"user.import": {func() error {
				return s.ImportUsers(t.Context(), "olga", "users.csv", func(yield func(models.NewUser) error) error {
					return errors.Join(yield(models.NewUser{Username: "joel", Balance: money.Unit, PasswordHash: "secret"}), yield(models.NewUser{Username: "rita"}))
				})
			}, "users.csv", []string{`{"users":2}`}},
			"user.change": {func() error {
				_, err := s.ChangeUsers(t.Context(), []int64{id}, models.UserChange{PasswordHash: &hash}, "olga")
				return err
			}, "u0", []string{`"password":"changed"`}},
		}
		is := func(users int, hash string) {
			t.Helper()
			list, err := s.ListUsers(t.Context(), models.ListRequest{Number: 1, Size: 10})
			user, found := s.UserByName(t.Context(), "u0")
			if err != nil || found != nil || len(list.Items) != users || user.PasswordHash != hash {
				t.Errorf("%d users, and the password is %q; want %d and %q: %v, %v", len(list.Items), user.PasswordHash, users, hash, err, found)
			}
		}
		rename := func(from, to string) {
			t.Helper()
			if _, err := d.SQL(t).ExecContext(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
				t.Fatal(err)
			}
		}
		rename("audit_log", "elsewhere")
		for action, change := range changes {
			if err := change.do(); err == nil {
				t.Errorf("%s is done without its line", action)
			}
		}
		is(1, "")
		rename("elsewhere", "audit_log")
		for action, change := range changes {
			if err := change.do(); err != nil {
				t.Errorf("%s: %v", action, err)
			}
			found := lines(t, s, action)
			found = slices.DeleteFunc(found, func(l models.AuditLine) bool { return l.Actor != "olga" })
			if len(found) != 1 || found[0].Target != change.target || strings.Contains(found[0].After, "secret") {
				t.Errorf("%s is in the audit log so: %+v", action, found)
				continue
			}
			for _, text := range change.says {
				if !strings.Contains(found[0].After, text) {
					t.Errorf("%s does not say %s: %s", action, text, found[0].After)
				}
			}
		}
		is(4, "hash")
		if err := s.ImportUsers(t.Context(), "olga", "empty.csv", func(func(models.NewUser) error) error { return nil }); err != nil || len(lines(t, s, "user.import")) != 2 { // with those of the test
			t.Errorf("an import of nobody: %v", err)
		}
		storetest.Audited(t, s)
	})
}

// TestOneReleaseIsLogged: an operator who comes too late, behind another or the end of the call, is told so, and the
// audit log says what the call held and became of those only who released it.
func TestOneReleaseIsLogged(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s, other := twoStores(t, d)
		members(t, s, 1, 1000*money.Unit)
		services := make([]*billing.Service, 2)
		for i, s := range []*store.Store{s, other} {
			services[i] = billing.New(billing.Options{Store: s, Policy: policy(2), Lanes: s.Lanes()})
			defer services[i].Close()
		}
		released := map[string]bool{}
		for n := range 20 {
			id := fmt.Sprintf("pbx-1.%d", n)
			if _, err := services[0].Authorize(t.Context(), request("5000", id)); err != nil {
				t.Fatal(err)
			}
			var errs [3]error
			var all sync.WaitGroup
			for i := range 2 {
				all.Go(func() {
					errs[i] = untilFree(func() error { _, _, err := services[i].GiveUp(t.Context(), id, fmt.Sprint("operator ", i)); return err })
				})
			}
			if n%2 == 0 {
				all.Go(func() {
					errs[2] = untilFree(func() error { _, err := services[n/2%2].Settle(t.Context(), oneSecond("5000", id)); return err })
				})
			}
			all.Wait()
			if errs[2] != nil {
				t.Error(errs[2])
			}
			done := 0
			for _, err := range errs[:2] {
				switch {
				case err == nil:
					done++
				case !errors.Is(err, models.ErrNotFound):
					t.Error(err)
				}
			}
			if done > 1 || done == 0 && n%2 == 1 {
				t.Errorf("%s is released by %d", id, done)
			}
			released[id] = done == 1
		}
		found := lines(t, s, "hold.release")
		for _, line := range found {
			id := strings.Split(line.Before, `"`)[3]
			if !released[id] || !strings.Contains(line.Before, `"held":"2"`) || !strings.Contains(line.Before, `"state":"open"`) || !strings.Contains(line.After, `"state":"unreconciled"`) {
				t.Errorf("%s is in the audit log so: %+v", id, line)
			}
			delete(released, id)
		}
		for id, is := range released {
			if is {
				t.Errorf("the release of %s is not in the audit log", id)
			}
		}
	})
}

// untilFree repeats what says that an SQLite file was busy.
func untilFree(do func() error) error {
	for {
		if err := do(); !errors.Is(err, billing.ErrLocked) {
			return err
		}
	}
}
