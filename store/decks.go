package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gorm.io/gorm"

	"talktime/models"
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

// changeDecks does all of do or nothing, and makes every process read again what it reads with the decks, which are those of groups and all limits
// too, and look at all calls that it keeps. Two at once wait for each other, and neither rests on what the other is about to change.
func (s *Store) changeDecks(ctx context.Context, do func(*gorm.DB) error) error {
	return s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := db.Exec("UPDATE counters SET value = value + 1 WHERE name = 'decks'").Error; err != nil {
			return err
		}
		if err := do(db); err != nil {
			return err
		}
		return s.allMoved(db)
	})
}

// AddDeck makes a deck, which has no rates yet. A name that is taken is models.ErrConflict, and so is a default in the place of
// another: that one has rates.
func (s *Store) AddDeck(ctx context.Context, d models.RateDeck, actor string) (models.RateDeck, error) {
	if err := d.Validate(); err != nil {
		return models.RateDeck{}, err
	}
	row := deckRow{Name: d.Name, Currency: d.Currency, Zone: d.Zone, IsDefault: d.Default}
	err := s.changeDecks(ctx, func(db *gorm.DB) error {
		row.ID, row.CreatedAt = 0, s.now().UTC()
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
	for _, name := range []string{models.HouseCash, models.HouseRevenue, models.HouseShortfall, models.HouseClosed, models.HouseExpired} {
		if err := db.Exec(s.dialect.insertIgnore+" INTO accounts (user_id, name, currency) VALUES (0, ?, ?)", name, currency).Error; err != nil {
			return err
		}
	}
	return nil
}

// SetDefaultDeck makes a deck the default of its currency, in the place of the one before, or not. One of which no version counts
// is models.ErrConflict: nobody could call.
func (s *Store) SetDefaultDeck(ctx context.Context, name string, is bool, actor string) error {
	return translate(s.changeDecks(ctx, func(db *gorm.DB) error {
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

// RemoveDeck removes a deck with all its versions. While it is assigned to somebody, what a carrier asks, or the default, it is models.ErrConflict.
// Calls keep the rates that they were made at.
func (s *Store) RemoveDeck(ctx context.Context, name, actor string) error {
	var versions []int64
	err := s.changeDecks(ctx, func(db *gorm.DB) error {
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
		carriers, err := carriersOfDeck(db, row.ID)
		if err != nil {
			return err
		}
		if carriers > 0 {
			return fmt.Errorf("%w: the tariff %q is what %d carriers ask; give them another first", models.ErrConflict, name, carriers)
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
		if err := s.logAssigned(db, actor, "user.tariff", row.Username, row.DeckID, deck); err != nil {
			return err
		}
		return s.moved(db, user)
	}))
}

// AssignGroupDeck gives a group a deck, or none. It counts for those members who have no own one and whose money is in its
// currency.
func (s *Store) AssignGroupDeck(ctx context.Context, group, deck string, actor string) error {
	return translate(s.changeDecks(ctx, func(db *gorm.DB) error {
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
	err := s.each(ctx, "SELECT u.currency, COUNT(*) FROM users u WHERE u.deleted_at IS NULL AND u.deck_id = 0 AND u.currency <> ? AND NOT EXISTS"+
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
