package adminapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/pbx"
)

// Switch carries out orders to Asterisk. It is *pbx.Client, which says of each what its errors are.
type Switch interface {
	Hangup(ctx context.Context, channel string, cause int) error
	Redirect(ctx context.Context, channel, dialplan, exten string, priority int) error
	Originate(context.Context, pbx.Originate) error
	OriginateAsync(context.Context, pbx.Originate) error
	QueueStatus(context.Context) ([]pbx.QueueState, error)
	QueueAdd(ctx context.Context, queue string, m pbx.NewMember) error
	QueueRemove(ctx context.Context, queue, member string) error
	QueuePause(ctx context.Context, queue, member string, paused bool, reason string) error
	Peers(context.Context) ([]pbx.Peer, error)
	SIPPeers(context.Context) ([]pbx.SIPPeer, error)
}

// order is what was asked of Asterisk, for the audit log.
type order struct {
	Action        string
	target        string
	before, after any
	missing       error // the answer when what it is about is not there
}

// ordered notes an order that was carried out, or may have been, and is the answer to one that was not.
func (r *request) ordered(o order, err error) error {
	uncertain := errors.Is(err, pbx.ErrUncertain)
	if err == nil || uncertain {
		if uncertain {
			o.after = map[string]any{"asked_for": o.after, "uncertain": "Asterisk did not answer"}
		}
		r.noted(o)
		if r.api.PBX.Live != nil {
			r.api.PBX.Live.Forget()
		}
	}
	var said *pbx.RefusedError
	switch {
	case err == nil:
		return nil
	case uncertain:
		return pbxFailure(err)
	case errors.As(err, new(*pbx.NoExtensionError)): // a missing place is no missing channel
		return pbxFailure(err)
	case errors.Is(err, models.ErrNotFound) && o.missing != nil:
		return o.missing
	case errors.Is(err, models.ErrConflict) && errors.As(err, &said):
		return refused(http.StatusConflict, "Asterisk refused: "+said.Reason)
	case errors.Is(err, models.ErrInvalid):
		return badRequest(strings.TrimSuffix(strings.ReplaceAll(err.Error(), ": "+models.ErrInvalid.Error(), ""), ": "))
	}
	return pbxFailure(err)
}

// noted writes an order into the audit log. What was done cannot be taken back when that fails: then it stands in the server's log.
func (r *request) noted(o order) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx()), r.api.lookUpPatience())
	defer cancel()
	if err := r.api.PBX.Log.Log(ctx, r.who.actor(), o.Action, o.target, o.before, o.after); err != nil {
		r.api.log.Error("an order to Asterisk is not in the audit log", "request_id", r.GetString(keyRequestID), "actor", r.who.actor(), "action", o.Action, "target", o.target, "err", err)
	}
}

// switched is a handler of what needs Asterisk.
func switched(handle handler) handler {
	return func(r *request) error {
		if r.api.PBX.Switch == nil {
			return noManager()
		}
		return handle(r)
	}
}

// madeJSON is a call that was made.
type madeJSON struct {
	ID       string  `json:"id"`
	Answered *bool   `json:"answered"`
	Reason   *string `json:"reason"`
}

// Bounds of a call that is made.
const (
	maxRingSeconds = 120
	maxVariables   = 20
	maxRinging     = 64 // requests at once that wait for an answer
)

var (
	// Applications of Asterisk, and dialplans as that of FreePBX, run what some variables say in a shell, or charge calls by others: only
	// names that are nobody's are let through.
	variableForm = regexp.MustCompile(`^(CTC|X_)[A-Z0-9_]{0,40}$`)
	valueForm    = regexp.MustCompile(`^[A-Za-z0-9_.:@+-]{0,200}$`)
	// A telephone, and nothing that dials: PJSIP/204.
	deviceForm = regexp.MustCompile(`^([A-Za-z0-9]+)/([A-Za-z0-9_.-]{1,80})$`)
	localForm  = regexp.MustCompile(`^Local/[0-9*#+]{1,40}@([A-Za-z0-9_.-]{1,79})(?:/n)?$`)
)

