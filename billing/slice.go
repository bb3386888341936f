package billing

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"talktime/models"
	"talktime/money"
)

// Lead is how many seconds before the end of a slice the next one is reserved.
func Lead(slice int64) int64 {
	const part, least, most = 5, 1, 10
	return min(max(slice/part, least), most)
}

// Why a call was cut, as its record says.
const (
	CutBlocked = "blocked" // the account
	CutNoRate  = "norate"  // the number has no rate any more
	CutLimit   = "limit"   // of the user forbids it by now
)

// Review asks what becomes of a call that is held in slices, while it goes on.
type Review struct {
	CallID   string // of the Call
	UserID   int64
	Keeper   int64    // who asks; whoever else keeps the call by now is not disturbed
	Identity Identity // of who was authorised; only for the order of the work
	Leg      int      // which of its legs is talked on
	// Elapsed is how much of Limit has passed. Before the answer it is 0.
	Elapsed time.Duration
}

// Kept is what was decided about a call. Only one of Over and Cut is set.
type Kept struct {
	Over  bool   // it is not open any more, has gone on to another leg, or somebody else keeps it
	Cut   string // it must end now, because of this
	Limit int64  // seconds that are held: it may last as long
	Until int64  // seconds after which it must end; less than Limit where a limit of the user was lowered meanwhile
	Grown bool   // Limit has grown by this; where the answer to a commit was lost and it is asked again, it had grown before
	Short bool   // it is time to extend it, and there is nothing to do it with; it is told when there may be
	// Last is for how many seconds it may last in all, as it would be shared now with the other calls; as if there were none while there is
	// enough for all of them for a while. It is 0 before the answer, and when it is over.
	Last int64
}

// Review extends a call that is held in slices, when it is time for that, or says that it must end now. What it says is durable.
func (s *Service) Review(ctx context.Context, r Review) (Kept, error) {
	if err := checkCallID(r.CallID); err != nil {
		return Kept{}, err
	}
	keys := Keys{Calls: []string{r.CallID}, Users: []int64{r.UserID}, Share: true}
	asked := s.now()
	var kept Kept
	err := s.do(ctx, s.laneKey(r.Identity, r.CallID), keys, nil, func(st *State) error {
		var c change
		var err error
		if c, kept, err = s.policy.review(st, r, asked, s.now()); err == nil {
			st.apply(c)
		}
		return err
	})
	if err != nil {
		return Kept{}, err
	}
	return kept, nil
}

// review decides about a call at a moment. Elapsed is of the moment before, when it was asked for.
func (p Policy) review(s *State, r Review, asked, now time.Time) (change, Kept, error) {
	call, ok := s.Calls[r.CallID]
	user, known := s.Users[call.UserID]
	if !ok || !known || call.State != models.CallOpen || call.Keeper != r.Keeper || call.Keeper == 0 || len(call.Legs) != r.Leg || forHelp(call) {
		return change{}, Kept{Over: true}, nil
	}
	if call.Cut != "" {
		return change{}, Kept{Cut: call.Cut}, nil
	}
	before := call
	if r.Elapsed > 0 && call.AnsweredMS == 0 {
		call.AnsweredMS = asked.Add(-r.Elapsed).UnixMilli()
	}
	wallet := s.purse(call.UserID, call.Rate.Currency)
	why, most, err := p.mayLast(s, user, call, wallet, now)
	if err != nil {
		return change{}, Kept{}, err
	}
	if elapsed := int64(r.Elapsed / time.Second); why == "" && most <= max(elapsed, 0) && most < call.Limit {
		why = CutLimit
	}
	p.countSpent(user, wallet, now) // the limit may be younger than the call
	if why != "" {
		call.Cut = why
		return change{accounts: wallet.changed(s, call.UserID), calls: []models.Call{call}}, Kept{Cut: why}, nil
	}
	left := seconds(call.Limit) - r.Elapsed
	due := r.Elapsed > 0 && left <= seconds(Lead(call.Slice)+1)
	// When there may be more to extend it with, or nothing can extend it.
	told := left <= 0 || BilledSeconds(call.Rate, call.Limit+1) > most || wallet.scarce()
	var last int64
	if r.Elapsed > 0 && left > 0 { // else it has ended, or does at this moment: nothing more is held for it
		if last, err = p.lasts(s, call, user, wallet, call.Limit, most, now); err != nil {
			return change{}, Kept{}, err
		}
	}
	if due {
		if err := p.extend(&call, wallet, call.Limit, last); err != nil {
			return change{}, Kept{}, err
		}
		if end := now.Add(seconds(call.Limit) - r.Elapsed); end.After(call.Due) {
			call.Due = end
		}
	}
	grown := call.Limit > before.Limit
	kept := Kept{Limit: call.Limit, Until: min(call.Limit, most), Grown: grown, Short: due && !grown && told, Last: min(last, most)}
	accounts := wallet.changed(s, call.UserID)
	if !grown && call.AnsweredMS == before.AnsweredMS && len(accounts) == 0 {
		return change{}, kept, nil
	}
	return change{accounts: accounts, calls: []models.Call{call}}, kept, nil
}

