package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
	"talktime/tariff"
)

// period is a filter for everything that the market's clock has seen.
func (m *market) period(version int) models.RerateFilter {
	return models.RerateFilter{From: m.clock.Add(-24 * time.Hour), To: m.clock.Add(time.Hour), Tariff: "retail", Version: version}
}

// post previews a re-rating and posts it.
func (m *market) post(name string, f models.RerateFilter) (models.ReratePreview, models.Rerate) {
	m.t.Helper()
	preview, err := m.store.PreviewRerate(m.t.Context(), f, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	done, err := m.store.PostRerate(m.t.Context(), name, f, preview.Digest, "test", nil)
	if err != nil {
		m.t.Fatal(err)
	}
	if done.DoneAt == nil || done.Calls != preview.Total.Calls || done.Charged-done.Credited != preview.Total.Difference {
		m.t.Errorf("%+v was previewed as %+v", done, preview)
	}
	m.audit()
	return preview, done
}

func (m *market) owns(name string, cents money.Amount) {
	m.t.Helper()
	u, err := m.store.UserByName(m.t.Context(), name)
	if err != nil || u.Balance != cents*money.Unit/100 {
		m.t.Errorf("%s has %s (%v), want %d cents", name, u.Balance, err, cents)
	}
}

// TestRerate: calls become cheaper and dearer, of customers with money and without; what counts in the end is the last re-rating.
func TestRerate(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		ctx := t.Context()
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		first := m.version("retail", cents("", 5))
		cheap, dear := m.version("retail", cents("", 4)), m.version("retail", cents("", 8), cents("33", 100))
		m.activate("retail", first, time.Time{})
		m.refresh()
		m.user("rich", "555000201", "EUR", money.Unit)
		poor := m.user("poor", "555000202", "EUR", money.Unit/20)
		gone := m.user("gone", "555000203", "EUR", money.Unit/20)
		m.user("ana", "555000204", "", 1000*money.Unit)
		for _, clid := range []string{"555000201", "555000202", "555000203"} {
			m.want(clid, "4930", 5)
		}
		m.want("555000204", "4930", 60_00) // in seconds
		if _, err := m.store.DeleteUser(ctx, gone.ID, "test"); err != nil {
			t.Fatal(err)
		}

		none, done := m.post("none", m.period(first))
		if none.Total.Calls != 4 || none.Total.Left != 1 || none.Total.Difference != 0 || len(none.Users) != 4 || done.Adjusted != 0 || done.Left != 1 {
			t.Errorf("the same prices: %+v, %+v", none, done)
		}

		f := m.period(dear)
		var seen []models.RepricedCall
		preview, err := m.store.PreviewRerate(ctx, f, func(c models.RepricedCall) error { seen = append(seen, c); return nil })
		if err != nil || preview.Total.Difference != 6*money.Unit/100 || preview.Total.Left != 2 || len(seen) != 4 {
			t.Errorf("%+v, %v, %+v", preview, err, seen)
		}
		for _, expect := range []string{"", none.Digest} {
			if _, err := m.store.PostRerate(ctx, "dear", f, expect, "test", nil); !errors.Is(err, models.ErrConflict) {
				t.Errorf("what nobody has seen is posted: %v", err)
			}
		}
		m.owns("rich", 95)
		_, done = m.post("dear", f)
		if done.Adjusted != 2 || done.Left != 2 || done.Uncovered != 3*money.Unit/100 {
			t.Errorf("%+v", done)
		}
		m.owns("rich", 92)
		m.owns("poor", 0) // he had nothing left, and does not pass his limit
		again, err := m.store.PostRerate(ctx, "dear", f, preview.Digest, "test", nil)
		if err != nil || again.Adjusted != 2 || again.DoneAt == nil || !again.DoneAt.Equal(*done.DoneAt) {
			t.Errorf("posted again: %+v, %v", again, err)
		}
		if _, err := m.store.PostRerate(ctx, "dear", m.period(cheap), preview.Digest, "test", nil); !errors.Is(err, models.ErrConflict) {
			t.Errorf("another re-rating under the same name: %v", err)
		}
		if _, err := m.store.PostRerate(ctx, "a name", f, preview.Digest, "test", nil); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("a name with a blank: %v", err)
		}
		m.owns("rich", 92)

		_, done = m.post("cheap", m.period(cheap))
		if done.Credited != 8*money.Unit/100 || done.Adjusted != 2 || done.Charged != 0 {
			t.Errorf("%+v", done)
		}
		m.owns("rich", 96)
		m.owns("poor", 1)                             // 4 too much, of which he had not paid 3
		now, doneNow := m.post("as-now", m.period(0)) // the version that counts
		if now.Total.Difference != 2*money.Unit/100 || doneNow.Uncovered != 0 {
			t.Errorf("%+v, %+v", now, doneNow)
		}
		m.owns("rich", 95)
		m.owns("poor", 0)

		f.User = "poor"
		f.Prefix = "+49"
		if one, err := m.store.PreviewRerate(ctx, f, nil); err != nil || one.Total.Calls != 1 || one.Users[0].UserID != poor.ID || one.Users[0].User != "poor" {
			t.Errorf("%+v, %v", one, err)
		}
		f.Prefix = "33"
		if one, err := m.store.PreviewRerate(ctx, f, nil); err != nil || one.Total.Calls != 0 {
			t.Errorf("%+v, %v", one, err)
		}
		f = m.period(dear)
		f.To = m.clock
		if one, err := m.store.PreviewRerate(ctx, f, nil); err != nil || one.Total.Calls != 0 {
			t.Errorf("calls of the end of the period: %+v, %v", one, err)
		}
		for _, wrong := range []struct {
			change func(*models.RerateFilter)
			want   error
		}{
			{func(f *models.RerateFilter) { f.To = f.From }, models.ErrInvalid},
			{func(f *models.RerateFilter) { f.Prefix = "4%" }, models.ErrInvalid},
			{func(f *models.RerateFilter) { f.Tariff = "" }, models.ErrInvalid},
			{func(f *models.RerateFilter) { f.Tariff = "none" }, models.ErrNotFound},
			{func(f *models.RerateFilter) { f.Version = 9 }, models.ErrNotFound},
			{func(f *models.RerateFilter) { f.User = "gone" }, models.ErrNotFound},
			{func(f *models.RerateFilter) { f.Group = "none" }, models.ErrNotFound},
			{func(f *models.RerateFilter) { f.Version, f.To = 0, m.clock.Add(-time.Hour) }, models.ErrConflict},
		} {
			f := m.period(dear)
			wrong.change(&f)
			if _, err := m.store.PreviewRerate(ctx, f, nil); !errors.Is(err, wrong.want) {
				t.Errorf("%+v: %v, want %v", f, err, wrong.want)
			}
		}

		runs, err := m.store.Rerates(ctx)
		if err != nil || len(runs) != 4 || runs[0].Name != "as-now" || runs[2].Name != "dear" || runs[2].Digest != preview.Digest {
			t.Errorf("%+v, %v", runs, err)
		}
		all := 0
		if err := m.store.EachAdjustment(ctx, runs[2].ID, func(models.Adjustment) error { all++; return nil }); err != nil || all != 4 {
			t.Errorf("%d adjustments, %v", all, err)
		}
		var call models.RepricedCall
		for _, c := range seen {
			if c.UserID == poor.ID {
				call = c
			}
		}
		history, err := m.store.CallAdjustments(ctx, call.ID)
		if err != nil || len(history) != 3 || history[0].After != 8*money.Unit/100 || history[0].Uncovered != 3*money.Unit/100 || history[1].Difference != -4*money.Unit/100 {
			t.Errorf("%+v, %v", history, err)
		}
		if kept, err := m.store.CallByKey(ctx, call.ID); err != nil || kept.Charge != 5*money.Unit/100 || kept.Rate.Version != first {
			t.Errorf("history has changed: %+v, %v", kept, err)
		}
		if _, err := m.store.Rerate(ctx, "none such"); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a re-rating that there is not: %v", err)
		}

		// The audit finds what is not right.
		db := d.SQL(t)
		for _, spoilt := range []string{"charge_after = charge_after + 1", "shortfall_before = 1", "tx_id = 0"} {
			name, _, _ := strings.Cut(spoilt, " ")
			var was int64
			where := fmt.Sprintf(" WHERE call_key = %d AND rerate_id = %d", call.ID, runs[0].ID)
			if err := db.QueryRowContext(ctx, "SELECT "+name+" FROM rerated_calls"+where).Scan(&was); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(ctx, "UPDATE rerated_calls SET "+spoilt+where); err != nil {
				t.Fatal(err)
			}
			if report, err := m.store.Audit(ctx); err != nil || len(report.Differences) == 0 {
				t.Errorf("%s: the audit finds nothing: %v", spoilt, err)
			}
			if _, err := db.ExecContext(ctx, fmt.Sprintf("UPDATE rerated_calls SET %s = %d", name, was)+where); err != nil {
				t.Fatal(err)
			}
		}
		m.audit()
	})
}

