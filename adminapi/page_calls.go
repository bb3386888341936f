package adminapi

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/web"
)

// callStates are what calls can be looked for by.
func callStates() []web.Option {
	return []web.Option{
		{Value: "", Label: "any"},
		{Value: string(models.CallOpen), Label: "in progress"},
		{Value: string(models.CallSettled), Label: "charged"},
		{Value: string(models.CallReleased), Label: "not answered"},
		{Value: string(models.CallUnreconciled), Label: "unreconciled"},
		{Value: "disputed", Label: "disputed"},
		{Value: string(models.CallEmergency), Label: "emergency"},
	}
}

// ofUser has a list be that of the user whose name was typed, of everybody for an empty one; or tells that there is none.
func (r *request) ofUser(name string, l *models.ListRequest, faults map[string]string) error {
	if name == "" {
		return nil
	}
	found, err := r.api.Users.UserDetail(r.ctx(), name)
	if isNotFound(err) {
		faults["user"] = "There is no such user."
		return nil
	}
	l.User = found.ID
	return err
}

func allCallsPage(r *request) error {
	l := r.pageRequest()
	states := callStates()
	user, number, state, date := strings.TrimSpace(r.Query("user")), strings.TrimSpace(r.Query("number")), r.Query("state"), r.Query("date")
	faults := map[string]string{}
	var filters []map[string]any
	if err := r.ofUser(user, &l, faults); err != nil {
		return err
	}
	if number != "" {
		filters = append(filters, where("number", "like", pattern(number)+"%"))
	}
	if state == "disputed" {
		filters = append(filters, map[string]any{"name": "disputed_seconds", "op": "gt", "field": "seconds"})
	} else if state != "" {
		filters = append(filters, where("state", "eq", state))
	}
	for i := range states {
		states[i].Selected = states[i].Value == state
	}
	if date != "" {
		day, err := time.ParseInLocation(time.DateOnly, date, r.api.Location)
		if err != nil {
			faults["date"] = "A date is written as 2026-12-31."
		}
		filters = append(filters, where("authorized_at", "ge", day.Format(time.RFC3339)), where("authorized_at", "lt", day.AddDate(0, 0, 1).Format(time.RFC3339)))
	}
	filter := &web.Form{Action: "/calls", Submit: "Show", Fields: []web.Field{
		{Name: "user", Label: "User", Type: "search", Value: user, Error: faults["user"]},
		{Name: "number", Label: "Number begins with", Type: "search", Mode: "tel", Value: number},
		{Name: "state", Label: "State", Type: "select", Options: states},
		{Name: "date", Label: "Date", Type: "date", Value: date, Error: faults["date"]},
	}}
	if len(faults) > 0 {
		return r.render(http.StatusBadRequest, web.Page{Title: "Calls", Section: "/calls", Body: web.Calls{Filter: filter}})
	}
	if len(filters) > 0 {
		l.Query = search(filters...)
	} else {
		l.Query = r.Query("q") // where a figure of the statistics leads
	}
	return r.callsPage(http.StatusOK, l, web.Calls{Filter: filter}, "/calls")
}

// callsPage shows a list of calls.
func (r *request) callsPage(status int, l models.ListRequest, body web.Calls, section string) error {
	list, err := r.api.Calls.ListCalls(r.ctx(), l)
	if err != nil {
		return err
	}
	calls, more := onePage(list.Items)
	if body.Rows, err = r.pageCalls(calls); err != nil {
		return err
	}
	if list.Total > 0 && l.After == 0 {
		body.Total = counted(list, "call", "calls")
	}
	if more {
		body.Next = r.nextPage(calls[pageRows-1].ID)
	}
	return r.render(status, web.Page{Title: "Calls", Section: section, Body: body})
}

