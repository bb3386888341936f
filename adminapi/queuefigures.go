package adminapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/queues"
	"talktime/queues/reports"
	"talktime/stats"
	"talktime/stats/sheet"
)

// queueFiguresJSON are figures of passages through queues that are over. What is divided by nothing is null.
type queueFiguresJSON struct {
	Offered           int64             `json:"offered"`
	Answered          int64             `json:"answered"`
	Unanswered        int64             `json:"unanswered"`
	Abandoned         int64             `json:"abandoned"`
	TimedOut          int64             `json:"timed_out"`
	Emptied           int64             `json:"emptied"`
	Keyed             int64             `json:"keyed"`
	Dumped            int64             `json:"dumped"`
	Incompatible      int64             `json:"incompatible"`
	Lost              int64             `json:"lost"`
	Withdrawn         int64             `json:"withdrawn"`
	AbandonRate       *stats.Hundredths `json:"abandon_rate" nullable:"true"`
	ServiceLevel      *stats.Hundredths `json:"service_level" nullable:"true"`
	ASA               *stats.Hundredths `json:"asa_seconds" nullable:"true"`
	WaitMedian        *int64            `json:"wait_p50_seconds"`
	WaitMost          *int64            `json:"wait_p90_seconds"`
	WaitLongest       int64             `json:"wait_longest_seconds"`
	Wait              int64             `json:"wait_seconds"`
	LeftMean          *stats.Hundredths `json:"left_mean_seconds" nullable:"true"`
	LeftLongest       int64             `json:"left_longest_seconds"`
	Talk              int64             `json:"talk_seconds"`
	TalkMean          *stats.Hundredths `json:"talk_mean_seconds" nullable:"true"`
	AHT               *stats.Hundredths `json:"aht_seconds" nullable:"true"`
	CompletedByAgent  int64             `json:"completed_by_agent"`
	CompletedByCaller int64             `json:"completed_by_caller"`
	Transferred       int64             `json:"transferred"`
	EndedOtherwise    int64             `json:"ended_otherwise"`
	NoAnswers         *int64            `json:"no_answers"`
	NoAnswer          *int64            `json:"no_answer_seconds"`
}

// queueRowJSON is a row of a summary.
type queueRowJSON struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	queueFiguresJSON
	Calls *string `json:"calls"`
}

// queueSummaryJSON are figures of queues, with how they come about.
type queueSummaryJSON struct {
	statRange
	By       string            `json:"by"`
	SLA      int64             `json:"sla_seconds"`
	WrapUp   int64             `json:"wrapup_seconds"`
	Formulas map[string]string `json:"formulas"`
	Count    int               `json:"num_rows"`
	Rows     []queueRowJSON    `json:"rows"`
	Total    queueFiguresJSON  `json:"total"`
}

// queueFormulas say how the figures of queues are counted, which stands beside them.
func queueFormulas(sla, wrapup int64) map[string]string {
	return map[string]string{
		"offered":             "answered + unanswered; callers who still wait or talk are not counted",
		"unanswered":          "abandoned + timed_out + emptied + keyed + dumped + incompatible + lost + withdrawn",
		"abandon_rate":        "100 × abandoned ÷ offered",
		"service_level":       fmt.Sprintf("100 × answered after at most %d seconds ÷ offered", sla),
		"asa_seconds":         "wait_seconds ÷ answered",
		"wait_p50_seconds":    "the shortest time after which half of the answered calls were answered",
		"wait_p90_seconds":    "the shortest time after which 90 of 100 answered calls were answered",
		"left_mean_seconds":   "seconds waited by callers who were not answered ÷ unanswered",
		"talk_mean_seconds":   "talk_seconds ÷ answered",
		"aht_seconds":         fmt.Sprintf("(talk_seconds + %d × answered) ÷ answered; on hold is part of the talk", wrapup),
		"occupancy":           fmt.Sprintf("100 × (talk_seconds + %d × answered) ÷ ready_seconds", wrapup),
		"ready_seconds":       "seconds logged in and in no pause",
		"answered_again":      "callers who gave up, called again within within_hours and were answered",
		"called_back":         "the others who were called within within_hours, and answered",
		"open":                "abandoned − answered_again − called_back",
		"connected_share":     "100 × connected after at most up_to_seconds ÷ all who were connected",
		"waits.service_level": "100 × connected after at most up_to_seconds ÷ (all who were connected + all who left)",
	}
}

