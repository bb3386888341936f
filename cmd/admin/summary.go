package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// tally counts what a simulation plays. Nothing in it grows with the number of calls.
type tally struct {
	calls, dialled, answered int
	ended                    map[string]int // dialled, by DIALSTATUS
	refused                  map[string]int // by TALKTIME_STATUS
	talked                   time.Duration
	talkedSeconds            int64

	reducers, duplicates, lost, refills int

	authorize, reduce latencies

	pending    []expectation
	charged    int64        // seconds
	charge     money.Amount // SEC
	open       int          // not settled when compared
	left       int          // of which nobody told the end: open still
	reconciled int          // and settled or released by the reconciler
	unbound    int          // dialled without a limit
	troubles   int          // conversations that failed
	first      error        // of them

	differences []string
	differed    int
}

func newTally() tally { return tally{ended: map[string]int{}, refused: map[string]int{}} }

// count adds a call whose caller leg has ended.
func (t *tally) count(l *leg, status string) {
	t.calls++
	switch {
	case l.dialled:
		t.dialled++
		t.ended[l.status]++
	case status != "":
		t.refused[status]++
	}
	if l.unbound {
		t.unbound++
	}
	if l.answered {
		t.answered++
		t.talked += l.talked
		t.talkedSeconds += int64(l.talked / time.Second)
	}
}

func (t *tally) refusals() (n int) {
	for _, count := range t.refused {
		n += count
	}
	return n
}

func (t *tally) trouble(err error) {
	t.troubles++
	if t.first == nil {
		t.first = err
	}
}

func (t *tally) differ(format string, args ...any) {
	t.differed++
	if len(t.differences) < maxShownRows {
		t.differences = append(t.differences, fmt.Sprintf(format, args...))
	}
}

// latencies keeps the newest of many durations.
type latencies struct {
	kept []time.Duration
	next int
}

const maxLatencies = 100_000

func (l *latencies) add(d time.Duration) {
	if len(l.kept) < maxLatencies {
		l.kept = append(l.kept, d)
		return
	}
	l.kept[l.next] = d
	l.next = (l.next + 1) % maxLatencies
}

// percentile returns the duration that this share of all did not pass; 0 when there is none.
func (l *latencies) percentile(percent int) time.Duration {
	if len(l.kept) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l.kept))
	return sorted[(len(sorted)-1)*percent/100]
}

// summaryJSON is the outcome of a simulation.
type summaryJSON struct {
	Calls          int                 `json:"calls"`
	Dialled        int                 `json:"dialled"`
	Answered       int                 `json:"answered"`
	Ended          map[string]int      `json:"ended"`   // by DIALSTATUS
	Refused        map[string]int      `json:"refused"` // by TALKTIME_STATUS
	Troubles       int                 `json:"troubles"`
	FirstTrouble   string              `json:"first_trouble,omitempty"`
	Reducers       int                 `json:"reducers"`
	Duplicates     int                 `json:"duplicate_reducers"`
	Lost           int                 `json:"lost_reducers"`
	Refills        int                 `json:"refills"`
	TalkedMS       int64               `json:"talked_ms"`
	TalkedSeconds  int64               `json:"talked_seconds"` // of each call the whole ones
	ChargedSeconds int64               `json:"charged_seconds"`
	Charge         money.Amount        `json:"charge"`
	LeftOpen       int                 `json:"left_open"`
	LeftToOthers   int                 `json:"left_to_reconciler"` // of LeftOpen, those whose reducer was lost
	Reconciled     int                 `json:"reconciled"`         // the others whose reducer was lost
	Unbound        int                 `json:"dialled_without_limit"`
	AuthorizeP50   int64               `json:"authorize_p50_us"`
	AuthorizeP99   int64               `json:"authorize_p99_us"`
	ReducerP50     int64               `json:"reducer_p50_us"`
	ReducerP99     int64               `json:"reducer_p99_us"`
	DifferentCalls int                 `json:"different_calls"`
	Differences    []string            `json:"differences"` // the first of them
	Audit          billing.AuditReport `json:"audit"`
}

