package callstatistics_test

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/adminapi/callstatistics"
	"talktime/filter"
	"talktime/stats"
)

// pbx is a source of records in memory.
type pbx struct {
	records []stats.Record
	err     error
	scan    stats.Scan // the last one
}

func (*pbx) Name() string { return "pbx" }

// Each implements stats.Source.
func (p *pbx) Each(ctx context.Context, scan stats.Scan, each func(*stats.Record) error) error {
	p.scan = scan
	for _, r := range p.records {
		if at := time.Unix(r.Start, 0); at.Before(scan.From) || !at.Before(scan.To) {
			continue
		}
		if scan.Account != nil && !slices.Contains(scan.Account.Names, string(r.Account)) {
			continue
		}
		if err := cmp.Or(ctx.Err(), each(&r)); err != nil {
			return err
		}
	}
	return p.err
}

// First implements stats.FirstSource.
func (p *pbx) First(context.Context) (time.Time, error) {
	if len(p.records) == 0 {
		return time.Time{}, p.err
	}
	return time.Unix(p.records[0].Start, 0), p.err
}

var now = time.Date(2027, 12, 20, 12, 0, 0, 0, time.UTC)

const zoneFile = "811,Fiji,Suva,679331\n812,Fiji,Suva,679330\n840,Fiji,Mobile,6799\n5101,New Zealand,Napier,646\n7,Trinidad & Tobago,,1868\n8,=Land,,999\n"

