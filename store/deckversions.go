package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"talktime/models"
)

// importPart is how many rates are written in one transaction: on SQLite, calls wait meanwhile.
const importPart = 2000

// unfinishedLife is after how long an import that did not end is taken for dead.
const unfinishedLife = 24 * time.Hour

// ImportDeckVersion makes a version of a deck of all rates that each yields, which are in the deck's currency, or none. It does
// not count before it is activated. Calls go on meanwhile.
func (s *Store) ImportDeckVersion(
	ctx context.Context, deck, note, actor string, each func(yield func(models.DeckRate) error) error,
) (models.DeckVersion, error) {
	return s.importVersion(ctx, models.DeckVersion{Deck: deck, Note: note, Actor: actor}, each)
}

// ImportActiveDeckVersion is ImportDeckVersion with ActivateDeck, both or neither: the version counts from an instant on, or from
// now on when that is zero or has come meanwhile.
func (s *Store) ImportActiveDeckVersion(
	ctx context.Context, deck, note, actor string, from time.Time, each func(yield func(models.DeckRate) error) error,
) (models.DeckVersion, error) {
	return s.importVersion(ctx, models.DeckVersion{Deck: deck, Note: note, Actor: actor, From: &from}, each)
}

// importVersion makes a version of rates, and lets it count if it says from when on.
func (s *Store) importVersion(ctx context.Context, v models.DeckVersion, each func(yield func(models.DeckRate) error) error) (models.DeckVersion, error) {
	if err := s.beginVersion(ctx, &v); err != nil {
		return models.DeckVersion{}, err
	}
	err := s.importRates(ctx, v.ID, &v.Rates, each)
	if err == nil {
		err = s.changeDecks(ctx, func(db *gorm.DB) error {
			row, err := s.lockDeck(db, v.Deck)
			if err != nil {
				return err
			}
			done := db.Exec("UPDATE deck_versions SET rates = ? WHERE id = ? AND rates IS NULL", v.Rates, v.ID)
			if done.Error == nil && done.RowsAffected == 0 {
				return fmt.Errorf("%w: the tariff %q was removed meanwhile", models.ErrConflict, v.Deck)
			}
			if done.Error != nil {
				return done.Error
			}
			if err := s.logIn(db, v.Actor, "tariff.import", v.Deck, nil, versionFacts{Version: v.Number, Rates: v.Rates, Note: v.Note}); err != nil || v.From == nil {
				return err
			}
			now, at := s.now().UTC(), v.From.UTC()
			if at.Before(now) {
				at = now
			}
			return s.activate(db, row.ID, v, at, now)
		})
	}
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statementTimeout)
		defer cancel()
		if complete, forgotten := s.forgetVersion(ctx, v.ID); forgotten == nil && complete { // the answer to the commit was lost
			return v, nil
		}
		return models.DeckVersion{}, translate(err)
	}
	return v, nil
}

// activate lets a version of a deck that is locked count from an instant on.
func (s *Store) activate(db *gorm.DB, deck int64, v models.DeckVersion, at, now time.Time) error {
	if err := db.Exec("INSERT INTO deck_activations (deck_id, version_id, from_at, actor, created_at) VALUES (?, ?, ?, ?, ?)",
		deck, v.ID, stamp(at), truncate(v.Actor, 80), stamp(now)).Error; err != nil {
		return err
	}
	return s.logIn(db, v.Actor, "tariff.activate", v.Deck, nil, versionFacts{Version: v.Number, From: &at})
}

// beginVersion gives a version its number, and cleans up behind imports that never ended.
func (s *Store) beginVersion(ctx context.Context, v *models.DeckVersion) error {
	var dead []int64
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		deck, err := s.lockDeck(db, v.Deck)
		if err != nil {
			return err
		}
		now := s.now().UTC()
		if err := db.Raw("SELECT id FROM deck_versions WHERE rates = ? OR deck_id = ? AND rates IS NULL AND created_at < ?", deadVersion, deck.ID, stamp(now.Add(-unfinishedLife))).
			Scan(&dead).Error; err != nil {
			return err
		}
		if err := db.Raw("SELECT COALESCE(MAX(number), 0) + 1 FROM deck_versions WHERE deck_id = ?", deck.ID).Scan(&v.Number).Error; err != nil {
			return err
		}
		v.CreatedAt = now
		if err := db.Exec("INSERT INTO deck_versions (deck_id, number, note, actor, created_at) VALUES (?, ?, ?, ?, ?)",
			deck.ID, v.Number, v.Note, truncate(v.Actor, 80), stamp(now)).Error; err != nil {
			return err
		}
		return db.Raw("SELECT id FROM deck_versions WHERE deck_id = ? AND number = ?", deck.ID, v.Number).Scan(&v.ID).Error
	})
	for _, id := range dead {
		if err == nil {
			_, err = s.forgetVersion(ctx, id)
		}
	}
	return translate(err)
}

