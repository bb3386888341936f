package billing

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"talktime/models"
)

// brakes are the rules that stop abuse: whoever watches over the site is told when one has stopped somebody.
func brakes() []string {
	return []string{models.RuleHour, models.RuleDay, models.RuleNewCountries, models.RulePremium}
}

// record notes that a user was refused a call, and by which rule. Callers whom nobody knows are in the log alone: they could
// fill the database.
func (p Policy) record(s *State, req CallRequest, err error, now time.Time) {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return
	}
	user, unknown := req.Identity.caller(s, p.Identify)
	if unknown != nil {
		return
	}
	r := models.Refused{
		At: now, UserID: user.ID, CallID: req.CallID, CallerID: req.Identity.CallerID, Number: req.Number,
		Status: StatusOf(err), Rule: refusal.Rule, Reason: refusal.Reason,
	}
	s.Refused = append(s.Refused, r)
	if slices.Contains(brakes(), r.Rule) {
		s.Notices = append(s.Notices, models.Notice{
			At: now, Kind: models.NoticeBrake, UserID: user.ID, Once: fmt.Sprintf("brake:%d:%s:%d", user.ID, r.Rule, p.clock(now)/100),
			Data: logText(map[string]any{"rule": r.Rule, "reason": r.Reason, "number": r.Number}),
		})
	}
}
