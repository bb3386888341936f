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

// notices are all that there are, the oldest first.
func notices(t *testing.T, s *store.Store) []models.ToldNotice {
	t.Helper()
	list, err := s.ListNotices(t.Context(), models.ListRequest{Number: 1, Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(list.Items)
	return list.Items
}

func addWebhook(t *testing.T, s *store.Store, name string, kinds ...string) models.Webhook {
	t.Helper()
	w, err := s.AddWebhook(t.Context(), models.Webhook{Name: name, URL: "https://hooks.example.net/" + name, Kinds: kinds, Enabled: true}, "test")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// claim takes what is due next, as "webhook notice try", or fails the test when it is not this.
func claim(t *testing.T, s *store.Store, mail bool, want string) models.Delivery {
	t.Helper()
	d, err := s.ClaimDelivery(t.Context(), mail, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got := "nothing"
	if d != nil {
		got = fmt.Sprintf("%s %s %d", orMail(d.Webhook), d.Notice.Kind, d.Try)
	}
	if got != want {
		t.Fatalf("next is %s, want %s", got, want)
	}
	if d == nil {
		return models.Delivery{}
	}
	return d.Delivery
}

func orMail(name string) string {
	if name == "" {
		return "mail"
	}
	return name
}

// TestLowBalanceIsToldOnce: of 50 calls that end at once and take a balance below its threshold, one makes the notice, in the
// transaction of its charge; a top-up and a movement that is refused make none.
func TestLowBalanceIsToldOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		ctx := t.Context()
		const calls = 50
		service := billing.New(billing.Options{Store: s, Lanes: s.Lanes(), Policy: billing.Policy{
			MaxCallSeconds: 10, RingSeconds: 40, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"},
			Warn: map[string]money.Amount{"SEC": 300 * money.Unit},
		}})
		defer service.Close()
		for name, clid := range map[string]string{"marta": "5551", "joel": "5552"} {
			if _, err := s.AddUser(ctx, models.NewUser{Username: name, CLID: clid, Balance: calls * 10 * money.Unit}, "test"); err != nil {
				t.Fatal(err)
			}
		}
		own := 200 * money.Unit
		joel, err := s.UserByName(ctx, "joel")
		if err != nil {
			t.Fatal(err)
		}
		low := &own
		if _, err := s.ChangeUsers(ctx, []int64{joel.ID}, models.UserChange{LowBalance: &low}, "test"); err != nil {
			t.Fatal(err)
		}
		if joel, err = s.UserByName(ctx, "joel"); err != nil || joel.LowBalance == nil || *joel.LowBalance != own {
			t.Fatalf("joel is warned at %v (%v)", joel.LowBalance, err)
		}
		var everybody sync.WaitGroup
		for n := range 2 * calls {
			clid := fmt.Sprint(5551 + n%2)
			id := fmt.Sprintf("call-%d", n)
			auth, err := service.Authorize(ctx, billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: clid}, Number: "59899123000"})
			if err != nil {
				t.Fatal(err)
			}
			everybody.Go(func() {
				talked := int64(10_000)
				res := billing.CallResult{CallID: auth.CallID, Identity: billing.Identity{CallerID: clid}, Evidence: models.Evidence{Source: "caller", DialStatus: "ANSWER", AnsweredMS: &talked, Over: true}}
				if _, err := service.Settle(ctx, res); err != nil {
					t.Error(err)
				}
			})
		}
		everybody.Wait()
		var got []string
		for _, n := range notices(t, s) {
			got = append(got, fmt.Sprintf("%s %s %s", n.Username, n.Kind, n.Data))
			if n.At.IsZero() || len(n.Deliveries) != 0 {
				t.Errorf("%+v", n)
			}
		}
		slices.Sort(got)
		want := []string{`joel low-balance {"balance":"190","below":"200","currency":"SEC"}`, `marta low-balance {"balance":"290","below":"300","currency":"SEC"}`}
		if !slices.Equal(got, want) {
			t.Errorf("there are %q, want %q", got, want)
		}
		move := func(amount money.Amount, ref string) error {
			_, err := service.Move(ctx, billing.Movement{Username: "marta", Amount: amount, Ref: ref, Actor: "test"})
			return err
		}
		if err := move(100*money.Unit, "below the threshold still"); err != nil {
			t.Fatal(err)
		}
		if err := move(250*money.Unit, "above it"); err != nil {
			t.Fatal(err)
		}
		if err := move(-1000*money.Unit, "more than there is"); !errors.Is(err, billing.ErrInsufficientFunds) {
			t.Fatal(err)
		}
		if n := len(notices(t, s)); n != 2 {
			t.Errorf("there are %d notices", n)
		}
		if err := move(-100*money.Unit, "below it again"); err != nil {
			t.Fatal(err)
		}
		if n := len(notices(t, s)); n != 3 {
			t.Errorf("there are %d notices", n)
		}
		storetest.Audited(t, s)
	})
}

