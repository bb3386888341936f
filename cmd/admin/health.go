package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"talktime/store"
)

const (
	readyTimeout = 3 * time.Second
	// maxSkew is how far our clock may be from the database's: due times compare with the latter.
	maxSkew = time.Second
)

// handler serves the two questions of whoever watches over the server.
func handler(db *store.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if problem := notReady(ctx, db); problem != "" {
			respond(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "message": problem})
			return
		}
		respond(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	return mux
}

func respond(w http.ResponseWriter, code int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // whoever asked has gone
}

// notReady says in one sentence what keeps the server from its work. It tells strangers nothing about the database
// but that.
func notReady(ctx context.Context, db *store.Store) string {
	if err := db.CheckSchema(ctx); errors.Is(err, store.ErrSchema) {
		return "the database schema does not fit this version; run admin migrate"
	} else if err != nil {
		return "the database cannot be reached"
	}
	skew, err := clockSkew(ctx, db)
	if err != nil {
		return "the database cannot be reached"
	}
	if skew.Abs() > maxSkew {
		return fmt.Sprintf("our clock is %s from the database's", skew.Round(time.Millisecond))
	}
	return ""
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
