package billing_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"talktime/billing"
	"talktime/models"
)

// Unix milliseconds of a moment in the evidence tables.
const t0 = 1_795_212_854_000

// verdict is what a row of the table expects. The zero value is: nobody knows.
type verdict struct {
	Known, Answered bool
	Seconds         int64
	Legs            []int64 // where there is more than one
}

func talked(seconds int64, legs ...int64) verdict { return verdict{true, true, seconds, legs} }

var (
	unknown    = verdict{}
	notTalked  = verdict{Known: true}
	howLong    = verdict{Answered: true} // somebody answered, but how long they talked nobody says
	authorized = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
)

// oneLeg is a call that was dialled once; twoLegs went on to another number, five seconds later.
var (
	oneLeg  = models.Call{Rate: models.SecondRate(), Authorized: authorized}
	twoLegs = models.Call{
		Rate: models.SecondRate(), Authorized: authorized.Add(5 * time.Second),
		Legs: []models.Leg{{Number: "1", Rate: models.SecondRate(), Authorized: authorized}},
	}
	threeLegs = models.Call{
		Rate: models.SecondRate(), Authorized: authorized.Add(9 * time.Second),
		Legs: []models.Leg{
			{Number: "1", Rate: models.SecondRate(), Authorized: authorized},
			{Number: "2", Rate: models.SecondRate(), Authorized: authorized.Add(5 * time.Second)},
		},
	}
)

func but(e models.Evidence, edit func(*models.Evidence)) models.Evidence { edit(&e); return e }

func onLeg(leg int, e models.Evidence) models.Evidence { e.Leg = leg; return e }

// marked adds what the routine on the callee's channel notes: when the caller's channel and the callee answered, and
// when the talk ended, in milliseconds after t0.
func marked(e models.Evidence, channelUp, calleeUp, ended int64) models.Evidence {
	e.CalleeUpMS, e.EndedMS = n(t0+calleeUp), n(t0+ended)
	if e.Source == billing.SourceCaller {
		e.ChannelUp = n(t0 + channelUp)
	}
	return e
}

// redirected is what the caller's leg sees when its channel is taken away in mid talk.
func redirected(leg int, billsec int64) models.Evidence {
	return models.Evidence{Source: billing.SourceCaller, Leg: leg, DialStatus: "ANSWER", BillSec: n(billsec), Cause: 16}
}

// again is the note that an open call was authorised once more, for the same number.
func again(leg int) models.Evidence { return models.Evidence{Source: billing.SourceRepeat, Leg: leg} }

func cdr(status string, billsec *int64) models.Evidence {
	return models.Evidence{Source: billing.SourceCDR, DialStatus: status, BillSec: billsec, Over: true}
}

// answeredCases are ordinary calls that somebody answered, as Asterisk 22 and 16 showed them.
var answeredCases = map[string]evidenceCase{
	"the caller's leg, either side hangs up":                {oneLeg, list(answered("caller", 3006)), talked(3)},
	"3.9 s are 3":                                           {oneLeg, list(answered("caller", 3909)), talked(3)},
	"half a second is an answered call of none":             {oneLeg, list(answered("caller", 501)), talked(0)},
	"a limit of 5 s, cut by L()":                            {oneLeg, list(answered("caller", 5000)), talked(5)},
	"a caller's timer cut it 16 ms late":                    {oneLeg, list(answered("caller", 10_016)), talked(10)},
	"cut at once: ANSWEREDTIME is 0, not empty":             {oneLeg, list(answered("caller", 0)), talked(0)},
	"only whole seconds":                                    {oneLeg, list(models.Evidence{Source: "reducer", DialStatus: "ANSWER", Answered: n(3), Over: true}), talked(3)},
	"caller and reducer say the same":                       {oneLeg, list(answered("caller", 3006), answered("reducer", 3006)), talked(3)},
	"the reducer, default settings: CDR(billsec) is 0":      {oneLeg, list(but(answered("reducer", 3006), func(e *models.Evidence) { e.BillSec = n(0) })), talked(3)},
	"the reducer, endbeforehexten=yes: CDR(billsec) agrees": {oneLeg, list(but(answered("reducer", 3006), func(e *models.Evidence) { e.BillSec = n(3) })), talked(3)},
	"the reducer, 2 s into h: CDR(billsec) is the age of h": {oneLeg, list(but(answered("reducer", 7006), func(e *models.Evidence) { e.BillSec = n(2) })), talked(7)},
	"parallel dial, one busy, one answers":                  {oneLeg, list(but(answered("reducer", 3008), func(e *models.Evidence) { e.BillSec = n(0) })), talked(3)},
	"busy, then the dialplan's second trunk answers":        {oneLeg, list(but(answered("reducer", 3006), func(e *models.Evidence) { e.BillSec = n(0) })), talked(3)},
	"answered, but the caller's leg is all that knows":      {oneLeg, list(answered("caller", 3006), models.Evidence{Source: "reducer", Over: true}), talked(3)},
	"DIALSTATUS was lost, ANSWEREDTIME was not":             {oneLeg, list(models.Evidence{Source: "reducer", AnsweredMS: n(3006), Over: true}), talked(3)},
}

