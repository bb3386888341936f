package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"

	"talktime/internal/nodemanager"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/store"
	"talktime/store/storetest"
)

// fakeTeller is a node manager that answers with one error for all.
type fakeTeller struct {
	err  error
	told []string
}

func (f *fakeTeller) Create(_ context.Context, s nodemanager.Subscriber) error {
	f.told = append(f.told, fmt.Sprintf("create %s %s %s", s.Name, s.IMSI, s.MSISDN))
	return f.err
}

func (f *fakeTeller) Delete(_ context.Context, s nodemanager.Subscriber) error {
	f.told = append(f.told, "delete "+s.Name+" "+s.IMSI)
	return f.err
}

func provisioned(t *testing.T) *store.Store {
	t.Helper()
	d := storetest.SQLite(t)
	d.Config.Provisions = true
	db := d.Migrated(t)
	if _, err := db.AddUser(t.Context(), models.NewUser{Username: "marta", CLID: "555", IMSI: "0017"}, "test"); err != nil {
		t.Fatal(err)
	}
	return db
}

// TestProvisionNext: what is done goes, what was refused or not heard is tried again, and some day given up.
func TestProvisionNext(t *testing.T) {
	t.Parallel()
	db := provisioned(t)
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	step := func(to *fakeTeller, wantMore, wantReached bool) models.Provision {
		t.Helper()
		more, reached, err := provisionNext(t.Context(), db, to, log)
		if err != nil || more != wantMore || reached != wantReached {
			t.Errorf("more %t, reached %t, %v", more, reached, err)
		}
		waiting, err := db.Provisions(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(waiting) == 0 {
			return models.Provision{}
		}
		return waiting[0]
	}
	again := func() { // as if its time had come
		t.Helper()
		p, err := db.Provisions(t.Context(), 1)
		if err != nil || len(p) != 1 {
			t.Fatalf("%v, %v", p, err)
		}
		if err := db.ProvisionFailed(t.Context(), p[0], 0); err != nil {
			t.Fatal(err)
		}
	}
	silent := &fakeTeller{err: errors.New("connection refused")}
	p := step(silent, true, false)
	if p.Error != "connection refused" || p.Refusals != 0 || p.GivenUp || time.Until(p.Due) < 20*time.Second {
		t.Errorf("after silence: %+v", p)
	}
	if fmt.Sprint(silent.told) != "[create 1 0017 555]" {
		t.Errorf("it was told %v", silent.told)
	}
	step(silent, false, true) // not before its time
	refusing := &fakeTeller{err: &nodemanager.Rejected{Action: "create", Code: 406}}
	for n := 1; n <= maxRefusals; n++ {
		again()
		if p = step(refusing, true, true); p.Refusals != n || p.GivenUp != (n == maxRefusals) || time.Until(p.Due) > time.Hour+time.Second {
			t.Fatalf("refusal %d: %+v", n, p)
		}
	}
	if text := b.String(); strings.Count(text, "trying again") != 1 || strings.Count(text, "given up") != 1 || strings.Contains(text, "0017") {
		t.Errorf("the log says\n%s", text)
	}
	again()
	if more, _, err := provisionNext(t.Context(), db, refusing, log); more || err != nil {
		t.Errorf("what was given up is tried again (%v)", err)
	}
	if _, err := db.ProvisionAgain(t.Context(), 0, "test"); err != nil {
		t.Fatal(err)
	}
	well := &fakeTeller{}
	if p := step(well, true, true); p.ID != 0 {
		t.Errorf("there still waits %+v", p)
	}
	if _, err := db.DeleteUser(t.Context(), 1, "test"); err != nil {
		t.Fatal(err)
	}
	step(well, true, true)
	step(well, false, true)
	if fmt.Sprint(well.told) != "[create 1 0017 555 delete 1 0017]" {
		t.Errorf("it was told %v", well.told)
	}
}

// TestServeProvisions: a server tells a real ZeroMQ socket of users who were made while it was away and while it was not.
func TestServeProvisions(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rep := zmq4.NewRep(ctx)
	defer rep.Close()
	if err := rep.Listen("tcp://127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	asked := make(chan string, 10)
	go func() {
		for {
			m, err := rep.Recv()
			if err != nil {
				return
			}
			asked <- string(m.Bytes())
			if err := rep.Send(zmq4.NewMsgString(`{"code":200}`)); err != nil {
				return
			}
		}
	}()
	path := filepath.Join(t.TempDir(), "t.db")
	db, err := store.Open(store.Config{Path: path, Provisions: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	add := func(name, imsi string) {
		t.Helper()
		if _, err := db.AddUser(ctx, models.NewUser{Username: name, IMSI: imsi}, "test"); err != nil {
			t.Fatal(err)
		}
		want := `"imsi":"IMSI` + imsi + `"`
		if got := <-asked; !strings.Contains(got, want) {
			t.Errorf("it was asked %s, want %s", got, want)
		}
	}
	s := startServer(t, map[string]string{
		"TALKTIME_DATABASE_URL": "sqlite:" + path, "TALKTIME_ADMIN_PASSWORD": "secret7", "TALKTIME_NODEMANAGER": "tcp://" + rep.Addr().String(),
	})
	add("marta", "0017")
	add("joel", "0018")
	for {
		waiting, err := db.Provisions(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(waiting) == 0 || !wiring.Pause(ctx, 10*time.Millisecond) {
			break
		}
	}
	if code := s.end(); code != exitWell {
		t.Errorf("exit code %d", code)
	}
}