// forHelp reports whether the channel of a call has called for help since: whatever it talks now is not to be disturbed.
func forHelp(call models.Call) bool {
	n := len(call.Notes)
	return n > 0 && call.Notes[n-1].Source == SourceEmergency && !call.Notes[n-1].SeenAt.Before(call.Authorized)
}

// mayLast is for how many seconds a call may last as far as the user's limits go, whatever he has; or why it must end at once. Where they leave
// less than is held, the calls that began last end first.
func (p Policy) mayLast(s *State, user models.User, call models.Call, wallet purse, now time.Time) (cut string, most int64, err error) {
	if wallet.status() != models.AccountActive {
		return CutBlocked, 0, nil
	}
	l := user.Limits
	if l != nil && forbidden(l, call.Number) != nil {
		return CutLimit, 0, nil
	}
	if _, err := p.rate(user, call.Number, now); errors.Is(err, ErrNoRate) {
		return CutNoRate, 0, nil
	} else if err != nil {
		return "", 0, err
	}
	most = p.longest(user)
	if budget, bounded := p.budget(user, wallet, now); bounded {
		here, err := heldFor(call)
		if err != nil {
			return "", 0, err
		}
		after, err := s.heldAfter(call, now)
		if err != nil {
			return "", 0, err
		}
		// In whole increments of the call, not of what is left of its longest time: the first one is paid for.
		most = min(most, Affordable(call.Rate, max(budget+here+after, 0), max(p.MaxCallSeconds, call.Limit)))
	}
	return "", most, nil
}

// longest is for how many seconds a call of a user may last at all.
func (p Policy) longest(user models.User) int64 {
	if l := user.Limits; l != nil && l.Seconds > 0 {
		return min(p.MaxCallSeconds, l.Seconds)
	}
	return p.MaxCallSeconds
}

// budget is what a user's limits leave for calls in this hour and day, beside what calls in progress hold. It is less than nothing where a
// limit was lowered meanwhile. bounded is false where there is no such limit.
func (p Policy) budget(user models.User, wallet purse, now time.Time) (left money.Amount, bounded bool) {
	l, main := user.Limits, wallet.main()
	if l == nil || main == nil {
		return 0, false
	}
	inHour, inDay := spent(*main, p.counting(main.Hour, now, 1))
	left = math.MaxInt64
	if l.Hour > 0 {
		left = l.Hour - inHour
	}
	if l.Day > 0 {
		left = min(left, l.Day-inDay)
	}
	if left == math.MaxInt64 {
		return 0, false
	}
	return left - wallet.held(), true
}

// free is what calls may hold now, of what a user has and of what his limits leave.
func (p Policy) free(user models.User, wallet purse, now time.Time) money.Amount {
	free := wallet.available()
	if budget, bounded := p.budget(user, wallet, now); bounded {
		free = max(min(free, budget), 0)
	}
	return free
}

// heldFor is what of a call's hold is for the leg that is talked on.
func heldFor(call models.Call) (money.Amount, error) { return holdCost(call.Rate, call.Limit) }

// heldAfter is what calls that began after one hold for what they have not talked yet. It is theirs only as far as that one leaves it to them.
func (s *State) heldAfter(call models.Call, now time.Time) (money.Amount, error) {
	var held money.Amount
	for other := range s.kept(call.UserID) {
		if other.ID <= call.ID || other.Rate.Currency != call.Rate.Currency {
			continue
		}
		c := sharing(other, other.Limit, now)
		more, err := c.more(min(int64((c.elapsed+time.Second-1)/time.Second), c.limit), c.limit)
		if err != nil {
			return 0, fmt.Errorf("price what call %s holds: %w", other.CallID, err)
		}
		held += more
	}
	return held, nil
}

// lasts is for how many seconds a call may last with its share of the money; without a keeper, with all that there is. from is the second behind
// which its next slice begins: while there is plenty for all beyond that, it is what the call could last alone.
func (p Policy) lasts(s *State, call models.Call, user models.User, wallet purse, from, most int64, now time.Time) (int64, error) {
	calls := []sharer{sharing(call, most, now)}
	if call.Keeper != 0 {
		calls = append(calls, p.sharers(s, user, call, now)...)
	}
	last, err := first(p.free(user, wallet, now), calls, from, call.Slice)
	if err != nil {
		return 0, fmt.Errorf("share what pays for call %s: %w", call.CallID, err)
	}
	return last, nil
}

// extend holds the next slice of a call, of the seconds that it may last; without a keeper, all of them. Its hold stays as it is when there is
// nothing. from is the second behind which the slice begins.
func (p Policy) extend(call *models.Call, wallet purse, from, last int64) error {
	limit := last
	if call.Keeper != 0 && from < limit {
		limit = nextLimit(call.Rate, from, limit, call.Slice)
	}
	if limit <= call.Limit { // or more has passed than it can pay for
		return nil
	}
	after, err := holdCost(call.Rate, limit)
	if err != nil {
		return fmt.Errorf("price the hold of call %s: %w", call.CallID, err)
	}
	before, err := heldFor(*call)
	if err != nil {
		return fmt.Errorf("price the hold of call %s: %w", call.CallID, err)
	}
	call.Holds = wallet.merge(call.Holds, wallet.hold(after-before))
	call.Limit = limit
	return nil
}

