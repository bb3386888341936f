package models

import (
	"errors"
	"regexp"
	"time"
)

// DeckVersion is one state of the rates of a deck. It never changes.
type DeckVersion struct {
	ID        int64
	Deck      string // its name
	Number    int    // of the versions of the deck, from 1
	Note      string
	Rates     int64
	Actor     string
	CreatedAt time.Time
	From      *time.Time // since when it counts, or from when on it will; nil: it does not
	Counts    bool       // now
}

// NumberedRate is a rate with its row in the version's file.
type NumberedRate struct {
	DeckRate

	N int64 // from 1
}

// ErrNoVersion says that a deck has no version to go back to.
var ErrNoVersion = errors.New("there is no version before to go back to")

var (
	deckName     = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`)
	currencyForm = regexp.MustCompile(`^[A-Z]{3,8}$`)
)

// Validate reports what is wrong with a deck, in one sentence.
func (d RateDeck) Validate() error {
	switch {
	case !deckName.MatchString(d.Name):
		return invalid("the name of a tariff must be 1 to 64 letters, digits, dots, dashes or underscores, and not begin with a sign, but is %.70q", d.Name)
	case !ValidCurrency(d.Currency):
		return invalid("a currency must be 3 to 8 capital letters, such as EUR, but is %.20q", d.Currency)
	}
	if _, err := time.LoadLocation(d.Zone); err != nil || d.Zone == "" || d.Zone == "Local" {
		return invalid("there is no time zone %.70q; name one such as UTC or Europe/Berlin", d.Zone)
	}
	return nil
}

// ValidCurrency reports whether a text can be the name of a currency.
func ValidCurrency(text string) bool { return currencyForm.MatchString(text) }
