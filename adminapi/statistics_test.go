package adminapi_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

// traffic makes calls at times of its own, as fastagi would have at those times.
type traffic struct {
	site    *site
	store   *store.Store
	service *billing.Service
	clock   time.Time
	carrier models.Attempt // who takes the next call; the zero value: none
	n       int
}

func (s *site) traffic() *traffic {
	s.t.Helper()
	f := &traffic{site: s}
	now := func() time.Time { return f.clock }
	f.store = s.database.Open(s.t, func(c *store.Config) { c.Now = now })
	rates := policy
	rates.Rate = func(u models.User, number string, _ time.Time) (models.Rate, error) {
		rate := models.Rate{Currency: u.Currency, PerMinute: 60 * money.Unit, First: 1, Increment: 1}
		switch {
		case strings.HasPrefix(strings.TrimPrefix(number, "+"), "49"):
			rate.Prefix, rate.Name = "49", `Ge"rm&ny <ü>`
		case strings.HasPrefix(number, "1"):
			rate.Prefix, rate.Name = "1", "=USA"
		}
		return rate, nil
	}
	rates.Route = func(models.User, string, models.Rate, time.Time) ([]models.Attempt, error) {
		if f.carrier.Carrier == 0 {
			return nil, nil
		}
		return []models.Attempt{f.carrier}, nil
	}
	f.service = billing.New(billing.Options{Store: f.store, Policy: rates, Now: now, Lanes: f.store.Lanes(), Logger: slog.New(slog.DiscardHandler)})
	s.t.Cleanup(f.service.Close)
	return f
}

// begin permits a call at a time.
func (f *traffic) begin(at, clid, number string) string {
	f.site.t.Helper()
	var err error
	if f.clock, err = time.Parse(time.RFC3339, at); err != nil {
		f.site.t.Fatal(err)
	}
	f.n++
	id := fmt.Sprintf("traffic-%d.1", f.n)
	if _, err = f.service.Authorize(f.site.t.Context(), billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: clid}, Number: number}); err != nil {
		f.site.t.Fatal(err)
	}
	return id
}

// call is one that rang for 2 seconds and, unless status says otherwise, was answered.
func (f *traffic) call(at, clid, number string, seconds int64, status string, cause int) {
	f.site.t.Helper()
	id := f.begin(at, clid, number)
	f.clock = f.clock.Add(time.Duration(2+seconds) * time.Second)
	e := models.Evidence{Source: "reducer", DialStatus: status, Cause: cause, Over: true}
	if ms := 1000 * seconds; status == "ANSWER" {
		e.AnsweredMS = &ms
	}
	if _, err := f.service.Settle(f.site.t.Context(), billing.CallResult{CallID: id, Identity: billing.Identity{CallerID: clid}, Evidence: e}); err != nil {
		f.site.t.Fatal(err)
	}
}

func (f *traffic) exec(query string, args ...any) {
	f.site.t.Helper()
	if _, err := f.site.database.SQL(f.site.t).ExecContext(f.site.t.Context(), query, args...); err != nil {
		f.site.t.Fatal(err)
	}
}

