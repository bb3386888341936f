package adminapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/stats"
	"talktime/stats/sheet"
)

// CallFacts are what statistics need of those who called.
type CallFacts interface {
	// CallIDs tells between which ids the calls of some part of a time are; nil: that is not known.
	CallIDs(ctx context.Context, from, to time.Time) (func(from, to time.Time) (least, most int64), error)
	MembersOf(context.Context, models.Owner) ([]int64, error)
	GroupsOfUsers(context.Context) (map[int64][]int64, error)
	// NamesOf are those of users, groups or carriers: of is one of these words.
	NamesOf(ctx context.Context, of string, ids []int64) (map[int64]string, error)
}

// statsPatience is how long a request for statistics may take.
const statsPatience = time.Minute

// maxSumming is how many requests for statistics are answered at once, to the last byte: a long answer needs much memory.
const maxSumming = 4

// typeExcel is that of workbooks.
const typeExcel = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// Rows of an answer.
const (
	statRows    = 10_000 // unless the client says another number
	topRows     = 10
	maxStatRows = 100_000
)

// sumJSON is money in one currency. Cost and margin are for operators.
type sumJSON struct {
	Currency string        `json:"currency"`
	Revenue  money.Amount  `json:"revenue"`
	Cost     *money.Amount `json:"cost,omitempty"`
	Margin   *money.Amount `json:"margin,omitempty"`
}

// figuresJSON are the figures of some calls.
type figuresJSON struct {
	Attempts int64             `json:"attempts"`
	Answered int64             `json:"answered"`
	ASR      *stats.Hundredths `json:"asr" nullable:"true"`
	NER      *stats.Hundredths `json:"ner" nullable:"true"`
	ACD      *stats.Hundredths `json:"acd_seconds" nullable:"true"`
	PDD      *int64            `json:"pdd_mean_ms"`
	PDDCalls int64             `json:"pdd_calls"`
	Minutes  stats.Hundredths  `json:"minutes"`
	Talk     int64             `json:"talk_seconds"`
	Money    []sumJSON         `json:"money"`
}

// statRowJSON is a row of a summary.
type statRowJSON struct {
	Start time.Time `json:"start"`
	Key   *string   `json:"key"`
	Name  string    `json:"name"`
	figuresJSON
	Filter json.RawMessage `json:"filter"`
	Calls  string          `json:"calls"`
}

// statRange is what every answer begins with.
type statRange struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Timezone string    `json:"timezone"`
}

type summaryJSON struct {
	statRange
	By    string        `json:"by"`
	Of    string        `json:"of"`
	Count int           `json:"num_rows"`
	Rows  []statRowJSON `json:"rows"`
	Total figuresJSON   `json:"total"`
}

type topJSON struct {
	statRange
	Sort     string        `json:"sort"`
	Currency *string       `json:"currency"`
	Count    int           `json:"num_rows"`
	Rows     []statRowJSON `json:"rows"`
	Total    figuresJSON   `json:"total"`
}

// heatHourJSON is an hour of a weekday.
type heatHourJSON struct {
	Hour     int              `json:"hour"`
	Attempts int64            `json:"attempts"`
	Answered int64            `json:"answered"`
	Minutes  stats.Hundredths `json:"minutes"`
}

type heatDayJSON struct {
	Weekday string         `json:"weekday"`
	Hours   []heatHourJSON `json:"hours"`
}

type heatMapJSON struct {
	statRange
	Days []heatDayJSON `json:"days"`
}

// busyJSON is how many calls there were at once.
type busyJSON struct {
	Start  time.Time        `json:"start"`
	Most   int64            `json:"most"`
	Mean   stats.Hundredths `json:"mean"`
	Filter json.RawMessage  `json:"filter"`
	Calls  string           `json:"calls"`
}

type concurrentJSON struct {
	statRange
	By    string     `json:"by"`
	Most  int64      `json:"most"`
	Slots []busyJSON `json:"slots"`
}

