package billing

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"talktime/models"
	"talktime/money"
)

// Witnesses of a call, as evidence and settlements name them.
const (
	SourceCaller     = "caller"     // the leg that dialled, straight after the dial
	SourceReducer    = "reducer"    // the h extension
	SourceCDR        = "cdr"        // a row of a CDR database
	SourceReconciler = "reconciler" // nobody: time ran out
	SourceOperator   = "operator"   // an operator's word that the call has ended
	SourceRepeat     = "repeat"     // no witness: the channel was authorised again, for the same number
	SourceEmergency  = "emergency"  // no witness: the channel called an emergency number since
)

// CallResult is what a witness has to say about the end of a call.
type CallResult struct {
	CallID   string // of the channel or of one Call
	Identity Identity
	Number   string // dialled, where the witness knows; for calls that were never authorised
	Evidence models.Evidence
	By       string // who settles; empty = the evidence's source
	GiveUp   bool   // release the hold even when nobody knows what was talked
	Dial     int    // with GiveUp: the authorisation that is given up; a later one keeps the hold
	Exact    bool   // CallID names this very Call, even when its channel has made others since
	Shown    bool   // it is what the channel shows of its last dial, before another
	// Emergency says that the channel called an emergency number, which is not billed even if it was not recorded.
	Emergency bool
}

// Charge is what became of a call. State tells: settled (Seconds and Amount are what was charged), released,
// unreconciled, or still open because the evidence was not enough. It is empty when there was no call at all.
type Charge struct {
	CallID  string
	UserID  int64
	State   models.CallState
	Seconds int64
	Amount  money.Amount
	Already bool // somebody else had settled it; nothing was changed
	// Unauthorized says that nobody had asked before the call was dialled.
	Unauthorized bool
	Disputed     bool // the evidence claims a longer talk than was charged
}

// checkCallID refuses ids that no call of ours has: of a channel, or of one of its Calls.
func checkCallID(id string) error {
	if !isCallID(id) {
		return refuse(models.ErrInvalid, "the channel's unique id has characters that are not allowed")
	}
	return nil
}

func chargeOf(c models.Call) Charge {
	return Charge{CallID: c.CallID, UserID: c.UserID, State: c.State, Seconds: c.Seconds, Amount: c.Charge, Unauthorized: c.Unauthorized}
}

// settle decides what a call costs once its evidence suffices, and closes it. Whoever is first wins; all others
// learn what was done.
func (p Policy) settle(s *State, res CallResult, now time.Time) (change, Charge, error) {
	call, known := s.Calls[res.CallID]
	if ChannelOf(res.CallID) == res.CallID && !res.Exact {
		call, known = s.meant(res)
	}
	if res.Dial != 0 && res.Dial != call.Dials {
		res.GiveUp = false // the channel has dialled again since
	}
	switch {
	case !known && (res.Emergency || res.Shown):
		return change{}, Charge{}, nil
	case !known:
		return p.settleUnauthorized(s, res, now)
	}
	by := res.By
	if by == "" {
		by = res.Evidence.Source
	}
	// What a channel measured that called for help last is that talk, and not this call's.
	if res.Emergency {
		res.Evidence = models.Evidence{Source: SourceEmergency, Over: res.Evidence.Over, SeenAt: res.Evidence.SeenAt}
	}
	if res.Evidence.Source == SourceReducer && res.Evidence.Leg == 0 || res.Shown {
		res.Evidence.Leg = len(call.Legs) // it speaks of the dial that was last
	}
	if res.Shown {
		res.Evidence.Dial = call.Dials
	}
	switch call.State {
	case models.CallOpen:
		return p.settleOpen(s, call, res, by, now)
	case models.CallUnreconciled:
		return p.settleLate(s, call, res, by, now)
	case models.CallEmergency:
		return change{}, chargeOf(call), nil
	case models.CallSettled, models.CallReleased:
		if res.Shown { // a channel goes on showing what has long been settled
			return change{}, chargeOf(call), nil
		}
	}
	return dispute(call, res)
}

// tellSlack is how far the clocks of two of our processes may differ when a witness is matched to a Call.
const tellSlack = 2 * time.Second