// callPage explains a call to an administrator, or to the user who pays for it. To others it is as if it did not exist.
func callPage(r *request) error {
	c, err := r.call()
	if err == nil && !r.who.user.Admin && c.UserID != r.who.user.ID {
		err = models.ErrNotFound
	}
	if err != nil {
		return err
	}
	users, err := r.callUsers(c)
	if err != nil {
		return err
	}
	legs, entries, err := r.explanation(c)
	if err != nil {
		return err
	}
	hold, err := billing.ExplainHold(c)
	if err != nil {
		return err
	}
	ending, err := r.ending(c, r.api.Location)
	if err != nil {
		return err
	}
	admin := r.who.user.Admin
	body := web.Call{
		CallRow: pageCall(c, users), Summary: callSummary(c, ending), Warnings: callWarnings(c), Facts: callFacts(c, users, admin),
		Manage: admin, Open: c.State == models.CallOpen,
	}
	if hold != nil {
		shown := pageLeg(*hold)
		body.Hold = &shown
	}
	for _, leg := range legs {
		body.Legs = append(body.Legs, pageLeg(leg))
	}
	if len(legs) > 1 {
		body.Sum = body.Charge
	}
	for _, e := range entries {
		posted := web.Posted{Account: houseWords(e.Account), Amount: pageAmount(e.Amount, e.Currency), At: e.PostedAt}
		if e.UserID != 0 {
			posted.Account, posted.User = "account "+e.Account, users[e.UserID].Username
		}
		body.Entries = append(body.Entries, posted)
	}
	for _, e := range c.Notes {
		body.Evidence = append(body.Evidence, r.pageEvidence(e))
	}
	section := "/calls"
	if !admin {
		section = "/"
	}
	return r.render(http.StatusOK, web.Page{Title: "Call to " + c.Number, Section: section, Body: body})
}

// callSummary is what became of a call, in a few sentences; ending is what is told of one that was not charged.
func callSummary(c models.Call, ending string) string {
	shown := func(a money.Amount) string {
		text := pageAmount(a, c.Rate.Currency)
		return text.Decimal + " " + text.Unit
	}
	switch c.State {
	case models.CallOpen:
		return fmt.Sprintf("In progress, as far as is known. %s are held for it, which pay for %d seconds of talk.", shown(c.Held()), c.Limit)
	case models.CallSettled:
		return fmt.Sprintf("Talked for %d seconds (%s), which cost %s.", c.Seconds, web.Clock(c.Seconds), shown(c.Charge))
	case models.CallEmergency:
		return "A call to an emergency number: it always passes and costs nothing."
	case models.CallReleased, models.CallUnreconciled:
		return ending
	}
	return string(c.State)
}

// callWarnings are what somebody should know besides.
func callWarnings(c models.Call) []string {
	var texts []string
	if c.Disputed > c.Seconds {
		texts = append(texts, fmt.Sprintf("Disputed: evidence that came later tells of %d seconds, but %d were charged. A charge is never changed; "+
			"if the later evidence is right, take the difference by hand.", c.Disputed, c.Seconds))
	}
	if c.Shortfall > 0 {
		short := pageAmount(c.Shortfall, c.Rate.Currency)
		texts = append(texts, fmt.Sprintf("%s %s of the charge were covered by nobody's money; they stand on the house account “shortfall”.", short.Decimal, short.Unit))
	}
	if cut := billing.CutWords(c); cut != "" {
		texts = append(texts, cut)
	}
	if c.Unauthorized && c.State == models.CallSettled {
		texts = append(texts, "The call was never authorised: Talktime heard of it only when it was over, and charged it at the rate of that moment.")
	}
	return texts
}

