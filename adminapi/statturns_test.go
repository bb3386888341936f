package adminapi_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/stats"
	"talktime/store/storetest"
)

// gate lets nobody through until it is opened, and counts who waits.
type gate struct {
	mu      sync.Mutex
	waiting map[string]int
	most    map[string]int // that waited at once
	open    chan struct{}
}

func newGate() *gate {
	return &gate{waiting: map[string]int{}, most: map[string]int{}, open: make(chan struct{})}
}

func (g *gate) enter(ctx context.Context, who string) error {
	g.add(who, 1)
	defer g.add(who, -1)
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) add(who string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting[who] += n
	g.most[who] = max(g.most[who], g.waiting[who])
}

func (g *gate) mostOf(who string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most[who]
}

// Name implements stats.Source.
func (*gate) Name() string { return "pbx" }

// Each implements stats.Source. Those who wait are told apart by the year that they ask for.
func (g *gate) Each(ctx context.Context, scan stats.Scan, _ func(*stats.Record) error) error {
	return g.enter(ctx, fmt.Sprint(scan.To.Year()))
}

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for begun := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatal(what)
		}
	}
}

// inFlight is how many requests are being answered, beside the one that asks.
func (s *site) inFlight() int {
	return int(s.anonymous().get("/metrics").is(http.StatusOK).metrics()["talktime_http_requests_in_flight"]) - 1
}

// TestTurnsToCount: whoever asks for many reports at once keeps nobody else from his.
func TestTurnsToCount(t *testing.T) {
	t.Parallel()
	const q = `?q=%7B%22filters%22%3A%5B%7B%22name%22%3A%22call_time%22%2C%22op%22%3A%22ge%22%2C%22val%22%3A%22YEAR-01-01%22%7D%2C%7B%22name%22%3A%22call_time%22%2C%22op%22%3A%22lt%22%2C%22val%22%3A%22YEAR-02-01%22%7D%5D%7D`
	for _, path := range []string{"/api/v1/" + reportToken + "/callstat?date=YEAR-01-05", "/api/v1/" + reportToken + "/asrstat?date=YEAR-01-05", allCalls + "/daily" + q} {
		g := newGate()
		s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) {
			d.Stats = stats.New(stats.Options{Sources: []stats.Source{g}, Location: time.UTC, Limit: 10 * time.Minute})
		})
		other := s.anonymous()
		made := s.admin.post("/api/tokens", `{"name":"other","scopes":["statistics"]}`).is(http.StatusCreated).object()
		other.header.Set("X-Auth-Token", made["token"].(string))
		others := strings.Replace(path, reportToken, made["token"].(string), 1)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() { s.admin.get(strings.ReplaceAll(path, "YEAR", "2021")).is(http.StatusOK) })
		}
		until(t, "nobody counts", func() bool { return s.inFlight() == 4 && g.mostOf("2021") >= 2 })
		group.Go(func() { other.get(strings.ReplaceAll(others, "YEAR", "2022")).is(http.StatusOK) })
		until(t, "the other has no turn", func() bool { return g.mostOf("2022") == 1 })
		close(g.open)
		group.Wait()
		if n := g.mostOf("2021"); n != 2 {
			t.Errorf("%s: one had %d turns at once", path, n)
		}
	}
}

// slowNames are of a database that takes its time to tell names, which is asked when everything has been counted.
type slowNames struct {
	adminapi.CallFacts
	*gate
}

func (n slowNames) NamesOf(ctx context.Context, of string, ids []int64) (map[int64]string, error) {
	if err := n.enter(ctx, of); err != nil {
		return nil, err
	}
	return n.CallFacts.NamesOf(ctx, of, ids)
}

// TestTurnsToSum: a turn is kept until the answer is written, and the rows of few answers are in memory at once.
func TestTurnsToSum(t *testing.T) {
	t.Parallel()
	g := newGate()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.CallFacts = slowNames{d.CallFacts, g} })
	var group sync.WaitGroup
	for i := range 3 {
		c := s.anonymous()
		made := s.admin.post("/api/tokens", fmt.Sprintf(`{"name":"t%d","scopes":["statistics"]}`, i)).is(http.StatusCreated).object()
		c.header.Set("Authorization", "Bearer "+made["token"].(string))
		for range 2 {
			group.Go(func() { c.get("/api/stats/summary?of=user&format=csv").is(http.StatusOK) })
		}
	}
	until(t, "nobody sums up", func() bool { return s.inFlight() == 6 && g.mostOf("users") >= 4 })
	close(g.open)
	group.Wait()
	if n := g.mostOf("users"); n != 4 {
		t.Errorf("%d answers were made at once", n)
	}
}

// TestOneListAtATime: whoever reads a list keeps nobody else from another, but himself.
func TestOneListAtATime(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), counted(&switchboard{calls: 50_000_000}))
	other := s.anonymous()
	made := s.admin.post("/api/tokens", `{"name":"other","scopes":["statistics"]}`).is(http.StatusCreated).object()
	other.header.Set("X-Auth-Token", made["token"].(string))
	s.start(counted(&switchboard{calls: 50_000_000}), func(d *adminapi.Deps) { d.Patience = 2 * time.Second })
	s.admin = s.login("admin")
	begin := func(c *client) context.CancelFunc {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+allCalls+"/csv", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = c.header.Clone()
		if c.cookie != nil {
			r.AddCookie(c.cookie)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%d, %v", response.StatusCode, err)
		}
		return func() { cancel(); _ = response.Body.Close() }
	}
	end := begin(s.admin)
	if a := s.admin.get(allCalls + "/csv").is(http.StatusServiceUnavailable); !strings.Contains(a.body, "too many searches are under way") || a.header.Get("Retry-After") == "" {
		t.Error(a.body)
	}
	begin(other)()
	end()
	until(t, "the list goes on", func() bool { return s.inFlight() == 0 })
	begin(s.admin)()
}

