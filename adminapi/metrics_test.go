package adminapi_test

import (
	"bufio"
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/queues"
	"talktime/queues/feed"
	"talktime/stats"
	"talktime/store/storetest"
)

// metrics are the values of an answer, by name with labels.
func (a answer) metrics() map[string]float64 {
	a.t.Helper()
	values := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(a.body)); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if strings.HasPrefix(name, "#") {
			continue
		}
		if i := strings.LastIndex(lines.Text(), " "); i >= 0 { // labels may hold blanks
			name, text = lines.Text()[:i], lines.Text()[i+1:]
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			a.t.Errorf("no metric: %s", lines.Text())
		}
		values[name] = value
	}
	return values
}

func TestMetrics(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		now := time.Now()
		s.start(func(d *adminapi.Deps) { d.Now = func() time.Time { return now } })
		c := s.anonymous()
		before := c.get("/metrics").is(http.StatusOK).metrics()
		for name, want := range map[string]float64{
			"talktime_users": 1, "talktime_calls_open": 0, `talktime_money_held{currency="SEC"}`: 0, "talktime_calls_unreconciled": 0,
			"talktime_calls_disputed": 0, "talktime_call_oldest_open_seconds": 0, "talktime_database_up": 1,
			`talktime_logins_total{result="failed"}`: 0,
		} {
			if got, ok := before[name]; !ok || got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		for _, missing := range []string{"talktime_call_last_timestamp_seconds", "talktime_refill_next_timestamp_seconds"} {
			if _, ok := before[missing]; ok {
				t.Errorf("%s is there without a call or a group", missing)
			}
		}
		for name := range before {
			if strings.HasPrefix(name, `talktime_build_info{goversion="go1.`) && strings.Contains(name, `version="v1.2.3"`) {
				before["build"] = before[name]
			}
		}
		if before["build"] != 1 || before["go_goroutines"] == 0 || before["process_open_fds"] == 0 || before["talktime_schema_version"] < 50 {
			t.Errorf("build, program or schema is missing: %v", before)
		}

		s.marta()
		s.call("c1", "555000204", "5550111", -1)
		c.get("/api/nothing").is(http.StatusNotFound)
		c.get("/api/users/" + strings.Repeat("x", 50)).is(http.StatusUnauthorized)
		c.send("BREW", "/api/users", "", "").is(http.StatusMethodNotAllowed)
		c.form("/login", "username=marta&password=wrong77").is(http.StatusUnauthorized)
		c.form("/login", "username=marta&password=secret7").is(http.StatusOK)
		for range 10 {
			c.form("/login", "username=joel&password=wrong77")
		}
		c.form("/login", "username=joel&password=secret7").is(http.StatusTooManyRequests)

		now = now.Add(5 * time.Second)
		if got := c.get("/metrics").metrics()["talktime_users"]; got != 1 {
			t.Errorf("the database was asked again after five seconds: %v users", got)
		}
		now = now.Add(5 * time.Second)
		after := c.get("/metrics").metrics()
		for name, want := range map[string]float64{
			"talktime_users": 2, "talktime_calls_open": 1, `talktime_money_held{currency="SEC"}`: 180,
			`talktime_logins_total{result="ok"}`: 1, `talktime_logins_total{result="failed"}`: 11, `talktime_logins_total{result="limited"}`: 1,
			`talktime_http_requests_total{method="GET",route="none",status="4xx"}`:                 1,
			`talktime_http_requests_total{method="GET",route="/api/users/:username",status="4xx"}`: 1,
			`talktime_http_requests_total{method="other",route="none",status="4xx"}`:               1,
			`talktime_http_requests_total{method="GET",route="/metrics",status="2xx"}`:             2,
			`talktime_http_requests_in_flight`:                                                     1,
			`talktime_http_request_duration_seconds_count{method="POST",route="/login"}`:           13,
		} {
			if got := after[name]; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		if got := after["talktime_call_last_timestamp_seconds"]; time.Since(time.UnixMilli(int64(got*1000))).Abs() > time.Minute {
			t.Errorf("the last call was at %v", got)
		}
		storetest.Audited(t, s.store)
	})
}

