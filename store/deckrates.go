package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"talktime/models"
	"talktime/tariff"
)

// EachDeckRate hands over the rates of a version in the order of its file, with their row; those whose prefix begins a number or
// begins with it, unless that is empty.
func (s *Store) EachDeckRate(ctx context.Context, deck string, number int, around string, each func(n int64, r models.DeckRate) error) error {
	d, err := s.Deck(ctx, deck)
	if err != nil {
		return err
	}
	v, err := s.deckVersion(ctx, deck, number)
	if err != nil {
		return err
	}
	where, args := ratesAround(v.ID, around)
	return s.eachRate(ctx, d.Currency, where+" ORDER BY n", args, each)
}

// DeckRates returns a page of the rates of a version in the order of its file, as EachDeckRate has them, with their rows.
// models.ErrNotFound for a version that there is not.
func (s *Store) DeckRates(ctx context.Context, deck string, number int, around string, r models.ListRequest) (list models.List[models.NumberedRate], err error) {
	d, err := s.Deck(ctx, deck)
	if err != nil {
		return list, err
	}
	v, err := s.deckVersion(ctx, deck, number)
	if err != nil {
		return list, err
	}
	if r.Number > models.MaxPage {
		return list, models.ErrDeepPage
	}
	query, args := ratesPage(v.ID, around, r)
	where, bounds := ratesAround(v.ID, around)
	if list.Total = v.Rates; around != "" {
		if list.Total, err = s.number(ctx, "SELECT COUNT(*) FROM deck_rates WHERE "+where, bounds...); err != nil {
			return list, err
		}
	}
	list.Items = make([]models.NumberedRate, 0, r.Size)
	return list, s.eachRate(ctx, d.Currency, query, args, func(n int64, rate models.DeckRate) error {
		list.Items = append(list.Items, models.NumberedRate{N: n, DeckRate: rate})
		return nil
	})
}

// ratesPage says which rows are on a page of a version's rates, and in which order. Rows are numbered without gaps: those of a
// page of all of them are found by their numbers.
func ratesPage(version int64, around string, r models.ListRequest) (query string, args []any) {
	where, args := ratesAround(version, around)
	first := int64(max(r.Number, 1)-1) * int64(r.Size)
	switch {
	case r.After > 0:
		first = r.After
	case around != "":
		return where + " ORDER BY n LIMIT ? OFFSET ?", append(args, r.Size, first)
	}
	return where + " AND n > ? ORDER BY n LIMIT ?", append(args, first, r.Size)
}

// ratesAround are the rates of a version whose prefix begins a number or begins with it; all when that is empty.
func ratesAround(version int64, number string) (where string, args []any) {
	where, args = "version_id = ?", []any{version}
	if number == "" {
		return where, args
	}
	number = strings.TrimPrefix(number, "+")
	begins := beginnings(number)
	return where + " AND (prefix IN (" + marks(len(begins)) + ") OR prefix >= ? AND prefix < ?)", append(append(args, begins...), number, number+":") // the character behind 9
}

// beginnings are the prefixes that a number can have.
func beginnings(number string) []any {
	number = strings.TrimPrefix(number, "+")
	all := []any{""}
	for i := 1; i <= min(len(number), models.MaxPrefix) && strings.IndexByte("0123456789*#", number[i-1]) >= 0; i++ {
		all = append(all, number[:i])
	}
	return all
}

// eachRate hands over the rates that a condition with an order finds.
func (s *Store) eachRate(ctx context.Context, currency, query string, args []any, each func(n int64, r models.DeckRate) error) error {
	names := map[string]string{} // few destinations have many prefixes
	return s.each(ctx, "SELECT n, "+deckRateColumns+" FROM deck_rates WHERE "+query, args, func(rows *sql.Rows) error {
		r := models.DeckRate{Rate: models.Rate{Currency: currency}}
		var n int64
		var from, to sql.NullTime
		err := rows.Scan(&n, &r.Prefix, &r.Name, &r.PerMinute, &r.ConnectFee, &r.First, &r.Increment, &r.Minimum, &r.Grace, &from, &to, &r.Days, &r.Start, &r.End)
		if err != nil {
			return err
		}
		if name, known := names[r.Name]; known {
			r.Name = name
		} else {
			names[r.Name] = r.Name
		}
		r.From, r.To = from.Time, to.Time
		return each(n, r)
	})
}

// DeckRevision implements tariff.Source.
func (s *Store) DeckRevision(ctx context.Context) (int64, error) {
	var n int64
	err := s.read.WithContext(ctx).Raw("SELECT value FROM counters WHERE name = 'decks'").Row().Scan(&n)
	return n, translate(err)
}