// api reads records of calls that are sorted by their start.
func api(t testing.TB, source stats.Source) *callstatistics.API {
	t.Helper()
	zones, err := stats.ReadZones(strings.NewReader(zoneFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	inside := stats.Inside{Extensions: regexp.MustCompile(`^[0-9]{2,5}$`)}
	service := stats.New(stats.Options{Sources: []stats.Source{source}, Zones: zones, Inside: inside, Location: time.UTC, Now: func() time.Time { return now }})
	return &callstatistics.API{Stats: service, Now: func() time.Time { return now }}
}

// call is one that began at a moment, as RFC 3339 writes it.
func call(at string, seconds int64, more ...func(*stats.Record)) stats.Record {
	start, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	r := stats.Record{
		Start: start.Unix(), Wall: start.Unix(), Duration: seconds, UniqueID: fmt.Appendf(nil, "%d.1", start.Unix()),
		CNum: []byte("2001"), Src: []byte("2001"), Dst: []byte("6793312345"), Disposition: []byte("ANSWERED"),
	}
	for _, m := range more {
		m(&r)
	}
	return r
}

func missed(r *stats.Record)  { r.Disposition = []byte("NO ANSWER") }
func inbound(r *stats.Record) { r.CNum, r.Src, r.Dst = nil, []byte("6461234567"), []byte("2001") }

func named(name string) func(*stats.Record) {
	return func(r *stats.Record) { r.CNam = []byte(name) }
}

// asked is the data of an answer, or the text and the cause of an error.
func asked(t testing.TB, a *callstatistics.API, period, q string) string {
	t.Helper()
	answer, err := a.Buckets(t.Context(), period, q, nil)
	var wrong *callstatistics.Error
	if errors.As(err, &wrong) {
		return fmt.Sprintf("%d %s: %s", wrong.Status, wrong.Text, wrong.Cause)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(answer.Data) {
		t.Fatalf("%s is no JSON", answer.Data)
	}
	return string(answer.Data)
}

// totals are how many calls each period has, in their order.
func totals(t testing.TB, a *callstatistics.API, period, q string) string {
	t.Helper()
	text := asked(t, a, period, q)
	var parts []string
	for _, found := range regexp.MustCompile(`"(\d\d:\d\d:\d\d \d\d/\d\d/\d{4})":\{"total":(\d+)`).FindAllStringSubmatch(text, -1) {
		parts = append(parts, found[1]+" "+found[2])
	}
	if len(parts) == 0 {
		return text
	}
	return strings.Join(parts, ", ")
}

// TestFigures: of one to four calls, with lengths of nothing, and the example of the interface.
func TestFigures(t *testing.T) {
	t.Parallel()
	a := api(t, &pbx{records: []stats.Record{call("2027-06-17T09:05:00Z", 20), call("2027-06-17T09:15:00Z", 7, missed), call("2027-06-17T09:59:59Z", 80)}})
	want := `{"09:00:00 17/06/2027":{"total":3,` +
		`"groups":{"0":{"total":2,"duration_seconds":{"max":80,"min":20,"median":50.0,"mean":50.0}},` +
		`"1":{"total":1,"duration_seconds":{"max":7,"min":7,"median":7.0,"mean":7.0}}},` +
		`"duration_seconds":{"max":80,"min":7,"median":20.0,"mean":35.67}}}`
	if got := asked(t, a, "hourly", `{"grouping":"unanswered"}`); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, tt := range []struct {
		lengths []int64
		want    string
	}{
		{nil, `{}`},
		{[]int64{0}, `{"total":1,"duration_seconds":{"max":0,"min":0,"median":0.0,"mean":0.0}}`},
		{[]int64{9}, `{"total":1,"duration_seconds":{"max":9,"min":9,"median":9.0,"mean":9.0}}`},
		{[]int64{9, 4}, `{"total":2,"duration_seconds":{"max":9,"min":4,"median":6.5,"mean":6.5}}`},
		{[]int64{9, 0, 1}, `{"total":3,"duration_seconds":{"max":9,"min":0,"median":1.0,"mean":3.33}}`},
		{[]int64{19, 4, 20, 18}, `{"total":4,"duration_seconds":{"max":20,"min":4,"median":18.5,"mean":15.25}}`},
		{[]int64{0, 0, 1}, `{"total":3,"duration_seconds":{"max":1,"min":0,"median":0.0,"mean":0.33}}`},
		{[]int64{1, 1, 0}, `{"total":3,"duration_seconds":{"max":1,"min":0,"median":1.0,"mean":0.67}}`},
	} {
		var records []stats.Record
		for i, l := range tt.lengths {
			records = append(records, call(fmt.Sprintf("2027-06-17T09:0%d:00Z", i), l))
		}
		want := tt.want
		if records != nil {
			want = `{"00:00:00 01/06/2027":` + want + `}`
		}
		if got := asked(t, api(t, &pbx{records: records}), "monthly", ""); got != want {
			t.Errorf("%d: %s, want %s", tt.lengths, got, want)
		}
	}
}

// TestGrouping is by the two fields that there are; groups without calls are left out.
func TestGrouping(t *testing.T) {
	t.Parallel()
	a := api(t, &pbx{records: []stats.Record{call("2027-06-17T09:05:00Z", 20), call("2027-06-17T09:06:00Z", 7, inbound), call("2027-06-18T09:00:00Z", 80, inbound, missed)}})
	for q, want := range map[string]string{
		`{"grouping":"call_direction"}`: `{"00:00:00 17/06/2027":{"total":2,"groups":{"inbound":{"total":1,"duration_seconds":{"max":7,"min":7,"median":7.0,"mean":7.0}},` +
			`"outbound":{"total":1,"duration_seconds":{"max":20,"min":20,"median":20.0,"mean":20.0}}},"duration_seconds":{"max":20,"min":7,"median":13.5,"mean":13.5}},` +
			`"00:00:00 18/06/2027":{"total":1,"groups":{"inbound":{"total":1,"duration_seconds":{"max":80,"min":80,"median":80.0,"mean":80.0}}},"duration_seconds":{"max":80,"min":80,"median":80.0,"mean":80.0}}}`,
		`{"grouping":"unanswered","filters":[{"name":"call_direction","op":"eq","val":"outbound"}]}`: `{"00:00:00 17/06/2027":{"total":1,"groups":{"0":{"total":1,` +
			`"duration_seconds":{"max":20,"min":20,"median":20.0,"mean":20.0}}},"duration_seconds":{"max":20,"min":20,"median":20.0,"mean":20.0}}}`,
		`{"grouping":"call_time"}`: `400 Unable to construct query: calls cannot be grouped by "call_time", but by call_direction or unanswered`,
		`{"grouping":"nothing"}`:   `400 Unable to construct query: calls cannot be grouped by "nothing", but by call_direction or unanswered`,
		`{"grouping":""}`:          `400 Unable to construct query: calls cannot be grouped by "", but by call_direction or unanswered`,
		`{"grouping":7}`:           `400 Unable to construct query: calls cannot be grouped by "", but by call_direction or unanswered`,
	} {
		if got := asked(t, a, "daily", q); got != want {
			t.Errorf("%s\n got %s\nwant %s", q, got, want)
		}
	}
	if got := totals(t, a, "daily", `{"grouping":null}`); got != "00:00:00 17/06/2027 2, 00:00:00 18/06/2027 1" {
		t.Error(got)
	}
}

// TestQueryObject is bare or wrapped, there or not.
func TestQueryObject(t *testing.T) {
	t.Parallel()
	a := api(t, &pbx{records: []stats.Record{call("2027-06-17T09:05:00Z", 20), call("2027-06-17T10:05:00Z", 20, missed)}})
	const two, one = "09:00:00 17/06/2027 1, 10:00:00 17/06/2027 1", "10:00:00 17/06/2027 1"
	const undecodable, later = "400 Unable to decode data: ", "21:00:00 17/06/2027 1, 22:00:00 17/06/2027 1"
	filters := `"filters":[{"name":"unanswered","op":"eq","val":1}]`
	for q, want := range map[string]string{
		"": two, "{}": two, `{"data":{}}`: two, ` {} `: two, `{"filters":null,"timezone":null}`: two, `{"anything":[1,2]}`: two,
		"{" + filters + "}": one, `{"data":{` + filters + `}}`: one, `{"data":{` + filters + `,"grouping":"unanswered"},"auth_token":"x"}`: one,
		`{"data":{"timezone":"Pacific/Auckland"}}`: later,
		"{": undecodable, "[]": undecodable, "null": undecodable, "7": undecodable, `"x"`: undecodable, "{}{}": undecodable, "{} x": undecodable, "x=1": undecodable,
		`{"data":[]}`: undecodable, `{"data":null}`: undecodable, `{"data":7}`: undecodable, strings.Repeat("[", 12_000): undecodable,
		`{"single":true,"limit":1,"offset":"x","order_by":7,"group_by":"x"}`: two, // do not count here
		`{"filters":{}}`: "400 Unable to construct query: filters must be a list",
		`{"x":"` + strings.Repeat("y", filter.MaxText) + `"}`: "400 Unable to construct query: it is longer than 16384 bytes",
	} {
		if got := totals(t, a, "hourly", q); got != want {
			t.Errorf("%.100s: %s, want %s", q, got, want)
		}
	}
}

// TestOperators: every spelling, null, lists, or and and, mistakes, limits.
func TestOperators(t *testing.T) {
	t.Parallel()
	a := api(t, &pbx{records: []stats.Record{
		call("2027-06-17T01:00:00Z", 1, named("ann")),
		call("2027-06-17T02:00:00Z", 1, named("Bob"), missed),
		call("2027-06-17T03:00:00Z", 1, inbound, named("cy")),
		call("2027-06-17T04:00:00Z", 1, func(r *stats.Record) { r.CNum, r.Src, r.Dst = nil, []byte("6793300000"), []byte("6793300001") }),
		call("2027-06-17T05:00:00Z", 1, func(r *stats.Record) { r.Dst = []byte("2002"); r.CallerID = []byte(`"Dora D." <2001>`) }),
	}})
	// The hours in which there are calls, one letter for each.
	hours := func(filters string) string {
		text := asked(t, a, "hourly", `{"filters":[`+filters+`]}`)
		if strings.HasPrefix(text, "4") {
			return text
		}
		var b strings.Builder
		for _, found := range regexp.MustCompile(`"0(\d):00:00`).FindAllStringSubmatch(text, -1) {
			b.WriteString(found[1])
		}
		return b.String()
	}
	leaf := func(name, op, val string) string { return fmt.Sprintf(`{"name":%q,"op":%q,"val":%s}`, name, op, val) }
	for ops, want := range map[string]string{
		"== eq equals equal_to equals_to": "2", "!= ne neq not_equal_to does_not_equal": "1345",
		"> gt": "345", "< lt": "1", ">= ge gte geq": "2345", "<= le lte leq": "12",
	} {
		for op := range strings.FieldsSeq(ops) {
			if got := hours(leaf("call_time", op, `"2027-06-17T02:00:00"`)); got != want {
				t.Errorf("%s: %s, want %s", op, got, want)
			}
		}
	}
	const broken = "400 Unable to construct query: "
	for filters, want := range map[string]string{
		// null: of zones of numbers that have none
		leaf("caller_zone_id", "eq", "5101"): "3", leaf("caller_zone_id", "ne", "5101"): "4", leaf("caller_zone_id", "not_in", "[5101]"): "4",
		leaf("caller_zone_id", "in", `[5101,812,"7"]`): "34", leaf("caller_zone_id", "in", "[]"): "", leaf("caller_zone_id", "not_in", "[]"): "12345",
		`{"name":"caller_zone_id","op":"is_null"}`: "125", `{"name":"caller_zone_id","op":"is_not_null"}`: "34",
		leaf("caller_zone_id", "eq", "null"):  broken + "caller_zone_id cannot be compared with null, or nothing: is_null and is_not_null are for that",
		`{"name":"caller_zone_id","op":"eq"}`: broken + "caller_zone_id cannot be compared with null, or nothing: is_null and is_not_null are for that",
		// columns
		`{"name":"caller_zone_id","op":"eq","field":"callee_zone_id","val":9}`: "4", `{"name":"caller_zone_id","op":"gt","field":"callee_zone_id"}`: "",
		`{"name":"caller_zone_id","op":"eq","field":"call_time"}`: broken + "caller_zone_id and call_time cannot be compared in this way",
		// texts and truths
		leaf("caller_id_name", "like", `"%o%"`): "25", leaf("caller_id_name", "like", `"b%"`): "", leaf("caller_id_name", "ilike", `"b%"`): "2", leaf("caller_id_name", "eq", `""`): "4",
		leaf("caller_id_name", "eq", `"Dora D."`): "5",
		leaf("unanswered", "eq", "1"):             "2", leaf("unanswered", "eq", `"1"`): "2", leaf("unanswered", "eq", "true"): "2", leaf("unanswered", "eq", "0"): "1345", leaf("unanswered", "eq", "false"): "1345",
		leaf("unanswered", "eq", "2"):             broken + "unanswered cannot be compared with such a value",
		leaf("call_direction", "eq", `"inbound"`): "34", leaf("call_direction", "eq", `"outbound"`): "12", leaf("call_direction", "eq", `"internal"`): "5",
		// or and and
		`{"or":[` + leaf("unanswered", "eq", "1") + "," + leaf("call_direction", "eq", `"internal"`) + `]}`:                                                                          "25",
		`{"or":[{"and":[` + leaf("unanswered", "eq", "0") + "," + leaf("call_direction", "eq", `"outbound"`) + `]},{"or":[{"and":[` + leaf("caller_zone_id", "eq", "812") + `]}]}]}`: "14",
		leaf("unanswered", "eq", "0") + `,{"or":[` + leaf("call_direction", "eq", `"inbound"`) + `]}`:                                                                                "34",
		`{"or":[` + leaf("unanswered", "eq", "0") + `],"and":[` + leaf("unanswered", "eq", "0") + `]}`:                                                                               broken + "a filter is either an or, or an and",
		`{"or":[]}`: broken + "a list of filters must not be empty", `{"and":{}}`: broken + "or and and take a list", `7`: broken + "a filter must be an object",
		// what there is not
		leaf("duration", "eq", "1"): broken + `there is no field "duration"`, leaf("call_id", "eq", "1"): broken + `there is no field "call_id"`,
		leaf("unanswered", "sounds_like", "1"): broken + `there is no operator "sounds_like"`, leaf("unanswered", "asc", "1"): broken + `there is no operator "asc"`,
		leaf("unanswered", "any", "1"): broken + `there is no relation "unanswered"`, leaf("unanswered", "has", "1"): broken + `there is no relation "unanswered"`,
		leaf("caller__name", "eq", "1"): broken + `there is no relation "caller"`, leaf("account__id", "any", "1"): broken + `there is no relation "account"`,
		`{"name":"unanswered","op":"eq","field":"password"}`: broken + `there is no field "password"`,
		// limits
		strings.TrimSuffix(strings.Repeat(leaf("unanswered", "eq", "1")+",", 50), ","):                    "2",
		strings.TrimSuffix(strings.Repeat(leaf("unanswered", "eq", "1")+",", 51), ","):                    broken + "filters must have at most 50 elements",
		`{"or":[` + strings.TrimSuffix(strings.Repeat(leaf("unanswered", "eq", "1")+",", 51), ",") + `]}`: broken + "there are more than 50 filters",
		strings.Repeat(`{"or":[`, 7) + leaf("unanswered", "eq", "1") + strings.Repeat(`]}`, 7):            "2",
		strings.Repeat(`{"or":[`, 8) + leaf("unanswered", "eq", "1") + strings.Repeat(`]}`, 8):            broken + "filters are nested more than 8 deep",
		leaf("caller_zone_id", "in", "["+strings.TrimSuffix(strings.Repeat("812,", 1000), ",")+"]"):       "4",
		leaf("caller_zone_id", "in", "["+strings.TrimSuffix(strings.Repeat("812,", 1001), ",")+"]"):       broken + "in and not_in take a list of at most 1000 values",
	} {
		if got := hours(filters); got != want {
			t.Errorf("%.150s: %s, want %s", filters, got, want)
		}
	}
}

// TestCallTime is day first, or ISO, wherever it stands; month first where the settings say so.
func TestCallTime(t *testing.T) {
	t.Parallel()
	a := api(t, &pbx{records: []stats.Record{call("2027-03-04T11:00:00Z", 1), call("2027-04-03T11:00:00Z", 1)}})
	const march, april, broken = "00:00:00 05/03/2027 1", "00:00:00 04/04/2027 1", "400 Unable to construct query: call_time: "
	equal := func(val string) string {
		return `{"timezone":"Pacific/Auckland","filters":[{"name":"call_time","op":"eq","val":"` + val + `"}]}`
	}
	nested := func(val string) string {
		return `{"timezone":"Pacific/Auckland","filters":[{"or":[{"and":[{"name":"call_time","op":"eq","val":"` + val + `"}]}]}]}`
	}
	in := func(val string) string {
		return `{"timezone":"Pacific/Auckland","filters":[{"name":"call_time","op":"in","val":["00:00:00 01/01/2027","` + val + `"]}]}`
	}
	for val, want := range map[string]string{
		"00:00:00 05/03/2027": march, "00:00:00 04/04/2027": april, "2027-03-05T00:00:00": march, "2027-03-05 00:00": march, "2027-03-05": march,
		"2027-03-04T11:00:00Z": march, "2027-03-05T00:00:00+13:00": march, "2027-04-03T11:00:00+00:00": april,
		"00:00:00 03/05/2027": "{}",
		"99:00:00 04/03/2027": broken + `"99:00:00 04/03/2027" is no date`, "00:00:00 31/02/2027": broken + `"00:00:00 31/02/2027" is no date`,
		"31/02/2027": broken + `"31/02/2027" is no date`, "tomorrow": broken + `"tomorrow" is no date`, "1700000000": broken + `"1700000000" is no date`,
	} {
		for _, q := range []string{equal(val), nested(val), in(val)} {
			if got := totals(t, a, "daily", q); got != want {
				t.Errorf("%s: %s, want %s", q, got, want)
			}
		}
	}
	if got := totals(t, a, "daily", equal("")); !strings.HasPrefix(got, "400 Unable to construct query: call_time cannot be compared with an empty date") {
		t.Error(got)
	}
	for val, want := range map[string]string{"CURRENT_TIMESTAMP": "00:00:00 04/03/2027 1, 00:00:00 03/04/2027 1", "CURRENT_DATE": "00:00:00 04/03/2027 1, 00:00:00 03/04/2027 1"} {
		if got := totals(t, a, "daily", `{"filters":[{"name":"call_time","op":"lt","val":"`+val+`"}]}`); got != want {
			t.Errorf("%s: %s", val, got)
		}
	}
	a.MonthFirst = true
	for val, want := range map[string]string{
		"00:00:00 03/05/2027": "00:00:00 03/05/2027 1", "2027-03-05": "00:00:00 03/05/2027 1", "00:00:00 31/12/2027": broken + `"00:00:00 31/12/2027" is no date`,
	} {
		if got := totals(t, a, "daily", equal(val)); got != want {
			t.Errorf("month first, %s: %s, want %s", val, got, want)
		}
	}
}

// TestDaylightSaving: periods of all kinds over both changes of the clock, in three zones.
func TestDaylightSaving(t *testing.T) {
	t.Parallel()
	every := func(from string, hours int) *pbx { // a call each half hour
		start, err := time.Parse(time.RFC3339, from)
		if err != nil {
			t.Fatal(err)
		}
		p := &pbx{}
		for i := range 2 * hours {
			p.records = append(p.records, call(start.Add(time.Duration(i)*30*time.Minute).Format(time.RFC3339), 5))
		}
		return p
	}
	for _, tt := range []struct {
		what, zone, from string
		hours            int
		period, want     string
	}{
		{"New York loses an hour", "America/New_York", "2027-03-14T06:00:00Z", 3, "hourly", "01:00:00 14/03/2027 2, 03:00:00 14/03/2027 2, 04:00:00 14/03/2027 2"},
		{"New York's short day", "America/New_York", "2027-03-14T05:00:00Z", 47, "daily", "00:00:00 14/03/2027 46, 00:00:00 15/03/2027 48"},
		{"New York has an hour twice", "America/New_York", "2027-11-07T05:00:00Z", 3, "hourly", "01:00:00 07/11/2027 4, 02:00:00 07/11/2027 2"},
		{"New York's long day", "America/New_York", "2027-11-07T04:00:00Z", 49, "daily", "00:00:00 07/11/2027 50, 00:00:00 08/11/2027 48"},
		{"New York's week with a short Sunday", "America/New_York", "2027-03-08T05:00:00Z", 168, "weekly", "00:00:00 08/03/2027 334, 00:00:00 15/03/2027 2"},
		{"New York's week with a long Sunday", "America/New_York", "2027-11-01T04:00:00Z", 169, "weekly", "00:00:00 01/11/2027 338"},
		{"New York's March", "America/New_York", "2027-03-01T05:00:00Z", 31 * 24, "monthly", "00:00:00 01/03/2027 1486, 00:00:00 01/04/2027 2"},
		{"Auckland loses an hour", "Pacific/Auckland", "2027-09-25T13:00:00Z", 3, "hourly", "01:00:00 26/09/2027 2, 03:00:00 26/09/2027 2, 04:00:00 26/09/2027 2"},
		{"Auckland has an hour twice", "Pacific/Auckland", "2027-04-03T13:00:00Z", 3, "hourly", "02:00:00 04/04/2027 4, 03:00:00 04/04/2027 2"},
		{"Auckland's short day", "Pacific/Auckland", "2027-09-25T12:00:00Z", 24, "daily", "00:00:00 26/09/2027 46, 00:00:00 27/09/2027 2"},
		{"Auckland's long day", "Pacific/Auckland", "2027-04-03T11:00:00Z", 26, "daily", "00:00:00 04/04/2027 50, 00:00:00 05/04/2027 2"},
		{"Auckland's week", "Pacific/Auckland", "2027-03-28T11:00:00Z", 170, "weekly", "00:00:00 29/03/2027 338, 00:00:00 05/04/2027 2"},
		{"Auckland's April", "Pacific/Auckland", "2027-03-31T11:00:00Z", 30*24 + 2, "monthly", "00:00:00 01/04/2027 1442, 00:00:00 01/05/2027 2"},
		{"UTC when New York changes", "UTC", "2027-03-14T05:00:00Z", 3, "hourly", "05:00:00 14/03/2027 2, 06:00:00 14/03/2027 2, 07:00:00 14/03/2027 2"},
		{"UTC's days", "UTC", "2027-11-07T00:00:00Z", 48, "daily", "00:00:00 07/11/2027 48, 00:00:00 08/11/2027 48"},
		{"UTC's weeks", "UTC", "2027-10-31T00:00:00Z", 24 * 8, "weekly", "00:00:00 25/10/2027 48, 00:00:00 01/11/2027 336"},
		{"UTC's months", "UTC", "2027-10-30T00:00:00Z", 24 * 3, "monthly", "00:00:00 01/10/2027 96, 00:00:00 01/11/2027 48"},
		{"week 53", "UTC", "2026-12-31T22:00:00Z", 4, "weekly", "00:00:00 28/12/2026 8"},
		{"week 53 and the next", "UTC", "2027-01-03T23:00:00Z", 2, "weekly", "00:00:00 28/12/2026 2, 00:00:00 04/01/2027 2"},
		{"week 53 in Auckland", "Pacific/Auckland", "2026-12-31T10:00:00Z", 2, "weekly", "00:00:00 28/12/2026 4"},
		{"the turn of the year", "America/New_York", "2027-01-01T04:00:00Z", 2, "monthly", "00:00:00 01/12/2026 2, 00:00:00 01/01/2027 2"},
		{"a fixed zone, whose sign is the other way round", "Etc/GMT+5", "2027-01-01T05:00:00Z", 1, "hourly", "00:00:00 01/01/2027 2"},
		{"a quarter of an hour off", "Asia/Kathmandu", "2027-01-01T00:00:00Z", 1, "hourly", "05:00:00 01/01/2027 1, 06:00:00 01/01/2027 1"},
	} {
		if got := totals(t, api(t, every(tt.from, tt.hours)), tt.period, `{"timezone":"`+tt.zone+`"}`); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}

	// An hour that is left out is put forward; of one that comes twice the first is meant.
	a := api(t, every("2027-03-14T06:00:00Z", 4))
	if got := totals(t, a, "hourly", `{"timezone":"America/New_York","filters":[{"name":"call_time","op":"lt","val":"02:30:00 14/03/2027"}]}`); got != "01:00:00 14/03/2027 2, 03:00:00 14/03/2027 1" {
		t.Error(got)
	}
	a = api(t, every("2027-11-07T04:00:00Z", 4))
	if got := totals(t, a, "hourly", `{"timezone":"America/New_York","filters":[{"name":"call_time","op":"ge","val":"01:30:00 07/11/2027"}]}`); got != "01:00:00 07/11/2027 3, 02:00:00 07/11/2027 2" {
		t.Error(got)
	}
	// The label of a part of a period is its begin all the same.
	if got := totals(t, a, "monthly", `{"filters":[{"name":"call_time","op":"ge","val":"2027-11-07T05:30:00Z"}]}`); got != "00:00:00 01/11/2027 5" {
		t.Error(got)
	}
}

// TestTimezone: one that there is not is refused; without one it is that of the settings, or UTC.
func TestTimezone(t *testing.T) {
	t.Parallel()
	a := api(t, &pbx{records: []stats.Record{call("2027-06-17T23:30:00Z", 1)}})
	for zone, want := range map[string]string{
		`"UTC"`: "00:00:00 17/06/2027 1", `"Etc/GMT+5"`: "00:00:00 17/06/2027 1", `"Etc/GMT-5"`: "00:00:00 18/06/2027 1", `null`: "00:00:00 17/06/2027 1",
		`"Mars/Olympus"`: `400 Unable to construct query: there is no timezone "Mars/Olympus"`, `""`: `400 Unable to construct query: there is no timezone ""`,
		`"Local"`: `400 Unable to construct query: there is no timezone "Local"`, `7`: `400 Unable to construct query: there is no timezone ""`,
		`"../../etc/passwd"`: `400 Unable to construct query: there is no timezone "../../etc/passwd"`,
	} {
		if got := totals(t, a, "daily", `{"timezone":`+zone+`}`); got != want {
			t.Errorf("%s: %s, want %s", zone, got, want)
		}
	}
	zone, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	a.Zone = zone
	if got := totals(t, a, "daily", ""); got != "00:00:00 18/06/2027 1" {
		t.Error(got)
	}
}

// TestCountries: all of them, and the zones of some, whose names are in a path.
func TestCountries(t *testing.T) {
	t.Parallel()
	a := api(t, &pbx{})
	answer, err := a.Countries()
	if err != nil || string(answer.Data) != `{"countries":["=Land","Fiji","New Zealand","Trinidad \u0026 Tobago"]}` {
		t.Errorf("%s, %v", answer.Data, err)
	}
	const fiji, newZealand = `"Fiji":{"Fiji Mobile":[840],"Fiji Suva":[811,812]}`, `"New Zealand":{"New Zealand Napier":[5101]}`
	for path, want := range map[string]string{
		"Fiji": fiji, "fiji": fiji, "FIJI&Fiji": fiji, "New%20Zealand&Fiji": fiji + "," + newZealand, "Fiji&New%20Zealand&": fiji + "," + newZealand,
		"Atlantis&New%20Zealand": newZealand, "new%20zealand": newZealand, "Trinidad%20%26%20Tobago": `"Trinidad \u0026 Tobago":{"Trinidad \u0026 Tobago":[7]}`,
		"Trinidad%20&%20Tobago": "404 Trinidad & Tobago", "Atlantis": "404 Atlantis", "Atlantis&Mu": "404 Atlantis&Mu", "%zz": "404 %zz", "&": "404 &",
		strings.Repeat("x&", 40) + "Fiji": "" + fiji, // the same name forty times
		"Fiji" + countries(50):            "400 ",
		"Fiji" + countries(49):            fiji,
	} {
		answer, err := a.Regions(path)
		got := string(answer.Data)
		var wrong *callstatistics.Error
		if errors.As(err, &wrong) {
			if got = fmt.Sprintf("%d %s", wrong.Status, wrong.Cause); wrong.Status == 400 {
				got = "400 "
			}
		} else {
			want = `{"countries":{` + want + `}}`
		}
		if got != want {
			t.Errorf("%.80s: %s, want %s", path, got, want)
		}
	}
}

// countries are n names of countries that there are not.
func countries(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&x%d", i)
	}
	return b.String()
}

// listed is a list of calls as it is sent.
func listed(t testing.TB, a *callstatistics.API, q string) (string, error) {
	t.Helper()
	w := httptest.NewRecorder()
	err := a.CSV(t.Context(), w, q, nil)
	if err == nil {
		if got := w.Header().Get("Content-Type") + " " + w.Header().Get("Content-Disposition"); got != `text/csv; charset=utf-8 attachment; filename="call_statistics.csv"` {
			t.Errorf("it is %s", got)
		}
	}
	return w.Body.String(), err
}

const header = "call_time,call_direction,caller_id_name,caller_id_number,callee_id_number,caller_zone_id,caller_zone,callee_zone_id,callee_zone,duration_seconds,unanswered,call_id\r\n"

// TestCSV: the columns, quotes, what spreadsheets would take for a formula, pages and orders.
func TestCSV(t *testing.T) {
	t.Parallel()
	if got, err := listed(t, api(t, &pbx{}), ""); err != nil || got != header {
		t.Errorf("%q, %v", got, err)
	}
	from := func(src, dst string) func(*stats.Record) {
		return func(r *stats.Record) { r.Src, r.CNum, r.Dst = []byte(src), nil, []byte(dst) }
	}
	records := []stats.Record{
		call("2027-06-17T09:05:00Z", 20, named("Ines Roth")),
		call("2027-06-17T09:06:00Z", 7, inbound, missed, named(`Smith, "Bob"`)),
		call("2027-06-17T09:07:00Z", 0, from("+6461234567", "*43"), named("two\nlines")),
		call("2027-06-17T09:08:00Z", 3, from("2001", "9991234567"), named("=HYPERLINK(\"http://x\")")),
		call("2027-06-17T09:09:00Z", 3, from("=1+1", "-2+3"), named("+49")),
		call("2027-06-17T09:10:00Z", 3, from("", "+4930123"), named("-x"), func(r *stats.Record) { r.UniqueID = []byte("pbx,1-1813140600.1") }),
		call("2027-06-17T09:11:00Z", 3, named("@x")), call("2027-06-17T09:12:00Z", 3, named("\tx")), call("2027-06-17T09:13:00Z", 3, named("\rx")), call("2027-06-17T09:14:00Z", 3, named("ü=")),
	}
	lines := []string{
		"21:05:00 17/06/2027,outbound,Ines Roth,2001,6793312345,,,811,Fiji Suva,20,0,1813223100.1\r\n",
		`21:06:00 17/06/2027,inbound,"Smith, ""Bob""",6461234567,2001,5101,New Zealand Napier,,,7,1,1813223160.1` + "\r\n",
		"21:07:00 17/06/2027,inbound,\"two\nlines\",+6461234567,*43,5101,New Zealand Napier,,,0,0,1813223220.1\r\n",
		`21:08:00 17/06/2027,outbound,"'=HYPERLINK(""http://x"")",2001,9991234567,,,8,'=Land,3,0,1813223280.1` + "\r\n",
		"21:09:00 17/06/2027,inbound,'+49,'=1+1,'-2+3,,,,,3,0,1813223340.1\r\n",
		`21:10:00 17/06/2027,inbound,'-x,,+4930123,,,,,3,0,"pbx,1-1813140600.1"` + "\r\n",
		"21:11:00 17/06/2027,outbound,'@x,2001,6793312345,,,811,Fiji Suva,3,0,1813223460.1\r\n",
		"21:12:00 17/06/2027,outbound,'\tx,2001,6793312345,,,811,Fiji Suva,3,0,1813223520.1\r\n",
		"21:13:00 17/06/2027,outbound,\"'\rx\",2001,6793312345,,,811,Fiji Suva,3,0,1813223580.1\r\n",
		"21:14:00 17/06/2027,outbound,ü=,2001,6793312345,,,811,Fiji Suva,3,0,1813223640.1\r\n",
	}
	a := api(t, &pbx{records: records})
	const zone = `"timezone":"Pacific/Auckland"`
	pick := func(n ...int) string {
		text := header
		for _, i := range n {
			text += lines[i]
		}
		return text
	}
	for q, want := range map[string]string{
		"{" + zone + "}": pick(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), `{"grouping":"nothing","single":true,"group_by":7,` + zone + "}": pick(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), // do not count here
		`{"limit":2,"offset":1,` + zone + "}": pick(1, 2), `{"offset":9,` + zone + "}": pick(9), `{"offset":10,` + zone + "}": header, `{"limit":0,"offset":8,` + zone + "}": pick(8, 9),
		`{"order_by":[{"field":"call_time"}],"limit":1,` + zone + "}":                                                       pick(0),
		`{"order_by":[{"field":"call_time","direction":"desc"}],"limit":2,` + zone + "}":                                    pick(9, 8),
		`{"order_by":[{"field":"unanswered","direction":"desc"},{"field":"caller_id_name"}],"limit":3,` + zone + "}":        pick(1, 7, 8),
		`{"order_by":[{"field":"callee_zone_id","direction":"desc"}],"offset":4,"limit":2,` + zone + "}":                    pick(9, 3),
		`{"filters":[{"name":"caller_zone_id","op":"eq","val":5101},{"name":"unanswered","op":"eq","val":0}],` + zone + "}": pick(2),
		`{"data":{"filters":[{"name":"call_time","op":"eq","val":"21:14:00 17/06/2027"}],` + zone + "}}":                    pick(9),
		`{"filters":[{"name":"call_time","op":"gt","val":"21:14:00 17/06/2027"}],` + zone + "}":                             header,
	} {
		got, err := listed(t, a, q)
		if err != nil || got != want {
			t.Errorf("%s:\n got %q\nwant %q (%v)", q, got, want, err)
		}
		if rows, err := csv.NewReader(strings.NewReader(got)).ReadAll(); err != nil || slices.ContainsFunc(rows, func(r []string) bool { return len(r) != 12 }) {
			t.Errorf("%s: %v", q, err)
		}
	}
	a.MonthFirst = true
	if got, err := listed(t, a, `{"limit":1}`); err != nil || !strings.Contains(got, "\n09:05:00 06/17/2027,") {
		t.Errorf("%q, %v", got, err)
	}
	for q, want := range map[string]int{`[]`: 400, `{"order_by":[{"field":"duration"}]}`: 400, `{"limit":-1}`: 400, `{"filters":[{"name":"x"}]}`: 400, `{"timezone":"x"}`: 400, `{"offset":"1"}`: 400} {
		got, err := listed(t, a, q)
		var wrong *callstatistics.Error
		if !errors.As(err, &wrong) || wrong.Status != want || got != "" {
			t.Errorf("%s: %q, %v", q, got, err)
		}
	}
}

// TestCSVRange: what nobody bounds is a year.
func TestCSVRange(t *testing.T) {
	t.Parallel()
	p := &pbx{records: []stats.Record{call("2025-06-17T09:05:00Z", 20), call("2027-06-17T09:05:00Z", 20)}}
	for q, want := range map[string]int{
		"": 1, `{"filters":[{"name":"call_time","op":"ge","val":"2020-01-01"}]}`: 2, `{"filters":[{"name":"call_time","op":"lt","val":"2026-01-01"}]}`: 1,
		`{"filters":[{"name":"unanswered","op":"eq","val":0}]}`: 1,
	} {
		got, err := listed(t, api(t, p), q)
		if err != nil || strings.Count(got, "\r\n") != want+1 {
			t.Errorf("%s: %s, %v", q, got, err)
		}
	}
}

// TestBrokenSource: before anything is sent it can be told, and afterwards the list is cut.
func TestBrokenSource(t *testing.T) {
	t.Parallel()
	broken := &stats.SourceError{Name: "pbx", Addr: "pbx:3306", Connect: true, Err: errors.New("the password is secret7")}
	for _, records := range [][]stats.Record{nil, {call("2027-06-17T09:05:00Z", 20), call("2027-06-17T10:05:00Z", 20)}} {
		a := api(t, &pbx{records: records, err: broken})
		got, err := listed(t, a, "")
		var wrong *callstatistics.Error
		if records == nil {
			if !errors.As(err, &wrong) || wrong.Status != http.StatusServiceUnavailable || wrong.Message != "datastore_unreachable" || got != "" {
				t.Errorf("%q, %v", got, err)
			}
		} else if !errors.Is(err, callstatistics.ErrCut) || !strings.HasPrefix(got, header) {
			t.Errorf("%q, %v", got, err)
		}
		if got := asked(t, a, "daily", ""); got != "503 datastore unreachable: Failed to connect to pbx at pbx:3306" {
			t.Error(got)
		}
	}
}

// TestEnvelopes as clients know them.
func TestEnvelopes(t *testing.T) {
	t.Parallel()
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := text(callstatistics.ErrInvalidCredentials.Body("9f2c")); got != `{"data":{"message":"invalid credentials"},"error":"401","message":"invalid_credentials","status":"error","request_id":"9f2c"}` {
		t.Error(got)
	}
	if got := text(callstatistics.BadIdentifier("Mu").Body("9f2c")); got != `{"data":{"message":"bad identifier","cause":"Mu"},"error":"404","message":"bad_identifier","status":"error","request_id":"9f2c"}` {
		t.Error(got)
	}
	a := callstatistics.Answer{Data: json.RawMessage(`{}`)}
	if got := text(a.Body("9f2c", now)); got != `{"data":{},"status":"success","request_id":"9f2c","timestamp":"2027-12-20T12:00:00Z"}` {
		t.Error(got)
	}
	a.Errors = map[string]string{"pbx": "it does not answer"}
	if got := text(a.Body("9f2c", now)); got != `{"data":{},"status":"success","request_id":"9f2c","timestamp":"2027-12-20T12:00:00Z","errors":{"pbx":"it does not answer"}}` {
		t.Error(got)
	}
	if _, err := api(t, &pbx{}).Buckets(t.Context(), "yearly", "", nil); err == nil || !strings.Contains(err.Error(), "bad_identifier: bad identifier yearly") {
		t.Error(err)
	}
}

// FuzzQuery: whatever q says, there is an answer of JSON or a refusal of 400.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"", "{}", `{"data":{"filters":[{"name":"call_time","op":"ge","val":"23:00:00 04/03/2016"}],"grouping":"unanswered","timezone":"Pacific/Auckland"}}`,
		`{"filters":[{"or":[{"name":"caller_id_name","op":"ilike","val":"a%\\_"},{"and":[{"name":"caller_zone_id","op":"in","val":[1,"2"]}]}]}]}`,
		`{"filters":[{"name":"caller_zone_id","op":"lt","field":"callee_zone_id"}],"order_by":[{"field":"caller_id_name","direction":"desc"}],"limit":1,"offset":1}`,
	} {
		f.Add(q)
	}
	a := api(f, &pbx{records: []stats.Record{call("2027-06-17T09:05:00Z", 20, named("ann")), call("2027-06-18T09:05:00Z", 20, inbound, missed)}})
	f.Fuzz(func(t *testing.T, q string) {
		answer, err := a.Buckets(t.Context(), "hourly", q, nil)
		var wrong *callstatistics.Error
		if err == nil && !json.Valid(answer.Data) || err != nil && (!errors.As(err, &wrong) || wrong.Status != http.StatusBadRequest) {
			t.Errorf("%q: %s, %v", q, answer.Data, err)
		}
		w := httptest.NewRecorder()
		err = a.CSV(t.Context(), w, q, nil)
		if err == nil && !strings.HasPrefix(w.Body.String(), header) || err != nil && (!errors.As(err, &wrong) || wrong.Status != http.StatusBadRequest || w.Body.Len() > 0) {
			t.Errorf("%q: %s, %v", q, w.Body, err)
		}
		if u := url.PathEscape(q); u != "" {
			if _, err := a.Regions(u); err != nil && !errors.As(err, &wrong) {
				t.Errorf("%q: %v", q, err)
			}
		}
	})
}
