package routing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"talktime/models"
	"talktime/tariff"
)

// ErrNotLoaded says that carriers and routes are not known yet, so that nobody can say where a call goes.
var ErrNotLoaded = errors.New("the routes have not been read from the database yet")

// Source is the database that carriers and routes are read from.
type Source interface {
	// RouteRevision is a number that is another after each change of carriers or routes.
	RouteRevision(context.Context) (int64, error)
	Carriers(context.Context) ([]models.Carrier, error)
	Routes(context.Context) ([]models.Route, error)
}

// maxReads is how often a table is read that changes while it is read.
const maxReads = 5

// Load reads a table of one moment.
func Load(ctx context.Context, from Source, techs []string) (*Table, error) {
	revision, err := from.RouteRevision(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for new routes: %w", err)
	}
	for n := 1; ; n++ {
		routes, err := from.Routes(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the routes: %w", err)
		}
		carriers, err := from.Carriers(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the carriers: %w", err)
		}
		now, err := from.RouteRevision(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for new routes: %w", err)
		}
		if now == revision || n == maxReads {
			return NewTable(revision, carriers, routes, techs), nil
		}
		revision = now
	}
}

// Routes finds the carriers of calls in the newest table. Any number of goroutines may use it.
type Routes struct {
	tariffs *tariff.Tariffs
	techs   []string
	longest int64
	table   atomic.Pointer[Table]
}

// New makes Routes that know nothing yet: what carriers ask is found in tariffs, techs are the technologies that may be dialled, and
// longest is how many seconds a call may last at all.
func New(tariffs *tariff.Tariffs, techs []string, longest int64) *Routes {
	return &Routes{tariffs: tariffs, techs: techs, longest: longest}
}

// Route is billing.Policy.Route. ErrNotLoaded before the routes are known: it would be wrong to dial as if there were none.
func (r *Routes) Route(_ models.User, number string, sell models.Rate, at time.Time) ([]models.Attempt, error) {
	table, decks := r.table.Load(), r.tariffs.Decks()
	switch {
	case table == nil:
		return nil, fmt.Errorf("%w: %w", models.ErrUnavailable, ErrNotLoaded)
	case decks == nil:
		return nil, fmt.Errorf("%w: %w", models.ErrUnavailable, tariff.ErrNotLoaded)
	}
	return table.Attempts(decks, Call{number, sell, at, r.longest})
}

// Pools is billing.Policy.Pools.
func (r *Routes) Pools(number string) []int64 {
	if table := r.table.Load(); table != nil {
		return table.Pools(number)
	}
	return nil
}

// Refresh takes the table of a source in place of the present one, if it is another.
func (r *Routes) Refresh(ctx context.Context, from Source) (changed bool, err error) {
	if old := r.table.Load(); old != nil {
		revision, err := from.RouteRevision(ctx)
		if err != nil {
			return false, fmt.Errorf("look for new routes: %w", err)
		}
		if revision == old.revision {
			return false, nil
		}
	}
	table, err := Load(ctx, from, r.techs)
	if err != nil {
		return false, err
	}
	r.table.Store(table)
	return true, nil
}

// watchPause is how often other processes' changes are looked for.
const watchPause = time.Second

// Watch refreshes the table until the context ends. What fails is logged once, and tried again.
func (r *Routes) Watch(ctx context.Context, from Source, log *slog.Logger) {
	failing := false
	ticker := time.NewTicker(watchPause)
	defer ticker.Stop()
	for {
		changed, err := r.Refresh(ctx, from)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			log.Error("the routes cannot be read; calls go where those lead that are known", "err", err)
		case changed:
			r.tell(log)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tell logs what was read, and which carriers cannot be dialled.
func (r *Routes) tell(log *slog.Logger) {
	table := r.table.Load()
	log.Info("routes read", "revision", table.revision, "carriers", len(table.carriers), "routes", len(table.routes))
	for _, c := range table.carriers {
		if c.Enabled && !c.valid {
			log.Error("a carrier cannot be dialled, and gets no calls; correct his dial template", "carrier", c.Name, "dial", c.Dial)
		}
	}
}
