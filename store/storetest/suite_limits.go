package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// limitTests bound what users do, as set by one process and held by several.
var limitTests = map[string]func(*testing.T, Database){
	"200 calls at once against a user's limit of 7": func(t *testing.T, d Database) {
		tills := twoTills(t, d)
		tills[0].users()
		tills[0].move(marta, 100_000, "r")
		if err := tills[0].store.SetUserLimits(t.Context(), tills[0].id(marta), models.Limits{Calls: 7}, nil, "test"); err != nil {
			t.Fatal(err)
		}
		stampede(t, d, tills, models.RuleCalls, func(int) string { return martaCLID })
	},
	"200 calls at once against a group's limit of 7": func(t *testing.T, d Database) {
		const members = 20
		tills := twoTills(t, d)
		var users []int64
		for i := range members {
			u, err := tills[0].store.AddUser(t.Context(), models.NewUser{Username: fmt.Sprint("user", i), CLID: fmt.Sprint("7000", i), Balance: 1000 * money.Unit}, "test")
			if err != nil {
				t.Fatal(err)
			}
			users = append(users, u.ID)
		}
		group := models.NewGroup{Name: "team", First: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1, Mode: models.ModeTopUp, Users: users}
		if _, err := tills[0].store.NewGroup(t.Context(), group, "test"); err != nil {
			t.Fatal(err)
		}
		if err := tills[0].store.SetGroupLimits(t.Context(), "team", models.GroupLimits{SharedCalls: 7}, nil, "test"); err != nil {
			t.Fatal(err)
		}
		stampede(t, d, tills, models.RuleGroupCalls, func(i int) string { return fmt.Sprint("7000", i%members) })
		limits, err := tills[1].store.GroupLimits(t.Context(), "team")
		if err != nil || limits.SharedCalls != 7 || limits.Open != 0 {
			t.Errorf("%+v, %v", limits, err)
		}
	},
	"limits of users, groups and the site":         effectiveLimits,
	"spending and premium calls are counted":       countedSpending,
	"new countries are told from those called":     newCountries,
	"refusals are listed, and forgotten with time": forgottenRefusals,
}

// id is that of a user.
func (k *till) id(username string) int64 {
	k.Helper()
	u, err := k.store.UserByName(k.Context(), username)
	if err != nil {
		k.Fatal(err)
	}
	return u.ID
}

// reads has a till learn of the limits of groups and the site, as every process does within a second.
func (k *till) reads() {
	k.Helper()
	if _, err := k.store.LoadDecks(k.Context(), nil); err != nil {
		k.Fatal(err)
	}
}

// forbidden expects that a rule refuses a call of Marta's.
func (k *till) forbidden(rule, callID, number string) {
	k.Helper()
	_, err := k.Authorize(k.Context(), request(martaCLID, callID, number))
	var refusal *billing.Refusal
	if !errors.As(err, &refusal) || refusal.Rule != rule {
		k.Fatalf("%s to %s: %v, want a refusal by %q", callID, number, err, rule)
	}
}

// stampede has 200 callers call at once, of whom a limit permits 7, and ends their calls.
func stampede(t *testing.T, d Database, tills [2]*till, rule string, clid func(i int) string) {
	t.Helper()
	const callers, most = 200, 7
	for _, k := range tills {
		k.reads()
	}
	var mu sync.Mutex
	var granted []billing.CallResult
	each(callers, func(i int) {
		callID := fmt.Sprint("pbx-1.", i)
		_, err := tills[i%2].Authorize(t.Context(), request(clid(i), callID, abroad))
		var refusal *billing.Refusal
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			granted = append(granted, result(clid(i), callID, answered("reducer", 3000)))
		case !errors.As(err, &refusal) || !errors.Is(err, billing.ErrLimit) || refusal.Rule != rule:
			t.Errorf("call %d: %v", i, err)
		}
	})
	if len(granted) != most {
		t.Errorf("%d were permitted, want %d", len(granted), most)
	}
	refused, err := tills[0].store.ListRefusals(t.Context(), models.ListRequest{Number: 1, Size: callers})
	if err != nil || len(refused.Items) != callers-most {
		t.Errorf("%d refusals, %v", len(refused.Items), err)
	}
	for _, r := range refused.Items {
		if r.Rule != rule || r.Status != "LIMIT" || r.Number != abroad || r.UserID == 0 || r.Reason == "" || r.At.IsZero() {
			t.Errorf("%+v", r)
		}
	}
	Audited(t, tills[0].store)
	each(len(granted), func(i int) {
		if _, err := tills[(i+1)%2].Settle(t.Context(), granted[i]); err != nil {
			t.Error(err)
		}
	})
	if open := number(t, d, "SELECT (SELECT COALESCE(SUM(open_calls), 0) FROM accounts) + (SELECT COALESCE(SUM(calls), 0) FROM pools)"); open != 0 {
		t.Errorf("%d calls are counted when all have ended", open)
	}
}

