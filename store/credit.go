package store

import (
	"context"
	"database/sql"
	"time"

	"talktime/money"
)

// creditTime is how long adding up may take.
const creditTime = 500 * time.Millisecond

// Credit is what users have, by currency. It is nil when there are too many accounts to add up in half a second.
func (s *Store) Credit(ctx context.Context) (map[string]money.Amount, error) {
	limited, cancel := context.WithTimeout(ctx, 2*creditTime)
	defer cancel()
	sums := map[string]money.Amount{}
	err := s.each(limited, s.timed("SELECT currency, SUM(balance) FROM accounts WHERE user_id <> 0 GROUP BY currency", creditTime), nil, func(rows *sql.Rows) error {
		var currency string
		var sum int64
		err := rows.Scan(&currency, &sum)
		sums[currency] = money.Amount(sum)
		return err
	})
	if isTimeout(err) && ctx.Err() == nil {
		return nil, nil //nolint:nilnil // not known is an answer here
	}
	return sums, err
}