func callFacts(c models.Call, users map[int64]models.UserDetail, admin bool) []web.Fact {
	name := func(label string, id int64, otherwise string) web.Fact {
		f := web.Fact{Label: label, Text: users[id].Username}
		switch {
		case f.Text == "" && id != 0:
			f.Text = "a deleted user"
		case f.Text == "":
			f.Text = otherwise
		case admin:
			f.Path = web.UserPath(f.Text)
		}
		return f
	}
	at := func(label string, t time.Time) web.Fact { return web.Fact{Label: label, At: &t} }
	facts := []web.Fact{name("Caller", c.UserID, "nobody we know"), {Label: "Caller id", Text: orDash(c.CallerID)}, {Label: "Number", Text: c.Number}}
	if c.CalleeID != 0 && admin {
		facts = append(facts, name("Called user", c.CalleeID, ""))
	}
	facts = append(facts, at("Authorised", c.Authorized))
	if c.Ended != nil {
		facts = append(facts, at("End known", *c.Ended))
	}
	if c.State == models.CallOpen {
		held := pageAmount(c.Held(), c.Rate.Currency)
		facts = append(facts, at("Ends at the latest", c.Due), web.Fact{Label: "Held", Amount: &held})
	}
	if c.Limit != 0 {
		facts = append(facts, web.Fact{Label: "Permitted", Text: fmt.Sprintf("%d seconds (%s)", c.Limit, web.Clock(c.Limit))})
	}
	if c.Slice != 0 {
		facts = append(facts, web.Fact{Label: "Slices", Text: fmt.Sprintf("%d seconds at a time", c.Slice)})
	}
	if c.Status != "" {
		facts = append(facts, web.Fact{Label: "Asterisk says", Text: fmt.Sprintf("%s (%s)", dialWords(c.Status), c.Status)})
	}
	if c.Cause != 0 {
		facts = append(facts, web.Fact{Label: "Hangup cause", Text: fmt.Sprintf("%d (Q.850)", c.Cause)})
	}
	switch by := witness(c.SettledBy); {
	case by == "" || c.State == models.CallEmergency:
	case c.State == models.CallSettled:
		facts = append(facts, web.Fact{Label: "Settled by", Text: by})
	case c.Unauthorized:
		facts = append(facts, web.Fact{Label: "Reported by", Text: by})
	default:
		facts = append(facts, web.Fact{Label: "Released by", Text: by})
	}
	return append(facts, web.Fact{Label: "Call id", Text: c.CallID})
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// byHand settles the calls whose records somebody wrote.
const byHand = "hand"

// witness is who saw a call, or settled it.
func witness(source string) string {
	switch source {
	case billing.SourceCaller:
		return "The caller's leg, when Dial returned"
	case billing.SourceReducer:
		return "The reducer, after the hang-up"
	case billing.SourceRepeat:
		return "The channel, which dialled again under the same hold"
	case billing.SourceEmergency:
		return "The channel, which called for help after this call"
	case billing.SourceReconciler:
		return "The reconciler, which looks for lost calls"
	case billing.SourceOperator:
		return "An operator"
	case byHand:
		return "Nobody: the record was written by hand"
	case "cdr":
		return "A record of Asterisk's CDR database"
	}
	return source
}

// houseWords are the house's accounts, for people.
func houseWords(name string) string {
	switch name {
	case models.HouseRevenue:
		return "The house: revenue"
	case models.HouseShortfall:
		return "The house: shortfall, covered by nobody"
	}
	return "The house: " + name
}

func pageLeg(l billing.LegPrice) web.Leg {
	shown := func(a money.Amount) string {
		text := pageAmount(a, l.Rate.Currency)
		return text.Decimal + " " + text.Unit
	}
	rate := fmt.Sprintf("The rate%s is %s per minute.", named(l.Rate.Name), shown(l.Rate.PerMinute))
	if l.Rate.Prefix != "" {
		rate = fmt.Sprintf("The rate%s for numbers that begin with %s is %s per minute.", named(l.Rate.Name), l.Rate.Prefix, shown(l.Rate.PerMinute))
	}
	texts := []string{rate}
	if first, next := max(l.Rate.First, 1), max(l.Rate.Increment, 1); first > 1 || next > 1 {
		texts = append(texts, fmt.Sprintf("Talk counts in whole steps: the first %d seconds, then each further %d.", first, next))
	}
	if l.Rate.ConnectFee != 0 {
		texts = append(texts, "Each answered call costs "+shown(l.Rate.ConnectFee)+" at once.")
	}
	if l.Rate.Minimum != 0 {
		texts = append(texts, "An answered call costs at least "+shown(l.Rate.Minimum)+".")
	}
	if l.Rate.Grace != 0 {
		texts = append(texts, fmt.Sprintf("Up to %d seconds of talk cost nothing.", l.Rate.Grace))
	}
	leg := web.Leg{Number: l.Number, Rate: texts, Cost: pageAmount(l.Cost, l.Rate.Currency)}
	for _, s := range l.Steps {
		leg.Steps = append(leg.Steps, web.Step{Does: sentence(s.Does), Amount: pageAmount(s.Amount, l.Rate.Currency)})
	}
	return leg
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return " “" + name + "”"
}

func (r *request) pageEvidence(e models.Evidence) web.Evidence {
	shown := web.Evidence{Witness: witness(e.Source), At: e.SeenAt}
	say := func(format string, args ...any) { shown.Saw = append(shown.Saw, fmt.Sprintf(format, args...)) }
	if e.Leg > 0 {
		say("of destination %d under the same hold", e.Leg+1)
	}
	if e.DialStatus != "" {
		say("the dial ended with: %s (DIALSTATUS %s)", dialWords(e.DialStatus), e.DialStatus)
	}
	if e.PDD != nil {
		say("the first ringing or early media after %d.%03d seconds", *e.PDD/1000, *e.PDD%1000)
	}
	if e.AnsweredMS != nil {
		say("talk of %d.%03d seconds (ANSWEREDTIME_MS)", *e.AnsweredMS/1000, *e.AnsweredMS%1000)
	}
	if e.Answered != nil {
		say("talk of %d seconds (ANSWEREDTIME)", *e.Answered)
	}
	if e.BillSec != nil {
		say("%d billable seconds in its own record (CDR(billsec))", *e.BillSec)
	}
	for _, moment := range []struct {
		ms   *int64
		what string
	}{{e.ChannelUp, "the caller's channel was answered at %s"}, {e.CalleeUpMS, "the called party answered at %s (TALKTIME_ANSWERED)"}, {e.EndedMS, "the call ended at %s"}} {
		if moment.ms != nil {
			say(moment.what, time.UnixMilli(*moment.ms).In(r.api.Location).Format("2006-01-02 15:04:05.000"))
		}
	}
	if e.Over {
		say("the channel has ended")
	}
	return shown
}

func holdsPage(r *request) error {
	l := r.pageRequest()
	list, err := r.api.Calls.ListHolds(r.ctx(), l)
	if err != nil {
		return err
	}
	calls, more := onePage(list.Items)
	rows, err := r.pageCalls(calls)
	if err != nil {
		return err
	}
	body := web.Holds{Rows: rows, Total: counted(list, "hold", "holds")}
	if more {
		body.Next = r.nextPage(calls[pageRows-1].ID)
	}
	return r.render(http.StatusOK, web.Page{Title: "Open holds", Section: "/holds", Body: body})
}

func releasePage(r *request) error {
	c, err := r.hold()
	if isNotFound(err) {
		return r.noHold()
	}
	if err != nil {
		return err
	}
	return r.showRelease(http.StatusOK, c, "")
}

// noHold answers when there is nothing to release, as after a call that has just ended.
func (r *request) noHold() error {
	if _, err := r.call(); err != nil {
		return err
	}
	return refused(http.StatusConflict, "the call holds no money any more; it has ended")
}

func (r *request) showRelease(status int, c models.Call, fault string) error {
	held := pageAmount(c.Held(), c.Rate.Currency)
	return r.showForm(status, "Release the hold?", "/holds", web.Form{
		Action: fmt.Sprintf("/holds/%d/release", c.ID), Cancel: web.CallPath(c.ID), Submit: "Release", Danger: true, Error: fault,
		Intro: []string{
			fmt.Sprintf("The call to %s holds %s %s. Once they are free the user may spend them, while the call may still go on: this hangs up nothing.", c.Number, held.Decimal, held.Unit),
			"The call is then listed as unreconciled. When its end is reported later, it is still charged.",
		},
	})
}

func releaseHoldPage(r *request) error {
	c, err := r.hold()
	if err == nil {
		err = r.release(c)
	}
	if isNotFound(err) {
		return r.noHold()
	}
	if f, ok := refusal(err); ok {
		return r.showRelease(f.status, c, f.message)
	}
	if err != nil {
		return err
	}
	return r.done("/holds", "The hold of the call to %s is released.", c.Number)
}
