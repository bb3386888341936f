package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"talktime/store"
)

// maxSkew is how far our clock may be from the database's: due times compare with the latter.
const maxSkew = time.Second

// ready says in one sentence what keeps the server from its work. It tells strangers nothing about the database but
// that.
func ready(ctx context.Context, db *store.Store) error {
	if err := db.CheckSchema(ctx); errors.Is(err, store.ErrNewerSchema) {
		return errors.New("the database schema does not fit this version; install the newer program")
	} else if errors.Is(err, store.ErrSchema) {
		return errors.New("the database schema does not fit this version; run admin migrate")
	} else if err != nil {
		return errors.New("the database cannot be reached")
	}
	skew, err := db.ClockSkew(ctx)
	if err != nil {
		return errors.New("the database cannot be reached")
	}
	if skew.Abs() > maxSkew {
		return fmt.Errorf("our clock is %s from the database's", skew.Round(time.Millisecond))
	}
	return nil
}
