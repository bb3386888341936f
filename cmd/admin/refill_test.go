package main

import (
	"path/filepath"
	"testing"
	"time"

	"talktime/internal/wiring"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// TestServeRefills: two servers that start at once apply what fell due while none ran, once.
func TestServeRefills(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.db")
	db, err := store.Open(store.Config{Path: path, Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	storetest.Audited(t, db)
	marta, err := db.AddUser(t.Context(), models.NewUser{Username: "marta"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	value := 5 * money.Unit
	g := models.NewGroup{
		Name: "g", First: time.Date(2020, 1, 31, 0, 0, 0, 0, time.UTC), Count: 3, Value: &value, Mode: models.ModeAdd, Users: []int64{marta.ID},
	}
	if _, err := db.NewGroup(t.Context(), g, "test"); err != nil {
		t.Fatal(err)
	}
	settings := func() map[string]string {
		return map[string]string{"TALKTIME_DATABASE_URL": "sqlite:" + path, "TALKTIME_ADMIN_PASSWORD": "secret7"}
	}
	servers := []*server{startServer(t, settings()), startServer(t, settings())}
	for left := 3; left > 0 && t.Context().Err() == nil; wiring.Pause(t.Context(), 10*time.Millisecond) {
		now, err := db.Group(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		left = len(now.Dates)
	}
	for _, s := range servers {
		if code := s.end(); code != exitWell {
			t.Errorf("exit code %d", code)
		}
	}
	if b, err := db.UserByName(t.Context(), "marta"); err != nil || b.Balance != 15*money.Unit {
		t.Errorf("%+v, %v", b, err)
	}
}
