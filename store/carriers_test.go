package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/routing"
	"talktime/store/storetest"
)

// crossing is a market whose calls go to carriers.
type crossing struct {
	*market

	database storetest.Database
	routes   *routing.Routes
}

func newCrossing(t *testing.T, d storetest.Database) *crossing {
	t.Helper()
	x := &crossing{market: newMarket(t, d), database: d}
	x.open(func(*billing.Policy) {})
	return x
}

// open puts another service in the place of the present one, as another process would have it.
func (x *crossing) open(edit func(*billing.Policy)) *billing.Service {
	x.t.Helper()
	now := func() time.Time { return x.clock }
	x.routes = routing.New(x.tariffs, []string{"PJSIP"}, 60)
	policy := billing.Policy{
		MaxCallSeconds: 60, RingSeconds: 40, Identify: []string{billing.ByCallerID}, Dial: "PJSIP/{number}@trunk", DialTechs: []string{"PJSIP"},
		Rate: x.tariffs.Rate, Route: x.routes.Route, Pools: x.routes.Pools,
	}
	edit(&policy)
	x.service = billing.New(billing.Options{Store: x.store, Policy: policy, Now: now, Lanes: x.store.Lanes(), Logger: slog.New(slog.DiscardHandler)})
	x.t.Cleanup(x.service.Close)
	x.refresh()
	return x.service
}

func (x *crossing) refresh() {
	x.t.Helper()
	x.market.refresh()
	if _, err := x.routes.Refresh(x.t.Context(), x.store); err != nil {
		x.t.Fatal(err)
	}
}

func (x *crossing) carrier(name, deck string, channels int64) models.Carrier {
	x.t.Helper()
	c, err := x.store.AddCarrier(x.t.Context(), models.Carrier{Name: name, Dial: "PJSIP/{number}@" + name, Deck: deck, Channels: channels, Enabled: true}, "test")
	if err != nil {
		x.t.Fatal(err)
	}
	return c
}

func (x *crossing) route(prefix, loss string, carriers ...string) {
	x.t.Helper()
	r := models.Route{Prefix: prefix, Order: models.OrderListed, Loss: loss, Names: carriers}
	if _, err := x.store.AddRoute(x.t.Context(), r, "test"); err != nil {
		x.t.Fatal(err)
	}
}

func (x *crossing) channels(name string, most int64) {
	x.t.Helper()
	if _, err := x.store.ChangeCarrier(x.t.Context(), name, models.CarrierChange{Channels: &most}, "test"); err != nil {
		x.t.Fatal(err)
	}
}

// counts fails the test unless the carrier counts so many calls in progress.
func (x *crossing) counts(name string, want int64) {
	x.t.Helper()
	c, err := x.store.Carrier(x.t.Context(), name)
	if err != nil || c.Calls != want {
		x.t.Errorf("carrier %s counts %d calls in progress (%v), want %d", name, c.Calls, err, want)
	}
}

func (x *crossing) call(id, clid, number string) (billing.Authorization, error) {
	return x.service.Authorize(x.t.Context(), billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: clid}, Number: number})
}

func (x *crossing) goes(id, clid, number string, want ...string) {
	x.t.Helper()
	auth, err := x.call(id, clid, number)
	if err != nil {
		x.t.Errorf("%s: %v", id, err)
		return
	}
	var targets []string
	for _, a := range auth.Attempts {
		targets = append(targets, a.Target)
	}
	if !slices.Equal(targets, want) || auth.Target != want[0] {
		x.t.Errorf("%s goes to %v and %s, want %v", id, targets, auth.Target, want)
	}
}

// full fails the test unless the call is refused by the limit of carriers.
func (x *crossing) full(err error) {
	x.t.Helper()
	var refusal *billing.Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, billing.ErrLimit) || refusal.Rule != models.RuleCarrierCalls {
		x.t.Errorf("a carrier without a place: %v", err)
	}
}

func (x *crossing) settle(id string) {
	x.t.Helper()
	if _, err := x.service.Settle(x.t.Context(), billing.CallResult{CallID: id, Evidence: minute()}); err != nil {
		x.t.Errorf("%s: %v", id, err)
	}
}

