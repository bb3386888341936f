package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// receiver is somebody's webhook: it keeps what it gets and answers with a status.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	status int
	got    []string // signed bodies
	keys   []string

	instead http.HandlerFunc // not nil: what it does in place of all that
}

func newReceiver(t *testing.T, secret func() string) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		instead := r.instead
		r.mu.Unlock()
		if instead != nil {
			instead(w, req)
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // its sender was killed
		}
		at, signature, _ := strings.Cut(req.Header.Get("Talktime-Signature"), ",v1=")
		mac := hmac.New(sha256.New, []byte(secret()))
		_, _ = io.WriteString(mac, strings.TrimPrefix(at, "t=")+"."+string(body))
		r.mu.Lock()
		defer r.mu.Unlock()
		if signature != fmt.Sprintf("%x", mac.Sum(nil)) {
			body = []byte("badly signed")
		}
		r.got, r.keys = append(r.got, string(body)), append(r.keys, req.Header.Get("Idempotency-Key"))
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) does(instead http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.instead = instead
}

func (r *receiver) received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// noticed is a site with a webhook, and a notice about marta.
func noticed(t *testing.T, d storetest.Database) (*store.Store, *receiver) {
	t.Helper()
	db := d.Migrated(t)
	secret := ""
	r := newReceiver(t, func() string { return secret })
	w, err := db.AddWebhook(t.Context(), models.Webhook{Name: "ops", URL: r.URL + "/n", Enabled: true}, "test")
	if err != nil {
		t.Fatal(err)
	}
	secret = w.Secret
	marta, err := db.AddUser(t.Context(), models.NewUser{Username: "marta", Balance: 100 * money.Unit}, "test")
	if err != nil {
		t.Fatal(err)
	}
	service := billing.New(billing.Options{Store: db, Policy: billing.Policy{Warn: map[string]money.Amount{"SEC": 60 * money.Unit}}})
	defer service.Close()
	if _, err := service.Move(t.Context(), billing.Movement{UserID: marta.ID, Amount: -50 * money.Unit, Ref: "x", Actor: "test"}); err != nil {
		t.Fatal(err)
	}
	return db, r
}

func bothDatabases(t *testing.T, test func(*testing.T, storetest.Database)) {
	t.Helper()
	for name, d := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, d(t))
		})
	}
}