// TestRerateGivesPromotionsBackAsSuch: what promotional credit paid is no other money afterwards, and what a customer gets back is
// what he paid.
func TestRerateGivesPromotionsBackAsSuch(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.clock = time.Now().UTC() // promotional credit expires by the database's
		m.deck("retail", "EUR", true)
		m.activate("retail", m.version("retail", cents("", 5)), time.Time{})
		free, dear, cheap := m.version("retail", cents("", 0)), m.version("retail", cents("", 7)), m.version("retail", cents("", 4))
		m.refresh()
		u := m.user("marta", "555000201", "EUR", 3*money.Unit/100)
		given := billing.Movement{Username: "marta", Amount: 3 * money.Unit / 100, Expires: m.clock.Add(time.Hour), Ref: "gift"}
		if _, err := m.service.Move(t.Context(), given); err != nil {
			t.Fatal(err)
		}
		m.want("555000201", "4930", 5) // 3 of the promotion, 2 of her own
		for n, step := range []struct {
			version           int
			main, promo, owed money.Amount
		}{{cheap, 2, 0, 0}, {dear, 0, 0, 1}, {cheap, 2, 0, 0}, {free, 3, 3, 0}, {dear, 0, 0, 1}, {free, 3, 3, 0}} {
			_, done := m.post(fmt.Sprint("run", n), m.period(step.version))
			var main, promo money.Amount
			if err := d.SQL(t).QueryRowContext(t.Context(), "SELECT SUM(CASE WHEN name = 'main' THEN balance ELSE 0 END), SUM(CASE WHEN name <> 'main' THEN balance ELSE 0 END)"+
				" FROM accounts WHERE user_id = ?", u.ID).Scan(&main, &promo); err != nil {
				t.Fatal(err)
			}
			if main*100 != step.main*money.Unit || promo*100 != step.promo*money.Unit || done.Uncovered*100 != step.owed*money.Unit {
				t.Errorf("step %d: she has %s and %s of a promotion, want %d and %d cents; %+v", n, main, promo, step.main, step.promo, done)
			}
		}
	})
}