// TestCarriersAreKept: they are made, changed, used and removed, and every change is seen by others.
func TestCarriersAreKept(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		x := newCrossing(t, d)
		ctx := t.Context()
		x.deck("buy", "EUR", false)
		revision := int64(-1)
		changed := func(what string, err error) {
			t.Helper()
			now, readErr := x.store.RouteRevision(ctx)
			if err != nil || readErr != nil || now == revision {
				t.Errorf("%s: %v, %v; revision %d", what, err, readErr, now)
			}
			revision = now
		}
		is := func(err, kind error, words string) {
			t.Helper()
			if !errors.Is(err, kind) || !strings.Contains(fmt.Sprint(err), words) {
				t.Errorf("%v, want %v with %q", err, kind, words)
			}
		}
		first, err := x.store.AddCarrier(ctx, models.Carrier{Name: "north", Dial: "PJSIP/{number}@north", Strip: 2, Prepend: "00", Deck: "buy", Channels: 7, Enabled: true}, "test")
		changed("a carrier is made", err)
		if first.ID == 0 || first.PoolID == 0 || first.DeckID == 0 || first.Currency != "EUR" || first.Channels != 7 || first.Strip != 2 || first.Prepend != "00" || !first.Enabled || !first.CreatedAt.Equal(x.clock) {
			t.Errorf("%+v", first)
		}
		south, err := x.store.AddCarrier(ctx, models.Carrier{Name: "south", Dial: "PJSIP/{number}@south"}, "test")
		changed("another is made", err)
		if south.PoolID != 0 || south.DeckID != 0 || south.Deck != "" || south.Enabled {
			t.Errorf("%+v", south)
		}
		_, err = x.store.AddCarrier(ctx, models.Carrier{Name: "north", Dial: "PJSIP/{number}@x"}, "test")
		is(err, models.ErrConflict, `there is a carrier "north" already`)
		_, err = x.store.AddCarrier(ctx, models.Carrier{Name: "west", Dial: "PJSIP/{number}@x", Deck: "nothing"}, "test")
		is(err, models.ErrNotFound, `tariff "nothing"`)
		_, err = x.store.AddCarrier(ctx, models.Carrier{Name: "west", Dial: "PJSIP/ü{number}@x"}, "test")
		is(err, models.ErrInvalid, "ASCII")

		// Changes of what is given, and of nothing else.
		dial := "PJSIP/{number}@other"
		c, err := x.store.ChangeCarrier(ctx, "north", models.CarrierChange{Dial: &dial}, "test")
		changed("his template is changed", err)
		want := first
		want.Dial = dial
		if c != want {
			t.Errorf("%+v, want %+v", c, want)
		}
		c, err = x.store.ChangeCarrier(ctx, "north", models.CarrierChange{Deck: new(""), Channels: new(int64(0)), Enabled: new(false), Strip: new(0), Prepend: new("")}, "test")
		changed("all else is changed", err)
		if c.DeckID != 0 || c.Deck != "" || c.Channels != 0 || c.PoolID != first.PoolID || c.Enabled || c.Strip != 0 || c.Prepend != "" {
			t.Errorf("%+v", c)
		}
		c, err = x.store.ChangeCarrier(ctx, "north", models.CarrierChange{Deck: new("buy"), Channels: new(int64(3))}, "test")
		changed("he is bounded again", err)
		if c.PoolID != first.PoolID || c.Channels != 3 || c.Deck != "buy" {
			t.Errorf("%+v", c)
		}
		_, err = x.store.ChangeCarrier(ctx, "nobody", models.CarrierChange{Strip: new(1)}, "test")
		is(err, models.ErrNotFound, `carrier "nobody"`)
		_, err = x.store.ChangeCarrier(ctx, "north ", models.CarrierChange{Strip: new(1)}, "test")
		is(err, models.ErrNotFound, `carrier "north "`)
		_, err = x.store.ChangeCarrier(ctx, "north", models.CarrierChange{Strip: new(-1)}, "test")
		is(err, models.ErrInvalid, "strip must be")
		is(x.store.RemoveDeck(ctx, "buy", "test"), models.ErrConflict, "1 carriers ask")

		// Routes.
		r, err := x.store.AddRoute(ctx, models.Route{Prefix: "49", Order: models.OrderCheapest, Loss: models.LossAlert, Names: []string{"south", "north"}}, "test")
		changed("a route is made", err)
		if !slices.Equal(r.Carriers, []int64{south.ID, first.ID}) || !slices.Equal(r.Names, []string{"south", "north"}) || r.Order != models.OrderCheapest || r.Loss != models.LossAlert || r.ID == 0 {
			t.Errorf("%+v", r)
		}
		_, err = x.store.AddRoute(ctx, models.Route{Prefix: "", Order: models.OrderListed, Loss: models.LossSkip, Names: []string{"south"}}, "test")
		changed("a route of all numbers is made", err)
		_, err = x.store.AddRoute(ctx, models.Route{Prefix: "49", Order: models.OrderListed, Loss: models.LossSkip, Names: []string{"south"}}, "test")
		is(err, models.ErrConflict, "there is a route for 49 already")
		_, err = x.store.AddRoute(ctx, models.Route{Prefix: "44", Order: models.OrderListed, Loss: models.LossSkip, Names: []string{"nobody"}}, "test")
		is(err, models.ErrNotFound, `carrier "nobody"`)
		_, err = x.store.AddRoute(ctx, models.Route{Prefix: "44", Order: models.OrderListed, Loss: models.LossSkip, Names: []string{"south", "south"}}, "test")
		is(err, models.ErrInvalid, "each carrier once")
		_, err = x.store.AddRoute(ctx, models.Route{Prefix: "44", Order: models.OrderListed, Loss: models.LossSkip}, "test")
		is(err, models.ErrInvalid, "1 to 20 carriers")
		r, err = x.store.ChangeRoute(ctx, "49", models.RouteChange{Carriers: []string{"north", "south"}}, "test")
		changed("their order is changed", err)
		if !slices.Equal(r.Carriers, []int64{first.ID, south.ID}) || r.Order != models.OrderCheapest {
			t.Errorf("%+v", r)
		}
		r, err = x.store.ChangeRoute(ctx, "49", models.RouteChange{Order: new(models.OrderListed), Loss: new(models.LossAllow)}, "test")
		changed("all else is changed", err)
		if got, err := x.store.Route(ctx, "49"); err != nil || got.Order != models.OrderListed || got.Loss != models.LossAllow || !slices.Equal(got.Carriers, r.Carriers) || got.ID != r.ID {
			t.Errorf("%+v, %v", got, err)
		}
		_, err = x.store.ChangeRoute(ctx, "44", models.RouteChange{Loss: new(models.LossSkip)}, "test")
		is(err, models.ErrNotFound, `route "44"`)
		_, err = x.store.ChangeRoute(ctx, "49", models.RouteChange{Loss: new("hope")}, "test")
		is(err, models.ErrInvalid, "loss must be")
		routes, err := x.store.Routes(ctx)
		if err != nil || len(routes) != 2 || routes[0].Prefix != "" || routes[1].Prefix != "49" || !slices.Equal(routes[1].Names, []string{"north", "south"}) {
			t.Errorf("%+v, %v", routes, err)
		}

		// What is in use stays; ids never come again.
		is(x.store.RemoveCarrier(ctx, "north", "test"), models.ErrConflict, "takes calls of the routes 49")
		is(x.store.RemoveCarrier(ctx, "south", "test"), models.ErrConflict, "takes calls of the routes all, 49")
		changed("a route is removed", x.store.RemoveRoute(ctx, "49", "test"))
		is(x.store.RemoveRoute(ctx, "49", "test"), models.ErrNotFound, `route "49"`)
		changed("the other is removed", x.store.RemoveRoute(ctx, "", "test"))
		changed("a carrier is removed", x.store.RemoveCarrier(ctx, "south", "test"))
		changed("the last one is removed", x.store.RemoveCarrier(ctx, "north", "test"))
		is(x.store.RemoveCarrier(ctx, "north", "test"), models.ErrNotFound, `carrier "north"`)
		again, err := x.store.AddCarrier(ctx, models.Carrier{Name: "north", Dial: "PJSIP/{number}@north", Channels: 1}, "test")
		changed("one of that name is made anew", err)
		if again.ID <= south.ID || again.PoolID <= first.PoolID {
			t.Errorf("%+v has what %+v had", again, first)
		}
		if err := x.store.RemoveDeck(ctx, "buy", "test"); err != nil {
			t.Error(err)
		}
		x.audit()
	})
}