// noTelephones are technologies that no telephone has: they go on in the dialplan, or connect to an address.
func noTelephones() []string {
	return []string{"local", "audiosocket", "unicastrtp", "multicastrtp", "websocket"}
}

// telephone returns the endpoint of a device that may be made to ring, such as 204 of PJSIP/204. A trunk may not: nobody would be charged.
func (r *request) telephone(field, device string) (endpoint string, err error) {
	parts := deviceForm.FindStringSubmatch(device)
	if parts == nil || !slices.Contains(r.api.DialTechs, parts[1]) || slices.Contains(noTelephones(), strings.ToLower(parts[1])) {
		return "", badRequest(field + " must be a telephone such as PJSIP/204, with a technology of TALKTIME_DIAL_TECHS (" + strings.Join(r.api.DialTechs, ", ") +
			") and a name of at most 80 letters, digits and . _ -")
	}
	return parts[2], r.noTrunk(field, parts[2])
}

func (r *request) noTrunk(field, endpoint string) error {
	if r.api.PBX.Trunks == nil {
		return nil
	}
	switch _, err := r.api.PBX.Trunks.Trunk(r.ctx(), endpoint); {
	case err == nil:
		return badRequest(field + ": " + endpoint + " is a trunk, and no telephone")
	case errors.Is(err, models.ErrNotFound):
		return nil
	default:
		return pbxFailure(err)
	}
}

// place reads the context of the dialplan that something is sent to: the first of the setting, unless it is said.
func (r *request) place(o object) (string, error) {
	allowed, name := r.api.PBX.Contexts, ""
	if len(allowed) > 0 {
		name = allowed[0]
	}
	if o.has("context") {
		var err error
		if name, err = o.text("context"); err != nil {
			return "", err
		}
	}
	if !slices.Contains(allowed, name) {
		return "", badRequest("context must be one of TALKTIME_PBX_CONTEXTS: " + strings.Join(allowed, ", "))
	}
	return name, nil
}

// originate makes a call: the telephone rings, and when it is answered the dialplan goes on as if it had dialled. What that costs, and whom,
// is decided there.
func originate(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	call, wait, err := r.callToMake(o)
	if err != nil {
		return err
	}
	if wait {
		select {
		case r.api.ringing <- struct{}{}:
			defer func() { <-r.api.ringing }()
		default:
			return unavailable("too many requests wait for telephones to be answered, so nothing was done: try again, or without wait")
		}
	}
	call.ChannelID = "talktime-" + strings.ToLower(rand.Text())
	facts := originateRequest{
		Channel: call.Channel, Exten: call.Exten, Context: call.Context, CallerID: call.Number, Account: call.Account, Timeout: int(call.Ring / time.Second),
		Variables: map[string]string{}, Wait: wait,
	}
	for _, v := range call.Variables {
		facts.Variables[v.Key] = v.Value
	}
	done := order{Action: "call.originate", target: call.ChannelID, after: facts}
	if !wait {
		if err := r.ordered(done, r.api.PBX.Switch.OriginateAsync(r.ctx(), call)); err != nil {
			return err
		}
		r.json(http.StatusAccepted, madeJSON{ID: call.ChannelID})
		return nil
	}
	err = r.api.PBX.Switch.Originate(r.ctx(), call)
	var unanswered *pbx.UnansweredError
	answered := err == nil
	if errors.As(err, &unanswered) {
		err = nil // it rang
	}
	if err := r.ordered(done, err); err != nil {
		return err
	}
	made := madeJSON{ID: call.ChannelID, Answered: &answered}
	if unanswered != nil {
		why := unanswered.Error()
		made.Reason = &why
	}
	r.json(http.StatusOK, made)
	return nil
}

