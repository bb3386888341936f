package tariff

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// maxFindings is how many findings of a kind are spelt out.
const maxFindings = 1000

// Finding is one thing that an operator should know of a new version.
type Finding struct {
	Line   int    `json:"line"` // of the file; 0: of the version before
	Prefix string `json:"prefix"`
	Text   string `json:"text"`
}

// Findings are those of a kind: all are counted, the first are spelt out.
type Findings struct {
	Count int       `json:"count"`
	First []Finding `json:"first"`
}

func (f *Findings) add(line int, prefix, format string, args ...any) {
	f.Count++
	if len(f.First) < maxFindings {
		f.First = append(f.First, Finding{line, prefix, fmt.Sprintf(format, args...)})
	}
}

// Report is what a new version of a deck would change.
type Report struct {
	Rates     int      `json:"rates"`
	Bad       Findings `json:"bad"`        // rows that make no sense; with any of these nothing is imported
	Duplicate Findings `json:"duplicates"` // rows that say the same prefix twice for the same time; likewise
	Overlap   Findings `json:"overlaps"`   // rates of a prefix whose times overlap: the one that begins later counts
	Added     Findings `json:"added"`
	Changed   Findings `json:"changed"`
	Removed   Findings `json:"removed"`
	Jump      Findings `json:"jumps"`      // prices per minute that change by more than so many percent
	BelowCost Findings `json:"below_cost"` // sold for less than it costs
	Unchanged int      `json:"unchanged"`
}

// Importable reports whether the file may become a version.
func (report *Report) Importable() bool {
	return report.Bad.Count == 0 && report.Duplicate.Count == 0 && report.Rates > 0
}

// Check is what Compare is to look for besides.
type Check struct {
	JumpPercent int64     // of the price per minute; 0 = none
	Cost        *Deck     // what the destinations cost us, in the same currency; nil = not known
	At          time.Time // when prices are compared
	Zone        *time.Location
}

// Compare tells what the rows of a file change against the rates of the version before, nil if there is none.
func Compare(old []models.DeckRate, rows []Row, check Check) (*Report, error) {
	report := &Report{Rates: len(rows)}
	fresh := make([]Row, 0, len(rows))
	for _, row := range rows {
		if row.Bad != nil {
			report.Bad.add(row.Line, row.Prefix, "%v", row.Bad)
			continue
		}
		fresh = append(fresh, row)
	}
	before := make([]Row, len(old))
	for i, r := range old {
		before[i] = Row{DeckRate: r}
	}
	slices.SortStableFunc(fresh, inOrder)
	slices.SortStableFunc(before, inOrder)
	report.among(fresh)
	report.against(before, fresh, check)
	if check.Cost != nil {
		if err := report.compareCost(fresh, check); err != nil {
			return nil, err
		}
	}
	for _, findings := range []*Findings{&report.Bad, &report.Duplicate, &report.Overlap, &report.Added, &report.Changed, &report.Removed, &report.Jump, &report.BelowCost} {
		slices.SortStableFunc(findings.First, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
		if findings.First == nil {
			findings.First = []Finding{}
		}
	}
	return report, nil
}

// inOrder sorts by prefix, then by days and hours, then by time.
func inOrder(a, b Row) int {
	return cmp.Or(sameHours(a, b), a.From.Compare(b.From), a.To.Compare(b.To))
}

// sameHours is 0 for rows of a prefix that hold on the same days at the same hours.
func sameHours(a, b Row) int {
	return cmp.Or(strings.Compare(a.Prefix, b.Prefix), cmp.Compare(a.Days, b.Days), cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End))
}

// among looks for rows of the file that say something of the same time.
func (report *Report) among(rows []Row) {
	for len(rows) > 0 {
		same, _ := ofOnePrefix(rows, nil)
		rows = rows[len(same):]
		for i, b := range same {
			for _, a := range same[max(i-maxCompared, 0):i] {
				report.both(a, b)
			}
		}
	}
}

// maxCompared is how many rows of a prefix a row is compared with: no file of rates has so many.
const maxCompared = 50

// both looks at two rows of a prefix.
func (report *Report) both(a, b Row) {
	line, other := max(a.Line, b.Line), min(a.Line, b.Line)
	always := func(r Row) bool { return r.Days == 0 && r.Start == r.End }
	switch {
	case inOrder(a, b) == 0:
		report.Duplicate.add(line, b.Prefix, "the prefix %s is in line %d, too", b.Prefix, other)
	case always(a) != always(b): // that for certain hours goes before the other, as everybody expects
	case !a.To.IsZero() && !b.From.Before(a.To) || !b.To.IsZero() && !a.From.Before(b.To) || !hoursMeet(a.DeckRate, b.DeckRate):
	default:
		report.Overlap.add(line, b.Prefix, "it holds at times at which line %d does, too: the one that begins later counts, else the one that stands first", other)
	}
}