// busyDays are three users' calls around the night in which Vienna's clocks are set forward: 2026-03-29 01:00 UTC.
func busyDays(s *site) *traffic {
	s.t.Helper()
	s.marta() // SEC
	s.user(models.NewUser{Username: "eva", CLID: "555000301", Currency: "EUR", Balance: 1000 * money.Unit})
	s.user(models.NewUser{Username: "otto", CLID: "555000302", Currency: "USD", Balance: 1000 * money.Unit})
	s.carrier("north")
	north, err := s.store.Carrier(s.t.Context(), "north")
	if err != nil {
		s.t.Fatal(err)
	}
	for name, users := range map[string][]string{"field-team": {"marta", "eva"}, "night & day": {"eva"}} {
		var members []int64
		for _, user := range users {
			u, err := s.store.UserByName(s.t.Context(), user)
			if err != nil {
				s.t.Fatal(err)
			}
			members = append(members, u.ID)
		}
		value := 10 * money.Unit
		g := models.NewGroup{Name: name, Users: members, First: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1, Value: &value, Mode: models.ModeTopUp, AccountID: &name}
		if _, err := s.store.NewGroup(s.t.Context(), g, "test"); err != nil {
			s.t.Fatal(err)
		}
	}
	s.admin.patch("/api/users/eva", `{"account_id":"eva's"}`).is(http.StatusOK)
	f := s.traffic()
	f.call("2026-03-28T22:59:59Z", "555000204", "4930111", 10, "ANSWER", 16) // the 28th in Vienna
	f.call("2026-03-28T23:00:00Z", "555000204", "+4930222", 20, "ANSWER", 16)
	f.call("2026-03-29T00:59:59Z", "555000204", "12425550001", 0, "BUSY", 17)
	f.call("2026-03-29T01:00:00Z", "555000204", "12125550001", 0, "CHANUNAVAIL", 1)
	f.carrier = models.Attempt{Carrier: north.ID, Name: "north", Target: "PJSIP/1@north", Buy: models.Rate{Currency: "EUR", PerMinute: 30 * money.Unit, First: 1, Increment: 1, Deck: "buy"}}
	f.call("2026-03-29T12:00:00Z", "555000301", "4930333", 60, "ANSWER", 16)
	f.call("2026-03-29T12:00:30Z", "555000301", "4930333", 0, "CANCEL", 127)
	f.carrier.Buy.Currency = "GBP"
	f.call("2026-03-29T12:00:31Z", "555000302", "12125550002", 30, "ANSWER", 16)
	f.carrier = models.Attempt{}
	f.call("2026-03-29T21:59:59Z", "555000302", "0900123", 0, "NOANSWER", 0)
	f.call("2026-03-29T22:00:00Z", "555000302", "4930444", 5, "ANSWER", 16) // the 30th in Vienna
	f.begin("2026-03-29T13:00:00Z", "555000204", "4930555")                 // goes on
	// Of one that gave up it is known how long it took to ring, and of one that was answered.
	f.exec("UPDATE calls SET pdd_ms = 1500 WHERE status = 'CANCEL'")
	f.exec("UPDATE calls SET pdd_ms = 500 WHERE number = '12125550002'")
	// What somebody writes down today of a day long past.
	answer := time.Date(2026, 3, 29, 8, 0, 0, 0, time.UTC)
	marta, err := s.store.UserByName(s.t.Context(), "marta")
	if err == nil {
		_, err = s.store.AddCDR(s.t.Context(), models.CDR{From: marta.ID, Answer: answer, BillSec: 7}, "test")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

type statAnswer struct {
	From, To string
	NumRows  int `json:"num_rows"`
	Timezone string
	Currency *string
	Rows     []statRow
	Total    statRow
}

type statRow struct {
	Start    string
	Key      *string
	Name     string
	Attempts int64
	Answered int64
	ASR      *float64
	NER      *float64
	ACD      *float64 `json:"acd_seconds"`
	PDD      *float64 `json:"pdd_mean_ms"`
	PDDCalls int64    `json:"pdd_calls"`
	Minutes  float64
	Talk     int64 `json:"talk_seconds"`
	Money    []struct {
		Currency, Revenue string
		Cost, Margin      *string
	}
	Calls string
}

// text is a row in one line.
func (r statRow) text() string {
	known := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprint(*v)
	}
	text := r.Start
	if r.Key != nil {
		text += " " + *r.Key + " " + r.Name
	}
	text += fmt.Sprintf(" %d/%d %s %s %s %s/%d %g %d", r.Answered, r.Attempts, known(r.ASR), known(r.NER), known(r.ACD), known(r.PDD), r.PDDCalls, r.Minutes, r.Talk)
	for _, m := range r.Money {
		text += " " + m.Currency + " " + m.Revenue
		if m.Cost != nil {
			text += "-" + *m.Cost + "=" + *m.Margin
		}
	}
	return text
}

func rowTexts(a statAnswer) (texts []string) {
	for _, row := range a.Rows {
		texts = append(texts, row.text())
	}
	return texts
}

const viennaDay = "from=2026-03-29&to=2026-03-30&timezone=Europe/Vienna"

// TestSummary: every figure by hand, in a zone on the day on which its clocks change.
func TestSummary(t *testing.T) { onBoth(t, summaryByHand) }

func summaryByHand(t *testing.T, s *site) {
	busyDays(s)
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"by=none&of=none&" + viennaDay, []string{
			"2026-03-29T00:00:00+01:00 4/8 50 87.5 29.25 1000/2 1.95 117 EUR 60-30=30 GBP 0-15=-15 SEC 20-0=20 USD 30-0=30",
		}},
		{"from=2026-03-28&to=2026-03-31&timezone=Europe/Vienna", []string{
			"2026-03-28T00:00:00+01:00 1/1 100 100 10 -/0 0.17 10 SEC 10-0=10",
			"2026-03-29T00:00:00+01:00 4/8 50 87.5 29.25 1000/2 1.95 117 EUR 60-30=30 GBP 0-15=-15 SEC 20-0=20 USD 30-0=30",
			"2026-03-30T00:00:00+02:00 1/1 100 100 5 -/0 0.08 5 USD 5-0=5",
		}},
		{"by=hour&from=2026-03-28T22:00:00Z&to=2026-03-29T01:00:01Z&timezone=Europe/Vienna", []string{
			"2026-03-28T23:00:00+01:00 1/1 100 100 10 -/0 0.17 10 SEC 10-0=10",
			"2026-03-29T00:00:00+01:00 1/1 100 100 20 -/0 0.33 20 SEC 20-0=20",
			"2026-03-29T01:00:00+01:00 0/1 0 100 - -/0 0 0",
			"2026-03-29T03:00:00+02:00 0/1 0 0 - -/0 0 0",
		}},
		{"by=hour&from=2026-03-29T12:00&to=2026-03-29T13:00&timezone=Asia/Kathmandu", nil},
		{"by=hour&from=2026-03-29T17:44&to=2026-03-29T17:46&timezone=Asia/Kathmandu", []string{"2026-03-29T17:00:00+05:45 2/3 66.67 100 45 1000/2 1.5 90 EUR 60-30=30 GBP 0-15=-15 USD 30-0=30"}},
		{"by=none&of=country&" + viennaDay, []string{
			"2026-03-29T00:00:00+01:00 +49 Germany 2/3 66.67 100 40 1500/1 1.33 80 EUR 60-30=30 SEC 20-0=20",
			"2026-03-29T00:00:00+01:00   1/2 50 100 7 -/0 0.12 7 SEC 0-0=0",
			"2026-03-29T00:00:00+01:00 +1 United States 1/2 50 50 30 500/1 0.5 30 GBP 0-15=-15 USD 30-0=30",
			"2026-03-29T00:00:00+01:00 +1242 Bahamas 0/1 0 100 - -/0 0 0",
		}},
		{"by=none&of=user&" + viennaDay, []string{
			"2026-03-29T00:00:00+01:00 2 marta 2/4 50 75 13.5 -/0 0.45 27 SEC 20-0=20",
			"2026-03-29T00:00:00+01:00 3 eva 1/2 50 100 60 1500/1 1 60 EUR 60-30=30",
			"2026-03-29T00:00:00+01:00 4 otto 1/2 50 100 30 500/1 0.5 30 GBP 0-15=-15 USD 30-0=30",
		}},
		{"by=none&of=destination&country=%2B49&" + viennaDay, []string{`2026-03-29T00:00:00+01:00 49 Ge"rm&ny <ü> 2/3 66.67 100 40 1500/1 1.33 80 EUR 60-30=30 SEC 20-0=20`}},
		{"by=none&of=carrier&" + viennaDay, []string{
			"2026-03-29T00:00:00+01:00 0  2/5 40 80 13.5 -/0 0.45 27 SEC 20-0=20",
			"2026-03-29T00:00:00+01:00 1 north 2/3 66.67 100 45 1000/2 1.5 90 EUR 60-30=30 GBP 0-15=-15 USD 30-0=30",
		}},
		{"by=none&of=cause&" + viennaDay, []string{
			"2026-03-29T00:00:00+01:00 16 normal clearing 3/3 100 100 36.67 500/1 1.83 110 EUR 60-30=30 GBP 0-15=-15 SEC 20-0=20 USD 30-0=30",
			"2026-03-29T00:00:00+01:00 0 not known 1/2 50 100 7 -/0 0.12 7 SEC 0-0=0",
			"2026-03-29T00:00:00+01:00 1 unallocated number 0/1 0 0 - -/0 0 0",
			"2026-03-29T00:00:00+01:00 17 user busy 0/1 0 100 - -/0 0 0",
			"2026-03-29T00:00:00+01:00 127 interworking, unspecified 0/1 0 100 - 1500/1 0 0",
		}},
		{"by=none&user=eva&" + viennaDay, []string{"2026-03-29T00:00:00+01:00 1/2 50 100 60 1500/1 1 60 EUR 60-30=30"}},
		{"by=none&group=field-team&" + viennaDay, []string{"2026-03-29T00:00:00+01:00 3/6 50 83.33 29 1500/1 1.45 87 EUR 60-30=30 SEC 20-0=20"}},
		{"by=none&carrier=north&of=country&" + viennaDay, []string{
			"2026-03-29T00:00:00+01:00 +49 Germany 1/2 50 100 60 1500/1 1 60 EUR 60-30=30",
			"2026-03-29T00:00:00+01:00 +1 United States 1/1 100 100 30 500/1 0.5 30 GBP 0-15=-15 USD 30-0=30",
		}},
		{"by=none&country=none&" + viennaDay, []string{"2026-03-29T00:00:00+01:00 1/2 50 100 7 -/0 0.12 7 SEC 0-0=0"}},
	} {
		var a statAnswer
		got := s.admin.get("/api/stats/summary?" + tt.query).is(http.StatusOK)
		got.into(&a)
		if d := cmp.Diff(tt.want, rowTexts(a)); d != "" {
			t.Errorf("%s:\n%s", tt.query, d)
		}
		if got.header.Get("X-Source") != "raw" {
			t.Errorf("%s: X-Source is %q", tt.query, got.header.Get("X-Source"))
		}
	}
	// Groups come in the order of their ids, which a map made.
	var a statAnswer
	s.admin.get("/api/stats/summary?by=none&of=group&" + viennaDay).is(http.StatusOK).into(&a)
	figures := map[string]string{}
	for _, row := range a.Rows {
		figures[row.Name] = fmt.Sprintf("%d/%d", row.Answered, row.Attempts)
	}
	if d := cmp.Diff(map[string]string{"field-team": "3/6", "night & day": "1/2", "": "1/2"}, figures); d != "" || a.Total.Attempts != 8 {
		t.Errorf("%d calls\n%s", a.Total.Attempts, d)
	}
}