// statQuery is what a request asks of statistics.
type statQuery struct {
	stats.Query

	format  string
	limit   int
	filters []map[string]any // that find the calls in the search language, but for the time and what a row is of

	ids func(from, to time.Time) (least, most int64) // of calls that began then; nil: not known
}

// statistics makes a handler that has its turn with those of the same user or program.
func statistics(handle handler) handler {
	return func(r *request) error {
		leave, err := r.api.counting.enter(r.ctx(), r.turnsOf())
		if err != nil {
			return err
		}
		defer leave()
		ctx, cancel := context.WithTimeout(r.ctx(), max(statsPatience, r.api.Patience))
		defer cancel()
		r.Request = r.Request.WithContext(ctx)
		select {
		case r.api.summing <- struct{}{}:
			defer func() { <-r.api.summing }()
		case <-ctx.Done():
			return models.ErrSearches
		}
		err = handle(r)
		switch {
		case errors.Is(err, stats.ErrRange):
			return badRequest(err.Error())
		case errors.Is(err, models.ErrSlowSearch):
			return failure{status: http.StatusServiceUnavailable, message: "to count this takes too long; ask for a shorter time", headers: map[string]string{"Retry-After": "60"}}
		}
		return err
	}
}

// among reads a parameter that has one of a few values; the first one where it is missing.
func among[T ~string](r *request, name string, values ...T) (T, error) {
	text := T(r.Query(name))
	switch {
	case text == "":
		return values[0], nil
	case slices.Contains(values, text):
		return text, nil
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	return "", badRequest(name + " must be one of " + strings.Join(words, ", "))
}

// zone reads the parameter timezone: an IANA name; the server's where it is missing.
func (r *request) zone() (*time.Location, error) {
	name := r.Query("timezone")
	if name == "" {
		return r.api.Location, nil
	}
	l, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, badRequest("timezone must be the name of a time zone, such as Europe/Vienna")
	}
	return l, nil
}

// zoneText is a zone's name for programs.
func zoneText(l *time.Location) string {
	if name := l.String(); name != "" {
		return name
	}
	return "UTC"
}

// moment reads a day, from its begin, or a time, which is in the zone unless it says another.
func moment(name, text string, l *time.Location) (time.Time, error) {
	t, ok := momentOf(text, l)
	if year := t.UTC().Year(); !ok || year < 1970 || year > 9998 { // in no zone, and with no period behind it, it has more than four digits
		return t, badRequest(name + " must be a day or a time between 1970 and 9998, such as 2026-03-14, 2026-03-14T09:26 or 2026-03-14T09:26:53Z")
	}
	return t, nil
}

func momentOf(text string, l *time.Location) (t time.Time, ok bool) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateTime} {
		if wall, err := time.Parse(layout, text); err == nil {
			return time.Unix(stats.NewClock(l).Unix(wall.Unix()), 0), true
		}
	}
	t, err := time.Parse(time.RFC3339, text)
	return t.Truncate(time.Second), err == nil
}

// statTime reads from and to; today where both are missing.
func (r *request) statTime(q *stats.Query) (err error) {
	today := stats.DayAt(r.api.Now().In(q.Location))
	q.From, q.To = today.Begin(q.Location), (today + 1).Begin(q.Location)
	if from := r.Query("from"); from != "" {
		if q.From, err = moment("from", from, q.Location); err != nil {
			return err
		}
	}
	if to := r.Query("to"); to != "" {
		if r.Query("from") == "" {
			return badRequest("from must be there where to is")
		}
		if q.To, err = moment("to", to, q.Location); err != nil {
			return err
		}
	}
	if !q.From.Before(q.To) {
		return badRequest("from must be before to")
	}
	return nil
}

