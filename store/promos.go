package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"talktime/billing"
	"talktime/models"
)

// promoted makes the accounts for promotional credit of users that are loaded, which are as many for each as he may have, and
// loads all again.
func (t *txn) promoted(ctx context.Context, users []int64, keys billing.Keys, careful bool) (*billing.State, error) {
	statement := t.dialect.insertIgnore + " INTO accounts (user_id, name, currency, status, burn) SELECT a.user_id, ?, a.currency, a.status, a.burn - 1" +
		" FROM accounts a JOIN users u ON u.id = a.user_id AND u.currency = a.currency WHERE a.name = ? AND a.status <> ? AND a.user_id = ?"
	for _, user := range users {
		for n := range billing.MaxPromos {
			args := []any{fmt.Sprint(models.PromoAccount, n+1), models.MainAccount, string(models.AccountClosed), user}
			if _, err := t.conn.ExecContext(ctx, statement, args...); err != nil {
				return nil, fmt.Errorf("make accounts for promotional credit: %w", err)
			}
		}
	}
	return t.load(ctx, keys, careful)
}

// writeExpiries writes when the money of accounts expires: it seldom changes, so it is not written with every call.
func (t *txn) writeExpiries(ctx context.Context, expiries map[int64]time.Time) error {
	for _, id := range sortedKeys(expiries) {
		if _, err := t.conn.ExecContext(ctx, "UPDATE accounts SET expires_at = ? WHERE id = ?", stamp(expiries[id]), id); err != nil {
			return err
		}
	}
	return nil
}

// expirePart is from how many users one transaction takes what has expired: calls of theirs wait for no more.
const expirePart = 50

// ExpirePromotions takes promotional credit off the accounts where it has expired by the database's clock, but for what calls
// in progress hold, and returns of how many. Any number of processes may do it at once, and what calls give back later goes the
// next time.
func (s *Store) ExpirePromotions(ctx context.Context, actor string) (expired int, err error) {
	query := "SELECT DISTINCT user_id FROM accounts WHERE expires_at <= " + s.dialect.now + " AND balance > held AND status <> 'closed'" +
		fmt.Sprintf(" AND user_id > ? ORDER BY user_id LIMIT %d", expirePart)
	last := int64(0)
	for {
		var users []int64
		err := s.each(ctx, query, []any{last}, func(rows *sql.Rows) error {
			var user int64
			err := rows.Scan(&user)
			users = append(users, user)
			return err
		})
		if err != nil {
			return expired, err
		}
		if len(users) == 0 {
			return expired, nil
		}
		last = users[len(users)-1]
		n, failed := 0, error(nil)
		err = s.Update(ctx, billing.Keys{Users: users}, func(st *billing.State) {
			n, failed = billing.DecideExpire(st, users, actor, s.now())
		})
		if err == nil {
			err = failed
		}
		if err != nil {
			return expired, fmt.Errorf("expire promotional credit: %w", err)
		}
		expired += n
	}
}