// TestFilterOfEachFigure: the list that a row names has exactly the row's calls, whatever rows are of and whichever calls were asked for.
func TestFilterOfEachFigure(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		busyDays(s)
		rows := 0
		// The calls of the 29th have a record that was written by hand among them, those of the 28th and 30th have none.
		for _, day := range []string{"from=2026-03-28", "from=2026-03-30&to=2026-03-31"} {
			var a statAnswer
			s.admin.get("/api/stats/summary?of=user&" + day + "&timezone=Europe/Vienna").is(http.StatusOK).into(&a)
			for _, row := range a.Rows {
				q, err := url.QueryUnescape(row.Calls)
				if err != nil || strings.Contains(q, `"name":"id"`) != strings.Contains(day, "30") {
					t.Errorf("%s: %v", q, err)
				}
				if n := s.admin.get(row.Calls).is(http.StatusOK).object()["num_results"]; n != float64(row.Attempts) {
					t.Errorf("%s: the row %s lists %v calls at %s", day, row.text(), n, row.Calls)
				}
			}
		}
		for _, of := range []string{"none", "user", "group", "country", "destination", "carrier", "cause"} {
			for _, by := range []string{"none", "hour", "day", "week", "month"} {
				for _, only := range []string{"", "&user=marta", "&group=night+%26+day", "&country=1", "&country=none", "&carrier=north"} {
					var a statAnswer
					query := "by=" + by + "&of=" + of + only + "&from=2026-03-28T23:30&to=2026-03-30T00:00:01&timezone=Europe/Vienna"
					s.admin.get("/api/stats/summary?" + query).is(http.StatusOK).into(&a)
					for _, row := range a.Rows {
						rows++
						if n := s.admin.get(row.Calls).is(http.StatusOK).object()["num_results"]; n != float64(row.Attempts) {
							t.Errorf("%s: the row %s lists %v calls at %s", query, row.text(), n, row.Calls)
						}
					}
				}
			}
		}
		if rows < 200 {
			t.Errorf("%d rows were looked at", rows)
		}
	})
}

