package billing

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/money"
)

// Policy is what the operator configured about calls. It does not change while the service runs.
type Policy struct {
	MaxCallSeconds int64
	RingSeconds    int64
	Identify       []string // ByCallerID, ByAccount, ByIMSI
	Dial           string   // "PJSIP/{number}@trunk"
	SubscriberDial string   // "PJSIP/IMSI{imsi}@openbts"
	DialTechs      []string
	Emergency      []string // numbers
	EmergencyDial  string
	// Rate is the price for a user's call to a number at an instant, or ErrNoRate. Nil is the built-in tariff.
	Rate func(u models.User, number string, at time.Time) (models.Rate, error)
	// Route gives the carriers to whom a call of a user at a rate may be given, in the order in which they are tried; none where
	// no route is for the number, which then goes to Dial. A *Refusal when there is a route of which nothing is left. Nil: there
	// are no routes.
	Route func(u models.User, number string, sell models.Rate, at time.Time) ([]models.Attempt, error)
	// Pools are the pools of all carriers that Route may give for a number. Nil: there are none.
	Pools func(number string) []int64
	// Country is the calling code of the country of a number; empty for one at home, or which none can be told of. Nil: of none.
	Country func(number string) string
	// Warn are balances below which it is told, by currency, of users who have no own one. Nil: none.
	Warn map[string]money.Amount
	// Slice is how many seconds are held at a time for a call that somebody extends while it goes on; 0: all at once.
	Slice    int64
	Location *time.Location // of hours and days; nil: UTC
}

func (p Policy) rate(u models.User, number string, at time.Time) (models.Rate, error) {
	r, err := models.SecondRate(), error(nil)
	if p.Rate != nil {
		r, err = p.Rate(u, number, at)
	}
	if err == nil && r.Currency != u.Currency {
		return models.Rate{}, refuse(ErrNoRate, "no tariff in %s has a rate for this number", u.Currency)
	}
	return r, err
}

// CallRequest asks whether a caller may call.
type CallRequest struct {
	CallID   string // of the channel
	Identity Identity
	Number   string // dialled
	Target   string // chosen by the dialplan instead of our routing; may be empty
	Ring     int64  // seconds; 0 = as configured

	// Fresh says that nobody has looked yet at what the channel shows of an earlier dial: if it has called before, the answer
	// is ErrCalledBefore.
	Fresh bool
	// Shows is what the channel shows of its last dial, when that has ended; it is settled before anything else is decided.
	// Nil: nothing, or of a dial from which it was redirected away, of which only the end can tell.
	Shows *models.Evidence

	// Keeper extends the call while it goes on, so that it is held in slices. 0: nobody does, and all of it is held at once.
	Keeper int64

	own int64 // id of the Call that an earlier try of this very request has made, if it was committed
}

// Authorization is the permission to dial.
type Authorization struct {
	CallID   string // of the Call that was opened
	UserID   int64
	Target   string           // of the first attempt
	Attempts []models.Attempt // in the order in which they are to be dialled, each after the first by way of Advance; none without a route
	At       int              // which attempt of the Call the first of them is, for Advance
	Ring     int64            // seconds
	Seconds  int64            // longest talk, or of a call that is kept its first slice; 0 only for emergency calls, which have no limit
	// Of a call that somebody extends while it goes on.
	Keeper    int64 // who does; 0: nobody, and what follows is 0 too
	Limit     int64 // seconds of the leg that are held: more than Seconds where some have passed
	Longest   int64 // seconds that the talk may come to
	Affords   int64 // seconds that the money lasts if nothing else is paid with it, or at least its share when it is dialled again
	Leg       int   // 0 unless an open call goes on to another number
	Dial      int   // which authorisation of the Call this is, from 1
	Repeated  bool  // the hold was already there
	Told      bool  // what the channel shows of its last dial is in the books, or is no call's
	Emergency bool
}

// maxLegs bounds how often a call goes on under one hold: all its legs are kept in one row.
const maxLegs = 32