// TestMetricsAccess: from afar only those who may read.
func TestMetricsAccess(t *testing.T) {
	t.Parallel()
	asterisk := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.Tokens, d.Asterisk = scopeTokens{}, asterisk })
	s.marta()
	s.anonymous().get("/metrics").is(http.StatusOK)
	for _, header := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "Via"} {
		c := s.anonymous()
		c.header.Set(header, "192.0.2.7") // by somebody whom we do not believe
		a := c.get("/metrics").is(http.StatusUnauthorized)
		if got := a.header.Get("WWW-Authenticate"); got != `Basic realm="Talktime", charset="UTF-8"` {
			t.Errorf("WWW-Authenticate: %s", got)
		}
		if header != "Via" {
			c.get("/check_voice_balance?imsi=1").is(http.StatusUnauthorized)
		}
	}
	afar := func(c *client) *client { c.header.Set("Via", "1.1 proxy"); return c }
	bearer := func(scope string) *client {
		c := afar(s.anonymous())
		c.header.Set("Authorization", "Bearer "+scope)
		return c
	}
	bearer("read").get("/metrics").is(http.StatusOK)
	bearer("admin").get("/metrics").is(http.StatusForbidden)
	bearer("nonsense").get("/metrics").is(http.StatusUnauthorized)
	s.admin.get("/metrics").is(http.StatusOK)
	admin := *s.admin
	admin.header = http.Header{}
	afar(&admin).get("/metrics").is(http.StatusOK)
	afar(s.login("marta")).get("/metrics").is(http.StatusForbidden)

	s.start(func(d *adminapi.Deps) { d.Proxies, d.Asterisk = loopback, asterisk })
	c := s.anonymous()
	c.header.Set("X-Forwarded-For", "192.0.2.7")
	c.get("/metrics").is(http.StatusOK)
	c.header.Set("X-Forwarded-For", "198.51.100.7")
	c.get("/metrics").is(http.StatusUnauthorized)
	c.header.Set("X-Forwarded-For", "127.0.0.1, 198.51.100.7") // the first was written by the client
	c.get("/metrics").is(http.StatusUnauthorized)
	for _, lines := range []http.Header{
		nil, // through the proxy, which does not say for whom
		{"X-Real-Ip": {"192.0.2.7"}},
		{"Forwarded": {"for=192.0.2.7"}},
		{"X-Forwarded-For": {""}},
		{"X-Forwarded-For": {"unknown"}},
		{"X-Forwarded-For": {"127.0.0.1"}},
		{"X-Forwarded-For": {"192.0.2.7", "198.51.100.7"}},
		{"X-Forwarded-For": {"192.0.2.7", "garbage"}},
	} {
		c := s.anonymous()
		c.header = lines
		c.get("/metrics").is(http.StatusUnauthorized)
		c.get("/check_voice_balance?imsi=1").is(http.StatusUnauthorized)
	}
	for _, address := range []string{"192.0.2.7", "192.0.2.7:5060", "::ffff:192.0.2.7", "198.51.100.7, 192.0.2.7, 127.0.0.1"} {
		c := s.through(address)
		c.get("/metrics").is(http.StatusOK)
		c.get("/check_voice_balance?imsi=1").is(http.StatusOK)
	}
}

// brokenFigures counts how often it is asked, and knows nothing.
type brokenFigures struct{ asked atomic.Int64 }

func (b *brokenFigures) Figures(context.Context) (models.Figures, error) {
	b.asked.Add(1)
	return models.Figures{Users: 77}, models.ErrUnavailable
}

// brokenTokens cannot look one up.
type brokenTokens struct{ adminapi.Tokens }

func (brokenTokens) Token(context.Context, string) (models.Token, error) {
	return models.Token{}, models.ErrUnavailable
}

// TestMetricsWithoutDatabase says so, and asks a database that is away no more often.
func TestMetricsWithoutDatabase(t *testing.T) {
	t.Parallel()
	broken := &brokenFigures{}
	now := time.Now()
	s := newSite(t, storetest.SQLite(t))
	s.start(func(d *adminapi.Deps) {
		d.Figures, d.Tokens, d.Now = broken, brokenTokens{}, func() time.Time { return now }
	})
	c := s.anonymous()
	c.header.Set("Authorization", "Bearer unknown") // nobody can look it up
	for range 3 {
		m := c.get("/metrics").is(http.StatusOK).metrics()
		if up, ok := m["talktime_database_up"]; !ok || up != 0 {
			t.Errorf("the database is up: %v", up)
		}
		if users, ok := m["talktime_users"]; ok {
			t.Errorf("somebody counted %v users", users)
		}
	}
	if n := broken.asked.Load(); n != 1 {
		t.Errorf("the database was asked %d times", n)
	}
}

