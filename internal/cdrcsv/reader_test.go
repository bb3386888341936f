package cdrcsv_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/internal/cdrcsv"
)

// read reads everything: "start src>dst disposition duration/billsec uniqueid cnum cnam" of each record, and what is wrong with
// lines.
func read(t testing.TB, r *cdrcsv.Reader) (records, problems []string) {
	t.Helper()
	for {
		var c cdrcsv.Record
		err := r.Next(&c)
		var bad *cdrcsv.LineError
		switch {
		case errors.Is(err, io.EOF):
			return records, problems
		case errors.As(err, &bad):
			problems = append(problems, err.Error())
		case err != nil:
			t.Fatal(err)
		default:
			records = append(records, strings.Join([]string{
				time.Unix(c.Wall, 0).UTC().Format(time.DateTime), string(c.Src) + ">" + string(c.Dst), string(c.Disposition), string(c.UniqueID), string(c.CNum), string(c.CNam),
			}, "|"))
		}
	}
}

func reader(t testing.TB, text string) *cdrcsv.Reader {
	t.Helper()
	r, err := cdrcsv.New(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// line is a line of a Master.csv.
func line(src, dst string) string {
	return `"","` + src + `","` + dst + `","default","""Ana"" <` + src + `>","PJSIP/a-1","","Dial","x","2026-11-20 22:08:09","","2026-11-20 22:08:12",3,0,"NO ANSWER","DOCUMENTATION","1795212489.5",""` + "\n"
}

func want(src, dst string) string {
	return "2026-11-20 22:08:09|" + src + ">" + dst + "|NO ANSWER|1795212489.5|" + src + "|Ana"
}

// TestMaster reads what an Asterisk 22 wrote.
func TestMaster(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/Master.csv")
	if err != nil {
		t.Fatal(err)
	}
	records, problems := read(t, reader(t, string(text)))
	expected := []string{
		"2026-11-20 22:06:18|59899000001>59899123102|ANSWERED|1795212376.6|59899000001|Lab",
		"2026-11-20 22:07:14|59899000001>81123000|ANSWERED|1795212434.0|59899000001|Lab",
		"2026-11-20 22:07:16|59899000001>h|ANSWERED|1795212434.0|59899000001|Lab",
		"2026-11-20 22:07:57|59899000001>86123000|ANSWERED|1795212477.3|59899000001|Lab",
		"2026-11-20 22:08:01|2001>2002|BUSY||2001|Zoë \"Zo\" L",
		"2026-11-20 22:08:05|anonymous>s|CONGESTION|pbx1-1795212485.9|anonymous|",
	}
	if diff := cmp.Diff(expected, records); diff != "" || len(problems) > 0 {
		t.Errorf("%v\n%s", problems, diff)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	good := line("1", "2")
	for name, c := range map[string]struct {
		text     string
		records  []string
		problems []string
		rest     int
	}{
		"two lines":              {good + line("3", "4"), []string{want("1", "2"), want("3", "4")}, nil, 0},
		"CRLF and empty lines":   {"\r\n" + strings.ReplaceAll(good, "\n", "\r\n") + "\n\n" + good, []string{want("1", "2"), want("1", "2")}, nil, 0},
		"a byte order mark":      {"\ufeff" + good, []string{want("1", "2")}, nil, 0},
		"no line break at last":  {good + strings.TrimSpace(line("3", "4")), []string{want("1", "2"), want("3", "4")}, nil, 0},
		"cut within a quote":     {good + good[:40], []string{want("1", "2")}, nil, 40},
		"cut behind a quote":     {good + good[:strings.Index(good, "default")+8], []string{want("1", "2")}, nil, strings.Index(good, "default") + 8},
		"cut in a number":        {good + good[:strings.Index(good, ",3,0")+2], []string{want("1", "2")}, nil, strings.Index(good, ",3,0") + 2},
		"a line break in a name": {strings.Replace(good, "Ana", "A\nna", 1) + good, []string{strings.Replace(want("1", "2"), "Ana", "A\nna", 1), want("1", "2")}, nil, 0},
		"a quote that is not closed": {
			good + good[:30] + "\n" + line("3", "4") + line("5", "6"), []string{want("1", "2"), want("3", "4"), want("5", "6")}, []string{"line 2: a quote is not closed"}, 0,
		},
		"a quote that is not closed before the end": {good + good[:30] + "\n" + line("3", "4"), []string{want("1", "2"), want("3", "4")}, []string{"line 2: a quote is not closed"}, 0},
		"a cut line with another behind it":         {good[:33] + good + line("3", "4"), []string{want("3", "4")}, []string{"line 1: something stands behind a closing quote"}, 0},
		"NUL bytes that a crash left":               {good + strings.Repeat("\x00", 3000) + line("3", "4") + line("5", "6"), []string{want("1", "2"), want("3", "4"), want("5", "6")}, nil, 0},
		"NUL bytes in a line":                       {good + strings.Replace(good, "def", "d\x00f", 1) + line("5", "6"), []string{want("1", "2"), want("5", "6")}, []string{"line 2: it has NUL bytes"}, 0},
		"a line of 1 MB":                            {good + strings.Repeat("x", 1<<20) + "\n" + line("3", "4"), []string{want("1", "2"), want("3", "4")}, []string{"line 2: it is longer than 64 KiB"}, 0},
		"a name of 1 MB":                            {good + strings.Replace(good, "Ana", strings.Repeat("x", 1<<20), 1) + line("3", "4"), []string{want("1", "2"), want("3", "4")}, []string{"line 2: it is longer than 64 KiB"}, 0},
		"too few fields":                            {"hello\n" + good, []string{want("1", "2")}, []string{"line 1: it has 1 fields, but Asterisk writes at least 16"}, 0},
		"too many fields":                           {good + strings.Repeat(",", 50) + "\n" + good, []string{want("1", "2"), want("1", "2")}, []string{"line 2: it has 51 fields"}, 0},
		"wrong dates": {
			strings.Replace(good, "2026-11-20 22:08:09", "2026-02-30 22:08:09", 1) + strings.Replace(good, "2026-11-20 22:08:09", "0000-00-00 00:00:00", 1) +
				strings.Replace(good, "2026-11-20 22:08:09", "20.11.2026", 1) + strings.Replace(good, "2026-11-20 22:08:09", "2026-11-20 22:08:60", 1) + good,
			[]string{want("1", "2")},
			[]string{
				`line 1: the start "2026-02-30 22:08:09" is no time such as 2030-01-31 23:59:59`, `line 2: the start "0000-00-00 00:00:00" is no time such as 2030-01-31 23:59:59`,
				`line 3: the start "20.11.2026" is no time such as 2030-01-31 23:59:59`, `line 4: the start "2026-11-20 22:08:60" is no time such as 2030-01-31 23:59:59`,
			},
			0,
		},
		"wrong lengths": {
			strings.Replace(good, ",3,0,", ",x,0,", 1) + strings.Replace(good, ",3,0,", ",3,,", 1) + strings.Replace(good, ",3,0,", ",-3,0.7,", 1),
			[]string{want("1", "2")},
			[]string{`line 1: the duration "x" is no number of seconds`, `line 2: the billsec "" is no number of seconds`},
			0,
		},
		"no disposition": {strings.Replace(good, "NO ANSWER", "", 1), nil, []string{"line 1: the disposition is empty"}, 0},
		"columns by name": {
			"\"uniqueid\";calldate;Src;dst;duration;billsec;disposition;cnum;cnam;other\n" +
				"7.1;2026-11-20 22:08:09.500;1;2;3;0;NO ANSWER;11;\"A;\"\"n\"\"a\";x\r\n7.2;2026-11-20T22:08:09;1;2;3;0;ANSWERED;;;\n7.3;2026;1;2\n8.",
			[]string{`2026-11-20 22:08:09|1>2|NO ANSWER|7.1|11|A;"n"a`, "2026-11-20 22:08:09|1>2|ANSWERED|7.2||"},
			[]string{"line 4: it has 4 fields, but the first line has 10"},
			2,
		},
		"columns by name without cnum": {
			"start,clid,src,dst,duration,billsec,disposition\n2026-11-20 22:08:09,Ana <1>,1,2,3,0,NO ANSWER\n",
			[]string{"2026-11-20 22:08:09|1>2|NO ANSWER||1|Ana"},
			nil, 0,
		},
		"a name with quotes in it": {
			"start,clid,src,dst,duration,billsec,disposition\n2026-11-20 22:08:09,\"\"\"Viktor \\\"\"V\\\"\" \\\\o/\"\" <1>\",1,2,3,0,NO ANSWER\n",
			[]string{`2026-11-20 22:08:09|1>2|NO ANSWER||1|Viktor "V" \o/`},
			nil, 0,
		},
		"names alone": {"calldate,src,dst,duration,billsec,disposition", nil, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, from := range []io.Reader{strings.NewReader(c.text), iotest.HalfReader(strings.NewReader(c.text)), iotest.DataErrReader(strings.NewReader(c.text))} {
				r, err := cdrcsv.New(from)
				if err != nil {
					t.Fatal(err)
				}
				records, problems := read(t, r)
				if diff := cmp.Diff(c.records, records); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(c.problems, problems); diff != "" {
					t.Error(diff)
				}
				if r.Rest() != c.rest || r.Place().Offset != int64(len(c.text)-c.rest) {
					t.Errorf("%d bytes are left, want %d; it is at %d of %d", r.Rest(), c.rest, r.Place().Offset, len(c.text))
				}
			}
		})
	}
}

// TestFiles that are none.
func TestFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                 "EOF",
		"\xff\xfe\"\x00":                   "the file is UTF-16; save it as UTF-8",
		"\x7fELF\x02\x01\x01":              "the file is not text; a Master.csv or a CSV export of the table cdr is wanted",
		"\x00\x00\x00\x00\x00\x00\x00\x00": "the file is not text; a Master.csv or a CSV export of the table cdr is wanted",
		"calldate,src,dst\n":               "the first line names the columns, but not duration, billsec, disposition",
	} {
		if _, err := cdrcsv.New(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := cdrcsv.New(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// TestSkipTo goes on at any record of a file, whatever stands before it.
func TestSkipTo(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"", "start,src,dst,duration,billsec,disposition\n"} {
		one, two := line("1", "2"), line("3", "4")
		if first != "" {
			one, two = "2026-11-20 22:08:09,1,2,3,0,BUSY\n", "2026-11-20 22:08:09,3,4,3,0,BUSY\n"
		}
		text := first + strings.Repeat(one, 3000) + "bad\n" + strings.Repeat(two, 3)
		r := reader(t, text)
		all, _ := read(t, r)
		for _, n := range []int{0, 1, 2999, 3000, 3001, 3003} {
			r := reader(t, text)
			var c cdrcsv.Record
			for range n {
				_ = r.Next(&c)
			}
			place := r.Place()
			again := reader(t, text)
			if err := again.SkipTo(place); err != nil || again.Place() != place {
				t.Fatal(err, again.Place(), place)
			}
			rest, problems := read(t, again)
			next := n
			if n > 3000 {
				next-- // one of them was the bad line
			}
			if !slices.Equal(rest, all[next:]) || n <= 3000 && !slices.Equal(problems, []string{again3001(first)}) {
				t.Errorf("behind %d: %d records, %v", n, len(rest), problems)
			}
		}
		if err := reader(t, text).SkipTo(cdrcsv.Place{Offset: int64(len(text)) + 1}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	}
}

func again3001(first string) string {
	if first == "" {
		return "line 3001: it has 1 fields, but Asterisk writes at least 16"
	}
	return "line 3002: it has 1 fields, but the first line has 6"
}

// FuzzReader: whatever a file has, every byte of it is passed, nothing panics, and to go on at any place gives the rest.
func FuzzReader(f *testing.F) {
	text, err := os.ReadFile("testdata/Master.csv")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("calldate;src;dst;duration;billsec;disposition\n2026-11-20 22:08:09;1;2;3;0;BUSY\n"))
	f.Add([]byte(line("1", "2") + line("3", "4")[:50] + "\n" + line("3", "4")))
	f.Add([]byte("\x00\x00\"\n\"\"\"\n,,,,\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := cdrcsv.New(bytes.NewReader(text))
		if err != nil {
			return
		}
		var c cdrcsv.Record
		var places []cdrcsv.Place
		var walls []int64
		for {
			place := r.Place()
			err := r.Next(&c)
			if errors.Is(err, io.EOF) {
				break
			}
			if r.Place().Offset <= place.Offset || r.Place().Line <= place.Line {
				t.Fatalf("it went from %v to %v", place, r.Place())
			}
			if err == nil {
				places, walls = append(places, place), append(walls, c.Wall)
				if c.Duration < 0 || c.BillSec < 0 || len(c.Disposition) == 0 {
					t.Fatalf("%+v", c)
				}
			}
		}
		if r.Place().Offset+int64(r.Rest()) > int64(len(text)) || len(bytes.Trim(text[r.Place().Offset:], "\r \t\x00")) > 0 && r.Rest() == 0 {
			t.Fatalf("it ended at %v with a rest of %d, of %d", r.Place(), r.Rest(), len(text))
		}
		for i, place := range places {
			again, err := cdrcsv.New(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := again.SkipTo(place); err != nil {
				t.Fatal(err)
			}
			for err = again.Next(&c); err != nil && !errors.Is(err, io.EOF); err = again.Next(&c) {
			}
			if err != nil || c.Wall != walls[i] {
				t.Fatalf("from %v on: %v, %d instead of %d", place, err, c.Wall, walls[i])
			}
			if i > 20 {
				break
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	text := strings.Repeat(line("2001", "4930123456"), 10_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r := reader(b, text)
		var c cdrcsv.Record
		for r.Next(&c) == nil {
		}
	}
}