// unansweredCases: DIALSTATUS and HANGUPCAUSE of every way in which a call comes to nothing.
var unansweredCases = map[string]evidenceCase{
	"486 busy":                          {oneLeg, list(unanswered("caller", "BUSY", 17)), notTalked},
	"503":                               {oneLeg, list(unanswered("caller", "CONGESTION", 34)), notTalked},
	"404":                               {oneLeg, list(unanswered("caller", "CHANUNAVAIL", 1)), notTalked},
	"603":                               {oneLeg, list(unanswered("caller", "CHANUNAVAIL", 21)), notTalked},
	"unknown endpoint, no CDR row":      {oneLeg, list(unanswered("caller", "CHANUNAVAIL", 3)), notTalked},
	"nobody answers in time":            {oneLeg, list(unanswered("caller", "NOANSWER", 0)), notTalked},
	"nobody answers, seen from h":       {oneLeg, list(unanswered("reducer", "NOANSWER", 16)), notTalked},
	"the caller gives up":               {oneLeg, list(unanswered("caller", "CANCEL", 127)), notTalked},
	"the absolute timer ends the rings": {oneLeg, list(unanswered("caller", "CANCEL", 0)), notTalked},
	"busy, and a CDR row says so too":   {oneLeg, list(unanswered("reducer", "BUSY", 17), cdr("BUSY", nil)), notTalked},
	"CDR rows, nobody answered":         {oneLeg, list(cdr("NOANSWER", nil)), notTalked},
	"CDR rows of two numbers, nobody answered either": {
		twoLegs, list(onLeg(1, cdr("NOANSWER", nil))), notTalked,
	},
	"busy on both numbers": {twoLegs, list(unanswered("caller", "BUSY", 17), onLeg(1, unanswered("caller", "BUSY", 17))), notTalked},
}

// unknownCases: what nobody knows is never 0.
var unknownCases = map[string]evidenceCase{
	"no witness at all":                                 {oneLeg, nil, unknown},
	"a reducer that saw nothing":                        {oneLeg, list(models.Evidence{Source: "reducer", Over: true, BillSec: n(0)}), unknown},
	"Dial refused its options: DIALSTATUS is empty":     {oneLeg, list(models.Evidence{Source: "caller", BillSec: n(0)}), unknown},
	"a DIALSTATUS nobody has heard of":                  {oneLeg, list(models.Evidence{Source: "reducer", DialStatus: "MAYBE", Over: true}), unknown},
	"answered, no time":                                 {oneLeg, list(models.Evidence{Source: "reducer", DialStatus: "ANSWER", Over: true}), howLong},
	"answered, CDR(billsec) of h is 0":                  {oneLeg, list(models.Evidence{Source: "reducer", DialStatus: "ANSWER", BillSec: n(0), Over: true}), howLong},
	"only the billsec of h: nothing says answered":      {oneLeg, list(models.Evidence{Source: "reducer", BillSec: n(2), Over: true}), unknown},
	"a queue call that was abandoned":                   {oneLeg, list(models.Evidence{Source: "reducer", AnsweredMS: n(0), Answered: n(0), Over: true}), unknown},
	"busy on the second number, nothing on the first":   {twoLegs, list(onLeg(1, unanswered("reducer", "BUSY", 17))), unknown},
	"redirected, and still talking":                     {oneLeg, list(redirected(0, 1)), howLong},
	"redirected, with the callee's answer, still talks": {oneLeg, list(marked(redirected(0, 1), 10, 10, 1160)), howLong},
	"answered on the first number, no word of the second": {
		twoLegs, list(redirected(0, 1)), howLong,
	},
	"talk of a month is no evidence": {oneLeg, list(answered("reducer", 32*24*3600*1000)), howLong},
}

