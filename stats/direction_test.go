package stats_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"talktime/stats"
)

var officeInside = stats.Inside{Extensions: regexp.MustCompile(`^[0-9]{2,5}$`), Trunks: regexp.MustCompile(`^(PJSIP|SIP)/trunk-`)}

// TestDirections: who is inside, and which way a call went.
func TestDirections(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		what string
		r    stats.Record
		in   stats.Inside
		want string
	}{
		{"to the world", stats.Record{CNum: []byte("2001"), Channel: []byte("PJSIP/2001-1"), Dst: []byte("4915112345678"), DstChannel: []byte("PJSIP/trunk-2")}, officeInside, "outbound"},
		{"from the world", stats.Record{CNum: []byte("4915112345678"), Channel: []byte("PJSIP/trunk-1"), Dst: []byte("600"), DstChannel: []byte("PJSIP/2001-2")}, officeInside, "inbound"},
		{"between extensions", stats.Record{CNum: []byte("2001"), Channel: []byte("PJSIP/2001-1"), Dst: []byte("2002"), DstChannel: []byte("PJSIP/2002-2")}, officeInside, "internal"},
		{"through us", stats.Record{CNum: []byte("4930123456"), Channel: []byte("PJSIP/trunk-1"), Dst: []byte("4915112345678"), DstChannel: []byte("PJSIP/trunk-2")}, officeInside, "inbound"},
		{"src where there is no cnum", stats.Record{Src: []byte("2001"), Channel: []byte("PJSIP/2001-1"), Dst: []byte("4915112345678")}, officeInside, "outbound"},
		{"cnum counts where there is one", stats.Record{CNum: []byte("2001"), Src: []byte("4930123456"), Dst: []byte("4915112345678")}, officeInside, "outbound"},
		{"a short number through a trunk comes from outside", stats.Record{CNum: []byte("2001"), Channel: []byte("PJSIP/trunk-1"), Dst: []byte("2002")}, officeInside, "inbound"},
		{"a short number through a trunk is outside", stats.Record{CNum: []byte("2001"), Channel: []byte("PJSIP/2001-1"), Dst: []byte("112"), DstChannel: []byte("SIP/trunk-7")}, officeInside, "outbound"},
		{"a user of ours", stats.Record{Own: true, CNum: []byte("marta"), Dst: []byte("4915112345678")}, officeInside, "outbound"},
		{"a user of ours calls another", stats.Record{Own: true, OwnCallee: true, CNum: []byte("marta"), Dst: []byte("555000205")}, officeInside, "internal"},
		{"a user of ours is called", stats.Record{OwnCallee: true, CNum: []byte("4915112345678"), Dst: []byte("555000205")}, officeInside, "inbound"},
		{"an anonymous caller", stats.Record{Dst: []byte("2001")}, officeInside, "inbound"},
		{"the extension s", stats.Record{CNum: []byte("4915112345678"), Dst: []byte("s")}, officeInside, "inbound"},
		{"nobody is inside", stats.Record{CNum: []byte("2001"), Dst: []byte("2002")}, stats.Inside{}, "inbound"},
		{"no trunks", stats.Record{CNum: []byte("2001"), Channel: []byte("PJSIP/trunk-1"), Dst: []byte("2002")}, stats.Inside{Extensions: officeInside.Extensions}, "internal"},
	} {
		c := stats.NewQuarters(tt.in)
		tt.r.Start, tt.r.UniqueID = 900, []byte("1.1")
		c.Add(&tt.r)
		b := stats.NewBuckets(stats.Hourly, time.UTC, stats.ByDirection)
		c.Each(func(q stats.Quarter) { b.AddQuarter(&q) })
		groups := b.List()[0].Groups
		if len(groups) != 1 || groups[0].Key != tt.want {
			t.Errorf("%s: %+v, want %s", tt.what, groups, tt.want)
		}
	}
}