// TestCarrierLimitIsExact: of 200 calls at once, from two processes, a carrier of 7 channels gets 7.
func TestCarrierLimitIsExact(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		const calls, most = 200, 7
		here := newCrossing(t, d)
		for n := range calls {
			here.user(fmt.Sprint("u", n), fmt.Sprint(7000+n), "", 600*money.Unit)
		}
		here.carrier("north", "", most)
		here.route("", models.LossSkip, "north")
		here.refresh()
		now := here.clock
		there := &crossing{market: &market{t: t, tariffs: here.tariffs, clock: now}, database: d}
		there.store = d.Open(t)
		there.open(func(*billing.Policy) {})

		var wait sync.WaitGroup
		var mu sync.Mutex
		var permitted []string
		var refused, wrong atomic.Int64
		for n := range calls {
			wait.Go(func() {
				at := here
				if n%2 == 1 {
					at = there
				}
				id := fmt.Sprintf("pbx-%d.1", n)
				auth, err := at.call(id, fmt.Sprint(7000+n), "4930")
				var refusal *billing.Refusal
				switch {
				case err == nil && auth.Target == "PJSIP/4930@north":
					mu.Lock()
					permitted = append(permitted, id)
					mu.Unlock()
				case errors.As(err, &refusal) && refusal.Rule == models.RuleCarrierCalls:
					refused.Add(1)
				default:
					wrong.Add(1)
					t.Errorf("%s: %+v, %v", id, auth, err)
				}
			})
		}
		wait.Wait()
		if len(permitted) != most || refused.Load() != calls-most {
			t.Errorf("%d calls are permitted, %d refused", len(permitted), refused.Load())
		}
		here.counts("north", most)
		here.audit()

		// A limit counts from the moment on at which it is changed, whatever the processes know.
		here.channels("north", most+1)
		if _, err := there.call("pbx-more.1", "7000", "4930"); err != nil {
			t.Errorf("one more: %v", err)
		}
		_, err := there.call("pbx-full.1", "7001", "4930")
		here.full(err)
		here.channels("north", 1)
		here.counts("north", most+1) // nobody is cut off
		_, err = there.call("pbx-full.2", "7002", "4930")
		here.full(err)

		for n, id := range append(permitted, "pbx-more.1") {
			wait.Go(func() {
				at := here
				if n%2 == 1 {
					at = there
				}
				at.settle(id)
			})
		}
		wait.Wait()
		here.counts("north", 0)
		here.audit()
	})
}