// maxNotes bounds how often a channel may dial one number under one hold, for the same reason.
const maxNotes = 100

// maxRing bounds the ring time that a dialplan may ask for, in seconds.
const maxRing = 600

// check refuses what no loaded row could make acceptable.
func (r CallRequest) check(p Policy) error {
	switch {
	case !callIDForm.matches(r.CallID):
		return refuse(models.ErrInvalid, "the channel's unique id has characters that are not allowed")
	case !numberForm.matches(r.Number):
		return refuse(models.ErrInvalid, "the dialled number may have only digits, +, * and #")
	case strings.LastIndexByte(r.Number, '+') > 0: // it would hide from limits, rates and routes what carriers may dial
		return refuse(models.ErrInvalid, "the dialled number may have + only as its first character")
	case r.Target != "" && !ValidTarget(r.Target, p.DialTechs):
		return refuse(models.ErrInvalid, "the dial target is not of the form Tech/resource with an allowed technology")
	case r.Ring < 0 || r.Ring > maxRing:
		return refuse(models.ErrInvalid, "the ring time must be 1 to %d seconds", maxRing)
	}
	return nil
}

func (p Policy) emergency(number string) bool { return slices.Contains(p.Emergency, number) }

// emergencyTarget is where emergency numbers go. It needs no database.
func (p Policy) emergencyTarget(number string) (string, error) {
	template := p.EmergencyDial
	if template == "" {
		template = p.Dial
	}
	target := fill(template, number, models.User{})
	if !ValidTarget(target, p.DialTechs) {
		return "", refuse(models.ErrInvalid, "TALKTIME_EMERGENCY_DIAL gives no valid dial target")
	}
	return target, nil
}

// authorize decides whether the caller may dial, and holds the cost of exactly the time that he gets. What the channel
// shows of its last dial is settled first, in the state itself: that stands, even if the new call is refused.
func (p Policy) authorize(s *State, req CallRequest, now time.Time) (change, Authorization, error) {
	user, err := req.Identity.caller(s, p.Identify)
	if err != nil {
		return change{}, Authorization{}, err
	}
	target, callee, err := p.route(s, req, user)
	if err != nil {
		return change{}, Authorization{}, err
	}
	auth := Authorization{UserID: user.ID, Target: target, Ring: req.Ring, Dial: 1}
	if auth.Ring == 0 {
		auth.Ring = p.RingSeconds
	}
	wallet := s.purse(user.ID, user.Currency)
	if wallet.status() != models.AccountActive {
		return change{}, Authorization{}, refuse(ErrAccountBlocked, "the account is %s", wallet.status())
	}
	last, known := s.latest(req.CallID)
	if known && last.State == models.CallOpen && last.ID == req.own && last.Dials == 1 {
		auth.CallID = last.CallID // our own commit, of which the answer was lost
		if auth.Affords, err = p.lasts(s, last, user, wallet, last.Limit, p.longest(user), now); err != nil {
			return change{}, Authorization{}, err
		}
		p.held(&auth, last, last.Limit)
		return change{}, auth, p.follow(&auth, last)
	}
	if known && req.Fresh {
		return change{}, Authorization{}, ErrCalledBefore
	}
	if known && req.Shows != nil {
		shown := CallResult{CallID: last.CallID, Exact: true, Shown: true, Identity: req.Identity, Evidence: *req.Shows}
		c, _, err := p.settle(s, shown, now)
		if err != nil {
			return change{}, Authorization{}, err
		}
		s.apply(c)
		last, wallet, auth.Told = s.Calls[last.CallID], s.purse(user.ID, user.Currency), true
	}
	if known && last.State == models.CallOpen {
		return p.proceed(s, req, last, user, callee, auth, now)
	}
	call := models.Call{
		CallID: req.CallID, UserID: user.ID, CalleeID: callee, CallerID: req.Identity.CallerID, Number: req.Number,
		State: models.CallOpen, Authorized: now, Attempts: 1, Dials: 1,
	}
	if p.Slice > 0 && req.Keeper != 0 {
		call.Keeper, call.Slice = req.Keeper, p.Slice
	}
	err = p.grant(s, &call, &auth, user, wallet, now)
	if err != nil {
		if !known { // what is held may be held by this very channel, which then needs no other rate
			s.Doubt = append(s.Doubt, req.CallID)
		}
		return change{}, Authorization{}, err
	}
	p.held(&auth, call, call.Limit)
	amount, err := holdCost(call.Rate, auth.Seconds)
	if err != nil {
		return change{}, Authorization{}, fmt.Errorf("price the hold of call %s: %w", req.CallID, err)
	}
	call.ID, call.Holds = s.NewID(), wallet.hold(amount)
	c := change{visited: p.counted(s, user, wallet, req.Number, callee, now), notices: losses(call, now)}
	c.accounts = wallet.changed(s, user.ID)
	if known {
		first := s.Calls[req.CallID]
		first.Attempts++
		call.CallID = attemptID(req.CallID, first.Attempts)
		call.UpBefore = upBefore(last, now)
		c.calls = append(c.calls, first)
	}
	auth.CallID = call.CallID
	c.calls = append(c.calls, call)
	return c, auth, nil
}