// TestAdjustedCharge: what a re-rating changed counts.
func TestAdjustedCharge(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		f := busyDays(s)
		var id int64
		if err := s.database.SQL(t).QueryRowContext(t.Context(), "SELECT id FROM calls WHERE number = '4930333' AND state = 'settled'").Scan(&id); err != nil {
			t.Fatal(err)
		}
		// Adjusted twice, and once left as it was.
		for i, charge := range []string{"50", "40.000001", "1"} {
			after, err := money.Parse(charge)
			if err != nil {
				t.Fatal(err)
			}
			f.exec("INSERT INTO rerated_calls (call_key, rerate_id, charge_before, charge_after, shortfall_before, shortfall_after, tx_id, why) VALUES (?, ?, 0, ?, 0, 0, ?, '')",
				id, i+1, int64(after), map[bool]int{true: 0, false: 1}[i == 2])
		}
		defer f.exec("DELETE FROM rerated_calls")
		var a statAnswer
		s.admin.get("/api/stats/summary?by=none&user=eva&" + viennaDay).is(http.StatusOK).into(&a)
		if len(a.Rows) != 1 || a.Rows[0].Money[0].Revenue != "40.000001" || *a.Rows[0].Money[0].Margin != "10.000001" {
			t.Errorf("%+v", a.Rows)
		}
	})
}