// statQuery reads what all statistics take.
func (r *request) statQuery() (q statQuery, err error) {
	if q.Location, err = r.zone(); err != nil {
		return q, err
	}
	if err = r.statTime(&q.Query); err != nil {
		return q, err
	}
	if q.ids, err = r.api.CallFacts.CallIDs(r.ctx(), q.From, q.To); err != nil {
		return q, err
	}
	if q.format, err = among(r, "format", "json", "csv", "xlsx"); err != nil {
		return q, err
	}
	if q.limit, err = r.statLimit(statRows); err != nil {
		return q, err
	}
	q.filters = endedCalls()
	if err = r.statAccount(&q); err != nil {
		return q, err
	}
	if country := r.Query("country"); country != "" {
		if err = r.statCountry(&q, country); err != nil {
			return q, err
		}
	}
	if name := r.Query("carrier"); name != "" {
		if !r.operates() || r.api.Routing == nil {
			return q, refused(http.StatusForbidden, "Forbidden: who carries calls is the operator's business")
		}
		carrier, err := r.api.Routing.Carrier(r.ctx(), name)
		if isNotFound(err) {
			return q, badRequest("carrier: there is no such carrier")
		}
		if err != nil {
			return q, err
		}
		q.Carrier = &carrier.ID
		q.filters = append(q.filters, where("carrier_id", "eq", carrier.ID))
	}
	return q, nil
}

func (r *request) statLimit(usual int) (int, error) {
	text := r.Query("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxStatRows {
		return 0, badRequest("limit must be a whole number between 1 and " + strconv.Itoa(maxStatRows))
	}
	return n, nil
}

// statAccount reads whose calls are asked for: a user's, a group's, those of whoever the token is bound to.
func (r *request) statAccount(q *statQuery) error {
	name, group := r.Query("user"), r.Query("group")
	switch {
	case name != "" && group != "":
		return badRequest("user and group exclude each other")
	case group != "" && (!r.operates() || r.api.Groups == nil):
		return refused(http.StatusForbidden, "Forbidden: figures of groups are for whoever may see everybody's")
	case name != "":
		user, err := r.api.Users.UserDetail(r.ctx(), name)
		if err == nil {
			err = r.mustSee(user.ID)
		}
		if isNotFound(err) {
			return badRequest("user: there is no such user")
		}
		q.Account = &stats.Account{Users: []int64{user.ID}}
		q.filters = append(q.filters, where("user_id", "eq", user.ID))
		return err
	case group != "":
		found, err := r.api.Groups.Group(r.ctx(), group)
		if isNotFound(err) {
			return badRequest("group: there is no such group")
		}
		if err != nil {
			return err
		}
		q.filters = append(q.filters, ofGroup(found.ID))
		return r.ofOwner(q, models.Owner{Group: found.ID})
	case r.who.bound():
		return r.ofOwner(q, r.who.only())
	}
	return nil
}

func (r *request) ofOwner(q *statQuery, o models.Owner) error {
	users, err := r.api.CallFacts.MembersOf(r.ctx(), o)
	q.Account = &stats.Account{Users: users}
	return err
}

// ofGroup finds calls of those who are in a group now.
func ofGroup(id int64) map[string]any {
	return map[string]any{"name": "group", "op": "any", "val": where("id_", "eq", id)}
}

func ofCountry(code string) map[string]any {
	if code == "" {
		return map[string]any{"name": "country", "op": "is_null"}
	}
	return where("country", "eq", code)
}

// noCountry is what asks for numbers that lead to none.
const noCountry = "none"

func (r *request) statCountry(q *statQuery, text string) error {
	code := strings.TrimPrefix(strings.TrimSpace(text), "+") // a plus in an address is a blank unless it is written as %2B
	if text == noCountry {
		code = ""
	} else if _, _, ok := r.api.Stats.CountryOf(code); !ok {
		return badRequest("country must be a calling code, such as 49, or " + noCountry)
	}
	q.Country = &code
	q.filters = append(q.filters, ofCountry(code))
	return nil
}

