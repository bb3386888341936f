package billing

import (
	"slices"
	"time"

	"talktime/models"
)

// Asterisk's words for the end of a dial.
const dialAnswered = "ANSWER"

// unanswered are the DIALSTATUS values that prove that nobody answered.
var unanswered = map[string]bool{
	"BUSY": true, "NOANSWER": true, "CANCEL": true, "CHANUNAVAIL": true, "CONGESTION": true,
	"DONTCALL": true, "TORTURE": true, "INVALIDARGS": true,
}

// longestTalkMS is longer than any call that we permit.
const longestTalkMS = 31 * 24 * 3600 * 1000

// Verdict is what the evidence of a call amounts to.
type Verdict struct {
	Known    bool  // false: nobody can say yet
	Answered bool  // true as soon as one witness says so, even while the seconds are unknown
	Seconds  int64 // billable, over all legs
	Legs     []int64
	TalkedMS int64 // how long the channel had been up at the end of the talk; 0 = unknown
	Status   string
	Cause    int
	PDD      *int64 // milliseconds; of the dial that was answered, where one was
	Over     bool   // the channel has ended

	measured measure // behind Seconds
}

// measure is a length of talk, and what it was read from.
type measure struct {
	ms     int64
	what   string // as Asterisk calls it
	by     string // the witness; empty: all of them
	before int64  // milliseconds that the channel was up before, which are taken off already; negative: at most so many
}

// What a talk is measured by.
const (
	byAnsweredMS = "ANSWEREDTIME_MS"
	byAnswered   = "ANSWEREDTIME"
	byRows       = "billsec"
	byBillSec    = "CDR(billsec)"
	byClock      = "from the callee's answer to the end, on Asterisk's clock"
)

// Judge finds the billable seconds of a call from everything its witnesses saw. Where two of them measured the
// same thing the earlier one in the list is believed. Rules, from what Asterisk was observed to do:
//
//   - A call was answered when any witness says so; one that knows nothing is not a witness that nothing happened.
//   - ANSWEREDTIME_MS, else ANSWEREDTIME, measures from the answer of the caller's own channel to the end of its
//     last dial, over redirects. Empty beside DIALSTATUS=ANSWER it means that the caller was redirected and may
//     still talk: what that leg saw is a part, and counts only once the channel has ended.
//   - If the channel was answered before the dial (a prompt, an earlier call), the callee's own answer, which
//     the TALKTIME_ANSWERED routine notes, or what the channel had been up before, is taken off.
//   - CDR(billsec) is right where the caller's leg read it straight after the dial, and then of that leg alone;
//     in the h extension it is mostly 0 or the age of h itself, so there it is the last resort, and never as 0.
//   - A redirected channel may dial the same number again: the callee's answer that is noted then is the second one,
//     and measures only a part. A dial of which no witness told leaves the call unknown.
//   - Seconds are whole and truncated: 3.9 s are 3. Talk of more than a month is taken for a mistake.
func Judge(call models.Call, evidence []models.Evidence) Verdict {
	evidence = withoutEchoes(evidence)
	v := Verdict{Legs: make([]int64, len(call.Legs)+1)}
	for _, e := range evidence {
		v.Over = v.Over || e.Over
		v.Answered = v.Answered || saysAnswered(e)
		if e.DialStatus != "" && (v.Status == "" || e.DialStatus == dialAnswered) {
			v.Status, v.Cause = e.DialStatus, q850(e.Cause)
			if e.PDD != nil {
				v.PDD = e.PDD
			}
		}
	}
	if !v.Answered {
		v.Known = everyLegUnanswered(len(v.Legs), evidence)
		return v
	}
	talk, ok := talkMS(call, evidence, &v)
	if !ok || talk.ms > longestTalkMS {
		return v
	}
	v.Known, v.Seconds, v.measured = true, max(talk.ms, 0)/1000, talk
	splitLegs(call, evidence, &v)
	return v
}

// withoutEchoes corrects witnesses of a later leg who repeat the callee's answer of an earlier one: DIALSTATUS and
// TALKTIME_ANSWERED stay on the channel until the next dial changes them, so nobody answered theirs.
func withoutEchoes(evidence []models.Evidence) []models.Evidence {
	firstLeg := make(map[int64]int)
	echo := func(e models.Evidence) bool {
		if e.CalleeUpMS == nil {
			return false
		}
		leg, seen := firstLeg[*e.CalleeUpMS]
		return seen && leg < e.Leg && e.AnsweredMS == nil && e.Answered == nil
	}
	for _, e := range evidence {
		if e.CalleeUpMS == nil {
			continue
		}
		if leg, seen := firstLeg[*e.CalleeUpMS]; !seen || e.Leg < leg {
			firstLeg[*e.CalleeUpMS] = e.Leg
		}
	}
	if !slices.ContainsFunc(evidence, echo) {
		return evidence
	}
	evidence = slices.Clone(evidence)
	for i := range evidence {
		if e := &evidence[i]; echo(*e) {
			e.DialStatus, e.BillSec, e.CalleeUpMS, e.EndedMS = "NOANSWER", nil, nil, nil
		}
	}
	return evidence
}