func (s *simulation) summary() summaryJSON {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.tally
	sum := summaryJSON{
		Calls: t.calls, Dialled: t.dialled, Answered: t.answered, Ended: t.ended, Refused: t.refused, Troubles: t.troubles,
		Reducers: t.reducers, Duplicates: t.duplicates, Lost: t.lost, Refills: t.refills,
		TalkedMS: t.talked.Milliseconds(), TalkedSeconds: t.talkedSeconds, ChargedSeconds: t.charged, Charge: t.charge,
		LeftOpen: t.open + t.left, LeftToOthers: t.left, Reconciled: t.reconciled, Unbound: t.unbound,
		AuthorizeP50: t.authorize.percentile(50).Microseconds(), AuthorizeP99: t.authorize.percentile(99).Microseconds(),
		ReducerP50: t.reduce.percentile(50).Microseconds(), ReducerP99: t.reduce.percentile(99).Microseconds(),
		DifferentCalls: t.differed, Differences: append([]string{}, t.differences...),
	}
	if t.first != nil {
		sum.FirstTrouble = t.first.Error()
	}
	return sum
}

// failure says what of a simulation must not be.
func (s summaryJSON) failure() error {
	var wrong []error
	if s.DifferentCalls > 0 {
		wrong = append(wrong, fmt.Errorf("%d calls were not charged as they were talked; the first: %s", s.DifferentCalls, s.Differences[0]))
	}
	if s.Unbound > 0 {
		wrong = append(wrong, fmt.Errorf("%d calls were dialled without a limit", s.Unbound))
	}
	if open := s.LeftOpen - s.LeftToOthers; open > 0 && s.Troubles == 0 {
		wrong = append(wrong, fmt.Errorf("%d calls were left open, although nothing was interrupted", open))
	}
	if s.Troubles > 0 {
		wrong = append(wrong, fmt.Errorf("%d conversations failed, and %d calls were left open; the first: %s", s.Troubles, s.LeftOpen, s.FirstTrouble))
	}
	return errors.Join(wrong...)
}

func (c *command) printSummary(s summaryJSON) {
	count := strconv.Itoa
	rows := [][]string{{"calls", count(s.Calls)}, {"dialled", count(s.Dialled)}}
	for _, status := range slices.Sorted(maps.Keys(s.Ended)) {
		rows = append(rows, []string{"  " + status, count(s.Ended[status])})
	}
	for _, status := range slices.Sorted(maps.Keys(s.Refused)) {
		rows = append(rows, []string{"refused, " + status, count(s.Refused[status])})
	}
	ms := func(us int64) string { return strconv.FormatFloat(float64(us)/1000, 'f', 1, 64) + " ms" }
	rows = append(rows, [][]string{
		{"failed conversations", count(s.Troubles)},
		{"reducers run", count(s.Reducers)},
		{"calls whose reducer ran twice", count(s.Duplicates)},
		{"calls whose reducer never ran", count(s.Lost)},
		{"demo users topped up", count(s.Refills)},
		{"seconds talked", strconv.FormatInt(s.TalkedSeconds, 10)},
		{"seconds charged", strconv.FormatInt(s.ChargedSeconds, 10)},
		{"charge in " + models.SEC, s.Charge.String()},
		{"calls left open", count(s.LeftOpen)},
		{"  of them for the reconciler, their reducers being lost", count(s.LeftToOthers)},
		{"calls of lost reducers that it has decided", count(s.Reconciled)},
		{"calls charged otherwise than talked", count(s.DifferentCalls)},
		{"authorise, half within", ms(s.AuthorizeP50)},
		{"authorise, 99 % within", ms(s.AuthorizeP99)},
		{"reducer, half within", ms(s.ReducerP50)},
		{"reducer, 99 % within", ms(s.ReducerP99)},
	}...)
	table{{}, {right: true}}.write(c.out, rows)
	for _, difference := range s.Differences {
		c.out.f("%s\n", difference)
	}
	if s.Troubles > 0 {
		c.note("%d conversations failed; the first: %s", s.Troubles, s.FirstTrouble)
	}
	c.out.f("\nAudit\n")
	c.printAudit(s.Audit)
}