// TestStatisticsRefuse what makes no sense, with a sentence that says so.
func TestStatisticsRefuse(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.marta()
	for query, says := range map[string]string{
		"summary?by=year":       "by must be one of day, hour, week, month, none",
		"summary?of=planet":     "of must be one of none, user, group, country, destination, carrier, cause",
		"summary?timezone=Mars": "timezone must be the name of a time zone, such as Europe/Vienna", "summary?timezone=Local": "timezone must be", "summary?timezone=../../etc/passwd": "timezone must be",
		"summary?from=yesterday": "from must be a day or a time", "summary?from=2026-02-30": "from must be", "summary?from=2026-03-01&to=x": "to must be",
		"summary?from=99999-01-01": "from must be", "summary?from=0001-01-01T00:00:00Z": "from must be",
		"summary?to=2026-03-01": "from must be there where to is", "summary?from=2026-03-02&to=2026-03-02": "from must be before to",
		"summary?format=pdf": "format must be one of json, csv, xlsx", "summary?limit=0": "limit must be", "summary?limit=x": "limit must be", "summary?limit=100001": "limit must be",
		"summary?user=nobody": "user: there is no such user", "summary?group=nobody": "group: there is no such group", "summary?carrier=nobody": "carrier: there is no such carrier",
		"summary?user=marta&group=x": "user and group exclude each other", "summary?country=x": "country must be a calling code", "summary?country=999": "country must be",
		"summary?by=hour&from=2026-01-01&to=2026-06-01": "range too large: by hour it is 92 days at most", "summary?from=2020-01-01&to=2026-06-01": "by day it is 3 years at most",
		"summary?by=none&from=1970-01-01&to=9998-01-01": "by none it is 10 years at most", "heatmap?from=1970-01-01&to=9998-01-01": "range too large",
		"concurrent?from=2026-01-01&to=2026-03-01": "31 days at most", "concurrent?by=day": "by must be one of hour, quarter, minute", "concurrent?from=1970-01-01&to=9998-01-01": "31 days at most",
		"destinations?sort=name": "sort must be one of attempts, minutes, revenue",
	} {
		if a := s.admin.get("/api/stats/" + query).is(http.StatusBadRequest); !strings.Contains(a.body, says) || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s", query, a.body)
		}
	}
}

// TestWhoMaySeeStatistics: administrators and programs all of it, but for what their token is bound to; people themselves.
func TestWhoMaySeeStatistics(t *testing.T) { onBoth(t, whoMaySeeStatistics) }

