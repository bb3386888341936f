package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"gorm.io/gorm"

	"talktime/pbx/extension"
)

// How long changes of the telephone system are kept, which have secrets in them, and how many.
const (
	keepPBXChanges = 30 * 24 * time.Hour
	maxPBXChanges  = 1000
)

// AddPBXChange implements extension.Changes. The change gets its number and its time here; those that are too old, or too many, go.
func (s *Store) AddPBXChange(ctx context.Context, c extension.Change) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		err := db.Exec("INSERT INTO pbx_changes (at, actor, kind, verb, account, before_json, after_json, undoes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			stamp(s.now()), truncate(c.Actor, 80), c.Kind, c.Verb, c.Account, c.Before.Text(), c.After.Text(), c.Undoes).Error
		if err != nil {
			return err
		}
		var oldest int64
		switch err := db.Raw("SELECT id FROM pbx_changes ORDER BY id DESC LIMIT 1 OFFSET ?", maxPBXChanges-1).Row().Scan(&oldest); {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		}
		return db.Exec("DELETE FROM pbx_changes WHERE id < ? OR at < ?", oldest, stamp(s.now().Add(-keepPBXChanges))).Error
	}))
}

// ForgetPBXChanges deletes those that are too old to be kept.
func (s *Store) ForgetPBXChanges(ctx context.Context) error {
	return translate(s.exec(ctx, "DELETE FROM pbx_changes WHERE at < ?", stamp(s.now().Add(-keepPBXChanges))))
}

// PBXChanges implements extension.Changes.
func (s *Store) PBXChanges(ctx context.Context) ([]extension.Change, error) {
	all := []extension.Change{}
	err := s.each(ctx, "SELECT id, at, actor, kind, verb, account, before_json, after_json, undoes FROM pbx_changes WHERE at >= ? ORDER BY id DESC LIMIT ?",
		[]any{stamp(s.now().Add(-keepPBXChanges)), maxPBXChanges}, func(rows *sql.Rows) error {
			var c extension.Change
			var before, after string
			err := rows.Scan(&c.ID, &c.At, &c.Actor, &c.Kind, &c.Verb, &c.Account, &before, &after, &c.Undoes)
			if err == nil {
				c.Before, err = extension.ParseSnapshot(before)
			}
			if err == nil {
				c.After, err = extension.ParseSnapshot(after)
			}
			all = append(all, c)
			return err
		})
	return all, err
}