// number is what a query finds.
func number(t *testing.T, d Database, query string) (n int64) {
	t.Helper()
	if err := d.SQL(t).QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func effectiveLimits(t *testing.T, d Database) {
	tills := twoTills(t, d)
	here, there := tills[0], tills[1]
	here.users()
	id := here.id(marta)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := here.store.NewGroup(ctx, models.NewGroup{Name: "team", First: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1, Mode: models.ModeTopUp, Users: []int64{id}}, "test")
	must(err)
	must(here.store.SetSiteLimits(ctx, models.Limits{Blocked: []string{"598"}, Seconds: 9}, "test"))
	must(here.store.SetGroupLimits(ctx, "team", models.GroupLimits{Limits: models.Limits{Seconds: 8}}, nil, "test"))
	there.reads()
	there.forbidden(models.RuleBlocked, "pbx-1.1", abroad)
	if auth, err := there.Authorize(ctx, request(martaCLID, "pbx-1.2", "4930123456")); err != nil || auth.Seconds != 8 {
		t.Errorf("%+v, %v", auth, err)
	}
	must(here.store.SetUserLimits(ctx, id, models.Limits{Seconds: 5, Allowed: []string{"598"}}, nil, "test")) // counts at once
	if auth, err := there.Authorize(ctx, request(martaCLID, "pbx-1.3", abroad)); err != nil || auth.Seconds != 5 {
		t.Errorf("%+v, %v", auth, err)
	}
	there.forbidden(models.RuleAllowed, "pbx-1.4", "4930123456")
	found, err := there.store.UserLimits(ctx, id)
	if e := found.Effective(); err != nil || e.Seconds != 5 || len(e.Blocked) != 0 || len(e.Allowed) != 1 || found.GroupName != "team" || found.Group.Seconds != 8 || found.Site.Seconds != 9 {
		t.Errorf("%+v, %v", found, err)
	}
	must(here.store.SetUserLimits(ctx, id, models.Limits{}, nil, "test"))
	must(here.store.SetGroupLimits(ctx, "team", models.GroupLimits{}, nil, "test"))
	must(here.store.SetSiteLimits(ctx, models.Limits{}, "test"))
	must(here.store.SetSiteLimits(ctx, models.Limits{}, "test")) // nothing changes
	there.reads()
	for i := range 2 {
		there.end(fmt.Sprint("pbx-1.", 2+i), answered("reducer", 1000))
	}
	if auth := there.permit("pbx-1.5", abroad); auth.Seconds != 60 {
		t.Errorf("%+v", auth)
	}
	if err := here.store.SetUserLimits(ctx, 999, models.Limits{Calls: 1}, nil, "test"); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
	if err := here.store.SetGroupLimits(ctx, "nothing", models.GroupLimits{}, nil, "test"); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
	if err := here.store.SetUserLimits(ctx, id, models.Limits{Calls: -1}, nil, "test"); !errors.Is(err, models.ErrInvalid) {
		t.Error(err)
	}
	if err := here.store.SetGroupLimits(ctx, "team", models.GroupLimits{SharedCalls: -1}, nil, "test"); !errors.Is(err, models.ErrInvalid) {
		t.Error(err)
	}
}

func countedSpending(t *testing.T, d Database) {
	clock := newClock()
	clock.now = time.Date(2030, 5, 5, 12, 0, 0, 0, time.UTC)
	s := d.Migrated(t)
	k, other := newTill(t, s, clock.option), newTill(t, d.Open(t), clock.option)
	k.users()
	err := s.SetUserLimits(t.Context(), k.id(marta), models.Limits{Hour: 50 * money.Unit, Day: 70 * money.Unit, Premium: []string{"900"}, PremiumCalls: 1}, nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	k.permitFor(t, "pbx-1.1", "9001234", 50)
	other.forbidden(models.RulePremium, "pbx-1.2", "9001234")
	other.forbidden(models.RuleHour, "pbx-1.2", abroad)
	other.end("pbx-1.1", answered("reducer", 50_000))
	k.forbidden(models.RuleHour, "pbx-1.2", abroad)
	clock.pass(time.Hour)
	other.permitFor(t, "pbx-1.2", abroad, 20)
	k.end("pbx-1.2", answered("reducer", 20_000))
	clock.pass(time.Hour)
	other.forbidden(models.RuleDay, "pbx-1.3", abroad)
	clock.pass(24 * time.Hour)
	k.permitFor(t, "pbx-1.3", "9001234", 50)
}

// permitFor expects a permission for so many seconds.
func (k *till) permitFor(t *testing.T, callID, number string, seconds int64) {
	t.Helper()
	auth, err := k.Authorize(t.Context(), request(martaCLID, callID, number))
	if err != nil || auth.Seconds != seconds {
		t.Errorf("%s: %+v, %v; want %d s", callID, auth, err, seconds)
	}
}

func newCountries(t *testing.T, d Database) {
	country := func(number string) string { return number[:3] }
	s := d.Migrated(t)
	policy := func(o *billing.Options) { o.Policy.Country = country }
	k, other := newTill(t, s, policy), newTill(t, d.Open(t), policy)
	k.users()
	k.move(marta, 100_000, "r")
	talk := func(k *till, callID, number string) {
		t.Helper()
		k.permit(callID, number)
		k.end(callID, answered("reducer", 1000))
	}
	talk(k, "pbx-1.1", "4411234567")
	k.permit("pbx-1.2", "4421234567") // nobody answers
	k.end("pbx-1.2", unanswered("reducer", "BUSY"))
	one := int64(1)
	if err := s.SetUserLimits(t.Context(), k.id(marta), models.Limits{NewCountries: &one}, country, "test"); err != nil {
		t.Fatal(err)
	}
	talk(other, "pbx-1.3", "4411234567") // known from before
	talk(k, "pbx-1.4", "4431234567")
	other.forbidden(models.RuleNewCountries, "pbx-1.5", "4421234567")
	talk(other, "pbx-1.5", "4431234567") // the other process knows it too
	other.forbidden(models.RuleNewCountries, "pbx-1.6", "4441234567")
	k.forbidden(models.RuleNewCountries, "pbx-1.6", "4441234567")
	if notices := number(t, d, "SELECT COUNT(*) FROM notices WHERE kind = 'brake'"); notices != 1 {
		t.Errorf("%d notices: of a brake there is one a day", notices)
	}
}

func forgottenRefusals(t *testing.T, d Database) {
	clock := newClock()
	s := d.Migrated(t)
	k := newTill(t, s, clock.option)
	k.users()
	if err := s.SetUserLimits(t.Context(), k.id(marta), models.Limits{Blocked: []string{"9"}}, nil, "test"); err != nil {
		t.Fatal(err)
	}
	const old, young = 2500, 3
	each(old, func(i int) {
		if i%8 == 0 {
			for n := i; n < min(i+8, old); n++ {
				k.forbidden(models.RuleBlocked, fmt.Sprint("pbx-1.", n), "9001234")
			}
		}
	})
	clock.pass(48 * time.Hour)
	for i := range young {
		k.forbidden(models.RuleBlocked, fmt.Sprint("pbx-2.", i), "9001234")
	}
	other := d.Open(t)
	var mu sync.Mutex
	var deleted int64
	each(4, func(i int) {
		n, err := []interface {
			ForgetRefusals(ctx context.Context, before time.Time) (int64, error)
		}{s, other}[i%2].ForgetRefusals(t.Context(), clock.Now().Add(-24*time.Hour))
		mu.Lock()
		defer mu.Unlock()
		deleted += n
		if err != nil {
			t.Error(err)
		}
	})
	if n, err := s.ForgetRefusals(t.Context(), clock.Now().Add(-24*time.Hour)); deleted+n != old || err != nil {
		t.Errorf("%d were deleted, %v", deleted+n, err)
	}
	left, err := s.ListRefusals(t.Context(), models.ListRequest{Number: 1, Size: 100})
	if err != nil || len(left.Items) != young || left.Total != young {
		t.Errorf("%d are left, %v", len(left.Items), err)
	}
}
