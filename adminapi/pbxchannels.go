package adminapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"talktime/livecalls"
	"talktime/models"
	"talktime/money"
	"talktime/pbx"
	"talktime/pbx/extension"
)

// LiveCalls has the picture of all channels and of the calls that hold money. It is livecalls.Service.
type LiveCalls interface {
	Now(context.Context) (*livecalls.Picture, error)
	// Forget makes the next picture a new one.
	Forget()
}

// seesLive reports whether there is a page of live calls.
func seesLive(d Deps) bool { return d.PBX != nil && d.PBX.Live != nil }

// pbxPrefix is where things have names with slashes in them.
const pbxPrefix = "/api/pbx/"

// pbx reports whether the route is below it.
func (route Route) pbx() bool { return strings.HasPrefix(route.Path, pbxPrefix) }

// exactPaths lets the router find the parts of a path as they were sent, where names have slashes in them: PJSIP%2F204 is one part. Everywhere
// else it sees the path decoded, as always.
func exactPaths(e *gin.Engine) http.Handler {
	e.UseRawPath = true
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawPath != "" {
			u := *r.URL
			u.RawPath = ""
			if strings.HasPrefix(u.Path, pbxPrefix) {
				u.RawPath = strings.ReplaceAll(r.URL.RawPath, "+", "%2B") // the router would take it for a blank
			}
			again := *r
			again.URL = &u
			r = &again
		}
		e.ServeHTTP(w, r)
	})
}

// pbxChannelJSON is a channel of Asterisk.
type pbxChannelJSON struct {
	Channel         string        `json:"channel"`
	UniqueID        string        `json:"unique_id"`
	LinkedID        string        `json:"linked_id"`
	State           string        `json:"state"`
	CallerNumber    string        `json:"caller_number"`
	CallerName      string        `json:"caller_name"`
	ConnectedNumber string        `json:"connected_number"`
	ConnectedName   string        `json:"connected_name"`
	AccountCode     string        `json:"account_code"`
	Context         string        `json:"context"`
	Exten           string        `json:"exten"`
	Priority        int           `json:"priority"`
	Application     string        `json:"application"`
	ApplicationData string        `json:"application_data"`
	Duration        int64         `json:"duration_seconds"`
	BridgeID        string        `json:"bridge_id"`
	Role            *string       `json:"role"`
	Call            *liveCallJSON `json:"call"`
}

// liveCallJSON is a call that holds money, now.
type liveCallJSON struct {
	ID            int64         `json:"id"`
	CallID        string        `json:"call_id"`
	User          *nameJSON     `json:"user"`
	Callee        *nameJSON     `json:"callee"`
	CallerID      string        `json:"caller_id"`
	Number        string        `json:"number"`
	AuthorizedAt  time.Time     `json:"authorized_at"`
	DueAt         time.Time     `json:"due_at"`
	AnsweredAt    *time.Time    `json:"answered_at"`
	Exact         *bool         `json:"answered_exact"`
	Talking       bool          `json:"talking"`
	Talked        *int64        `json:"talked_seconds"`
	Cost          *money.Amount `json:"cost_so_far" nullable:"true"`
	Left          *int64        `json:"seconds_left"`
	SliceSeconds  int64         `json:"slice_seconds"`
	SliceLeft     *int64        `json:"slice_left"`
	LimitSeconds  int64         `json:"limit_seconds"`
	Held          *money.Amount `json:"held" nullable:"true"`
	Currency      string        `json:"currency"`
	Rate          models.Rate   `json:"rate"`
	Carrier       *string       `json:"carrier"`
	CallerChannel *string       `json:"caller_channel"`
	CalleeChannel *string       `json:"callee_channel"`
	Unreadable    bool          `json:"unreadable"`
}

// liveCallsJSON is the picture of the calls that hold money.
type liveCallsJSON struct {
	At       time.Time      `json:"at"`
	Asterisk bool           `json:"asterisk"`
	Why      *string        `json:"why"`
	Calls    []liveCallJSON `json:"calls"`
	Stuck    []liveCallJSON `json:"holds_without_channel"`
	Foreign  []liveCallJSON `json:"of_another_asterisk"`
}

// noManager says that there is no Asterisk to ask.
func noManager() failure {
	return unconfigured("the manager interface of Asterisk", "TALKTIME_AMI_ADDR")
}

// liveCalls is the picture of now.
func (r *request) liveCalls() (*livecalls.Picture, error) {
	if r.api.PBX.Live == nil {
		return nil, noManager()
	}
	return r.api.PBX.Live.Now(r.ctx())
}

// channels is the picture of now, when Asterisk has said which channels there are.
func (r *request) channels() (*livecalls.Picture, error) {
	if r.api.PBX.Switch == nil {
		return nil, noManager()
	}
	p, err := r.liveCalls()
	if err == nil && !p.Asterisk {
		err = pbxFailure(awayOf(p.Why))
	}
	return p, err
}