// TestNoticeGoesWithItsTransaction: what is not committed leaves none.
func TestNoticeGoesWithItsTransaction(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		notice := models.Notice{Kind: models.NoticeLoss, Data: "{}", Once: "the same"}
		fail := func(st *billing.State) {
			st.Notices = append(st.Notices, notice)
			st.Posted = append(st.Posted, models.Transaction{ID: 1, Ref: models.Ref{Kind: models.KindTopUp, Ref: "x"}, Entries: []models.Entry{{AccountID: 1 << 40, Amount: 1}, {AccountID: 1 << 40, Amount: -1}}})
			st.ChangedAccounts[1<<40] = models.Account{ID: 1 << 40, Balance: 1} // of nobody
		}
		if err := s.Update(t.Context(), billing.Keys{}, fail); err == nil {
			t.Fatal("an account of nobody was written")
		}
		if n := len(notices(t, s)); n != 0 {
			t.Errorf("there are %d notices", n)
		}
		for range 2 {
			if err := s.Update(t.Context(), billing.Keys{}, func(st *billing.State) { st.Notices = append(st.Notices, notice) }); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(notices(t, s)); n != 1 {
			t.Errorf("there are %d notices", n)
		}
		storetest.Audited(t, s)
	})
}

func note(t *testing.T, s *store.Store, kinds ...string) {
	t.Helper()
	err := s.Update(t.Context(), billing.Keys{}, func(st *billing.State) {
		for _, kind := range kinds {
			st.Notices = append(st.Notices, models.Notice{Kind: kind, Data: `{"number":"900"}`})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func spread(t *testing.T, s *store.Store, mail bool) {
	t.Helper()
	if _, err := s.SpreadNotices(t.Context(), mail); err != nil {
		t.Fatal(err)
	}
}

// TestDeliveries: each notice goes to whoever wants it, each try is a row, and what was given up is not tried again.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		ctx := t.Context()
		note(t, s, models.NoticeLoss)
		spread(t, s, false) // nobody wants to hear anything yet
		addWebhook(t, s, "all")
		addWebhook(t, s, "brakes", models.NoticeBrake, models.NoticeRefusals)
		addWebhook(t, s, "off")
		off := false
		if _, err := s.ChangeWebhook(ctx, "off", models.WebhookChange{Enabled: &off}, "test"); err != nil {
			t.Fatal(err)
		}
		claim(t, s, true, "nothing")
		note(t, s, models.NoticeBrake)
		spread(t, s, true)
		spread(t, s, true)
		mailed := claim(t, s, true, "mail brake 1")
		first := claim(t, s, true, "all brake 1")
		second := claim(t, s, false, "brakes brake 1")
		claim(t, s, true, "nothing")
		mailed.State = models.DeliveryDone
		first.State, first.Status, first.Error = models.DeliveryFailed, 503, strings.Repeat("ü", 300)
		second.State, second.Error = models.DeliveryGivenUp, "it answered 404 Not Found"
		for _, d := range []models.Delivery{mailed, first, second} {
			if err := s.Delivered(ctx, d, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		first.State = models.DeliveryDone // somebody who was thought dead
		if err := s.Delivered(ctx, first, time.Hour); err != nil {
			t.Fatal(err)
		}
		claim(t, s, true, "nothing") // until it is due again
		var log []string
		all := notices(t, s)
		for _, d := range all[1].Deliveries {
			log = append(log, fmt.Sprintf("%s %d %s %d %t", orMail(d.Webhook), d.Try, d.State, d.Status, d.Tried.IsZero()))
			if d.Try == 2 && time.Until(d.Due).Round(time.Hour) != time.Hour {
				t.Errorf("the next try is at %s", d.Due)
			}
		}
		want := []string{"mail 1 done 0 false", "all 1 failed 503 false", "all 2 waiting 0 true", "brakes 1 given-up 0 false"}
		if !slices.Equal(log, want) || len(all[0].Deliveries) != 0 {
			t.Errorf("the log is %q, want %q; and of the first notice %v", log, want, all[0].Deliveries)
		}
		f, err := s.Figures(ctx)
		if err != nil || f.Notices != 1 || f.NoticesFailing != 1 || f.NoticesGivenUp != 1 {
			t.Errorf("figures %+v (%v)", f, err)
		}
		// A claim ends by itself.
		db := d.SQL(t)
		if _, err := db.ExecContext(ctx, "UPDATE notice_deliveries SET due_at = tried_at WHERE 1 = 0"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(ctx, "UPDATE notice_deliveries SET due_at = (SELECT at FROM notices WHERE id = notice_id) WHERE state = 'waiting'"); err != nil {
			t.Fatal(err)
		}
		claim(t, s, false, "all brake 2")
		claim(t, s, false, "nothing")
		if _, err := db.ExecContext(ctx, "UPDATE notice_deliveries SET claimed_until = due_at WHERE state = 'waiting'"); err != nil {
			t.Fatal(err)
		}
		claim(t, s, false, "all brake 2")
		if err := s.RemoveWebhook(ctx, "all", "test"); err != nil {
			t.Fatal(err)
		}
		if f, err := s.Figures(ctx); err != nil || f.Notices != 0 {
			t.Errorf("figures %+v (%v)", f, err)
		}
		storetest.Audited(t, s)
	})
}

// TestSendersAtOnce: many processes spread each notice once and deliver it once to each.
func TestSendersAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		for _, name := range []string{"a", "b"} {
			addWebhook(t, s, name)
		}
		const many = 30
		for range many {
			note(t, s, models.NoticeBrake)
		}
		other := d.Open(t)
		var mu sync.Mutex
		delivered := map[string]int{}
		var everybody sync.WaitGroup
		for n := range 6 {
			s := []*store.Store{s, other}[n%2]
			everybody.Go(func() {
				for done := 0; done < 2*many; {
					if _, err := s.SpreadNotices(t.Context(), false); err != nil && !errors.Is(err, models.ErrUnavailable) {
						t.Error(err)
						return
					}
					d, err := s.ClaimDelivery(t.Context(), false, time.Minute)
					if err != nil && !errors.Is(err, models.ErrUnavailable) {
						t.Error(err)
						return
					}
					if d != nil {
						d.State = models.DeliveryDone
						for err = s.Delivered(t.Context(), d.Delivery, 0); errors.Is(err, models.ErrUnavailable); err = s.Delivered(t.Context(), d.Delivery, 0) {
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
					mu.Lock()
					if d != nil {
						delivered[fmt.Sprintf("%s %d", d.Webhook, d.NoticeID)]++
					}
					done = len(delivered)
					mu.Unlock()
				}
			})
		}
		everybody.Wait()
		for what, n := range delivered {
			if n != 1 {
				t.Errorf("%s was delivered %d times", what, n)
			}
		}
		storetest.Audited(t, s)
	})
}

// TestOldNoticesAreForgotten, with their deliveries, and no others.
func TestOldNoticesAreForgotten(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		addWebhook(t, s, "ops")
		note(t, s, models.NoticeBrake, models.NoticeLoss, models.NoticeLoss, models.NoticeBrake)
		spread(t, s, false)
		db := d.SQL(t)
		if _, err := db.ExecContext(t.Context(), "UPDATE notices SET at = '2020-01-01 00:00:00' WHERE id IN (1, 2, 3)"); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{2, 1, 0} {
			if n, err := s.ForgetNotices(t.Context(), time.Date(2020, 2, 1, 0, 0, 0, 0, time.UTC), 2); n != want || err != nil {
				t.Errorf("%d are forgotten, want %d (%v)", n, want, err)
			}
		}
		left := notices(t, s)
		var deliveries int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM notice_deliveries").Scan(&deliveries); err != nil {
			t.Fatal(err)
		}
		if len(left) != 1 || left[0].ID != 4 || deliveries != 1 {
			t.Errorf("there are left %+v, and %d deliveries", left, deliveries)
		}
	})
}

