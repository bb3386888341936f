package billing_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// TestFirstSlice: it is a slice in whole increments, or half of what there is, or the last there is.
func TestFirstSlice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		slice, balance int64
		number         string
		limits         *models.Limits
		longest        int64
		seconds, held  int64 // 0: refused
	}{
		"a slice of plenty":                       {slice: 5, balance: 40, number: "1", seconds: 5, held: 5},
		"a slice of some":                         {slice: 5, balance: 23, number: "1", seconds: 5, held: 5},
		"two of three seconds":                    {slice: 5, balance: 3, number: "1", seconds: 2, held: 2},
		"the last second":                         {slice: 5, balance: 1, number: "1", seconds: 1, held: 1},
		"a long slice of plenty":                  {slice: 300, balance: 1000, number: "1", seconds: 300, held: 300},
		"half of what there is":                   {slice: 300, balance: 100, number: "1", seconds: 50, held: 50},
		"half, and no less than the last":         {slice: 300, balance: 40, number: "1", seconds: 20, held: 20},
		"23 of a long slice":                      {slice: 300, balance: 23, number: "1", seconds: 20, held: 20},
		"3 of a long slice":                       {slice: 300, balance: 3, number: "1", seconds: 3, held: 3},
		"1 of a long slice":                       {slice: 300, balance: 1, number: "1", seconds: 1, held: 1},
		"a dear second":                           {slice: 5, balance: 23, number: "4", seconds: 2, held: 8}, // of 5, the half
		"a whole first increment":                 {slice: 5, balance: 180, number: "60", seconds: 60, held: 60},
		"a first increment that takes it all":     {slice: 5, balance: 60, number: "60", seconds: 60, held: 60},
		"less than the first increment":           {slice: 5, balance: 59, number: "60"},
		"a slice that ends inside an increment":   {slice: 7, balance: 180, number: "6", seconds: 12, held: 12},
		"half that ends inside an increment":      {slice: 300, balance: 99, number: "66", seconds: 60, held: 60},
		"a connect fee":                           {slice: 5, balance: 23, number: "10", seconds: 5, held: 15},
		"a connect fee beside a long slice":       {slice: 300, balance: 40, number: "10", seconds: 20, held: 30},
		"a minimum":                               {slice: 5, balance: 23, number: "15", seconds: 5, held: 15},
		"a minimum that is all there is":          {slice: 5, balance: 15, number: "15", seconds: 5, held: 15},
		"less than the minimum":                   {slice: 5, balance: 14, number: "15"},
		"nothing to pay":                          {slice: 5, balance: 23, number: "0", seconds: 7200},
		"the longest call":                        {slice: 5, balance: 40, number: "1", longest: 3, seconds: 2, held: 2},
		"the longest call of the user":            {slice: 5, balance: 40, number: "1", limits: &models.Limits{Seconds: 4}, seconds: 2, held: 2},
		"what he may spend in an hour":            {slice: 300, balance: 180, number: "1", limits: &models.Limits{Hour: units(30)}, seconds: 20, held: 20},
		"what he may spend in a day":              {slice: 300, balance: 180, number: "1", limits: &models.Limits{Hour: units(90), Day: units(3)}, seconds: 3, held: 3},
		"the least slice":                         {slice: 2, balance: 40, number: "1", seconds: 2, held: 2},
		"a slice that is longer than calls last":  {slice: 3600, balance: 9000, number: "1", longest: 60, seconds: 30, held: 30},
		"a slice beside money that nobody counts": {slice: 3600, balance: 9_000_000, number: "1", seconds: 3600, held: 3600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeeping(t, c.slice, c.balance, with(func(p *billing.Policy) {
				if c.longest > 0 {
					p.MaxCallSeconds = c.longest
				}
			}))
			if c.limits != nil {
				k.limit(*c.limits)
			}
			auth, err := k.ask("pbx-1.1", c.number, keeperID)
			k.money(c.balance, c.held)
			if c.seconds == 0 {
				refused(t, err, billing.ErrInsufficientFunds)
				return
			}
			if err != nil || auth.Seconds != c.seconds || auth.Limit != c.seconds || auth.Keeper != keeperID || auth.Longest < c.seconds {
				t.Errorf("%+v, %v; want %d s", auth, err, c.seconds)
			}
			call := k.call("pbx-1.1")
			if call.Limit != c.seconds || call.Slice != c.slice || call.Keeper != keeperID || !call.Due.Equal(k.clock.Add(time.Duration(40+c.seconds)*time.Second)) {
				t.Errorf("%+v", call)
			}
		})
	}
}

