package reports_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/queues"
	"talktime/queues/reports"
)

// A call that is connected twice, over midnight, in two queues.
var twoQueues = []string{
	"1812585590|9.1|NONE|NONE|DID|5550100",
	"1812585590|9.1|sales|NONE|ENTERQUEUE|http://a|5550177|1", // 2027-06-09 23:59:50
	"1812585592|9.1|sales|Bob|RINGNOANSWER|2000",
	"1812585595|9.1|sales|Iva Moss|CONNECT|5|9.2|3",
	"1812585605|9.1|sales|Iva Moss|BLINDTRANSFER|support|queues|5|10|1",
	"1812585606|9.1|support|NONE|ENTERQUEUE|http://b|5550177|1||Sale", // 2027-06-10 00:00:06
	"1812585610|9.1|support|Bob|CONNECT|4|9.3|2",
	"1812585630|9.1|support|Bob|COMPLETEAGENT|4|20|1",
}

type recordings struct {
	asked [][]string
	err   error
}

func (r *recordings) Recordings(_ context.Context, ids []string, from, to time.Time) (map[string]string, error) {
	r.asked = append(r.asked, ids)
	if !from.Before(time.Unix(1812585590, 0)) || !to.After(time.Unix(1812585590, 0)) {
		return nil, fmt.Errorf("asked for %s to %s", from, to)
	}
	return map[string]string{"9.1": "q-sales-9.1.wav"}, r.err
}

func TestRowsOfTwoConnects(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Unix(1812585990, 0) }
	m := newMemory(now, twoQueues...)
	m.named = map[string]string{"sales": "Sales"}
	s := service(m, time.UTC)
	files := &recordings{}
	s.Recordings = files
	f := utcDay(9)
	f.To = f.To.AddDate(0, 0, 1)
	rows, err := s.Rows(t.Context(), everything, f, true)
	if err != nil || len(rows) != 2 || len(files.asked) != 1 {
		t.Fatal(rows, err, files.asked)
	}
	r := rows[0]
	if r.QueueKey != "sales" || r.QueueShown != "Sales" || r.AgentShown != "Iva Moss" || r.Wait != 5 || r.Ring != 3 || r.Talk != 10 || r.End != "BLINDTRANSFER" ||
		r.URL != "http://a" || r.DID != "5550100" || r.Recording != "q-sales-9.1.wav" || r.At != 1812585595*queues.Second {
		t.Errorf("%+v", r)
	}
	for day, queue := range map[int]string{9: "sales", 10: "support"} {
		if rows, err := s.Rows(t.Context(), everything, utcDay(day), true); err != nil || len(rows) != 1 || rows[0].QueueKey != queue {
			t.Error(day, rows, err)
		}
	}
	var log strings.Builder
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	for times, errs := range [][]error{{nil}, {errors.New("no database"), errors.New("no database")}, {errors.New("no table"), nil, errors.New("no table")}} {
		log.Reset()
		for _, files.err = range errs {
			if rows, err := s.Rows(t.Context(), everything, f, true); err != nil || len(rows) != 2 || rows[0].Recording != "" && files.err != nil {
				t.Error(rows, err)
			}
		}
		if n := strings.Count(log.String(), "level=WARN"); n != times {
			t.Errorf("%v: told %d times: %s", errs, n, &log)
		}
	}
}

