package stats_test

import (
	"testing"
	"time"

	"talktime/stats"
)

// TestClock compares a clock with a table of what it shows at each quarter of an hour.
func TestClock(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "America/Havana", "Asia/Amman", "Asia/Beirut", "America/Asuncion",
		"Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "Etc/GMT+5", "Antarctica/Troll",
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		const quarter = 900
		first, last := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
		shown := map[int64]int64{} // the first moment at which a time is shown
		there := stats.NewClock(zone)
		for unix := first - 100*quarter; unix < last+200*quarter; unix += quarter {
			wall := stats.WallOf(time.Unix(unix, 0).In(zone))
			if got := there.Wall(unix); got != wall {
				t.Fatalf("%s: at %d it shows %d, not %d", name, unix, got, wall)
			}
			if _, again := shown[wall]; !again {
				shown[wall] = unix
			}
		}
		back, skipped := stats.NewClock(zone), 0
		before := int64(0)
		for wall := first; wall < last; wall += quarter {
			want, ok := shown[wall]
			if !ok { // skipped: the next that is shown
				skipped++
				for next := wall; !ok; next += quarter {
					want, ok = shown[next]
				}
			}
			got := back.Unix(wall)
			if got != want || got < before || stats.NewClock(zone).Unix(wall) != want {
				t.Fatalf("%s: %s is %d, not %d", name, time.Unix(wall, 0).UTC(), got, want)
			}
			before = got
			if later := back.Unix(wall + quarter/2); later < got || later > got+quarter {
				t.Fatalf("%s: seconds behind %s come to %d", name, time.Unix(wall, 0).UTC(), later)
			}
		}
		for wall := last; wall > first; wall -= 7 * quarter { // in any order
			if got, want := back.Unix(wall), stats.NewClock(zone).Unix(wall); got != want {
				t.Fatalf("%s: %s is %d, later %d", name, time.Unix(wall, 0).UTC(), want, got)
			}
		}
		t.Log(name, skipped, "quarters are skipped")
	}
}

func TestDaysBegin(t *testing.T) {
	t.Parallel()
	for name, begins := range map[string]map[string]string{
		"Europe/Berlin":    {"2026-03-29": "2026-03-28T23:00:00Z", "2026-03-30": "2026-03-29T22:00:00Z", "2026-10-26": "2026-10-25T23:00:00Z"},
		"America/Havana":   {"2026-11-01": "2026-11-01T04:00:00Z", "2026-03-08": "2026-03-08T05:00:00Z"}, // midnight twice, and never
		"Asia/Amman":       {"2021-10-29": "2021-10-28T21:00:00Z"},                                       // midnight twice, east of Greenwich
		"America/Asuncion": {"2023-03-26": "2023-03-26T04:00:00Z"},                                       // 24:00 becomes 23:00
		"Pacific/Apia":     {"2011-12-30": "2011-12-30T10:00:00Z", "2011-12-31": "2011-12-30T10:00:00Z"}, // a day that never was
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range begins {
			date, err := time.Parse(time.DateOnly, text)
			if err != nil {
				t.Fatal(err)
			}
			if got := stats.DayAt(date).Begin(zone).UTC().Format(time.RFC3339); got != want {
				t.Errorf("%s: %s begins at %s, not %s", name, text, got, want)
			}
		}
	}
}