// TestNobodyKeepsIt: without a keeper, or without slices, all is held at once.
func TestNobodyKeepsIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ slice, keeper int64 }{"no keeper": {5, 0}, "no slices": {0, keeperID}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeeping(t, c.slice, 40)
			auth, err := k.ask("pbx-1.1", "1", c.keeper)
			if err != nil || auth.Seconds != 40 || auth.Keeper != 0 || auth.Limit != 0 || auth.Longest != 0 {
				t.Errorf("%+v, %v", auth, err)
			}
			if !k.at(35).Over {
				t.Error("it was reviewed")
			}
			k.money(40, 40)
		})
	}
}

// TestToTheLastSecond: the steps become smaller, and the last is what is left.
func TestToTheLastSecond(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 23)
	k.permit("pbx-1.1", "1")
	for _, c := range []struct {
		elapsed float64
		limit   int64
	}{{1, 5}, {2.9, 5}, {3.99, 10}, {4, 10}, {7.9, 10}, {9, 15}, {14, 19}, {18.2, 21}, {20, 23}} {
		before := k.call("pbx-1.1").Limit
		kept := k.at(c.elapsed)
		if want := (billing.Kept{Limit: c.limit, Until: c.limit, Grown: c.limit > before, Last: 23}); kept != want {
			t.Errorf("at %v: %+v, want %+v", c.elapsed, kept, want)
		}
	}
	k.money(23, 23)
	if kept := k.at(22); kept != (billing.Kept{Limit: 23, Until: 23, Short: true, Last: 23}) {
		t.Errorf("in the end: %+v", kept)
	}
	if charge := k.settle("pbx-1.1", answered("caller", 23_240)); charge.Seconds != 23 || charge.Amount != 23*money.Unit {
		t.Errorf("%+v", charge)
	}
	k.money(0, 0)
}

// TestBalancesAreTalkedOut: whatever the slice and the rate, nothing is left that would have paid for more.
func TestBalancesAreTalkedOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		slice, balance int64
		number         string
		seconds, left  int64
	}{
		"slices of 5":           {5, 23, "1", 23, 0},
		"slices of 2":           {2, 23, "1", 23, 0},
		"slices of 300":         {300, 1000, "1", 1000, 0},
		"a dear one":            {5, 23, "4", 5, 3},
		"minutes":               {5, 179, "60", 120, 59},
		"a minute and sixes":    {5, 100, "66", 96, 4},
		"sixes":                 {5, 100, "6", 96, 4},
		"with a connect fee":    {5, 23, "10", 13, 0},
		"with a minimum":        {5, 23, "15", 23, 0},
		"within the minimum":    {2, 15, "15", 15, 0},
		"all in the last slice": {300, 11, "1", 11, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeeping(t, c.slice, c.balance)
			k.begin(c.number)
			k.run(0)
			k.talked(c.seconds)
			k.money(c.left, 0)
		})
	}
}