// meant is the Call of a channel that a witness speaks of: the newest that had begun when he looked. His word may
// come late, from a spool, when the channel has made further Calls.
func (s *State) meant(res CallResult) (models.Call, bool) {
	first, known := s.Calls[res.CallID]
	call, found := s.latest(res.CallID)
	if !known || res.Evidence.SeenAt.IsZero() {
		return call, found
	}
	for n := first.Attempts; n > 1 && call.Authorized.After(res.Evidence.SeenAt.Add(tellSlack)); n-- {
		if earlier, ok := s.Calls[attemptID(res.CallID, n-1)]; ok {
			call = earlier
		}
	}
	return call, found
}

// dispute answers a witness who comes after the settlement. It changes no money; a longer talk than was charged
// is noted for the operator.
func dispute(call models.Call, res CallResult) (change, Charge, error) {
	charge := chargeOf(call)
	charge.Already = true
	if slices.ContainsFunc(call.Notes, func(note models.Evidence) bool { return sameWord(note, res.Evidence) }) {
		return change{}, charge, nil
	}
	v := Judge(call, append([]models.Evidence{res.Evidence}, call.Notes...))
	if !v.Known || v.Seconds <= call.Seconds {
		return change{}, charge, nil
	}
	charge.Disputed = true
	if v.Seconds <= call.Disputed {
		return change{}, charge, nil
	}
	call.Disputed = v.Seconds
	call.Notes = append(slices.Clone(call.Notes), res.Evidence)
	return change{calls: []models.Call{call}}, charge, nil
}

// sameWord reports whether two pieces of evidence say the same, whenever they were given.
func sameWord(a, b models.Evidence) bool {
	a.SeenAt, b.SeenAt = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}

func (p Policy) settleOpen(s *State, call models.Call, res CallResult, by string, now time.Time) (change, Charge, error) {
	evidence := res.Evidence
	if n := len(call.Notes); n > 0 && sameWord(call.Notes[n-1], evidence) || told(call, evidence) {
		evidence.Source = "" // said before: a spool or a hook may repeat it for ever
	}
	if evidence.Source != "" {
		call.Notes = append(slices.Clone(call.Notes), evidence)
		if len(call.Notes) > 2*maxNotes { // a hook that tells something else each time
			call.Notes = slices.Delete(call.Notes, maxNotes, maxNotes+1)
		}
	}
	seen := call.Notes
	if res.GiveUp || res.Shown { // a channel that is about to dial again talks to nobody now
		seen = append(slices.Clone(seen), models.Evidence{Leg: len(call.Legs), Over: true})
	}
	v := Judge(call, seen)
	wallet := s.purse(call.UserID, call.Rate.Currency)
	if !v.Known && !res.GiveUp {
		if v.Over && !res.Shown && call.Ended == nil {
			call.Ended = &now
		}
		if evidence.Source == "" {
			return change{}, chargeOf(call), nil
		}
		return change{calls: []models.Call{call}}, chargeOf(call), nil
	}
	if err := wallet.unhold(call.Holds); err != nil {
		return change{}, Charge{}, fmt.Errorf("settle call %s: %w", call.CallID, err)
	}
	if !v.Known {
		call.State, call.SettledBy, call.Ended = models.CallUnreconciled, by, &now
		call.Status = v.Status
		call.Holds = nil
		return change{accounts: wallet.changed(s, call.UserID), calls: []models.Call{call}}, chargeOf(call), nil
	}
	return p.closeCall(s, call, v, wallet, call.Holds, by, now)
}

// told reports whether a word that nobody answered is about a dial of which the caller's leg has told before.
func told(call models.Call, evidence models.Evidence) bool {
	if evidence.Source != SourceCaller || evidence.SeenAt.IsZero() || saysAnswered(evidence) {
		return false
	}
	dial := func(seen models.Evidence) (n int) { // under one hold, of one number
		for _, e := range call.Notes {
			if e.Source == SourceRepeat && e.Leg == seen.Leg && !e.SeenAt.After(seen.SeenAt) {
				n++
			}
		}
		return n
	}
	return slices.ContainsFunc(call.Notes, func(e models.Evidence) bool {
		if e.Source != SourceCaller || e.Leg != evidence.Leg {
			return false
		}
		if e.Dial != 0 && evidence.Dial != 0 {
			return e.Dial == evidence.Dial
		}
		return dial(e) == dial(evidence)
	})
}