// LoadDecks implements tariff.Source. It reads the versions that count now or will. What was taken back does not, whatever the
// clocks of others say.
func (s *Store) LoadDecks(ctx context.Context, known map[int64]*tariff.Deck) (*tariff.Decks, error) {
	fresh := map[int64]*tariff.Deck{} // the same version may be planned several times
	return s.decksAt(ctx, s.now(), "a.until_at IS NULL", func(d models.RateDeck, v tariff.ActiveVersion) (*tariff.Deck, error) {
		if deck := cmp.Or(known[v.Version], fresh[v.Version]); deck != nil {
			return deck, nil
		}
		deck, err := s.compile(ctx, d, v, "version_id = ? ORDER BY n", v.Version)
		if err == nil && int64(deck.Len()) != v.Count {
			err = fmt.Errorf("%w: it has %d rates, but %d are there", models.ErrInvalid, v.Count, deck.Len())
		}
		fresh[v.Version] = deck
		return deck, err
	})
}

// DecksFor reads what of the decks a number needs, with the versions that counted at an instant or later. Who has which deck is
// as it is now.
func (s *Store) DecksFor(ctx context.Context, at time.Time, number string) (*tariff.Decks, error) {
	args := beginnings(number)
	where := "version_id = ? AND prefix IN (" + marks(len(args)) + ") ORDER BY n"
	return s.decksAt(ctx, at, "(a.until_at IS NULL OR a.until_at > ?)", func(d models.RateDeck, v tariff.ActiveVersion) (*tariff.Deck, error) {
		return s.compile(ctx, d, v, where, append([]any{v.Version}, args...)...)
	}, stamp(at))
}

// decksAt reads the decks with the versions that counted at an instant or later, of activations that satisfy a condition, and has
// compile give the rates of each. A version whose rates make no sense must not keep the others from being read: it has none.
func (s *Store) decksAt(
	ctx context.Context, at time.Time, condition string, compile func(models.RateDeck, tariff.ActiveVersion) (*tariff.Deck, error), args ...any,
) (*tariff.Decks, error) {
	revision, err := s.DeckRevision(ctx) // before the rest: what changes meanwhile is read again
	if err != nil {
		return nil, err
	}
	decks, err := s.Decks(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := s.number(ctx, "SELECT COUNT(*) FROM user_groups WHERE deck_id <> 0")
	if err != nil {
		return nil, err
	}
	active, err := s.activeVersions(ctx, at, condition, args)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]models.RateDeck, len(decks))
	for _, d := range decks {
		byID[d.ID] = d
	}
	// A deck that was made between two of these reads comes with the next revision.
	active = slices.DeleteFunc(active, func(v tariff.ActiveVersion) bool { return byID[v.Deck].ID == 0 })
	for i, v := range active {
		active[i].Rates, err = compile(byID[v.Deck], v)
		if errors.Is(err, models.ErrInvalid) {
			active[i].Rates, active[i].Broken = nil, err
		} else if err != nil {
			return nil, fmt.Errorf("read version %d of tariff %q: %w", v.Number, byID[v.Deck].Name, err)
		}
	}
	s.groupDecks.Store(groups > 0)
	if err := s.loadLimits(ctx); err != nil {
		return nil, err
	}
	return tariff.NewDecks(revision, decks, active), nil
}

// activeVersions are those that counted at an instant, or later.
func (s *Store) activeVersions(ctx context.Context, at time.Time, condition string, args []any) (active []tariff.ActiveVersion, err error) {
	err = s.each(ctx, "SELECT a.deck_id, a.version_id, v.number, v.rates, a.from_at FROM deck_activations a JOIN deck_versions v ON v.id = a.version_id"+
		" WHERE "+condition+" ORDER BY a.deck_id, a.from_at, a.id", args, func(rows *sql.Rows) error {
		var v tariff.ActiveVersion
		if err := rows.Scan(&v.Deck, &v.Version, &v.Number, &v.Count, &v.From); err != nil {
			return err
		}
		if n := len(active); n > 0 && active[n-1].Deck == v.Deck && !v.From.After(at) {
			active[n-1] = v // the one before counts no more
		} else {
			active = append(active, v)
		}
		return nil
	})
	return active, err
}

// compile reads rates of a version of a deck.
func (s *Store) compile(ctx context.Context, d models.RateDeck, v tariff.ActiveVersion, where string, args ...any) (*tariff.Deck, error) {
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrInvalid, err)
	}
	var rates []models.DeckRate
	err = s.eachRate(ctx, d.Currency, where, args, func(_ int64, r models.DeckRate) error {
		r.Deck, r.Version = d.Name, v.Number
		rates = append(rates, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return tariff.NewDeck(rates, zone)
}
