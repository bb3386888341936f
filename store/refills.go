package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/models"
)

// refillPart is how many members get their refill in one transaction: calls of theirs wait for no more.
const refillPart = 200

// Refill applies a group's dates that are due. With force it applies the earliest date that is left, due or not, and is
// models.ErrNoDate when there is none, and models.ErrRefilling when somebody is applying that one: whoever asked meant it,
// and not the one after it. A forced refill that has begun is a refill: what an error left of it is finished by RefillDue.
func (s *Store) Refill(ctx context.Context, name string, force bool, actor string) (models.Group, error) {
	row, err := groupNamed(s.read.WithContext(ctx), name)
	if err != nil {
		return models.Group{}, groupError(err)
	}
	if force {
		err = s.refillNext(ctx, row.ID, actor)
	} else {
		_, err = s.refillDue(ctx, row.ID, actor)
	}
	if err != nil {
		return models.Group{}, err
	}
	return s.Group(ctx, name)
}

// RefillDate applies this date of a group, due or not, or what an error left of it, and tells whether it did. A date that
// was applied before stays as it is, so this is safe to repeat. One that was never the group's is models.ErrInvalid.
func (s *Store) RefillDate(ctx context.Context, name string, date int64, actor string) (g models.Group, applied bool, err error) {
	row, err := groupNamed(s.read.WithContext(ctx), name)
	if err != nil {
		return models.Group{}, false, groupError(err)
	}
	if err := hasDate(s.read.WithContext(ctx), row.ID, date); err != nil {
		return models.Group{}, false, groupError(err)
	}
	if applied, _, err = s.refill(ctx, date, false, actor); err != nil {
		return models.Group{}, applied, err
	}
	g, err = s.Group(ctx, name)
	return g, applied, err
}

// hasDate is models.ErrInvalid when a group never had this date.
func hasDate(db *gorm.DB, group, date int64) error {
	var found int64
	err := db.Raw("SELECT COUNT(*) FROM refill_dates WHERE id = ? AND group_id = ?", date, group).Row().Scan(&found)
	if err == nil && found == 0 {
		err = fmt.Errorf("%w: the group has no refill with the id %d", models.ErrInvalid, date)
	}
	return err
}

// RefillDue applies every date of every group that is due, oldest first, and returns how many. Each is applied once,
// however many processes do this at once, and one that was broken off is finished. A date that cannot be applied keeps
// back the later ones of its own group only; the error tells of it.
func (s *Store) RefillDue(ctx context.Context, actor string) (int, error) {
	return s.refillDue(ctx, 0, actor)
}

// refillDue is RefillDue for one group, or for all when it is 0.
func (s *Store) refillDue(ctx context.Context, group int64, actor string) (applied int, err error) {
	dates, err := s.dueDates(ctx, group)
	if err != nil {
		return 0, err
	}
	failed := make(map[int64]bool) // groups
	var first error
	for _, date := range dates {
		if failed[date.group] {
			continue
		}
		_, finished, err := s.refill(ctx, date.id, false, actor)
		if finished {
			applied++
		}
		if err == nil {
			continue
		}
		failed[date.group] = true
		if first == nil {
			first = fmt.Errorf("group %d: %w", date.group, err)
		}
		if err := s.Ping(ctx); err != nil {
			return applied, first
		}
	}
	if len(failed) > 1 {
		first = fmt.Errorf("%d groups wait for their refill; %w", len(failed), first)
	}
	return applied, first
}

// refillDate is a date that is to be applied.
type refillDate struct{ id, group int64 }

// dueQuery looks along an index for what is due and along another for what was begun. A date may be both.
const dueQuery = "SELECT id, group_id, day FROM refill_dates WHERE done_at IS NULL AND day <= ?%s" +
	" UNION SELECT id, group_id, day FROM refill_dates WHERE done_at IS NULL AND reached > 0%s ORDER BY day, id"

// dueDates are the dates that are due, and those that somebody began and left, in their order. It locks nothing. The day is
// that of the database's clock in the zone of the settings.
func (s *Store) dueDates(ctx context.Context, group int64) ([]refillDate, error) {
	now, err := s.Clock(ctx)
	if err != nil {
		return nil, err
	}
	of, args := "", []any{now.In(s.location).Format(time.DateOnly)}
	if group != 0 {
		of, args = " AND group_id = ?", []any{args[0], group, group}
	}
	var dates []refillDate
	err = s.each(ctx, fmt.Sprintf(dueQuery, of, of), args, func(rows *sql.Rows) error {
		var date refillDate
		var day string
		err := rows.Scan(&date.id, &date.group, &day)
		dates = append(dates, date)
		return err
	})
	return dates, err
}