// settleLate charges a call that the reconciler had given up: from what is available now, the rest to shortfall.
func (p Policy) settleLate(s *State, call models.Call, res CallResult, by string, now time.Time) (change, Charge, error) {
	if res.Evidence.Source == "" {
		return change{}, chargeOf(call), nil
	}
	already := chargeOf(call)
	already.Already = true
	if told(call, res.Evidence) {
		return change{}, already, nil
	}
	notes := append(slices.Clone(call.Notes), res.Evidence)
	v := Judge(call, notes)
	if call.UserID == 0 || !v.Known {
		if len(call.Notes) >= maxNotes || slices.ContainsFunc(call.Notes, func(n models.Evidence) bool { return sameWord(n, res.Evidence) }) {
			return change{}, already, nil
		}
		call.Notes = notes // with the word of another witness it may suffice
		return change{calls: []models.Call{call}}, already, nil
	}
	if call.Rate.Currency == "" { // it was never authorised, and there was no rate for it
		var err error
		call.Rate, err = p.rate(s.Users[call.UserID], call.Number, now)
		if errors.Is(err, ErrNoRate) {
			return change{}, already, nil // it stays on the operator's list
		}
		if err != nil {
			return change{}, Charge{}, err
		}
	}
	call.Notes = notes
	return p.closeCall(s, call, v, s.purse(call.UserID, call.Rate.Currency), nil, by, now)
}

// settleUnauthorized records the end of a call that we never authorised. One that nobody answered leaves no
// trace. An answered one is charged at the current rate; of an unknown caller, or for an unknown time, it goes to
// the operator's list.
func (p Policy) settleUnauthorized(s *State, res CallResult, now time.Time) (change, Charge, error) {
	call := models.Call{
		ID: s.NewID(), CallID: res.CallID, CallerID: res.Identity.CallerID, Number: res.Number, Authorized: now, Due: now,
		Attempts: 1, Dials: 1, Unauthorized: true, Notes: []models.Evidence{res.Evidence}, SettledBy: res.Evidence.Source, Ended: &now,
		State: models.CallUnreconciled,
	}
	if !numberForm.matches(call.Number) {
		call.Number = "" // not known; nothing from outside goes further unchecked
	}
	v := Judge(call, call.Notes)
	if !v.Answered {
		return change{}, Charge{}, nil
	}
	call.Status, call.Cause, call.PDD, call.Seconds = v.Status, v.Cause, v.PDD, v.Seconds
	if !callIDForm.matches(res.CallID) {
		return change{}, Charge{}, refuse(models.ErrInvalid, "the channel's unique id has characters that are not allowed")
	}
	user, err := res.Identity.caller(s, p.Identify)
	if err != nil {
		return change{calls: []models.Call{call}}, chargeOf(call), nil //nolint:nilerr // an unknown caller is recorded, which is no failure
	}
	call.UserID = user.ID
	if callee := s.ByCLID[res.Number]; callee != user.ID {
		call.CalleeID = callee
	}
	call.Rate, err = p.rate(user, call.Number, now)
	if errors.Is(err, ErrNoRate) || err == nil && !v.Known {
		return change{calls: []models.Call{call}}, chargeOf(call), nil // the operator decides
	}
	if err != nil {
		return change{}, Charge{}, err
	}
	return p.closeCall(s, call, v, s.purse(user.ID, user.Currency), nil, res.Evidence.Source, now)
}