// TestRefusalBursts: one notice of a user within a window, also when several processes look.
func TestRefusalBursts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		now := time.Now().UTC()
		refuse := func(user int64, n int, at time.Time) {
			t.Helper()
			err := s.Update(t.Context(), billing.Keys{}, func(st *billing.State) {
				for range n {
					st.Refused = append(st.Refused, models.Refused{At: at, UserID: user, CallID: "x", Number: "900", Status: "LIMIT", Rule: "day", Reason: "no"})
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		refuse(7, 20, now)
		refuse(8, 19, now)
		refuse(9, 10, now)
		refuse(9, 30, now.Add(-6*time.Minute))
		var everybody sync.WaitGroup
		var mu sync.Mutex
		noted := 0
		for range 4 {
			everybody.Go(func() {
				n, err := s.NoteRefusals(context.WithoutCancel(t.Context()), 20, 5*time.Minute)
				mu.Lock()
				defer mu.Unlock()
				noted += n
				if err != nil && !errors.Is(err, models.ErrUnavailable) {
					t.Error(err)
				}
			})
		}
		everybody.Wait()
		refuse(7, 20, now)
		refuse(8, 1, now)
		if _, err := s.NoteRefusals(t.Context(), 20, 5*time.Minute); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range notices(t, s) {
			got = append(got, fmt.Sprintf("%d %s %s", n.UserID, n.Kind, n.Data))
		}
		want := []string{`7 refusals {"refused":20,"minutes":5}`, `8 refusals {"refused":20,"minutes":5}`}
		if !slices.Equal(got, want) || noted > 1 {
			t.Errorf("there are %q, want %q; %d were noted at once", got, want, noted)
		}
	})
}