// cdrCases: rows of a CDR database are the last witness.
var cdrCases = map[string]evidenceCase{
	"rows only":                                     {oneLeg, list(cdr("ANSWER", n(3))), talked(3)},
	"rows of a call of half a second":               {oneLeg, list(cdr("ANSWER", n(0))), talked(0)},
	"the row says 2 where ANSWEREDTIME_MS was 3001": {oneLeg, list(answered("caller", 3001), cdr("ANSWER", n(2))), talked(3)},
	"rows of both numbers, already summed": {
		twoLegs, list(redirected(0, 1), onLeg(1, cdr("ANSWER", n(4)))), talked(4, 1, 3),
	},
	"only CDR(billsec), read by the caller's leg of a channel that is gone": {
		oneLeg, list(but(redirected(0, 3), func(e *models.Evidence) { e.Over = true })), talked(3),
	},
	"only CDR(billsec), in h with endbeforehexten=yes": {
		oneLeg, list(models.Evidence{Source: "reducer", DialStatus: "ANSWER", BillSec: n(3), Over: true}), talked(3),
	},
}

// redirectCases: the caller's channel is taken away in mid talk and dials again. ANSWEREDTIME covers the whole.
var redirectCases = map[string]evidenceCase{
	"second number answers": {
		twoLegs, list(redirected(0, 1), onLeg(1, answered("caller", 5006))), talked(5, 1, 4),
	},
	"second number answers, only the reducer tells": {
		twoLegs, list(redirected(0, 1), onLeg(1, answered("reducer", 5006))), talked(5, 1, 4),
	},
	"each leg knows its callee's answer: the 10 s of ringing between are free": {
		twoLegs, list(marked(redirected(0, 1), 10, 10, 1160), onLeg(1, marked(answered("caller", 15_006), 10, 11_160, 15_016))),
		talked(5, 1, 4),
	},
	"second number is busy": {
		twoLegs, list(redirected(0, 1), onLeg(1, unanswered("caller", "BUSY", 17))), talked(1, 1, 0),
	},
	"second number is busy, the reducer tells": {
		twoLegs, list(redirected(0, 1), onLeg(1, unanswered("reducer", "BUSY", 17))), talked(1, 1, 0),
	},
	"second number is busy, the first leg's time is not known": {
		twoLegs, list(but(redirected(0, 0), func(e *models.Evidence) { e.BillSec = nil }), onLeg(1, unanswered("reducer", "BUSY", 17))), howLong,
	},
	"the second and the third number are busy": {
		threeLegs, list(redirected(0, 1), onLeg(1, unanswered("caller", "BUSY", 17)), onLeg(2, unanswered("caller", "BUSY", 17))),
		talked(1, 1, 0, 0),
	},
	"the first number was busy, the second answers": {
		twoLegs, list(unanswered("caller", "BUSY", 17), onLeg(1, answered("caller", 4006))), talked(4, 0, 4),
	},
	"hung up before the second number was dialled: h repeats what it knew of the first": {
		twoLegs, list(marked(redirected(0, 1), 10, 10, 1160), onLeg(1, marked(models.Evidence{
			Source: "reducer", DialStatus: "ANSWER", BillSec: n(0), Over: true,
		}, 0, 10, 11_200))),
		talked(1, 1, 0),
	},
	"to somewhere that is not ours": {
		oneLeg, list(redirected(0, 1), models.Evidence{Source: "reducer", DialStatus: "ANSWER", BillSec: n(0), Over: true}), talked(1),
	},
	"to the same number, which answers": {
		oneLeg, list(redirected(0, 1), answered("caller", 5006)), talked(5),
	},
	"to the same number, each dial knows its callee's answer": {
		oneLeg, list(marked(redirected(0, 1), 10, 10, 1160), marked(answered("caller", 5006), 10, 1200, 5016)), talked(5),
	},
	"to the same number, and the reducer knows only the second answer": {
		oneLeg, list(marked(redirected(0, 1), 10, 10, 1160), marked(answered("reducer", 5006), 0, 1200, 5016)), talked(5),
	},
	"to the same number, after a prompt of 2 s": {
		oneLeg, list(marked(redirected(0, 3), 0, 2000, 3160), marked(answered("caller", 7006), 0, 3200, 7010)), talked(5),
	},
	"to the same number, which is busy: the channel may dial on": {
		oneLeg, list(redirected(0, 1), unanswered("caller", "BUSY", 17)), howLong,
	},
	"to the same number, which was busy": {
		oneLeg, list(redirected(0, 1), unanswered("caller", "BUSY", 17), unanswered("reducer", "BUSY", 17)), talked(1),
	},
	"to the same number, known from the second authorisation alone: the callee's answer is the second one": {
		oneLeg, list(again(0), marked(answered("reducer", 5006), 0, 1200, 5016)), talked(5),
	},
	"to the same number, which is busy; of the first dial nobody told": {
		oneLeg, list(again(0), unanswered("reducer", "BUSY", 17)), unknown,
	},
	"to the same number, which is busy; the first dial was told of, the second by the reducer": {
		oneLeg, list(redirected(0, 1), again(0), unanswered("reducer", "BUSY", 17)), talked(1),
	},
	"to the same number, the second talk is told by nobody": {
		oneLeg, list(redirected(0, 1), again(0), models.Evidence{Source: "operator", Over: true}), howLong,
	},
	"to the same number, which is busy, the first talk's time is not known": {
		oneLeg, list(but(redirected(0, 0), func(e *models.Evidence) { e.BillSec = nil }), unanswered("reducer", "BUSY", 17)), howLong,
	},
	"twice to the same number, then elsewhere": {
		oneLeg, list(redirected(0, 1), redirected(0, 2), models.Evidence{Source: "reducer", DialStatus: "ANSWER", BillSec: n(0), Over: true}), talked(3),
	},
}

