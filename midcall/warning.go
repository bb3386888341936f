package midcall

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"sync"
	"time"

	"talktime/dialplan"
	"talktime/pbx"
)

// warner lets the callers of one Asterisk hear that their calls are about to end. Its answers say nothing about money, and a call without a
// warning is a call all the same.
type warner struct {
	asterisk Asterisk
	sound    string // file to play, without the ending
	log      *slog.Logger
	refused  sync.Once
}

func newWarner(a Asterisk, sound string, log *slog.Logger) *warner {
	return &warner{asterisk: a, sound: sound, log: log}
}

// warnTime is for Asterisk's answer, which comes at once, and for the two halves of the warning to meet.
const warnTime = 5 * time.Second

// What the dialplan gets. A comma, a parenthesis or a $ would mean something there.
var (
	safeChannel = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:@/;+*#~-]{0,127}$`)
	safeSound   = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`) // below the folder of sounds
)

// warn begins to play the sound to the caller alone, whose channel is given by its name or its unique id, and does not wait until it is
// heard. The limit of the call stays movable, other than with the warning of Dial. An Asterisk that refuses, as one without our context in its
// dialplan does, is logged once and is no error: else that is one of pbx.Client.Do, or says which text cannot be.
func (w *warner) warn(ctx context.Context, channel string) error {
	if !safeChannel.MatchString(channel) {
		return fmt.Errorf("no warning of the end: %.140q may not stand in a dialplan", channel)
	}
	if !safeSound.MatchString(w.sound) {
		return fmt.Errorf("no warning of the end: the sound %.140q may not stand in a dialplan", w.sound)
	}
	ctx, cancel := context.WithTimeout(ctx, warnTime)
	defer cancel()
	_, err := w.asterisk.Manager.Do(ctx, pbx.Action{Name: "Originate", Fields: []pbx.Field{
		{Key: "Channel", Value: "Local/whisper@" + dialplan.WarningContext + "/n"},
		{Key: "Context", Value: dialplan.WarningContext},
		{Key: "Exten", Value: "sound"},
		{Key: "Priority", Value: "1"},
		{Key: "Timeout", Value: strconv.FormatInt(warnTime.Milliseconds(), 10)},
		{Key: "Async", Value: "true"}, // else what we ask next waits until the halves have met
		{Key: "Variable", Value: dialplan.VarWarnChannel + "=" + channel},
		{Key: "Variable", Value: dialplan.VarWarnSound + "=" + w.sound},
	}})
	var refused *pbx.RefusedError
	if errors.As(err, &refused) {
		w.refused.Do(func() {
			w.log.WarnContext(ctx, "callers are not warned of the end of their calls", "asterisk", w.asterisk.Name, "err", err,
				"advice", "the dialplan needs the context ["+dialplan.WarningContext+"] of the sample, the account the right to write originate")
		})
		return nil
	}
	return err
}
