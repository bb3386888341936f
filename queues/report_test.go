package queues_test

import (
	"errors"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/queues"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		part, whole int64
		percent     string
		average     string
		mean        int64
	}{
		{165, 232, "71.12", "0.71", 1},
		{67, 232, "28.88", "0.29", 0},
		{4, 45, "8.89", "0.09", 0},
		{24, 758, "3.17", "0.03", 0},
		{0, 0, "0", "0", 0},
		{7, 0, "0", "0", 0},
		{0, 9, "0.00", "0.00", 0},
		{9, 9, "100.00", "1.00", 1},
		{1, 8, "12.50", "0.13", 0}, // 0.125: half a hundredth goes up
		{1, 800, "0.13", "0.00", 0},
		{1, 20001, "0.00", "0.00", 0},
		{1, 20000, "0.01", "0.00", 0}, // 0.005
		{5, 2, "250.00", "2.50", 3},
		{-5, 2, "-250.00", "-2.50", -3},
		{-1, 8, "-12.50", "-0.13", 0},
		{1, 3, "33.33", "0.33", 0},
		{2, 3, "66.67", "0.67", 1},
		{900_000_000_000_000, 1_800_000_000_000_000, "50.00", "0.50", 1},
		{math.MaxInt64, math.MaxInt64, "100.00", "1.00", 1},
		{math.MinInt64, math.MinInt64, "100.00", "1.00", 1},
		{math.MaxInt64, 1, "92233720368547758.07", "92233720368547758.07", math.MaxInt64}, // as large as it gets
	} {
		percent, average, mean := queues.Percent(test.part, test.whole), queues.Average(test.part, test.whole), queues.Mean(test.part, test.whole)
		if percent != test.percent || average != test.average || mean != test.mean {
			t.Errorf("%d of %d: %s %%, %s, %d", test.part, test.whole, percent, average, mean)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		part, whole := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "part"), rapid.Int64Range(1, 1<<40).Draw(t, "whole")
		want := big.NewRat(part, whole)
		if got := queues.Average(part, whole); got != strings.Replace(want.FloatString(2), "-0.00", "0.00", 1) { // it rounds half away from zero too
			t.Fatalf("%d / %d: %s", part, whole, got)
		}
		want.Mul(want, big.NewRat(100, 1))
		if got := queues.Percent(part, whole); got != strings.Replace(want.FloatString(2), "-0.00", "0.00", 1) {
			t.Fatalf("%d / %d: %s", part, whole, got)
		}
	})
}

// passage is one that was answered after some seconds.
func passage(wait, talk int64, end string) *queues.Passage {
	return &queues.Passage{Entered: at(0), Connected: at(wait), Ended: at(wait + talk), Wait: wait, Talk: talk, Outcome: queues.Answered, End: end}
}

func gone(wait int64, outcome queues.Outcome) *queues.Passage {
	return &queues.Passage{Entered: at(0), Ended: at(wait), Wait: wait, Outcome: outcome, End: "X"}
}

// count hands out what a call adds to the facts: for each passage one, and for each telephone that rang in vain one, with the time, the queue
// and the agent it counts for.
func count(c *queues.Call, each func(moment int64, queue, agent string, f *queues.Facts)) {
	for i := range c.Passages {
		p := &c.Passages[i]
		each(p.Moment(), p.Queue, p.Agent, new(factsOf(p)))
	}
	for _, n := range c.NoAnswers {
		var f queues.Facts
		f.AddItem(&queues.Item{NoAnswer: true, Millis: n.Millis})
		each(n.At, n.Queue, n.Agent, &f)
	}
}

// waited counts how long the caller of a passage waited.
func waited(w *queues.Waits, p *queues.Passage) {
	w.AddItem(&queues.Item{Outcome: p.Outcome, Wait: p.Wait})
}

func factsOf(passages ...*queues.Passage) (f queues.Facts) {
	for _, p := range passages {
		f.Add(p)
	}
	return f
}