func whoMaySeeStatistics(t *testing.T, s *site) {
	busyDays(s)
	paths := []string{"summary", "heatmap", "destinations", "concurrent"}
	program, other, marta := s.program("statistics"), s.program("read", "admin", "money"), s.login("marta")
	for _, path := range paths {
		path = "/api/stats/" + path + "?" + viennaDay
		s.anonymous().get(path).is(http.StatusUnauthorized)
		other.get(path).is(http.StatusForbidden)
		marta.get(path).is(http.StatusForbidden)
		marta.get(path + "&user=eva").is(http.StatusForbidden)
		marta.get(path + "&user=marta").is(http.StatusOK)
		program.get(path).is(http.StatusOK)
	}
	attempts := func(c *client, query string) (n int64, a statAnswer) {
		t.Helper()
		c.get("/api/stats/summary?by=none&" + viennaDay + query).is(http.StatusOK).into(&a)
		return a.Total.Attempts, a
	}
	if n, a := attempts(program, ""); n != 8 || a.Total.Money[0].Cost == nil {
		t.Errorf("a program sees %+v", a)
	}
	n, a := attempts(marta, "&user=marta")
	if n != 4 || a.Total.Money[0].Cost != nil || a.Rows[0].Money[0].Margin != nil {
		t.Errorf("marta sees %+v", a)
	}
	for _, query := range []string{"&of=carrier", "&of=group", "&carrier=north"} {
		marta.get("/api/stats/summary?user=marta" + query).is(http.StatusForbidden)
	}
	if body := marta.get("/api/stats/summary?user=marta&format=csv&" + viennaDay).is(http.StatusOK).body; strings.Contains(body, "cost") || strings.Contains(body, "margin") || !strings.Contains(body, "revenue_SEC") {
		t.Errorf("marta sees %s", body)
	}
	for account, want := range map[string]int64{"eva's": 2, "field-team": 6} {
		c := s.bound(account)
		if n, a := attempts(c, ""); n != want || a.Total.Money[0].Cost != nil {
			t.Errorf("the token of %s sees %d of %d calls: %+v", account, n, want, a.Total)
		}
		for _, row := range func() []statRow { _, a := attempts(c, "&of=user"); return a.Rows }() {
			if n := c.get(row.Calls).is(http.StatusOK).object()["num_results"]; n != float64(row.Attempts) {
				t.Errorf("the token of %s lists %v calls for %s", account, n, row.text())
			}
		}
		c.get("/api/stats/summary?user=otto").is(http.StatusBadRequest)
		for _, query := range []string{"of=carrier", "of=group", "carrier=north", "group=field-team"} {
			c.get("/api/stats/summary?" + query).is(http.StatusForbidden)
		}
		// Nor can it look for what it is not shown.
		for _, field := range []string{"carrier_id", "groups", "group__id_"} {
			c.search("/api/calls", fmt.Sprintf(`{"filters":[{"name":%q,"op":"eq","val":1}]}`, field)).is(http.StatusBadRequest)
		}
		var busy struct{ Most int64 }
		c.get("/api/stats/concurrent?" + viennaDay).is(http.StatusOK).into(&busy)
		if busy.Most != 2 { // eva's two
			t.Errorf("the token of %s sees %d calls at once", account, busy.Most)
		}
	}
}

