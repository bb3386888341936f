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

	"gorm.io/gorm"

	"talktime/models"
	"talktime/tariff"
)

// deckRow is a table as GORM writes it.
type deckRow struct {
	ID        int64 `gorm:"primaryKey"`
	Name      string
	Currency  string
	Zone      string
	IsDefault bool
	CreatedAt time.Time
}

// TableName implements GORM's Tabler.
func (deckRow) TableName() string { return "decks" }

func (d deckRow) model() models.RateDeck {
	return models.RateDeck{ID: d.ID, Name: d.Name, Currency: d.Currency, Zone: d.Zone, Default: d.IsDefault, CreatedAt: d.CreatedAt.UTC()}
}

// deckFacts is what the audit log says of a deck, and versionFacts of a version.
type deckFacts struct {
	Currency string `json:"currency"`
	Zone     string `json:"zone"`
	Default  bool   `json:"default"`
}

type versionFacts struct {
	Version int        `json:"version"`
	Rates   int64      `json:"rates,omitempty"`
	Note    string     `json:"note,omitempty"`
	From    *time.Time `json:"from,omitempty"`
}

func (d deckRow) facts() deckFacts { return deckFacts{d.Currency, d.Zone, d.IsDefault} }

// lockDeck returns a deck, or models.ErrNotFound, and keeps others from changing it meanwhile.
func (s *Store) lockDeck(db *gorm.DB, name string) (deckRow, error) {
	var row deckRow
	err := db.Raw("SELECT * FROM decks WHERE name = ?"+s.dialect.forUpdate, name).Scan(&row).Error
	if err == nil && row.ID == 0 {
		err = noDeck(name)
	}
	return row, err
}

func noDeck(name string) error { return fmt.Errorf("tariff %q: %w", name, models.ErrNotFound) }

// decksChanged makes every process read the decks again. It comes first in each change of them: two at once then wait for each
// other, and neither rests on what the other is about to change.
func decksChanged(db *gorm.DB) error {
	return db.Exec("UPDATE counters SET value = value + 1 WHERE name = 'decks'").Error
}

// AddDeck makes a deck, which has no rates yet. A name that is taken is models.ErrConflict, and so is a default in the place of
// another: that one has rates.
func (s *Store) AddDeck(ctx context.Context, d models.RateDeck, actor string) (models.RateDeck, error) {
	if err := d.Validate(); err != nil {
		return models.RateDeck{}, err
	}
	row := deckRow{Name: d.Name, Currency: d.Currency, Zone: d.Zone, IsDefault: d.Default}
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		row.ID, row.CreatedAt = 0, s.now().UTC()
		if err := decksChanged(db); err != nil {
			return err
		}
		if err := freeDefault(db, row); err != nil {
			return err
		}
		if err := db.Create(&row).Error; err != nil {
			return err
		}
		if err := s.openHouse(db, d.Currency); err != nil {
			return err
		}
		return s.logIn(db, actor, "tariff.add", d.Name, nil, row.facts())
	})
	if isDuplicate(err) {
		return models.RateDeck{}, fmt.Errorf("%w: there is a tariff %q already", models.ErrConflict, d.Name)
	}
	return row.model(), translate(err)
}

// freeDefault refuses a new default where there is one.
func freeDefault(db *gorm.DB, row deckRow) error {
	if !row.IsDefault {
		return nil
	}
	var other string
	err := db.Raw("SELECT name FROM decks WHERE currency = ? AND is_default LIMIT 1", row.Currency).Scan(&other).Error
	if err == nil && other != "" {
		err = fmt.Errorf("%w: %q is the default in %s; make the new tariff without being it, and the default once its rates count", models.ErrConflict, other, row.Currency)
	}
	return err
}

// openHouse makes the house's accounts of a currency, unless they are there.
func (s *Store) openHouse(db *gorm.DB, currency string) error {
	for _, name := range []string{models.HouseCash, models.HouseRevenue, models.HouseShortfall, models.HouseClosed} {
		if err := db.Exec(s.dialect.insertIgnore+" INTO accounts (user_id, name, currency) VALUES (0, ?, ?)", name, currency).Error; err != nil {
			return err
		}
	}
	return nil
}