// TestRollUpMetrics: how far each source is counted.
func TestRollUpMetrics(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		for _, source := range []string{"talktime", "pbx1.example.org"} {
			if ours, err := s.store.Claim(ctx, source, "test", time.Minute); err != nil || !ours {
				t.Fatal(ours, err)
			}
		}
		for day := range stats.Day(3) {
			if err := s.store.Keep(ctx, "talktime", "test", stats.KeptDay{Day: day}, []stats.Counted{{Kind: "all"}, {Kind: "calls"}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.store.Passed(ctx, "talktime", "test", 0, true); err != nil {
			t.Fatal(err)
		}
		if err := s.store.Passed(ctx, "pbx1.example.org", "test", 7, false); err != nil {
			t.Fatal(err)
		}
		got := s.admin.get("/metrics").is(http.StatusOK).metrics()
		for name, want := range map[string]float64{
			`talktime_rollup_days{source="talktime"}`: 3, `talktime_rollup_days_stale{source="talktime"}`: 0,
			`talktime_rollup_days{source="pbx1.example.org"}`: 0, `talktime_rollup_days_stale{source="pbx1.example.org"}`: 7,
		} {
			if value, ok := got[name]; !ok || value != want {
				t.Errorf("%s is %v, want %v", name, value, want)
			}
		}
		if at := got[`talktime_rollup_passed_timestamp_seconds{source="talktime"}`]; time.Since(time.Unix(int64(at), 0)).Abs() > time.Hour {
			t.Errorf("the last pass was at %v", at)
		}
		if _, ok := got[`talktime_rollup_passed_timestamp_seconds{source="pbx1.example.org"}`]; ok {
			t.Error("a pass that found something to do and did not do it counts as one")
		}
	})
}

// TestQueueLogMetrics: how far the queue_log was read, and nothing about it as long as none was.
func TestQueueLogMetrics(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		other := newSite(t, storetest.SQLite(t))
		for name := range other.admin.get("/metrics").is(http.StatusOK).metrics() {
			if strings.HasPrefix(name, "talktime_queue_log") {
				t.Errorf("%s, though nothing was read", name)
			}
		}
		if ours, err := s.store.ClaimQueueLog(ctx, "test", time.Minute); err != nil || !ours {
			t.Fatal(ours, err)
		}
		now := time.Now().Add(-time.Hour)
		at := now.Add(-time.Hour).Truncate(time.Second)
		_, err := s.store.StoreQueueLog(ctx, "test", feed.Batch{
			File: feed.File{
				Kind: feed.KindFile, Name: "/var/log/asterisk/queue_log", Head: 10, Digest: "x", Position: 100, Size: 175, Lines: 3, Bad: 1, First: at.UnixMicro(), Last: at.UnixMicro(),
				Lost: 9, Read: now,
			},
			Events: []queues.Event{{At: at.UnixMicro(), Kind: queues.EnterQueue, CallID: "1.1", Queue: "support", Agent: queues.None, Name: "ENTERQUEUE"}}, Now: now,
		})
		if err != nil {
			t.Fatal(err)
		}
		got := s.admin.get("/metrics").is(http.StatusOK).metrics()
		for name, want := range map[string]float64{
			"lag_bytes": 75, "lines_total": 3, "malformed_total": 1, "lost_bytes_total": 9, "last_event_timestamp_seconds": float64(at.Unix()), "calls_open": 1, "days_unpacked": 0,
		} {
			if value, ok := got["talktime_queue_log_"+name]; !ok || value != want {
				t.Errorf("%s is %v, want %v", name, value, want)
			}
		}
		if lag := got["talktime_queue_log_lag_seconds"]; lag < 3500 || lag > 7200 {
			t.Errorf("lag_seconds is %v", lag)
		}
	})
}