// TestExports: CSV and Excel say what JSON does.
func TestExports(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		busyDays(s)
		const query = "/api/stats/summary?by=day&of=destination&from=2026-03-28&to=2026-03-31&timezone=Europe/Vienna"
		var a statAnswer
		s.admin.get(query).is(http.StatusOK).into(&a)
		for _, format := range []string{"json", "csv", "xlsx"} {
			for _, path := range []string{query, strings.Replace(query, "summary?by=day&of=destination", "destinations?", 1)} {
				for limit, says := range map[string]string{"1": "rows", "100": ""} {
					if got := s.admin.get(path + "&format=" + format + "&limit=" + limit).is(http.StatusOK).header.Get("X-Truncated"); got != says {
						t.Errorf("%s, %s, limit %s: X-Truncated is %q", path, format, limit, got)
					}
				}
			}
		}
		asked := s.admin.get(query + "&format=csv").is(http.StatusOK)
		if asked.header.Get("Content-Type") != "text/csv; charset=utf-8" || asked.header.Get("Content-Disposition") != `attachment; filename="summary-2026-03-28.csv"` || asked.header.Get("X-Source") != "raw" {
			t.Errorf("%v", asked.header)
		}
		lines, err := csv.NewReader(strings.NewReader(asked.body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		columns := strings.Fields("start destination name attempts answered asr ner acd_seconds pdd_mean_ms pdd_calls minutes talk_seconds " +
			"revenue_EUR cost_EUR margin_EUR revenue_GBP cost_GBP margin_GBP revenue_SEC cost_SEC margin_SEC revenue_USD cost_USD margin_USD calls")
		if d := cmp.Diff(columns, lines[0]); d != "" || len(lines) != len(a.Rows)+1 {
			t.Fatalf("%d lines of %d rows\n%s", len(lines), len(a.Rows), d)
		}
		at := func(line []string, column string) string { return line[slices.Index(columns, column)] }
		for i, row := range a.Rows {
			line := lines[i+1]
			name := row.Name
			if name == "=USA" {
				name = "'=USA"
			}
			for column, want := range map[string]string{
				"start": row.Start, "destination": *row.Key, "name": name, "attempts": fmt.Sprint(row.Attempts), "talk_seconds": fmt.Sprint(row.Talk), "calls": row.Calls,
			} {
				if got := at(line, column); got != want {
					t.Errorf("%s of %s is %q", column, row.text(), got)
				}
			}
			for _, m := range row.Money {
				if at(line, "revenue_"+m.Currency) != m.Revenue || at(line, "cost_"+m.Currency) != *m.Cost || at(line, "margin_"+m.Currency) != *m.Margin {
					t.Errorf("%s: %v", row.text(), line)
				}
			}
		}
		asked = s.admin.get(query + "&format=xlsx").is(http.StatusOK)
		book, err := excelize.OpenReader(bytes.NewReader([]byte(asked.body)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = book.Close() }()
		rows, err := book.GetRows("Calls by day", excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			for len(rows[i]) < len(columns) {
				rows[i] = append(rows[i], "")
			}
			for j, cell := range lines[i] {
				if columns[j] == "name" {
					cell = strings.TrimPrefix(cell, "'")
				}
				// A number has no zero behind it there.
				if got := rows[i][j]; got != strings.TrimSuffix(cell, ".0") {
					t.Errorf("row %d %s: Excel has %q, CSV %q", i, columns[j], got, cell)
				}
			}
		}
		if len(rows) != len(lines) {
			t.Errorf("Excel has %d rows, CSV %d", len(rows), len(lines))
		}
		for path, sheet := range map[string]string{"heatmap": "Heat map", "concurrent": "Calls at once", "destinations": "Calls by none"} {
			asked := s.admin.get("/api/stats/" + path + "?format=csv&" + viennaDay).is(http.StatusOK)
			lines, err := csv.NewReader(strings.NewReader(asked.body)).ReadAll()
			if err != nil || len(lines) < 2 {
				t.Errorf("%s: %v %s", path, err, asked.body)
			}
			asked = s.admin.get("/api/stats/" + path + "?format=xlsx&" + viennaDay).is(http.StatusOK)
			book, err := excelize.OpenReader(bytes.NewReader([]byte(asked.body)))
			if err != nil {
				t.Fatal(err)
			}
			rows, err := book.GetRows(sheet)
			if err = errors.Join(err, book.Close()); err != nil || len(rows) != len(lines) {
				t.Errorf("%s: %d rows, %d lines (%v)", path, len(rows), len(lines), err)
			}
		}
	})
}

// TestOtherStatistics: the heat map, calls at once and destinations, by hand.
func TestOtherStatistics(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		busyDays(s)
		var heat struct {
			Days []struct {
				Weekday string
				Hours   []struct {
					Hour               int
					Attempts, Answered int64
					Minutes            float64
				}
			}
		}
		s.admin.get("/api/stats/heatmap?from=2026-03-01&to=2026-04-01&timezone=Europe/Vienna").is(http.StatusOK).into(&heat)
		got := map[string]string{}
		for _, day := range heat.Days {
			for _, hour := range day.Hours {
				if hour.Attempts > 0 {
					got[fmt.Sprint(day.Weekday, " ", hour.Hour)] = fmt.Sprintf("%d/%d %g", hour.Answered, hour.Attempts, hour.Minutes)
				}
			}
		}
		want := map[string]string{
			"saturday 23": "1/1 0.17", "sunday 0": "1/1 0.33", "sunday 1": "0/1 0", "sunday 3": "0/1 0", "sunday 10": "1/1 0.12", "sunday 14": "2/3 1.5", "sunday 23": "0/1 0", "monday 0": "1/1 0.08",
		}
		if d := cmp.Diff(want, got); d != "" || len(heat.Days) != 7 || heat.Days[0].Weekday != "monday" || len(heat.Days[6].Hours) != 24 {
			t.Error(d)
		}
		var busy struct {
			By    string
			Most  int64
			Slots []struct {
				Start string
				Most  int64
				Mean  float64
				Calls string
			}
		}
		s.admin.get("/api/stats/concurrent?by=minute&from=2026-03-29T12:00:00Z&to=2026-03-29T12:02:00Z").is(http.StatusOK).into(&busy)
		// Ringing takes 2 seconds: 0-62 and 30-32 and 31-63.
		if busy.Most != 3 || busy.By != "minute" || len(busy.Slots) != 2 || busy.Slots[0].Start != "2026-03-29T12:00:00Z" || busy.Slots[0].Mean != 1.52 || busy.Slots[1].Most != 2 || busy.Slots[1].Mean != 0.08 {
			t.Errorf("%+v", busy)
		}
		// A slot lists the calls that were there in it, also those that began before.
		for query, want := range map[string][]float64{
			"by=minute&from=2026-03-29T11:59:00Z&to=2026-03-29T12:03:00Z":           {0, 3, 2, 0},
			"by=minute&from=2026-03-29T12:01:00Z&to=2026-03-29T12:02:00Z&user=eva":  {1},
			"by=minute&from=2026-03-29T12:00:00Z&to=2026-03-29T12:02:00Z&country=1": {1, 1},
			"by=hour&from=2026-03-29T12:00:31Z&to=2026-03-29T14:00:00Z":             {3, 0}, // what goes on still is not there
			"by=hour&from=2026-03-29T07:00:00Z&to=2026-03-29T09:00:00Z":             {0, 1}, // written by hand
		} {
			s.admin.get("/api/stats/concurrent?" + query).is(http.StatusOK).into(&busy)
			var got []float64
			for _, slot := range busy.Slots {
				got = append(got, s.admin.get(slot.Calls).is(http.StatusOK).object()["num_results"].(float64))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: %s", query, d)
			}
		}
		names := func(query string) string {
			var a statAnswer
			s.admin.get("/api/stats/destinations?" + viennaDay + query).is(http.StatusOK).into(&a)
			var texts []string
			for _, row := range a.Rows {
				texts = append(texts, *row.Key)
				if n := s.admin.get(row.Calls).is(http.StatusOK).object()["num_results"]; n != float64(row.Attempts) {
					t.Errorf("%s lists %v calls", row.text(), n)
				}
			}
			if a.Currency != nil {
				texts = append(texts, *a.Currency)
			}
			return strings.Join(texts, ",")
		}
		for query, want := range map[string]string{
			"": "1,49,,", "&limit=1": "1", "&sort=minutes&limit=2": "49,1", "&sort=revenue&currency=USD&limit=1": "1,USD", "&sort=revenue&currency=EUR&limit=1": "49,EUR",
		} {
			if got := names(query); got != want {
				t.Errorf("destinations%s: %s, want %s", query, got, want)
			}
		}
	})
}