// TestCourier: a notice is retried with growing pauses until it is given up, and the log of tries says so.
func TestCourier(t *testing.T) {
	t.Parallel()
	bothDatabases(t, func(t *testing.T, d storetest.Database) {
		db, r := noticed(t, d)
		var b bytes.Buffer
		c := newCourier(db, config.Notices{}, slog.New(slog.NewTextHandler(&b, nil)))
		r.answers(http.StatusServiceUnavailable)
		if _, err := db.SpreadNotices(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		step := func(want bool) []models.Delivery {
			t.Helper()
			more, err := c.deliverNext(t.Context())
			if more != want || err != nil {
				t.Fatalf("more %t, want %t (%v)", more, want, err)
			}
			list, err := db.ListNotices(t.Context(), models.ListRequest{Number: 1, Size: 10})
			if err != nil {
				t.Fatal(err)
			}
			return list.Items[0].Deliveries
		}
		sql := d.SQL(t)
		pauses := append(deliveryPauses(), 0)
		for n, pause := range pauses {
			tries := step(true)
			failed := tries[n]
			if failed.Try != n+1 || failed.Status != http.StatusServiceUnavailable || failed.Error != "it answered 503 Service Unavailable" {
				t.Fatalf("try %d: %+v", n+1, failed)
			}
			if pause == 0 {
				if failed.State != models.DeliveryGivenUp || len(tries) != 7 {
					t.Errorf("at last: %+v", tries)
				}
				break
			}
			if wait := tries[n+1].Due.Sub(failed.Tried).Round(time.Second); failed.State != models.DeliveryFailed || wait != pause {
				t.Errorf("after try %d (%s) it waits %s, want %s", n+1, failed.State, wait, pause)
			}
			step(false) // not before its time, which comes now
			if _, err := sql.ExecContext(t.Context(), "UPDATE notice_deliveries SET due_at = (SELECT at FROM notices WHERE id = notice_id) WHERE state = 'waiting'"); err != nil {
				t.Fatal(err)
			}
		}
		step(false)
		for _, body := range r.received() {
			var n noticeBody
			if err := json.Unmarshal([]byte(body), &n); err != nil || n.Kind != models.NoticeLowBalance || n.Username != "marta" || n.ID != 1 || !strings.Contains(string(n.Data), `"balance":"50"`) {
				t.Errorf("it got %s (%v)", body, err)
			}
		}
		if keys := slices.Compact(slices.Clone(r.keys)); len(keys) != 1 || len(r.keys) != 7 || keys[0] != "talktime-notice-1" {
			t.Errorf("keys are %q", r.keys)
		}
		if text := b.String(); strings.Count(text, "trying again") != 6 || strings.Count(text, "given up") != 1 || strings.Contains(text, "whs_") {
			t.Errorf("the log says\n%s", text)
		}
		storetest.Audited(t, db)
	})
}

// TestCourierIsBrokenOff: a try that was broken off counts as none.
func TestCourierIsBrokenOff(t *testing.T) {
	t.Parallel()
	db, r := noticed(t, storetest.SQLite(t))
	c := newCourier(db, config.Notices{}, slog.New(slog.DiscardHandler))
	if _, err := db.SpreadNotices(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.does(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		cancel()
		<-req.Context().Done()
	})
	if _, err := c.deliverNext(ctx); err != nil {
		t.Fatal(err)
	}
	list, err := db.ListNotices(t.Context(), models.ListRequest{Number: 1, Size: 10})
	if err != nil || len(list.Items[0].Deliveries) != 1 || list.Items[0].Deliveries[0].State != models.DeliveryWaiting {
		t.Errorf("there are %+v (%v)", list.Items, err)
	}
}

// TestKilledCourier: what a sender had taken up when it was killed is delivered by another later.
func TestKilledCourier(t *testing.T) {
	t.Parallel()
	if path := os.Getenv("TALKTIME_TEST_COURIER"); path != "" { // the one that is killed
		db, err := store.Open(store.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		newCourier(db, config.Notices{}, slog.New(slog.DiscardHandler)).deliverDue(t.Context())
		return
	}
	d := storetest.SQLite(t)
	db, r := noticed(t, d)
	if _, err := db.SpreadNotices(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	reached := make(chan struct{})
	r.does(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		close(reached)
		<-req.Context().Done()
	})
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestKilledCourier$")
	child.Env = append(os.Environ(), "TALKTIME_TEST_COURIER="+d.Config.Path)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	_ = child.Process.Kill()
	_ = child.Wait()
	r.does(nil)
	c := newCourier(db, config.Notices{}, slog.New(slog.DiscardHandler))
	if more, err := c.deliverNext(t.Context()); more || err != nil {
		t.Errorf("the claim of the dead counts no more (%v)", err)
	}
	if _, err := d.SQL(t).ExecContext(t.Context(), "UPDATE notice_deliveries SET claimed_until = due_at"); err != nil { // as if its time had passed
		t.Fatal(err)
	}
	if more, err := c.deliverNext(t.Context()); !more || err != nil || len(r.received()) != 1 {
		t.Errorf("more %t, %v; received %q", more, err, r.received())
	}
	storetest.Audited(t, db)
}

// TestCouriersAtOnce: they deliver what comes, once each, while they run side by side.
func TestCouriersAtOnce(t *testing.T) {
	t.Parallel()
	bothDatabases(t, func(t *testing.T, d storetest.Database) {
		db, r := noticed(t, d)
		for range 9 {
			if _, err := db.TestWebhook(t.Context(), "ops", "test"); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range 2 {
			c := newCourier(db, config.Notices{}, slog.New(slog.DiscardHandler))
			running.Go(func() { c.spreadDue(ctx) })
			running.Go(func() { c.deliverDue(ctx) })
			running.Go(func() { c.deliverDue(ctx) })
		}
		for delivered := false; !delivered; wiring.Pause(t.Context(), 10*time.Millisecond) {
			f, err := db.Figures(t.Context())
			delivered = err == nil && len(r.received()) >= 10 && f.Notices == 0
		}
		cancel()
		running.Wait()
		got := r.received()
		slices.Sort(got)
		if n := len(slices.Compact(got)); n != 10 || len(r.received()) != 10 {
			t.Errorf("%d different ones came %d times", n, len(r.received()))
		}
	})
}

// TestNoticeWords: what people read says who, what and how much, for each kind.
func TestNoticeWords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, data, subject, text string }{
		{models.NoticeLowBalance, `{"balance":"4.5","below":"5","currency":"EUR"}`, "low balance of marta", "The balance of marta has fallen to 4.5 EUR, below 5."},
		{models.NoticeBrake, `{"rule":"day","reason":"the limit of 50 a day is reached","number":"900"}`, "a call of marta was stopped", "A call of marta to 900 was refused: the limit of 50 a day is reached."},
		{models.NoticeRefusals, `{"refused":20,"minutes":5}`, "many refused calls of marta", "20 calls of marta were refused within 5 minutes."},
		{models.NoticeLoss, `{"carrier":"north","buy":"61","sell":"60","number":"49"}`, "carrier north asks more than is charged", "49 went to carrier north"},
		{models.NoticeLowBalance, `nonsense`, "low balance of marta", "has fallen to ? ?"},
		{"new", `{"b":2,"a":1}`, "new", "a: 1\nb: 2"},
	} {
		subject, text := noticeWords(models.Notice{ID: 7, Kind: test.kind, Data: test.data}, "marta")
		if subject != test.subject || !strings.Contains(text, test.text) {
			t.Errorf("%s: %q, %q", test.kind, subject, text)
		}
	}
}
