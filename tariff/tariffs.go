package tariff

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"talktime/billing"
	"talktime/models"
)

// Source is the database that decks are read from.
type Source interface {
	// DeckRevision is a number that is another after each change of the decks.
	DeckRevision(context.Context) (int64, error)
	// LoadDecks reads the decks. Versions never change: those that are known are not read again.
	LoadDecks(ctx context.Context, known map[int64]*Deck) (*Decks, error)
}

// Tariffs gives the rates of the newest decks. Any number of goroutines may use it; the zero value knows none yet.
type Tariffs struct{ decks atomic.Pointer[Decks] }

// Rate is the rate of a user's call to a number at an instant. billing.ErrNoRate when there is none, and ErrNotLoaded before
// the decks are known: it would be wrong to take the built-in tariff for that of somebody who may have another.
func (t *Tariffs) Rate(u models.User, number string, at time.Time) (models.Rate, error) {
	decks := t.decks.Load()
	if decks == nil {
		return models.Rate{}, fmt.Errorf("%w: %w", models.ErrUnavailable, ErrNotLoaded)
	}
	rate, _, _, why := decks.find(u, number, at)
	if rate == nil {
		return models.Rate{}, billing.Refuse(billing.ErrNoRate, why)
	}
	return *rate, nil
}

// Decks are the newest decks; nil before they are known.
func (t *Tariffs) Decks() *Decks { return t.decks.Load() }

// Refresh takes the decks of a source in place of the present ones, if they are others.
func (t *Tariffs) Refresh(ctx context.Context, from Source) (changed bool, err error) {
	revision, err := from.DeckRevision(ctx)
	if err != nil {
		return false, fmt.Errorf("look for new rate decks: %w", err)
	}
	old := t.decks.Load()
	known := map[int64]*Deck{}
	if old != nil {
		if old.revision == revision {
			return false, nil
		}
		known = old.Versions()
	}
	decks, err := from.LoadDecks(ctx, known)
	if err != nil {
		return false, fmt.Errorf("read the rate decks: %w", err)
	}
	t.decks.Store(decks)
	return true, nil
}

// watchPause is how often other processes' changes of decks are looked for.
const watchPause = time.Second

// Watch refreshes the decks until the context ends. What fails is logged once, and tried again.
func (t *Tariffs) Watch(ctx context.Context, from Source, log *slog.Logger) {
	failing := false
	ticker := time.NewTicker(watchPause)
	defer ticker.Stop()
	for {
		changed, err := t.Refresh(ctx, from)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			log.Error("the rate decks cannot be read; calls are rated by those that are known", "err", err)
		case changed:
			versions, broken := t.Decks().told()
			log.Info("rate decks read", "revision", t.Decks().Revision(), "versions", versions)
			for _, text := range broken {
				log.Error("a tariff cannot be used, and calls at it are refused; import its rates anew", "tariff", text)
			}
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