func TestSearchOfTwoQueues(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Unix(1812585990, 0) }
	waits := []string{"1812585900|9.9|sales|NONE|ENTERQUEUE||5550199|1"}
	s := service(newMemory(now, append(waits, twoQueues...)...), time.UTC)
	f := utcDay(9)
	f.To = f.To.AddDate(0, 0, 1)
	search := func(who reports.Scope, change func(*reports.Search)) []reports.FoundCall {
		t.Helper()
		w := reports.Search{Filter: f}
		change(&w)
		found, err := s.Search(t.Context(), who, w)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	found := search(everything, func(*reports.Search) {})
	if len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	c := found[0]
	if c.First != "ENTERQUEUE" || len(c.Passages) != 2 || c.Caller != "5550177" || c.Queue != "support" || c.Agent != "Bob" || c.Wait != 4 || c.Waits != 9 || c.Talk != 30 ||
		c.Duration() != 40 || c.Final != "COMPLETEAGENT" || c.Tag != "Sale" || c.DID != "5550100" || c.URL != "http://a" {
		t.Errorf("%+v", c)
	}
	for name, change := range map[string]func(*reports.Search){
		"first day":     func(w *reports.Search) { w.To = w.To.AddDate(0, 0, -1) },
		"part of clid":  func(w *reports.Search) { w.Caller = "5017" },
		"url":           func(w *reports.Search) { w.URL = "http://a" },
		"tag":           func(w *reports.Search) { w.Tag = "Sale" },
		"did":           func(w *reports.Search) { w.DID = "5550100" },
		"id":            func(w *reports.Search) { w.ID = "9.1" },
		"first queue":   func(w *reports.Search) { w.Queues = []string{"sales"} },
		"first agent":   func(w *reports.Search) { w.Agents = []string{"Iva Moss"} },
		"talk exactly":  func(w *reports.Search) { w.Talk = reports.Seconds{Min: 30, Max: 30} },
		"wait at least": func(w *reports.Search) { w.Wait = reports.Seconds{Min: 4} },
		"window":        func(w *reports.Search) { w.Window = reports.Window{From: 86390, To: 86399} },
		"over midnight": func(w *reports.Search) { w.Window = reports.Window{From: 86390, To: 10} },
		"all together": func(w *reports.Search) {
			w.Caller, w.URL, w.Tag, w.DID, w.Talk, w.Queues = "555", "http://a", "Sale", "5550100", reports.Seconds{Min: 1}, []string{"support"}
		},
	} {
		if found := search(everything, change); len(found) != 1 {
			t.Error(name, "does not find it")
		}
	}
	for name, change := range map[string]func(*reports.Search){
		"second day":        func(w *reports.Search) { w.From = w.From.AddDate(0, 0, 1) },
		"another clid":      func(w *reports.Search) { w.Caller = "5550199" },
		"second url":        func(w *reports.Search) { w.URL = "http://b" },
		"half a tag":        func(w *reports.Search) { w.Tag = "Sal" },
		"another did":       func(w *reports.Search) { w.DID = "555010" },
		"another id":        func(w *reports.Search) { w.ID = "9" },
		"another queue":     func(w *reports.Search) { w.Queues = []string{"slow"} },
		"who did not talk":  func(w *reports.Search) { w.Agents = []string{"NONE"} },
		"talk at most":      func(w *reports.Search) { w.Talk = reports.Seconds{Max: 29} },
		"wait of the first": func(w *reports.Search) { w.Wait = reports.Seconds{Min: 5} },
		"window":            func(w *reports.Search) { w.Window = reports.Window{From: 0, To: 86389} },
	} {
		if found := search(everything, change); len(found) != 0 {
			t.Error(name, "finds it")
		}
	}
	t.Run("in part", func(t *testing.T) {
		found := search(reports.Scope{Queues: []string{"support"}}, func(*reports.Search) {})
		if len(found) != 1 {
			t.Fatal(found)
		}
		c := found[0]
		if len(c.Passages) != 1 || c.Start != 1812585606*queues.Second || c.Waits != 4 || c.Talk != 20 || c.Duration() != 24 || c.URL != "http://b" || len(c.NoAnswers) != 0 {
			t.Errorf("%+v", c)
		}
		c = search(reports.Scope{Queues: []string{"sales"}}, func(*reports.Search) {})[0]
		if c.Queue != "sales" || c.Agent != "Iva Moss" || c.Final != "BLINDTRANSFER" || c.Talk != 10 || c.Tag != "" || c.Duration() != 15 || len(c.NoAnswers) != 1 {
			t.Errorf("%+v", c)
		}
		for name, who := range map[string]reports.Scope{
			"another queue": {Queues: []string{"slow"}}, "another agent": {Agents: []string{"Eve"}}, "nothing": {}, "not together": {Queues: []string{"sales"}, Agents: []string{"Bob"}},
		} {
			if found := search(who, func(*reports.Search) {}); len(found) != 0 {
				t.Error(name, "is seen")
			}
		}
		if found := search(reports.Scope{Queues: []string{"sales"}}, func(w *reports.Search) { w.Agents = []string{"Bob"} }); len(found) != 0 {
			t.Error("what Bob did in another queue is seen")
		}
	})
}