// renew makes room under the hold of a call that is held in slices, and is about to be dialled again, of which elapsed seconds may have
// passed: what is left is a slice again, if anything is. Where nobody keeps it any more, it is all that there is money for. last is what it may come to.
func (p Policy) renew(s *State, call *models.Call, user models.User, wallet purse, elapsed int64, now time.Time) (last int64, err error) {
	why, most, err := p.mayLast(s, user, *call, wallet, now)
	if err != nil {
		return 0, err
	}
	if why == "" && most <= elapsed && most < call.Limit {
		why = CutLimit
	}
	switch why {
	case "":
	case CutBlocked:
		return 0, refuse(ErrAccountBlocked, "the account is %s", wallet.status())
	case CutNoRate:
		return 0, refuse(ErrNoRate, "the number has no rate any more")
	default:
		return 0, refuse(ErrLimit, "a limit of the user forbids that the call goes on")
	}
	call.AnsweredMS = 0
	if last, err = p.lasts(s, *call, user, wallet, elapsed, most, now); err != nil {
		return 0, err
	}
	return last, p.extend(call, wallet, elapsed, last)
}

// merge is two holds as one, with one part for each account, in burn order: what pays first is what goes first.
func (p purse) merge(hold, more []models.HoldPart) []models.HoldPart {
	hold = slices.Clone(hold)
	for _, part := range more {
		if i := slices.IndexFunc(hold, func(h models.HoldPart) bool { return h.AccountID == part.AccountID }); i >= 0 {
			hold[i].Amount += part.Amount
		} else {
			hold = append(hold, part)
		}
	}
	place := func(part models.HoldPart) int {
		return slices.IndexFunc(p.accounts, func(a models.Account) bool { return a.ID == part.AccountID })
	}
	slices.SortStableFunc(hold, func(a, b models.HoldPart) int { return place(a) - place(b) })
	return hold
}

// nextLimit is to how many seconds a call's hold grows, of the many that would be its share: by a slice, and by half of the share where that is
// less, so that something stays for calls that begin meanwhile. Only what is left at the very end is held to the last second. A slice is
// whole increments.
func nextLimit(r models.Rate, limit, share, slice int64) int64 {
	step := share - limit
	if cost, err := holdCost(r, share); err == nil && cost == 0 {
		return share // there is nothing to be shared
	}
	const half = 2
	if last := half * Lead(slice); step > last {
		step = max(last, step/half)
	}
	return min(BilledSeconds(r, limit+min(step, slice)), share)
}

// sharing is an open call as it takes its share of the money. How much of it has passed is told by the same clock of all calls.
func sharing(call models.Call, most int64, now time.Time) sharer {
	c := sharer{id: call.ID, rate: call.Rate, limit: call.Limit, most: most}
	if call.AnsweredMS != 0 {
		c.elapsed = min(time.Duration(now.UnixMilli()-call.AnsweredMS)*time.Millisecond, seconds(call.Limit))
	}
	return c
}

// sharers are the other calls of a user that are held in slices, with the same money. One whose time has passed is none, though it may wait
// for its settlement.
func (p Policy) sharers(s *State, user models.User, call models.Call, now time.Time) []sharer {
	var others []sharer
	for other := range s.kept(call.UserID) {
		if other.CallID == call.CallID || other.Rate.Currency != call.Rate.Currency || other.Cut != "" {
			continue
		}
		ends := other.Due
		if other.AnsweredMS != 0 {
			ends = time.UnixMilli(other.AnsweredMS).Add(seconds(other.Limit))
		}
		if !now.After(ends.Add(tellSlack)) {
			others = append(others, sharing(other, p.longest(user), now))
		}
	}
	return others
}

// kept are the open calls of a user that are held in slices, as they are now, in any order.
func (s *State) kept(userID int64) iter.Seq[models.Call] {
	return func(yield func(models.Call) bool) {
		for _, c := range s.Sharing[userID] {
			if _, loaded := s.Calls[c.CallID]; !loaded && !yield(c) {
				return
			}
		}
		for _, c := range s.Calls {
			if c.UserID == userID && c.State == models.CallOpen && c.Keeper != 0 && !yield(c) {
				return
			}
		}
	}
}

// slice is for how many of the seconds that a new call may last it is held at first. Nobody extends it without a keeper, and it gets them all.
func (p Policy) slice(s *State, call models.Call, user models.User, wallet purse, talked money.Amount, most int64, now time.Time) (int64, error) {
	if call.Keeper == 0 {
		return most, nil
	}
	calls := append([]sharer{{rate: call.Rate, most: most}}, p.sharers(s, user, call, now)...)
	last, err := first(max(p.free(user, wallet, now)-talked, 0), calls, 0, call.Slice)
	if err != nil {
		return 0, err
	}
	// Whoever can pay for the first increment may call: the others share what is left.
	return nextLimit(call.Rate, 0, min(max(last, BilledSeconds(call.Rate, 1)), most), call.Slice), nil
}
