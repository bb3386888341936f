package queues

import (
	"slices"
	"strconv"
	"strings"
)

// Table is a report: all its values are texts, as the kept interface has them. Each row has a value for each column.
type Table struct {
	Columns []string
	Rows    [][]string
}

// Group is what was counted of one queue, agent, URL or whatever a report has its rows by. Groups of one name count together, so those
// of many days may be handed in as they are.
type Group struct {
	Name  string
	Facts Facts
}

// Reports are about passages that were answered and are over; open ones count nowhere in them, except in the hold times.

// ByQueue is answered_calls_by_queue.
func ByQueue(groups []Group) Table { return Shares("Queue", groups) }

// ByEvent is answered_calls_by_event.
func ByEvent(f *Facts) Table {
	var groups []Group
	for _, name := range [...]string{"COMPLETEAGENT", "COMPLETECALLER", "TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER", LostEvent} {
		g := Group{Name: name}
		*g.Facts.ending(name) = *f.ending(name)
		groups = append(groups, g)
	}
	return Shares("Event", groups)
}

// Shares is a report of answered calls by one thing, like answered_calls_by_url: how many, and which part of all. A group without a
// name is a row with an empty one; a group without answered calls is none.
func Shares(column string, groups []Group) Table {
	t := Table{Columns: []string{column, "Received", "% Calls"}}
	groups, all := merged(groups)
	for _, g := range groups {
		if n := g.Facts.Answered(); n > 0 {
			t.row(g.Name, n, Percent(n, all.Answered()))
		}
	}
	return t
}

// ByAgent is answered_calls_by_agent.
func ByAgent(groups []Group) Table {
	t := Table{Columns: []string{
		"Agent", "Received", "% Calls", "Talk Time", "% Talk Time", "Avg Talk Time", "Hold Time", "Avg Hold Time",
	}}
	groups, all := merged(groups)
	for _, g := range groups {
		f := &g.Facts
		if n := f.Answered(); n > 0 {
			t.row(g.Name, n, Percent(n, all.Answered()), f.Talked, Percent(f.Talked, all.Talked), Average(f.Talked, n), f.Held, Average(f.Held, n))
		}
	}
	return t
}

// ByHoldTime is answered_calls_by_holdtime: all rows, or none if nobody was answered.
func ByHoldTime(f *Facts) Table {
	t := Table{Columns: []string{"Hold Time", "Received", "Delta", "% Calls"}}
	all := int64(0)
	for _, n := range f.Holds {
		all += n
	}
	sum := int64(0)
	for i, n := range f.Holds {
		if all == 0 {
			break
		}
		name := strconv.FormatInt(HoldBounds[len(HoldBounds)-1]+1, 10) + "+"
		if i < len(HoldBounds) {
			name = strconv.FormatInt(HoldBounds[i], 10)
		}
		sum += n
		t.row(name, sum, n, Percent(sum, all))
	}
	return t
}

// Distribution is distribution_by_queue, or by whatever the groups are (an hour, a day): answered and unanswered passages that are over.
func Distribution(column string, groups []Group) Table {
	t := Table{Columns: []string{
		column, "Received", "% Calls", "Answered", "% Answered", "Unanswered", "% Unanswered", "Abandoned", "% Abandoned", "Avg Talk Time", "Avg Hold Time",
	}}
	groups, all := merged(groups)
	over := func(f *Facts) int64 { return f.Answered() + f.Unanswered() }
	for _, g := range groups {
		f := &g.Facts
		if n := over(f); n > 0 {
			t.row(g.Name, n, Percent(n, over(&all)), f.Answered(), Percent(f.Answered(), n), f.Unanswered(), Percent(f.Unanswered(), n),
				f.Abandoned, Percent(f.Abandoned, n), Average(f.Talked, f.Answered()), Average(f.Held, f.Connected()))
		}
	}
	return t
}

// row adds a row of texts and whole numbers.
func (t *Table) row(values ...any) {
	row := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case string:
			row[i] = v
		case int64:
			row[i] = strconv.FormatInt(v, 10)
		}
	}
	t.Rows = append(t.Rows, row)
}

// merged are the groups by name, each once, and all of them together.
func merged(groups []Group) (each []Group, all Facts) {
	each = slices.SortedStableFunc(slices.Values(groups), func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	n := 0
	for i := range each {
		all.Merge(&each[i].Facts)
		if n > 0 && each[n-1].Name == each[i].Name {
			each[n-1].Facts.Merge(&each[i].Facts)
			continue
		}
		each[n] = each[i]
		n++
	}
	return each[:n], all
}

// The figures of a queue or an agent. Each says how it is counted; print that with the figure.

// ASA is the average speed of answer: seconds waited by those connected ÷ those connected.
func (f *Facts) ASA() string { return Average(f.Held, f.Connected()) }

// AHT is the average handling time: (seconds talked + seconds after each call) ÷ answered calls. Time on hold is part of the talk, as
// Asterisk counts it; after each call is what the queue gives its agents (wrapuptime), which the log does not have.
func (f *Facts) AHT(wrapup int64) string { return Average(f.handled(wrapup), f.Answered()) }

// AbandonRate is abandoned ÷ (connected + unanswered), in percent.
func (f *Facts) AbandonRate() string { return Percent(f.Abandoned, f.Connected()+f.Unanswered()) }

// Occupancy is what part of the time in which agents were ready they handled calls: (seconds talked + after each call) ÷ (logged in and
// in no pause), in percent. It may be more than 100, when somebody talks on in a pause. Members written down in queues.conf have no
// sessions in the log: for them set a.Ready to the time they are there, less their pauses.
func Occupancy(f *Facts, wrapup int64, a *Attendance) string {
	return Percent(f.handled(wrapup), max(a.Ready, 0))
}

func (f *Facts) handled(wrapup int64) int64 { return f.Talked + f.Answered()*wrapup }
