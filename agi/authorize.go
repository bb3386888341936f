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
	if err := forgetPermission(ch); err != nil {
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

// maxAttempts is how many carriers the dialplan is told of: few enough that one command empties all their variables.
const maxAttempts = 20

// forgetPermission empties what an earlier call on this channel was given, which must not serve a refused one. That it was
// an emergency call stays true until another is dialled: reducer must know.
func forgetPermission(ch *Channel) error {
	earlier, _, err := ch.Get(dialplan.VarAttempts)
	if err != nil {
		return err
	}
	values := [][2]string{
		{dialplan.VarStatus, ""},
		{dialplan.VarSeconds, ""},
		{dialplan.VarTarget, ""},
		{dialplan.VarRing, ""},
		{dialplan.VarOptions, ""},
		{dialplan.VarDialArgs, ""},
		{dialplan.VarAttempts, ""},
		{dialplan.VarAt, ""},
	}
	if n := whole(earlier); n != nil {
		for i := range int(min(*n, maxAttempts)) {
			values = append(values, numbered(i, "", "", "")...)
		}
	}
	return tidy(ch, values)
}

// numbered are the variables of the carrier with the index i, whose names end in i+1.
func numbered(i int, dialArgs, target, carrier string) [][2]string {
	n := strconv.Itoa(i + 1)
	return [][2]string{{dialplan.VarDialArgs + "_" + n, dialArgs}, {dialplan.VarTarget + "_" + n, target}, {dialplan.VarCarrier + n, carrier}}
}

// dialArgs are target, ring time and options as Dial takes them.
func dialArgs(target string, ring int64, options string) string {
	return target + "," + strconv.FormatInt(ring, 10) + "," + options
}

// grant sets all that the dialplan needs to dial, but for the status.
func grant(ch *Channel, auth billing.Authorization) error {
	seconds, options, emergency := "", forwardOption, "1"
	if !auth.Emergency {
		seconds, emergency = strconv.FormatInt(auth.Seconds, 10), ""
		options = fmt.Sprintf(limitOption, auth.Seconds*1000)
	}
	// The longest first: when that cannot be sent, none of them is.
	if err := ch.Set(dialplan.VarDialArgs, dialArgs(auth.Target, auth.Ring, options)); err != nil {
		return err
	}
	if err := ch.Set(dialplan.VarTarget, auth.Target); err != nil {
		return err
	}
	carriers := auth.Attempts[:min(len(auth.Attempts), maxAttempts)]
	values := append(forgetDial(auth), [][2]string{
		{dialplan.VarReason, ""},
		{dialplan.VarEmergency, emergency},
		{dialplan.VarAttempts, strconv.Itoa(max(len(carriers), 1))},
		{dialplan.VarAt, strconv.Itoa(auth.At)},
	}...)
	for i, a := range carriers {
		of := numbered(i, dialArgs(a.Target, auth.Ring, options), a.Target, a.Name)
		if err := ch.Set(of[0][0], of[0][1]); err != nil { // it has commas
			return err
		}
		values = append(values, of[1:]...)
	}
	if err := tidy(ch, values); err != nil {
		return err
	}
	return setAll(ch, [][2]string{
		{dialplan.VarSeconds, seconds},
		{dialplan.VarRing, strconv.FormatInt(auth.Ring, 10)},
		{dialplan.VarOptions, options},
		{"TIMEOUT(absolute)", absolute(auth)},
		{dialplan.VarCelcomStatus, StatusOK},
	})
}