func answered(n int64) queues.Facts {
	return queues.Facts{Offered: n, CompletedByCaller: n, Holds: [7]int64{n}}
}

func TestByQueue(t *testing.T) {
	t.Parallel()
	got := queues.ByQueue([]queues.Group{
		{Name: "support", Facts: answered(60)},
		{Name: "idle", Facts: queues.Facts{Offered: 5, Abandoned: 5}},
		{Name: "sales", Facts: answered(165)},
		{Name: "support", Facts: answered(7)}, // of another day
	})
	want := queues.Table{
		Columns: []string{"Queue", "Received", "% Calls"},
		Rows:    [][]string{{"sales", "165", "71.12"}, {"support", "67", "28.88"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if rows := queues.ByQueue(nil).Rows; len(rows) != 0 {
		t.Errorf("of nothing: %v", rows)
	}
	if rows := queues.Shares("URL", []queues.Group{{"", answered(1)}, {"http://a", answered(2)}}).Rows; !reflect.DeepEqual(rows, [][]string{{"", "1", "33.33"}, {"http://a", "2", "66.67"}}) {
		t.Errorf("by URL: %v", rows)
	}
}

func TestByAgent(t *testing.T) {
	t.Parallel()
	got := queues.ByAgent([]queues.Group{
		{"Iva Moss", factsOf(passage(10, 100, "COMPLETEAGENT"), passage(0, 50, "COMPLETECALLER"), passage(3, 0, "TRANSFER"))},
		{"Bob", factsOf(passage(7, 50, "BLINDTRANSFER"))},
		{"NONE", factsOf(gone(9, queues.Abandoned))},
	})
	want := queues.Table{
		Columns: []string{"Agent", "Received", "% Calls", "Talk Time", "% Talk Time", "Avg Talk Time", "Hold Time", "Avg Hold Time"},
		Rows: [][]string{
			{"Bob", "1", "25.00", "50", "25.00", "50.00", "7", "7.00"},
			{"Iva Moss", "3", "75.00", "150", "75.00", "50.00", "13", "4.33"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestByHoldTime(t *testing.T) {
	t.Parallel()
	f := factsOf()
	for _, wait := range []int64{0, 15, 16, 30, 31, 60, 75, 76, 90, 91, 4000} {
		f.Add(passage(wait, 1, "COMPLETEAGENT"))
	}
	want := [][]string{
		{"15", "2", "2", "18.18"},
		{"30", "4", "2", "36.36"},
		{"45", "5", "1", "45.45"},
		{"60", "6", "1", "54.55"},
		{"75", "7", "1", "63.64"},
		{"90", "9", "2", "81.82"},
		{"91+", "11", "2", "100.00"},
	}
	if diff := cmp.Diff(queues.Table{Columns: []string{"Hold Time", "Received", "Delta", "% Calls"}, Rows: want}, queues.ByHoldTime(&f)); diff != "" {
		t.Error(diff)
	}
	f = factsOf(gone(3, queues.Abandoned))
	if rows := queues.ByHoldTime(&f).Rows; len(rows) != 0 {
		t.Errorf("nobody was answered: %v", rows)
	}
}

func TestByEvent(t *testing.T) {
	t.Parallel()
	f := factsOf(
		passage(1, 1, "COMPLETEAGENT"), passage(1, 1, "COMPLETECALLER"), passage(1, 1, "COMPLETECALLER"), passage(1, 1, "TRANSFER"),
		passage(1, 1, "BLINDTRANSFER"), passage(1, 1, "ATTENDEDTRANSFER"), passage(1, 1, queues.LostEvent), passage(1, 1, "COMPLETECALLER"), gone(1, queues.Abandoned))
	want := [][]string{
		{"ATTENDEDTRANSFER", "1", "12.50"},
		{"BLINDTRANSFER", "1", "12.50"},
		{"COMPLETEAGENT", "1", "12.50"},
		{"COMPLETECALLER", "3", "37.50"},
		{"LOST", "1", "12.50"},
		{"TRANSFER", "1", "12.50"},
	}
	if diff := cmp.Diff(queues.Table{Columns: []string{"Event", "Received", "% Calls"}, Rows: want}, queues.ByEvent(&f)); diff != "" {
		t.Error(diff)
	}
}

func TestDistribution(t *testing.T) {
	t.Parallel()
	got := queues.Distribution("Queue", []queues.Group{
		{"sales", factsOf(passage(10, 100, "COMPLETEAGENT"), gone(5, queues.Abandoned), gone(60, queues.TimedOut), &queues.Passage{Outcome: queues.Waiting})},
		{"support", factsOf(gone(1, queues.Lost))},
		{"new", factsOf(&queues.Passage{Outcome: queues.Waiting})},
	})
	want := queues.Table{
		Columns: []string{"Queue", "Received", "% Calls", "Answered", "% Answered", "Unanswered", "% Unanswered", "Abandoned", "% Abandoned", "Avg Talk Time", "Avg Hold Time"},
		Rows: [][]string{
			{"sales", "3", "75.00", "1", "33.33", "2", "66.67", "1", "33.33", "100.00", "10.00"},
			{"support", "1", "25.00", "0", "0.00", "1", "100.00", "0", "0.00", "0", "0"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFactsOfACall(t *testing.T) {
	t.Parallel()
	call := queues.Assemble(script(t, `
		0|sales|NONE|ENTERQUEUE||5550177|1
		6|sales|Bob|RINGNOANSWER|6000
		20|sales|Iva|CONNECT|20|1.12|4
		80|sales|Iva|BLINDTRANSFER|700|internal|20|60|1
		80|support|NONE|ENTERQUEUE||5550177|1
		95|support|NONE|ABANDON|1|1|15
		96|support|NONE|ENTERQUEUE||5550177|1`), time.UnixMicro(at(100)))
	type cell struct {
		second       int64
		queue, agent string
	}
	got := map[cell]queues.Facts{}
	var all queues.Facts
	count(&call, func(moment int64, queue, agent string, f *queues.Facts) {
		got[cell{(moment - at(0)) / queues.Second, queue, agent}] = *f
		all.Merge(f)
	})
	want := map[cell]queues.Facts{
		{20, "sales", "Iva"}:    {Offered: 1, BlindTransferred: 1, Held: 20, LongestHeld: 20, Holds: [7]int64{0, 1}, Rung: 4, Talked: 60},
		{6, "sales", "Bob"}:     {NoAnswers: 1, NoAnswerMS: 6000},
		{95, "support", "NONE"}: {Offered: 1, Abandoned: 1, Forsaken: 15, LongestLeft: 15},
		{96, "support", "NONE"}: {Offered: 1, Waiting: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := all.Check(); err != nil || all.Offered != 3 || all.Answered() != 1 || all.Unanswered() != 1 || all.Waiting != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	all.Offered++
	if err := all.Check(); !errors.Is(err, queues.ErrCount) || !strings.Contains(err.Error(), "4 entered, but 1 answered + 1 unanswered + 0 talking + 1 waiting are 3") {
		t.Errorf("one too many: %v", err)
	}
	all.Offered, all.Holds[3] = 3, 1
	if err := all.Check(); !errors.Is(err, queues.ErrCount) {
		t.Errorf("one hold time too many: %v", err)
	}
}

func TestServiceFigures(t *testing.T) {
	t.Parallel()
	passages := []*queues.Passage{
		passage(5, 100, "COMPLETEAGENT"), passage(20, 60, "COMPLETECALLER"), passage(21, 30, "COMPLETECALLER"), passage(200, 10, "TRANSFER"),
		gone(4, queues.Abandoned), gone(20, queues.Abandoned), gone(60, queues.TimedOut),
		{Outcome: queues.Talking, Entered: at(0), Connected: at(12), Wait: 12},
		{Outcome: queues.Waiting, Entered: at(0)},
	}
	f := factsOf(passages...)
	var w queues.Waits
	for _, p := range passages {
		waited(&w, p)
	}
	a := queues.Attendance{Ready: 1000}
	got := []string{f.ASA(), f.AHT(0), f.AHT(15), f.AbandonRate(), queues.Occupancy(&f, 15, &a), w.ServiceLevel(20), w.ServiceLevel(0), w.ServiceLevel(200)}
	// (5+20+21+200+12)/5; 200/4; 260/4; 2 of 5+3; 260 of 1000; 3 of 8 within 20 s; none; 5 of 8.
	want := []string{"51.60", "50.00", "65.00", "25.00", "26.00", "37.50", "0.00", "62.50"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := []int64{w.Percentile(1), w.Percentile(50), w.Percentile(60), w.Percentile(80), w.Percentile(81), w.Percentile(100)}; !reflect.DeepEqual(got, []int64{5, 20, 20, 21, 200, 200}) {
		t.Errorf("percentiles %v", got)
	}
	var nobody queues.Facts
	var nothing queues.Waits
	if got := []string{nobody.ASA(), nobody.AHT(10), nobody.AbandonRate(), queues.Occupancy(&f, 0, &queues.Attendance{}), nothing.ServiceLevel(20)}; !reflect.DeepEqual(got, []string{"0", "0", "0", "0", "0"}) || nothing.Percentile(50) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

// TestFactsAddUp: every field counts in Merge, and parts in any number come to the whole.
func TestFactsAddUp(t *testing.T) {
	t.Parallel()
	var one queues.Facts
	fields := reflect.ValueOf(&one).Elem()
	for i := range fields.NumField() {
		if field := fields.Field(i); field.Kind() == reflect.Int64 {
			field.SetInt(int64(i) + 1)
		}
	}
	one.Holds = [7]int64{1, 2, 3, 4, 5, 6, 7}
	sum := one
	sum.Merge(&one)
	doubled := reflect.ValueOf(sum)
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		switch field := doubled.Field(i); {
		case strings.HasPrefix(name, "Longest"):
			if field.Int() != int64(i)+1 {
				t.Errorf("%s is %d", name, field.Int())
			}
		case field.Kind() == reflect.Int64 && field.Int() != 2*(int64(i)+1):
			t.Errorf("%s is %d", name, field.Int())
		}
	}
	if sum.Holds != [7]int64{2, 4, 6, 8, 10, 12, 14} {
		t.Errorf("hold times %v", sum.Holds)
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var whole, sum queues.Waits
		count := map[[2]int64]int64{}
		for range rapid.IntRange(0, 5).Draw(t, "days") {
			var day queues.Waits
			for _, wait := range rapid.SliceOf(rapid.Int64Range(0, 100)).Draw(t, "waits") {
				p, answered := gone(wait, queues.Abandoned), int64(0)
				if wait%3 == 0 {
					p, answered = passage(wait, 1, "COMPLETEAGENT"), 1
				}
				waited(&day, p)
				waited(&whole, p)
				count[[2]int64{wait, answered}]++
			}
			sum.Merge(&day)
		}
		if !reflect.DeepEqual(whole, sum) {
			t.Fatalf("%+v, in parts %+v", whole, sum)
		}
		within := rapid.Int64Range(0, 100).Draw(t, "within")
		var connected, unanswered int64
		for key, n := range count {
			switch {
			case key[0] > within:
			case key[1] == 1:
				connected += n
			default:
				unanswered += n
			}
		}
		if c, u := whole.Within(within); c != connected || u != unanswered {
			t.Fatalf("within %d s: %d and %d, not %d and %d", within, c, u, connected, unanswered)
		}
	})
}
