package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// promoMarket has Marta with 180 that stay, by today's clock: money expires by the database's.
func promoMarket(t *testing.T, d storetest.Database) (*market, models.User) {
	t.Helper()
	m := newMarket(t, d)
	m.clock = time.Now()
	m.refresh()
	return m, m.user("marta", "555000204", models.SEC, 180*money.Unit)
}

// promote gives a user units that expire after some days.
func (m *market) promote(u models.User, units, days int64) {
	m.t.Helper()
	m.calls++
	_, err := m.service.Move(m.t.Context(), billing.Movement{
		UserID: u.ID, Amount: money.Amount(units) * money.Unit, Ref: fmt.Sprint("promo-", m.calls), Actor: "test",
		Expires: m.clock.Add(time.Duration(days) * 24 * time.Hour),
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// timePasses lets everything expire that can.
func timePasses(t *testing.T, d storetest.Database) {
	t.Helper()
	_, err := d.SQL(t).ExecContext(t.Context(), "UPDATE accounts SET expires_at = '2026-01-02 03:04:05.000000' WHERE expires_at IS NOT NULL")
	if err != nil {
		t.Fatal(err)
	}
}

// has expects what a user has, what calls hold of it, and what he may spend, in whole units.
func (m *market) has(username string, balance, held, available int64) models.Balance {
	m.t.Helper()
	b, err := m.store.UserByName(m.t.Context(), username)
	if err != nil {
		m.t.Fatal(err)
	}
	if b.Balance.Whole() != balance || b.Held.Whole() != held || b.Available.Whole() != available {
		m.t.Errorf("%s has %s, held are %s, available %s; want %d, %d, %d", username, b.Balance, b.Held, b.Available, balance, held, available)
	}
	return b
}

func (m *market) expires(want int) {
	m.t.Helper()
	n, err := m.store.ExpirePromotions(m.t.Context(), "test")
	if err != nil || n != want {
		m.t.Errorf("%d accounts expired, %v; want %d", n, err, want)
	}
}

// TestPromotionalCreditIsShown with the balance, by itself, in searches and in the ledger.
func TestPromotionalCreditIsShown(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m, u := promoMarket(t, d)
		m.promote(u, 20, 2)
		m.promote(u, 10, 1)
		b := m.has("marta", 210, 0, 210)
		if len(b.Promotions) != 2 || b.Promotions[0].Balance != 10*money.Unit || !b.Promotions[0].Expires.Equal(m.clock.Add(24*time.Hour).Truncate(time.Second)) {
			t.Errorf("%+v", b.Promotions)
		}
		one, err := m.store.UserByID(t.Context(), u.ID)
		if err != nil || one.Currency != models.SEC {
			t.Error(one, err)
		}
		details, err := m.store.UsersByID(t.Context(), []int64{u.ID})
		if err != nil || len(details[u.ID].Promotions) != 2 || details[u.ID].Available != 210*money.Unit {
			t.Errorf("%+v, %v", details, err)
		}
		found := func(query string) int64 {
			t.Helper()
			list, err := m.store.ListUsers(t.Context(), models.ListRequest{Query: query, Number: 1, Size: 10, Location: time.UTC})
			if err != nil {
				t.Fatal(err)
			}
			return list.Total
		}
		const rich = `{"filters":[{"name":"available","op":"ge","val":"210"}]}`
		if found(rich) != 1 {
			t.Error("what is available does not count promotional credit")
		}
		timePasses(t, d)
		if found(rich) != 0 {
			t.Error("what is available counts what has expired")
		}
		if b := m.has("marta", 210, 0, 180); len(b.Promotions) != 0 {
			t.Errorf("%+v", b.Promotions)
		}
		m.expires(2)
		m.has("marta", 180, 0, 180)
		ledger, err := m.store.ListLedger(t.Context(), models.ListRequest{Number: 1, Size: 10, User: u.ID, Location: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		var entries []string
		for _, e := range ledger.Items {
			entries = append(entries, fmt.Sprint(e.Account, " ", e.Kind, " ", e.Amount.Whole()))
		}
		slices.Sort(entries)
		want := []string{"main topup 180", "promo1 expire -20", "promo1 topup 20", "promo2 expire -10", "promo2 topup 10"}
		other := []string{"main topup 180", "promo2 expire -10", "promo2 topup 10", "promo3 expire -20", "promo3 topup 20"}
		if !slices.Equal(entries, want) && !slices.Equal(entries, other) {
			t.Errorf("the ledger says %q", entries)
		}
		var house int64
		err = d.SQL(t).QueryRowContext(t.Context(), "SELECT SUM(e.amount) FROM entries e JOIN accounts a ON a.id = e.account_id WHERE a.user_id = 0 AND a.name = 'expired'").Scan(&house)
		if err != nil || house != 30_000_000 {
			t.Errorf("the house got %d of what expired, %v", house, err)
		}
		lines, err := m.store.ListAudit(t.Context(), models.ListRequest{Query: `{"filters":[{"name":"action","op":"eq","val":"promo.expire"}]}`, Number: 1, Size: 10, Location: time.UTC})
		if err != nil || len(lines.Items) != 2 || lines.Items[0].Target != "marta" {
			t.Errorf("%+v, %v", lines.Items, err)
		}
		m.audit()
	})
}

// TestTwoProcessesExpireOnce: whoever is first takes it, and nobody twice.
func TestTwoProcessesExpireOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m, _ := promoMarket(t, d)
		const users = 120
		for i := range users {
			m.promote(m.user(fmt.Sprint("user", i), fmt.Sprint(555001000+i), models.SEC, 0), 5, 1)
		}
		timePasses(t, d)
		var done [2]int
		var failed [2]error
		var group sync.WaitGroup
		for i := range done {
			other := d.Open(t)
			group.Go(func() { done[i], failed[i] = other.ExpirePromotions(t.Context(), "test") })
		}
		group.Wait()
		if err := errors.Join(failed[:]...); err != nil || done[0]+done[1] != users {
			t.Errorf("%d accounts expired, %v", done, err)
		}
		m.expires(0)
		m.has("user7", 0, 0, 0)
		m.audit()
	})
}

