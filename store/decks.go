package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

// decksChanged makes every process read the decks again.
func decksChanged(db *gorm.DB) error {
	return db.Exec("UPDATE counters SET value = value + 1 WHERE name = 'decks'").Error
}

// AddDeck makes a deck, which has no rates yet. As the default of its currency it takes the place of the one before. A name
// that is taken is models.ErrConflict.
func (s *Store) AddDeck(ctx context.Context, d models.RateDeck, actor string) (models.RateDeck, error) {
	if err := d.Validate(); err != nil {
		return models.RateDeck{}, err
	}
	row := deckRow{Name: d.Name, Currency: d.Currency, Zone: d.Zone, IsDefault: d.Default}
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		row.ID, row.CreatedAt = 0, s.now().UTC()
		if err := s.oneDefault(db, row); err != nil {
			return err
		}
		if err := db.Create(&row).Error; err != nil {
			return err
		}
		if err := s.openHouse(db, d.Currency); err != nil {
			return err
		}
		if err := s.logIn(db, actor, "tariff.add", d.Name, nil, row.facts()); err != nil {
			return err
		}
		return decksChanged(db)
	})
	if isDuplicate(err) {
		return models.RateDeck{}, fmt.Errorf("%w: there is a tariff %q already", models.ErrConflict, d.Name)
	}
	return row.model(), translate(err)
}

// oneDefault takes away the mark of another default of the currency.
func (s *Store) oneDefault(db *gorm.DB, row deckRow) error {
	if !row.IsDefault {
		return nil
	}
	return db.Exec("UPDATE decks SET is_default = FALSE WHERE currency = ? AND id <> ?", row.Currency, row.ID).Error
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

// SetDefaultDeck makes a deck the default of its currency, or not.
func (s *Store) SetDefaultDeck(ctx context.Context, name string, is bool, actor string) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		row, err := s.lockDeck(db, name)
		if err != nil || row.IsDefault == is {
			return err
		}
		before := row.facts()
		row.IsDefault = is
		if err := s.oneDefault(db, row); err != nil {
			return err
		}
		if err := db.Exec("UPDATE decks SET is_default = ? WHERE id = ?", is, row.ID).Error; err != nil {
			return err
		}
		if err := s.logIn(db, actor, "tariff.change", name, before, row.facts()); err != nil {
			return err
		}
		return decksChanged(db)
	}))
}

// RemoveDeck removes a deck with all its versions. While it is assigned to somebody it is models.ErrConflict. Calls keep the
// rates that they were made at.
func (s *Store) RemoveDeck(ctx context.Context, name, actor string) error {
	var versions []int64
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		row, err := s.lockDeck(db, name)
		if err != nil {
			return err
		}
		var users, groups int64
		if err := db.Raw("SELECT COUNT(*) FROM users WHERE deck_id = ? AND deleted_at IS NULL", row.ID).Scan(&users).Error; err != nil {
			return err
		}
		if err := db.Raw("SELECT COUNT(*) FROM user_groups WHERE deck_id = ?", row.ID).Scan(&groups).Error; err != nil {
			return err
		}
		if users+groups > 0 {
			return fmt.Errorf("%w: the tariff %q is assigned to %d users and %d groups; give them another first", models.ErrConflict, name, users, groups)
		}
		if err := db.Raw("SELECT id FROM deck_versions WHERE deck_id = ?", row.ID).Scan(&versions).Error; err != nil {
			return err
		}
		for _, table := range []string{"deck_activations WHERE deck_id", "deck_versions WHERE deck_id", "decks WHERE id"} {
			if err := db.Exec("DELETE FROM "+table+" = ?", row.ID).Error; err != nil {
				return err
			}
		}
		if err := s.logIn(db, actor, "tariff.delete", name, row.facts(), nil); err != nil {
			return err
		}
		return decksChanged(db)
	})
	if err != nil {
		return translate(err)
	}
	for _, version := range versions {
		if err := s.deleteRates(ctx, version); err != nil {
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
		if err := s.logAssigned(db, actor, "group.tariff", row.Name, row.DeckID, deck); err != nil {
			return err
		}
		return decksChanged(db) // the first one makes us look for those of groups
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
			row, err := s.lockDeck(db, v.Deck)
			if err != nil {
				return err
			}
			if err := db.Exec("UPDATE deck_versions SET rates = ? WHERE id = ?", v.Rates, v.ID).Error; err != nil {
				return err
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
		_ = s.forgetVersion(ctx, v.ID) // else the next import does it
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
	if err := s.logIn(db, v.Actor, "tariff.activate", v.Deck, nil, versionFacts{Version: v.Number, From: &at}); err != nil {
		return err
	}
	return decksChanged(db)
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
		if err := db.Raw("SELECT id FROM deck_versions WHERE deck_id = ? AND rates IS NULL AND created_at < ?", deck.ID, stamp(now.Add(-unfinishedLife))).
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
			err = s.forgetVersion(ctx, id)
		}
	}
	return translate(err)
}

