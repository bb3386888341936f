package adminapi

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/stats"
	"talktime/web"
)

// Rows on the page of statistics.
const (
	pageCountries    = 15
	pageDestinations = 10
)

// pagePeriod is a time that is chosen by a word.
type pagePeriod struct {
	word, label string
	of          func(today stats.Day, l *time.Location) (from, end stats.Day)
}

func pagePeriods() []pagePeriod {
	monday := func(d stats.Day) stats.Day { return d - (d+3)%7 } // 1970-01-01 was a Thursday
	month := func(d stats.Day, l *time.Location, months int) stats.Day {
		year, m, _ := d.Begin(l).Date()
		return stats.DayAt(time.Date(year, m+time.Month(months), 1, 12, 0, 0, 0, l))
	}
	return []pagePeriod{
		{"today", "Today", func(d stats.Day, _ *time.Location) (stats.Day, stats.Day) { return d, d + 1 }},
		{"yesterday", "Yesterday", func(d stats.Day, _ *time.Location) (stats.Day, stats.Day) { return d - 1, d }},
		{"this-week", "This week", func(d stats.Day, _ *time.Location) (stats.Day, stats.Day) { return monday(d), monday(d) + 7 }},
		{"last-week", "Last week", func(d stats.Day, _ *time.Location) (stats.Day, stats.Day) { return monday(d) - 7, monday(d) }},
		{"this-month", "This month", func(d stats.Day, l *time.Location) (stats.Day, stats.Day) { return month(d, l, 0), month(d, l, 1) }},
		{"last-month", "Last month", func(d stats.Day, l *time.Location) (stats.Day, stats.Day) { return month(d, l, -1), month(d, l, 0) }},
	}
}

// pageDays are the days that a page of statistics is about, from a word or from the first and the last one.
func (r *request) pageDays(faults map[string]string) (chosen string, from, end stats.Day) {
	l := r.api.Location
	today := stats.DayAt(r.api.Now().In(l))
	chosen = cmp.Or(r.Query("period"), "today")
	first, last := r.Query("from"), r.Query("to")
	if first != "" || last != "" {
		chosen = ""
		day := func(name, text string) stats.Day {
			t, err := time.Parse(time.DateOnly, text)
			if err != nil || t.Year() < 1970 {
				faults[name] = "A date is written as 2026-12-31."
				return today
			}
			return stats.DayAt(t)
		}
		from, end = day("from", cmp.Or(first, last)), day("to", cmp.Or(last, first))+1
		if len(faults) == 0 && end <= from {
			faults["to"] = "This is before the first day."
		}
		return chosen, from, end
	}
	for _, p := range pagePeriods() {
		if p.word == chosen {
			from, end = p.of(today, l)
			return chosen, from, end
		}
	}
	return "today", today, today + 1
}

// statisticsPage shows figures of calls: to an administrator everybody's or a user's, to another user his own.
func statisticsPage(r *request) error {
	faults := map[string]string{}
	chosen, from, end := r.pageDays(faults)
	user, admin := strings.TrimSpace(r.Query("user")), r.who.user.Admin
	if !admin {
		user = r.who.user.Username
	}
	l := r.api.Location
	q := statQuery{Query: stats.Query{From: from.Begin(l), To: end.Begin(l), Location: l, By: stats.ByDay, Of: stats.OfNone}}
	q.filters = endedCalls()
	if user != "" {
		var list models.ListRequest
		if err := r.ofUser(user, &list, faults); err != nil {
			return err
		}
		q.Account = &stats.Account{Users: []int64{list.User}}
		q.filters = append(q.filters, where("user_id", "eq", list.User))
	}
	body := web.Statistics{Filter: &web.Form{Action: "/statistics", Submit: "Show", Fields: []web.Field{
		{Name: "from", Label: "From", Type: "date", Value: cmp.Or(r.Query("from"), from.String()), Error: faults["from"]},
		{Name: "to", Label: "To (included)", Type: "date", Value: cmp.Or(r.Query("to"), (end - 1).String()), Error: faults["to"]},
	}}}
	if admin {
		body.Filter.Fields = append(body.Filter.Fields, web.Field{Name: "user", Label: "User", Type: "search", Value: user, Error: faults["user"]})
	}
	for _, p := range pagePeriods() {
		path := url.Values{"period": {p.word}}
		if admin && user != "" {
			path.Set("user", user)
		}
		body.Periods = append(body.Periods, web.Choice{Text: p.label, Path: "/statistics?" + path.Encode(), Chosen: p.word == chosen})
	}
	page := web.Page{Title: "Statistics", Section: "/statistics"}
	if len(faults) > 0 {
		page.Body = body
		return r.render(http.StatusBadRequest, page)
	}
	shown := "2006-01-02 15:04"
	body.Words = fmt.Sprintf("Calls that began from %s until %s, %s.", q.From.In(l).Format(shown), q.To.In(l).Format(shown), web.ZoneName(l))
	body.User, body.Operates = user, admin
	var err error
	if q.ids, err = r.api.CallFacts.CallIDs(r.ctx(), q.From, q.To); err != nil {
		return err
	}
	if err := r.pageFigures(&body, q, user); err != nil {
		return err
	}
	page.Body = body
	return r.render(http.StatusOK, page)
}

