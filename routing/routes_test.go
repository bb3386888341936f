package routing_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"talktime/models"
	"talktime/routing"
	"talktime/tariff"
)

// book is a database of carriers and routes.
type book struct {
	mu        sync.Mutex
	revision  int64
	carriers  []models.Carrier
	routes    []models.Route
	failing   error
	meanwhile func() // runs once, between the reads
}

func (b *book) RouteRevision(context.Context) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.revision, b.failing
}

func (b *book) Carriers(context.Context) ([]models.Carrier, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.carriers, b.failing
}

func (b *book) Routes(context.Context) ([]models.Route, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	routes := b.routes
	if b.meanwhile != nil {
		b.meanwhile()
		b.meanwhile = nil
	}
	return routes, b.failing
}

func (b *book) change(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.revision++
	do()
}

func (b *book) LoadDecks(context.Context, map[int64]*tariff.Deck) (*tariff.Decks, error) {
	return tariff.NewDecks(1, nil, nil), nil
}

func (b *book) DeckRevision(context.Context) (int64, error) { return 1, nil }

// TestRoutes: nothing is dialled before carriers, routes and rates are known, and a table is of one moment.
func TestRoutes(t *testing.T) {
	t.Parallel()
	b := &book{revision: 1, carriers: []models.Carrier{carrier(1, 0, channels(9, 3))}}
	tariffs := &tariff.Tariffs{}
	routes := routing.New(tariffs, []string{"PJSIP"}, longest)
	goes := func(want string, kind error) {
		t.Helper()
		attempts, err := routes.Route(models.User{}, "4930", models.SecondRate(), noon)
		target := ""
		if len(attempts) > 0 {
			target = attempts[0].Target
		}
		if target != want || !errors.Is(err, kind) || kind == nil && err != nil {
			t.Errorf("it goes to %q: %v", target, err)
		}
	}
	goes("", routing.ErrNotLoaded)
	if pools := routes.Pools("4930"); len(pools) != 0 {
		t.Error(pools)
	}
	if changed, err := routes.Refresh(t.Context(), b); !changed || err != nil {
		t.Error(changed, err)
	}
	goes("", tariff.ErrNotLoaded)
	goes("", models.ErrUnavailable)
	if _, err := tariffs.Refresh(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	goes("", nil)
	if changed, err := routes.Refresh(t.Context(), b); changed || err != nil {
		t.Error(changed, err)
	}
	all := models.Route{ID: 1, Order: models.OrderListed, Loss: models.LossSkip, Carriers: []int64{1}}
	b.change(func() { // and while that is read a carrier is made, and put into the route
		b.routes = []models.Route{all}
		b.meanwhile = func() {
			b.revision++
			all.Carriers = []int64{2}
			b.carriers, b.routes = append(b.carriers, carrier(2, 0)), []models.Route{all}
		}
	})
	if _, err := routes.Refresh(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	goes("PJSIP/4930@c2", nil)
	if changed, err := routes.Refresh(t.Context(), b); changed || err != nil {
		t.Error(changed, err)
	}
	b.change(func() { b.failing = models.ErrUnavailable })
	if _, err := routes.Refresh(t.Context(), b); !errors.Is(err, models.ErrUnavailable) {
		t.Error(err)
	}
	goes("PJSIP/4930@c2", nil) // as long as nothing newer is known
}

// TestWatch: what another process changes is known within a second; what cannot be read is told once.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &book{revision: 1, carriers: []models.Carrier{carrier(1, 0), carrier(2, 0, func(c *models.Carrier) { c.Dial = "Local/{number}@x" })}}
		var log bytes.Buffer
		routes := routing.New(&tariff.Tariffs{}, []string{"PJSIP"}, longest)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			routes.Watch(ctx, b, slog.New(slog.NewTextHandler(&log, nil)))
			close(done)
		}()
		synctest.Wait()
		if routes.Table() == nil {
			t.Error("nothing was read at once")
		}
		before := routes.Table()
		b.change(func() { b.carriers = append(b.carriers, carrier(3, 0)) })
		time.Sleep(time.Second)
		synctest.Wait()
		if routes.Table() == before {
			t.Error("a change is not known after a second")
		}
		b.change(func() { b.failing = models.ErrUnavailable })
		time.Sleep(5 * time.Second)
		cancel()
		<-done
		for text, times := range map[string]int{"routes read": 2, "the routes cannot be read": 1, "a carrier cannot be dialled": 2} {
			if got := strings.Count(log.String(), text); got != times {
				t.Errorf("%q is told %d times:\n%s", text, got, &log)
			}
		}
	})
}
