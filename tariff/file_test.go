package tariff_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/tariff"
)

func readAll(t testing.TB, text string) []tariff.Row {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	file, err := tariff.NewFile(strings.NewReader(text), "EUR", berlin)
	if err != nil {
		t.Fatal(err)
	}
	var rows []tariff.Row
	for {
		row, err := file.Next()
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
}

func amount(t testing.TB, text string) money.Amount {
	t.Helper()
	a, err := money.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestFileOfRates(t *testing.T) {
	t.Parallel()
	rows := readAll(t, "\ufeffRate,prefix, Destination,connect_fee,first,increment,minimum,grace,from,to,days,hours\r\n"+
		`0.012,49,"Germany, fixed",,,,,,,,,`+"\r\n"+
		"0.2,+4917,Germany mobile,0.05,30,6,0.1,2,2026-03-01,2026-04-01 18:00,mon-fri,08:00-18:00\n"+
		"0,*99,Service,,,60/1,,,2026-03-29T10:00:00Z,,\"sat,sun\",22:00-24:00\n")
	want := []models.DeckRate{
		{Rate: models.Rate{Currency: "EUR", Prefix: "49", Name: "Germany, fixed", PerMinute: amount(t, "0.012"), First: 1, Increment: 1}},
		{
			Rate: models.Rate{
				Currency: "EUR", Prefix: "4917", Name: "Germany mobile", PerMinute: amount(t, "0.2"), ConnectFee: amount(t, "0.05"),
				First: 30, Increment: 6, Minimum: amount(t, "0.1"), Grace: 2,
			},
			From: instant(t, "2026-02-28T23:00:00Z"), To: instant(t, "2026-04-01T16:00:00Z"), Days: 0b0111110, Start: 8 * 60, End: 18 * 60,
		},
		{
			Rate: models.Rate{Currency: "EUR", Prefix: "*99", Name: "Service", First: 60, Increment: 1},
			From: instant(t, "2026-03-29T10:00:00Z"), Days: 0b1000001, Start: 22 * 60, End: 0,
		},
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows", len(rows))
	}
	for i, row := range rows {
		if row.Bad != nil || row.Line != i+2 || row.Rate != want[i].Rate || !row.From.Equal(want[i].From) || !row.To.Equal(want[i].To) ||
			row.Days != want[i].Days || row.Start != want[i].Start || row.End != want[i].End {
			t.Errorf("line %d: %+v (%v), want %+v", row.Line, row.DeckRate, row.Bad, want[i])
		}
	}
	for _, separated := range []string{"prefix;destination;rate\n49;Germany;0.01\n", "prefix\tdestination\trate\n49\tGermany\t0.01\n"} {
		if rows := readAll(t, separated); len(rows) != 1 || rows[0].Bad != nil || rows[0].Prefix != "49" {
			t.Errorf("%q: %+v", separated, rows)
		}
	}
}

func TestBadRowsOfRates(t *testing.T) {
	t.Parallel()
	const header = "prefix,destination,rate,connect_fee,first,increment,minimum,grace,from,to,days,hours\n"
	for fields, want := range map[string]string{
		"49 30,x,1,,,,,,,,,":                  "has a blank",
		" 49,x,1,,,,,,,,,":                    "has a blank",
		"\u00a049,x,1,,,,,,,,,":               "has a blank",
		",x,1,,,,,,,,,":                       "prefix: it is empty",
		"+,x,1,,,,,,,,,":                      "prefix: it is empty",
		"4.9E+10,x,1,,,,,,,,,":                "digits",
		"49,x,,,,,,,,,,":                      "rate: it is empty",
		"49,x,\"0,012\",,,,,,,,,":             "not a decimal number",
		"49,x,-1,,,,,,,,,":                    "negative",
		"49,x,0.0000001,,,,,,,,,":             "more than 6 decimals",
		"49,x,1,,0,,,,,,,":                    "increments",
		"49,x,1,,1.5,,,,,,,":                  "whole number",
		"49,x,1,,,60/,,,,,,":                  "whole number",
		"49,x,1,,,,,,yesterday,,,":            "no time",
		"49,x,1,,,,,,2026-02-30,,,":           "no time",
		"49,x,1,,,,,,2026-02-02,2026-02-01,,": "ends before it begins",
		"49,x,1,,,,,,,,monday-funday,":        "no days",
		"49,x,1,,,,,,,,,8-18":                 "no hours",
		"49,x,1,,,,,,,,,24:00-06:00":          "no hours",
		"49,x,1":                              "3 fields, but the header has 12",
		"49,\"x,1,,,,,,,,,":                   "quote",
	} {
		rows := readAll(t, header+fields+"\n")
		if len(rows) != 1 || rows[0].Bad == nil || !strings.Contains(rows[0].Bad.Error(), want) || rows[0].Line != 2 {
			t.Errorf("%q: %+v, want %q", fields, rows, want)
		}
	}
}

func TestBadFilesOfRates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "the file is empty",
		"prefix,destination\n":            `"rate" is missing`,
		"prefix,destination,rate,prize\n": `no column "prize"`,
		"prefix,rate,destination,rate\n":  "twice",
		"\xff\xfep\x00":                   "UTF-16",
		"prefix,\x00":                     "not text",
		"\"prefix":                        "line 1",
	} {
		if _, err := tariff.NewFile(strings.NewReader(text), "EUR", time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// FuzzFileOfRates: whatever a file has, it is read to its end, and what is good is what a deck takes.
func FuzzFileOfRates(f *testing.F) {
	f.Add("prefix,destination,rate\n49,Germany,0.01\n")
	f.Add("prefix;rate;destination;days;hours;increment\n+49;0;x;mon-sun;22:00-06:00;60/6\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := tariff.NewFile(strings.NewReader(text), "EUR", time.UTC)
		if err != nil {
			return
		}
		var rates []models.DeckRate
		var rows []tariff.Row
		for {
			row, err := file.Next()
			if err != nil {
				break
			}
			rows = append(rows, row)
			if row.Bad == nil {
				rates = append(rates, row.DeckRate)
				days, hours := tariff.FormatDays(row.Days), tariff.FormatHours(row.Start, row.End)
				again := readAll(t, "prefix,destination,rate,days,hours\n"+row.Prefix+",x,0,\""+days+"\","+hours+"\n")
				if len(again) != 1 || again[0].Bad != nil || again[0].Days != row.Days || again[0].Start != row.Start && row.Start != row.End {
					t.Fatalf("%q %q: %+v", days, hours, again)
				}
			}
		}
		if _, err := tariff.NewDeck(rates, time.UTC); err != nil {
			t.Fatal(err)
		}
		if _, err := tariff.Compare(nil, rows, tariff.Check{}); err != nil {
			t.Fatal(err)
		}
	})
}

func texts(f tariff.Findings) (all []string) {
	for _, one := range f.First {
		all = append(all, one.Prefix+": "+one.Text)
	}
	return all
}

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	const header = "prefix,destination,rate,from,to,days,hours\n"
	var old []models.DeckRate
	for _, row := range readAll(t, header+"49,Germany,0.01,,,,\n4917,Germany mobile,0.1,,,,\n44,UK,0.02,,,,\n1,USA,0.01,,,,\n7,Russia,0,,,,\n") {
		old = append(old, row.DeckRate)
	}
	rows := readAll(t, header+
		"49,Germany,0.01,,,,\n"+ // unchanged
		"4917,Germany mobile,0.13,,,,\n"+ // 30 % more
		"44,UK,0.021,,,,\n"+ // 5 %
		"7,Russia,0.01,,,,\n"+ // from nothing
		"33,France,0.01,2026-01-01,2026-06-01,,\n33,France,0.02,2026-05-01,,,\n"+ // overlap
		"34,Spain,0.01,,,,\n34,Spain,0.02,,,,\n"+ // twice
		"39,Italy,0.01,,,,\n39,Italy,0.005,,,,20:00-08:00\n39,Italy,0.004,,,\"sat,sun\",\n"+ // the nights of weekends are said twice
		"39 1,Italy,1,,,,\n")
	report, err := tariff.Compare(old, rows, tariff.Check{JumpPercent: 20})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		got  tariff.Findings
		want []string
	}{
		"bad":        {report.Bad, []string{`: prefix: "39 1" has a blank`}},
		"duplicates": {report.Duplicate, []string{"34: the prefix 34 is in line 8, too"}},
		"overlaps": {report.Overlap, []string{
			"33: it holds at times at which line 6 does, too: the one that begins later counts, else the one that stands first",
			"39: it holds at times at which line 11 does, too: the one that begins later counts, else the one that stands first",
		}},
		"added":   {report.Added, []string{"33: 0.02 a minute", "34: 0.02 a minute", "39: 0.004 a minute"}},
		"changed": {report.Changed, []string{"4917: from 0.1 to 0.13 a minute", "44: from 0.02 to 0.021 a minute", "7: from 0 to 0.01 a minute"}},
		"removed": {report.Removed, []string{"1: USA: it was 0.01 a minute"}},
		"jumps":   {report.Jump, []string{"4917: from 0.1 to 0.13 a minute", "7: from 0 to 0.01 a minute"}},
	} {
		if got := texts(c.got); !slices.Equal(got, c.want) || c.got.Count != len(c.want) {
			t.Errorf("%s: %d %q, want %q", what, c.got.Count, got, c.want)
		}
	}
	if report.Unchanged != 1 || report.Rates != len(rows) || report.Importable() {
		t.Errorf("%+v", report)
	}
}

// TestSoldBelowCost: a dear network inside a country that is sold as a whole is found, too.
func TestSoldBelowCost(t *testing.T) {
	t.Parallel()
	const header = "prefix,destination,rate,connect_fee,minimum\n"
	var bought []models.DeckRate
	for _, row := range readAll(t, header+"49,Germany,0.01,,\n4917,Germany mobile,0.1,,\n44,UK,0.02,,\n1,USA,0.01,0.1,\n33,France,0.01,,\n99,Nobody,1,,\n") {
		bought = append(bought, row.DeckRate)
	}
	cost := newDeck(t, "UTC", bought...)
	rows := readAll(t, header+"49,Germany,0.02,,\n44,UK,0.02,,\n1,USA,0.05,,\n33,France,0,,0.01\n881,Satellite,0.01,,\n")
	report, err := tariff.Compare(nil, rows, tariff.Check{Cost: cost, At: instant(t, "2026-01-01T00:00:00Z"), Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"4917: a minute is sold for 0.02 (prefix 49), but costs 0.1 (prefix 4917)",
		"1: a minute is sold for 0.05 (prefix 1), but costs 0.11 (prefix 1)",
	}
	if got := texts(report.BelowCost); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
