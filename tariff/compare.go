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
	Jump      Findings `json:"jumps"`      // prices per minute, or of a minute with its fees, that change by more than so many percent
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
		same := ofOnePrefix(rows)
		rows = rows[len(same):]
		if len(same) > maxOfPrefix {
			report.Bad.add(same[0].Line, same[0].Prefix, "the prefix has %d rates; at most %d may have the same one", len(same), maxOfPrefix)
		}
		for i, b := range same {
			for _, a := range same[max(i-maxCompared, 0):i] {
				report.both(a, b)
			}
		}
	}
}

// Bounds of the rows of one prefix. Each call to it looks at them one by one; in a report each is compared with so many others.
const (
	maxOfPrefix = 200
	maxCompared = 50
)

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

// against compares two sorted lists, prefix by prefix, and of each prefix hours by hours.
func (report *Report) against(before, fresh []Row, check Check) {
	for len(before) > 0 || len(fresh) > 0 {
		was, is := ofSameHours(before, fresh)
		before, fresh = before[len(was):], fresh[len(is):]
		switch {
		case len(was) == 0:
			for _, row := range is {
				report.Added.add(row.Line, row.Prefix, "%s", told(row.DeckRate))
			}
		case len(is) == 0:
			for _, row := range was {
				report.Removed.add(0, row.Prefix, "%s; it was %s", row.Name, told(row.DeckRate))
			}
		case slices.EqualFunc(was, is, sameRate):
			report.Unchanged += len(is)
		default:
			report.change(was, is, check)
		}
	}
}

// change tells how rates of the same hours change. Of several with dates, those are compared that come last.
func (report *Report) change(was, is []Row, check Check) {
	for len(was) > 1 && len(is) > 1 && sameRate(was[len(was)-1], is[len(is)-1]) {
		was, is = was[:len(was)-1], is[:len(is)-1]
	}
	old, now := was[len(was)-1].DeckRate, is[len(is)-1].DeckRate
	text := differences(old, now)
	if len(was) != len(is) {
		text += fmt.Sprintf("; %d rates with dates in place of %d", len(is), len(was))
	}
	text = strings.TrimPrefix(text, "; ") + when(now)
	line := is[len(is)-1].Line
	report.Changed.add(line, now.Prefix, "%s", text)
	if check.JumpPercent > 0 && (jumps(old.PerMinute, now.PerMinute, check.JumpPercent) || jumps(minute(old), minute(now), check.JumpPercent)) {
		report.Jump.add(line, now.Prefix, "%s; a minute of talk goes from %s to %s", text, minute(old), minute(now))
	}
}

// minute is what a minute of talk costs, with all that comes with it; as much as there can be when that is out of range.
func minute(r models.DeckRate) money.Amount {
	cost, err := billing.Cost(r.Rate, costSeconds)
	if err != nil {
		return money.Max
	}
	return cost
}

// told is the price of a rate, and when it holds.
func told(r models.DeckRate) string {
	text := r.PerMinute.String() + " a minute"
	if r.First != 1 || r.Increment != 1 {
		text += fmt.Sprintf(" in steps of %d/%d", r.First, r.Increment)
	}
	if r.ConnectFee != 0 {
		text += fmt.Sprintf(", connect fee %s", r.ConnectFee)
	}
	if r.Minimum != 0 {
		text += fmt.Sprintf(", minimum %s", r.Minimum)
	}
	return text + when(r)
}

// when is on which days and hours a rate holds; nothing when that is always.
func when(r models.DeckRate) (text string) {
	for _, part := range []string{r.Days.String(), FormatHours(r.Start, r.End)} {
		if part != "" {
			text += " " + part
		}
	}
	return text
}

// differences tells which fields change, each with a semicolon before it.
func differences(old, now models.DeckRate) (text string) {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "any time"
		}
		return t.UTC().Format(time.RFC3339)
	}
	steps := func(r models.DeckRate) string { return fmt.Sprintf("%d/%d", r.First, r.Increment) }
	for _, field := range []struct{ name, old, now string }{
		{"rate", old.PerMinute.String(), now.PerMinute.String()},
		{"connect fee", old.ConnectFee.String(), now.ConnectFee.String()},
		{"steps", steps(old), steps(now)},
		{"minimum", old.Minimum.String(), now.Minimum.String()},
		{"grace", fmt.Sprint(old.Grace), fmt.Sprint(now.Grace)},
		{"destination", old.Name, now.Name},
		{"from", at(old.From), at(now.From)},
		{"to", at(old.To), at(now.To)},
	} {
		if field.old != field.now {
			text += fmt.Sprintf("; %s from %s to %s", field.name, orNothing(field.old), orNothing(field.now))
		}
	}
	return text
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// ofOnePrefix takes the rows of the first prefix of a sorted list.
func ofOnePrefix(rows []Row) []Row {
	n := 0
	for n < len(rows) && rows[n].Prefix == rows[0].Prefix {
		n++
	}
	return rows[:n]
}

// ofSameHours takes from two sorted lists the rows of the first prefix and hours.
func ofSameHours(a, b []Row) ([]Row, []Row) {
	var first Row
	switch {
	case len(a) == 0:
		first = b[0]
	case len(b) == 0 || sameHours(a[0], b[0]) < 0:
		first = a[0]
	default:
		first = b[0]
	}
	take := func(rows []Row) []Row {
		n := 0
		for n < len(rows) && sameHours(rows[n], first) == 0 {
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
	lines := make(map[models.Rate]int, len(rows))
	for i, row := range rows {
		rates[i], lines[row.Rate] = row.DeckRate, row.Line
	}
	sell, err := NewDeck(rates, check.Zone)
	if err != nil {
		return err
	}
	moments := map[string][]time.Time{}
	for _, deck := range []*Deck{sell, check.Cost} {
		for i := range deck.rates {
			row := &deck.rates[i]
			moments[row.rate.Prefix] = append(moments[row.rate.Prefix], row.moments(check.At)...)
		}
	}
	for _, prefix := range slices.Sorted(maps.Keys(moments)) {
		for _, at := range append([]time.Time{check.At}, moments[prefix]...) {
			below, err := report.below(sell, check.Cost, prefix, at, lines)
			if err != nil {
				return err
			}
			if below {
				break // once for each prefix
			}
		}
	}
	return nil
}

// moments are when prices of a prefix may change because of a rate: when it begins, and each hour of a week when it is for
// certain days or hours.
func (r *deckRow) moments(at time.Time) (all []time.Time) {
	if r.to <= at.Unix() {
		return nil
	}
	if r.from > at.Unix() {
		at = time.Unix(r.from, 0)
		all = append(all, at)
	}
	if r.width() == 0 {
		for hour := range 7 * 24 {
			all = append(all, at.Add(time.Duration(hour)*time.Hour))
		}
	}
	return all
}

// below tells whether a number is sold for less than it costs at an instant.
func (report *Report) below(sell, buy *Deck, number string, at time.Time, lines map[models.Rate]int) (bool, error) {
	sold, cost := sell.find(number, at), buy.find(number, at)
	if sold == nil || cost == nil {
		return false, nil
	}
	earned, err := billing.Cost(*sold, costSeconds)
	if err != nil {
		return false, err
	}
	paid, err := billing.Cost(*cost, costSeconds)
	if err != nil || earned >= paid {
		return false, err
	}
	report.BelowCost.add(lines[*sold], number, "a minute is sold for %s (prefix %s), but costs %s (prefix %s), at %s", earned, sold.Prefix, paid, cost.Prefix,
		at.In(sell.zone).Format("2006-01-02 15:04 MST"))
	return true, nil
}