// formulasOf are some of them.
func formulasOf(all map[string]string, names ...string) map[string]string {
	some := make(map[string]string, len(names))
	for _, name := range names {
		some[name[strings.LastIndex(name, ".")+1:]] = all[name]
	}
	return some
}

// ratio is nil of nothing, else what the figure is written as.
func ratio(text string, of int64) *stats.Hundredths { return ifKnown(hundredths(text), of != 0) }

func showQueueFigures(f *queues.Facts, w *queues.Waits, sla, wrapup int64) queueFiguresJSON {
	answered, unanswered := f.Answered(), f.Unanswered()
	return queueFiguresJSON{
		Offered: answered + unanswered, Answered: answered, Unanswered: unanswered,
		Abandoned: f.Abandoned, TimedOut: f.TimedOut, Emptied: f.Emptied, Keyed: f.Keyed, Dumped: f.Dumped, Incompatible: f.Incompatible, Lost: f.Lost, Withdrawn: f.Withdrawn,
		AbandonRate: ratio(f.AbandonRate(), answered+unanswered), ServiceLevel: ratio(w.ServiceLevel(sla), answered+unanswered),
		ASA: ratio(f.ASA(), answered), WaitMedian: ifKnown(w.Percentile(50), answered > 0), WaitMost: ifKnown(w.Percentile(90), answered > 0),
		WaitLongest: f.LongestHeld, Wait: f.Held, LeftMean: ratio(queues.Average(f.Forsaken, unanswered), unanswered), LeftLongest: f.LongestLeft,
		Talk: f.Talked, TalkMean: ratio(queues.Average(f.Talked, answered), answered), AHT: ratio(f.AHT(wrapup), answered),
		CompletedByAgent: f.CompletedByAgent, CompletedByCaller: f.CompletedByCaller,
		Transferred: f.Transferred + f.BlindTransferred + f.AttendedTransferred, EndedOtherwise: f.EndedOtherwise,
		NoAnswers: new(f.NoAnswers), NoAnswer: new(f.NoAnswerMS / 1000),
	}
}

// queueSLA and wrapUp read seconds that figures depend on.
func (r *request) queueSLA() (int64, error) {
	usual := int64(r.api.QueueSLA.Seconds())
	if usual == 0 {
		usual = queueSLA
	}
	return r.wholeBetween("sla", 1, 3600, usual)
}

func (r *request) wrapUp() (int64, error) { return r.wholeBetween("wrapup", 0, 3600, 0) }

func showQueueSummary(r *request, q queueQuery) error {
	by, err := among(r, "by", reports.ByAll, reports.ByQueue, reports.ByAgent, reports.ByHour, reports.ByWeekday, reports.ByDay, reports.ByMonth, reports.ByOutcome, reports.ByURL, reports.ByDID)
	if err != nil {
		return err
	}
	sla, err := r.queueSLA()
	if err != nil {
		return err
	}
	wrapup, err := r.wrapUp()
	if err != nil {
		return err
	}
	figures, err := r.api.Queues.Figures(r.ctx(), q.who, q.filter, by)
	if err != nil {
		return err
	}
	var all reports.Figures
	rows := make([]queueRowJSON, 0, min(len(figures), q.limit))
	for i := range figures {
		f := &figures[i]
		all.Facts.Merge(&f.Facts)
		all.Waits.Merge(&f.Waits)
		if len(rows) < q.limit {
			rows = append(rows, queueRowJSON{f.Key, queueRowName(by, f), showQueueFigures(&f.Facts, &f.Waits, sla, wrapup), q.callsOfRow(by, f.Key)})
			rows[i].rang(by)
		}
	}
	r.truncated(len(rows), len(figures))
	if q.format != "json" {
		return r.export(q.statQuery, "queues", queueTable(by, rows))
	}
	formulas := formulasOf(queueFormulas(sla, wrapup), "offered", "unanswered", "abandon_rate", "service_level", "asa_seconds", "wait_p50_seconds", "wait_p90_seconds",
		"left_mean_seconds", "talk_mean_seconds", "aht_seconds")
	total := showQueueFigures(&all.Facts, &all.Waits, sla, wrapup)
	total.rang(by)
	r.answer(http.StatusOK, queueSummaryJSON{q.shown(), string(by), sla, wrapup, formulas, len(figures), rows, total})
	return nil
}

