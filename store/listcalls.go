package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"talktime/models"
)

var (
	cdrListing   = listing{name: "call records", from: "calls c", key: "c.id", always: "c.state = 'settled'", owner: "c.user_id", index: "calls_user"}
	callsListing = listing{name: "calls", from: "calls c", key: "c.id", always: "1 = 1", owner: "c.user_id", index: "calls_user", newest: true}
	holdsListing = listing{name: "holds", from: "calls c", key: "c.id", always: "c.state = 'open'", owner: "c.user_id"}
)

const cdrColumns = "c.id, c.call_id, c.user_id, c.callee_id, c.authorized_at, c.ended_at, c.seconds"

// scanCDR reads a call as its record, and into more what was selected behind it. The talk began as long before the end as it lasted.
func scanCDR(rows *sql.Rows, more ...any) (models.CDR, error) {
	var c models.CDR
	var ended sql.NullTime
	err := rows.Scan(append([]any{&c.ID, &c.CallID, &c.From, &c.To, &c.Answer, &ended, &c.BillSec}, more...)...)
	if ended.Valid {
		c.Answer = ended.Time.Add(-time.Duration(c.BillSec) * time.Second)
	}
	return c, err
}

// ListCDRs returns a page of the records of answered calls, oldest first.
func (s *Store) ListCDRs(ctx context.Context, r models.ListRequest) (models.List[models.CDR], error) {
	q, err := s.search(cdrListing, r)
	if err != nil {
		return models.List[models.CDR]{}, err
	}
	keys, err := s.page(ctx, cdrListing, r, q)
	if err != nil {
		return models.List[models.CDR]{}, err
	}
	found := make(map[int64]models.CDR)
	err = eachOf(ctx, s, "SELECT "+cdrColumns+" FROM calls c WHERE c.id IN (%s)", keys.Items, func(rows *sql.Rows) error {
		c, err := scanCDR(rows)
		found[c.ID] = c
		return err
	})
	return pick(keys, found), err
}

// CDRByID returns the record of an answered call, or models.ErrNotFound.
func (s *Store) CDRByID(ctx context.Context, id int64) (models.CDR, error) {
	var found models.CDR
	err := s.each(ctx, "SELECT "+cdrColumns+" FROM calls c WHERE c.id = ? AND c.state = 'settled'", []any{id}, func(rows *sql.Rows) (err error) {
		found, err = scanCDR(rows)
		return err
	})
	if err == nil && found.ID == 0 {
		err = fmt.Errorf("call %d: %w", id, models.ErrNotFound)
	}
	return found, err
}

// ListCalls returns a page of the calls, newest first.
func (s *Store) ListCalls(ctx context.Context, r models.ListRequest) (models.List[models.Call], error) {
	return s.callsOf(ctx, callsListing, r)
}

// ListHolds returns a page of the calls that hold money, oldest first.
func (s *Store) ListHolds(ctx context.Context, r models.ListRequest) (models.List[models.Call], error) {
	return s.callsOf(ctx, holdsListing, r)
}

func (s *Store) callsOf(ctx context.Context, l listing, r models.ListRequest) (models.List[models.Call], error) {
	q, err := s.search(l, r)
	if err != nil {
		return models.List[models.Call]{}, err
	}
	keys, err := s.page(ctx, l, r, q)
	if err != nil {
		return models.List[models.Call]{}, err
	}
	found := make(map[int64]models.Call)
	err = eachOf(ctx, s, "SELECT "+callColumns+" FROM calls WHERE id IN (%s)", keys.Items, func(rows *sql.Rows) error {
		c, err := scanCall(rows)
		found[c.ID] = c
		return err
	})
	return pick(keys, found), err
}

// CallByKey returns one call by its number, or models.ErrNotFound.
func (s *Store) CallByKey(ctx context.Context, id int64) (models.Call, error) {
	var found models.Call
	err := s.each(ctx, "SELECT "+callColumns+" FROM calls WHERE id = ?", []any{id}, func(rows *sql.Rows) (err error) {
		found, err = scanCall(rows)
		return err
	})
	if err == nil && found.ID == 0 {
		err = fmt.Errorf("call %d: %w", id, models.ErrNotFound)
	}
	return found, err
}
