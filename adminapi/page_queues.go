package adminapi

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"talktime/queues"
	"talktime/queues/live"
	"talktime/queues/reports"
	"talktime/web"
)

// seesQueues reports whether there are queues that who asks may see some of. It is for the menu: what cannot be found out is left out.
func (r *request) seesQueues() bool {
	if r.api.LiveQueues == nil || r.who.user == nil {
		return false
	}
	who, err := r.queueScope()
	if err != nil || !who.All && len(who.Queues)+len(who.Agents) == 0 {
		return false
	}
	if r.api.Manager != nil || r.api.Queues == nil {
		return true
	}
	names, _, err := r.api.Queues.Names(r.ctx(), reports.Scope{All: true})
	return err == nil && len(listed(names)) > 0
}

// queuesPage shows how the queues are now, and what happened in them today.
func queuesPage(r *request) error {
	body, err := r.pageQueues()
	if err != nil {
		return err
	}
	return r.render(http.StatusOK, web.Page{Title: "Queues", Section: "/queues", Body: body})
}

// queuesPart is the part of that page that changes.
func queuesPart(r *request) error {
	body, err := r.pageQueues()
	if err == nil {
		r.Data(http.StatusOK, "text/html; charset=utf-8", r.api.pages.Part(body))
	}
	return err
}

func (r *request) pageQueues() (web.Queues, error) {
	who, err := r.ownScope()
	if err != nil {
		return web.Queues{}, err
	}
	picture, err := r.api.LiveQueues.Now(r.ctx())
	if err != nil {
		return web.Queues{}, err
	}
	p := picture.Only(who, nil)
	body := web.Queues{At: p.At}
	if !p.Live {
		body.Trouble = "Nothing is known of who waits and who is there: " + p.Why + "."
		if !p.Since.IsZero() {
			body.Trouble = strings.TrimSuffix(body.Trouble, ".") + ", since " + p.Since.In(r.api.Location).Format("2006-01-02 15:04:05") + "."
		}
	}
	shown := make(map[string]string, len(p.Queues))
	var today queues.Facts
	waiting := 0
	for i := range p.Queues {
		q := &p.Queues[i]
		shown[q.Key] = q.Shown
		row := pageQueue(q, p.Live)
		if r.api.Queues == nil {
			row.Calls = ""
		}
		today.Merge(&q.Today)
		for _, c := range q.Waiting {
			body.Waiting = append(body.Waiting, web.WaitingRow{Queue: q.Shown, Position: c.Position, Number: c.Number, Name: c.Name, Seconds: c.Wait})
			waiting++
		}
		if row.Longest != nil && (body.Longest == nil || *row.Longest > *body.Longest) {
			body.Longest = row.Longest
		}
		body.Rows = append(body.Rows, row)
	}
	var there, busy, paused int
	body.Agents, there, busy, paused = pageAgents(p, shown)
	number := func(label string, n int64) web.Figure {
		return web.Figure{Label: label, Text: strconv.FormatInt(n, 10)}
	}
	if p.Live {
		body.Totals = []web.Figure{
			number("Waiting now", int64(waiting)), number("Agents there", int64(there)), number("Busy", int64(busy)), number("Paused", int64(paused)),
		}
	}
	body.Totals = append(body.Totals, number("Answered today", today.Connected()), number("Unanswered", today.Unanswered()), web.Figure{Label: "Abandoned of all", Text: percent(abandonRate(&today))})
	return body, nil
}

func pageQueue(q *live.Queue, isLive bool) web.QueueRow {
	now, f := q.Counts(), &q.Today
	row := web.QueueRow{
		Name: q.Shown, Waiting: now.Waiting, Agents: now.Agents, Busy: now.Busy, Paused: now.Paused, LoggedOff: now.LoggedOff,
		Answered: f.Connected(), Talking: f.Talking, Unanswered: f.Unanswered(), Abandoned: f.Abandoned, AbandonRate: percent(abandonRate(f)),
		MeanWait: "–", MeanTalk: "–", Calls: "/api/queues/calls?" + url.Values{"queue": {q.Key}, "format": {"csv"}}.Encode(),
	}
	if now.Waiting > 0 {
		row.Longest = &now.LongestWait
	}
	if n := f.Connected(); n > 0 {
		row.MeanWait = web.Clock(queues.Mean(f.Held, n))
	}
	if n := f.Answered(); n > 0 {
		row.MeanTalk = web.Clock(queues.Mean(f.Talked, n))
	}
	switch {
	case isLive && !q.Known:
		row.Note = "not in Asterisk"
	case q.Shown != q.Key:
		row.Note = q.Key
	}
	return row
}

// pageAgents are the members of all queues, each once, and how many can be reached, talk and are paused.
func pageAgents(p *live.Picture, shown map[string]string) (rows []web.AgentRow, there, busy, paused int) {
	type member struct {
		live.Agent
		queues, paused []string // by what they are called
	}
	type device struct{ key, location string }
	of := map[device]*member{}
	var members []*member
	for i := range p.Queues {
		q := &p.Queues[i]
		for _, a := range q.Agents {
			m := of[device{a.Key, a.Location}]
			if m == nil {
				m = &member{Agent: a}
				of[device{a.Key, a.Location}] = m
				members = append(members, m)
			}
			m.queues = append(m.queues, q.Shown)
			if a.Paused {
				m.paused = append(m.paused, q.Shown)
				m.Paused, m.Reason, m.PausedFor = true, cmp.Or(m.Reason, a.Reason), max(m.PausedFor, a.PausedFor)
			}
			if a.LastCall != live.NoCall && (m.LastCall == live.NoCall || a.LastCall < m.LastCall) {
				m.LastCall = a.LastCall
			}
		}
	}
	slices.SortStableFunc(members, func(a, b *member) int { return strings.Compare(a.Shown, b.Shown) })
	for _, m := range members {
		row := web.AgentRow{
			Name: m.Shown, Location: m.Location, Queues: m.queues, Status: string(m.Status), Alert: !m.LoggedIn, LastCall: ifKnown(m.LastCall, m.LastCall != live.NoCall),
		}
		if m.Status == live.DialOut {
			row.Status = "calls out"
		}
		if m.LoggedIn {
			there++
		}
		if m.InCall {
			busy++
		}
		if m.Paused {
			row.Paused, row.PausedFor = "paused", ifKnown(m.PausedFor, m.PausedFor > 0)
			if len(m.paused) < len(m.queues) {
				row.Paused += " in " + strings.Join(m.paused, ", ")
			}
			if m.Reason != "" {
				row.Paused += ": " + m.Reason
			}
			if m.LoggedIn {
				paused++
			}
		}
		if m.From != "" || m.Caller != "" {
			row.Call = cmp.Or(m.Caller, "unknown")
			if m.From != "" {
				row.Call += ", " + cmp.Or(shown[m.From], m.From)
			}
		}
		if m.InCall || m.Status == live.Ringing {
			row.CallFor = ifKnown(m.Duration, m.Duration > 0)
		}
		rows = append(rows, row)
	}
	return rows, there, busy, paused
}
