package agi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"talktime/billing"
	"talktime/dialplan"
	"talktime/models"
)

// dialMargin is how much longer than ring time and the longest talk together a Dial may take before we stop listening to it.
const dialMargin = 2 * time.Minute

// caller authorises a call, dials it and settles it when the dial has ended with proof of what was talked.
func (s *Scripts) caller(ctx context.Context, ch *Channel) error {
	req, auth, ok := s.permit(ctx, ch)
	if !ok {
		return nil
	}
	return s.dial(ctx, ch, req, auth, "")
}

// dial dials a call that was permitted, at one carrier after the other while they cannot take it, and settles it.
// extraOptions are further options of Dial, such as "H". Whatever happens, the hold is settled, released, or left to the
// reducer. As long as the next dial was not sent the channel shows the one before, which nobody answered.
func (s *Scripts) dial(ctx context.Context, ch *Channel, req billing.CallRequest, auth billing.Authorization, extraOptions string) error {
	args, limit, err := s.prepareDial(ch, auth)
	if err != nil {
		return s.giveUp(ctx, ch, req, auth, err)
	}
	var evidence models.Evidence // of the last dial
	failed := 0
	for {
		result, sent, err := ch.Dial(auth.Target+args+extraOptions, limit)
		switch {
		case !sent && failed > 0:
			return errors.Join(ignoreHangup(err), s.settleDial(ctx, ch, req, auth, evidence, failed))
		case !sent, errors.Is(err, ErrNoApp):
			return s.giveUp(ctx, ch, req, auth, err)
		case errors.Is(err, ErrLetGo):
			return err // Asterisk goes on with the call; its reducer settles it
		case err != nil && !errors.Is(err, ErrHangup):
			return fmt.Errorf("the dial is left to the reducer: %w", err)
		case auth.Emergency:
			return nil
		}
		seen, err := readEvidence(ch, billing.SourceCaller)
		if err != nil {
			return fmt.Errorf("the call is left to the reducer: %w", err)
		}
		evidence = seen.Evidence
		if carrierFailed(evidence) {
			failed++
			if result == "0" && !ch.Hungup() && s.nextCarrier(ctx, ch, req, &auth) {
				continue
			}
		}
		return s.settleDial(ctx, ch, req, auth, evidence, failed)
	}
}

// settleDial hands in what the caller's leg saw of its last dial. failed is how many carriers could not take the call.
func (s *Scripts) settleDial(
	ctx context.Context, ch *Channel, req billing.CallRequest, auth billing.Authorization, evidence models.Evidence, failed int,
) error {
	evidence.Leg, evidence.Dial = auth.Leg, auth.Dial
	ch.Note(slog.String("dialstatus", evidence.DialStatus), slog.Int("cause", evidence.Cause))
	if len(auth.Attempts) > 0 {
		if !carrierFailed(evidence) {
			ch.Note(slog.String("carrier", auth.Attempts[0].Name))
		}
		ch.Note(slog.Int("carriers_failed", failed))
	}
	return s.settle(ctx, ch, billing.CallResult{CallID: auth.CallID, Exact: true, Identity: req.Identity, Evidence: evidence})
}

// carrierFailed reports whether a dial ended in a way that speaks of the carrier, and not of the callee: he cannot be
// reached, does not know the number, or has no line free. A callee who is busy or does not answer is so at any carrier.
func carrierFailed(e models.Evidence) bool {
	return (e.DialStatus == "CHANUNAVAIL" || e.DialStatus == "CONGESTION") && e.Answered == nil && e.AnsweredMS == nil && e.CalleeUpMS == nil
}

// nextCarrier moves a call to the next carrier who has room for it, and makes the channel ready for the dial. It reports
// false when there is none, or nobody knows: the dial before was the last then.
func (s *Scripts) nextCarrier(ctx context.Context, ch *Channel, req billing.CallRequest, auth *billing.Authorization) bool {
	for i := 1; i < len(auth.Attempts); i++ {
		attempt, err := s.Billing.Advance(ctx, req.Identity, auth.CallID, auth.At+i, auth.Ring)
		if errors.Is(err, billing.ErrLimit) {
			continue
		}
		if err != nil {
			s.Logger.Error("a call was not dialled at its next carrier", "call_id", auth.CallID, "carrier", auth.Attempts[i].Name, "err", err)
			return false
		}
		auth.Target, auth.At, auth.Attempts = attempt.Target, auth.At+i, auth.Attempts[i:]
		return ch.Set("TIMEOUT(absolute)", absolute(*auth)) == nil
	}
	return false
}

// absolute is when the channel must end, in seconds from the dial on; 0 is never. A redirect sheds L(); this stays.
func absolute(auth billing.Authorization) string {
	if auth.Emergency {
		return "0"
	}
	return strconv.FormatInt(auth.Ring+auth.Seconds+1, 10)
}

// prepareDial sets what must be set before a call's dials, and returns the arguments of Dial behind the target and how
// long to listen; 0 is for ever.
func (s *Scripts) prepareDial(ch *Channel, auth billing.Authorization) (args string, limit time.Duration, err error) {
	args = fmt.Sprintf(",%d,", auth.Ring)
	emergency := "1"
	if !auth.Emergency {
		emergency = "" // as an earlier call of the channel may have left it
		args += fmt.Sprintf(limitOption, auth.Seconds*1000)
		limit = time.Duration(auth.Ring+max(auth.Seconds, auth.Longest)+1)*time.Second + dialMargin
		args += forwardOption + s.routines.option(ch)
	}
	if err := tidy(ch, append(forgetDial(auth), [][2]string{{dialplan.VarReason, ""}, {dialplan.VarEmergency, emergency}}...)); err != nil {
		return "", 0, err
	}
	return args, limit, setAll(ch, [][2]string{
		{"TIMEOUT(absolute)", absolute(auth)}, {dialplan.VarCelcomStatus, StatusOK}, {dialplan.VarStatus, StatusOK},
	})
}

// forgetDial empties what an earlier dial left on the channel: should this one never take place, the reducer must
// not take the old result for its own. Dial sets all of them anew. Under a hold that goes on the old result still counts,
// unless it is in the books.
func forgetDial(auth billing.Authorization) [][2]string {
	if auth.Emergency || auth.Repeated && !auth.Told {
		return nil
	}
	return [][2]string{{"DIALSTATUS", ""}, {"ANSWEREDTIME", ""}, {"ANSWEREDTIME_MS", ""}, {dialplan.VarAnswered, ""}}
}

// setAll sets variables one by one, as every AGI peer understands it: these are what dialplans read.
func setAll(ch *Channel, values [][2]string) error {
	for _, v := range values {
		if err := ch.Set(v[0], v[1]); err != nil {
			return err
		}
	}
	return nil
}

// tidy sets several variables with one command, since each costs a journey to Asterisk and back. The values are our own words
// and numbers, dial targets and the names of carriers: none has a comma, a quote or a parenthesis, which would mean something
// to MSet.
func tidy(ch *Channel, values [][2]string) error {
	pairs := make([]string, len(values))
	for i, v := range values {
		pairs[i] = v[0] + "=" + v[1]
	}
	if _, err := ch.Exec("MSet", strings.Join(pairs, ",")); err == nil || ch.broken != nil {
		return err
	}
	return setAll(ch, values) // not every AGI peer has the application
}

// ignoreHangup drops the error of a caller who went away, which is no failure.
func ignoreHangup(err error) error {
	if errors.Is(err, ErrHangup) || errors.Is(err, ErrClosed) || errors.Is(err, ErrLetGo) {
		return nil
	}
	return err
}
