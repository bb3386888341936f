package filter_test

import (
	"math"
	"testing"
	"time"

	"talktime/filter"
)

// TestBetween: filters bound what they are asked of, in ors and ands as deep as they go.
func TestBetween(t *testing.T) {
	t.Parallel()
	const least, most = math.MinInt64, math.MaxInt64
	at := func(hour int) int64 { return time.Date(2027, 1, 1, hour, 0, 0, 0, time.UTC).UnixMicro() }
	const (
		from1 = `{"name":"born","op":"ge","val":"2027-01-01T01:00"}`
		to5   = `{"name":"born","op":"lt","val":"2027-01-01T05:00"}`
		from7 = `{"name":"born","op":">","val":"2027-01-01T07:00"}`
		to9   = `{"name":"born","op":"<=","val":"2027-01-01T09:00"}`
		at3   = `{"name":"born","op":"eq","val":"2027-01-01T03:00"}`
		in    = `{"name":"born","op":"in","val":["2027-01-01T04:00","2027-01-01T02:00"]}`
		none  = `{"name":"born","op":"in","val":[]}`
		other = `{"name":"age","op":"eq","val":3}`
		same  = `{"name":"born","op":"eq","field":"born"}`
		not   = `{"name":"born","op":"ne","val":"2027-01-01T03:00"}`
	)
	o := options()
	o.Location = nil // UTC
	for filters, want := range map[string][2]int64{
		from1:                           {at(1), most},
		from1 + "," + to5:               {at(1), at(5) - 1},
		to9 + "," + from7 + "," + other: {at(7) + 1, at(9)},
		at3:                             {at(3), at(3)},
		in:                              {at(2), at(4)},
		other + "," + same:              {least, most},
		not:                             {least, most},
		none:                            {most, least},
		from7 + "," + to5:               {at(7) + 1, at(5) - 1}, // never
		`{"or":[` + at3 + `,` + in + `,` + none + `]}`:                                     {at(2), at(4)},
		`{"or":[{"and":[` + from1 + `,` + to5 + `]},{"and":[` + from7 + `,` + to9 + `]}]}`: {at(1), at(9)},
		`{"or":[{"and":[` + from7 + `,` + to5 + `]},` + at3 + `]}`:                         {at(3), at(3)},
		`{"or":[` + at3 + `,` + other + `]}`:                                               {least, most},
		from1 + `,{"or":[` + other + `,` + to5 + `]}`:                                      {at(1), most},
		`{"and":[` + from1 + `,{"and":[{"or":[` + to5 + `,` + at3 + `]}]}]}`:               {at(1), at(5) - 1},
	} {
		q, err := filter.Parse(`{"filters":[`+filters+`]}`, people(), o)
		if err != nil {
			t.Fatal(err)
		}
		if l, m := q.Test.Between("born"); l != want[0] || m != want[1] {
			t.Errorf("%s: from %d to %d, want %d", filters, l, m, want)
		}
	}
	if q, err := filter.Parse(`{}`, people(), options()); err != nil || q.Test != nil {
		t.Errorf("%+v, %v", q.Test, err)
	}
}