// deadVersion is how many rates a version is said to have that is being deleted. One that may count must never be.
const deadVersion = -1

// forgetVersion deletes a version of which not all rates are there. It tells whether they are: then it stays.
func (s *Store) forgetVersion(ctx context.Context, id int64) (complete bool, err error) {
	if err := s.exec(ctx, "UPDATE deck_versions SET rates = ? WHERE id = ? AND rates IS NULL", deadVersion, id); err != nil {
		return false, translate(err)
	}
	n, err := s.number(ctx, "SELECT COUNT(*) FROM deck_versions WHERE id = ? AND rates >= 0", id)
	if err != nil || n > 0 {
		return err == nil, err
	}
	if err := s.deleteRates(ctx, id); err != nil {
		return false, err
	}
	return false, translate(s.exec(ctx, "DELETE FROM deck_versions WHERE id = ? AND rates = ?", id, deadVersion))
}

const deckRateColumns = "prefix, destination, per_minute, connect_fee, first_seconds, increment_seconds, minimum, grace_seconds, from_at, to_at, days, start_minute, end_minute"

// importRates writes the rates of a version, numbered as they come.
func (s *Store) importRates(ctx context.Context, version int64, n *int64, each func(yield func(models.DeckRate) error) error) error {
	part := make([]models.DeckRate, 0, importPart)
	flush := func() error {
		first := *n
		*n += int64(len(part))
		err := s.inTransaction(ctx, func(db *gorm.DB) error {
			t := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
			rows := t.insert("deck_rates", slices.Concat([]string{"version_id", "n"}, splitColumns(deckRateColumns))...)
			for i, r := range part {
				rows.row(version, first+int64(i)+1, r.Prefix, truncate(r.Name, 80), int64(r.PerMinute), int64(r.ConnectFee), r.First, r.Increment,
					int64(r.Minimum), r.Grace, stampOrNil(r.From), stampOrNil(r.To), int64(r.Days), r.Start, r.End)
			}
			return rows.exec(ctx)
		})
		part = part[:0]
		return err
	}
	err := each(func(r models.DeckRate) error {
		if err := r.Validate(); err != nil {
			return err
		}
		if part = append(part, r); len(part) < importPart {
			return nil
		}
		return flush()
	})
	if err == nil && len(part) > 0 {
		err = flush()
	}
	return err
}

func stampOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}

// ActivateDeck lets a version of a deck count from an instant on; the zero time is now. An instant that is past is
// models.ErrInvalid: what calls cost then is not changed afterwards.
func (s *Store) ActivateDeck(ctx context.Context, deck string, number int, from time.Time, actor string) (models.DeckVersion, error) {
	var id int64
	err := s.changeDecks(ctx, func(db *gorm.DB) error {
		row, err := s.lockDeck(db, deck)
		if err != nil {
			return err
		}
		now, at := s.now().UTC(), from.UTC()
		if from.IsZero() {
			at = now
		}
		if at.Year() > 9999 {
			return fmt.Errorf("%w: a version cannot count from so late on", models.ErrInvalid)
		}
		if at.Before(now) {
			return fmt.Errorf("%w: a version cannot count from a past time on; the clock shows %s", models.ErrInvalid, now.Format(time.RFC3339))
		}
		var rates *int64
		if err := db.Raw("SELECT id, rates FROM deck_versions WHERE deck_id = ? AND number = ?", row.ID, number).Row().Scan(&id, &rates); errors.Is(err, sql.ErrNoRows) || err == nil && (rates == nil || *rates < 0) {
			return fmt.Errorf("version %d of tariff %q: %w", number, deck, models.ErrNotFound)
		} else if err != nil {
			return err
		}
		return s.activate(db, row.ID, models.DeckVersion{ID: id, Deck: deck, Number: number, Actor: actor}, at, now)
	})
	if err != nil {
		return models.DeckVersion{}, translate(err)
	}
	return s.deckVersion(ctx, deck, number)
}