// TestUnreadableQuery: a part of a query that cannot be read is not left out.
func TestUnreadableQuery(t *testing.T) {
	t.Parallel()
	near := func(d *adminapi.Deps) { d.CallStatisticsAllow, d.Stats.Calls = loopback, d.CallFacts.(stats.Calls) }
	s := newSite(t, storetest.SQLite(t), counted(&switchboard{calls: 30}), near)
	s.shops()
	kept, problem := `{"message":"Unable to decode data",`, `"title":"Bad Request"`
	envelope := `{"data":{"message":"Unable to decode data","cause":"the query of the address`
	for _, tt := range []struct{ path, says string }{
		{allCalls + "/daily", envelope},
		{allCalls + "/csv", envelope},
		{allCalls + "/countries", envelope},
		{"/api/v1/daily", envelope},
		{"/api/v1/csv", envelope},
		{"/api/v1/" + reportToken + "/callstat", `{"error":"Invalid date format.`},
		{"/api/v1/" + reportToken + "/asrstat", `{"error":"Invalid date format.`},
		{"/api/stats/summary", problem},
		{"/api/stats/concurrent", problem},
		{"/api/calls", problem},
		{"/api/ledger", problem},
		{"/api/users", kept},
		{"/api/balance", kept},
		{"/api/cdr", kept},
		{"/calls", "<!DOCTYPE html>"},
		{"/statistics", "<!DOCTYPE html>"},
	} {
		for _, query := range []string{"user=marta;x", "q=%zz", "account=shop-7&q={%22filters%22:[]};", "a=1&%=2"} {
			a := s.admin.get(tt.path + "?" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(query))
			if a.is(http.StatusBadRequest); !strings.Contains(a.body, tt.says) {
				t.Errorf("%s?%s: %s", tt.path, query, a.body)
			}
		}
	}
	// As it is meant, it is understood.
	s.admin.get("/api/stats/summary?user=a%3Bb").is(http.StatusBadRequest)
	s.admin.get("/api/users?q=%7B%22filters%22%3A%5B%7B%22name%22%3A%22username%22%2C%22op%22%3A%22eq%22%2C%22val%22%3A%22a%3Bb%25%22%7D%5D%7D").is(http.StatusOK)
	s.anonymous().get(allCalls + "/daily").is(http.StatusUnauthorized)
}

// TestTimesOfNoYear: what nobody can write down as a date is refused, and nothing fails for it.
func TestTimesOfNoYear(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		var own []string
		for _, at := range []string{"9999-12-31T23:59:59-12:00", "9999-12-31", "9999-12-31T00:00:00Z", "9999-01-01T00:00:00%2B00:01", "0001-01-01", "0000-01-01T00:00", "1969-12-31", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00%2B14:00"} {
			for _, zone := range []string{"", "UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"} {
				for _, path := range []string{"summary", "destinations", "heatmap", "concurrent"} {
					own = append(own, "/api/stats/"+path+"?timezone="+zone+"&from="+at, "/api/stats/"+path+"?timezone="+zone+"&from=2026-01-01&to="+at)
				}
			}
		}
		for _, path := range own {
			if zoned := strings.Contains(path, "9999-01-01") || strings.Contains(path, "1969") && strings.Contains(path, "Pago"); zoned && !strings.Contains(path, "&to=") {
				continue // which is another year in UTC
			}
			if strings.Contains(path, "&to=9999-01-01") {
				continue
			}
			s.admin.get(path).is(http.StatusBadRequest)
		}
		s.admin.get("/api/stats/summary?by=hour&from=9998-12-31T23:00:00Z&to=9998-12-31T23:59:59Z&timezone=Pacific/Kiritimati").is(http.StatusOK)
		s.admin.get("/api/stats/summary?by=month&from=9998-12-31T23:00:00Z&to=9998-12-31T23:59:59Z&timezone=Pacific/Kiritimati").is(http.StatusOK)
		for _, at := range []string{"0001-01-01", "9999-12-31", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "23:59:59 31/12/9999"} {
			for _, op := range []string{"ge", "lt", "eq"} {
				for _, zone := range []string{"UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"} {
					for _, what := range []string{"hourly", "monthly", "csv"} {
						q := fmt.Sprintf(`{"timezone":%q,"filters":[{"name":"call_time","op":%q,"val":%q}]}`, zone, op, at)
						a := s.admin.search(allCalls+"/"+what, q)
						if !slices.Contains([]int{http.StatusOK, http.StatusBadRequest}, a.status) {
							t.Errorf("%s %s: %d %s", what, q, a.status, a.body)
						}
					}
				}
			}
			s.anonymous().get("/api/v1/" + reportToken + "/callstat?date=" + strings.ReplaceAll(at, " ", "%20"))
			s.anonymous().get("/api/v1/" + reportToken + "/callstat?start=" + strings.ReplaceAll(at, " ", "%20") + "&end=" + strings.ReplaceAll(at, " ", "%20"))
		}
	})
}