// rings reports whether the route may wait for somebody to answer a telephone.
func (route Route) rings() bool { return route.Path == "/api/pbx/originate" }

// ringPatience is how long that may take.
const ringPatience = (maxRingSeconds + 20) * time.Second

// callToMake reads a call.
func (r *request) callToMake(o object) (call pbx.Originate, wait bool, err error) {
	if err := errors.Join(o.unknown("channel", "extension", "exten", "context", "caller_id", "account", "timeout_seconds", "variables", "wait"), o.missing("exten")); err != nil {
		return call, false, err
	}
	if o.has("channel") == o.has("extension") {
		return call, false, badRequest("either channel or extension says which telephone is to ring")
	}
	if call.Context, err = r.place(o); err != nil {
		return call, false, err
	}
	own := "" // the number of the telephone
	for name, into := range map[string]*string{
		"channel": &call.Channel, "extension": &own, "exten": &call.Exten, "caller_id": &call.Number, "account": &call.Account,
	} {
		if o.has(name) {
			if *into, err = o.text(name); err != nil {
				return call, false, err
			}
		}
	}
	if o.has("extension") {
		if !extensionForm.MatchString(own) {
			return call, false, badRequest("extension has at most 80 letters, digits and . _ -")
		}
		if err := r.noTrunk("extension", own); err != nil {
			return call, false, err
		}
		call.Channel, call.Number = "PJSIP/"+own, cmp.Or(call.Number, own)
	} else if own, err = r.telephone("channel", call.Channel); err != nil {
		return call, false, err
	}
	if (call.Account != "" || call.Number != "" && call.Number != own) && !r.who.has(ScopeMoney) {
		return call, false, refused(http.StatusForbidden, "Forbidden: an account, and a caller_id that is not the number of the telephone, need the scope money: others may be charged by them")
	}
	if len(call.Account) > 80 {
		return call, false, badRequest("account is longer than 80 bytes")
	}
	call.Ring = 30 * time.Second
	if o.has("timeout_seconds") {
		seconds, err := o.whole("timeout_seconds", 1, maxRingSeconds)
		if err != nil {
			return call, false, err
		}
		call.Ring = time.Duration(seconds) * time.Second
	}
	if o.has("wait") {
		if wait, err = o.bool("wait"); err != nil {
			return call, false, err
		}
	}
	if o.has("variables") {
		call.Variables, err = o.variables()
	}
	return call, wait, err
}

var extensionForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,80}$`)

// variables reads those of a channel.
func (o object) variables() ([]pbx.Field, error) {
	var values map[string]*string
	if err := json.Unmarshal(o["variables"], &values); err != nil || values == nil || len(values) > maxVariables {
		return nil, badRequest("variables must be an object of at most " + strconv.Itoa(maxVariables) + " names with their values, which are strings")
	}
	var fields []pbx.Field
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		switch {
		case !variableForm.MatchString(name):
			return nil, badRequest("the name of a variable begins with CTC or X_, and goes on with at most 40 capital letters, digits and _")
		case value == nil || !valueForm.MatchString(*value):
			return nil, badRequest("variable " + name + ": a value has at most 200 letters, digits and . _ @ : + - only")
		}
		fields = append(fields, pbx.Field{Key: name, Value: *value})
	}
	return fields, nil
}

// memberJSON is who answers calls of a queue, as Asterisk has him now.
type memberJSON struct {
	Interface      string     `json:"interface"`
	Name           string     `json:"name"`
	StateInterface string     `json:"state_interface"`
	Membership     string     `json:"membership"`
	Penalty        int        `json:"penalty"`
	Paused         bool       `json:"paused"`
	Reason         string     `json:"reason"`
	Status         string     `json:"status"`
	InCall         bool       `json:"in_call"`
	Calls          int        `json:"calls_taken"`
	LastCall       *time.Time `json:"last_call_at"`
}

func (r *request) showMember(m pbx.QueueMember) memberJSON {
	shown := memberJSON{
		Interface: m.Interface, Name: m.Name, StateInterface: m.StateInterface, Membership: m.Membership, Penalty: m.Penalty, Paused: m.Paused,
		Reason: m.PausedReason, Status: deviceWords()[m.Status], InCall: m.InCall, Calls: m.CallsTaken,
	}
	if !m.LastCall.IsZero() {
		at := m.LastCall.In(r.api.Location)
		shown.LastCall = &at
	}
	return shown
}

func deviceWords() map[pbx.DeviceState]string {
	return map[pbx.DeviceState]string{
		pbx.DeviceUnknown: "unknown", pbx.DeviceNotInUse: "not in use", pbx.DeviceInUse: "in use", pbx.DeviceBusy: "busy", pbx.DeviceInvalid: "invalid",
		pbx.DeviceUnavailable: "unavailable", pbx.DeviceRinging: "ringing", pbx.DeviceRingInUse: "ringing in use", pbx.DeviceOnHold: "on hold",
	}
}

func noQueue() failure { return refused(http.StatusNotFound, "Asterisk has no such queue") }

func noMember() failure { return refused(http.StatusNotFound, "the queue has no such member") }

// queueMembers are those of the queue in the path, as Asterisk has them now.
func (r *request) queueMembers() ([]pbx.QueueMember, error) {
	queues, err := r.api.PBX.Switch.QueueStatus(r.ctx())
	if err != nil {
		return nil, pbxFailure(err)
	}
	i := slices.IndexFunc(queues, func(q pbx.QueueState) bool { return q.Name == r.Param("queuename") })
	if i < 0 {
		return nil, noQueue()
	}
	return queues[i].Members, nil
}

// queueMember is the one of the queue with an interface.
func (r *request) queueMember(of string) (pbx.QueueMember, error) {
	members, err := r.queueMembers()
	if err != nil {
		return pbx.QueueMember{}, err
	}
	i := slices.IndexFunc(members, func(m pbx.QueueMember) bool { return m.Interface == of })
	if i < 0 {
		return pbx.QueueMember{}, noMember()
	}
	return members[i], nil
}

func listMembers(r *request) error {
	members, err := r.queueMembers()
	if err != nil {
		return err
	}
	return answerWhole(r, members, r.showMember)
}

// rung returns an error unless a queue may call an interface: a telephone, or a number by the dialplan.
func (r *request) rung(of string) error {
	if local := localForm.FindStringSubmatch(of); local != nil {
		_, err := r.place(object{"context": jsonText(local[1])})
		return err
	}
	_, err := r.telephone("interface", of)
	return err
}

func addMember(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := errors.Join(o.unknown("interface", "name", "penalty", "paused", "state_interface"), o.missing("interface")); err != nil {
		return err
	}
	var m pbx.NewMember
	for name, into := range map[string]*string{"interface": &m.Interface, "name": &m.Name, "state_interface": &m.StateInterface} {
		if o.has(name) {
			if *into, err = o.text(name); err != nil {
				return err
			}
		}
	}
	if o.has("penalty") {
		penalty, err := o.whole("penalty", 0, 1_000_000)
		if err != nil {
			return err
		}
		m.Penalty = int(penalty)
	}
	if o.has("paused") {
		if m.Paused, err = o.bool("paused"); err != nil {
			return err
		}
	}
	if err := r.rung(m.Interface); err != nil {
		return err
	}
	queue := r.Param("queuename")
	after := newMemberRequest{Interface: m.Interface, Name: m.Name, Penalty: m.Penalty, Paused: m.Paused, StateInterface: m.StateInterface}
	err = r.ordered(order{Action: "member.add", target: queue + " " + m.Interface, after: after, missing: noQueue()}, r.api.PBX.Switch.QueueAdd(r.ctx(), queue, m))
	if err != nil {
		return err
	}
	made, err := r.queueMember(m.Interface)
	if err != nil { // it was added all the same
		made = pbx.QueueMember{Interface: m.Interface, Name: cmp.Or(m.Name, m.Interface), StateInterface: cmp.Or(m.StateInterface, m.Interface), Membership: "dynamic", Penalty: m.Penalty, Paused: m.Paused}
	}
	r.Header("Location", r.location(m.Interface))
	r.json(http.StatusCreated, r.showMember(made))
	return nil
}

func changeMember(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := errors.Join(o.unknown("paused", "reason"), o.missing("paused")); err != nil {
		return err
	}
	to := changeMemberRequest{}
	if to.Paused, err = o.bool("paused"); err != nil {
		return err
	}
	if o.has("reason") {
		if to.Reason, err = o.text("reason"); err != nil {
			return err
		}
	}
	before, err := r.queueMember(r.Param("member"))
	if err != nil {
		return err
	}
	queue := r.Param("queuename")
	err = r.ordered(order{Action: "member.pause", target: queue + " " + before.Interface, before: changeMemberRequest{before.Paused, before.PausedReason}, after: to, missing: noMember()},
		r.api.PBX.Switch.QueuePause(r.ctx(), queue, before.Interface, to.Paused, to.Reason))
	if err != nil {
		return err
	}
	now, err := r.queueMember(before.Interface)
	if err != nil { // it was done all the same
		now = before
		now.Paused, now.PausedReason = to.Paused, to.Reason
	}
	r.json(http.StatusOK, r.showMember(now))
	return nil
}

func deleteMember(r *request) error {
	before, err := r.queueMember(r.Param("member"))
	if err != nil {
		return err
	}
	queue := r.Param("queuename")
	was := newMemberRequest{Interface: before.Interface, Name: before.Name, Penalty: before.Penalty, Paused: before.Paused, StateInterface: before.StateInterface}
	err = r.ordered(order{Action: "member.remove", target: queue + " " + before.Interface, before: was, missing: noMember()}, r.api.PBX.Switch.QueueRemove(r.ctx(), queue, before.Interface))
	if err == nil {
		r.Status(http.StatusNoContent)
	}
	return err
}

// peerJSON is a telephone or a trunk.
type peerJSON struct {
	Technology string `json:"technology"`
	Name       string `json:"name"`
	State      string `json:"state"`
	Status     string `json:"status"`
	Host       string `json:"host"`
	Port       int    `json:"port"`
	RoundTrip  *int64 `json:"round_trip_ms"`
	UserAgent  string `json:"user_agent"`
	Channels   *int   `json:"channels"`
	Contacts   *int   `json:"contacts"`
}

// listPeers shows the endpoints of PJSIP, and the peers of chan_sip where there is that.
func listPeers(r *request) error {
	endpoints, err := r.api.PBX.Switch.Peers(r.ctx())
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return pbxFailure(err)
	}
	old, err := r.api.PBX.Switch.SIPPeers(r.ctx())
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return pbxFailure(err)
	}
	peers := make([]peerJSON, 0, len(endpoints)+len(old))
	for _, p := range endpoints {
		shown := peerJSON{Technology: "PJSIP", Name: p.Name, State: p.State, Status: p.Status, Host: p.Host, Port: p.Port, UserAgent: p.UserAgent, Channels: &p.Channels, Contacts: &p.Contacts}
		if p.RoundTrip > 0 {
			ms := p.RoundTrip.Milliseconds()
			shown.RoundTrip = &ms
		}
		peers = append(peers, shown)
	}
	for _, p := range old {
		port, _ := strconv.Atoi(p.IPport) // 0: not known
		peers = append(peers, peerJSON{Technology: "SIP", Name: p.ObjectName, Status: p.Status, Host: strings.TrimPrefix(p.IPaddress, "-none-"), Port: port})
	}
	return answerWhole(r, peers, func(p peerJSON) peerJSON { return p })
}
