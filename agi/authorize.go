package agi

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"

	"talktime/dialplan"
)

// authorize decides as caller does, but leaves the dial to the dialplan: it sets variables and ends.
func (s *Scripts) authorize(ctx context.Context, ch *Channel) error {
	// What an earlier call on this channel was given must not serve a refused one.
	for _, name := range []string{
		dialplan.VarStatus, dialplan.VarSeconds, dialplan.VarTarget, dialplan.VarRing, dialplan.VarOptions, dialplan.VarDialArgs,
		dialplan.VarEmergency,
	} {
		if err := ch.Set(name, ""); err != nil {
			return ignoreHangup(err)
		}
	}
	req, auth, ok := s.permit(ctx, ch)
	if !ok {
		return nil
	}
	if !auth.Emergency && !auth.Repeated {
		if err := forgetDial(ch); err != nil {
			return s.giveUp(ctx, ch, req, auth, err)
		}
	}
	seconds, options, absolute := "", forwardOption, int64(0)
	if !auth.Emergency {
		seconds = strconv.FormatInt(auth.Seconds, 10)
		options = fmt.Sprintf(limitOption, auth.Seconds*1000)
		absolute = auth.Ring + auth.Seconds + 1
	}
	ring := strconv.FormatInt(auth.Ring, 10)
	values := [][2]string{ // the longest first: when that cannot be sent, none of them is
		{dialplan.VarDialArgs, auth.Target + "," + ring + "," + options},
		{dialplan.VarTarget, auth.Target},
		{dialplan.VarSeconds, seconds},
		{dialplan.VarRing, ring},
		{dialplan.VarOptions, options},
		{"TIMEOUT(absolute)", strconv.FormatInt(absolute, 10)},
		{dialplan.VarReason, ""},
		{dialplan.VarCelcomStatus, StatusOK},
	}
	if auth.Emergency {
		values = append(values, [2]string{dialplan.VarEmergency, "1"})
	}
	for _, v := range values {
		if err := ch.Set(v[0], v[1]); err != nil {
			return s.giveUp(ctx, ch, req, auth, err)
		}
	}
	if ch.Hungup() {
		return s.giveUp(ctx, ch, req, auth, ErrHangup)
	}
	// The status comes last, since it is what permits the dial. If Asterisk's answer to it is lost the dialplan
	// may dial all the same, so the hold stays for the reducer or the reconciler.
	if err := ch.Set(dialplan.VarStatus, StatusOK); err != nil {
		ch.Note(slog.Bool("hold_kept", true))
		return ignoreHangup(err)
	}
	return nil
}