// TestCallsEndTogether: several calls share a balance to the last second. within is how far their ends are apart at the most.
func TestCallsEndTogether(t *testing.T) {
	t.Parallel()
	type begin struct {
		after  float64
		number string
	}
	for name, c := range map[string]struct {
		slice, balance int64
		calls          []begin
		within         float64
		left           int64 // at the most
	}{
		"two at once":                      {5, 40, []begin{{0, "1"}, {0, "1"}}, 1, 0},
		"two, one after the other":         {5, 40, []begin{{0, "1"}, {7.3, "1"}}, 1, 0},
		"two with the default slice":       {300, 40, []begin{{0, "1"}, {4, "1"}}, 1, 0},
		"two for long":                     {300, 3000, []begin{{0, "1"}, {400.5, "1"}}, 1, 0},
		"three rates":                      {5, 100, []begin{{0, "1"}, {0, "2"}, {0, "4"}}, 1.1, 0},
		"three rates, one after the other": {5, 200, []begin{{0, "4"}, {3.5, "1"}, {6.2, "2"}}, 2.1, 0},
		"a minute beside seconds":          {5, 200, []begin{{0, "60"}, {2, "1"}}, 60, 0},
		"sixes beside seconds":             {5, 100, []begin{{0, "6"}, {2, "1"}}, 6, 0},
		"a connect fee beside seconds":     {5, 50, []begin{{0, "1"}, {5, "10"}}, 1, 0},
		"one that is for nothing":          {5, 40, []begin{{0, "1"}, {3, "1"}, {5, "0"}}, 7200, 0},
		"one that begins near the end":     {5, 23, []begin{{0, "1"}, {15, "1"}}, 1, 0},
		"five":                             {5, 111, []begin{{0, "1"}, {1, "1"}, {2, "1"}, {3, "1"}, {3, "1"}}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeeping(t, c.slice, c.balance)
			now := 0.0
			for _, b := range c.calls {
				if b.after > now {
					k.run(b.after - now)
					now = b.after
				}
				k.begin(b.number)
			}
			k.run(0)
			var ends []time.Time
			for _, call := range k.talks {
				ends = append(ends, call.ended)
				if s := k.call(call.CallID).Shortfall; s != 0 {
					t.Errorf("a shortfall of %s", s)
				}
			}
			if apart := slices.MaxFunc(ends, time.Time.Compare).Sub(slices.MinFunc(ends, time.Time.Compare)); apart.Seconds() > c.within {
				t.Errorf("their ends are %s apart", apart)
			}
			if a := k.account(k.marta); a.Balance > units(c.left) || a.Balance < 0 || a.Held != 0 {
				t.Errorf("%s are left, %s held", a.Balance, a.Held)
			}
		})
	}
}

// TestHalfStaysForOthers: with the default slice and little money a second call may be made, which the first one leaves its share.
func TestHalfStaysForOthers(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 300, 40)
	k.permit("pbx-1.1", "1") // 20
	k.wait(5)
	k.at(1) // it was answered after 4
	k.wait(9)
	if auth := k.permit("pbx-1.2", "1"); auth.Seconds != 15 { // 10 s of the first are left: 15 more of this one and 5 of that are 20
		t.Errorf("%+v", auth)
	}
	if kept := k.at(10); kept.Limit != 25 {
		t.Errorf("%+v", kept)
	}
	k.money(40, 40)
	if _, err := k.ask("pbx-1.3", "1", keeperID); refused(t, err, billing.ErrInsufficientFunds) != "all credit is held by calls in progress" {
		t.Error(err)
	}
}

// TestWhoEndsGivesTheRest: to the calls that go on, who are told of it.
func TestWhoEndsGivesTheRest(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 40)
	first := k.begin("1")
	k.begin("1")
	k.run(10)
	k.store.moved = nil
	k.looked = 0
	k.end(first) // after 10
	if !slices.Equal(k.store.moved, []int64{k.marta.ID}) {
		t.Errorf("told are %v", k.store.moved)
	}
	k.run(0)
	k.talked(10, 30)
	k.money(0, 0)
}

