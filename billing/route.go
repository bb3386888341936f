package billing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"talktime/models"
	"talktime/money"
)

// form says what a text may look like: 1 to most characters, all of them allowed. These are checked several times for
// each call; a regular expression would take ten times as long.
type form struct {
	allowed [256]bool
	most    int
}

func newForm(most int, characters string) *form {
	f := &form{most: most}
	for i := range len(characters) {
		f.allowed[characters[i]] = true
	}
	return f
}

func (f *form) matches(text string) bool {
	for i := range len(text) {
		if !f.allowed[text[i]] {
			return false
		}
	}
	return text != "" && len(text) <= f.most
}

const (
	digits   = "0123456789"
	letters  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	alphabet = letters + digits
)

var (
	numberForm   = newForm(40, digits+"+*#")
	techForm     = newForm(1000, alphabet)
	resourceForm = newForm(200, alphabet+"+*#._@:/-")
	callIDForm   = newForm(140, alphabet+"._:@/-") // of a channel
)

// isCallID reports whether text is the CallID of a channel or of one Call: "#2", "#e1" or the like may be behind it.
func isCallID(text string) bool {
	channel, call, found := strings.Cut(text, "#")
	return callIDForm.matches(channel) && (!found || numberForm.matches(strings.TrimPrefix(call, "e")))
}

// ValidTarget reports whether target is Tech/resource[&Tech/resource…] with technologies that techs allows and
// nothing that could add an option, an argument or a command to a dial.
func ValidTarget(target string, techs []string) bool {
	for part := range strings.SplitSeq(target, "&") {
		tech, resource, _ := strings.Cut(part, "/")
		if !techForm.matches(tech) || !resourceForm.matches(resource) || !slices.Contains(techs, tech) {
			return false
		}
	}
	return true
}

// route decides where a call goes: the dialplan's own choice, else another subscriber's phone. Empty: where a route says, or the
// trunk, see direct.
func (p Policy) route(s *State, req CallRequest, caller models.User) (target string, callee int64, err error) {
	callee = s.ByCLID[req.Number]
	if callee == caller.ID {
		callee = 0
	}
	switch {
	case req.Target != "":
		target = req.Target
	case callee != 0 && p.SubscriberDial != "" && fills(p.SubscriberDial, s.Users[callee]):
		target = fill(p.SubscriberDial, req.Number, s.Users[callee])
	default:
		if p.Dial == "" && p.Route == nil { // before anything else is asked
			return "", 0, refuse(ErrUnknownCallee, "the number is no user's and TALKTIME_DIAL is empty")
		}
		return "", callee, nil
	}
	if !ValidTarget(target, p.DialTechs) {
		return "", 0, errTarget()
	}
	return target, callee, nil
}

// direct finds the carriers for a call whose target nobody has chosen, the first of which has room for it, or else sends it to
// the trunk; and in which pools it counts.
func (p Policy) direct(s *State, call *models.Call, auth *Authorization, user models.User, now time.Time) error {
	before, _ := call.Routing.Carrier()
	groups := s.PoolsOf[call.UserID]
	if call.ID != 0 { // it is in progress, and counts where it has counted
		groups = slices.DeleteFunc(slices.Clone(call.Routing.Pools), func(id int64) bool { return id == before.Pool })
	}
	call.Routing = models.Routing{Pools: groups}
	if auth.Target != "" {
		return nil
	}
	var attempts []models.Attempt
	if p.Route != nil {
		var err error
		if attempts, err = p.Route(user, call.Number, call.Rate, now); err != nil {
			return err
		}
	}
	if len(attempts) == 0 {
		return p.follow(auth, *call)
	}
	for i, a := range attempts { // a limit that was set a moment ago, after Policy.Pools was asked, is not loaded: the next call counts
		if _, loaded := s.Pools[a.Pool]; !loaded {
			attempts[i].Pool = 0
		}
	}
	for i, attempt := range attempts {
		if !ValidTarget(attempt.Target, p.DialTechs) {
			return errTarget()
		}
		if attempt.Pool != before.Pool && !s.room(attempt.Pool) { // a call that is dialled on has its place already
			continue
		}
		call.Routing = models.Routing{Attempts: attempts[i:], Pools: counting(groups, attempt.Pool)}
		return p.follow(auth, *call)
	}
	return forbid(models.RuleCarrierCalls, "all carriers for this number have as many calls as they may")
}

func errTarget() error {
	return refuse(models.ErrInvalid, "the dial target is not of the form Tech/resource with an allowed technology")
}

// room reports whether a pool takes one call more. One that is not there bounds nothing.
func (s *State) room(id int64) bool {
	pool := s.Pools[id]
	return pool.Most == 0 || pool.Calls < pool.Most
}

// counting is groups' pools with that of a carrier; 0: he has none.
func counting(groups []int64, carrier int64) []int64 {
	if carrier == 0 {
		return groups
	}
	return append(slices.Clone(groups), carrier)
}