// grant finds what a new call costs, how long it may last and where it goes, unless a limit forbids it.
func (p Policy) grant(s *State, call *models.Call, auth *Authorization, user models.User, wallet purse, now time.Time) (err error) {
	if err := p.restrict(s, user, wallet, call.Number, call.CalleeID, false, now); err != nil {
		return err
	}
	if call.Rate, err = p.rate(user, call.Number, now); err != nil {
		return err
	}
	if auth.Seconds, err = p.afford(user, wallet, call.Rate, 0, now); err != nil {
		return err
	}
	auth.Affords = auth.Seconds
	if auth.Seconds, err = p.slice(s, *call, user, wallet, 0, auth.Seconds, now); err != nil {
		return fmt.Errorf("share what pays for call %s: %w", call.CallID, err)
	}
	if err := p.direct(s, call, auth, user, now); err != nil {
		return err
	}
	call.Limit, call.Due = auth.Seconds, now.Add(seconds(auth.Ring+auth.Seconds))
	return nil
}

// held tells in an authorisation how long its call may last now, and by whom it is extended.
func (p Policy) held(auth *Authorization, call models.Call, seconds int64) {
	auth.Seconds = seconds
	if call.Keeper == 0 {
		auth.Affords = 0
		return
	}
	auth.Keeper, auth.Limit, auth.Longest = call.Keeper, call.Limit, max(p.MaxCallSeconds, seconds)
}