// SetDefaultDeck makes a deck the default of its currency, in the place of the one before, or not. One of which no version counts
// is models.ErrConflict: nobody could call.
func (s *Store) SetDefaultDeck(ctx context.Context, name string, is bool, actor string) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := decksChanged(db); err != nil {
			return err
		}
		row, err := s.lockDeck(db, name)
		if err != nil {
			return err
		}
		before := row.facts()
		row.IsDefault = is
		if is {
			active, err := activations(db, row.ID)
			if err != nil {
				return err
			}
			if current(active, s.now()) < 0 {
				return fmt.Errorf("%w: no version of the tariff %q counts; activate one first", models.ErrConflict, name)
			}
			if err := db.Exec("UPDATE decks SET is_default = FALSE WHERE currency = ? AND id <> ?", row.Currency, row.ID).Error; err != nil {
				return err
			}
		}
		if err := db.Exec("UPDATE decks SET is_default = ? WHERE id = ?", is, row.ID).Error; err != nil {
			return err
		}
		return s.logIn(db, actor, "tariff.change", name, before, row.facts())
	}))
}

// RemoveDeck removes a deck with all its versions. While it is assigned to somebody, or the default, it is models.ErrConflict.
// Calls keep the rates that they were made at.
func (s *Store) RemoveDeck(ctx context.Context, name, actor string) error {
	var versions []int64
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := decksChanged(db); err != nil {
			return err
		}
		row, err := s.lockDeck(db, name)
		if err != nil {
			return err
		}
		if row.IsDefault {
			return fmt.Errorf("%w: the tariff %q is the default in %s; make another one the default, or none, first", models.ErrConflict, name, row.Currency)
		}
		var users, groups int64
		if err := db.Raw("SELECT COUNT(*) FROM users WHERE deck_id = ? AND deleted_at IS NULL", row.ID).Scan(&users).Error; err != nil {
			return err
		}
		if err := db.Raw("SELECT COUNT(*) FROM user_groups WHERE deck_id = ?", row.ID).Scan(&groups).Error; err != nil {
			return err
		}
		if users+groups > 0 {
			return fmt.Errorf("%w: the tariff %q is assigned: to users %d, to groups %d; give them another first", models.ErrConflict, name, users, groups)
		}
		if err := db.Raw("SELECT id FROM deck_versions WHERE deck_id = ?", row.ID).Scan(&versions).Error; err != nil {
			return err
		}
		if err := db.Exec("UPDATE deck_versions SET rates = ? WHERE deck_id = ?", deadVersion, row.ID).Error; err != nil {
			return err
		}
		for _, table := range []string{"deck_activations WHERE deck_id", "decks WHERE id"} {
			if err := db.Exec("DELETE FROM "+table+" = ?", row.ID).Error; err != nil {
				return err
			}
		}
		return s.logIn(db, actor, "tariff.delete", name, row.facts(), nil)
	})
	if err != nil {
		return translate(err)
	}
	for _, version := range versions { // what is cut off here the next import does
		if _, err := s.forgetVersion(ctx, version); err != nil {
			return err
		}
	}
	return nil
}

// deletedRates is how many rates are deleted at once: on SQLite, calls wait meanwhile.
const deletedRates = 5000

// deleteRates deletes the rates of a version that nobody reads any more.
func (s *Store) deleteRates(ctx context.Context, version int64) error {
	last, err := s.number(ctx, "SELECT COALESCE(MAX(n), 0) FROM deck_rates WHERE version_id = ?", version)
	for n := int64(0); err == nil && n <= last; n += deletedRates {
		err = translate(s.exec(ctx, "DELETE FROM deck_rates WHERE version_id = ? AND n > ? AND n <= ?", version, n, n+deletedRates))
	}
	return err
}