// awayOf is why there are no channels: what keeps Asterisk from answering a question has done nothing.
func awayOf(why error) error {
	var refused *pbx.RefusedError
	if errors.As(why, &refused) || errors.Is(why, pbx.ErrSilent) || errors.Is(why, pbx.ErrAway) {
		return why
	}
	return fmt.Errorf("%w: %w", pbx.ErrAway, why)
}

// whyAway is that for people, without the names of hosts.
func whyAway(why error) string {
	var refused *pbx.RefusedError
	switch {
	case errors.As(why, &refused):
		return "Asterisk refused " + refused.Action + ": " + refused.Reason
	case errors.Is(why, livecalls.ErrNone):
		return "no manager interface of Asterisk is set up"
	case errors.Is(why, pbx.ErrAway):
		return "the manager interface of Asterisk is away"
	case errors.Is(why, context.DeadlineExceeded):
		return "Asterisk did not answer in time"
	}
	return "what Asterisk answered makes no sense"
}

func (r *request) showChannel(c livecalls.Channel) pbxChannelJSON {
	shown := pbxChannelJSON{
		Channel: c.Name, UniqueID: c.UniqueID, LinkedID: c.LinkedID, State: c.StateDesc, CallerNumber: c.CallerIDNum, CallerName: c.CallerIDName,
		ConnectedNumber: c.ConnectedLineNum, ConnectedName: c.ConnectedLineName, AccountCode: c.AccountCode, Context: c.Context, Exten: c.Exten,
		Priority: c.Priority, Application: c.Application, ApplicationData: c.ApplicationData, Duration: int64(c.Duration / time.Second), BridgeID: c.BridgeID,
	}
	if c.ApplicationData != "" && !r.who.has(ScopeSecrets) { // codes of vouchers and PINs are arguments too
		shown.ApplicationData = extension.Mask
	}
	if c.Call != nil {
		role, call := string(c.Role), r.showLiveCall(c.Call.Call, c.Call)
		shown.Role, shown.Call = &role, &call
	}
	return shown
}

func (r *request) showLiveCall(m models.Call, c *livecalls.Call) liveCallJSON {
	name := func(id int64, username string) *nameJSON {
		if id == 0 {
			return nil
		}
		return &nameJSON{id, username}
	}
	shown := liveCallJSON{
		ID: m.ID, CallID: m.CallID, User: name(m.UserID, c.Username), Callee: name(m.CalleeID, c.CalleeUsername), CallerID: m.CallerID, Number: m.Number,
		AuthorizedAt: m.Authorized.In(r.api.Location), DueAt: m.Due.In(r.api.Location), Talked: c.Talked, Cost: c.Cost, Left: c.Left,
		SliceSeconds: m.Slice, SliceLeft: c.SliceLeft,
		LimitSeconds: m.Limit, Currency: m.Rate.Currency, Rate: m.Rate, Talking: c.Talking, Unreadable: c.Unreadable != nil,
	}
	if held := m.Held(); c.Unreadable == nil {
		shown.Held = &held
	}
	if c.Answered != nil {
		at, exact := c.Answered.In(r.api.Location), c.Exact
		shown.AnsweredAt, shown.Exact = &at, &exact
	}
	if carrier, routed := m.Routing.Carrier(); routed {
		shown.Carrier = &carrier.Name
	}
	if c.Caller != nil {
		shown.CallerChannel = &c.Caller.Name
	}
	if c.Callee != nil {
		shown.CalleeChannel = &c.Callee.Name
	}
	return shown
}

func (r *request) showLiveCalls(p *livecalls.Picture, only func(*livecalls.Call) bool) liveCallsJSON {
	show := func(calls []*livecalls.Call) []liveCallJSON {
		list := []liveCallJSON{}
		for _, c := range calls {
			if only(c) {
				list = append(list, r.showLiveCall(c.Call, c))
			}
		}
		return list
	}
	shown := liveCallsJSON{At: p.At.In(r.api.Location), Asterisk: p.Asterisk, Calls: show(p.Calls), Stuck: show(p.Stuck), Foreign: show(p.Foreign)}
	if !p.Asterisk {
		why := whyAway(p.Why)
		shown.Why = &why
	}
	return shown
}

// onlyUser is which calls are asked for by ?user=: those that he makes, and those in which he is called.
func (r *request) onlyUser() func(*livecalls.Call) bool {
	name := r.Query("user")
	return func(c *livecalls.Call) bool { return name == "" || c.Username == name || c.CalleeUsername == name }
}

// maxChannelRows is how many channels a page has at most, and when nobody says how many.
const maxChannelRows = 10_000

// wholeList reads which page of a list is wanted that is read whole. What makes no sense is as if it had not been said.
func (r *request) wholeList() (models.ListRequest, error) {
	l, err := r.plainList()
	l.Size, l.After = maxChannelRows, 0
	if n, failed := strconv.Atoi(r.Query("results_per_page")); failed == nil && n > 0 {
		l.Size = min(n, maxChannelRows)
	}
	return l, err
}