// TestExpiryDuringACall: what it holds pays for it, and what it gives back goes the next time.
func TestExpiryDuringACall(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m, u := promoMarket(t, d)
		m.promote(u, 100, 1)
		ask := billing.CallRequest{CallID: "pbx-1.1", Identity: billing.Identity{CallerID: "555000204"}, Number: "59899123000"}
		if auth, err := m.service.Authorize(t.Context(), ask); err != nil || auth.Seconds != 60 {
			t.Fatal(auth, err)
		}
		timePasses(t, d)
		m.expires(1)
		m.has("marta", 240, 60, 180)
		m.expires(0)
		ms, s := int64(25_000), int64(25)
		e := models.Evidence{Source: billing.SourceCaller, DialStatus: "ANSWER", AnsweredMS: &ms, Answered: &s, Cause: 16}
		charge, err := m.service.Settle(t.Context(), billing.CallResult{CallID: "pbx-1.1", Evidence: e})
		if err != nil || charge.Amount != 25*money.Unit {
			t.Errorf("%+v, %v", charge, err)
		}
		m.has("marta", 215, 0, 180)
		m.expires(1)
		m.has("marta", 180, 0, 180)
		m.audit()
	})
}

// TestManyPromotions are given at once by two processes, and lie on three accounts.
func TestManyPromotions(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m, u := promoMarket(t, d)
		other := billing.New(billing.Options{Store: d.Open(t), Now: func() time.Time { return m.clock }})
		t.Cleanup(other.Close)
		var group sync.WaitGroup
		failed := make([]error, 20)
		for i := range failed {
			service := m.service
			if i%2 == 0 {
				service = other
			}
			group.Go(func() {
				_, failed[i] = service.Move(context.WithoutCancel(t.Context()), billing.Movement{
					UserID: u.ID, Amount: money.Unit, Ref: fmt.Sprint("many-", i), Expires: m.clock.Add(time.Duration(1+i) * 24 * time.Hour),
				})
			})
		}
		group.Wait()
		if err := errors.Join(failed...); err != nil {
			t.Fatal(err)
		}
		b := m.has("marta", 200, 0, 200)
		if n := len(b.Promotions); n < 1 || n > billing.MaxPromos || b.Promotions[n-1].Expires.Before(m.clock.Add(20*24*time.Hour).Truncate(time.Second)) {
			t.Errorf("%+v", b.Promotions)
		}
		var accounts, promises int
		err := d.SQL(t).QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM accounts WHERE user_id = ?), (SELECT COUNT(*) FROM promotions)", u.ID).Scan(&accounts, &promises)
		if err != nil || accounts != 1+billing.MaxPromos || promises != 20 {
			t.Errorf("%d accounts, %d promises, %v", accounts, promises, err)
		}
		repeat := billing.Movement{UserID: u.ID, Amount: money.Unit, Ref: "many-3", Expires: m.clock.Add(4 * 24 * time.Hour)}
		if moved, err := m.service.Move(t.Context(), repeat); err != nil || !moved.Already {
			t.Errorf("%+v, %v", moved, err)
		}
		repeat.Expires = repeat.Expires.Add(time.Hour)
		if _, err := m.service.Move(t.Context(), repeat); !errors.Is(err, billing.ErrRefUsed) {
			t.Errorf("a repeat with another expiry: %v", err)
		}
		if _, err := m.store.DeleteUser(t.Context(), u.ID, "test"); err != nil {
			t.Error(err)
		}
		m.audit()
	})
}

// changeCurrency makes a user's money another.
func (m *market) changeCurrency(u models.User, to string) error {
	_, err := m.store.ChangeUsers(m.t.Context(), []int64{u.ID}, models.UserChange{Currency: &to}, "test")
	return err
}