// q850 is a hangup cause as the standard numbers them; 0, unknown, for what is none.
func q850(cause int) int {
	if cause < 0 || cause > 127 {
		return 0
	}
	return cause
}

func saysAnswered(e models.Evidence) bool {
	return e.DialStatus == dialAnswered || positive(e.AnsweredMS) || positive(e.Answered)
}

func positive(n *int64) bool { return n != nil && *n > 0 }

// everyLegUnanswered reports whether some witness proves of each leg that nobody answered it. CDR rows tell of all.
func everyLegUnanswered(legs int, evidence []models.Evidence) bool {
	proven := make(map[int]bool)
	for _, e := range evidence {
		if unanswered[e.DialStatus] {
			if e.Source == SourceCDR {
				return true
			}
			proven[e.Leg] = !untold(e.Leg, evidence)
		}
	}
	for leg := range legs {
		if !proven[leg] {
			return false
		}
	}
	return true
}

// dials counts the dials of a leg, and those that the caller's leg told of. The reducer tells of the last one, which is
// one more unless the caller's leg has told of that too.
func dials(leg int, evidence []models.Evidence) (all, told int, byReducer bool) {
	all = 1
	var last models.Evidence // the last dial's permission, where that was noted
	for _, e := range evidence {
		if e.Leg == leg && e.Source == SourceRepeat && e.SeenAt.After(last.SeenAt) {
			last = e
		}
	}
	lastTold := false
	answers := make(map[int64]bool)
	for _, e := range evidence {
		if e.Leg != leg {
			continue
		}
		if e.CalleeUpMS != nil {
			answers[*e.CalleeUpMS] = true
		}
		switch e.Source {
		case SourceRepeat:
			all++
		case SourceCaller:
			told++
			switch {
			case last.SeenAt.IsZero():
			case last.Dial != 0 && e.Dial != 0:
				lastTold = lastTold || e.Dial >= last.Dial
			default:
				lastTold = lastTold || !e.SeenAt.Before(last.SeenAt)
			}
		case SourceReducer:
			byReducer = true
		}
	}
	return max(all, told, len(answers)), told, byReducer && !lastTold
}

// untold reports whether a leg was dialled more often than witnesses tell of.
func untold(leg int, evidence []models.Evidence) bool {
	all, told, byReducer := dials(leg, evidence)
	return all > 1 && told < all && (!byReducer || told < all-1)
}

// talkMS is the length of the talk in milliseconds, by the best measure there is.
func talkMS(call models.Call, evidence []models.Evidence, v *Verdict) (measure, bool) {
	exact, haveExact := sinceCalleeAnswered(call, evidence)
	if up, ok := channelUp(evidence); ok {
		v.TalkedMS = up.ms
		switch {
		case call.UpBefore >= 0:
			up.before = call.UpBefore + beforeCallee(call, evidence)
			up.ms -= up.before
		case !haveExact: // by how much, at most: of the two the exact measure is the better
			up.before = call.UpBefore
			up.ms += up.before
		}
		if haveExact && exact.ms < up.ms {
			return exact, true
		}
		return up, true
	}
	if rows, ok := rowSeconds(evidence); ok {
		return measure{ms: rows * 1000, what: byRows, by: SourceCDR}, true
	}
	if !v.Over && !lastLegUnanswered(call, evidence) {
		return measure{}, false
	}
	if sum, ok := sumOfLegs(len(v.Legs), evidence); ok {
		return measure{ms: sum * 1000, what: byBillSec}, true
	}
	return exact, haveExact
}

// channelUp is how long the channel had been up at the end of its last dial.
func channelUp(evidence []models.Evidence) (measure, bool) {
	for _, e := range evidence {
		if e.AnsweredMS != nil {
			return measure{ms: *e.AnsweredMS, what: byAnsweredMS, by: e.Source}, true
		}
		if e.Answered != nil {
			return measure{ms: *e.Answered * 1000, what: byAnswered, by: e.Source}, true
		}
	}
	return measure{}, false
}

// beforeCallee is how long the channel was up before the callee answered, where the leg that was dialled first
// knows both moments on Asterisk's clock.
func beforeCallee(call models.Call, evidence []models.Evidence) int64 {
	for _, e := range evidence {
		if e.Leg == 0 && e.Dial <= 1 && call.UpBefore == 0 && e.CalleeUpMS != nil && e.ChannelUp != nil {
			return max(*e.CalleeUpMS-*e.ChannelUp, 0)
		}
	}
	return 0
}