// dimension reads what rows are of.
func (r *request) dimension(q *statQuery) (err error) {
	q.Of, err = among(r, "of", stats.OfNone, stats.OfUser, stats.OfGroup, stats.OfCountry, stats.OfDestination, stats.OfCarrier, stats.OfCause)
	if err == nil && (q.Of == stats.OfGroup || q.Of == stats.OfCarrier) && !r.operates() {
		err = refused(http.StatusForbidden, "Forbidden: figures of groups and carriers are for whoever may see everybody's")
	}
	if err == nil && q.Of == stats.OfGroup {
		q.Groups, err = r.api.CallFacts.GroupsOfUsers(r.ctx())
	}
	return err
}

func showSummary(r *request) error {
	q, err := r.statQuery()
	if err != nil {
		return err
	}
	if q.By, err = among(r, "by", stats.ByDay, stats.ByHour, stats.ByWeek, stats.ByMonth, stats.ByNone); err != nil {
		return err
	}
	if err := r.dimension(&q); err != nil {
		return err
	}
	s, err := r.api.Stats.Summary(r.ctx(), q.Query)
	if err != nil {
		return err
	}
	r.Header("X-Source", string(s.Origin))
	count := len(s.Rows)
	s.Rows = s.Rows[:min(count, q.limit)]
	r.truncated(len(s.Rows), count)
	rows, err := r.showRows(q, s.Rows)
	if err != nil {
		return err
	}
	if q.format != "json" {
		return r.export(q, "summary", rowTable(q, rows, r.operates()))
	}
	r.answer(http.StatusOK, summaryJSON{q.shown(), string(q.By), string(q.Of), count, rows, r.showFigures(&s.Total)})
	return nil
}

// shown is the range, in its zone.
func (q statQuery) shown() statRange {
	return statRange{q.From.In(q.Location), q.To.In(q.Location), zoneText(q.Location)}
}

func (r *request) showFigures(f *stats.Figures) figuresJSON {
	shown := figuresJSON{
		Attempts: f.Attempts, Answered: f.Answered, PDDCalls: f.PDDCalls, Minutes: f.Minutes(), Talk: f.Seconds,
		ASR: ifKnown(f.ASR()), NER: ifKnown(f.NER()), ACD: ifKnown(f.ACD()), PDD: ifKnown(f.PDD()), Money: make([]sumJSON, 0, len(f.Sums)),
	}
	for _, s := range f.Sums {
		sum := sumJSON{Currency: s.Currency, Revenue: s.Revenue}
		if r.operates() {
			cost, margin := s.Cost, s.Margin()
			sum.Cost, sum.Margin = &cost, &margin
		}
		shown.Money = append(shown.Money, sum)
	}
	return shown
}

// ifKnown is nil for what is not known.
func ifKnown[T any](value T, ok bool) *T {
	if !ok {
		return nil
	}
	return &value
}

// showRows gives rows their names, and the filters that find their calls.
func (r *request) showRows(q statQuery, rows []stats.Row) ([]statRowJSON, error) {
	name, err := r.namesOf(q.Of, rows)
	if err != nil {
		return nil, err
	}
	shown := make([]statRowJSON, len(rows))
	for i, row := range rows {
		key, name := name(row.Key)
		filter := search(q.callsOf(row)...)
		shown[i] = statRowJSON{Start: row.Start, Name: name, figuresJSON: r.showFigures(&row.Figures), Filter: json.RawMessage(filter), Calls: callsLink("/api/calls", filter)}
		if q.Of != stats.OfNone {
			shown[i].Key = &key
		}
	}
	return shown, nil
}

func callsLink(path, filter string) string { return path + "?q=" + url.QueryEscape(filter) }