// TestCurrencyIsChangedWithAHistory: what is learned later of old calls is charged in their money, of which nothing is left.
func TestCurrencyIsChangedWithAHistory(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m, u := promoMarket(t, d)
		caller := billing.Identity{CallerID: "555000204"}
		for _, id := range []string{"pbx-1.1", "pbx-1.2"} {
			if _, err := m.service.Authorize(t.Context(), billing.CallRequest{CallID: id, Identity: caller, Number: "59899123000"}); err != nil {
				t.Fatal(err)
			}
		}
		take := func(units int64, ref string) {
			t.Helper()
			if _, err := m.service.Move(t.Context(), billing.Movement{UserID: u.ID, Amount: money.Amount(units) * money.Unit, Ref: ref}); err != nil {
				t.Fatal(err)
			}
		}
		take(-60, "out 1")
		refused := func(why string) {
			t.Helper()
			if err := m.changeCurrency(u, "EUR"); !errors.Is(err, models.ErrConflict) && !errors.Is(err, models.ErrHoldIsOpen) {
				t.Errorf("%s: %v", why, err)
			}
		}
		refused("calls are in progress")
		for _, id := range []string{"pbx-1.1", "pbx-1.2"} {
			if _, err := m.service.Settle(t.Context(), billing.CallResult{CallID: id, Exact: true, GiveUp: true, By: billing.SourceReconciler}); err != nil {
				t.Fatal(err)
			}
		}
		refused("there is a balance")
		take(-120, "out 2")
		m.promote(u, 5, 1)
		refused("there is promotional credit")
		timePasses(t, d)
		m.expires(1)
		if err := m.changeCurrency(u, "EUR"); err != nil {
			t.Fatal(err)
		}
		take(70, "euros")
		m.promote(u, 30, 1)
		m.has("marta", 100, 0, 100)

		late := func(id string, shortfall int64) {
			t.Helper()
			ms, s := int64(40_000), int64(40)
			e := models.Evidence{Source: billing.SourceReducer, DialStatus: "ANSWER", AnsweredMS: &ms, Answered: &s, Cause: 16, Over: true}
			charge, err := m.service.Settle(t.Context(), billing.CallResult{CallID: id, Identity: caller, Evidence: e})
			calls, failed := m.store.CallsByID(t.Context(), []string{id})
			if err != nil || failed != nil || charge.Amount != 40*money.Unit || calls[id].Shortfall.Whole() != shortfall {
				t.Errorf("%s: %+v, %v, %v, shortfall %s", id, charge, err, failed, calls[id].Shortfall)
			}
		}
		late("pbx-1.1", 40)
		m.has("marta", 100, 0, 100)
		total, err := m.store.ListUsers(t.Context(), models.ListRequest{Query: `{"filters":[{"name":"balance","op":"eq","val":"100"}]}`, Number: 1, Size: 10, Location: time.UTC})
		if err != nil || total.Total != 1 {
			t.Errorf("%+v, %v", total, err)
		}

		take(-70, "euros out")
		timePasses(t, d)
		m.expires(1)
		blocked := true
		if _, err := m.store.ChangeUsers(t.Context(), []int64{u.ID}, models.UserChange{Blocked: &blocked}, "test"); err != nil {
			t.Fatal(err)
		}
		if err := m.changeCurrency(u, models.SEC); err != nil { // the old account again
			t.Fatal(err)
		}
		take(90, "seconds again")
		if b := m.has("marta", 90, 0, 90); !b.Blocked {
			t.Error("with other money nobody is blocked any more")
		}
		late("pbx-1.2", 0)
		m.has("marta", 50, 0, 50)
		m.promote(u, 9, 1)
		m.has("marta", 59, 0, 59)
		if had, err := m.store.DeleteUser(t.Context(), u.ID, "test"); err != nil || had != 59*money.Unit {
			t.Errorf("%s, %v", had, err)
		}
		m.audit()
	})
}

// TestCurrencyIsChangedUnderTraffic: whoever moves money meanwhile moves the old or the new, or is told to come again.
func TestCurrencyIsChangedUnderTraffic(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m, u := promoMarket(t, d)
		if _, err := m.service.Move(t.Context(), billing.Movement{UserID: u.ID, Amount: -180 * money.Unit, Ref: "out"}); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				for i := range 15 {
					for _, amount := range []money.Amount{money.Unit, -money.Unit} {
						for {
							_, err := m.service.Move(context.WithoutCancel(t.Context()), billing.Movement{UserID: u.ID, Amount: amount, Ref: fmt.Sprint(worker, "/", i, "/", amount)})
							if err == nil {
								break
							}
							if !errors.Is(err, models.ErrUnavailable) && !errors.Is(err, billing.ErrUncertain) {
								t.Errorf("%s: %v", amount, err)
								break
							}
						}
					}
				}
			})
		}
		changed := 0
		for i := range 60 {
			err := m.changeCurrency(u, []string{"EUR", models.SEC}[i%2])
			switch {
			case err == nil:
				changed++
			case !errors.Is(err, models.ErrConflict) && !errors.Is(err, models.ErrUnavailable):
				t.Error(err)
			}
		}
		group.Wait()
		m.has("marta", 0, 0, 0)
		m.audit()
		t.Logf("the currency was changed %d times", changed)
	})
}
