package adminapi

import (
	"net/http"
	"slices"
	"strconv"

	"talktime/livecalls"
	"talktime/web"
)

// livePage shows the calls that go on, with what they cost.
func livePage(r *request) error {
	body, err := r.pageLive()
	if err != nil {
		return err
	}
	return r.render(http.StatusOK, web.Page{Title: "Live calls", Section: "/live", Body: body})
}

// livePart is the part of that page that changes.
func livePart(r *request) error {
	body, err := r.pageLive()
	if err == nil {
		r.Data(http.StatusOK, "text/html; charset=utf-8", r.api.pages.Part(body))
	}
	return err
}

func (r *request) pageLive() (web.Live, error) {
	p, err := r.liveCalls()
	if err != nil {
		return web.Live{}, err
	}
	body := web.Live{At: p.At}
	if !p.Asterisk {
		body.Trouble = "Nothing is known of the channels: " + whyAway(p.Why) + ". These calls hold money, as far as the database knows."
	}
	talking := 0
	for _, c := range p.Calls {
		if c.Talking {
			talking++
		}
		body.Rows = append(body.Rows, r.pageLiveCall(c, p.Asterisk))
	}
	for _, c := range p.Stuck {
		row := r.pageLiveCall(c, p.Asterisk)
		row.Alert = true
		body.Stuck = append(body.Stuck, row)
	}
	for _, c := range p.Foreign {
		body.Foreign = append(body.Foreign, r.pageLiveCall(c, p.Asterisk))
	}
	body.Totals = []web.Figure{{Label: "Calls", Text: strconv.Itoa(len(p.Calls))}}
	if p.Asterisk {
		body.Totals = append(body.Totals, web.Figure{Label: "Talking", Text: strconv.Itoa(talking)}, web.Figure{Label: "Channels", Text: strconv.Itoa(len(p.Channels))})
	}
	if n := len(p.Stuck); n > 0 {
		body.Totals = append(body.Totals, web.Figure{Label: "Holds without a channel", Text: strconv.Itoa(n), Alert: true})
	}
	return body, nil
}

func (r *request) pageLiveCall(c *livecalls.Call, known bool) web.LiveRow {
	row := web.LiveRow{
		ID: c.ID, User: c.Username, CallerID: c.CallerID, Number: c.Number, To: c.CalleeUsername, Since: c.Authorized,
		Talking: c.Talking, Talked: c.Talked, Left: c.Left, SliceLeft: c.SliceLeft,
	}
	if c.Unreadable == nil {
		held := pageAmount(c.Held(), c.Rate.Currency)
		row.Held = &held
	}
	if c.Cost != nil {
		cost := pageAmount(*c.Cost, c.Rate.Currency)
		row.Cost = &cost
	}
	switch {
	case c.Caller == nil && c.Talking:
		row.State, row.Note = "talking", "as far as its holds tell"
	case !known:
		row.State = "not known"
	case c.Unreadable != nil:
		row.State, row.Note, row.Alert = "not readable", "the database has something of this call that cannot be read", true
	case c.Caller == nil:
		row.State = "no channel"
	case c.Talking && c.Exact:
		row.State = "talking"
	case c.Talking:
		row.State, row.Note = "talking", "answered before this server listened"
	case c.Answered != nil:
		row.State, row.Note = "has talked", "the other end is gone"
	case c.Callee != nil && c.Callee.StateDesc == "Up":
		row.State, row.Note = "talking", "nobody knows since when"
	default:
		row.State = "dialling"
	}
	if c.Caller != nil && r.api.PBX.Switch != nil {
		row.HangUp = "/live/" + c.Caller.UniqueID + "/hangup"
	}
	return row
}

// pageChannel is the channel of a call, by its unique id: names have slashes in them.
func (r *request) pageChannel() (livecalls.Channel, error) {
	p, err := r.channels()
	if err != nil {
		return livecalls.Channel{}, err
	}
	i := slices.IndexFunc(p.Channels, func(c livecalls.Channel) bool { return c.UniqueID == r.Param("uniqueid") })
	if i < 0 {
		return livecalls.Channel{}, refused(http.StatusNotFound, "this call has ended already")
	}
	return p.Channels[i], nil
}

// askHangUpPage asks whether a call is to be ended.
func askHangUpPage(r *request) error {
	c, err := r.pageChannel()
	if err != nil {
		return err
	}
	about := "The channel " + c.Name + " is hung up."
	if c.Call != nil {
		about = "The call of " + firstOf(c.Call.Username, c.Call.CallerID, "somebody unknown") + " to " + c.Call.Number + " is ended at once."
	}
	return r.showForm(http.StatusOK, "Hang up", "/live", web.Form{
		Fields: []web.Field{{Name: "call", Type: "hidden", Value: callOf(c)}},
		Action: "/live/" + c.UniqueID + "/hangup", Intro: []string{about, "What was talked until then is charged as after any other call."},
		Submit: "Hang up", Danger: true, Cancel: "/live",
	})
}

func firstOf(texts ...string) string {
	i := slices.IndexFunc(texts, func(t string) bool { return t != "" })
	return texts[max(i, 0)]
}

// callOf tells the call of ours that a channel belongs to; "" without one.
func callOf(c livecalls.Channel) string {
	if c.Call == nil {
		return ""
	}
	return c.Call.CallID
}

func hangUpPage(r *request) error {
	if r.api.PBX.Live != nil {
		r.api.PBX.Live.Forget()
	}
	c, err := r.pageChannel()
	if err == nil && callOf(c) != r.PostForm("call") {
		return refused(http.StatusConflict, "this channel is no longer in the call that was shown, so nothing was hung up; look at the live calls again")
	}
	if err == nil {
		err = r.hangUp(c, operatorCause)
	}
	if err != nil {
		return err
	}
	return r.done("/live", "%s was hung up.", c.Name)
}