// closeCall charges a call as judged, each leg by its own rate, in one transaction. The hold has been given back
// to the purse already; its parts pay first.
func (p Policy) closeCall(
	s *State, call models.Call, v Verdict, wallet purse, held []models.HoldPart, by string, now time.Time,
) (change, Charge, error) {
	call.Status, call.Cause, call.PDD, call.Seconds, call.TalkedMS = v.Status, v.Cause, v.PDD, v.Seconds, v.TalkedMS
	call.SettledBy, call.Holds, call.State = by, nil, models.CallReleased
	if call.Ended == nil {
		call.Ended = &now
	}
	c := change{}
	if v.Answered {
		call.State = models.CallSettled
		var err error
		if call.Charge, call.Legs, err = priceLegs(call, v); err != nil {
			return change{}, Charge{}, fmt.Errorf("price call %s: %w", call.CallID, err)
		}
		call.BuyCost = buyCost(call)
	}
	if call.Charge > 0 {
		revenue, shortfall := s.House(call.Rate.Currency, models.HouseRevenue), s.House(call.Rate.Currency, models.HouseShortfall)
		if revenue == 0 || shortfall == 0 {
			return change{}, Charge{}, fmt.Errorf("charge call %s: %w", call.CallID, noHouse(call.Rate.Currency))
		}
		entries, uncovered := wallet.take(call.Charge, held, spendable)
		call.Shortfall = uncovered
		p.spend(wallet, call.Charge-uncovered, now)
		entries = append(entries, models.Entry{AccountID: revenue, Amount: call.Charge})
		if uncovered > 0 {
			entries = append(entries, models.Entry{AccountID: shortfall, Amount: -uncovered})
		}
		c.transactions = []models.Transaction{{
			ID: s.NewID(), Ref: models.Ref{Kind: models.KindCall, Ref: call.CallID}, PostedAt: now, Actor: by, Entries: entries,
		}}
	}
	c.accounts, c.calls = wallet.changed(s, call.UserID), []models.Call{call}
	return c, chargeOf(call), nil
}

// priceLegs is the price of all legs together, and the earlier legs with their seconds. A leg that was not talked
// on while another was costs nothing.
func priceLegs(call models.Call, v Verdict) (money.Amount, []models.Leg, error) {
	legs := slices.Clone(call.Legs)
	for i := range legs {
		legs[i].Seconds = v.Legs[i]
	}
	total, err := CallCost(models.Call{Rate: call.Rate, Legs: legs, Seconds: call.Seconds})
	return total, legs, err
}

// CallCost is the charge of a settled call by its snapshots: the sum over its legs, of which the last has what
// the earlier ones leave of the seconds. A leg without talk costs nothing when another had some.
func CallCost(call models.Call) (money.Amount, error) {
	last := call.Seconds
	var total money.Amount
	for _, leg := range call.Legs {
		last -= leg.Seconds
		if leg.Seconds == 0 {
			continue
		}
		cost, err := Cost(leg.Rate, leg.Seconds)
		if err != nil {
			return 0, err
		}
		if total, err = money.Add(total, cost); err != nil {
			return 0, err
		}
	}
	if last == 0 && len(call.Legs) > 0 && call.Seconds > 0 {
		return total, nil
	}
	cost, err := Cost(call.Rate, last)
	if err != nil {
		return 0, err
	}
	return money.Add(total, cost)
}

// takeBack takes back a permission that was not dialled. A hold that is its own is released. One that serves another
// dial too, which may have been answered, stays until that one is told of: it is noted that this dial came to nothing.
// Where two requests were taken for one, nothing tells them apart, and the hold waits for the end of the channel.
func (p Policy) takeBack(s *State, id Identity, auth Authorization, now time.Time) (change, Charge, error) {
	call := s.Calls[auth.CallID]
	if call.Dials <= 1 {
		return p.release(s, auth.CallID, auth.Dial, SourceCaller, now)
	}
	dials := 1 + len(call.Legs)
	for _, e := range call.Notes {
		if e.Source == SourceRepeat {
			dials++
		}
	}
	if dials != call.Dials || auth.Dial > call.Dials {
		return change{}, chargeOf(call), nil
	}
	nothing := models.Evidence{Source: SourceCaller, Leg: auth.Leg, Dial: auth.Dial, DialStatus: "CANCEL", SeenAt: now}
	return p.settle(s, CallResult{CallID: auth.CallID, Exact: true, Identity: id, Evidence: nothing}, now)
}