// callsOf are filters that find the calls of a row, no more and no less.
func (q statQuery) callsOf(row stats.Row) []map[string]any {
	filters := append(slices.Clone(q.filters),
		where("authorized_at", "ge", row.From.UTC().Format(time.RFC3339)), where("authorized_at", "lt", row.To.UTC().Format(time.RFC3339)))
	if q.ids != nil {
		least, most := q.ids(row.From, row.To)
		filters = append(filters, where("id", "ge", least), where("id", "lt", most))
	}
	switch q.Of {
	case stats.OfUser:
		return append(filters, where("user_id", "eq", row.Key.ID))
	case stats.OfGroup:
		if row.Key.ID == 0 {
			return append(filters, where("groups", "eq", 0))
		}
		return append(filters, ofGroup(row.Key.ID))
	case stats.OfCountry:
		return append(filters, ofCountry(row.Key.Text))
	case stats.OfDestination:
		return append(filters, where("prefix", "eq", row.Key.Text), where("destination", "eq", row.Key.Name))
	case stats.OfCarrier:
		return append(filters, where("carrier_id", "eq", row.Key.ID))
	case stats.OfCause:
		return append(filters, where("cause", "eq", row.Key.ID))
	case stats.OfNone:
	}
	return filters
}

// callsDuring are filters that find the calls that were there in a slot, which began after some moment at the earliest. Those that ended in
// the second in which they began are found too.
func (q statQuery) callsDuring(slot stats.Busy, began time.Time) []map[string]any {
	when := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	filters := append(slices.Clone(q.filters), where("authorized_at", "ge", when(began)), where("authorized_at", "lt", when(slot.To)),
		where("ended_at", "ge", when(slot.From.Add(time.Second)))) // the second in which a call ended is not counted
	if q.ids != nil {
		least, most := q.ids(began, slot.To)
		filters = append(filters, where("id", "ge", least), where("id", "lt", most))
	}
	return filters
}

// namesOf finds what the keys of rows are called.
func (r *request) namesOf(of stats.Dimension, rows []stats.Row) (func(stats.Key) (key, name string), error) {
	byID := func(words func(int64) string) func(stats.Key) (string, string) {
		return func(k stats.Key) (string, string) { return strconv.FormatInt(k.ID, 10), words(k.ID) }
	}
	table := map[stats.Dimension]string{stats.OfUser: "users", stats.OfGroup: "groups", stats.OfCarrier: "carriers"}[of]
	switch {
	case table != "":
		var ids []int64
		for _, row := range rows {
			ids = append(ids, row.Key.ID)
		}
		slices.Sort(ids)
		names, err := r.api.CallFacts.NamesOf(r.ctx(), table, slices.Compact(ids))
		return byID(func(id int64) string { return names[id] }), err
	case of == stats.OfCause:
		return byID(stats.CauseWords), nil
	case of == stats.OfCountry:
		return func(k stats.Key) (string, string) {
			shown, country, _ := r.api.Stats.CountryOf(k.Text)
			return shown, country
		}, nil
	}
	return func(k stats.Key) (string, string) { return k.Text, k.Name }, nil
}

