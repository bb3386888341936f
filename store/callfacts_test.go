package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

// TestEachCall: every call that has ended and began in a time, once, whoever made it, whenever its row was made.
func TestEachCall(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachCall(t, database(t))
		})
	}
}

// idOf is the id of a call that was first permitted at a time, as store makes them.
func idOf(at time.Time, n int64) int64 {
	return int64(at.Sub(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))/(16*time.Microsecond))*128 + 4*n
}

func eachCall(t *testing.T, d storetest.Database) {
	d.Migrated(t)
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	s := d.Open(t, func(c *store.Config) { c.Location, c.AccessPrefixes = vienna, []string{"0", "00", "nonsense'"} })
	db := d.SQL(t)
	const layout = "2006-01-02 15:04:05.000000"
	from := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
	to := from.Add(48 * time.Hour)
	n := int64(0)
	add := func(state string, id, at time.Time, user int64, number string, more string, args ...any) {
		n++
		columns, marks := "", ""
		if more != "" {
			columns, marks = ", "+more, strings.Repeat(", ?", len(args))
		}
		callID := fmt.Sprintf("10.0.0.1/%d.1", n)
		if strings.Contains(more, "settled_by") && args[0] == "hand" {
			callID = fmt.Sprintf("hand/%d", n)
		}
		_, err := db.ExecContext(t.Context(), "INSERT INTO calls (id, call_id, state, user_id, number, authorized_at, due_at, ended_at, rate"+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{\"currency\":\"SEC\",\"per_minute\":\"0\",\"first\":1,\"increment\":1}'"+marks+")",
			append([]any{idOf(id, n), callID, state, user, number, at.Format(layout), at.Add(100 * time.Second).Format(layout), at.Add(30 * time.Second).Format(layout)}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
	}
	hour := func(h int) time.Time { return from.Add(time.Duration(h) * time.Hour) }
	add("released", hour(-1), from.Add(-time.Microsecond), 1, "before", "")
	add("released", from, from, 1, "first", "")
	add("released", to, to.Add(-time.Microsecond), 2, "last", "")
	add("released", to, to, 2, "behind", "")
	add("released", hour(25), hour(25), 3, "next day", "status, cause, pdd_ms", "BUSY", 17, 1200)
	add("unreconciled", hour(26), hour(26), 3, "unreconciled", "")
	add("emergency", hour(26), hour(26), 3, "112", "")
	add("open", hour(26), hour(26), 3, "open", "")
	add("settled", hour(-100), hour(2), 1, "redirected", "legs, settled_by", "[]", "reducer")
	add("settled", hour(24*200), hour(3), 1, "by hand", "settled_by, seconds", "hand", 7)
	add("settled", hour(4), hour(4), 1, "found late", "settled_by, seconds", "reconciler", 11)
	add("settled", hour(5), hour(5), 1, "to the end", "settled_by, seconds", "reducer", 90)
	read := func(account *stats.Account) (got []string) {
		t.Helper()
		err := s.EachCall(t.Context(), from, to, account, func(c *stats.Call) error {
			got = append(got, fmt.Sprintf("%s %d %d %v %d %d %s %d", c.Number, c.User, c.Duration, c.Answered, c.Seconds, c.PDD, c.Status, c.Wall-c.Start))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		return got
	}
	want := []string{
		"by hand 1 30 true 7 -1  7200", "first 1 30 false 0 -1  3600", "found late 1 11 true 11 -1  7200", "last 2 30 false 0 -1  7200", "next day 3 30 false 0 1200 BUSY 7200",
		"redirected 1 30 true 0 -1  7200", "to the end 1 90 true 90 -1  7200", "unreconciled 3 30 false 0 -1  7200",
	}
	if d := cmp.Diff(want, read(nil)); d != "" {
		t.Error(d)
	}
	// More users than a statement of SQLite takes, of whom most are nobody.
	account := &stats.Account{}
	for user := range int64(500) {
		account.Users = append(account.Users, user+2)
	}
	if d := cmp.Diff([]string{want[3], want[4], want[7]}, read(account)); d != "" {
		t.Error(d)
	}
	if got := read(&stats.Account{}); got != nil {
		t.Errorf("nobody has %q", got)
	}
	stop := errors.New("enough")
	if err := s.EachCall(t.Context(), from, to, nil, func(*stats.Call) error { return stop }); !errors.Is(err, stop) || errors.Is(err, models.ErrSlowSearch) {
		t.Error(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.EachCall(over, from, to, nil, func(*stats.Call) error { return nil }); err == nil {
		t.Error("a request that is over is read for")
	}
	for _, edit := range []string{"UPDATE calls SET rate = 'no JSON' WHERE number = 'first'", "UPDATE calls SET rate = '' WHERE number = 'last'"} {
		if _, err := db.ExecContext(t.Context(), edit); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(nil); len(got) != len(want) {
		t.Errorf("a rate that cannot be read leaves %q", got)
	}
	list, err := s.ListCalls(t.Context(), models.ListRequest{Query: `{"filters":[{"name":"destination","op":"eq","val":""},{"name":"prefix","op":"eq","val":""}]}`, Number: 1, Size: 10})
	if list.Total != n || errors.Is(err, models.ErrQuery) { // the two themselves cannot be shown
		t.Errorf("%d of %d calls have no destination (%v)", list.Total, n, err)
	}
	countriesAgree(t, s, add, to.AddDate(0, 1, 0))
	if _, err := db.ExecContext(t.Context(), "DELETE FROM calls"); err != nil { // of nobody's: the books know none of them
		t.Fatal(err)
	}
}

// countriesAgree: a search by country finds the calls that are counted for it, whatever numbers look like.
func countriesAgree(t *testing.T, s *store.Store, add func(string, time.Time, time.Time, int64, string, string, ...any), at time.Time) {
	t.Helper()
	r := rand.New(rand.NewPCG(8, 8))
	for range 150 {
		number := []string{"", "+", "00", "0", "*", "+00"}[r.IntN(6)]
		for range r.IntN(8) {
			number += string("0123456789*#"[min(r.IntN(12), r.IntN(12))])
		}
		add("released", at, at, 1, number, "")
	}
	counts := stats.New(stats.Options{Calls: s, Location: time.UTC, AccessPrefixes: []string{"0", "00"}})
	sum, err := counts.Summary(t.Context(), stats.Query{From: at, To: at.Add(time.Second), By: stats.ByNone, Of: stats.OfCountry, Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Rows) < 15 {
		t.Errorf("only %d countries", len(sum.Rows))
	}
	for _, row := range sum.Rows {
		filter := fmt.Sprintf(`{"name":"country","op":"eq","val":"+%s"}`, row.Key.Text)
		if row.Key.Text == "" {
			filter = `{"name":"country","op":"is_null"}`
		}
		query := fmt.Sprintf(`{"filters":[%s,{"name":"authorized_at","op":"ge","val":%q}]}`, filter, at.Format(time.RFC3339))
		list, err := s.ListCalls(t.Context(), models.ListRequest{Query: query, Number: 1, Size: 10})
		if err != nil || list.Total != row.Attempts {
			t.Errorf("country %q: %d calls are found, %d counted (%v)", row.Key.Text, list.Total, row.Attempts, err)
		}
	}
	for _, code := range []string{"", "+", "x", "4x"} {
		query := fmt.Sprintf(`{"filters":[{"name":"country","op":"eq","val":%q}]}`, code)
		if _, err := s.ListCalls(t.Context(), models.ListRequest{Query: query, Number: 1, Size: 10}); !errors.Is(err, models.ErrQuery) {
			t.Errorf("the country %q: %v", code, err)
		}
	}
}
