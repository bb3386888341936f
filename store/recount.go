package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"talktime/models"
)

// Recount puts right how many calls in progress users and pools are said to have, and returns how many it found wrong. Nothing of
// ours leaves them wrong, but a program of before they were counted, which ran beside, would: without this a limit of calls at
// once would refuse, or permit, one too many for ever. It may be run beside calls: each counter is read again under its lock.
func (s *Store) Recount(ctx context.Context) (wrong int, err error) {
	open := "COALESCE((SELECT COUNT(*) FROM calls c WHERE c.state = 'open' AND c.user_id = a.user_id), 0)"
	var users []int64
	err = s.each(ctx, "SELECT a.user_id FROM accounts a WHERE a.user_id <> 0 AND a.name = ? AND a.status <> ? AND a.open_calls <> 0 AND a.open_calls <> "+open+
		" UNION SELECT a.user_id FROM calls c JOIN accounts a ON a.user_id = c.user_id WHERE c.state = 'open' AND a.name = ? AND a.status <> ? AND a.open_calls <> "+open,
		[]any{models.MainAccount, models.AccountClosed, models.MainAccount, models.AccountClosed}, func(rows *sql.Rows) error {
			var user int64
			err := rows.Scan(&user)
			users = append(users, user)
			return err
		})
	if err != nil {
		return 0, err
	}
	for _, user := range users {
		// Whoever begins or ends a call of his has his accounts locked.
		err := s.inTransaction(ctx, func(db *gorm.DB) error {
			if err := s.lockAccounts(db, []int64{user}); err != nil {
				return err
			}
			var calls int64
			if err := db.Raw("SELECT COUNT(*) FROM calls WHERE state = 'open' AND user_id = ?", user).Row().Scan(&calls); err != nil {
				return err
			}
			done := db.Exec("UPDATE accounts SET open_calls = ? WHERE user_id = ? AND name = ? AND status <> ? AND open_calls <> ?",
				calls, user, models.MainAccount, models.AccountClosed, calls)
			wrong += int(done.RowsAffected)
			return done.Error
		})
		if err != nil {
			return wrong, fmt.Errorf("count the calls of user %d: %w", user, translate(err))
		}
	}
	pools, err := s.recountPools(ctx)
	return wrong + pools, err
}

// recountPools counts again what is in pools. A pool is locked after the calls that come to count in it: none can be added
// or taken off while this has it.
func (s *Store) recountPools(ctx context.Context) (wrong int, err error) {
	there, err := s.pooled(s.read.WithContext(ctx))
	if err != nil {
		return 0, translate(err)
	}
	var odd []int64
	err = s.each(ctx, "SELECT id, calls FROM pools ORDER BY id", nil, func(rows *sql.Rows) error {
		var id, calls int64
		err := rows.Scan(&id, &calls)
		if calls != there[id] { // or a call has begun or ended between the two
			odd = append(odd, id)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, id := range odd {
		err := s.inTransaction(ctx, func(db *gorm.DB) error {
			if err := db.Exec("SELECT id FROM pools WHERE id = ?"+s.dialect.forUpdate, id).Error; err != nil {
				return err
			}
			there, err := s.pooled(db)
			if err != nil {
				return err
			}
			done := db.Exec("UPDATE pools SET calls = ? WHERE id = ? AND calls <> ?", there[id], id, there[id])
			wrong += int(done.RowsAffected)
			return done.Error
		})
		if err != nil {
			return wrong, fmt.Errorf("count the calls in pool %d: %w", id, translate(err))
		}
	}
	return wrong, nil
}

// pooled is how many open calls are in each pool.
func (s *Store) pooled(db *gorm.DB) (map[int64]int64, error) {
	var texts []string
	if err := db.Raw("SELECT routing FROM calls WHERE state = 'open' AND routing IS NOT NULL").Scan(&texts).Error; err != nil {
		return nil, err
	}
	calls := map[int64]int64{}
	for _, text := range texts {
		var r models.Routing
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return nil, fmt.Errorf("routing of a call: %w: %w", errUnreadable, err)
		}
		for _, pool := range r.Pools {
			calls[pool]++
		}
	}
	return calls, nil
}
