package store

import (
	"context"
	"database/sql"
	"fmt"

	"talktime/models"
)

// UsersWith returns the users that have any of these usernames, clids or imsis, each once, in the order of their ids
// within each chunk. Empty values match nobody.
func (s *Store) UsersWith(ctx context.Context, usernames, clids, imsis []string) ([]models.User, error) {
	pool, err := s.read.DB()
	if err != nil {
		return nil, err
	}
	var users []models.User
	seen := make(map[int64]bool)
	t := txn{store: s, conn: pool, dialect: s.dialect}
	for _, lookup := range []struct {
		column string
		values []string
	}{{"username", usernames}, {"clid", clids}, {"imsi", imsis}} {
		err := chunks(s.dialect.maxParams, said(lookup.values), func(values []string) error {
			query := "SELECT " + userColumns + " FROM users WHERE " + lookup.column + " IN (" + marks(len(values)) + ") ORDER BY id"
			return t.query(ctx, query, anys(values), func(rows *sql.Rows) error {
				u, err := scanUser(rows)
				if err == nil && !seen[u.ID] {
					seen[u.ID] = true
					users = append(users, u)
				}
				return err
			})
		})
		if err != nil {
			return nil, translate(err)
		}
	}
	return users, nil
}

// said is values without the empty ones.
func said(values []string) []string {
	var all []string
	for _, v := range values {
		if v != "" {
			all = append(all, v)
		}
	}
	return all
}

// CallsByID returns the calls with these CallIDs, by CallID. Those that do not exist are missing.
func (s *Store) CallsByID(ctx context.Context, ids []string) (map[string]models.Call, error) {
	pool, err := s.read.DB()
	if err != nil {
		return nil, err
	}
	calls := make(map[string]models.Call, len(ids))
	t := txn{store: s, conn: pool, dialect: s.dialect}
	err = chunks(s.dialect.maxParams, ids, func(ids []string) error {
		query := "SELECT " + callColumns + " FROM calls WHERE call_id IN (" + marks(len(ids)) + ")"
		return t.query(ctx, query, anys(ids), func(rows *sql.Rows) error {
			c, err := scanCall(rows)
			if err == nil {
				calls[c.CallID] = c
			}
			return err
		})
	})
	return calls, translate(err)
}

// Caller returns a user as calls see him, with the rate deck of his groups; models.ErrNotFound when there is none.
func (s *Store) Caller(ctx context.Context, id int64) (models.User, error) {
	var found models.User
	err := s.each(ctx, "SELECT "+userColumns+", "+groupDeck+" FROM users WHERE id = ? AND deleted_at IS NULL", []any{id}, func(rows *sql.Rows) error {
		var deck int64
		u, err := scanUser(rows, &deck)
		found, found.GroupDeck = u, deck
		return err
	})
	if err == nil && found.ID == 0 {
		err = fmt.Errorf("user %d: %w", id, models.ErrNotFound)
	}
	return found, err
}

// Posted reports whether one of these transactions was posted.
func (s *Store) Posted(ctx context.Context, refs []models.Ref) (bool, error) {
	for _, ref := range refs {
		n, err := s.number(ctx, "SELECT COUNT(*) FROM transactions WHERE kind = ? AND ref = ?", ref.Kind, ref.Ref)
		if n > 0 || err != nil {
			return n > 0, err
		}
	}
	return false, nil
}