// TestManyNumbers: more numbers than are remembered are told apart all the same.
func TestManyNumbers(t *testing.T) {
	t.Parallel()
	c := stats.NewQuarters(officeInside)
	for i := range 100_000 {
		number := fmt.Appendf(nil, "%d", i%50_000+100_000)
		if i%2 == 0 {
			number = fmt.Appendf(nil, "%d", i%20_000+10_000)
		}
		c.Add(&stats.Record{Start: 900, CNum: number, Channel: fmt.Appendf(nil, "PJSIP/%d-%08x", i%30_000, i), Dst: []byte("4915112345678")})
	}
	b := stats.NewBuckets(stats.Hourly, time.UTC, stats.ByDirection)
	c.Each(func(q stats.Quarter) { b.AddQuarter(&q) })
	for _, g := range b.List()[0].Groups {
		if g.Total != 50_000 {
			t.Errorf("%s: %d", g.Key, g.Total)
		}
	}
}

// TestInsideIsWhatMatches: what is known of an expression without trying it does not change what it matches.
func TestInsideIsWhatMatches(t *testing.T) {
	t.Parallel()
	texts := []string{
		"1", "12", "123", "1234", "12345", "123456", "4915112345678", "ab", "abab", "ababab", "é", "éé", "ééé", "ééééé", "K", "kelvin", "KELVIN", "line\nline", "line\n", "x-12-x", "12-x",
	}
	for _, expression := range []string{
		`^[0-9]{2,5}$`, `^[0-9]+$`, `^[0-9]*$`, `[0-9]{2}`, `^1|2$`, `^(1|23|(ab){1,2})$`, `^(ab)*$`, `^.{1,2}$`, `^(?:é|éé)$`, `^é{2,3}$`, `(?i)^K$`, `(?i)^kelvin$`, `(?i)^(kelvin|k)?$`,
		`^1?2?$`, `(?m)^line$`, `(?s)^line.$`, `\A[0-9]{3}\z`, `^12-?x?$`, `^$`, ``, `^[^0-9]{1,2}$`, `^((1|2){2}){1,2}$`, `^[[:alpha:]]{2}$`, `^\x{1F600}?1$`,
	} {
		inside := regexp.MustCompile(expression)
		for _, text := range texts {
			c := stats.NewQuarters(stats.Inside{Extensions: inside})
			c.Add(&stats.Record{Start: 900, CNum: []byte(text), Dst: []byte("4915112345678901234567890")})
			want := stats.Inbound
			if inside.MatchString(text) {
				want = stats.Outbound
				if inside.MatchString("4915112345678901234567890") {
					want = stats.Internal
				}
			}
			c.Each(func(q stats.Quarter) {
				if q.Direction != want {
					t.Errorf("%q is %s where extensions are %q, want %s", text, q.Direction, expression, want)
				}
			})
		}
	}
}

// TestTrunksWithoutTheirCounter: what stands behind the last - of a channel does not matter, so that the order of records does not either.
func TestTrunksWithoutTheirCounter(t *testing.T) {
	t.Parallel()
	channels := []string{"PJSIP/trunk-00000001", "PJSIP/trunk-00000002", "PJSIP/2001-00000001", "Local/trunk@x-00000002;1", "PJSIP/trunk"}
	for expression, outside := range map[string]string{
		`-00000001$`: "00000", `^PJSIP/trunk`: "11001", `^PJSIP/trunk-`: "11000", `^PJSIP/trunk-.*$`: "11000", `trunk`: "11011", `^PJSIP/trunk-0`: "00000",
	} {
		for first := range channels {
			c := stats.NewQuarters(stats.Inside{Extensions: officeInside.Extensions, Trunks: regexp.MustCompile(expression)})
			for i := range channels {
				at := (first + i) % len(channels)
				c.Add(&stats.Record{Start: int64(900 * at), CNum: []byte("2001"), Channel: []byte(channels[at]), Dst: []byte("4915112345678")})
			}
			got := []byte("00000")
			c.Each(func(q stats.Quarter) {
				if q.Direction == stats.Inbound {
					got[q.Start/900] = '1'
				}
			})
			if string(got) != outside {
				t.Errorf("%s, beginning with %s: %s are outside, want %s", expression, channels[first], got, outside)
			}
		}
	}
}