// release gives back the hold of a call that was never dialled. One that somebody saw answered was, and stays. dial
// is the authorisation that came to nothing, 0 for any: when the channel has been authorised again since, the hold
// belongs to that.
func (p Policy) release(s *State, callID string, dial int, by string, now time.Time) (change, Charge, error) {
	call, ok := s.Calls[callID]
	if !ok || dial != 0 && dial != call.Dials || call.State != models.CallOpen || call.AnsweredMS != 0 || slices.ContainsFunc(call.Notes, saysAnswered) {
		return change{}, chargeOf(call), nil
	}
	wallet := s.purse(call.UserID, call.Rate.Currency)
	if err := wallet.unhold(call.Holds); err != nil {
		return change{}, Charge{}, fmt.Errorf("release call %s: %w", callID, err)
	}
	call.State, call.SettledBy, call.Holds, call.Ended = models.CallReleased, by, nil, &now
	return change{accounts: wallet.changed(s, call.UserID), calls: []models.Call{call}}, chargeOf(call), nil
}

// recordEmergency notes an emergency call. It touches no money.
func recordEmergency(s *State, req CallRequest, p Policy, now time.Time) change {
	user, err := req.Identity.caller(s, p.Identify)
	if err != nil {
		user = models.User{} // an unknown caller may call for help too
	}
	call := models.Call{
		ID: s.NewID(), CallID: req.CallID, UserID: user.ID, CallerID: req.Identity.CallerID, Number: req.Number,
		State: models.CallEmergency, Authorized: now, Due: now, Attempts: 1, Dials: 1, SettledBy: SourceCaller,
	}
	first, known := s.Calls[req.CallID]
	if !known {
		return change{calls: []models.Call{call}}
	}
	// It does not count among the channel's calls: the latest of those may be open, and must stay in sight.
	var c change
	call.CallID = emergencyID(req)
	if _, again := s.Calls[call.CallID]; !again && (first.State != models.CallEmergency || first.Number != req.Number) {
		c.calls = append(c.calls, call)
	}
	last, ok := s.latest(req.CallID)
	noted := len(last.Notes) > 0 && last.Notes[len(last.Notes)-1].Source == SourceEmergency
	if ok && last.State != models.CallEmergency && !noted && len(last.Notes) < maxNotes {
		last.Notes = append(slices.Clone(last.Notes), models.Evidence{Source: SourceEmergency, SeenAt: now})
		c.calls = append(c.calls, last)
	}
	return c
}

// emergencyID is the CallID of an emergency call of a channel that has made another call before.
func emergencyID(req CallRequest) string { return req.CallID + "#e" + req.Number }

// maxBalance bounds a balance so that no sum of a user's accounts can overflow: 10¹² units.
const maxBalance = 1_000_000_000_000 * money.Unit

// Movement is money put into a user's account (positive) or taken from it (negative) by hand.
type Movement struct {
	Username string
	UserID   int64 // used when Username is empty
	Amount   money.Amount
	Ref      string // makes the movement safe to repeat
	Actor    string
	// Expires is until when the money is promised, to the second; zero: it stays. Only money that is put in may expire. It
	// pays for calls, before what stays, and cannot be taken out or transferred.
	Expires time.Time
	// Key is the client's; empty: none. Whatever else it may have been used for is in Not, and must not be there. Two
	// movements at once with one Key are not both done, though they have references of different kinds.
	Key string
	Not []models.Ref
	// Note is the line of the audit log that is written with the movement, both or neither; nil: none. It does nothing but
	// tell what was moved.
	Note func(Moved) models.AuditLine

	refill  bool // posted as one
	voucher bool // likewise
}

// Moved tells what a movement did.
type Moved struct {
	Transaction models.Transaction
	UserID      int64
	Available   money.Amount
	Already     bool // the same movement had been posted before
}

// maxRef is how many characters a movement's reference may have.
const maxRef = 160

// check refuses a reference that two databases could take for different things.
func (m Movement) check() error {
	length := utf8.RuneCountInString(m.Ref)
	if length == 0 || length > maxRef || !utf8.ValidString(m.Ref) || strings.TrimSpace(m.Ref) != m.Ref ||
		strings.ContainsFunc(m.Ref, unicode.IsControl) {
		return refuse(models.ErrInvalid, "the reference must have 1 to %d printable characters, and no space at its ends", maxRef)
	}
	return nil
}

// noHouse is a failure of ours: whoever makes a currency makes its house accounts too.
func noHouse(currency string) error { return fmt.Errorf("the house has no accounts in %s", currency) }

