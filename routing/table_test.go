package routing_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/routing"
	"talktime/tariff"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const longest = 3600

// The decks of these tests, by their id, each with one rate for 49 and one for 4917.
const (
	cheap = iota + 1
	dear
	same
	dollars
	seconds
	planned
	broken
	unknown
)

func rate(currency, prefix, perMinute string) models.Rate {
	amount, err := money.Parse(perMinute)
	if err != nil {
		panic(err)
	}
	return models.Rate{Currency: currency, Prefix: prefix, PerMinute: amount, First: 1, Increment: 1}
}

func decks(t *testing.T) *tariff.Decks {
	t.Helper()
	var all []models.RateDeck
	var active []tariff.ActiveVersion
	for id, d := range map[int64]struct{ name, currency, price, mobile string }{
		cheap: {"cheap", "EUR", "0.01", "0.05"}, dear: {"dear", "EUR", "0.5", "0.6"}, same: {"same", "EUR", "0.1", "0.2"},
		dollars: {"dollars", "USD", "0.01", "0.05"}, seconds: {"seconds", models.SEC, "60", "60"}, planned: {"planned", "EUR", "0.01", "0.01"}, broken: {"broken", "EUR", "0.01", "0.01"},
	} {
		all = append(all, models.RateDeck{ID: id, Name: d.name, Currency: d.currency, Zone: "UTC"})
		deck, err := tariff.NewDeck([]models.DeckRate{
			{Rate: rate(d.currency, "49", d.price)}, {Rate: rate(d.currency, "4917", d.mobile)},
		}, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		v := tariff.ActiveVersion{Deck: id, Version: id, Number: 1, From: noon.Add(-time.Hour), Count: 2, Rates: deck}
		switch id {
		case planned:
			v.From = noon.Add(time.Hour)
		case broken:
			v.Rates = nil
		}
		active = append(active, v)
	}
	return tariff.NewDecks(1, all, active)
}

// carrier n is dialled at PJSIP/…@n and asks what a deck says.
func carrier(n, deck int64, edit ...func(*models.Carrier)) models.Carrier {
	c := models.Carrier{ID: n, Name: fmt.Sprint("c", n), Dial: fmt.Sprintf("PJSIP/{number}@c%d", n), DeckID: deck, Deck: fmt.Sprint("deck", deck), Currency: "EUR", Enabled: true}
	for _, e := range edit {
		e(&c)
	}
	return c
}

func disabled(c *models.Carrier) { c.Enabled = false }

func rewriting(strip int, prepend string) func(*models.Carrier) {
	return func(c *models.Carrier) { c.Strip, c.Prepend = strip, prepend }
}

func channels(pool, most int64) func(*models.Carrier) {
	return func(c *models.Carrier) { c.PoolID, c.Channels = pool, most }
}

// TestAttempts: who is tried, in which order, how he is sent the number, and why nobody is left. What is charged is 0.1 EUR a
// minute to 49, and 0.2 to 4917.
func TestAttempts(t *testing.T) {
	t.Parallel()
	listed, cheapest := models.OrderListed, models.OrderCheapest
	skip, allow, alert := models.LossSkip, models.LossAllow, models.LossAlert
	for name, c := range map[string]struct {
		carriers []models.Carrier
		order    string
		loss     string
		number   string // 4930123 when empty
		sell     *models.Rate
		want     string // targets in order; a ! behind one who loses
		refused  string // beginning of the reason
		rule     string
	}{
		"in the listed order":                   {carriers: []models.Carrier{carrier(1, same), carrier(2, cheap), carrier(3, 0)}, want: "PJSIP/4930123@c1 PJSIP/4930123@c2 PJSIP/4930123@c3"},
		"cheapest first":                        {carriers: []models.Carrier{carrier(1, same), carrier(2, cheap)}, order: cheapest, want: "PJSIP/4930123@c2 PJSIP/4930123@c1"},
		"ties stay in the listed order":         {carriers: []models.Carrier{carrier(3, cheap), carrier(1, cheap), carrier(2, cheap)}, order: cheapest, want: "PJSIP/4930123@c3 PJSIP/4930123@c1 PJSIP/4930123@c2"},
		"unknown prices are last":               {carriers: []models.Carrier{carrier(1, 0), carrier(2, same), carrier(3, 0), carrier(4, cheap)}, order: cheapest, want: "PJSIP/4930123@c4 PJSIP/4930123@c2 PJSIP/4930123@c1 PJSIP/4930123@c3"},
		"other currencies are like unknown":     {carriers: []models.Carrier{carrier(1, same), carrier(2, dollars), carrier(3, cheap)}, order: cheapest, want: "PJSIP/4930123@c3 PJSIP/4930123@c1 PJSIP/4930123@c2"},
		"the first currency counts":             {carriers: []models.Carrier{carrier(1, dollars), carrier(2, same), carrier(3, cheap)}, order: cheapest, want: "PJSIP/4930123@c1 PJSIP/4930123@c2 PJSIP/4930123@c3"},
		"the price of this very number counts":  {carriers: []models.Carrier{carrier(1, dear), carrier(2, same)}, order: cheapest, loss: allow, number: "49171", want: "PJSIP/49171@c2 PJSIP/49171@c1"},
		"nobody has a price":                    {carriers: []models.Carrier{carrier(2, 0), carrier(1, 0)}, order: cheapest, want: "PJSIP/4930123@c2 PJSIP/4930123@c1"},
		"who is disabled is left out":           {carriers: []models.Carrier{carrier(1, cheap, disabled), carrier(2, same)}, want: "PJSIP/4930123@c2"},
		"all are disabled":                      {carriers: []models.Carrier{carrier(1, cheap, disabled)}, refused: "no carrier can take a call"},
		"who loses is skipped":                  {carriers: []models.Carrier{carrier(1, dear), carrier(2, same)}, want: "PJSIP/4930123@c2"},
		"who loses is skipped, cheapest first":  {carriers: []models.Carrier{carrier(1, dear), carrier(2, same), carrier(3, cheap)}, order: cheapest, want: "PJSIP/4930123@c3 PJSIP/4930123@c2"},
		"who loses is allowed":                  {carriers: []models.Carrier{carrier(1, dear), carrier(2, same)}, loss: allow, want: "PJSIP/4930123@c1 PJSIP/4930123@c2"},
		"who loses is told":                     {carriers: []models.Carrier{carrier(1, dear), carrier(2, same)}, loss: alert, want: "PJSIP/4930123@c1! PJSIP/4930123@c2"},
		"all lose":                              {carriers: []models.Carrier{carrier(1, dear)}, refused: "no carrier takes a call to this number for what is charged", rule: models.RuleLoss},
		"one loses, and the other cannot":       {carriers: []models.Carrier{carrier(1, cheap, disabled), carrier(2, dear)}, refused: "no carrier takes", rule: models.RuleLoss},
		"another currency is not compared":      {carriers: []models.Carrier{carrier(1, dollars)}, want: "PJSIP/4930123@c1"},
		"SEC is no money":                       {carriers: []models.Carrier{carrier(1, seconds), carrier(2, cheap)}, want: "PJSIP/4930123@c1 PJSIP/4930123@c2"},
		"SEC against SEC":                       {carriers: []models.Carrier{carrier(1, seconds)}, sell: new(rate(models.SEC, "", "59")), refused: "no carrier takes", rule: models.RuleLoss},
		"EUR against SEC":                       {carriers: []models.Carrier{carrier(1, dear)}, sell: new(models.SecondRate()), want: "PJSIP/4930123@c1"},
		"a deck without a rate for the number":  {carriers: []models.Carrier{carrier(1, cheap), carrier(2, 0)}, number: "4412", want: "PJSIP/4412@c2"},
		"no deck has a rate for the number":     {carriers: []models.Carrier{carrier(1, cheap)}, number: "4412", refused: "no carrier can take a call"},
		"a deck of which no version counts yet": {carriers: []models.Carrier{carrier(1, planned), carrier(2, cheap)}, want: "PJSIP/4930123@c2"},
		"a deck that cannot be used":            {carriers: []models.Carrier{carrier(1, broken)}, refused: "no carrier can take a call"},
		"a deck that is not known yet":          {carriers: []models.Carrier{carrier(1, unknown), carrier(2, cheap)}, want: "PJSIP/4930123@c2"},
		"digits are stripped and prepended":     {carriers: []models.Carrier{carrier(1, 0, rewriting(2, "0"))}, want: "PJSIP/030123@c1"},
		"a + is not sent":                       {carriers: []models.Carrier{carrier(1, 0)}, number: "+4930123", want: "PJSIP/4930123@c1"},
		"but may be prepended":                  {carriers: []models.Carrier{carrier(1, 0, rewriting(0, "+"))}, number: "+4930123", want: "PJSIP/+4930123@c1"},
		"a + is no digit to strip":              {carriers: []models.Carrier{carrier(1, 0, rewriting(2, "00"))}, number: "+4930123", want: "PJSIP/0030123@c1"},
		"nothing is left of the number":         {carriers: []models.Carrier{carrier(1, 0, rewriting(4, "0")), carrier(2, 0, rewriting(3, "0"))}, number: "+4930", want: "PJSIP/00@c2"},
		"the number stands there twice":         {carriers: []models.Carrier{carrier(1, 0, func(c *models.Carrier) { c.Dial = "PJSIP/{number}@a&PJSIP/{number}@b" })}, want: "PJSIP/4930123@a&PJSIP/4930123@b"},
		"a technology that is not allowed":      {carriers: []models.Carrier{carrier(1, 0, func(c *models.Carrier) { c.Dial = "Local/{number}@x" }), carrier(2, 0)}, want: "PJSIP/4930123@c2"},
		"nobody can be dialled":                 {carriers: []models.Carrier{carrier(1, 0, func(c *models.Carrier) { c.Dial = "Local/{number}@x" })}, refused: "no carrier can take a call"},
		"no route":                              {carriers: []models.Carrier{carrier(1, 0)}, number: "33"},
		"more carriers than fit on the stack": {carriers: []models.Carrier{
			carrier(1, 0), carrier(2, 0), carrier(3, 0), carrier(4, 0), carrier(5, 0), carrier(6, 0), carrier(7, 0), carrier(8, 0), carrier(9, cheap),
		}, order: cheapest, number: "49", want: "PJSIP/49@c9 PJSIP/49@c1 PJSIP/49@c2 PJSIP/49@c3 PJSIP/49@c4 PJSIP/49@c5 PJSIP/49@c6 PJSIP/49@c7 PJSIP/49@c8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := models.Route{ID: 1, Prefix: "4", Order: orElse(c.order, listed), Loss: orElse(c.loss, skip)}
			for _, one := range c.carriers {
				r.Carriers = append(r.Carriers, one.ID)
			}
			table := routing.NewTable(1, c.carriers, []models.Route{r}, []string{"PJSIP"})
			call := routing.Call{Number: orElse(c.number, "4930123"), Sell: rate("EUR", "49", "0.1"), At: noon, Longest: longest}
			if strings.HasPrefix(call.Number, "4917") {
				call.Sell = rate("EUR", "4917", "0.2")
			}
			if c.sell != nil {
				call.Sell = *c.sell
			}
			attempts, err := table.Attempts(decks(t), call)
			var got []string
			for _, a := range attempts {
				mark := ""
				if a.Loss {
					mark = "!"
				}
				got = append(got, a.Target+mark)
				i := slices.IndexFunc(c.carriers, func(one models.Carrier) bool { return one.ID == a.Carrier })
				if i < 0 || c.carriers[i].Name != a.Name || (a.Buy.Currency == "") != (c.carriers[i].DeckID == 0) {
					t.Errorf("%+v", a)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("dials %s, want %s", strings.Join(got, " "), c.want)
			}
			var refusal *billing.Refusal
			switch {
			case c.refused == "" && err != nil:
				t.Error(err)
			case c.refused != "" && (!errors.As(err, &refusal) || !errors.Is(err, billing.ErrNoRate) || !strings.HasPrefix(refusal.Reason, c.refused) || refusal.Rule != c.rule || !strings.Contains(refusal.Detail, "c1: ")):
				t.Errorf("%v (%+v), want %s by rule %q", err, refusal, c.refused, c.rule)
			}
		})
	}
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// TestLongestPrefix: the route with the longest prefix takes the call, and no other, as with rates.
func TestLongestPrefix(t *testing.T) {
	t.Parallel()
	carriers := []models.Carrier{carrier(1, 0), carrier(2, 0, channels(12, 7)), carrier(3, 0, disabled, channels(13, 7)), carrier(4, 0, channels(14, 0))}
	route := func(prefix string, carriers ...int64) models.Route {
		return models.Route{Prefix: prefix, Order: models.OrderListed, Loss: models.LossSkip, Carriers: carriers}
	}
	some := []models.Route{route("49", 1), route("4917", 2, 1), route("49171", 3), route("*1", 4), route("5", 77)}
	for number, want := range map[string]struct {
		targets string
		pools   []int64
	}{
		"49": {"PJSIP/49@c1", nil}, "+4930": {"PJSIP/4930@c1", nil}, "4917": {"PJSIP/4917@c2 PJSIP/4917@c1", []int64{12}}, "+49172": {"PJSIP/49172@c2 PJSIP/49172@c1", []int64{12}},
		"491711": {"refused", []int64{13}}, "4": {"", nil}, "": {"", nil}, "+": {"", nil}, "33": {"", nil}, "*12#": {"PJSIP/*12#@c4", nil}, "51": {"refused", nil},
	} {
		check := func(table *routing.Table, want string) {
			t.Helper()
			attempts, err := table.Attempts(decks(t), routing.Call{Number: number, Sell: models.SecondRate(), At: noon, Longest: longest})
			var got []string
			for _, a := range attempts {
				got = append(got, a.Target)
				if a.Pool != 0 && a.Pool != 12 {
					t.Errorf("%q counts in pool %d", number, a.Pool)
				}
			}
			if err != nil {
				got = []string{"refused"}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%q goes to %s (%v), want %s", number, got, err, want)
			}
		}
		table := routing.NewTable(1, carriers, some, []string{"PJSIP"})
		check(table, want.targets)
		if pools := table.Pools(number); !slices.Equal(pools, want.pools) {
			t.Errorf("%q may count in %v, want %v", number, pools, want.pools)
		}
		if want.targets == "" && strings.Trim(number, "+") != "" {
			check(routing.NewTable(1, carriers, append(some, route("", 1)), []string{"PJSIP"}), "PJSIP/"+number+"@c1")
		}
	}
}

// TestLoses compares at a second, at a minute and at the longest call.
func TestLoses(t *testing.T) {
	t.Parallel()
	base := rate("EUR", "49", "0.6") // 0.01 a second
	with := func(edit func(*models.Rate)) models.Rate {
		r := base
		edit(&r)
		return r
	}
	for name, c := range map[string]struct {
		buy, sell models.Rate
		longest   int64
		loses     bool
		known     bool
	}{
		"the same":                                {base, base, 3600, false, true},
		"a millionth more":                        {with(func(r *models.Rate) { r.PerMinute++ }), base, 3600, true, true},
		"cheaper":                                 {rate("EUR", "49", "0.5"), base, 3600, false, true},
		"a fee that a minute does not make up":    {with(func(r *models.Rate) { r.PerMinute, r.ConnectFee = base.PerMinute/2, money.Unit/100 }), base, 3600, true, true},                                              // at 1 s: 0.015 against 0.01
		"a first increment of a minute":           {with(func(r *models.Rate) { r.First = 60 }), base, 3600, true, true},                                                                                              // at 1 s: 0.6 against 0.01
		"increments at the longest call alone":    {with(func(r *models.Rate) { r.Increment = 7 }), with(func(r *models.Rate) { r.First, r.Increment = 60, 1; r.Minimum = 70 * money.Unit / 100 }), 7200, true, true}, // at 7200 s: 1 + 7×1029 = 7204 s
		"grace of the sold rate":                  {base, with(func(r *models.Rate) { r.Grace = 3 }), 3600, true, true},                                                                                               // at 1 s nothing is charged
		"grace of both":                           {with(func(r *models.Rate) { r.Grace = 3 }), with(func(r *models.Rate) { r.Grace = 3 }), 3600, false, true},
		"free calls":                              {base, rate("EUR", "49", "0"), 3600, true, true},
		"another currency":                        {with(func(r *models.Rate) { r.Currency = "USD" }), base, 3600, false, false},
		"seconds of talk are no money":            {base, models.SecondRate(), 3600, false, false},
		"seconds of talk against seconds of talk": {models.SecondRate(), models.SecondRate(), 3600, false, true},
	} {
		loses, known := routing.Loses(c.buy, c.sell, c.longest)
		if loses != c.loses || known != c.known {
			t.Errorf("%s: loses %v, known %v", name, loses, known)
		}
	}
}

// TestAttemptsAllocate nothing but the attempts: their list, and of each what is dialled.
func TestAttemptsAllocate(t *testing.T) {
	carriers := []models.Carrier{carrier(1, same), carrier(2, cheap), carrier(3, dear), carrier(4, planned)}
	r := models.Route{Prefix: "49", Order: models.OrderCheapest, Loss: models.LossSkip, Carriers: []int64{1, 2, 3, 4}}
	table, all := routing.NewTable(1, carriers, []models.Route{r}, []string{"PJSIP"}), decks(t)
	call := routing.Call{Number: "+4930123", Sell: rate("EUR", "49", "0.1"), At: noon, Longest: longest}
	got := testing.AllocsPerRun(100, func() {
		if attempts, err := table.Attempts(all, call); err != nil || len(attempts) != 2 {
			t.Error(attempts, err)
		}
	})
	if got > 3 {
		t.Errorf("%v allocations, want 3", got)
	}
	if got := testing.AllocsPerRun(100, func() { _ = table.Pools("+4930123") }); got > 0 {
		t.Errorf("Pools makes %v allocations", got)
	}
}

// TestFaults: what doctor tells.
func TestFaults(t *testing.T) {
	t.Parallel()
	carriers := []models.Carrier{
		carrier(1, cheap), carrier(2, 0, disabled), carrier(3, planned), carrier(4, 0, func(c *models.Carrier) { c.Dial = "Local/{number}@x" }),
	}
	table := routing.NewTable(1, carriers, []models.Route{
		{Prefix: "49", Loss: models.LossSkip, Carriers: []int64{1}}, {Prefix: "1", Loss: models.LossAlert, Carriers: []int64{2}}, {Prefix: "", Loss: models.LossAllow, Carriers: []int64{2, 1}},
	}, []string{"PJSIP"})
	want := []string{
		"carrier c3 gets no calls, because of his tariff deck6: no version of it counts then",
		"carrier c4 cannot be dialled by the template Local/{number}@x",
		"route 1 has no carrier that is enabled: its calls are refused",
	}
	if got := table.Faults(decks(t), noon); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	want = []string{
		"route 1: nobody knows what carrier c2 asks, so that calls by him may cost more than is charged",
		"route 49: carrier c1 asks EUR, which cannot be compared with what is charged in USD, and may be more",
	}
	if got := table.Unguarded(nil, []string{"EUR", "SEC", "USD"}); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := table.Unguarded(new("49"), []string{"EUR"}); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
