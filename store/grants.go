package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"talktime/models"
)

// UserGrants returns what a user may see of the statistics.
func (s *Store) UserGrants(ctx context.Context, userID int64) (models.Grants, error) {
	return grantsOf(s.read.WithContext(ctx), userID)
}

// grantList is one of the lists of some grants, under the name that it has in the table.
type grantList struct {
	kind  string
	names *[]string
}

func grantLists(g *models.Grants) []grantList {
	return []grantList{{"queue", &g.Queues}, {"agent", &g.Agents}, {"account", &g.Accounts}}
}

func grantsOf(db *gorm.DB, userID int64) (models.Grants, error) {
	var g models.Grants
	for _, list := range grantLists(&g) {
		err := db.Raw("SELECT name FROM grants WHERE user_id = ? AND kind = ? ORDER BY name", userID, list.kind).Scan(list.names).Error
		if err != nil {
			return g, translate(err)
		}
	}
	return g.Clean(), nil
}

// ChangeGrants gives a user what change makes of his grants, and returns that. models.ErrNotFound when there is no such
// user, models.ErrInvalid when it is too much.
func (s *Store) ChangeGrants(ctx context.Context, userID int64, change func(models.Grants) models.Grants, actor string) (models.Grants, error) {
	var after models.Grants
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		var username string
		err := db.Raw("SELECT username FROM users WHERE id = ? AND deleted_at IS NULL"+s.dialect.forUpdate, userID).Row().Scan(&username)
		if err != nil {
			return err
		}
		before, err := grantsOf(db, userID)
		if err != nil {
			return err
		}
		after = change(before).Clean()
		if err := after.Validate(); err != nil {
			return err
		}
		gone, made := before.Without(after), after.Without(before)
		if gone.Empty() && made.Empty() {
			return nil
		}
		for _, list := range grantLists(&gone) {
			for _, name := range *list.names {
				if err := db.Exec("DELETE FROM grants WHERE user_id = ? AND kind = ? AND name = ?", userID, list.kind, name).Error; err != nil {
					return err
				}
			}
		}
		for _, list := range grantLists(&made) {
			for _, name := range *list.names {
				if err := db.Exec("INSERT INTO grants (user_id, kind, name) VALUES (?, ?, ?)", userID, list.kind, name).Error; err != nil {
					return err
				}
			}
		}
		return s.logIn(db, actor, "user.grant", username, before, after)
	})
	return after, grantError(userID, err)
}

func grantError(userID int64, err error) error {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("user %d: %w", userID, models.ErrNotFound)
	case errors.Is(err, models.ErrInvalid):
		return err
	}
	return translate(err)
}
