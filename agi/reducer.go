package agi

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"strings"

	"talktime/billing"
	"talktime/dialplan"
	"talktime/models"
)

// reducer runs in the h extension and settles the call that has just ended.
func (s *Scripts) reducer(ctx context.Context, ch *Channel) error {
	q := ch.Request()
	id := callID(q)
	ch.Note(slog.String("call_id", short(id)))
	if q.UniqueID == "" {
		return errNoUniqueID
	}
	evidence, err := readEvidence(ch, billing.SourceReducer)
	if err != nil {
		return err
	}
	ch.Note(slog.String("dialstatus", evidence.DialStatus), slog.Int("cause", evidence.Cause))
	if evidence.DialStatus == "" && evidence.Answered == nil && evidence.AnsweredMS == nil && evidence.BillSec == nil {
		ch.Note(slog.Bool("no_dial", true)) // a refused call; an open hold, if any, is looked at all the same
	}
	return s.settle(ctx, ch, billing.CallResult{
		CallID: id, Identity: identity(q), Number: number(q), Evidence: evidence.Evidence, Emergency: evidence.emergency,
	})
}

// seen is evidence, and whether the call was to an emergency number.
type seen struct {
	models.Evidence
	emergency bool
}

// evidenceVariables are read with one command. CDR(answer,u) and the time of day are read in the same moment.
var evidenceVariables = [...]string{
	"DIALSTATUS", "ANSWEREDTIME", "ANSWEREDTIME_MS", "CDR(billsec)", "CDR(answer,u)", dialplan.VarAnswered, dialplan.VarEnded,
	"STRFTIME(,,%s.%3q)", "HANGUPCAUSE", dialplan.VarEmergency, "RINGTIME_MS", "PROGRESSTIME_MS",
}

// readEvidence reads what the channel knows of the talk. What is unset or makes no sense stays unknown.
func readEvidence(ch *Channel, source string) (seen, error) {
	values, err := readVariables(ch, evidenceVariables[:]...)
	if err != nil {
		return seen{}, err
	}
	e := models.Evidence{Source: source, Over: source == billing.SourceReducer, SeenAt: ch.server.now().UTC()}
	if dialStatusForm.MatchString(values[0]) {
		e.DialStatus = values[0]
	}
	e.Answered, e.AnsweredMS, e.BillSec = whole(values[1]), whole(values[2]), whole(values[3])
	e.CalleeUpMS = epochMS(values[5])
	if e.EndedMS = epochMS(values[6]); e.EndedMS == nil || source == billing.SourceCaller {
		e.EndedMS = epochMS(values[7])
	}
	if source == billing.SourceCaller {
		e.ChannelUp = epochMS(values[4]) // in the h extension it is the start of h
	}
	dropNonsense(&e)
	if source == billing.SourceCaller && e.AnsweredMS != nil {
		e.BillSec = nil // nothing that the better measure does not say
	}
	if cause := whole(values[8]); cause != nil && *cause < 1000 {
		e.Cause = int(*cause)
	}
	for _, sign := range values[10:] { // whichever came first
		if ms := whole(sign); ms != nil && *ms <= longestPDD && (e.PDD == nil || *ms < *e.PDD) {
			e.PDD = ms
		}
	}
	return seen{e, values[9] == "1"}, nil
}

// longestPDD is a day in milliseconds: nobody waits longer for a telephone to ring.
const longestPDD = 24 * 60 * 60 * 1000

// dropNonsense forgets moments that contradict each other, as after a clock was set: they would make a talk look
// shorter than it was.
func dropNonsense(e *models.Evidence) {
	if e.CalleeUpMS != nil && e.EndedMS != nil && *e.EndedMS < *e.CalleeUpMS {
		e.CalleeUpMS = nil
	}
	if e.CalleeUpMS == nil {
		e.ChannelUp, e.EndedMS = nil, nil // they say nothing without the other end
		return
	}
	if e.ChannelUp != nil && e.AnsweredMS != nil && *e.CalleeUpMS-*e.ChannelUp > *e.AnsweredMS {
		e.ChannelUp = nil // the callee would have answered after the end
	}
}

const separator = "|"

var dialStatusForm = regexp.MustCompile(`^[A-Z]{1,16}$`)

// readVariables reads variables and functions of the channel with one command; unset ones are empty.
func readVariables(ch *Channel, names ...string) ([]string, error) {
	expression := "${" + strings.Join(names, "}"+separator+"${") + "}"
	text, _, err := ch.GetFull(expression)
	if err != nil && ch.broken != nil {
		return nil, err
	}
	values := strings.Split(text, separator)
	if err == nil && len(values) == len(names) && !strings.Contains(text, "${") {
		return values, nil
	}
	// Not every AGI peer expands expressions: ask one by one.
	values = make([]string, len(names))
	for i, name := range names {
		value, _, err := ch.Get(name)
		if err != nil && ch.broken != nil {
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}

// maxSeconds is longer than any call and keeps sums of milliseconds in range.
const maxSeconds = 1 << 40

// whole reads a whole number that is not negative; nil is unknown.
func whole(text string) *int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > maxSeconds {
		return nil
	}
	return &n
}

// epochMS reads seconds since 1970 with a fraction as milliseconds; nil is unknown.
func epochMS(text string) *int64 {
	seconds, fraction, _ := strings.Cut(strings.TrimSpace(text), ".")
	s := whole(seconds)
	if s == nil || *s == 0 {
		return nil
	}
	ms := whole((fraction + "000")[:3])
	if ms == nil {
		return nil
	}
	total := *s*1000 + *ms
	return &total
}
