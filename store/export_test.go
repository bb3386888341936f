package store

import (
	"context"
	"sync"

	"gorm.io/gorm/schema"

	"talktime/models"
)

// Columns are those that our code knows of each table: by GORM, and by hand.
func Columns() (byGORM, byHand map[string][]string, err error) {
	byGORM = map[string][]string{}
	for _, model := range []schema.Tabler{userRow{}, accountRow{}} {
		parsed, err := schema.Parse(model, &sync.Map{}, schema.NamingStrategy{})
		if err != nil {
			return nil, nil, err
		}
		byGORM[model.TableName()] = parsed.DBNames
	}
	return byGORM, map[string][]string{
		"users":        append(splitColumns(userColumns), "deleted_at"),
		"accounts":     splitColumns(accountColumns + "," + accountExtras),
		"calls":        append(splitColumns(callColumns), "claimed_until", "writes"),
		"transactions": {"id", "kind", "ref", "posted_at", "actor"},
		"entries":      {"account_id", "tx_id", "amount"},
		"audit_log":    {"id", "at", "actor", "action", "target", "before_json", "after_json"},
	}, nil
}

// SetSlot makes ids of two stores meet.
func (s *Store) SetSlot(slot int64) {
	s.ids.next()
	s.ids.mu.Lock()
	defer s.ids.mu.Unlock()
	s.ids.slot = slot
}

// Pragma is a setting of the connection that writes to an SQLite file.
func (s *Store) Pragma(name string) (value string, err error) {
	err = s.write.Raw("PRAGMA " + name).Row().Scan(&value)
	return value, err
}

// Opened is what is remembered of a call that this process has made.
func (s *Store) Opened(callID string) (models.Call, bool) {
	s.opened.mu.Lock()
	defer s.opened.mu.Unlock()
	c, ok := s.opened.calls[callID]
	return c, ok
}

// WrittenTables are those on which we check our rights.
func WrittenTables() (names []string) {
	for _, t := range writtenTables() {
		names = append(names, t.name)
	}
	return names
}

// Statuses are those of a user's accounts.
func (s *Store) Statuses(ctx context.Context, user int64) (found []string, err error) {
	err = s.read.WithContext(ctx).Raw("SELECT status FROM accounts WHERE user_id = ?", user).Scan(&found).Error
	return found, err
}

// MaxSearches is how many searches are under way at once.
const MaxSearches = maxSearches

// Find carries out a SELECT as if a client had worded it.
func (s *Store) Find(ctx context.Context, query string, args ...any) ([]int64, error) {
	return s.find(ctx, s.searchTime, query, args)
}

// Searching is how many searches are under way.
func (s *Store) Searching() int { return s.searches.Stats().InUse }

// LoadsFiles tells whether the server is believed to read rows as files.
func LoadsFiles(s *Store) bool { return !s.noLoad.Load() }

// NobodyKeeps reports whether a store knows that nobody keeps calls.
func (s *Store) NobodyKeeps() bool { return s.nobodyKeeps() }

// Exec does one statement as changes are made.
func (s *Store) Exec(ctx context.Context, statement string) error { return s.exec(ctx, statement) }
