package agi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"talktime/billing"
	"talktime/dialplan"
)

// attempt moves a call that authorize permitted to another of its carriers, whose number is the argument, when the dialplan
// has dialled one before in vain. A carrier who has no room is told apart from what ends the call: LIMIT. As long as the next
// dial is not made the channel shows the one before, which nobody answered; the hold is left to the reducer, whatever happens.
func (s *Scripts) attempt(ctx context.Context, ch *Channel) error {
	err := tidy(ch, [][2]string{{dialplan.VarStatus, ""}, {dialplan.VarTarget, ""}, {dialplan.VarDialArgs, ""}})
	if err != nil {
		return ignoreHangup(err)
	}
	auth, number, err := permitted(ch)
	ch.Note(slog.String("call_id", short(auth.CallID)), slog.Int("attempt", number))
	if err != nil {
		return s.refuseAttempt(ch, err)
	}
	to, err := s.Billing.Advance(ctx, identity(ch.Request()), auth.CallID, auth.At+number-1, auth.Ring)
	if err != nil {
		return s.refuseAttempt(ch, err)
	}
	ch.Note(slog.String("carrier", to.Name))
	args := dialArgs(to.Target, auth.Ring, fmt.Sprintf(limitOption, auth.Seconds*1000))
	if err := setAll(ch, [][2]string{
		{dialplan.VarDialArgs, args}, {dialplan.VarTarget, to.Target}, {"TIMEOUT(absolute)", absolute(auth)}, {dialplan.VarReason, ""},
	}); err != nil {
		return s.refuseAttempt(ch, err)
	}
	ch.SetStatus(StatusOK)
	return ignoreHangup(ch.Set(dialplan.VarStatus, StatusOK)) // last, since it is what permits the dial
}

// refuseAttempt tells the dialplan why a carrier is not to be dialled, unless it has gone. The caller is told nothing: there
// may be a next carrier.
func (s *Scripts) refuseAttempt(ch *Channel, err error) error {
	if err = ignoreHangup(err); err == nil {
		return nil
	}
	o := outcomeOf(err)
	ch.SetStatus(o.Status)
	ch.Note(slog.String("reason", o.Reason))
	set := setAll(ch, [][2]string{{dialplan.VarStatus, o.Status}, {dialplan.VarReason, o.Reason}})
	if !o.Internal {
		err = nil
	}
	return errors.Join(err, ignoreHangup(set))
}

// permitted reads what authorize permitted, and which of its carriers the dialplan asks for, from 1. It is an error when
// that was no call with several, or when the last dial may have been answered: the permission is used up then.
func permitted(ch *Channel) (auth billing.Authorization, number int, err error) {
	q := ch.Request()
	auth.CallID = callID(q)
	if q.UniqueID == "" {
		return auth, 0, errNoUniqueID
	}
	values, err := readVariables(ch, dialplan.VarAttempts, dialplan.VarAt, dialplan.VarRing, dialplan.VarSeconds)
	if err != nil {
		return auth, 0, err
	}
	attempts, at, ring, seconds := whole(values[0]), whole(values[1]), whole(values[2]), whole(values[3])
	if len(q.Args) > 0 {
		number, _ = strconv.Atoi(q.Args[0])
	}
	switch {
	case attempts == nil || at == nil || ring == nil || seconds == nil || *seconds < 1:
		return auth, number, invalid("authorize has permitted no call on this channel, or one to an emergency number")
	case number < 1 || int64(number) > *attempts:
		return auth, number, invalid("the argument must be the number of a carrier, 1 to " + dialplan.VarAttempts)
	}
	auth.At, auth.Ring, auth.Seconds = int(*at), *ring, *seconds
	last, err := readEvidence(ch, billing.SourceCaller)
	if err == nil && (last.DialStatus == "" || last.DialStatus == "ANSWER" || last.Answered != nil || last.AnsweredMS != nil || last.CalleeUpMS != nil) {
		err = invalid("the channel does not show that nobody answered its last dial")
	}
	return auth, number, err
}