// trapCases: the channel was answered before the callee was. Answer(), 2 s prompt, 2 s ringing, 3 s talk.
var trapCases = map[string]evidenceCase{
	"nobody noted the callee's answer: all of it counts": {oneLeg, list(answered("caller", 7006)), talked(7)},
	"the caller's leg knows both answers": {
		oneLeg, list(but(marked(answered("caller", 7006), 0, 4000, 7050), func(e *models.Evidence) { e.EndedMS = nil })), talked(3),
	},
	"the reducer knows the callee's answer and the end": {oneLeg, list(marked(answered("reducer", 7006), 0, 4000, 7010)), talked(3)},
	"the end was noted late, the channel's answer is known": {
		oneLeg, list(marked(answered("caller", 7006), 0, 4000, 9000)), talked(3),
	},
	"clocks that contradict each other never make it negative": {oneLeg, list(marked(answered("reducer", 7006), 0, 9000, 7010)), talked(0)},
}

// followOnCases: a channel whose first call of 3 s was settled dials again after 5 s, rings 1 s and talks 4 s.
var followOnCases = map[string]evidenceCase{
	"ANSWEREDTIME goes on counting": {upBefore(8006), list(answered("caller", 13_006)), talked(5)},
	"the callee's answer is known too": {
		upBefore(8006), list(marked(answered("caller", 13_006), 0, 9006, 13_010)), talked(4),
	},
	"the callee's answer was left behind by the first call": {
		upBefore(8006), list(marked(answered("caller", 13_006), 0, 10, 13_010)), talked(5),
	},
	"more was taken off than there was": {upBefore(20_000), list(answered("caller", 13_006)), talked(0)},
	"second call busy":                  {upBefore(8006), list(unanswered("caller", "BUSY", 17)), notTalked},
}

// contradictions: any witness of an answer is believed, and the first who measured.
var contradictions = map[string]evidenceCase{
	"busy says one, answered the other":            {oneLeg, list(unanswered("caller", "BUSY", 17), answered("reducer", 3006)), talked(3)},
	"two lengths: the first":                       {oneLeg, list(answered("caller", 3006), answered("reducer", 9000)), talked(3)},
	"the row says unanswered, the channel answers": {oneLeg, list(answered("reducer", 3006), cdr("NOANSWER", nil)), talked(3)},
	"busy, but ANSWEREDTIME is there":              {oneLeg, list(but(unanswered("reducer", "BUSY", 17), func(e *models.Evidence) { e.AnsweredMS = n(3006) })), talked(3)},
	"a negative time is none":                      {oneLeg, list(answered("caller", -5000)), talked(0)},
}

type evidenceCase struct {
	call     models.Call
	evidence []models.Evidence
	want     verdict
}

func list(e ...models.Evidence) []models.Evidence { return e }

func upBefore(ms int64) models.Call { c := oneLeg; c.UpBefore = ms; return c }