// pageBy is by which period a time is shown.
func pageBy(q stats.Query) (by stats.Period, label, layout string) {
	switch days := q.To.Sub(q.From).Hours() / 24; {
	case days < 2:
		return stats.ByHour, "Hour", "15:04"
	case days < 93:
		return stats.ByDay, "Day", "Mon 2006-01-02"
	}
	return stats.ByMonth, "Month", "2006-01"
}

// pageFigures fills the page.
func (r *request) pageFigures(body *web.Statistics, q statQuery, user string) error {
	link := func(path, format string, more ...string) string {
		values := url.Values{"from": {q.From.Format("2006-01-02T15:04:05Z07:00")}, "to": {q.To.Format("2006-01-02T15:04:05Z07:00")}}
		if format != "" {
			values.Set("format", format)
		}
		if user != "" {
			values.Set("user", user)
		}
		for i := 0; i+1 < len(more); i += 2 {
			values.Set(more[i], more[i+1])
		}
		return "/api/stats/" + path + "?" + values.Encode()
	}
	files := func(path string, more ...string) []web.Link {
		return []web.Link{{Text: "CSV", Path: link(path, "csv", more...)}, {Text: "Excel", Path: link(path, "xlsx", more...)}}
	}
	var layout string
	q.By, body.By, layout = pageBy(q.Query)
	body.Heading = "By " + string(q.By)
	s, err := r.api.Stats.Summary(r.ctx(), q.Query)
	if err != nil {
		return err
	}
	body.Totals = r.pageTotals(&s.Total)
	body.Times = r.pageStatRows(q, s.Rows, func(row stats.Row) (string, string) { return row.Start.Format(layout), "" })
	body.TimeFiles = files("summary", "by", string(q.By))

	q.By, q.Of = stats.ByNone, stats.OfCountry
	if s, err = r.api.Stats.Summary(r.ctx(), q.Query); err != nil {
		return err
	}
	body.Countries = r.pageStatRows(q, s.Rows[:min(len(s.Rows), pageCountries)], func(row stats.Row) (string, string) {
		code, country, ok := r.api.Stats.CountryOf(row.Key.Text)
		if !ok {
			return "No country", "numbers that lead to none"
		}
		return country, code
	})
	body.CountryFiles = files("summary", "by", "none", "of", "country")

	q.Of = stats.OfDestination
	if s, err = r.api.Stats.Summary(r.ctx(), q.Query); err != nil {
		return err
	}
	body.Destinations = r.pageStatRows(q, ranked(s.Rows, byAttempts, "", pageDestinations), func(row stats.Row) (string, string) {
		return cmp.Or(row.Key.Name, row.Key.Text, "Not known"), row.Key.Text
	})
	body.DestinationFiles = files("destinations", "limit", "1000")

	heat, err := r.api.Stats.HeatMap(r.ctx(), q.Query)
	if err != nil {
		return err
	}
	body.Heat, body.HeatFiles = pageHeat(heat), files("heatmap")
	return r.pageBusy(body, q, files)
}

// endedCalls finds the calls of which statistics are made.
func endedCalls() []map[string]any {
	return []map[string]any{where("state", "in", []string{string(models.CallSettled), string(models.CallReleased), string(models.CallUnreconciled)})}
}

// percent is a share for people; a dash for none.
func percent(value stats.Hundredths, ok bool) string {
	if !ok {
		return "–"
	}
	return value.String() + "\u00a0%"
}

func pageClock(value stats.Hundredths, ok bool) string {
	if !ok {
		return "–"
	}
	return web.Clock(int64(value+50) / 100)
}

func pageDelay(ms int64, ok bool) string {
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%d.%02d\u00a0s", ms/1000, ms%1000/10)
}

// pageMoney is what was charged, and what is left of it.
func (r *request) pageMoney(f *stats.Figures) (revenue, margin []web.Amount) {
	for _, s := range f.Sums {
		revenue = append(revenue, pageAmount(s.Revenue, s.Currency))
		if r.operates() {
			margin = append(margin, pageAmount(s.Margin(), s.Currency))
		}
	}
	return revenue, margin
}

func (r *request) pageTotals(f *stats.Figures) []web.Figure {
	revenue, margin := r.pageMoney(f)
	figures := []web.Figure{
		{Label: "Calls", Text: strconv.FormatInt(f.Attempts, 10)},
		{Label: "Answered", Text: strconv.FormatInt(f.Answered, 10)},
		{Label: "Answered of all (ASR)", Text: percent(f.ASR())},
		{Label: "Reached the called (NER)", Text: percent(f.NER())},
		{Label: "Talk", Text: web.Clock(f.Seconds)},
		{Label: "Talk per answered call (ACD)", Text: pageClock(f.ACD())},
		{Label: "Until it rings (PDD)", Text: pageDelay(f.PDD())},
		{Label: "Charged", Amounts: revenue, Text: noneOf(revenue)},
	}
	if r.operates() {
		figures = append(figures, web.Figure{Label: "Left after carriers", Amounts: margin, Text: noneOf(margin)})
	}
	return figures
}

