package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"gorm.io/gorm"

	"talktime/models"
)

// accountNamed returns who an account is: the user or the group that other systems call so, or the one with this id. An
// account_id goes before an id, and a user before a group. models.ErrNotFound when it is nobody.
func accountNamed(db *gorm.DB, name string) (models.Owner, error) {
	find := func(query string, value any) (id int64, err error) {
		var called sql.NullString
		err = db.Raw(query, value).Row().Scan(&id, &called)
		if errors.Is(err, sql.ErrNoRows) || err == nil && called.Valid && called.String != name { // MySQL does not look at blanks behind a name
			return 0, nil
		}
		return id, err
	}
	user, err := find("SELECT p.user_id, p.account_id FROM profiles p JOIN users u ON u.id = p.user_id WHERE p.account_id = ? AND u.deleted_at IS NULL", name)
	if err != nil || user != 0 {
		return models.Owner{User: user}, err
	}
	group, err := find("SELECT g.id, g.account_id FROM user_groups g WHERE g.account_id = ?", name)
	if err != nil || group != 0 {
		return models.Owner{Group: group}, err
	}
	id, err := strconv.ParseInt(name, 10, 64)
	if err != nil || id < 1 || strconv.FormatInt(id, 10) != name { // 007 is no id
		return models.Owner{}, fmt.Errorf("account %q: %w", name, models.ErrNotFound)
	}
	if user, err = find("SELECT u.id, NULL FROM users u WHERE u.id = ? AND u.deleted_at IS NULL", id); err != nil || user != 0 {
		return models.Owner{User: user}, err
	}
	if group, err = find("SELECT g.id, NULL FROM user_groups g WHERE g.id = ?", id); err != nil || group != 0 {
		return models.Owner{Group: group}, err
	}
	return models.Owner{}, fmt.Errorf("account %q: %w", name, models.ErrNotFound)
}

// ownedBy is the condition that a column has a user that an owner is, or has as a member now.
func ownedBy(column string, o models.Owner) string {
	if o.Group != 0 {
		return fmt.Sprintf("%s IN (SELECT om.user_id FROM members om WHERE om.group_id = %d)", column, o.Group)
	}
	return fmt.Sprintf("%s = %d", column, o.User)
}

// Owned returns those of some users that an owner is, or has as members now.
func (s *Store) Owned(ctx context.Context, o models.Owner, users []int64) (map[int64]bool, error) {
	owned := make(map[int64]bool)
	err := eachOf(ctx, s, "SELECT u.id FROM users u WHERE "+ownedBy("u.id", o)+" AND u.id IN (%s)", users, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		owned[id] = true
		return err
	})
	return owned, err
}
