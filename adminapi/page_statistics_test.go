package adminapi_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/store/storetest"
)

// TestStatisticsPage: the figures are there, lead to the calls and to files, and everybody but administrators sees his own alone.
func TestStatisticsPage(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		busyDays(s)
		const day = "/statistics?from=2026-03-29&to=2026-03-29"
		page := s.admin.page(day).has("Statistics", "from 2026-03-29 00:00 until 2026-03-30 00:00, UTC", "<dd>8</dd>", "50.0", "Germany", "Bahamas", "&#43;1242", "No country",
			"Ge&#34;rm&amp;ny", `class="h9"`, "Sunday 12:00: 3 calls, 2 answered, 1.5 minutes", "ringing included: 3.", `<path d="M0 160`, "By hour", "CSV", "Excel", `aria-current="page">Statistics`)
		if strings.Contains(page.body, "no such") {
			t.Error(page.body)
		}
		links := regexp.MustCompile(`href="(/calls\?q=[^"]+)">(\d+)<`).FindAllStringSubmatch(page.body, -1)
		if len(links) < 10 {
			t.Errorf("%d links to calls", len(links))
		}
		for _, link := range links {
			want := map[bool]string{true: "1 call", false: link[2] + " calls"}[link[2] == "1"]
			s.admin.page(html.UnescapeString(link[1])).has(`<p class="total">` + want)
		}
		files := regexp.MustCompile(`href="(/api/stats/[^"]+)"`).FindAllStringSubmatch(page.body, -1)
		if len(files) != 10 {
			t.Errorf("%d files", len(files))
		}
		for _, file := range files {
			s.admin.get(html.UnescapeString(file[1])).is(http.StatusOK)
		}
		s.admin.page(day+"&user=eva").has("Statistics of", "<dd>2</dd>", "60&nbsp;EUR", "30&nbsp;EUR", "user=eva")
		s.admin.page("/statistics?from=2026-01-01&to=2026-12-31").has("By month", "2026-03")
		s.admin.page("/statistics?from=2026-03-01&to=2026-03-31").has("By day", "Sun 2026-03-29", "The most of each hour")
		for query, says := range map[string]string{
			"from=x": "A date is written", "to=2026-02-30": "A date is written", "from=2026-03-02&to=2026-03-01": "before the first day", "user=nobody": "There is no such user", "from=0001-01-01": "A date is written",
			"from=1970-01-01&to=9999-12-31": "20 years at most",
		} {
			s.admin.get("/statistics?" + query).is(http.StatusBadRequest).has(says)
		}
		marta := s.login("marta")
		own := marta.page(day+"&user=eva").has("Statistics of", ">marta</a>", "user=marta")
		for _, secret := range []string{"eva", "EUR", "Left", "/calls?q=", "margin"} {
			if strings.Contains(own.body, secret) {
				t.Errorf("marta sees %s", secret)
			}
		}
		for _, file := range regexp.MustCompile(`href="(/api/stats/[^"]+)"`).FindAllStringSubmatch(own.body, -1) {
			marta.get(html.UnescapeString(file[1])).is(http.StatusOK)
		}
		marta.page("/").has(`href="/statistics"`)
	})
}

// TestPeriodsOfThePage: each word means the right days, on a Sunday at the end of a month on which clocks change.
func TestPeriodsOfThePage(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	var now atomic.Pointer[time.Time] // the server reads it beside us
	now.Store(new(time.Date(2026, 3, 29, 0, 30, 0, 0, vienna)))
	s := newSite(t, storetest.SQLite(t))
	s.start(func(d *adminapi.Deps) {
		d.Location, d.Now = vienna, func() time.Time { return *now.Load() }
	})
	admin := s.login("admin")
	for word, want := range map[string]string{
		"":           "from 2026-03-29 00:00 until 2026-03-30 00:00, Europe/Vienna",
		"today":      "from 2026-03-29 00:00 until 2026-03-30 00:00",
		"yesterday":  "from 2026-03-28 00:00 until 2026-03-29 00:00",
		"this-week":  "from 2026-03-23 00:00 until 2026-03-30 00:00",
		"last-week":  "from 2026-03-16 00:00 until 2026-03-23 00:00",
		"this-month": "from 2026-03-01 00:00 until 2026-04-01 00:00",
		"last-month": "from 2026-02-01 00:00 until 2026-03-01 00:00",
		"never":      "from 2026-03-29 00:00 until 2026-03-30 00:00",
	} {
		admin.page("/statistics?period=" + word).has(want)
	}
	now.Store(new(time.Date(2027, 1, 1, 12, 0, 0, 0, vienna)))
	admin = s.login("admin")
	admin.page("/statistics?period=last-month").has("from 2026-12-01 00:00 until 2027-01-01 00:00")
	admin.page("/statistics?period=this-week").has("from 2026-12-28 00:00 until 2027-01-04 00:00")
}
