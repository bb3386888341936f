package store

import (
	"database/sql"
	"time"

	"gorm.io/gorm"
)

// formerName is until when somebody had a clid or an account_id that he gave up then.
type formerName struct {
	until int64 // Unix seconds, rounded up
	user  int64 // who had it all the time until then; 0: several, or a group
}

// leaveNames notes which names a user gives up with a change.
func (s *Store) leaveNames(db *gorm.DB, user int64, before, after userFacts) error {
	if err := s.leaveName(db, user, before.CLID, after.CLID); err != nil {
		return err
	}
	return s.leaveName(db, user, before.AccountID, after.AccountID)
}

// leaveName notes that a user, or for 0 a group, gives up a clid or an account_id: records of calls made until now do not come with it
// to whoever has it next.
func (s *Store) leaveName(db *gorm.DB, user int64, before, after *string) error {
	if before == nil || *before == "" || same(before, after) {
		return nil
	}
	again := " ON DUPLICATE KEY UPDATE "
	if s.dialect.name == sqliteDialect.name {
		again = " ON CONFLICT (name) DO UPDATE SET "
	}
	return db.Exec("INSERT INTO former_names (name, until, user_id) VALUES (?, "+s.dialect.now+", ?)"+again+
		"user_id = CASE WHEN user_id = ? THEN user_id ELSE 0 END, until = "+s.dialect.now, *before, user, user).Error
}

// formerNames adds those of a SELECT of name, until, user_id to a map.
func formerNames(into map[string]formerName) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var name string
		var until time.Time
		var f formerName
		err := rows.Scan(&name, &until, &f.user)
		f.until = until.Add(time.Second - 1).Unix()
		into[name] = f
		return err
	}
}

const ofFormerNames = "SELECT name, until, user_id FROM former_names"
