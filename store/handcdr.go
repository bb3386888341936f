package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"talktime/models"
)

// byHand is who settled a call whose record somebody wrote: nobody. It was charged nothing, so that it can be changed
// and deleted without touching the ledger.
const byHand = "hand"

// cdrFacts is what the audit log says of such a record.
type cdrFacts struct {
	Answer  time.Time `json:"answer"`
	BillSec int64     `json:"billsec"`
	From    int64     `json:"from_user_id"`
	To      int64     `json:"to_user_id"`
}

func factsOf(c models.CDR) cdrFacts { return cdrFacts{c.Answer.UTC(), c.BillSec, c.From, c.To} }

// AddCDR writes a record by hand. It charges nobody. Users who do not exist are models.ErrInvalid.
func (s *Store) AddCDR(ctx context.Context, c models.CDR, actor string) (models.CDR, error) {
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		c.ID = s.ids.next()
		c.CallID = fmt.Sprintf("%s/%d", byHand, c.ID) // of no channel: those of Asterisk have an address before the slash
		if err := usersExist(db, c.From, c.To); err != nil {
			return err
		}
		err := db.Exec("INSERT INTO calls (id, call_id, rate, state, settled_by, status) VALUES (?, ?, ?, ?, ?, 'ANSWER')",
			c.ID, c.CallID, jsonText(models.Rate{Currency: models.SEC, First: 1, Increment: 1, Name: "written by hand"}), models.CallSettled, byHand).Error
		if isDuplicate(err) {
			err = fmt.Errorf("%w: %w", errTakenID, err)
		}
		if err == nil {
			err = setCDR(db, c)
		}
		if err == nil {
			err = s.logIn(db, actor, "cdr.add", fmt.Sprint(c.ID), nil, factsOf(c))
		}
		return err
	})
	return c, handError(err)
}

// ChangeCDR changes a record that was written by hand; that of a call which we billed is models.ErrConflict.
func (s *Store) ChangeCDR(ctx context.Context, id int64, change func(*models.CDR), actor string) (models.CDR, error) {
	var c models.CDR
	err := s.inTransaction(ctx, func(db *gorm.DB) (err error) {
		if c, err = s.handCDR(db, id); err != nil {
			return err
		}
		before := factsOf(c)
		change(&c)
		for _, side := range [][2]int64{{before.From, c.From}, {before.To, c.To}} {
			if side[0] == side[1] {
				continue // perhaps deleted since
			}
			if err := usersExist(db, side[1]); err != nil {
				return err
			}
		}
		if err := setCDR(db, c); err != nil {
			return err
		}
		return s.logIn(db, actor, "cdr.change", fmt.Sprint(id), before, factsOf(c))
	})
	return c, handError(err)
}

// DeleteCDR deletes a record that was written by hand; that of a call which we billed is models.ErrConflict.
func (s *Store) DeleteCDR(ctx context.Context, id int64, actor string) error {
	return handError(s.inTransaction(ctx, func(db *gorm.DB) error {
		c, err := s.handCDR(db, id)
		if err != nil {
			return err
		}
		if err := db.Exec("DELETE FROM calls WHERE id = ? AND settled_by = ?", id, byHand).Error; err != nil {
			return err
		}
		return s.logIn(db, actor, "cdr.delete", fmt.Sprint(id), factsOf(c), nil)
	}))
}

// handCDR locks a record and reads it.
func (s *Store) handCDR(db *gorm.DB, id int64) (models.CDR, error) {
	rows, err := db.Raw("SELECT "+cdrColumns+", c.settled_by FROM calls c WHERE c.id = ? AND c.state = 'settled'"+s.dialect.forUpdate, id).Rows()
	if err != nil {
		return models.CDR{}, err
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return models.CDR{}, err
		}
		return models.CDR{}, fmt.Errorf("call %d: %w", id, models.ErrNotFound)
	}
	var settledBy string
	c, err := scanCDR(rows, &settledBy)
	if err == nil && settledBy != byHand {
		err = fmt.Errorf("call %d was billed: %w", id, models.ErrBilled)
	}
	return c, err
}

func setCDR(db *gorm.DB, c models.CDR) error {
	return db.Exec("UPDATE calls SET user_id = ?, callee_id = ?, authorized_at = ?, due_at = ?, ended_at = ?, seconds = ?, talked_ms = ? WHERE id = ?",
		c.From, c.To, stamp(c.Answer), stamp(c.Answer), stamp(c.Answer.Add(time.Duration(c.BillSec)*time.Second)), c.BillSec, 1000*c.BillSec, c.ID).Error
}

// usersExist refuses ids of nobody; 0 is somebody who is no user of ours.
func usersExist(db *gorm.DB, ids ...int64) error {
	for _, id := range ids {
		var found userRow
		if id == 0 {
			continue
		}
		done := db.Select("id").Where("id = ? AND deleted_at IS NULL", id).Limit(1).Find(&found)
		if done.Error != nil {
			return done.Error
		}
		if done.RowsAffected == 0 {
			return fmt.Errorf("%w: there is no user with the id %d", models.ErrInvalid, id)
		}
	}
	return nil
}

func handError(err error) error {
	if errors.Is(err, models.ErrInvalid) || errors.Is(err, models.ErrBilled) || errors.Is(err, models.ErrNotFound) {
		return err
	}
	return translate(err)
}
