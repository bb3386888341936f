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
)

// dialMargin is how much longer than ring time and limit together a Dial may take before we stop listening to it.
const dialMargin = 2 * time.Minute

// caller authorises a call, dials it and settles it when the dial has ended with proof of what was talked.
func (s *Scripts) caller(ctx context.Context, ch *Channel) error {
	req, auth, ok := s.permit(ctx, ch)
	if !ok {
		return nil
	}
	args, limit, err := s.prepareDial(ch, auth)
	if err != nil {
		return s.giveUp(ctx, ch, req, auth, err)
	}
	_, sent, err := ch.Dial(args, limit)
	switch {
	case !sent, errors.Is(err, ErrNoApp):
		return s.giveUp(ctx, ch, req, auth, err)
	case errors.Is(err, ErrLetGo):
		return err // Asterisk goes on with the call; its reducer settles it
	case err != nil && !errors.Is(err, ErrHangup):
		return fmt.Errorf("the dial is left to the reducer: %w", err)
	case auth.Emergency:
		return nil
	}
	evidence, err := readEvidence(ch, billing.SourceCaller)
	if err != nil {
		return fmt.Errorf("the call is left to the reducer: %w", err)
	}
	evidence.Leg, evidence.Dial = auth.Leg, auth.Dial
	ch.Note(slog.String("dialstatus", evidence.DialStatus), slog.Int("cause", evidence.Cause))
	return s.settle(ctx, ch, billing.CallResult{
		CallID: auth.CallID, Exact: true, Identity: req.Identity, Evidence: evidence.Evidence,
	})
}

// prepareDial sets what must be set before each dial, and returns the arguments of Dial and how long to listen.
func (s *Scripts) prepareDial(ch *Channel, auth billing.Authorization) (args string, limit time.Duration, err error) {
	args = fmt.Sprintf("%s,%d,", auth.Target, auth.Ring)
	absolute := int64(0) // none
	emergency := "1"
	if !auth.Emergency {
		emergency = "" // as an earlier call of the channel may have left it
		args += fmt.Sprintf(limitOption, auth.Seconds*1000)
		// A redirect sheds L(); the channel's own timer stays.
		absolute = auth.Ring + auth.Seconds + 1
		limit = time.Duration(absolute)*time.Second + dialMargin
		args += forwardOption + s.routines.option(ch)
	}
	if err := tidy(ch, append(forgetDial(auth), [][2]string{{dialplan.VarReason, ""}, {dialplan.VarEmergency, emergency}}...)); err != nil {
		return "", 0, err
	}
	return args, limit, setAll(ch, [][2]string{
		{"TIMEOUT(absolute)", strconv.FormatInt(absolute, 10)}, {dialplan.VarCelcomStatus, StatusOK}, {dialplan.VarStatus, StatusOK},
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

// tidy sets what only we read with one command, since each costs a journey to Asterisk and back. The values are our own
// words and numbers: none has a comma, a quote or an odd parenthesis, which would mean something to MSet.
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