// activation is when a version begins to count.
type activation struct {
	ID      int64
	Version int64
	Number  int
	FromAt  time.Time
}

// activations are those of a deck that were not taken back, in the order in which they begin to count.
func activations(db *gorm.DB, deck int64) (all []activation, err error) {
	err = db.Raw("SELECT a.id, v.id AS version, v.number, a.from_at FROM deck_activations a JOIN deck_versions v ON v.id = a.version_id"+
		" WHERE a.deck_id = ? AND a.until_at IS NULL ORDER BY a.from_at, a.id", deck).Scan(&all).Error
	return all, err
}

// current is the one that counts at an instant, or -1.
func current(all []activation, at time.Time) int {
	counts := -1
	for i, a := range all {
		if !a.FromAt.After(at) {
			counts = i
		}
	}
	return counts
}

// RollBackDeck takes back a version: if it counts, the one before does from now on; if it is planned, it never will. 0 is the
// version that counts. To name it makes a repetition safe: a version that neither counts nor is planned is models.ErrConflict.
// models.ErrNoVersion when none would count afterwards. It returns the version that counts then; none when none did.
func (s *Store) RollBackDeck(ctx context.Context, deck string, version int, actor string) (models.DeckVersion, error) {
	var number int
	err := s.changeDecks(ctx, func(db *gorm.DB) error {
		row, err := s.lockDeck(db, deck)
		if err != nil {
			return err
		}
		all, err := activations(db, row.ID)
		if err != nil {
			return err
		}
		counts := current(all, s.now())
		taken := counts
		if version != 0 && (counts < 0 || all[counts].Number != version) {
			taken = -1
			for i := counts + 1; i < len(all); i++ { // the last that is planned
				if all[i].Number == version {
					taken = i
				}
			}
			if taken < 0 {
				return fmt.Errorf("%w: version %d of the tariff %q neither counts nor is planned", models.ErrConflict, version, deck)
			}
		}
		if taken == counts {
			counts--
		}
		if taken < 0 || counts < 0 && taken == 0 && !all[taken].FromAt.After(s.now()) {
			return fmt.Errorf("tariff %q: %w", deck, models.ErrNoVersion)
		}
		if counts >= 0 {
			number = all[counts].Number
		}
		if err := db.Exec("UPDATE deck_activations SET until_at = ? WHERE id = ?", stamp(s.now()), all[taken].ID).Error; err != nil {
			return err
		}
		return s.logIn(db, actor, "tariff.rollback", deck, versionFacts{Version: all[taken].Number}, versionFacts{Version: number})
	})
	if err != nil || number == 0 {
		return models.DeckVersion{}, translate(err)
	}
	return s.deckVersion(ctx, deck, number)
}

func (s *Store) deckVersion(ctx context.Context, deck string, number int) (models.DeckVersion, error) {
	all, err := s.DeckVersions(ctx, deck)
	for _, v := range all {
		if v.Number == number {
			return v, err
		}
	}
	if err == nil {
		err = fmt.Errorf("version %d of tariff %q: %w", number, deck, models.ErrNotFound)
	}
	return models.DeckVersion{}, err
}

// DeckVersions returns the versions of a deck that are complete, the newest first.
func (s *Store) DeckVersions(ctx context.Context, deck string) ([]models.DeckVersion, error) {
	d, err := s.Deck(ctx, deck)
	if err != nil {
		return nil, err
	}
	now := s.now()
	all, err := activations(s.read.WithContext(ctx), d.ID)
	if err != nil {
		return nil, translate(err)
	}
	from, counts := map[int64]time.Time{}, int64(0)
	for _, a := range all {
		if _, known := from[a.Version]; !known || !a.FromAt.After(now) { // since when, else from when on
			from[a.Version] = a.FromAt
		}
	}
	if i := current(all, now); i >= 0 {
		counts = all[i].Version
	}
	versions := []models.DeckVersion{}
	err = s.each(ctx, "SELECT id, number, note, rates, actor, created_at FROM deck_versions WHERE deck_id = ? AND rates >= 0 ORDER BY number DESC",
		[]any{d.ID}, func(rows *sql.Rows) error {
			v := models.DeckVersion{Deck: deck}
			err := rows.Scan(&v.ID, &v.Number, &v.Note, &v.Rates, &v.Actor, &v.CreatedAt)
			if at, ok := from[v.ID]; ok {
				v.From = &at
			}
			v.Counts = v.ID == counts
			versions = append(versions, v)
			return err
		})
	return versions, err
}