// TestWhatIsTold: of a movement of money the calls in progress learn, and of nothing else.
func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 40)
	told := func(what string, want bool) {
		t.Helper()
		if got := len(k.store.moved) > 0; got != want {
			t.Errorf("%s: told %v, want %v", what, got, want)
		}
		k.store.moved = nil
	}
	k.topUp("marta", 1)
	told("a top-up of one who calls nobody", false)
	k.permit("pbx-1.1", "1")
	told("his first call", false)
	k.at(4)
	told("a slice", false)
	k.topUp("marta", 5)
	told("a top-up", true)
	k.topUp("marta", -2)
	told("a withdrawal", true)
	k.topUp("joel", 5)
	told("another's top-up", false)
	if _, err := k.Transfer(t.Context(), billing.Transfer{From: k.joel.ID, To: k.marta.ID, Amount: money.Unit, Ref: "t"}); err != nil {
		t.Fatal(err)
	}
	told("a transfer", true)
	k.permit("pbx-1.2", "4")
	told("another call", false)
	k.permit("pbx-1.2", "1")
	told("a redirect that frees money", true)
	if err := k.Release(t.Context(), billing.Identity{CallerID: martaCLID}, "pbx-1.2", "test"); err != nil {
		t.Fatal(err)
	}
	told("the end of one of two", true)
	k.settle("pbx-1.1", answered("caller", 3000))
	told("the end of the last", false)
}

// TestPlentyIsNotTold: that another has ended is told only where the others may wait for what it leaves.
func TestPlentyIsNotTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		balance int64
		limits  models.Limits
		want    bool
	}{
		"plenty":               {10_000, models.Limits{}, false},
		"five times":           {50, models.Limits{}, false},
		"less":                 {49, models.Limits{}, true},
		"plenty, with a limit": {10_000, models.Limits{Day: units(9000)}, true},
	} {
		k := newKeeping(t, 5, c.balance)
		k.permit("pbx-1.1", "1")
		k.permit("pbx-1.2", "1")
		k.limit(c.limits)
		k.at(1)
		k.store.moved = nil
		k.settle("pbx-1.2", answered("caller", 1000))
		if got := len(k.store.moved) > 0; got != c.want {
			t.Errorf("%s: told %v", name, got)
		}
	}
}

// TestWhoIsNotToldAsksAgain: a call whose next increment is dear waits for what another leaves, though there is plenty beside what is held.
func TestWhoIsNotToldAsksAgain(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 61)
	k.permit("pbx-1.2", "1")
	k.permit("pbx-1.1", "61")
	if kept := k.at(0.2); kept.Limit != 1 || kept.Short {
		t.Errorf("%+v, want 1 s, and that it is asked again", kept)
	}
	k.store.moved = nil
	k.settle("pbx-1.2", unanswered("caller", "BUSY", 17))
	if len(k.store.moved) > 0 {
		t.Errorf("told are %v", k.store.moved)
	}
	if kept := k.at(0.4); kept.Limit != 61 || !kept.Grown {
		t.Errorf("%+v, want 61 s", kept)
	}
}

// TestTopUpLengthens: 23 s and 10 more are 33.
func TestTopUpLengthens(t *testing.T) {
	t.Parallel()
	for _, after := range []float64{0.5, 15, 22.4} {
		k := newKeeping(t, 5, 23)
		k.begin("1")
		k.run(after)
		k.topUp("marta", 10)
		k.run(0)
		k.talked(33)
		k.money(0, 0)
	}
}

// TestTransferShortens: what a slice does not hold may leave; the call ends earlier.
func TestTransferShortens(t *testing.T) {
	t.Parallel()
	k := newKeeping(t, 5, 40)
	k.begin("1")
	k.run(7)
	if _, err := k.Transfer(t.Context(), billing.Transfer{From: k.marta.ID, To: k.joel.ID, Amount: units(25), Ref: "t"}); err != nil {
		t.Fatal(err)
	}
	k.run(0)
	k.talked(15)
	k.money(0, 0)
}