// AssignDeck gives a user a deck, which must be in his currency, or none.
func (s *Store) AssignDeck(ctx context.Context, user int64, deck string, actor string) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		var row userRow
		if err := db.Raw("SELECT * FROM users WHERE id = ? AND deleted_at IS NULL"+s.dialect.forUpdate, user).Scan(&row).Error; err != nil {
			return err
		}
		if row.ID == 0 {
			return fmt.Errorf("user %d: %w", user, models.ErrNotFound)
		}
		id, err := s.assignable(db, deck, row.Currency)
		if err != nil || id == row.DeckID {
			return err
		}
		if err := db.Exec("UPDATE users SET deck_id = ? WHERE id = ?", id, user).Error; err != nil {
			return err
		}
		return s.logAssigned(db, actor, "user.tariff", row.Username, row.DeckID, deck)
	}))
}

// AssignGroupDeck gives a group a deck, or none. It counts for those members who have no own one and whose money is in its
// currency.
func (s *Store) AssignGroupDeck(ctx context.Context, group, deck string, actor string) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := decksChanged(db); err != nil { // the first one makes us look for those of groups
			return err
		}
		row, err := lockGroup(db, 0, group)
		if err != nil {
			return err
		}
		id, err := s.assignable(db, deck, "")
		if err != nil || id == row.DeckID {
			return err
		}
		if err := db.Exec("UPDATE user_groups SET deck_id = ? WHERE id = ?", id, row.ID).Error; err != nil {
			return err
		}
		return s.logAssigned(db, actor, "group.tariff", row.Name, row.DeckID, deck)
	}))
}

// UserDeck returns the name of the deck that is assigned to a user himself, empty when none is; models.ErrNotFound when there is no
// such user.
func (s *Store) UserDeck(ctx context.Context, user int64) (string, error) {
	return s.assigned(ctx, fmt.Sprintf("user %d", user), "users u LEFT JOIN decks d ON d.id = u.deck_id WHERE u.deleted_at IS NULL AND u.id = ?", user)
}

// GroupDeck is UserDeck for a group.
func (s *Store) GroupDeck(ctx context.Context, group string) (string, error) {
	g, err := s.Group(ctx, group) // MySQL does not look at blanks behind a name, and it does
	if err != nil {
		return "", err
	}
	return s.assigned(ctx, fmt.Sprintf("group %q", group), "user_groups g LEFT JOIN decks d ON d.id = g.deck_id WHERE g.id = ?", g.ID)
}

func (s *Store) assigned(ctx context.Context, whose, from string, id int64) (deck string, err error) {
	found := false
	err = s.each(ctx, "SELECT COALESCE(d.name, '') FROM "+from, []any{id}, func(rows *sql.Rows) error { found = true; return rows.Scan(&deck) })
	if err == nil && !found {
		err = fmt.Errorf("%s: %w", whose, models.ErrNotFound)
	}
	return deck, err
}

// assignable is the id of a deck that can be given to somebody with money in a currency, of any when that is empty; 0 for no
// deck. Nobody can remove it before the transaction ends.
func (s *Store) assignable(db *gorm.DB, deck, currency string) (int64, error) {
	if deck == "" {
		return 0, nil
	}
	row, err := s.lockDeck(db, deck)
	if err == nil && currency != "" && row.Currency != currency {
		err = fmt.Errorf("%w: the tariff %q is in %s, but the money of the user is %s", models.ErrConflict, deck, row.Currency, currency)
	}
	return row.ID, err
}

func (s *Store) logAssigned(db *gorm.DB, actor, action, target string, before int64, after string) error {
	type facts struct {
		Tariff string `json:"tariff"`
	}
	var was string
	if before != 0 {
		if err := db.Raw("SELECT name FROM decks WHERE id = ?", before).Scan(&was).Error; err != nil {
			return err
		}
	}
	return s.logIn(db, actor, action, target, facts{was}, facts{after})
}