// nextDate is a group's earliest date that is left. It is models.ErrNoDate when there is none, and models.ErrRefilling when
// somebody has begun it.
func nextDate(db *gorm.DB, group int64) (int64, error) {
	var next struct{ ID, Reached int64 }
	err := db.Raw("SELECT id, reached FROM refill_dates WHERE group_id = ? AND done_at IS NULL ORDER BY day, id LIMIT 1", group).Scan(&next).Error
	switch {
	case err != nil:
		return 0, err
	case next.ID == 0:
		return 0, models.ErrNoDate
	case next.Reached > 0:
		return 0, models.ErrRefilling
	}
	return next.ID, nil
}

// refillNext applies a group's earliest date, which nobody must have begun.
func (s *Store) refillNext(ctx context.Context, group int64, actor string) error {
	date, err := nextDate(s.read.WithContext(ctx), group)
	if err != nil {
		return groupError(err)
	}
	begun, _, err := s.refill(ctx, date, true, actor)
	switch {
	case begun && err != nil:
		return brokenOff(err)
	case !begun && err == nil: // somebody else was quicker
		return models.ErrRefilling
	}
	return err
}

// brokenOff is what to do about an error in the middle of a refill.
func brokenOff(err error) error {
	return fmt.Errorf("a part of the members has the refill; it must not be forced again for the rest, which comes with the next due ones: %w", err)
}

// refill applies a date, in as many transactions as its members need; with fresh only when nobody has begun it. It tells
// whether it did something of it, and whether it did the last.
func (s *Store) refill(ctx context.Context, date int64, fresh bool, actor string) (begun, finished bool, err error) {
	for {
		var found, done bool
		err := s.inTransaction(ctx, func(db *gorm.DB) (err error) {
			found, done, err = s.refillSome(ctx, db, date, fresh && !begun, actor)
			return err
		})
		switch {
		case err != nil:
			return begun, false, fmt.Errorf("refill: %w", translate(err))
		case !found: // somebody else has finished it
			return begun, false, nil
		case done:
			return true, true, nil
		}
		begun = true
	}
}

// refillSome gives a refill to the next members of a group, and marks the date as done when those were the last. It has
// found nothing where the date is done, or with fresh begun. How far it got is in the date's own row, which is locked
// meanwhile, and changes with the ledger or not at all; besides, each member's entry has a reference that is posted once.
func (s *Store) refillSome(ctx context.Context, db *gorm.DB, date int64, fresh bool, actor string) (found, done bool, err error) {
	var row struct {
		GroupID, Reached int64
		Day              string
	}
	condition := ""
	if fresh {
		condition = " AND reached = 0"
	}
	err = db.Raw("SELECT group_id, reached, day FROM refill_dates WHERE id = ? AND done_at IS NULL"+condition+s.dialect.forUpdate, date).Scan(&row).Error
	if err != nil || row.GroupID == 0 {
		return false, false, err
	}
	var group groupRow
	if err := db.Where("id = ?", row.GroupID).Take(&group).Error; err != nil {
		return false, false, err
	}
	var users []int64
	err = db.Raw("SELECT m.user_id FROM members m JOIN users u ON u.id = m.user_id WHERE m.group_id = ? AND m.user_id > ? AND u.deleted_at IS NULL"+
		fmt.Sprintf(" ORDER BY m.user_id LIMIT %d", refillPart), row.GroupID, row.Reached).Scan(&users).Error
	if err != nil {
		return false, false, err
	}
	if len(users) > 0 {
		row.Reached = users[len(users)-1]
		if err := s.refillUsers(ctx, db, group, date, users, actor); err != nil {
			return false, false, err
		}
	}
	if len(users) == refillPart { // there may be more
		return true, false, db.Exec("UPDATE refill_dates SET reached = ? WHERE id = ?", row.Reached, date).Error
	}
	if err := db.Exec("UPDATE refill_dates SET reached = ?, done_at = "+s.dialect.now+" WHERE id = ?", row.Reached, date).Error; err != nil {
		return false, false, err
	}
	return true, true, s.logIn(db, actor, "group.refill", group.Name, nil, map[string]any{"day": row.Day, "value": group.value().String(), "mode": group.Mode})
}

// refillUsers posts a refill of these users. Those who cannot have it, because their account is closed or full, are
// noted in the audit log.
func (s *Store) refillUsers(ctx context.Context, db *gorm.DB, group groupRow, date int64, users []int64, actor string) error {
	tx := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
	st, err := tx.load(ctx, billing.Keys{Users: users}, false)
	if err != nil {
		return err
	}
	left, err := billing.DecideRefill(st, users, billing.Refill{ID: date, Value: group.value(), Mode: group.Mode, Actor: actor}, s.now())
	if err != nil {
		return err
	}
	if err := tx.write(ctx, st); err != nil {
		return err
	}
	for user, why := range left {
		if err := s.logIn(db, actor, "refill.skip", group.Name, nil, map[string]any{"date_id": date, "user": user, "why": why.Error()}); err != nil {
			return err
		}
	}
	return nil
}