// sinceCalleeAnswered adds up, for the legs that were answered, the time from the callee's answer to the end. It
// knows nothing unless every such leg knows both.
func sinceCalleeAnswered(call models.Call, evidence []models.Evidence) (measure, bool) {
	last := len(call.Legs)
	own := make(map[int]int64)
	answeredLegs := make(map[int]bool)
	for _, e := range evidence {
		if !saysAnswered(e) {
			continue
		}
		answeredLegs[e.Leg] = true
		if all, _, _ := dials(e.Leg, evidence); all > 1 {
			return measure{}, false // what is noted is the answer to one dial of several
		}
		partial := e.Leg == last && !e.Over && e.AnsweredMS == nil && e.Answered == nil
		if _, seen := own[e.Leg]; seen || partial || e.CalleeUpMS == nil || e.EndedMS == nil {
			continue
		}
		own[e.Leg] = max(*e.EndedMS-*e.CalleeUpMS, 0)
	}
	if len(own) == 0 || len(own) != len(answeredLegs) || len(answeredLegs) != last+1 {
		return measure{}, false
	}
	sum := measure{what: byClock}
	for _, ms := range own {
		sum.ms += ms
	}
	return sum, true
}

// rowSeconds is what the rows of a CDR database say, over all legs.
func rowSeconds(evidence []models.Evidence) (int64, bool) {
	for _, e := range evidence {
		if e.Source == SourceCDR && e.BillSec != nil {
			return *e.BillSec, true
		}
	}
	return 0, false
}

// lastLegUnanswered reports whether the leg that was dialled last is proven to have come to nothing, so that the
// talk ended with the legs before it.
func lastLegUnanswered(call models.Call, evidence []models.Evidence) bool {
	last := len(call.Legs)
	seconds, proven := legBillSec(last, evidence)
	return last > 0 && proven && seconds == 0 && !answeredLeg(last, evidence)
}

// sumOfLegs adds up CDR(billsec) as the caller's legs read it. Every leg must either have one or be proven
// unanswered.
func sumOfLegs(legs int, evidence []models.Evidence) (int64, bool) {
	var sum int64
	for leg := range legs {
		seconds, ok := legBillSec(leg, evidence)
		if !ok {
			return 0, false
		}
		sum += seconds
	}
	return sum, true
}

// legBillSec is what CDR(billsec) says of one leg, over all its dials; 0 for a leg that nobody answered.
func legBillSec(leg int, evidence []models.Evidence) (int64, bool) {
	var read, fromReducer int64
	timed, untimed, answered, nobody, answeredLast := false, false, false, false, false
	for _, e := range evidence {
		switch {
		case e.Leg != leg || e.Source == SourceCDR:
			continue
		case !saysAnswered(e):
			nobody = nobody || unanswered[e.DialStatus]
			continue
		case e.Source == SourceCaller && e.BillSec != nil:
			read, timed = read+max(*e.BillSec, 0), true
		case e.Source == SourceCaller:
			untimed = true
		case e.Source == SourceReducer:
			answeredLast = true
			if positive(e.BillSec) {
				fromReducer = *e.BillSec
			}
		}
		answered = true
	}
	all, told, byReducer := dials(leg, evidence)
	switch {
	case untold(leg, evidence) || untimed || all > 1 && told < all && byReducer && answeredLast:
		return 0, false
	case timed:
		return read, true
	case fromReducer > 0 && all == 1:
		return fromReducer, true
	}
	return 0, nobody && !answered
}

// splitLegs gives each earlier leg what is known of it, and the last leg the rest, so that the legs add up to
// the whole. A leg of which nothing is known is taken to have lasted until the next one was authorised.
func splitLegs(call models.Call, evidence []models.Evidence, v *Verdict) {
	rest := v.Seconds
	for i, leg := range call.Legs {
		seconds, ok := legBillSec(i, evidence)
		if !ok {
			next := call.Authorized
			if i+1 < len(call.Legs) {
				next = call.Legs[i+1].Authorized
			}
			seconds = int64(next.Sub(leg.Authorized) / time.Second)
		}
		seconds = min(max(seconds, 0), rest)
		v.Legs[i] = seconds
		rest -= seconds
	}
	last := len(v.Legs) - 1
	if lastLegUnanswered(call, evidence) {
		last-- // all of the talk was before it
	}
	v.Legs[last] += rest
}

func answeredLeg(leg int, evidence []models.Evidence) bool {
	for _, e := range evidence {
		if e.Leg == leg && saysAnswered(e) {
			return true
		}
	}
	return false
}
