package tariff

import (
	"errors"
	"time"

	"talktime/models"
)

// Why a deck has no rate. They are made once: who asks with each call must not put words together.
var (
	errNoDeck    = errors.New("it is not known yet")
	errNoVersion = errors.New("no version of it counts then")
	errBroken    = errors.New("its version cannot be used")
	errNoRate    = errors.New("it has no rate for this number")
)

// Counts is nil when a version of a deck counts at an instant and can be used, else why not, in a clause about the deck.
func (d *Decks) Counts(deck int64, at time.Time) error {
	_, err := d.version(deck, at)
	return err
}

// Of is the rate of a number in a deck at an instant, whoever has that deck; else why there is none, in a clause about the deck.
// It allocates nothing.
func (d *Decks) Of(deck int64, number string, at time.Time) (models.Rate, error) {
	v, err := d.version(deck, at)
	if err != nil {
		return models.Rate{}, err
	}
	rate := v.Rates.find(number, at)
	if rate == nil {
		return models.Rate{}, errNoRate
	}
	return *rate, nil
}

func (d *Decks) version(deck int64, at time.Time) (*ActiveVersion, error) {
	l := d.decks[deck]
	if l == nil {
		return nil, errNoDeck
	}
	v := l.at(at)
	switch {
	case v == nil:
		return nil, errNoVersion
	case v.Rates == nil:
		return nil, errBroken
	}
	return v, nil
}