// TestRollUpsServeStatistics: X-Source says from what figures were counted, and they are the same.
func TestRollUpsServeStatistics(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	busyDays(s)
	var raw, rolled statAnswer
	const query = "/api/stats/summary?by=hour&of=country&from=2026-03-28&to=2026-03-31"
	s.admin.get(query).is(http.StatusOK).into(&raw)
	kept := &keptDays{t: t, service: stats.New(stats.Options{Location: time.UTC, Calls: s.store})}
	s.start(func(d *adminapi.Deps) {
		d.Stats = stats.New(stats.Options{Location: time.UTC, Calls: s.store, RollUps: kept})
	})
	a := s.admin.get(query).is(http.StatusOK)
	a.into(&rolled)
	if d := cmp.Diff(raw, rolled); d != "" || a.header.Get("X-Source") != "rollup" {
		t.Errorf("X-Source %s\n%s", a.header.Get("X-Source"), d)
	}
	if got := s.admin.get(query + "T12:00:00").is(http.StatusOK).header.Get("X-Source"); got != "rollup+raw" {
		t.Errorf("X-Source %s", got)
	}
	if got := s.admin.get(query + "&carrier=north").is(http.StatusOK).header.Get("X-Source"); got != "raw" {
		t.Errorf("X-Source %s", got)
	}
}

// keptDays counts each day when it is asked for, as if it had been kept.
type keptDays struct {
	t       testing.TB
	service *stats.Service
}

func (k *keptDays) Load(ctx context.Context, source, kind, rule string, from, to stats.Day, each func(stats.Day, []byte) error) error {
	for _, known := range k.service.CallKinds() {
		if known.Name != kind || known.Rule != rule || source != stats.OwnName {
			continue
		}
		for day := from; day < to; day++ {
			counter := known.New()
			err := k.service.Calls.EachCall(ctx, day.Begin(k.service.Location), (day + 1).Begin(k.service.Location), nil, func(c *stats.Call) error {
				counter.AddCall(c)
				return nil
			})
			if err == nil {
				err = each(day, counter.AppendTo(nil))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