// rang takes out the telephones that rang in vain where they are not known: they belong to a queue and an agent, and to no way out of it.
func (f *queueFiguresJSON) rang(by reports.By) {
	switch by {
	case reports.ByOutcome, reports.ByURL, reports.ByDID:
		f.NoAnswers, f.NoAnswer = nil, nil
	default:
	}
}

// queueRowName is what people call a row.
func queueRowName(by reports.By, f *reports.Figures) string {
	if n, err := strconv.Atoi(f.Key); by == reports.ByWeekday && err == nil {
		return strings.ToLower(time.Weekday(n % 7).String())
	}
	if f.Shown != "" {
		return f.Shown
	}
	return f.Key
}

// callsOfRow is where the calls of a row are listed: those that came to the queue then, while figures belong to the time at which callers
// were connected or gone. Nil where no list finds them.
func (q queueQuery) callsOfRow(by reports.By, key string) *string {
	from, to, window := q.From, q.To, q.filter.Window
	values := url.Values{"queue": slices.Clone(q.filter.Queues), "agent": slices.Clone(q.filter.Agents)}
	switch by {
	case reports.ByQueue, reports.ByAgent, reports.ByOutcome, reports.ByURL, reports.ByDID:
		if key == "" {
			return nil
		}
		values.Set(string(by), key)
	case reports.ByHour:
		hour, err := strconv.Atoi(key)
		if err != nil || window != wholeDay {
			return nil
		}
		window = reports.Window{From: hour * 3600, To: hour*3600 + 3599}
	case reports.ByDay, reports.ByMonth:
		layout, days, months := time.DateOnly, 1, 0
		if by == reports.ByMonth {
			layout, days, months = "2006-01", 0, 1
		}
		day, err := time.Parse(layout, key)
		if err != nil {
			return nil
		}
		clock := stats.NewClock(q.Location)
		begin, end := time.Unix(clock.Unix(day.Unix()), 0), time.Unix(clock.Unix(day.AddDate(0, months, days).Unix()), 0)
		from = slices.MaxFunc([]time.Time{from, begin}, time.Time.Compare)
		to = slices.MinFunc([]time.Time{to, end}, time.Time.Compare)
	case reports.ByWeekday:
		return nil
	case reports.ByAll:
	}
	values.Set("from", from.In(q.Location).Format(time.RFC3339))
	values.Set("to", to.In(q.Location).Format(time.RFC3339))
	if window != wholeDay {
		values.Set("day_from", clockText(window.From))
		values.Set("day_to", clockText(window.To+1))
	}
	link := "/api/queues/calls?" + values.Encode()
	return &link
}

// clockText is a time of the day.
func clockText(second int) string {
	return fmt.Sprintf("%02d:%02d:%02d", second/3600, second/60%60, second%60)
}

// queueTable is a summary as a table.
func queueTable(by reports.By, rows []queueRowJSON) sheet.Table {
	t := sheet.Table{Name: "Queues by " + string(by), Columns: []string{
		string(by), "name", "offered", "answered", "unanswered", "abandoned", "timed_out", "emptied", "keyed", "dumped", "incompatible", "lost", "withdrawn", "abandon_rate", "service_level",
		"asa_seconds", "wait_p50_seconds", "wait_p90_seconds", "wait_longest_seconds", "wait_seconds", "left_mean_seconds", "left_longest_seconds", "talk_seconds", "talk_mean_seconds",
		"aht_seconds", "completed_by_agent", "completed_by_caller", "transferred", "ended_otherwise", "no_answers", "no_answer_seconds", "calls",
	}}
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	part := func(h *stats.Hundredths) sheet.Cell { return cellOf(h, stats.Hundredths.String) }
	for _, row := range rows {
		line := []sheet.Cell{sheet.Text(row.Key), sheet.Text(row.Name)}
		for _, n := range []int64{row.Offered, row.Answered, row.Unanswered, row.Abandoned, row.TimedOut, row.Emptied, row.Keyed, row.Dumped, row.Incompatible, row.Lost, row.Withdrawn} {
			line = append(line, sheet.Whole(n))
		}
		line = append(line, part(row.AbandonRate), part(row.ServiceLevel), part(row.ASA), cellOf(row.WaitMedian, whole), cellOf(row.WaitMost, whole), sheet.Whole(row.WaitLongest), sheet.Whole(row.Wait),
			part(row.LeftMean), sheet.Whole(row.LeftLongest), sheet.Whole(row.Talk), part(row.TalkMean), part(row.AHT))
		for _, n := range []int64{row.CompletedByAgent, row.CompletedByCaller, row.Transferred, row.EndedOtherwise} {
			line = append(line, sheet.Whole(n))
		}
		line = append(line, cellOf(row.NoAnswers, whole), cellOf(row.NoAnswer, whole))
		t.Rows = append(t.Rows, append(line, sheet.Text(valueOf(row.Calls))))
	}
	return t
}