// TestCuts: what ends a call that goes on, and what does not.
func TestCuts(t *testing.T) {
	t.Parallel()
	gone := func(err error) func(*keeping) {
		return func(k *keeping) {
			*k.rate = func(models.User, string, time.Time) (models.Rate, error) { return models.Rate{}, err }
		}
	}
	limit := func(l models.Limits) func(*keeping) { return func(k *keeping) { k.limit(l) } }
	for name, c := range map[string]struct {
		what func(*keeping)
		cut  string
		fail bool // nobody can say
	}{
		"a block":                     {func(k *keeping) { k.block(k.marta) }, billing.CutBlocked, false},
		"a rate that is withdrawn":    {gone(billing.Refuse(billing.ErrNoRate, "gone")), billing.CutNoRate, false},
		"a rate in other money":       {func(k *keeping) { *k.rate = euroRate }, billing.CutNoRate, false},
		"a deck that cannot be read":  {gone(errors.New("no deck")), "", true},
		"a number that is forbidden":  {limit(models.Limits{Blocked: []string{"1"}}), billing.CutLimit, false},
		"a number that is not listed": {limit(models.Limits{Allowed: []string{"2"}}), billing.CutLimit, false},
		"a shorter longest call":      {limit(models.Limits{Seconds: 7}), billing.CutLimit, false},
		"less to spend in an hour":    {limit(models.Limits{Hour: units(7)}), billing.CutLimit, false},
		"less to spend in a day":      {limit(models.Limits{Hour: units(50), Day: units(3)}), billing.CutLimit, false},
		"a dearer rate": {func(k *keeping) {
			*k.rate = func(models.User, string, time.Time) (models.Rate, error) {
				r := rateOf(1000)
				r.Currency = models.SEC
				return r, nil
			}
		}, "", false},
		"quiet hours":             {limit(models.Limits{Quiet: []models.Window{window(t, "00:00-23:59")}}), "", false},
		"no call more at once":    {limit(models.Limits{Calls: 1}), "", false},
		"no premium calls":        {limit(models.Limits{Premium: []string{"1"}}), "", false},
		"no new countries":        {limit(models.Limits{NewCountries: new(int64)}), "", false},
		"more to spend than that": {limit(models.Limits{Hour: units(30), Day: units(30), Seconds: 30}), "", false},
		"a full group":            {func(k *keeping) { k.shared(1, k.marta) }, "", false},
	} {
		for _, before := range []bool{false, true} {
			t.Run(map[bool]string{false: "talk: ", true: "ringing: "}[before]+name, func(t *testing.T) {
				t.Parallel()
				rate := priced
				k := newKeeping(t, 5, 40, with(func(p *billing.Policy) {
					p.Country = countryOf
					p.Rate = func(u models.User, number string, at time.Time) (models.Rate, error) { return rate(u, number, at) }
				}))
				k.rate = &rate
				k.permit("pbx-1.1", "1")
				k.at(4)
				k.at(8)
				elapsed, limit := 9*time.Second, int64(15)
				if before {
					elapsed = 0
				}
				c.what(k)
				r := billing.Review{CallID: "pbx-1.1", UserID: k.marta.ID, Keeper: keeperID, Elapsed: elapsed}
				for range 2 { // it may be asked again
					kept, err := k.Review(t.Context(), r)
					cut := c.cut
					if cut == billing.CutLimit && before && kept.Cut == "" && kept.Until <= 7 {
						cut = "" // it is not cut before it is answered, where some seconds are left
					}
					if c.fail != (err != nil) || kept.Cut != cut {
						t.Fatalf("%+v, %v; want %q", kept, err, cut)
					}
					if cut == "" && c.cut == "" && !c.fail && (kept.Limit != limit || kept.Until != limit) {
						t.Errorf("%+v, want %d s", kept, limit)
					}
					if got := k.call("pbx-1.1"); got.Cut != kept.Cut || got.Held() != units(got.Limit) {
						t.Errorf("recorded is %+v", got)
					}
				}
			})
		}
	}
}