func TestCallFlow(t *testing.T) {
	t.Parallel()
	shuffled := slices.Clone(twoQueues)
	slices.Reverse(shuffled)
	m := newMemory(atTen, append(shuffled, twoQueues[3])...)
	m.named = map[string]string{"sales": "Sales"}
	s := service(m, time.UTC)
	flow := func(who reports.Scope, id string) (text []string) {
		t.Helper()
		events, err := s.Call(t.Context(), who, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			text = append(text, strings.Join([]string{e.QueueShown, e.AgentShown, e.Name}, " "))
		}
		return text
	}
	whole := []string{
		"NONE NONE DID", "Sales NONE ENTERQUEUE", "Sales Bob RINGNOANSWER", "Sales Iva Moss CONNECT", "Sales Iva Moss BLINDTRANSFER", "support NONE ENTERQUEUE", "support Bob CONNECT", "support Bob COMPLETEAGENT",
	}
	for _, test := range []struct {
		name string
		who  reports.Scope
		want []string
	}{
		{"all", everything, whole},
		{"nothing", reports.Scope{}, nil},
		{"one queue", reports.Scope{Queues: []string{"support"}}, []string{whole[0], whole[5], whole[6], whole[7]}},
		{"one queue and one agent", reports.Scope{Queues: []string{"sales"}, Agents: []string{"Iva Moss"}}, []string{whole[0], whole[1], whole[3], whole[4]}},
		{"one agent", reports.Scope{Agents: []string{"Iva Moss"}}, []string{whole[0], whole[1], whole[3], whole[4], whole[5]}},
		{"another queue", reports.Scope{Queues: []string{"slow"}}, nil},
		{"an agent whom nobody reached", reports.Scope{Agents: []string{"Eve"}}, nil},
	} {
		if diff := cmp.Diff(test.want, flow(test.who, "9.1")); diff != "" {
			t.Error(test.name, diff)
		}
	}
	// The end of the first passage and all of the second one in one second, as a file has it.
	m.add("1812528000|7.1|slow|NONE|ENTERQUEUE||5550177|1", "1812528003|7.1|slow|Eve|RINGNOANSWER|3000", "1812528003|7.1|slow|NONE|EXITWITHTIMEOUT|1|1|3",
		"1812528003|7.1|sales|NONE|ENTERQUEUE||5550177|1", "1812528003|7.1|sales|Bob|CONNECT|0|7.2|0", "1812528009|7.1|sales|Bob|COMPLETECALLER|0|6|1")
	if diff := cmp.Diff([]string{
		"slow NONE ENTERQUEUE", "slow Eve RINGNOANSWER", "slow NONE EXITWITHTIMEOUT", "Sales NONE ENTERQUEUE", "Sales Bob CONNECT", "Sales Bob COMPLETECALLER",
	}, flow(everything, "7.1")); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{"", "NONE", "9", "9.1 ", "nobody"} {
		if got := flow(everything, id); got != nil {
			t.Error(id, got)
		}
	}
}

// recorded has a recording of every call, named as FreePBX does.
type recorded struct{}

func (recorded) Recordings(_ context.Context, ids []string, _, _ time.Time) (map[string]string, error) {
	names := map[string]string{}
	for _, id := range ids {
		names[id] = "q-vip-5550177-" + id + ".wav"
	}
	return names, nil
}

