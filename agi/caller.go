package agi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
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
	evidence.Leg = auth.Leg
	ch.Note(slog.String("dialstatus", evidence.DialStatus), slog.Int("cause", evidence.Cause))
	return s.settle(ctx, ch, billing.CallResult{
		CallID: auth.CallID, Exact: true, Identity: req.Identity, Evidence: evidence.Evidence,
	})
}

// prepareDial sets what must be set before each dial, and returns the arguments of Dial and how long to listen.
func (s *Scripts) prepareDial(ch *Channel, auth billing.Authorization) (args string, limit time.Duration, err error) {
	args = fmt.Sprintf("%s,%d,", auth.Target, auth.Ring)
	absolute := int64(0) // none
	if auth.Emergency {
		if err := ch.Set(dialplan.VarEmergency, "1"); err != nil {
			return "", 0, err
		}
	} else {
		args += fmt.Sprintf(limitOption, auth.Seconds*1000)
		// A redirect sheds L(); the channel's own timer stays.
		absolute = auth.Ring + auth.Seconds + 1
		limit = time.Duration(absolute)*time.Second + dialMargin
		args += forwardOption + s.routines.option(ch)
	}
	if billing.ChannelOf(auth.CallID) != auth.CallID {
		if err := forgetDial(ch); err != nil {
			return "", 0, err
		}
	}
	for _, v := range [][2]string{
		{dialplan.VarStatus, StatusOK},
		{dialplan.VarCelcomStatus, StatusOK},
		{"TIMEOUT(absolute)", strconv.FormatInt(absolute, 10)},
	} {
		if err := ch.Set(v[0], v[1]); err != nil {
			return "", 0, err
		}
	}
	return args, limit, nil
}

// forgetDial empties what an earlier dial left on the channel: should this one never take place, the reducer must
// not take the old result for its own. Dial sets all of them anew.
func forgetDial(ch *Channel) error {
	for _, name := range []string{"DIALSTATUS", "ANSWEREDTIME", "ANSWEREDTIME_MS", dialplan.VarAnswered} {
		if err := ch.Set(name, ""); err != nil {
			return err
		}
	}
	return nil
}

// ignoreHangup drops the error of a caller who went away, which is no failure.
func ignoreHangup(err error) error {
	if errors.Is(err, ErrHangup) || errors.Is(err, ErrClosed) || errors.Is(err, ErrLetGo) {
		return nil
	}
	return err
}