// follow has the dial go where the call's route says, or to the trunk, unless the target was chosen otherwise.
func (p Policy) follow(auth *Authorization, call models.Call) error {
	r := call.Routing
	switch {
	case auth.Target != "":
		return nil
	case len(r.Attempts) > 0:
		auth.At = min(r.At, len(r.Attempts)-1)
		auth.Attempts = r.Attempts[auth.At:]
		auth.Target = auth.Attempts[0].Target
	case p.Dial == "":
		return refuse(ErrUnknownCallee, "the number is no user's, no route is for it, and TALKTIME_DIAL is empty")
	default:
		auth.Target = fill(p.Dial, call.Number, models.User{})
	}
	if !ValidTarget(auth.Target, p.DialTechs) {
		return errTarget()
	}
	return nil
}

// losses tells that the carrier to whom a call goes now may cost more than is charged for it, of a carrier and a prefix once
// a day.
func losses(call models.Call, now time.Time) []models.Notice {
	a, ok := call.Routing.Carrier()
	if !ok || !a.Loss {
		return nil
	}
	data := logText(map[string]any{"call_id": call.CallID, "number": call.Number, "carrier": a.Name, "buy": a.Buy.PerMinute, "sell": call.Rate.PerMinute})
	once := fmt.Sprintf("loss:%d:%s:%s", a.Carrier, call.Rate.Prefix, now.UTC().Format(time.DateOnly))
	return []models.Notice{{At: now, Kind: models.NoticeLoss, UserID: call.UserID, Data: data, Once: once}}
}

// buyCost is what the carriers of a settled call ask for it, in the currency of the last one's deck.
func buyCost(call models.Call) money.Amount {
	carrier, ok := call.Routing.Carrier()
	if !ok {
		return 0
	}
	bought := models.Call{Rate: carrier.Buy, Seconds: call.Seconds} // what CallCost adds up
	for _, leg := range call.Legs {
		if leg.Buy.Currency != carrier.Buy.Currency {
			bought.Seconds -= leg.Seconds
			continue
		}
		leg.Rate = leg.Buy
		bought.Legs = append(bought.Legs, leg)
	}
	cost, err := CallCost(bought)
	if err != nil {
		return 0 // it is told, and moves no money
	}
	return cost
}

// Advance has a call dialled at its attempt with the index at, after those before it came to nothing: it counts among that
// carrier's calls from then on, and no longer among those of the one before. ring is for how many seconds it may ring. A
// *Refusal of [ErrLimit] when the carrier has no room, and of models.ErrNotFound when the call is not open, or has no such attempt.
func (s *Service) Advance(ctx context.Context, id Identity, callID string, at int, ring int64) (models.Attempt, error) {
	if err := checkCallID(callID); err != nil {
		return models.Attempt{}, err
	}
	var attempt models.Attempt
	keys := Keys{Calls: []string{callID}, Attempts: true}
	err := s.do(ctx, s.laneKey(id, callID), keys, nil, func(st *State) error {
		var c change
		var err error
		if c, attempt, err = advance(st, callID, at, ring, s.now()); err == nil {
			st.apply(c)
		}
		return err
	})
	if err != nil {
		return models.Attempt{}, err
	}
	return attempt, nil
}

func advance(s *State, callID string, at int, ring int64, now time.Time) (change, models.Attempt, error) {
	call, ok := s.Calls[callID]
	if ChannelOf(callID) == callID {
		call, ok = s.latest(callID)
	}
	r := call.Routing
	switch {
	case !ok || call.State != models.CallOpen:
		return change{}, models.Attempt{}, refuse(models.ErrNotFound, "the call is not open")
	case at < 0 || at >= len(r.Attempts):
		return change{}, models.Attempt{}, refuse(models.ErrNotFound, "the call has no carrier number %d", at+1)
	case at == r.At:
		return change{}, r.Attempts[at], nil
	}
	before, _ := r.Carrier()
	next := r.Attempts[at]
	if next.Pool != before.Pool && !s.room(next.Pool) {
		return change{}, models.Attempt{}, forbid(models.RuleCarrierCalls, "carrier %s has as many calls as it may", next.Name)
	}
	groups := slices.DeleteFunc(slices.Clone(r.Pools), func(id int64) bool { return id == before.Pool })
	call.Routing = models.Routing{Attempts: r.Attempts, At: at, Pools: counting(groups, next.Pool)}
	if due := now.Add(seconds(min(max(ring, 0), maxRing) + call.Limit)); due.After(call.Due) { // nobody has answered yet
		call.Due = due
	}
	return change{calls: []models.Call{call}, notices: losses(call, now)}, next, nil
}

// fills reports whether the user has what the template asks for: a phone without a SIM has no IMSI.
func fills(template string, u models.User) bool {
	return u.IMSI != nil || !strings.Contains(template, "{imsi}")
}

func fill(template, number string, u models.User) string {
	values := []string{"{number}", number, "{imsi}", "", "{clid}", number}
	if u.IMSI != nil {
		values[3] = *u.IMSI
	}
	return strings.NewReplacer(values...).Replace(template)
}
