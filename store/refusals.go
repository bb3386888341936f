package store

import (
	"context"
	"database/sql"
	"time"

	"talktime/filter"
	"talktime/models"
)

var refusalsListing = listing{name: "refusals", from: "refusals f", key: "f.id", always: "1 = 1", owner: "f.user_id", index: "refusals_user", newest: true}

func refusalFields() *filter.Table {
	return &filter.Table{Fields: map[string]filter.Field{
		"id": whole("f.id"), "at": instant("f.at"), "user_id": whole("f.user_id"), "call_id": text("f.call_id"), "caller_id": text("f.caller_id"),
		"number": text("f.number"), "status": text("f.status"), "rule": text("f.rule"),
		"user": text("(SELECT fu.username FROM users fu WHERE fu.id = f.user_id AND fu.deleted_at IS NULL)"),
	}}
}

// ListRefusals returns a page of the calls that users were refused, newest first.
func (s *Store) ListRefusals(ctx context.Context, r models.ListRequest) (models.List[models.Refused], error) {
	q, err := s.search(refusalsListing, r)
	if err != nil {
		return models.List[models.Refused]{}, err
	}
	keys, err := s.page(ctx, refusalsListing, r, q)
	if err != nil {
		return models.List[models.Refused]{}, err
	}
	found := make(map[int64]models.Refused)
	err = eachOf(ctx, s, "SELECT id, at, user_id, call_id, caller_id, number, status, rule, reason FROM refusals WHERE id IN (%s)", keys.Items, func(rows *sql.Rows) error {
		var r models.Refused
		err := rows.Scan(&r.ID, &r.At, &r.UserID, &r.CallID, &r.CallerID, &r.Number, &r.Status, &r.Rule, &r.Reason)
		found[r.ID] = r
		return err
	})
	return pick(keys, found), err
}

// forgetRows is how many refusals are looked at in one step: their rows are not locked for long.
const forgetRows = 1000

// ForgetRefusals deletes those of before an instant, in small steps, and returns how many they were. It may run in any number of
// processes. Rows are looked at from the oldest on, until there is one that stays.
func (s *Store) ForgetRefusals(ctx context.Context, before time.Time) (deleted int64, err error) {
	for {
		var last, old int64
		err := s.each(ctx, "SELECT COALESCE(MAX(id), 0), COUNT(*) FROM (SELECT id, at FROM refusals ORDER BY id LIMIT ?) oldest WHERE at < ?",
			[]any{forgetRows, stamp(before)}, func(rows *sql.Rows) error { return rows.Scan(&last, &old) })
		if err != nil || old == 0 {
			return deleted, err
		}
		done := s.write.WithContext(ctx).Exec("DELETE FROM refusals WHERE id <= ? AND at < ?", last, stamp(before))
		deleted += done.RowsAffected
		switch {
		case done.Error != nil && isLocked(done.Error): // another process deletes them
			return deleted, nil
		case done.Error != nil || old < forgetRows:
			return deleted, translate(done.Error)
		}
	}
}
