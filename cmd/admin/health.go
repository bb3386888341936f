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
	if err := db.CheckSchema(ctx); errors.Is(err, store.ErrSchema) {
		return errors.New("the database schema does not fit this version; run admin migrate")
	} else if err != nil {
		return errors.New("the database cannot be reached")
	}
	skew, err := clockSkew(ctx, db)
	if err != nil {
		return errors.New("the database cannot be reached")
	}
	if skew.Abs() > maxSkew {
		return fmt.Errorf("our clock is %s from the database's", skew.Round(time.Millisecond))
	}
	return nil
}

// clockSkew is how far our clock is ahead of the database's. The answer's way is taken to be half of the time that
// asking took.
func clockSkew(ctx context.Context, db *store.Store) (time.Duration, error) {
	before := time.Now()
	theirs, err := db.Clock(ctx)
	if err != nil {
		return 0, err
	}
	after := time.Now()
	return before.Add(after.Sub(before) / 2).Sub(theirs), nil
}