// proceed lets a channel dial again while its hold is open, for instance after a redirect. To the same number it
// keeps rate and deadline. To another it is rated anew: what may have been talked until now stays covered, and the
// rest of the hold, topped up from what is available, pays for the new leg.
func (p Policy) proceed(
	s *State, req CallRequest, call models.Call, user models.User, callee int64, auth Authorization, now time.Time,
) (change, Authorization, error) {
	if call.UserID != auth.UserID {
		return change{}, Authorization{}, &Refusal{
			Err: ErrIdentityConflict, Reason: "this call was authorised for another user",
			Detail: fmt.Sprintf("call %s is of user %d, and user %d asks for it", call.CallID, call.UserID, auth.UserID),
		}
	}
	told := slices.ContainsFunc(call.Notes, func(e models.Evidence) bool { return e.Source == SourceCaller && e.Dial == call.Dials })
	call.Dials++
	auth.CallID, auth.Repeated, auth.Dial = call.CallID, true, call.Dials
	elapsed := max(int64(now.Sub(call.Authorized)/time.Second), 0)
	if call.Slice > 0 {
		call.Keeper, call.Cut = req.Keeper, "" // why it was to be cut may have passed
	}
	if req.Number == call.Number {
		wallet := s.purse(call.UserID, call.Rate.Currency)
		if call.Slice > 0 {
			last, err := p.renew(s, &call, user, wallet, elapsed, now)
			if err != nil {
				return change{}, Authorization{}, err
			}
			auth.Affords = max(last-elapsed, 0)
		}
		p.held(&auth, call, call.Limit-elapsed)
		auth.Leg = len(call.Legs)
		if auth.Seconds < 1 {
			return change{}, Authorization{}, refuse(ErrInsufficientFunds, "the time held for this call has passed")
		}
		if len(call.Notes) >= maxNotes {
			return change{}, Authorization{}, refuse(ErrLimit, "the channel has dialled too often under one hold")
		}
		if err := p.follow(&auth, call); err != nil {
			return change{}, Authorization{}, err
		}
		c := repeat(call, auth, elapsed >= 1 || told, now)
		c.accounts = wallet.changed(s, call.UserID)
		return c, auth, nil
	}
	if len(call.Legs) >= maxLegs {
		return change{}, Authorization{}, refuse(ErrLimit, "the call has been redirected %d times", maxLegs)
	}
	wallet := s.purse(call.UserID, call.Rate.Currency)
	if err := p.restrict(s, user, wallet, req.Number, callee, true, now); err != nil {
		return change{}, Authorization{}, err
	}
	rate, err := p.rate(user, req.Number, now)
	if err != nil {
		return change{}, Authorization{}, err
	}
	if err := wallet.unhold(call.Holds); err != nil {
		return change{}, Authorization{}, fmt.Errorf("redirect call %s: %w", call.CallID, err)
	}
	if call.Slice == 0 {
		elapsed = min(elapsed, call.Limit)
	} // else the time since the last slice counts too, while the channel was up with nobody
	talked, err := talkedCost(call, elapsed)
	if err != nil {
		return change{}, Authorization{}, fmt.Errorf("price the first leg of call %s: %w", call.CallID, err)
	}
	kept, covered := wallet.keep(call.Holds, talked)
	talked -= covered
	if auth.Seconds, err = p.afford(user, wallet, rate, talked, now); err != nil {
		return change{}, Authorization{}, err
	}
	auth.Affords = auth.Seconds
	sliced := call
	sliced.Rate = rate
	if auth.Seconds, err = p.slice(s, sliced, user, wallet, talked, auth.Seconds, now); err != nil {
		return change{}, Authorization{}, fmt.Errorf("share what pays for call %s: %w", call.CallID, err)
	}
	further, err := holdCost(rate, auth.Seconds)
	if err != nil {
		return change{}, Authorization{}, fmt.Errorf("price the hold of call %s: %w", call.CallID, err)
	}
	leg := models.Leg{Number: call.Number, Rate: call.Rate, Authorized: call.Authorized}
	if carrier, ok := call.Routing.Carrier(); ok {
		leg.Carrier, leg.Buy = carrier.Carrier, carrier.Buy
	}
	call.Legs = append(slices.Clone(call.Legs), leg)
	call.Number, call.Rate, call.CalleeID, call.Limit, call.AnsweredMS = req.Number, rate, callee, auth.Seconds, 0
	p.held(&auth, call, call.Limit)
	if err := p.direct(s, &call, &auth, user, now); err != nil {
		return change{}, Authorization{}, err
	}
	call.Authorized, call.Due = now, now.Add(seconds(auth.Ring+auth.Seconds))
	call.Holds = append(kept, wallet.hold(talked+further)...)
	auth.Leg = len(call.Legs)
	c := change{visited: p.counted(s, user, wallet, req.Number, callee, now), notices: losses(call, now), calls: []models.Call{call}}
	c.accounts = wallet.changed(s, call.UserID)
	return c, auth, nil
}