func (m Movement) kind() string {
	if m.refill {
		return models.KindRefill
	}
	if m.voucher {
		return models.KindVoucher
	}
	if m.Amount < 0 {
		return models.KindDebit
	}
	return models.KindTopUp
}

// move tops up or takes money. A removal takes at most what is available. The same Ref with the same content
// answers as the first time; with other content it is a conflict.
func (p Policy) move(s *State, m Movement, now time.Time) (change, Moved, error) {
	user, err := m.user(s)
	if err != nil {
		return change{}, Moved{}, err
	}
	wallet := s.purse(user.ID, user.Currency)
	ref := models.Ref{Kind: m.kind(), Ref: m.Ref}
	if done, ok := s.Transactions[ref]; ok {
		return change{}, Moved{Transaction: done, UserID: user.ID, Available: wallet.available(), Already: true}, m.same(done, purse{s.Accounts[user.ID]})
	}
	for _, other := range append([]models.Ref{{Kind: models.KindTopUp, Ref: m.Ref}, {Kind: models.KindDebit, Ref: m.Ref}}, m.Not...) { // the other way round too
		if _, ok := s.Transactions[other]; ok {
			return change{}, Moved{}, refuse(ErrRefUsed, "reference %s was used for another movement", strconv.Quote(m.Ref))
		}
	}
	if err := m.checkExpiry(now); err != nil {
		return change{}, Moved{}, err
	}
	account, cash := wallet.main(), s.House(user.Currency, models.HouseCash)
	if account == nil {
		return change{}, Moved{}, refuse(models.ErrConflict, "user %s has no open account", strconv.Quote(user.Username))
	}
	if cash == 0 {
		return change{}, Moved{}, noHouse(user.Currency)
	}
	var c change
	if until := m.until(); !until.IsZero() { // what has expired makes room for it
		if c.transactions, err = s.expire(wallet, m.Actor, now); err != nil {
			return change{}, Moved{}, err
		}
		if account, err = s.promo(wallet, user.ID, until); err != nil {
			return change{}, Moved{}, err
		}
	}
	var entries []models.Entry
	switch {
	case m.Amount == 0:
		return change{}, Moved{}, refuse(models.ErrInvalid, "the amount must not be zero")
	case m.Amount > 0:
		sum, err := money.Add(account.Balance, m.Amount)
		if err != nil || sum > maxBalance {
			return change{}, Moved{}, refuse(models.ErrInvalid, "the balance would pass %s", maxBalance)
		}
		account.Balance = sum
		entries = []models.Entry{{AccountID: account.ID, Amount: m.Amount}}
	default:
		if m.Amount < -maxBalance || wallet.movable() < -m.Amount {
			return change{}, Moved{}, wallet.short(-m.Amount)
		}
		entries, _ = wallet.take(-m.Amount, nil, lasting)
	}
	entries = append(entries, models.Entry{AccountID: cash, Amount: -m.Amount})
	t := models.Transaction{ID: s.NewID(), Ref: ref, PostedAt: now, Actor: m.Actor, Entries: entries, Key: m.Key, Expires: m.until()}
	c.accounts, c.transactions = wallet.changed(s, user.ID), append(c.transactions, t)
	return c, Moved{Transaction: t, UserID: user.ID, Available: wallet.available()}, nil
}

func (m Movement) user(s *State) (models.User, error) {
	id := m.UserID
	if m.Username != "" {
		id = s.ByUsername[m.Username]
	}
	user, ok := s.Users[id]
	if !ok {
		return models.User{}, fmt.Errorf("user %s: %w", strconv.Quote(m.Username), models.ErrNotFound)
	}
	return user, nil
}

// same checks that a posted transaction is this very movement.
func (m Movement) same(done models.Transaction, wallet purse) error {
	var moved money.Amount
	for _, e := range done.Entries {
		if wallet.account(e.AccountID) != nil {
			moved += e.Amount
		}
	}
	if moved != m.Amount || !done.Expires.Equal(m.until()) {
		return refuse(ErrRefUsed, "reference %s was used for another movement", strconv.Quote(m.Ref))
	}
	return nil
}