func noneOf(amounts []web.Amount) string {
	if len(amounts) == 0 {
		return "–"
	}
	return ""
}

// pageStatRows are rows for people; administrators are led to the calls.
func (r *request) pageStatRows(q statQuery, rows []stats.Row, name func(stats.Row) (name, note string)) []web.StatRow {
	shown := make([]web.StatRow, len(rows))
	for i, row := range rows {
		one := web.StatRow{
			Attempts: row.Attempts, Answered: row.Answered, ASR: percent(row.ASR()), NER: percent(row.NER()), ACD: pageClock(row.ACD()), PDD: pageDelay(row.PDD()), Talk: web.Clock(row.Seconds),
		}
		one.Name, one.Note = name(row)
		one.Revenue, one.Margin = r.pageMoney(&row.Figures)
		if r.who.user.Admin {
			one.Calls = callsLink("/calls", search(q.callsOf(row)...))
		}
		shown[i] = one
	}
	return shown
}

// heatLevels is how many shades there are; the first is that of nothing.
const heatLevels = 10

// pageHeat shades hours by how many calls they had, against the busiest.
func pageHeat(heat stats.Heat) []web.HeatRow {
	var most int64
	for _, hours := range heat.Hours {
		for _, f := range hours {
			most = max(most, f.Attempts)
		}
	}
	rows := make([]web.HeatRow, len(heat.Hours))
	for day, hours := range heat.Hours {
		weekday := time.Weekday((day + 1) % 7).String()
		rows[day] = web.HeatRow{Day: weekday[:3], Rest: weekday[3:]}
		for hour, f := range hours {
			cell := web.HeatCell{Calls: f.Attempts, Words: fmt.Sprintf("%s %d:00: %d calls, %d answered, %s minutes", weekday, hour, f.Attempts, f.Answered, f.Minutes())}
			if f.Attempts > 0 {
				cell.Level = int(1 + (heatLevels-2)*(f.Attempts-1)/max(most-1, 1))
			}
			rows[day].Hours = append(rows[day].Hours, cell)
		}
	}
	return rows
}

// Size of the picture of calls at once, in its own units.
const (
	busyWidth  = 960
	busyHeight = 160
)

// pageBusy draws how many calls there were at once: the most of each quarter of an hour, or of each hour of a longer time.
func (r *request) pageBusy(body *web.Statistics, q statQuery, files func(string, ...string) []web.Link) error {
	if q.To.Sub(q.From) > stats.MaxConcurrent {
		return nil
	}
	q.By = stats.ByHour
	words := "hour"
	if q.To.Sub(q.From) <= 2*24*time.Hour {
		q.By, words = stats.ByQuarter, "quarter of an hour"
	}
	c, err := r.api.Stats.Concurrent(r.ctx(), q.Query)
	if err != nil {
		return err
	}
	begin, length := q.From.Unix(), q.To.Unix()-q.From.Unix()
	var path strings.Builder
	fmt.Fprintf(&path, "M0 %d", busyHeight)
	for _, s := range c.Slots {
		height := busyHeight - busyHeight*s.Most/max(c.Most, 1)
		x := func(at time.Time) int64 { return busyWidth * (at.Unix() - begin) / length }
		fmt.Fprintf(&path, "L%d %dL%d %d", x(s.From), height, x(s.To), height)
	}
	fmt.Fprintf(&path, "L%d %dZ", busyWidth, busyHeight)
	layout := "2006-01-02"
	if q.By == stats.ByQuarter {
		layout = "2006-01-02 15:04"
	}
	body.Busy = &web.Chart{
		Words: fmt.Sprintf("At the busiest moment there were so many calls at once, ringing included: %d. The most of each %s is drawn.", c.Most, words), Path: path.String(), Width: busyWidth, Height: busyHeight,
		Most: strconv.FormatInt(c.Most, 10), From: q.From.In(q.Location).Format(layout), To: q.To.In(q.Location).Format(layout),
	}
	body.BusyFiles = files("concurrent", "by", string(q.By))
	// The hours with the most calls at once, for whoever cannot see the picture.
	slots := slices.Clone(c.Slots)
	slices.SortStableFunc(slots, func(a, b stats.Busy) int { return cmp.Compare(b.Most, a.Most) })
	for _, s := range slots[:min(len(slots), busiestRows)] {
		if s.Most > 0 {
			body.Busiest = append(body.Busiest, web.BusyRow{At: s.From, Most: s.Most, Mean: s.Mean().String()})
		}
	}
	return nil
}

// busiestRows is how many times with the most calls at once are listed.
const busiestRows = 5
