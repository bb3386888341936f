package tariff

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"talktime/models"
)

// ErrNotLoaded says that the rate decks are not known yet, so that nobody can say what a call costs.
var ErrNotLoaded = errors.New("the rate decks have not been read from the database yet")

// Decks is all rate decks as they were at one moment: which versions count from when on, and who gets which.
type Decks struct {
	revision int64
	decks    map[int64]*line
	defaults map[string]int64 // by currency
	builtIn  models.Rate
}

// line is a deck and its versions in the order in which they begin to count.
type line struct {
	deck   models.RateDeck
	active []ActiveVersion
}

// ActiveVersion is a version of a deck that counts from an instant on, until the next one does.
type ActiveVersion struct {
	Deck    int64 // its id
	Version int64 // its id
	Number  int   // the versions of a deck are numbered from 1
	From    time.Time
	Count   int64 // rates that it has
	Rates   *Deck // nil when they cannot be used
	Broken  error // why not
}

// NewDecks makes Decks of decks and of the versions that count, now or later, in the order in which they were activated: of
// two from the same instant on the later one counts. revision tells which state of the database that is.
func NewDecks(revision int64, decks []models.RateDeck, active []ActiveVersion) *Decks {
	d := &Decks{revision: revision, decks: make(map[int64]*line, len(decks)), defaults: map[string]int64{}, builtIn: models.SecondRate()}
	for _, deck := range decks {
		d.decks[deck.ID] = &line{deck: deck}
		if deck.Default {
			d.defaults[deck.Currency] = deck.ID
		}
	}
	for _, v := range active {
		if l := d.decks[v.Deck]; l != nil {
			l.active = append(l.active, v)
		}
	}
	for _, l := range d.decks {
		slices.SortStableFunc(l.active, func(a, b ActiveVersion) int { return a.From.Compare(b.From) })
	}
	return d
}

// Revision tells which state of the database these are.
func (d *Decks) Revision() int64 { return d.revision }

// Versions are the versions that are in memory, by their id.
func (d *Decks) Versions() map[int64]*Deck {
	versions := map[int64]*Deck{}
	for _, l := range d.decks {
		for _, v := range l.active {
			if v.Rates != nil {
				versions[v.Version] = v.Rates
			}
		}
	}
	return versions
}

// Match is a rate and where it comes from.
type Match struct {
	Rate models.Rate
	Deck models.RateDeck // without an id for the built-in tariff
	From time.Time       // since when this version counts
}

// Find returns the rate of a user's call to a number at an instant: from his own deck, else from that of his group, else from
// the default of his currency, else from the built-in tariff, which is for SEC alone. A version that counts no more cannot be
// found. false when there is none, and why.
func (d *Decks) Find(u models.User, number string, at time.Time) (m Match, why string, ok bool) {
	rate, l, v, why := d.find(u, number, at)
	switch {
	case rate == nil:
		return m, why, false
	case l == nil:
		return Match{Rate: *rate}, "", true
	}
	return Match{Rate: *rate, Deck: l.deck, From: v.From}, "", true
}

// find returns no rate when there is none, and why; and no line for the built-in tariff. Nobody may change what it returns.
func (d *Decks) find(u models.User, number string, at time.Time) (rate *models.Rate, l *line, v *ActiveVersion, why string) {
	id := u.Deck
	if id == 0 {
		id = u.GroupDeck
	}
	if l = d.decks[id]; id == 0 {
		l = d.decks[d.defaults[u.Currency]]
		if l != nil && l.at(at) == nil { // a default of which no version counts is none yet
			l = nil
		}
	}
	switch {
	case id == 0 && l == nil && u.Currency == models.SEC:
		return &d.builtIn, nil, nil, ""
	case id == 0 && l == nil:
		return nil, nil, nil, fmt.Sprintf("no tariff in %s is for this user: none is assigned to him, and no default one counts", u.Currency)
	case l == nil:
		return nil, nil, nil, "the tariff of this user is not known yet"
	case l.deck.Currency != u.Currency:
		return nil, nil, nil, fmt.Sprintf("the tariff %q is in %s, but the money of the user is %s", l.deck.Name, l.deck.Currency, u.Currency)
	}
	v = l.at(at)
	switch {
	case v == nil:
		return nil, nil, nil, fmt.Sprintf("no version of the tariff %q counts then", l.deck.Name)
	case v.Rates == nil:
		return nil, nil, nil, fmt.Sprintf("version %d of the tariff %q cannot be used", v.Number, l.deck.Name)
	}
	if rate = v.Rates.find(number, at); rate == nil {
		return nil, nil, nil, fmt.Sprintf("the tariff %q has no rate for this number", l.deck.Name)
	}
	return rate, l, v, ""
}

// at is the version that counts at an instant; nil when none does.
func (l *line) at(at time.Time) *ActiveVersion {
	for i := len(l.active) - 1; i >= 0; i-- {
		if !l.active[i].From.After(at) {
			return &l.active[i]
		}
	}
	return nil
}

// told is what the log tells: the versions that count or will, and what is wrong with those that cannot be used.
func (d *Decks) told() (versions, broken []string) {
	for _, l := range d.decks {
		for _, v := range l.active {
			text := fmt.Sprintf("%s %d", l.deck.Name, v.Number)
			if versions = append(versions, text); v.Broken != nil {
				broken = append(broken, fmt.Sprintf("version %d of %s: %v", v.Number, l.deck.Name, v.Broken))
			}
		}
	}
	slices.Sort(versions)
	slices.Sort(broken)
	return versions, broken
}