// repeat notes that the channel dials the same number again: what was noted of the first dial is then a part of the
// talk. Within a second of the authorisation, and with no word of a dial between, it is the same request, sent twice.
func repeat(call models.Call, auth Authorization, anew bool, now time.Time) change {
	if due := now.Add(seconds(auth.Ring + auth.Seconds)); due.After(call.Due) {
		call.Due = due
	}
	if anew {
		call.Notes = append(slices.Clone(call.Notes), models.Evidence{Source: SourceRepeat, Leg: auth.Leg, Dial: auth.Dial, SeenAt: now})
	}
	return change{calls: []models.Call{call}}
}

// talkedCost is the most that the legs of an open call can have cost until now: nothing where nobody answered,
// else as if each had been answered at once.
func talkedCost(call models.Call, elapsed int64) (money.Amount, error) {
	legs := append(slices.Clone(call.Legs), models.Leg{Rate: call.Rate, Seconds: elapsed})
	var total money.Amount
	for i, leg := range legs {
		if i < len(call.Legs) {
			next := call.Authorized
			if i+1 < len(call.Legs) {
				next = call.Legs[i+1].Authorized
			}
			leg.Seconds = max(int64(next.Sub(leg.Authorized)/time.Second), 0)
		}
		if talked, known := legBillSec(i, call.Notes); known {
			if talked == 0 && !answeredLeg(i, call.Notes) {
				continue
			}
			leg.Seconds = min(talked, leg.Seconds)
		}
		cost, err := holdCost(leg.Rate, leg.Seconds)
		if err != nil {
			return 0, err
		}
		if total, err = money.Add(total, cost); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// latest is the newest Call of a channel.
func (s *State) latest(callID string) (models.Call, bool) {
	first, ok := s.Calls[callID]
	if !ok || first.Attempts <= 1 {
		return first, ok
	}
	last, ok := s.Calls[attemptID(callID, first.Attempts)]
	return last, ok
}

// attemptID is the CallID of a channel's n-th Call.
func attemptID(callID string, n int) string {
	if n <= 1 {
		return callID
	}
	return callID + "#" + strconv.Itoa(n)
}

// ChannelOf is the CallID of the channel that made a Call.
func ChannelOf(callID string) string {
	channel, _, _ := strings.Cut(callID, "#")
	return channel
}

// upBefore estimates how long a channel has been up that dials again after its last call was closed: ANSWEREDTIME
// will count from the channel's first answer. After an emergency call nobody knows whether there was one: the negative
// of how long it can be at most. It is 0 when the channel was never answered.
func upBefore(last models.Call, now time.Time) int64 {
	since := func(t time.Time) int64 { return max(now.Sub(t).Milliseconds(), 0) }
	authorized := last.Authorized
	if len(last.Legs) > 0 {
		authorized = last.Legs[0].Authorized
	}
	if last.State == models.CallEmergency { // if it was answered, then at this moment or later
		return -since(authorized)
	}
	var up int64           // as the channel says
	if last.UpBefore > 0 { // a channel that is up stays so
		up = last.UpBefore + since(authorized)
	}
	var least, help int64 // by the talk alone; and since a call for help
	if last.Ended != nil {
		if last.TalkedMS > 0 {
			up = max(up, last.TalkedMS+since(*last.Ended))
		}
		if last.Seconds > 0 {
			least = last.Seconds*1000 + since(*last.Ended)
		}
	}
	for _, e := range last.Notes {
		if e.Source == SourceEmergency {
			help = max(help, since(e.SeenAt))
		}
		if !saysAnswered(e) || e.SeenAt.IsZero() {
			continue
		}
		if talked, ok := channelUp([]models.Evidence{e}); ok && talked.ms > 0 {
			up = max(up, talked.ms+since(e.SeenAt))
		}
		if e.BillSec != nil {
			least = max(least, *e.BillSec*1000+since(e.SeenAt))
		} else {
			least = max(least, since(e.SeenAt))
		}
	}
	if last.UpBefore < 0 {
		help = max(help, since(authorized)-last.UpBefore)
	}
	switch {
	case up > 0:
		return max(up, least)
	case help > 0: // the talk was not all, if somebody had answered before it
		return -max(help, least)
	}
	return least
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