// WithoutTariff counts the users who can call nobody, by their currency: no version of a default counts in it, none is assigned to
// them, and it is not SEC. Decks of their groups are not looked at.
func (s *Store) WithoutTariff(ctx context.Context) (map[string]int64, error) {
	users := map[string]int64{}
	err := s.all(ctx, "SELECT u.currency, COUNT(*) FROM users u WHERE u.deleted_at IS NULL AND u.deck_id = 0 AND u.currency <> ? AND NOT EXISTS"+
		" (SELECT 1 FROM decks d JOIN deck_activations a ON a.deck_id = d.id WHERE d.is_default AND d.currency = u.currency AND a.until_at IS NULL AND a.from_at <= ?)"+
		" GROUP BY u.currency", []any{models.SEC, stamp(s.now())}, func(rows *sql.Rows) error {
		var currency string
		var n int64
		err := rows.Scan(&currency, &n)
		users[currency] = n
		return err
	})
	return users, err
}

// Decks returns all decks, by name.
func (s *Store) Decks(ctx context.Context) ([]models.RateDeck, error) {
	var rows []deckRow
	err := s.read.WithContext(ctx).Order("name").Find(&rows).Error
	decks := make([]models.RateDeck, len(rows))
	for i, row := range rows {
		decks[i] = row.model()
	}
	return decks, translate(err)
}

// Deck returns a deck, or models.ErrNotFound.
func (s *Store) Deck(ctx context.Context, name string) (models.RateDeck, error) {
	var rows []deckRow
	err := s.read.WithContext(ctx).Where("name = ?", name).Find(&rows).Error
	if err == nil && (len(rows) == 0 || rows[0].Name != name) { // MySQL does not look at blanks behind a name
		return models.RateDeck{}, noDeck(name)
	}
	if err != nil {
		return models.RateDeck{}, translate(err)
	}
	return rows[0].model(), nil
}

// ImportPart is how many rates are written in one transaction: on SQLite, calls wait meanwhile.
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
		err = s.inTransaction(ctx, func(db *gorm.DB) error {
			if err := decksChanged(db); err != nil {
				return err
			}
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
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := decksChanged(db); err != nil {
			return err
		}
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
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := decksChanged(db); err != nil {
			return err
		}
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
	from := map[int64]time.Time{}
	var counts int64
	err = s.all(ctx, "SELECT version_id, from_at FROM deck_activations WHERE deck_id = ? AND until_at IS NULL ORDER BY from_at, id", []any{d.ID},
		func(rows *sql.Rows) error {
			var version int64
			var at time.Time
			err := rows.Scan(&version, &at)
			if _, known := from[version]; !known || !at.After(s.now()) { // since when, else from when on
				from[version] = at
			}
			if !at.After(s.now()) {
				counts = version
			}
			return err
		})
	if err != nil {
		return nil, err
	}
	versions := []models.DeckVersion{}
	err = s.all(ctx, "SELECT id, number, note, rates, actor, created_at FROM deck_versions WHERE deck_id = ? AND rates >= 0 ORDER BY number DESC",
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
	return s.all(ctx, "SELECT n, "+deckRateColumns+" FROM deck_rates WHERE "+query, args, func(rows *sql.Rows) error {
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

// all runs a SELECT without a limit of time and hands over each row.
func (s *Store) all(ctx context.Context, query string, args []any, row func(*sql.Rows) error) error {
	pool, err := s.read.DB()
	if err != nil {
		return err
	}
	t := txn{store: s, conn: pool, dialect: s.dialect}
	return translate(t.query(ctx, query, args, row))
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
	return tariff.NewDecks(revision, decks, active), nil
}

// activeVersions are those that counted at an instant, or later.
func (s *Store) activeVersions(ctx context.Context, at time.Time, condition string, args []any) (active []tariff.ActiveVersion, err error) {
	err = s.all(ctx, "SELECT a.deck_id, a.version_id, v.number, v.rates, a.from_at FROM deck_activations a JOIN deck_versions v ON v.id = a.version_id"+
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
