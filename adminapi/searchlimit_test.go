package adminapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/store/storetest"
)

func listed(n int, part string) string { return strings.TrimSuffix(strings.Repeat(part+",", n), ",") }

// search asks for a list by a query.
func (c *client) search(path, q string) answer {
	c.site.t.Helper()
	return c.get(path + "?q=" + url.QueryEscape(q))
}

// TestDearQueries: what would be too much for a database is refused with a sentence, and what is just allowed is answered.
func TestDearQueries(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		or := func(filters ...string) string { return `{"filters":[{"or":[` + strings.Join(filters, ",") + `]}]}` }
		order := func(fields ...string) string {
			return `{"order_by":[{"field":"` + strings.Join(fields, `"},{"field":"`) + `"}]}`
		}
		ids := `{"name":"id","op":"in","val":[` + listed(990, "7") + `]}`
		for _, tt := range []struct{ path, q, detail string }{
			{"/api/users", or(listed(10, `{"name":"available","op":"gt","val":"9"}`)), ""},
			{"/api/users", or(listed(50, `{"name":"available","op":"gt","val":"9"}`)), "ask for less at once"},
			{"/api/users", or(listed(50, `{"name":"originated_calls","op":"any","val":{"name":"billsec","op":"gt","val":9}}`)), "ask for less at once"},
			{"/api/users", or(listed(50, `{"name":"username","op":"ilike","val":"%`+strings.Repeat("e%", 60)+`"}`)), ""},
			{"/api/users", order("available", "username"), ""},
			{"/api/users", order("available", "balance", "held"), "leave some out"},
			{"/api/users", `{"group_by":[{"field":"available"},{"field":"balance"},{"field":"held"}]}`, "leave some out"},
			{"/api/ledger", `{"order_by":[{"field":"amount"}],"group_by":[{"field":"ref"},{"field":"actor"}]}`, ""},
			// An id of an entry is four of the transaction's: more question marks than SQLite takes.
			{"/api/ledger", or(ids), ""},
			{"/api/ledger", or(ids, ids, ids, ids, ids, ids, ids, ids), "ask for fewer at once"},
			{"/api/users", `{"offset":9223372036854775807}`, "offset must be a whole number"},
			{"/api/users", `{"offset":9223372036854775808}`, "offset must be a whole number"},
			{"/api/users", `{"offset":9007199254740992}`, ""},
		} {
			want := http.StatusOK
			if tt.detail != "" {
				want = http.StatusBadRequest
			}
			if a := s.admin.search(tt.path, tt.q); a.status != want || !strings.Contains(a.body, tt.detail) {
				t.Errorf("%s %.60s: status %d, %.300s", tt.path, tt.q, a.status, a.body)
			}
		}
		for _, page := range []string{"92233720368547758", "92233720368547759", "9223372036854775807"} {
			s.admin.get("/api/users?results_per_page=100&page=" + page + "&q=" + url.QueryEscape(`{"offset":9007199254740992}`)).is(http.StatusOK)
		}
	})
}

// TestSearchesAreGivenUp: a search that takes too long ends with a sentence, and other requests do not suffer.
func TestSearchesAreGivenUp(t *testing.T) {
	for name, database := range map[string]func(testing.TB) storetest.Database{"SQLite": storetest.SQLite, "MariaDB": storetest.OnShared} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := database(t)
			d.Config.SearchTime = 5 * time.Millisecond
			s := newSite(t, d)
			s.fill(20_000)
			dear := `{"filters":[{"or":[` + listed(10, `{"name":"available","op":"gt","val":"9999999"}`) + `]}],"order_by":[{"field":"available"}]}`
			if a := s.admin.search("/api/users", dear).is(http.StatusServiceUnavailable); !strings.Contains(a.body, "the search takes too long; ask for less") {
				t.Error(a.body)
			}
			if a := s.admin.get("/users?q=nobody-of-this-name"); a.status != http.StatusOK && a.status != http.StatusServiceUnavailable {
				t.Errorf("a page: status %d", a.status)
			}
			s.admin.get("/api/users").is(http.StatusOK)
			s.admin.get("/api/users/user7").is(http.StatusOK)
		})
	}
}

// TestAbandonedSearches: clients that ask and go do not pile up at the database, and calls go on.
func TestAbandonedSearches(t *testing.T) {
	d := storetest.OnShared(t)
	d.Config.SearchTime = 2 * time.Second
	s := newSite(t, d)
	s.marta()
	var programs []*client
	for i := range 5 {
		c := s.anonymous()
		made := s.admin.post("/api/tokens", fmt.Sprintf(`{"name":"p%d","scopes":["admin"]}`, i)).is(http.StatusCreated).object()
		c.header.Set("Authorization", fmt.Sprint("Bearer ", made["token"]))
		programs = append(programs, c)
	}
	// A table that nobody can read is the longest search there is.
	lock, err := d.SQL(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Close() }()
	if _, err := lock.ExecContext(t.Context(), "LOCK TABLES audit_log WRITE"); err != nil {
		t.Fatal(err)
	}
	db := d.SQL(t)
	count := func(condition string) (n int) {
		t.Helper()
		err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE db = ? AND id <> connection_id()"+condition, d.Config.Name).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const theirs = " AND command = 'Query' AND info LIKE '%audit_log%'"
	address := s.url + "/api/audit?q=" + url.QueryEscape(`{"filters":[{"name":"actor","op":"ne","val":"x"}]}`)
	ask := func(leaving context.Context) *sync.WaitGroup {
		var clients sync.WaitGroup
		for i := range 40 {
			clients.Go(func() {
				request, err := http.NewRequestWithContext(leaving, http.MethodGet, address, nil)
				if err != nil {
					t.Error(err)
					return
				}
				request.Header = programs[i%len(programs)].header.Clone()
				if a, err := http.DefaultClient.Do(request); err == nil {
					_ = a.Body.Close()
				}
			})
		}
		return &clients
	}
	leaving, leave := context.WithCancel(t.Context())
	defer leave()
	clients := ask(leaving)
	for count(theirs) == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	clients.Wait()
	for range 3 { // more come while what those have begun goes on
		brief, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
		ask(brief).Wait()
		leave()
		if n := count(theirs); n > 4 {
			t.Fatalf("%d of their searches are under way", n)
		}
	}
	s.call("pbx-1.1", "555000204", "555000205", 1)
	s.admin.get("/api/users").is(http.StatusOK)
	for count(theirs) > 0 { // else it would never end
		time.Sleep(time.Millisecond)
	}
	if n := count(""); n > 100 {
		t.Errorf("%d connections", n)
	}
}
