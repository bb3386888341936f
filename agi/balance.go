package agi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"talktime/dialplan"
	"talktime/models"
	"talktime/money"
)

// Sounds are the recordings that the balance script plays. They belong to Asterisk's core sounds, in every language.
func Sounds() []string { return []string{"vm-youhave", "minutes", "seconds", "digits/0"} }

// balance says what the caller has available: minutes and seconds of talk, or an amount of money.
func (s *Scripts) balance(ctx context.Context, ch *Channel) error {
	available, user, err := s.Billing.Available(ctx, identity(ch.Request()))
	if err != nil {
		s.refuse(ch, err)
		return nil
	}
	ch.SetStatus(StatusOK)
	ch.Note(slog.Int64("user_id", user.ID))
	err = setAll(ch, [][2]string{
		{dialplan.VarBalance, available.String()}, {dialplan.VarReason, ""}, {dialplan.VarCelcomStatus, StatusOK}, {dialplan.VarStatus, StatusOK},
	})
	if err != nil {
		return ignoreHangup(err)
	}
	if err := ch.Answer(); err != nil {
		return ignoreHangup(err)
	}
	return ignoreHangup(say(ch, available, user.Currency))
}

func say(ch *Channel, available money.Amount, currency string) error {
	if err := speak(ch, "vm-youhave"); err != nil {
		return err
	}
	if currency == models.SEC {
		seconds := available.Whole()
		return errors.Join(ch.SayNumber(seconds/60), speak(ch, "minutes"), ch.SayNumber(seconds%60), speak(ch, "seconds"))
	}
	_, cents, _ := strings.Cut(fmt.Sprintf("%s.", available), ".")
	cents = (strings.TrimSuffix(cents, ".") + "00")[:2]
	return errors.Join(ch.SayNumber(available.Whole()), ch.SayDigits(cents))
}

// speak plays a recording; a missing one is no reason to stop.
func speak(ch *Channel, file string) error {
	_, err := ch.StreamFile(file, "")
	if errors.Is(err, ErrFailed) {
		return nil
	}
	return err
}
