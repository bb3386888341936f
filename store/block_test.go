package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestBlockingBesideCalls: who blocks users waits for nobody who waits for him, and loses nobody's money.
func TestBlockingBesideCalls(t *testing.T) {
	t.Parallel()
	s, other := twoStores(t, storetest.OnShared(t)) // SQLite has one writer
	ids := members(t, s, 3, 1000*money.Unit)
	service := billing.New(billing.Options{Store: other, Policy: policy(2), Lanes: other.Lanes()})
	defer service.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var operators, callers sync.WaitGroup
	for _, blocked := range []bool{true, false} {
		operators.Go(func() {
			for ctx.Err() == nil {
				err := untilDone(ctx, func() error {
					_, err := s.ChangeUsers(ctx, ids, models.UserChange{Blocked: &blocked}, "test")
					return err
				})
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	charged := make([]int64, len(ids))
	for i, user := range ids {
		callers.Go(func() {
			clid := fmt.Sprint(5000 + i)
			for n := range 40 {
				id := fmt.Sprintf("pbx-%d.%d", i, n)
				_, err := service.Authorize(t.Context(), request(clid, id))
				if errors.Is(err, billing.ErrAccountBlocked) {
					_, err = service.Move(t.Context(), billing.Movement{UserID: user, Amount: -money.Unit, Ref: id, Actor: "test"})
				} else if err == nil {
					_, err = service.Settle(t.Context(), oneSecond(clid, id))
				}
				if err != nil {
					t.Errorf("%s: %v", id, err)
				}
				charged[i]++
			}
		})
	}
	callers.Wait()
	cancel()
	operators.Wait()
	for i := range ids {
		if b, err := s.UserByName(t.Context(), fmt.Sprintf("u%d", i)); err != nil || b.Held != 0 || b.Balance != money.Amount(1000-charged[i])*money.Unit {
			t.Errorf("%+v, %v", b, err)
		}
	}
}

// TestBlockingTheDeleted: a closed account stays closed.
func TestBlockingTheDeleted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		ids := members(t, s, 2, 0)
		if _, err := s.DeleteUser(t.Context(), ids[0], "test"); err != nil {
			t.Fatal(err)
		}
		for _, blocked := range []bool{true, false} {
			if n, err := s.ChangeUsers(t.Context(), ids, models.UserChange{Blocked: &blocked}, "test"); err != nil || n != 1 {
				t.Errorf("%d are changed, %v", n, err)
			}
			u, err := s.UserDetailByID(t.Context(), ids[1])
			if err != nil || u.Blocked != blocked {
				t.Errorf("blocked is %v, %v", u.Blocked, err)
			}
		}
		if closed, err := s.Statuses(t.Context(), ids[0]); err != nil || len(closed) != 1 || closed[0] != string(models.AccountClosed) {
			t.Errorf("the deleted user's accounts are %v, %v", closed, err)
		}
	})
}