// TestRerateIsFinished: a re-rating that was broken off is finished by several processes at once, which adjust each call once; until
// then there is no other.
func TestRerateIsFinished(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newMarket(t, d)
		m.deck("retail", "EUR", true)
		m.activate("retail", m.version("retail", cents("", 5)), time.Time{})
		cheap := m.version("retail", cents("", 4))
		m.refresh()
		const calls = 430
		var wait sync.WaitGroup
		for n := range 10 {
			clid := fmt.Sprint("55500030", n)
			m.user("user"+clid, clid, "EUR", 10*money.Unit)
			wait.Go(func() {
				for i := range calls / 10 {
					id := fmt.Sprintf("pbx-%d.%d", n, i)
					if _, err := m.service.Authorize(t.Context(), billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: clid}, Number: "4930"}); err != nil {
						t.Error(err)
					}
					if _, err := m.service.Settle(t.Context(), billing.CallResult{CallID: id, Evidence: minute()}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		f := m.period(cheap)
		preview, err := m.store.PreviewRerate(t.Context(), f, nil)
		if err != nil || preview.Total.Calls != calls || preview.Total.Difference != -calls*money.Unit/100 {
			t.Fatalf("%+v, %v", preview, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = m.store.PostRerate(ctx, "fall", f, preview.Digest, "test", func(r models.Rerate) {
			if r.Calls == 100 {
				cancel()
			}
		})
		cancel()
		run, found := m.store.Rerate(t.Context(), "fall")
		if err == nil || found != nil || run.Calls != 100 || run.DoneAt != nil {
			t.Fatalf("%v; %+v, %v", err, run, found)
		}
		m.audit()
		other, err := m.store.PreviewRerate(t.Context(), f, nil)
		if err != nil || other.Digest == preview.Digest {
			t.Errorf("%+v, %v", other, err)
		}
		if _, err := m.store.PostRerate(t.Context(), "other", f, other.Digest, "test", nil); !errors.Is(err, models.ErrConflict) {
			t.Errorf("another one meanwhile: %v", err)
		}
		for range 4 {
			s := d.Open(t, func(c *store.Config) { c.Now = func() time.Time { return m.clock } })
			wait.Go(func() {
				run, err := s.PostRerate(t.Context(), "fall", f, preview.Digest, "test", nil)
				if err != nil || run.Calls != calls || run.Adjusted != calls || run.DoneAt == nil {
					t.Errorf("%+v, %v", run, err)
				}
			})
		}
		wait.Wait()
		var posted int
		if err := d.SQL(t).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM transactions WHERE kind = 'rerate'").Scan(&posted); err != nil || posted != calls {
			t.Errorf("%d transactions for %d calls, %v", posted, calls, err)
		}
		m.audit()
	})
}

// anyDeck are random rates, of which one is for every number at every time.
func anyDeck(r *rand.Rand, prefixes int) []models.DeckRate {
	rates := []models.DeckRate{{Rate: models.Rate{PerMinute: money.Amount(r.Int64N(900_000)), First: 1, Increment: 1}}}
	for range prefixes {
		rate := models.DeckRate{Rate: models.Rate{
			Prefix: fmt.Sprint(1 + r.IntN(999)), PerMinute: money.Amount(r.Int64N(2_000_000)), ConnectFee: money.Amount(r.IntN(2)) * money.Amount(r.Int64N(99_999)),
			First: 1 + r.Int64N(60), Increment: 1 + r.Int64N(60), Minimum: money.Amount(r.IntN(2)) * money.Amount(r.Int64N(299_999)), Grace: max(r.Int64N(8)-4, 0),
		}}
		if r.IntN(2) == 0 {
			rate.Days, rate.Start, rate.End = models.Days(r.IntN(128)), r.IntN(24*60), r.IntN(24*60)
		}
		if r.IntN(3) == 0 {
			rate.From = time.Date(2026, 3, 2+r.IntN(30), r.IntN(24), 0, 0, 0, time.UTC)
			rate.To = rate.From.Add(time.Duration(1+r.IntN(300)) * time.Hour)
		}
		rates = append(rates, rate)
	}
	return rates
}

// TestOnePrice: on 10,000 random calls by random rates, what a call was charged is what is explained of it, re-rating by the same
// version changes nothing, and by another one makes it what that version's rate costs.
func TestOnePrice(t *testing.T) {
	t.Parallel()
	const rounds, batch = 25, 400
	r := rand.New(rand.NewPCG(7, 11))
	d := storetest.SQLite(t)
	m := newMarket(t, d)
	m.deck("retail", "EUR", true)
	other := anyDeck(r, 400)
	m.activate("retail", m.version("retail", anyDeck(r, 400)...), time.Time{})
	second := m.version("retail", other...)
	m.refresh()
	for n := range 20 {
		m.user(fmt.Sprint("user", n), fmt.Sprint(555000200+n), "EUR", 1_000_000*money.Unit)
	}
	type made struct {
		user, number string
		at           time.Time
	}
	calls := map[string]made{}
	charges := map[string]billing.Charge{}
	began := m.clock
	for round := range rounds {
		m.clock = m.clock.Add(time.Duration(r.Int64N(int64(48 * time.Hour)))).Truncate(time.Microsecond)
		var wait sync.WaitGroup
		var mu sync.Mutex
		for n := range batch {
			user, number, ms := r.IntN(20), fmt.Sprint(1000+r.IntN(999_000)), r.Int64N(400_000)
			wait.Go(func() {
				id := fmt.Sprintf("pbx-%d.%d", round, n)
				if _, err := m.service.Authorize(t.Context(), billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: fmt.Sprint(555000200 + user)}, Number: number}); err != nil {
					t.Error(err)
				}
				e := models.Evidence{Source: billing.SourceReducer, DialStatus: "ANSWER", AnsweredMS: &ms, Over: true}
				charge, err := m.service.Settle(t.Context(), billing.CallResult{CallID: id, Evidence: e})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				calls[id], charges[id] = made{fmt.Sprint("user", user), number, m.clock}, charge
			})
		}
		wait.Wait()
	}
	different, ids := 0, make(chan string)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for id := range ids {
				call, charge := calls[id], charges[id]
				told, err := tariff.Explain(t.Context(), m.store, tariff.Question{User: call.user, Number: call.number, At: call.at, Seconds: charge.Seconds, Longest: 60})
				if err != nil || told.Cost != charge.Amount {
					t.Errorf("call %s of %d s was charged %s, but is explained as %+v (%v)", id, charge.Seconds, charge.Amount, told, err)
				}
			}
		})
	}
	for id := range calls {
		ids <- id
	}
	close(ids)
	wait.Wait()

	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	deck, err := tariff.NewDeck(other, zone)
	if err != nil {
		t.Fatal(err)
	}
	f := models.RerateFilter{From: began, To: m.clock.Add(time.Second), Tariff: "retail"}
	seen := 0
	if _, err := m.store.PreviewRerate(t.Context(), f, func(c models.RepricedCall) error {
		seen++
		if c.Difference != 0 || c.Left != "" || c.Charged != charges[c.CallID].Amount {
			t.Errorf("by its own version: %+v", c)
		}
		return nil
	}); err != nil || seen != rounds*batch {
		t.Errorf("%d calls, %v", seen, err)
	}
	f.Version = second
	preview, err := m.store.PreviewRerate(t.Context(), f, func(c models.RepricedCall) error {
		call, charge := calls[c.CallID], charges[c.CallID]
		rate, ok := deck.Find(call.number, call.at)
		cost, err := billing.Cost(rate, charge.Seconds)
		if !ok || err != nil || c.Cost != cost || c.Difference != cost-charge.Amount {
			t.Errorf("%+v: want %s at %+v (%v)", c, cost, rate, err)
		}
		if c.Difference != 0 {
			different++
		}
		return nil
	})
	if err != nil || different < rounds*batch/2 {
		t.Errorf("%d calls cost something else by the other version, %v", different, err)
	}
	done, err := m.store.PostRerate(t.Context(), "second", f, preview.Digest, "test", nil)
	if err != nil || done.Adjusted != int64(different) || done.Charged-done.Credited != preview.Total.Difference {
		t.Errorf("%+v, %v", done, err)
	}
	if preview, err = m.store.PreviewRerate(t.Context(), f, nil); err != nil || preview.Total.Difference != 0 {
		t.Errorf("afterwards nothing is left to do: %+v, %v", preview.Total, err)
	}
	m.audit()
}