// queueWaitJSON is how many callers had waited so long.
type queueWaitJSON struct {
	UpTo           int64             `json:"up_to_seconds"`
	Connected      int64             `json:"connected"`
	Left           int64             `json:"left"`
	ConnectedSoFar int64             `json:"connected_cumulative"`
	LeftSoFar      int64             `json:"left_cumulative"`
	ConnectedShare *stats.Hundredths `json:"connected_share" nullable:"true"`
	ServiceLevel   *stats.Hundredths `json:"service_level" nullable:"true"`
}

type queueWaitsJSON struct {
	statRange
	Step      int64             `json:"step_seconds"`
	Connected int64             `json:"connected"`
	Left      int64             `json:"left"`
	Formulas  map[string]string `json:"formulas"`
	Count     int               `json:"num_rows"`
	Rows      []queueWaitJSON   `json:"rows"`
}

// showQueueWaits tells how long callers waited, in steps; those in which nobody's wait ended are left out.
func showQueueWaits(r *request, q queueQuery) error {
	step, err := r.wholeBetween("step", 1, 3600, 5)
	if err != nil {
		return err
	}
	figures, err := r.api.Queues.Figures(r.ctx(), q.who, q.filter, reports.ByAll)
	if err != nil {
		return err
	}
	var waits queues.Waits
	for i := range figures {
		waits.Merge(&figures[i].Waits)
	}
	shown := queueWaitsJSON{statRange: q.shown(), Step: step, Formulas: formulasOf(queueFormulas(0, 0), "connected_share", "waits.service_level"), Rows: []queueWaitJSON{}}
	shown.Connected, shown.Left = waits.Total()
	for _, s := range waits.Steps() {
		upTo := max((s.Seconds+step-1)/step, 1) * step
		if n := len(shown.Rows); n == 0 || shown.Rows[n-1].UpTo != upTo {
			row := queueWaitJSON{UpTo: upTo, ServiceLevel: ratio(waits.ServiceLevel(upTo), shown.Connected+shown.Left)}
			row.ConnectedSoFar, row.LeftSoFar = waits.Within(upTo)
			row.ConnectedShare = ratio(queues.Percent(row.ConnectedSoFar, shown.Connected), shown.Connected)
			shown.Rows = append(shown.Rows, row)
		}
		last := &shown.Rows[len(shown.Rows)-1]
		last.Connected += s.Connected
		last.Left += s.Unanswered
	}
	shown.Count = len(shown.Rows)
	shown.Rows = shown.Rows[:min(shown.Count, q.limit)]
	r.truncated(len(shown.Rows), shown.Count)
	if q.format == "json" {
		r.answer(http.StatusOK, shown)
		return nil
	}
	t := sheet.Table{Name: "Waits", Columns: []string{"up_to_seconds", "connected", "left", "connected_cumulative", "left_cumulative", "connected_share", "service_level"}}
	for _, row := range shown.Rows {
		t.Rows = append(t.Rows, []sheet.Cell{
			sheet.Whole(row.UpTo), sheet.Whole(row.Connected), sheet.Whole(row.Left), sheet.Whole(row.ConnectedSoFar), sheet.Whole(row.LeftSoFar),
			cellOf(row.ConnectedShare, stats.Hundredths.String), cellOf(row.ServiceLevel, stats.Hundredths.String),
		})
	}
	return r.export(q.statQuery, "queue-waits", t)
}

// pauseJSON is the pauses for one reason.
type pauseJSON struct {
	Reason  string `json:"reason"`
	Pauses  int64  `json:"pauses"`
	Seconds int64  `json:"seconds"`
}