func (s *Store) forgetVersion(ctx context.Context, id int64) error {
	if err := s.deleteRates(ctx, id); err != nil {
		return err
	}
	return translate(s.exec(ctx, "DELETE FROM deck_versions WHERE id = ? AND rates IS NULL", id))
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
		row, err := s.lockDeck(db, deck)
		if err != nil {
			return err
		}
		now, at := s.now().UTC(), from.UTC()
		if from.IsZero() {
			at = now
		}
		if at.Before(now) {
			return fmt.Errorf("%w: a version cannot count from a past time on; the clock shows %s", models.ErrInvalid, now.Format(time.RFC3339))
		}
		var rates *int64
		if err := db.Raw("SELECT id, rates FROM deck_versions WHERE deck_id = ? AND number = ?", row.ID, number).Row().Scan(&id, &rates); errors.Is(err, sql.ErrNoRows) || err == nil && rates == nil {
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

// RollBackDeck takes back the latest activation of a deck: from now on the version before counts, or none of those planned.
// models.ErrNoVersion when there is none before.
func (s *Store) RollBackDeck(ctx context.Context, deck, actor string) (models.DeckVersion, error) {
	var number int
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		row, err := s.lockDeck(db, deck)
		if err != nil {
			return err
		}
		var latest []struct {
			ID     int64
			Number int
		}
		err = db.Raw("SELECT a.id, v.number FROM deck_activations a JOIN deck_versions v ON v.id = a.version_id"+
			" WHERE a.deck_id = ? AND a.until_at IS NULL ORDER BY a.from_at DESC, a.id DESC LIMIT 2", row.ID).Scan(&latest).Error
		if err != nil {
			return err
		}
		if len(latest) < 2 {
			return fmt.Errorf("tariff %q: %w", deck, models.ErrNoVersion)
		}
		number = latest[1].Number
		if err := db.Exec("UPDATE deck_activations SET until_at = ? WHERE id = ?", stamp(s.now()), latest[0].ID).Error; err != nil {
			return err
		}
		if err := s.logIn(db, actor, "tariff.rollback", deck, versionFacts{Version: latest[0].Number}, versionFacts{Version: number}); err != nil {
			return err
		}
		return decksChanged(db)
	})
	if err != nil {
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
			if from[version] = at; !at.After(s.now()) {
				counts = version
			}
			return err
		})
	if err != nil {
		return nil, err
	}
	versions := []models.DeckVersion{}
	err = s.all(ctx, "SELECT id, number, note, rates, actor, created_at FROM deck_versions WHERE deck_id = ? AND rates IS NOT NULL ORDER BY number DESC",
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

// LoadDecks implements tariff.Source. It reads the versions that count now or will.
func (s *Store) LoadDecks(ctx context.Context, known map[int64]*tariff.Deck) (*tariff.Decks, error) {
	return s.decksAt(ctx, s.now(), func(d models.RateDeck, v tariff.ActiveVersion) (*tariff.Deck, error) {
		if deck := known[v.Version]; deck != nil {
			return deck, nil
		}
		return s.compile(ctx, d, v, "version_id = ? ORDER BY n", v.Version)
	})
}

// DecksFor reads what of the decks a number needs, with the versions that counted at an instant or later. Who has which deck is
// as it is now.
func (s *Store) DecksFor(ctx context.Context, at time.Time, number string) (*tariff.Decks, error) {
	args := beginnings(number)
	where := "version_id = ? AND prefix IN (" + marks(len(args)) + ") ORDER BY n"
	return s.decksAt(ctx, at, func(d models.RateDeck, v tariff.ActiveVersion) (*tariff.Deck, error) {
		return s.compile(ctx, d, v, where, append([]any{v.Version}, args...)...)
	})
}

// decksAt reads the decks, and has compile give the rates of each version.
func (s *Store) decksAt(
	ctx context.Context, at time.Time, compile func(models.RateDeck, tariff.ActiveVersion) (*tariff.Deck, error),
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
	active, err := s.activeVersions(ctx, at)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]models.RateDeck, len(decks))
	for _, d := range decks {
		byID[d.ID] = d
	}
	for i, v := range active {
		if active[i].Rates, err = compile(byID[v.Deck], v); err != nil {
			return nil, err
		}
	}
	s.groupDecks.Store(groups > 0)
	return tariff.NewDecks(revision, decks, active), nil
}

// activeVersions are those that counted at an instant, or later.
func (s *Store) activeVersions(ctx context.Context, at time.Time) (active []tariff.ActiveVersion, err error) {
	err = s.all(ctx, "SELECT a.deck_id, a.version_id, v.number, a.from_at FROM deck_activations a JOIN deck_versions v ON v.id = a.version_id"+
		" WHERE a.until_at IS NULL OR a.until_at > ? ORDER BY a.deck_id, a.from_at, a.id", []any{stamp(at)}, func(rows *sql.Rows) error {
		var v tariff.ActiveVersion
		if err := rows.Scan(&v.Deck, &v.Version, &v.Number, &v.From); err != nil {
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
		return nil, fmt.Errorf("tariff %q: %w", d.Name, err)
	}
	var rates []models.DeckRate
	err = s.eachRate(ctx, d.Currency, where, args, func(_ int64, r models.DeckRate) error {
		r.Deck, r.Version = d.Name, v.Number
		rates = append(rates, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read version %s of tariff %q: %w", strconv.Itoa(v.Number), d.Name, err)
	}
	return tariff.NewDeck(rates, zone)
}