// TestRecordingNamesQueue: the name of a recording is for those who may see all of the call: that of its first queue stands in it.
func TestRecordingNamesQueue(t *testing.T) {
	t.Parallel()
	line := func(at int, rest string) string { return fmt.Sprintf("%d|%s", nine+at, rest) }
	s := service(newMemory(atTen, append(answered(1, "support", "Al"),
		line(0, "1.1|vip|NONE|ENTERQUEUE||5550177|1"), line(10, "1.1|vip|Boss|CONNECT|10|2.1|1"), line(610, "1.1|vip|Boss|BLINDTRANSFER|600|x|10|600|1"),
		line(611, "1.1|support|NONE|ENTERQUEUE||5550177|1"), line(613, "1.1|support|Al|CONNECT|2|2.2|1"), line(620, "1.1|support|Al|COMPLETECALLER|2|7|1"))...), time.UTC)
	s.Recordings = recorded{}
	const one, two = "q-vip-5550177-support.0.wav", "q-vip-5550177-1.1.wav"
	for _, test := range []struct {
		who  reports.Scope
		want []string
	}{
		{everything, []string{one, two}},
		{reports.Scope{Queues: []string{"support"}}, []string{one, ""}},
		{reports.Scope{Agents: []string{"Al"}}, []string{one, ""}},
		{reports.Scope{Queues: []string{"support", "vip"}}, []string{one, two}},
		{reports.Scope{Queues: []string{"support", "vip"}, Agents: []string{"Al"}}, []string{one, ""}},
	} {
		f := utcDay(9)
		f.Queues = []string{"support"}
		rows, err := s.Rows(t.Context(), test.who, f, true)
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.Search(t.Context(), test.who, reports.Search{Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(found, func(a, b reports.FoundCall) int { return -strings.Compare(a.ID, b.ID) })
		var inRows, inSearch []string
		for _, r := range rows {
			inRows = append(inRows, r.Recording)
		}
		for _, c := range found {
			inSearch = append(inSearch, c.Recording)
		}
		if !slices.Equal(inRows, test.want) || !slices.Equal(inSearch, test.want) {
			t.Errorf("%+v: %q in rows, %q in search, want %q", test.who, inRows, inSearch, test.want)
		}
	}
}

// TestTooMany: a list that is too long is an error long before it is in memory.
func TestTooMany(t *testing.T) {
	t.Parallel()
	s := service(newMemory(atTen, answered(1, "sales", "Bob")...), time.UTC)
	s.Keeper = &endless{memory: s.Keeper.(*memory)}
	if _, err := s.Rows(t.Context(), everything, utcDay(9), true); !errors.Is(err, reports.ErrTooMany) {
		t.Error(err)
	}
	if _, err := s.Search(t.Context(), everything, reports.Search{Filter: utcDay(9)}); !errors.Is(err, reports.ErrTooMany) {
		t.Error(err)
	}
	if _, err := s.Callbacks(t.Context(), everything, utcDay(9), time.Hour); !errors.Is(err, reports.ErrTooMany) {
		t.Error(err)
	}
}

// endless has no end of calls.
type endless struct{ *memory }

func (e *endless) QueueDetails(_ context.Context, _, _ int64, _, _ []int32, each func(*queues.Detail) error) error {
	for i := 0; ; i++ {
		outcome := []queues.Outcome{queues.Answered, queues.Abandoned}[i%2]
		if err := each(&queues.Detail{Item: queues.Item{At: nine * queues.Second, Queue: 1, Agent: 1, Outcome: outcome}}); err != nil {
			return err
		}
	}
}

func (e *endless) QueueCalls(_ context.Context, _ queues.Wanted, each func(string, []byte) error) error {
	for {
		if err := each("1.1", []byte("1812531600|1.1|a|NONE|ENTERQUEUE||1|1\n1812531601|1.1|a|NONE|ABANDON|1|1|1\n")); err != nil {
			return err
		}
	}
}
