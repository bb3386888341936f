package agi

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"talktime/dialplan"
	"talktime/models"
)

// Vouchers redeem codes. What is wrong with a code is one of the errors of models: ErrNoVoucher, ErrVoucherUsed,
// ErrVoucherBlocked, ErrVoucherExpired, and ErrTooManyTries for callers who guess.
type Vouchers interface {
	RedeemVoucher(ctx context.Context, r models.Redemption) (models.Redeemed, error)
}

// What TALKTIME_RECHARGE may say; it is empty when no code was entered.
const (
	RechargeOK      = "OK"
	RechargeUnknown = "UNKNOWN"
	RechargeUsed    = "USED"
	RechargeBlocked = "BLOCKED"
	RechargeExpired = "EXPIRED"
	RechargeLimit   = "LIMIT"
	RechargeError   = "ERROR"
)

// Bounds of what callers type.
const (
	entryTries = 3                // for a code or a PIN
	firstKey   = 10 * time.Second // to begin an entry
	nextKey    = 5 * time.Second  // between its keys
	maxCode    = 40               // digits of a code or a PIN
)

// phoneActor is who redeems a voucher by phone, in the audit log.
const phoneActor = "phone"

// recharge puts the amount of a voucher on the caller's account. He types its code, unless that is the script's argument.
func (s *Scripts) recharge(ctx context.Context, ch *Channel) error {
	if err := tidy(ch, [][2]string{
		{dialplan.VarStatus, ""}, {dialplan.VarReason, ""}, {dialplan.VarRecharge, ""}, {dialplan.VarAmount, ""}, {dialplan.VarBalance, ""},
	}); err != nil {
		return ignoreHangup(err)
	}
	_, user, err := s.Billing.Available(ctx, identity(ch.Request()))
	if err != nil {
		if ch.Set(dialplan.VarRecharge, RechargeError) == nil {
			s.refuse(ch, err)
		}
		return nil
	}
	ch.SetStatus(StatusOK)
	ch.Note(slog.Int64("user_id", user.ID))
	if err := ch.Answer(); err != nil {
		return ignoreHangup(err)
	}
	if args := ch.Request().Args; len(args) > 0 && args[0] != "" {
		_, err = s.redeem(ctx, ch, user, args[0])
	} else {
		err = s.enterVoucher(ctx, ch, user)
	}
	return ignoreHangup(errors.Join(err, s.tell(ch, "goodbye")))
}

// enterVoucher lets the caller type a code, and another while it is none.
func (s *Scripts) enterVoucher(ctx context.Context, ch *Channel, user models.User) error {
	for range entryTries {
		code, ended, err := s.enter(ch, "recharge-enter", maxCode)
		switch {
		case err != nil:
			return err
		case ended == TooLong:
			if err := errors.Join(ch.Set(dialplan.VarRecharge, RechargeUnknown), s.tell(ch, "recharge-unknown")); err != nil {
				return err
			}
		case code != "":
			if again, err := s.redeem(ctx, ch, user, code); !again || err != nil {
				return err
			}
		}
	}
	return setAll(ch, [][2]string{{dialplan.VarCelcomStatus, StatusOK}, {dialplan.VarStatus, StatusOK}})
}

// enter asks for digits with a prompt, into which the caller may type.
func (s *Scripts) enter(ch *Channel, prompt string, most int) (digits string, ended Ending, err error) {
	key, err := s.play(ch, prompt, keypad)
	if err != nil {
		return "", TimedOut, err
	}
	return ch.Digits(key, most, firstKey, nextKey)
}

// redeem tries one code, and says what came of it. again is true when another may be tried.
func (s *Scripts) redeem(ctx context.Context, ch *Channel, user models.User, code string) (again bool, err error) {
	q := ch.Request()
	redeemed, err := s.Vouchers.RedeemVoucher(ctx, models.Redemption{Code: code, UserID: user.ID, From: from(q), Actor: phoneActor})
	result, status, reason := rechargeResult(err)
	if err == nil && redeemed.Already {
		result, reason = RechargeUsed, "you have redeemed this voucher before"
	}
	ch.SetStatus(status)
	ch.Note(slog.String("recharge", result))
	if result == RechargeError {
		ch.Note(slog.Any("err", err))
	}
	values := [][2]string{
		{dialplan.VarRecharge, result}, {dialplan.VarReason, reason}, {dialplan.VarCelcomStatus, status}, {dialplan.VarStatus, status},
	}
	if status == StatusLimit {
		values[2][1] = StatusNoCredit // old dialplans know no limit
	}
	if err == nil {
		ch.Note(slog.String("serial", redeemed.Serial))
		values = append([][2]string{{dialplan.VarBalance, redeemed.Available.String()}}, values...)
	}
	if result == RechargeOK {
		values = append([][2]string{{dialplan.VarAmount, redeemed.Amount.String()}}, values...)
	}
	said := err == nil
	err = errors.Join(setAll(ch, values), s.tell(ch, "recharge-"+rechargePrompt(result)))
	if said {
		return false, errors.Join(err, say(ch, redeemed.Available, user.Currency))
	}
	return result != RechargeLimit && result != RechargeError, err
}

func rechargePrompt(result string) string {
	if result == RechargeOK {
		return "done"
	}
	return strings.ToLower(result)
}

// rechargeResult is what the dialplan is told of a try.
func rechargeResult(err error) (result, status, reason string) {
	switch {
	case err == nil:
		return RechargeOK, StatusOK, ""
	case errors.Is(err, models.ErrNoVoucher):
		return RechargeUnknown, StatusOK, models.ErrNoVoucher.Error()
	case errors.Is(err, models.ErrVoucherUsed):
		return RechargeUsed, StatusOK, models.ErrVoucherUsed.Error()
	case errors.Is(err, models.ErrVoucherBlocked):
		return RechargeBlocked, StatusOK, models.ErrVoucherBlocked.Error()
	case errors.Is(err, models.ErrVoucherExpired):
		return RechargeExpired, StatusOK, models.ErrVoucherExpired.Error()
	case errors.Is(err, models.ErrTooManyTries):
		return RechargeLimit, StatusLimit, models.ErrTooManyTries.Error()
	}
	o := outcomeOf(err)
	return RechargeError, StatusError, o.Reason
}

// from names whoever types codes, so that wrong ones can be counted: his number, else his account, else the line he calls
// on, which strangers without a number then share.
func from(q Request) string {
	for _, name := range []string{q.CallerID, q.AccountCode} {
		if name != "" && !strings.EqualFold(name, "unknown") {
			return short(name)
		}
	}
	line := q.Channel
	if i := strings.LastIndexByte(line, '-'); i > 0 {
		line = line[:i] // behind it is what tells the channels of a line apart
	}
	return short(line)
}
