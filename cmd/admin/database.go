package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/store"
)

// openStore opens the database, which need not be reachable. A new file is worth a word, and most verbs make none:
// perhaps we were started in the wrong folder.
func (c *command) openStore(cfg config.Config) (*store.Store, error) {
	d := cfg.Database
	_, statErr := os.Stat(d.Path)
	wanted := wiring.StoreConfig(cfg)
	wanted.Existing = !c.makes
	db, err := store.Open(wanted)
	if err != nil {
		return nil, wiring.AboutDatabase(d, err)
	}
	if d.Dialect == config.SQLite && errors.Is(statErr, fs.ErrNotExist) {
		c.note("there is no database %s yet; it is created", strings.TrimPrefix(d.Redacted(), "sqlite:"))
	}
	return db, nil
}

// prepareSchema migrates an SQLite file, which is ours alone. A server is only looked at: it may serve others, and
// changing it is the operator's decision.
func prepareSchema(ctx context.Context, db *store.Store, d config.Database) error {
	if d.Dialect == config.SQLite {
		_, err := db.Migrate(ctx)
		return wiring.AboutDatabase(d, err)
	}
	return wiring.AboutDatabase(d, db.CheckSchema(ctx))
}

// auditLine tells of a transaction, in which it is written.
func auditLine(done models.Transaction, action, target string, after any) models.AuditLine {
	text, err := json.Marshal(after)
	if err != nil {
		panic(err) // a record of ours
	}
	return models.AuditLine{At: done.PostedAt, Actor: done.Actor, Action: action, Target: target, After: string(text)}
}

// unknownUser is what an error says of a user who does not exist.
func unknownUser(username string, err error) error {
	if errors.Is(err, models.ErrNotFound) {
		return fmt.Errorf("there is no user %q", username)
	}
	return err
}
