package store

import (
	"errors"

	"gorm.io/gorm"
)

// Statement is one that went through GORM to write, with how many values it binds.
type Statement struct {
	SQL    string
	Values int
}

// Note notes all statements that follow. It comes before anybody uses the store.
func (s *Store) Note(to func(Statement)) error {
	note := func(db *gorm.DB) { to(Statement{db.Statement.SQL.String(), len(db.Statement.Vars)}) }
	of := s.write.Callback()
	return errors.Join(
		of.Create().Register("test:note", note), of.Query().Register("test:note", note), of.Update().Register("test:note", note),
		of.Delete().Register("test:note", note), of.Row().Register("test:note", note), of.Raw().Register("test:note", note),
	)
}