// hoursMeet reports whether there is a minute of the week at which both hold.
func hoursMeet(a, b models.DeckRate) bool {
	for _, x := range minutesOfWeek(a) {
		for _, y := range minutesOfWeek(b) {
			if x[0] < y[1] && y[0] < x[1] {
				return true
			}
		}
	}
	return false
}

// minutesOfWeek are the spans of the week at which a rate holds. What goes on over its end is there twice.
func minutesOfWeek(r models.DeckRate) (spans [][2]int) {
	const week = 7 * models.MinutesOfDay
	for day := range 7 {
		if !r.Days.Has(time.Weekday(day)) {
			continue
		}
		start, end := day*models.MinutesOfDay+r.Start, day*models.MinutesOfDay+r.End
		if r.Start >= r.End {
			end += models.MinutesOfDay
		}
		if spans = append(spans, [2]int{start, end}); end > week {
			spans = append(spans, [2]int{0, end - week})
		}
	}
	return spans
}

// against compares two sorted lists, prefix by prefix.
func (report *Report) against(before, fresh []Row, check Check) {
	for len(before) > 0 || len(fresh) > 0 {
		was, is := ofOnePrefix(before, fresh)
		before, fresh = before[len(was):], fresh[len(is):]
		switch {
		case len(was) == 0:
			report.Added.add(is[0].Line, is[0].Prefix, "%s a minute", is[len(is)-1].PerMinute)
		case len(is) == 0:
			report.Removed.add(0, was[0].Prefix, "%s: it was %s a minute", was[0].Name, was[len(was)-1].PerMinute)
		case slices.EqualFunc(was, is, sameRate):
			report.Unchanged++
		default:
			old, now := was[len(was)-1].PerMinute, is[len(is)-1].PerMinute
			report.Changed.add(is[0].Line, is[0].Prefix, "from %s to %s a minute", old, now)
			if check.JumpPercent > 0 && jumps(old, now, check.JumpPercent) {
				report.Jump.add(is[0].Line, is[0].Prefix, "from %s to %s a minute", old, now)
			}
		}
	}
}

// ofOnePrefix takes the rows of the first prefix of two sorted lists.
func ofOnePrefix(a, b []Row) ([]Row, []Row) {
	first := ""
	switch {
	case len(a) == 0:
		first = b[0].Prefix
	case len(b) == 0:
		first = a[0].Prefix
	default:
		first = min(a[0].Prefix, b[0].Prefix)
	}
	take := func(rows []Row) []Row {
		n := 0
		for n < len(rows) && rows[n].Prefix == first {
			n++
		}
		return rows[:n]
	}
	return take(a), take(b)
}

func sameRate(a, b Row) bool {
	ra, rb := a.Rate, b.Rate
	ra.Deck, ra.Version, rb.Deck, rb.Version = "", 0, "", 0
	return ra == rb && inOrder(a, b) == 0
}

// jumps reports whether a price changes by more than so many percent of what it was.
func jumps(old, now money.Amount, percent int64) bool {
	if old == 0 {
		return now != 0
	}
	limit, err := money.MulDiv(old, percent, 100, money.Down)
	return err == nil && max(now-old, old-now) > limit
}

// costSeconds is the call whose price and cost are compared: a minute, so that fees and minimums count as they do in practice.
const costSeconds = 60

// compareCost looks for numbers that are sold for less than they cost. A dear prefix inside a cheap one that is sold as a whole is
// what ruins resellers: so the prefixes of both decks are looked at.
func (report *Report) compareCost(rows []Row, check Check) error {
	rates := make([]models.DeckRate, len(rows))
	lines := make(map[string]int, len(rows))
	for i, row := range rows {
		rates[i], lines[row.Prefix] = row.DeckRate, row.Line
	}
	sell, err := NewDeck(rates, check.Zone)
	if err != nil {
		return err
	}
	prefixes := map[string]bool{}
	for _, deck := range []*Deck{sell, check.Cost} {
		for i := range deck.rates {
			prefixes[deck.rates[i].rate.Prefix] = true
		}
	}
	for _, prefix := range slices.Sorted(maps.Keys(prefixes)) {
		sold, ok := sell.Find(prefix, check.At)
		cost, known := check.Cost.Find(prefix, check.At)
		if !ok || !known {
			continue
		}
		earned, err := billing.Cost(sold, costSeconds)
		if err != nil {
			return err
		}
		paid, err := billing.Cost(cost, costSeconds)
		if err != nil {
			return err
		}
		if earned < paid {
			report.BelowCost.add(lines[sold.Prefix], prefix, "a minute is sold for %s (prefix %s), but costs %s (prefix %s)", earned, sold.Prefix, paid, cost.Prefix)
		}
	}
	return nil
}