// agentTimeJSON is how long an agent was there, and what he did meanwhile.
type agentTimeJSON struct {
	Agent     string            `json:"agent"`
	Name      string            `json:"name"`
	Sessions  int64             `json:"sessions"`
	LoggedIn  int64             `json:"logged_in_seconds"`
	Pauses    int64             `json:"pauses"`
	Paused    int64             `json:"paused_seconds"`
	Ready     int64             `json:"ready_seconds"`
	Occupancy *stats.Hundredths `json:"occupancy" nullable:"true"`
	Answered  int64             `json:"answered"`
	Talk      int64             `json:"talk_seconds"`
	AHT       *stats.Hundredths `json:"aht_seconds" nullable:"true"`
	NoAnswers int64             `json:"no_answers"`
	NoAnswer  int64             `json:"no_answer_seconds"`
	Reasons   []pauseJSON       `json:"reasons"`
}

type agentTimesJSON struct {
	statRange
	WrapUp   int64             `json:"wrapup_seconds"`
	Formulas map[string]string `json:"formulas"`
	Count    int               `json:"num_rows"`
	Rows     []agentTimeJSON   `json:"rows"`
}

func showAgentTimes(r *request, q queueQuery) error {
	wrapup, err := r.wrapUp()
	if err != nil {
		return err
	}
	if q.filter.Window != wholeDay {
		return badRequest("day_from and day_to are for calls: sessions and pauses are counted of whole days")
	}
	agents, err := r.api.Queues.Attendance(r.ctx(), q.who, q.filter)
	if err != nil {
		return err
	}
	shown := agentTimesJSON{statRange: q.shown(), WrapUp: wrapup, Formulas: formulasOf(queueFormulas(0, wrapup), "ready_seconds", "occupancy", "aht_seconds"), Count: len(agents), Rows: []agentTimeJSON{}}
	for i := range agents[:min(len(agents), q.limit)] {
		a := &agents[i]
		row := agentTimeJSON{
			Agent: a.Key, Name: a.Shown, Sessions: a.Sessions, LoggedIn: a.LoggedIn, Pauses: a.Pauses, Paused: a.Paused, Ready: a.Ready,
			Occupancy: ratio(queues.Occupancy(&a.Facts, wrapup, &a.Attendance), a.Ready), Answered: a.Facts.Answered(), Talk: a.Facts.Talked,
			AHT: ratio(a.Facts.AHT(wrapup), a.Facts.Answered()), NoAnswers: a.Facts.NoAnswers, NoAnswer: a.Facts.NoAnswerMS / 1000, Reasons: make([]pauseJSON, len(a.Reasons)),
		}
		for i, reason := range a.Reasons {
			row.Reasons[i] = pauseJSON{reason.Reason, reason.Pauses, reason.Seconds}
		}
		shown.Rows = append(shown.Rows, row)
	}
	r.truncated(len(shown.Rows), shown.Count)
	if q.format != "json" {
		return r.export(q.statQuery, "agent-times", agentTable(shown.Rows))
	}
	r.answer(http.StatusOK, shown)
	return nil
}

// agentTable is a line for each agent with his sums, and one behind it for each reason for which he paused.
func agentTable(rows []agentTimeJSON) sheet.Table {
	t := sheet.Table{Name: "Agents", Columns: []string{
		"agent", "name", "reason", "sessions", "logged_in_seconds", "pauses", "paused_seconds", "ready_seconds", "occupancy", "answered", "talk_seconds", "aht_seconds", "no_answers", "no_answer_seconds",
	}}
	for _, row := range rows {
		line := []sheet.Cell{sheet.Text(row.Agent), sheet.Text(row.Name), sheet.Text("")}
		for _, n := range []int64{row.Sessions, row.LoggedIn, row.Pauses, row.Paused, row.Ready} {
			line = append(line, sheet.Whole(n))
		}
		t.Rows = append(t.Rows, append(line, cellOf(row.Occupancy, stats.Hundredths.String), sheet.Whole(row.Answered), sheet.Whole(row.Talk), cellOf(row.AHT, stats.Hundredths.String),
			sheet.Whole(row.NoAnswers), sheet.Whole(row.NoAnswer)))
		for _, reason := range row.Reasons {
			name := reason.Reason
			if name == "" {
				name = "(none)" // else it looks like the sums
			}
			line := make([]sheet.Cell, len(t.Columns))
			line[0], line[1], line[2] = sheet.Text(row.Agent), sheet.Text(row.Name), sheet.Text(name)
			line[5], line[6] = sheet.Whole(reason.Pauses), sheet.Whole(reason.Seconds)
			t.Rows = append(t.Rows, line)
		}
	}
	return t
}