func TestJudge(t *testing.T) {
	t.Parallel()
	for group, cases := range map[string]map[string]evidenceCase{
		"answered": answeredCases, "unanswered": unansweredCases, "unknown": unknownCases, "CDR": cdrCases, "redirect": redirectCases,
		"answered before the dial": trapCases, "follow-on call": followOnCases, "contradiction": contradictions,
	} {
		for name, c := range cases {
			t.Run(group+": "+name, func(t *testing.T) {
				t.Parallel()
				v := billing.Judge(c.call, c.evidence)
				got := verdict{v.Known, v.Answered, v.Seconds, nil}
				if v.Known && len(c.call.Legs) > 0 && v.Answered {
					got.Legs = v.Legs
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
	}
}

func TestVerdictNamesStatusAndCause(t *testing.T) {
	t.Parallel()
	v := billing.Judge(oneLeg, list(unanswered("caller", "BUSY", 17), unanswered("reducer", "NOANSWER", 16)))
	if v.Status != "BUSY" || v.Cause != 17 || !v.Over {
		t.Errorf("got %+v, want the first witness's BUSY, 17, and that it is over", v)
	}
	v = billing.Judge(oneLeg, list(unanswered("caller", "BUSY", 17), answered("reducer", 3006)))
	if v.Status != "ANSWER" || v.Cause != 16 || v.TalkedMS != 3006 {
		t.Errorf("got %+v, want ANSWER, 16 and 3006 ms", v)
	}
	// The post-dial delay is that of the dial whose status counts.
	busy, talk := unanswered("caller", "BUSY", 17), answered("reducer", 3006)
	busy.PDD, talk.PDD = n(50), n(700)
	if v = billing.Judge(oneLeg, list(busy, talk)); v.PDD == nil || *v.PDD != 700 {
		t.Errorf("got %v, want the 700 ms of the dial that was answered", v.PDD)
	}
	if v = billing.Judge(oneLeg, list(busy)); v.PDD == nil || *v.PDD != 50 {
		t.Errorf("got %v, want 50 ms", v.PDD)
	}
}

func anyEvidence(t *rapid.T) models.Evidence {
	maybe := func(name string, low, high int64) *int64 {
		if rapid.Bool().Draw(t, name+" is known") {
			return n(rapid.Int64Range(low, high).Draw(t, name))
		}
		return nil
	}
	return models.Evidence{
		Source: rapid.SampledFrom([]string{"caller", "reducer", "cdr"}).Draw(t, "source"), Leg: rapid.IntRange(0, 2).Draw(t, "leg"),
		DialStatus: rapid.SampledFrom([]string{"", "ANSWER", "BUSY", "CANCEL", "XYZ"}).Draw(t, "status"),
		AnsweredMS: maybe("answered_ms", -10, 100_000), Answered: maybe("answered", -1, 100), BillSec: maybe("billsec", -1, 100),
		CalleeUpMS: maybe("callee_up", t0, t0+50_000), ChannelUp: maybe("channel_up", t0, t0+50_000), EndedMS: maybe("ended", t0, t0+100_000),
		Over: rapid.Bool().Draw(t, "over"),
	}
}

// TestVerdictAlwaysHolds: whatever the witnesses say, the seconds are not negative, the legs add up to them, and a
// verdict of "not answered" never stands beside a witness of an answer.
func TestVerdictAlwaysHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		call := rapid.SampledFrom([]models.Call{oneLeg, twoLegs, threeLegs, upBefore(5000)}).Draw(t, "call")
		evidence := rapid.SliceOfN(rapid.Custom(anyEvidence), 0, 5).Draw(t, "evidence")
		before := slices.Clone(evidence)
		v := billing.Judge(call, evidence)
		if diff := cmp.Diff(before, evidence); diff != "" {
			t.Fatalf("the evidence was changed: %s", diff)
		}
		said := slices.ContainsFunc(evidence, func(e models.Evidence) bool { return e.DialStatus == "ANSWER" })
		if said && !v.Answered || !v.Known && v.Seconds != 0 || v.Seconds < 0 || !v.Answered && v.Seconds != 0 {
			t.Fatalf("verdict %+v", v)
		}
		var sum int64
		for _, seconds := range v.Legs {
			if seconds < 0 {
				t.Fatalf("a leg of %d seconds: %+v", seconds, v)
			}
			sum += seconds
		}
		if sum != v.Seconds {
			t.Fatalf("legs %v of %d seconds", v.Legs, v.Seconds)
		}
	})
}
