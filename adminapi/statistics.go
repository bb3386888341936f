package adminapi

import (
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

// statistics makes a handler that has its turn with those of the same user or program.
func statistics(handle handler) handler {
	return func(r *request) error {
		if err := r.knownParameters(); err != nil {
			return err
		}
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

// truncated says that not all rows are there.
func (r *request) truncated(shown, all int) {
	if shown < all {
		r.Header("X-Truncated", "rows")
	}
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
