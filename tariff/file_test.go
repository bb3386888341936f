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
				days, hours := row.Days.String(), tariff.FormatHours(row.Start, row.End)
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
		"added": {report.Added, []string{
			"33: 0.01 a minute", "33: 0.02 a minute", "34: 0.01 a minute", "34: 0.02 a minute", "39: 0.01 a minute", "39: 0.005 a minute 20:00-08:00",
			"39: 0.004 a minute sat,sun",
		}},
		"changed": {report.Changed, []string{"4917: rate from 0.1 to 0.13", "44: rate from 0.02 to 0.021", "7: rate from 0 to 0.01"}},
		"removed": {report.Removed, []string{"1: USA; it was 0.01 a minute"}},
		"jumps": {report.Jump, []string{
			"4917: rate from 0.1 to 0.13; a minute of talk goes from 0.1 to 0.13", "7: rate from 0 to 0.01; a minute of talk goes from 0 to 0.01",
		}},
	} {
		if got := texts(c.got); !slices.Equal(got, c.want) || c.got.Count != len(c.want) {
			t.Errorf("%s: %d %q, want %q", what, c.got.Count, got, c.want)
		}
	}
	if report.Unchanged != 1 || report.Rates != len(rows) || report.Importable() {
		t.Errorf("%+v", report)
	}
}

// TestCompareTellsEachField, and pairs the rates of the same hours.
func TestCompareTellsEachField(t *testing.T) {
	t.Parallel()
	const header = "prefix,destination,rate,connect_fee,increment,minimum,grace,from,to,days,hours\n"
	var old []models.DeckRate
	for _, row := range readAll(t, header+"49,Germany,0.01,,,,,,,,\n44,UK,0.01,,,,,,,,\n33,France,0.01,,,,,,2026-03-01,,\n33,France,0.02,,,,,2026-03-01,,,\n") {
		old = append(old, row.DeckRate)
	}
	rows := readAll(t, header+
		"49,Germany,0.03,,,,,,,,\n49,Germany,0.06,,,,,,,mon-fri,08:00-18:00\n"+
		"44,Great Britain,0.01,1.5,60,0.1,3,,,,\n"+
		"33,France,0.015,,,,,,2026-03-01,,\n33,France,0.02,,,,,2026-03-01,,,\n")
	report, err := tariff.Compare(old, rows, tariff.Check{JumpPercent: 60})
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		got  tariff.Findings
		want []string
	}{
		"added": {report.Added, []string{"49: 0.06 a minute mon,tue,wed,thu,fri 08:00-18:00"}},
		"changed": {report.Changed, []string{
			"49: rate from 0.01 to 0.03",
			"44: connect fee from 0 to 1.5; steps from 1/1 to 60/60; minimum from 0 to 0.1; grace from 0 to 3; destination from UK to Great Britain",
			"33: rate from 0.01 to 0.015",
		}},
		"jumps": {report.Jump, []string{
			"49: rate from 0.01 to 0.03; a minute of talk goes from 0.01 to 0.03",
			"44: connect fee from 0 to 1.5; steps from 1/1 to 60/60; minimum from 0 to 0.1; grace from 0 to 3; destination from UK to Great Britain;" +
				" a minute of talk goes from 0.01 to 1.51",
		}},
	} {
		if got := texts(c.got); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
	for i, line := range []int{2, 4, 5} {
		if got := report.Changed.First[i].Line; got != line {
			t.Errorf("change %d is told of line %d, want %d", i, got, line)
		}
	}
}

// TestSpreadsheets: what Excel writes around a table is not in its way, and an increment alone is the first one too.
func TestSpreadsheets(t *testing.T) {
	t.Parallel()
	rows := readAll(t, "sep=;\r\nprefix;destination;rate;first;increment\r\n49;Germany;0.6;;60\r\n;;;;\r\n 	;;;;\r\n44;UK;0.6;30;\r\n\r\n33;France;0.6;;\r\n39;Italy;0.6;30;6\r\n;;;;\r\n")
	type short struct{ line, first, increment int64 }
	var got []short
	for _, row := range rows {
		if row.Bad != nil {
			t.Errorf("line %d: %v", row.Line, row.Bad)
		}
		got = append(got, short{int64(row.Line), row.First, row.Increment})
	}
	if want := []short{{3, 60, 60}, {6, 30, 1}, {8, 1, 1}, {9, 30, 6}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
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
		"4917: a minute is sold for 0.02 (prefix 49), but costs 0.1 (prefix 4917), at 2026-01-01 00:00 UTC",
		"1: a minute is sold for 0.05 (prefix 1), but costs 0.11 (prefix 1), at 2026-01-01 00:00 UTC",
	}
	if got := texts(report.BelowCost); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// By night only, and only from March on.
	rows = readAll(t, "prefix,destination,rate,from,hours\n49,Germany,0.02,,\n49,Germany by night,0.005,,22:00-06:00\n44,UK,0.03,,\n44,UK,0.01,2026-03-01,\n")
	report, err = tariff.Compare(nil, rows, tariff.Check{Cost: newDeck(t, "UTC", bought[0], bought[2]), At: instant(t, "2026-01-01T12:00:00Z"), Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	want = []string{
		"49: a minute is sold for 0.005 (prefix 49), but costs 0.01 (prefix 49), at 2026-01-01 22:00 UTC",
		"44: a minute is sold for 0.01 (prefix 44), but costs 0.02 (prefix 44), at 2026-02-28 23:00 UTC",
	}
	if got := texts(report.BelowCost); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