// currenciesOf are those of some figures, in order.
func currenciesOf(rows []statRowJSON) []string {
	var all []string
	for _, row := range rows {
		for _, s := range row.Money {
			all = append(all, s.Currency)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// cellOf is a cell of a figure that may not be known.
func cellOf[T interface{ ~int64 }](value *T, text func(T) string) sheet.Cell {
	if value == nil {
		return sheet.Cell{}
	}
	return sheet.Number(text(*value))
}

// rowTable is a summary as a table. Each currency has columns of its own, so that no call stands in two lines.
func rowTable(q statQuery, rows []statRowJSON, operates bool) sheet.Table {
	t := sheet.Table{Name: "Calls by " + string(q.By)}
	if q.By != stats.ByNone {
		t.Columns = append(t.Columns, "start")
	}
	if q.Of != stats.OfNone {
		t.Columns = append(t.Columns, string(q.Of), "name")
	}
	t.Columns = append(t.Columns, "attempts", "answered", "asr", "ner", "acd_seconds", "pdd_mean_ms", "pdd_calls", "minutes", "talk_seconds")
	currencies := currenciesOf(rows)
	for _, c := range currencies {
		t.Columns = append(t.Columns, "revenue_"+c)
		if operates {
			t.Columns = append(t.Columns, "cost_"+c, "margin_"+c)
		}
	}
	t.Columns = append(t.Columns, "calls")
	for _, row := range rows {
		var line []sheet.Cell
		if q.By != stats.ByNone {
			line = append(line, sheet.Text(row.Start.Format(time.RFC3339)))
		}
		if q.Of != stats.OfNone {
			line = append(line, sheet.Text(*row.Key), sheet.Text(row.Name))
		}
		line = append(append(line, row.cells()...), row.sums(currencies, operates)...)
		t.Rows = append(t.Rows, append(line, sheet.Text(row.Calls)))
	}
	return t
}

func (f figuresJSON) cells() []sheet.Cell {
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []sheet.Cell{
		sheet.Whole(f.Attempts), sheet.Whole(f.Answered), cellOf(f.ASR, stats.Hundredths.String), cellOf(f.NER, stats.Hundredths.String),
		cellOf(f.ACD, stats.Hundredths.String), cellOf(f.PDD, whole), sheet.Whole(f.PDDCalls), sheet.Number(f.Minutes.String()), sheet.Whole(f.Talk),
	}
}

func (f figuresJSON) sums(currencies []string, operates bool) (line []sheet.Cell) {
	for _, c := range currencies {
		var sum sumJSON
		if i := slices.IndexFunc(f.Money, func(s sumJSON) bool { return s.Currency == c }); i >= 0 {
			sum = f.Money[i]
		}
		line = append(line, sheet.Number(sum.Revenue.String()))
		if operates {
			line = append(line, sheet.Number(valueOf(sum.Cost).String()), sheet.Number(valueOf(sum.Margin).String()))
		}
	}
	return line
}

func valueOf[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// truncated says that not all rows are there.
func (r *request) truncated(shown, all int) {
	if shown < all {
		r.Header("X-Truncated", "rows")
	}
}

// export answers with a table to be kept.
func (r *request) export(q statQuery, name string, t sheet.Table) error {
	var b bytes.Buffer
	write, contentType := t.CSV, typeCSV+"; charset=utf-8"
	if q.format == "xlsx" {
		write, contentType = t.Excel, typeExcel
	}
	if err := write(&b); err != nil {
		return err
	}
	name += "-" + q.From.In(q.Location).Format(time.DateOnly) + "." + q.format
	r.Header("Content-Disposition", `attachment; filename="`+name+`"`)
	r.Data(http.StatusOK, contentType, b.Bytes())
	return nil
}

func showHeatMap(r *request) error {
	q, err := r.statQuery()
	if err != nil {
		return err
	}
	heat, err := r.api.Stats.HeatMap(r.ctx(), q.Query)
	if err != nil {
		return err
	}
	r.Header("X-Source", string(heat.Origin))
	shown := heatMapJSON{statRange: q.shown()}
	t := sheet.Table{Name: "Heat map", Columns: []string{"weekday", "hour", "attempts", "answered", "minutes"}}
	for day, hours := range heat.Hours {
		weekday := strings.ToLower(time.Weekday((day + 1) % 7).String())
		one := heatDayJSON{Weekday: weekday}
		for hour, f := range hours {
			one.Hours = append(one.Hours, heatHourJSON{hour, f.Attempts, f.Answered, f.Minutes()})
			t.Rows = append(t.Rows, []sheet.Cell{
				sheet.Text(weekday), sheet.Whole(int64(hour)), sheet.Whole(f.Attempts), sheet.Whole(f.Answered), sheet.Number(f.Minutes().String()),
			})
		}
		shown.Days = append(shown.Days, one)
	}
	if q.format != "json" {
		return r.export(q, "heatmap", t)
	}
	r.answer(http.StatusOK, shown)
	return nil
}

func showConcurrent(r *request) error {
	q, err := r.statQuery()
	if err != nil {
		return err
	}
	if q.By, err = among(r, "by", stats.ByHour, stats.ByQuarter, stats.ByMinute); err != nil {
		return err
	}
	c, err := r.api.Stats.Concurrent(r.ctx(), q.Query)
	if err != nil {
		return err
	}
	began := q.From.Add(-stats.LongestCall)
	if q.ids, err = r.api.CallFacts.CallIDs(r.ctx(), began, q.To); err != nil {
		return err
	}
	r.Header("X-Source", string(stats.FromRaw))
	shown := concurrentJSON{statRange: q.shown(), By: string(q.By), Most: c.Most, Slots: make([]busyJSON, len(c.Slots))}
	t := sheet.Table{Name: "Calls at once", Columns: []string{"start", "most", "mean", "calls"}}
	for i, s := range c.Slots {
		filter := search(q.callsDuring(s, began)...)
		shown.Slots[i] = busyJSON{s.From, s.Most, s.Mean(), json.RawMessage(filter), callsLink("/api/calls", filter)}
		t.Rows = append(t.Rows, []sheet.Cell{sheet.Text(s.From.Format(time.RFC3339)), sheet.Whole(s.Most), sheet.Number(s.Mean().String()), sheet.Text(shown.Slots[i].Calls)})
	}
	if q.format != "json" {
		return r.export(q, "calls-at-once", t)
	}
	r.answer(http.StatusOK, shown)
	return nil
}

// Orders of destinations.
const (
	byAttempts = "attempts"
	byMinutes  = "minutes"
	byRevenue  = "revenue"
)

func showDestinations(r *request) error {
	q, err := r.statQuery()
	if err != nil {
		return err
	}
	if q.limit, err = r.statLimit(topRows); err != nil {
		return err
	}
	order, err := among(r, "sort", byAttempts, byMinutes, byRevenue)
	if err != nil {
		return err
	}
	q.By, q.Of = stats.ByNone, stats.OfDestination
	s, err := r.api.Stats.Summary(r.ctx(), q.Query)
	if err != nil {
		return err
	}
	r.Header("X-Source", string(s.Origin))
	currency := r.Query("currency")
	if order == byRevenue && currency == "" {
		currency = mostCommon(s.Rows)
	}
	count := len(s.Rows)
	top := ranked(s.Rows, order, currency, q.limit)
	r.truncated(len(top), count)
	rows, err := r.showRows(q, top)
	if err != nil {
		return err
	}
	if q.format != "json" {
		return r.export(q, "destinations", rowTable(q, rows, r.operates()))
	}
	shown := topJSON{statRange: q.shown(), Sort: order, Count: count, Rows: rows, Total: r.showFigures(&s.Total)}
	if order == byRevenue && currency != "" {
		shown.Currency = &currency
	}
	r.answer(http.StatusOK, shown)
	return nil
}

// mostCommon is the currency of most answered calls; empty for no money at all.
func mostCommon(rows []stats.Row) (most string) {
	calls := make(map[string]int64)
	for _, row := range rows {
		for _, s := range row.Sums {
			if calls[s.Currency] += row.Answered; most == "" || calls[s.Currency] > calls[most] || calls[s.Currency] == calls[most] && s.Currency < most {
				most = s.Currency
			}
		}
	}
	return most
}

// revenueIn is what was charged in a currency.
func revenueIn(f *stats.Figures, currency string) money.Amount {
	for _, s := range f.Sums {
		if s.Currency == currency {
			return s.Revenue
		}
	}
	return 0
}

// ranked are the first rows by an order; those with the same figure by attempts.
func ranked(rows []stats.Row, order, currency string, limit int) []stats.Row {
	slices.SortStableFunc(rows, func(a, b stats.Row) int {
		switch order {
		case byMinutes:
			return cmp.Compare(b.Seconds, a.Seconds)
		case byRevenue:
			return cmp.Compare(revenueIn(&b.Figures, currency), revenueIn(&a.Figures, currency))
		}
		return cmp.Compare(b.Attempts, a.Attempts)
	})
	return rows[:min(len(rows), limit)]
}
