package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"talktime/money"
)

// creditTime is how long adding up may take.
const creditTime = 500 * time.Millisecond

// Credit is what users have, by currency; money.Max is that or more. It is nil when there are too many accounts to add up in
// half a second.
func (s *Store) Credit(ctx context.Context) (map[string]money.Amount, error) {
	limited, cancel := context.WithTimeout(ctx, 2*creditTime)
	defer cancel()
	sums := map[string]money.Amount{}
	err := s.each(limited, s.timed("SELECT currency, "+s.dialect.sum("balance")+" FROM accounts WHERE user_id <> 0 GROUP BY currency", creditTime), nil, func(rows *sql.Rows) error {
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

// sum adds amounts up to money.Max at most. Ten users may have more than that together: each may have a million million.
func (d dialect) sum(column string) string {
	if d.name == sqliteDialect.name { // whose SUM fails then, but not that of whole units and of the rest
		units, rest := "SUM("+column+" / 1000000)", "SUM("+column+" % 1000000)"
		return fmt.Sprintf("CASE WHEN %s + %s / 1000000 >= %d THEN %d ELSE %s * 1000000 + %s END", units, rest, money.Max.Whole(), money.Max, units, rest)
	}
	return fmt.Sprintf("LEAST(SUM(%s), %d)", column, money.Max)
}
