package tariff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"talktime/models"
)

// Importer is the database that files of rates are imported into.
type Importer interface {
	Deck(ctx context.Context, name string) (models.RateDeck, error)
	DeckVersions(ctx context.Context, deck string) ([]models.DeckVersion, error)
	EachDeckRate(ctx context.Context, deck string, number int, around string, each func(n int64, r models.DeckRate) error) error
	// ImportDeckVersion makes a version of all rates that each yields, or none. ImportActiveDeckVersion makes it count besides:
	// from an instant on, or from now on when that is zero or has come meanwhile.
	ImportDeckVersion(ctx context.Context, deck, note, actor string, each func(yield func(models.DeckRate) error) error) (models.DeckVersion, error)
	ImportActiveDeckVersion(
		ctx context.Context, deck, note, actor string, from time.Time, each func(yield func(models.DeckRate) error) error,
	) (models.DeckVersion, error)
}

// Import makes a file of rates a version of a deck: Check reads it, and Write writes what was read.
type Import struct {
	Into        Importer
	Deck        string
	Note        string
	Actor       string
	JumpPercent int64                            // see Check
	Cost        string                           // name of the deck of what the destinations cost us; empty = not known
	Activate    bool                             // let it count
	From        time.Time                        // from when on; zero = from now on
	MaxRates    int                              // of the file; 0 = any number
	Progress    func(format string, args ...any) // how far it is; nil = nobody looks

	rows []Row
}

// FileError says that a file cannot be read as one of rates.
type FileError struct{ Err error }

func (e *FileError) Error() string { return e.Err.Error() }

func (e *FileError) Unwrap() error { return e.Err }

func (i *Import) show(format string, args ...any) {
	if i.Progress != nil {
		i.Progress(format, args...)
	}
}

// Check reads the file and tells what it changes against the version that counts now. models.ErrNotFound for a deck that there
// is not, models.ErrInvalid for a cost that cannot be compared, a FileError for what is no file of rates.
func (i *Import) Check(ctx context.Context, text io.Reader, now time.Time) (*Report, error) {
	deck, err := i.Into.Deck(ctx, i.Deck)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(deck.Zone)
	if err != nil {
		return nil, err
	}
	check := Check{JumpPercent: i.JumpPercent, At: now, Zone: zone}
	if !i.From.IsZero() {
		if i.From.Before(now) {
			return nil, fmt.Errorf("%w: a version cannot count from a past time on; the clock shows %s", models.ErrInvalid, now.In(zone).Format("2006-01-02 15:04:05 MST"))
		}
		check.At = i.From
	}
	if i.Cost != "" {
		if check.Cost, err = i.costs(ctx, deck, now); err != nil {
			return nil, err
		}
	}
	if err := i.read(ctx, text, deck.Currency, zone); err != nil {
		return nil, &FileError{err}
	}
	old, err := i.ratesThatCount(ctx, i.Deck)
	if err != nil {
		return nil, err
	}
	i.show("comparing %d rates with %d", len(i.rows), len(old))
	return Compare(old, i.rows, check)
}

func (i *Import) read(ctx context.Context, text io.Reader, currency string, zone *time.Location) error {
	file, err := NewFile(text, currency, zone)
	if err != nil {
		return err
	}
	for {
		row, err := file.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && i.MaxRates > 0 && len(i.rows) == i.MaxRates {
			err = fmt.Errorf("it has more than %d rates", i.MaxRates)
		}
		if err != nil {
			return err
		}
		i.rows = append(i.rows, row)
		i.show("read %d rates", len(i.rows))
	}
}

// ratesThatCount are those of the version that does; none when there is no such version.
func (i *Import) ratesThatCount(ctx context.Context, deck string) (rates []models.DeckRate, err error) {
	versions, err := i.Into.DeckVersions(ctx, deck)
	for _, v := range versions {
		if v.Counts {
			rates = make([]models.DeckRate, 0, v.Rates)
			err = i.Into.EachDeckRate(ctx, deck, v.Number, "", func(_ int64, r models.DeckRate) error { rates = append(rates, r); return nil })
		}
	}
	return rates, err
}

// costs is the deck of what we pay.
func (i *Import) costs(ctx context.Context, sold models.RateDeck, at time.Time) (*Deck, error) {
	bought, err := i.Into.Deck(ctx, i.Cost)
	switch {
	case err != nil:
		return nil, err
	case bought.Currency != sold.Currency:
		return nil, fmt.Errorf("%w: the tariff %q is in %s, but %q is in %s: prices in different currencies cannot be compared",
			models.ErrInvalid, i.Cost, bought.Currency, sold.Name, sold.Currency)
	}
	rates, err := i.ratesThatCount(ctx, i.Cost)
	if err != nil {
		return nil, err
	}
	if len(rates) == 0 {
		return nil, fmt.Errorf("%w: no version of the tariff %q counts on %s", models.ErrInvalid, i.Cost, at.Format(time.DateTime))
	}
	zone, err := time.LoadLocation(bought.Zone)
	if err != nil {
		return nil, err
	}
	return NewDeck(rates, zone)
}

// Write makes the version of what Check has found to be importable: all of it, and it counts if it is to, or nothing.
func (i *Import) Write(ctx context.Context) (models.DeckVersion, error) {
	each := func(yield func(models.DeckRate) error) error {
		for n, row := range i.rows {
			if err := ctx.Err(); err != nil {
				return err
			}
			i.show("wrote %d of %d rates", n, len(i.rows))
			if err := yield(row.DeckRate); err != nil {
				return err
			}
		}
		return nil
	}
	if i.Activate {
		return i.Into.ImportActiveDeckVersion(ctx, i.Deck, i.Note, i.Actor, i.From, each)
	}
	return i.Into.ImportDeckVersion(ctx, i.Deck, i.Note, i.Actor, each)
}