// TestFailoverMovesThePlace: a call counts with the carrier that it is dialled at, and with no other.
func TestFailoverMovesThePlace(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		x := newCrossing(t, d)
		for n := range 4 {
			x.user(fmt.Sprint("u", n), fmt.Sprint(7000+n), "", 600*money.Unit)
		}
		x.carrier("north", "", 1)
		x.carrier("south", "", 1)
		x.carrier("west", "", 0)
		x.route("49", models.LossSkip, "north", "south", "west")
		x.route("44", models.LossSkip, "north")
		x.refresh()
		north, south, west := "PJSIP/4930@north", "PJSIP/4930@south", "PJSIP/4930@west"
		x.goes("pbx-1.1", "7000", "4930", north, south, west)
		x.goes("pbx-2.1", "7001", "4930", south, west) // north has no place left
		x.counts("north", 1)
		x.counts("south", 1)
		advance := func(id, clid string, at int) error {
			_, err := x.service.Advance(t.Context(), billing.Identity{CallerID: clid}, id, at, 30)
			return err
		}
		x.full(advance("pbx-1.1", "7000", 1)) // so has south
		x.counts("north", 1)
		x.settle("pbx-2.1")
		x.counts("south", 0)
		if err := advance("pbx-1.1", "7000", 1); err != nil {
			t.Error(err)
		}
		x.counts("north", 0)
		x.counts("south", 1)
		x.audit()
		x.goes("pbx-3.1", "7002", "4930", north, south, west)
		_, err := x.call("pbx-4.1", "7003", "4430")
		x.full(err)
		if err := advance("pbx-1.1", "7000", 2); err != nil { // to one who takes any number
			t.Error(err)
		}
		x.counts("south", 0)
		x.counts("west", 0)
		if err := advance("pbx-1.1", "7000", 3); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("a carrier that there is not: %v", err)
		}
		x.audit()

		// A carrier that is removed meanwhile still has his calls.
		for _, prefix := range []string{"49", "44"} {
			if err := x.store.RemoveRoute(t.Context(), prefix, "test"); err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{"north", "south"} {
			if err := x.store.RemoveCarrier(t.Context(), name, "test"); err != nil {
				t.Error(err)
			}
		}
		x.audit()
		if err := advance("pbx-3.1", "7002", 1); err != nil { // this process knows nothing of it yet
			t.Error(err)
		}
		x.audit()
		x.goes("pbx-4.1", "7003", "4930", north, south, west)
		x.settle("pbx-1.1")
		x.settle("pbx-3.1")
		x.settle("pbx-4.1")
		x.audit()
	})
}

