package agi

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"

	"talktime/billing"
	"talktime/dialplan"
)

// authorize decides as caller does, but leaves the dial to the dialplan: it sets variables and ends.
func (s *Scripts) authorize(ctx context.Context, ch *Channel) error {
	// What an earlier call on this channel was given must not serve a refused one. That it was an emergency call stays
	// true until another is dialled: reducer must know.
	err := tidy(ch, [][2]string{
		{dialplan.VarStatus, ""},
		{dialplan.VarSeconds, ""},
		{dialplan.VarTarget, ""},
		{dialplan.VarRing, ""},
		{dialplan.VarOptions, ""},
		{dialplan.VarDialArgs, ""},
	})
	if err != nil {
		return ignoreHangup(err)
	}
	req, auth, ok := s.permit(ctx, ch)
	if !ok {
		return nil
	}
	if err := grant(ch, auth); err != nil {
		return s.giveUp(ctx, ch, req, auth, err)
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

// grant sets all that the dialplan needs to dial, but for the status.
func grant(ch *Channel, auth billing.Authorization) error {
	seconds, options, emergency, absolute := "", forwardOption, "1", int64(0)
	if !auth.Emergency {
		seconds, emergency = strconv.FormatInt(auth.Seconds, 10), ""
		options = fmt.Sprintf(limitOption, auth.Seconds*1000)
		absolute = auth.Ring + auth.Seconds + 1
	}
	ring := strconv.FormatInt(auth.Ring, 10)
	// The longest first: when that cannot be sent, none of them is.
	if err := ch.Set(dialplan.VarDialArgs, auth.Target+","+ring+","+options); err != nil {
		return err
	}
	if err := ch.Set(dialplan.VarTarget, auth.Target); err != nil {
		return err
	}
	if err := tidy(ch, append(forgetDial(auth), [][2]string{{dialplan.VarReason, ""}, {dialplan.VarEmergency, emergency}}...)); err != nil {
		return err
	}
	return setAll(ch, [][2]string{
		{dialplan.VarSeconds, seconds},
		{dialplan.VarRing, ring},
		{dialplan.VarOptions, options},
		{"TIMEOUT(absolute)", strconv.FormatInt(absolute, 10)},
		{dialplan.VarCelcomStatus, StatusOK},
	})
}