// answerWhole answers with a page of a list that was read whole.
func answerWhole[T, S any](r *request, all []T, show func(T) S) error {
	l, err := r.wholeList()
	if err != nil {
		return err
	}
	none := func(T) int64 { return 0 }
	return answerList(r, l, pageOf(l, all, none), none, show)
}

func listChannels(r *request) error {
	p, err := r.channels()
	if err != nil {
		return err
	}
	user, state, number := r.Query("user"), r.Query("state"), r.Query("number")
	of := r.onlyUser()
	list := p.Channels
	if user != "" || state != "" || number != "" {
		list = slices.DeleteFunc(slices.Clone(list), func(c livecalls.Channel) bool {
			return user != "" && (c.Call == nil || !of(c.Call)) || state != "" && !strings.EqualFold(c.StateDesc, state) ||
				number != "" && !strings.Contains(c.CallerIDNum, number) && !strings.Contains(c.ConnectedLineNum, number) && !strings.Contains(c.Exten, number)
		})
	}
	return answerWhole(r, list, r.showChannel)
}

// channel is that of the path, by its name or its unique id; models.ErrNotFound when Asterisk does not have it (any more).
func (r *request) channel() (livecalls.Channel, error) {
	asked := r.Param("channel")
	for range 2 {
		p, err := r.channels()
		if err != nil {
			return livecalls.Channel{}, err
		}
		i := slices.IndexFunc(p.Channels, func(c livecalls.Channel) bool { return c.Name == asked || c.UniqueID == asked })
		if i >= 0 {
			return p.Channels[i], nil
		}
		r.api.PBX.Live.Forget() // it may be younger than the picture
	}
	return livecalls.Channel{}, noChannel()
}

// channelNow is the same by what Asterisk has now: names wander from one channel to another.
func (r *request) channelNow() (livecalls.Channel, error) {
	if r.api.PBX.Live != nil {
		r.api.PBX.Live.Forget()
	}
	return r.channel()
}

func noChannel() failure {
	return refused(http.StatusNotFound, "there is no such channel (any more)")
}

func getChannel(r *request) error {
	c, err := r.channel()
	if err == nil {
		r.answer(http.StatusOK, r.showChannel(c))
	}
	return err
}

func listLiveCalls(r *request) error {
	p, err := r.liveCalls()
	if err == nil {
		r.answer(http.StatusOK, r.showLiveCalls(p, r.onlyUser()))
	}
	return err
}

// channelFacts is what the audit log says of a channel.
type channelFacts struct {
	Channel  string `json:"channel"`
	UniqueID string `json:"unique_id"`
	State    string `json:"state"`
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
	CallID   string `json:"call_id,omitempty"`
	User     string `json:"user,omitempty"`
}

func factsOfChannel(c livecalls.Channel) channelFacts {
	f := channelFacts{Channel: c.Name, UniqueID: c.UniqueID, State: c.StateDesc, From: c.CallerIDNum, To: cmp.Or(c.ConnectedLineNum, c.Exten)}
	if c.Call != nil {
		f.CallID, f.User, f.To = c.Call.CallID, c.Call.Username, c.Call.Number
	}
	return f
}

// operatorCause is that with which calls end that an operator hangs up, of Q.850: normal clearing.
const operatorCause = 16

func deleteChannel(r *request) error {
	cause := int64(operatorCause)
	if r.Query("cause") != "" {
		var err error
		if cause, err = (object{"cause": jsonText(r.Query("cause"))}).whole("cause", 1, 127); err != nil {
			return err
		}
	}
	c, err := r.channelNow()
	if err != nil {
		return err
	}
	if err := r.hangUp(c, int(cause)); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

// hangUp ends a channel. Its call is settled as any other, by its scripts.
func (r *request) hangUp(c livecalls.Channel, cause int) error {
	return r.ordered(order{Action: "channel.hangup", target: c.Name, before: factsOfChannel(c), after: map[string]any{"cause": cause}, missing: noChannel()},
		r.api.PBX.Switch.Hangup(r.ctx(), c.UniqueID, cause))
}

func redirectChannel(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := errors.Join(o.unknown("context", "exten"), o.missing("exten")); err != nil {
		return err
	}
	to := redirectRequest{}
	if to.Context, err = r.place(o); err != nil {
		return err
	}
	if to.Exten, err = o.text("exten"); err != nil {
		return err
	}
	c, err := r.channelNow()
	if err != nil {
		return err
	}
	if c.Role == livecalls.Callee {
		return refused(http.StatusConflict, "this is who is called in a call that is charged: sent elsewhere he would talk on without a limit, and nobody would pay")
	}
	err = r.ordered(order{Action: "channel.redirect", target: c.Name, before: factsOfChannel(c), after: to, missing: noChannel()},
		r.api.PBX.Switch.Redirect(r.ctx(), c.UniqueID, to.Context, to.Exten, 1))
	if err == nil {
		r.Status(http.StatusNoContent)
	}
	return err
}