// TestLimitOfAMomentAgo: a limit that was set between the two questions of a decision, in which pools it may count and where it goes,
// leaves the books right.
func TestLimitOfAMomentAgo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		x := newCrossing(t, d)
		x.user("marta", "7000", "", 600*money.Unit)
		x.carrier("north", "", 0)
		x.route("49", models.LossSkip, "north")
		x.open(func(p *billing.Policy) { p.Pools = func(string) []int64 { return nil } })
		x.channels("north", 1)
		x.refresh()
		for n := range 2 {
			x.goes(fmt.Sprintf("pbx-%d.1", n), "7000", "4930", "PJSIP/4930@north")
		}
		x.counts("north", 0)
		x.audit()
		x.settle("pbx-0.1")
		x.settle("pbx-1.1")
		x.counts("north", 0)
		x.audit()
	})
}

// TestLossGuard: who asks more than is charged is skipped, dialled, or dialled and told of; the record of a refusal names the rule.
func TestLossGuard(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		x := newCrossing(t, d)
		x.user("marta", "7000", "EUR", 600*money.Unit)
		x.deck("retail", "EUR", false)
		x.activate("retail", x.version("retail", cents("49", 10), cents("44", 10)), time.Time{})
		if err := x.store.SetDefaultDeck(t.Context(), "retail", true, "test"); err != nil {
			t.Fatal(err)
		}
		x.deck("buys", "EUR", false)
		x.activate("buys", x.version("buys", cents("49", 11)), time.Time{})
		x.carrier("north", "buys", 0)
		x.carrier("south", "", 0)
		x.route("49", models.LossSkip, "north", "south")
		x.route("44", models.LossSkip, "north")
		x.refresh()
		x.goes("pbx-1.1", "7000", "4930", "PJSIP/4930@south")
		rows := func(query string) (n int) {
			t.Helper()
			if err := d.SQL(t).QueryRowContext(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		losing := "SELECT COUNT(*) FROM refusals WHERE rule = 'loss' AND status = 'NORATE'"
		if _, err := x.call("pbx-2.1", "7000", "4430"); !errors.Is(err, billing.ErrNoRate) || rows(losing) != 0 {
			t.Errorf("a carrier without a rate: %v", err)
		}
		change := func(c models.RouteChange) {
			t.Helper()
			if _, err := x.store.ChangeRoute(t.Context(), "49", c, "test"); err != nil {
				t.Fatal(err)
			}
			x.refresh()
		}
		change(models.RouteChange{Carriers: []string{"north"}})
		if _, err := x.call("pbx-3.1", "7000", "4930"); !errors.Is(err, billing.ErrNoRate) || rows(losing) != 1 {
			t.Errorf("a carrier who loses: %v", err)
		}
		change(models.RouteChange{Loss: new(models.LossAllow)})
		x.goes("pbx-4.1", "7000", "4930", "PJSIP/4930@north")
		told := "SELECT COUNT(*) FROM notices WHERE kind = 'loss'"
		if n := rows(told); n != 0 {
			t.Errorf("%d notices of what is allowed", n)
		}
		change(models.RouteChange{Loss: new(models.LossAlert)})
		x.goes("pbx-5.1", "7000", "4930", "PJSIP/4930@north")
		x.goes("pbx-6.1", "7000", "4930", "PJSIP/4930@north")
		if n := rows(told); n != 1 {
			t.Errorf("%d notices on a day", n)
		}
		for _, n := range []int{1, 4, 5, 6} {
			x.settle(fmt.Sprintf("pbx-%d.1", n))
		}
		x.audit()
	})
}
