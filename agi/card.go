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
	"talktime/models"
	"talktime/money"
)

// Cards know whose calling card a PIN is. Why it is nobody's is one of the errors of models: ErrNoVoucher,
// ErrVoucherBlocked, ErrVoucherExpired, and ErrTooManyTries for callers who guess.
type Cards interface {
	CardUser(ctx context.Context, login models.CardLogin) (models.User, error)
	// CardLanguage is what was said of a user's card when it was made; empty: nothing.
	CardLanguage(ctx context.Context, user int64) (language string, err error)
}

// Bounds of a session. Nobody may sit on a line for ever, and each call of a channel costs the books a row.
const (
	cardPause    = 10 * time.Minute // Asterisk hangs up when there is no call for so long
	cardSession  = 12 * time.Hour   // after which no call begins
	cardCalls    = 100              // of one channel
	cardWaste    = 5                // entries in a row that lead to no call
	maxNumber    = 40               // digits
	cardOptions  = "Hg"             // the caller ends a call with *, and the channel goes on after it
	languageKeys = "123456789"
)

// errNoRoutine: what a call costs is then measured from the answer of the channel, which is before the first prompt.
var errNoRoutine = invalid("the dialplan has no context " + dialplan.AnsweredRoutine + ", without which a card would pay for its prompts")

// session is one caller with a calling card.
type session struct {
	*Scripts
	ch    *Channel
	id    billing.Identity // of the card's user
	pin   string           // for that he may be blocked meanwhile
	said  money.Amount     // the balance that he has heard
	begun time.Time
	waste int
	// chosen: the language is the dialplan's word or the caller's.
	chosen bool
}

// card lets the caller make calls, one after the other, on the account whose PIN he types.
func (s *Scripts) card(ctx context.Context, ch *Channel) error {
	q := ch.Request()
	c := &session{Scripts: s, ch: ch, id: identity(q), said: -1, begun: ch.server.now()}
	if err := tidy(ch, [][2]string{{dialplan.VarStatus, ""}, {dialplan.VarReason, ""}}); err != nil {
		return ignoreHangup(err)
	}
	switch {
	case q.UniqueID == "":
		s.refuse(ch, errNoUniqueID)
		return nil
	case s.routines.option(ch) == "":
		s.refuse(ch, errNoRoutine)
		return nil
	}
	err := c.limit()
	if err == nil {
		err = ch.Answer()
	}
	if err == nil {
		err = c.chooseLanguage()
	}
	ok := false
	if err == nil {
		ok, err = c.login(ctx)
	}
	if ok && err == nil {
		ok, err = c.talk(ctx)
	}
	if ok && err == nil {
		err = s.tell(ch, "goodbye")
	}
	return ignoreHangup(err)
}

// limit lets Asterisk end the channel when there is no call for too long. Each call sets its own limit in its place.
func (c *session) limit() error {
	return c.ch.Set("TIMEOUT(absolute)", strconv.FormatInt(int64(cardPause/time.Second), 10))
}

// chooseLanguage sets the language of the prompts: the script's argument, or what the caller chooses.
func (c *session) chooseLanguage() error {
	if args := c.ch.Request().Args; len(args) > 0 && args[0] != "" {
		c.chosen = true
		return c.ch.Set("CHANNEL(language)", args[0])
	}
	languages := c.CardLanguages
	key := ""
	for i := 0; i < len(languages) && len(languages) > 1 && key == ""; i++ {
		valid := languageKeys[:min(len(languages), len(languageKeys))]
		err := c.ch.Set("CHANNEL(language)", languages[i])
		if err == nil {
			key, err = c.play(c.ch, "card-language", valid)
		}
		if err == nil && key == "" {
			key, err = c.ch.StreamFile(fmt.Sprintf("digits/%d", i+1), valid)
		}
		if err == nil && key == "" && i == len(languages)-1 {
			key, err = c.ch.WaitForDigit(nextKey)
		}
		if err != nil && !errors.Is(err, ErrFailed) {
			return err
		}
	}
	if len(languages) == 0 {
		return nil
	}
	n, err := strconv.Atoi(key)
	if c.chosen = err == nil && n >= 1 && n <= len(languages); !c.chosen {
		n = 1
	}
	return c.ch.Set("CHANNEL(language)", languages[n-1])
}

// cardLanguage takes the language of the card, unless another was chosen. Not to know it is no reason not to talk.
func (c *session) cardLanguage(ctx context.Context) error {
	if c.chosen {
		return nil
	}
	language, err := c.Cards.CardLanguage(ctx, c.id.User)
	if err != nil {
		c.Logger.Error("the language of a card is not known", "user_id", c.id.User, "err", err)
	}
	if language == "" {
		return nil
	}
	return c.ch.Set("CHANNEL(language)", language)
}

// login asks for the PIN. ok is false when there was none: the dialplan and the caller have been told then.
func (c *session) login(ctx context.Context) (ok bool, err error) {
	refusal := error(&billing.Refusal{Err: billing.ErrUnknownCaller, Reason: "no PIN was entered"})
	for range entryTries {
		pin, ended, err := c.enter(c.ch, "card-pin", maxCode)
		if err != nil {
			return false, err
		}
		if pin == "" && ended != TooLong {
			continue
		}
		var user models.User
		if err = models.ErrNoVoucher; pin != "" {
			user, err = c.Cards.CardUser(ctx, models.CardLogin{PIN: pin, From: from(c.ch.Request())})
		}
		if err == nil {
			c.id.User, c.pin = user.ID, pin
			c.ch.SetStatus(StatusOK)
			c.ch.Note(slog.Int64("card_user_id", user.ID))
			return true, c.cardLanguage(ctx)
		}
		var prompt string
		var again bool
		if prompt, again, refusal = cardRefusal(err); !again {
			return false, c.turnAway(refusal, prompt)
		}
		if err := c.tell(c.ch, prompt); err != nil {
			return false, err
		}
	}
	return false, c.turnAway(refusal, "")
}

// turnAway ends a session that never began.
func (c *session) turnAway(refusal error, prompt string) error {
	if !c.deny(c.ch, outcomeOf(refusal), "", refusal) {
		return nil
	}
	if prompt != "" {
		if err := c.tell(c.ch, prompt); err != nil {
			return err
		}
	}
	return c.tell(c.ch, "goodbye")
}

// cardRefusal is why a PIN does not serve, in the words of calls, and the prompt for it. again is true when another may
// be tried.
func cardRefusal(err error) (prompt string, again bool, refusal error) {
	switch {
	case errors.Is(err, models.ErrNoVoucher):
		return "card-wrong-pin", true, &billing.Refusal{Err: billing.ErrUnknownCaller, Reason: "no card has this PIN"}
	case errors.Is(err, models.ErrVoucherBlocked):
		return "card-blocked", true, &billing.Refusal{Err: billing.ErrAccountBlocked, Reason: "the card is blocked"}
	case errors.Is(err, models.ErrVoucherExpired):
		return "card-expired", true, &billing.Refusal{Err: billing.ErrAccountBlocked, Reason: "the card has expired"}
	case errors.Is(err, models.ErrTooManyTries):
		return "card-limit", false, &billing.Refusal{Err: billing.ErrLimit, Reason: "too many wrong PINs"}
	}
	return "error", false, err
}

// talk says the balance and makes calls until the caller hangs up, has nothing left or wastes time. ok is false when the
// channel is not ours to speak to any more.
func (c *session) talk(ctx context.Context) (ok bool, err error) {
	for calls := 0; calls < cardCalls && c.waste < cardWaste; {
		if c.ch.server.draining.Load() || c.ch.server.now().Sub(c.begun) >= cardSession {
			return true, nil
		}
		available, user, err := c.Billing.Available(ctx, c.id)
		if err != nil {
			return false, c.turnAway(err, outcomeOf(err).prompt())
		}
		if available != c.said {
			if err := say(c.ch, available, user.Currency); err != nil && !errors.Is(err, ErrFailed) {
				return false, err
			}
			c.said = available
		}
		number, ended, err := c.enter(c.ch, "card-number", maxNumber)
		if err != nil {
			return false, err
		}
		if number == "" {
			c.waste++
			if ended == TooLong {
				err = c.tell(c.ch, "card-wrong-number")
			}
			if err != nil {
				return false, err
			}
			continue
		}
		mark := len(c.ch.notes)
		goOn, called, err := c.call(ctx, number, available)
		c.chapter(ctx, mark)
		if !goOn || err != nil {
			return called, err
		}
		if called {
			calls, c.waste = calls+1, 0
		} else {
			c.waste++
		}
	}
	return true, nil
}

// call makes one call. goOn is false when it was the last: spoken then tells whether the caller may still be spoken to.
// Otherwise it tells whether there was a call.
func (c *session) call(ctx context.Context, number string, available money.Amount) (goOn, spoken bool, err error) {
	if err := c.good(ctx); err != nil {
		prompt, _, refusal := cardRefusal(err)
		return false, false, c.turnAway(refusal, prompt)
	}
	req := billing.CallRequest{CallID: callID(c.ch.Request()), Identity: c.id, Number: number}
	req, auth, err := c.ask(ctx, c.ch, req, nil)
	if err != nil {
		o := outcomeOf(err)
		if !c.deny(c.ch, o, number, err) {
			return false, false, nil
		}
		if err := c.tell(c.ch, o.prompt()); err != nil {
			return false, false, err
		}
		if o.Status == StatusNoCredit && available <= 0 || o.Internal {
			return false, true, nil
		}
		return true, false, nil
	}
	if !auth.Emergency {
		if err := c.sayTime(max(auth.Seconds, auth.Affords)); err != nil {
			return false, false, c.giveUp(ctx, c.ch, req, auth, err)
		}
	}
	if err := c.dial(ctx, c.ch, req, auth, cardOptions); err != nil || c.ch.Hungup() {
		return false, false, err // the reducer looks at what the channel shows
	}
	shown, _, err := shows(c.ch)
	if err != nil || shown == nil { // a call for help, or nobody can tell yet that it is over
		return false, false, err
	}
	// It is in the books. The reducer would take the time until the caller hangs up for a part of it.
	err = tidy(c.ch, forgetDial(billing.Authorization{}))
	if err == nil {
		err = c.limit()
	}
	if prompt := callEnded(shown.DialStatus); prompt != "" && err == nil {
		err = c.tell(c.ch, prompt)
	}
	return err == nil, err == nil, err
}

// good looks whether the card still is: it may have been blocked since the PIN was typed. That others guess now from the
// same number is not its fault.
func (c *session) good(ctx context.Context) error {
	_, err := c.Cards.CardUser(ctx, models.CardLogin{PIN: c.pin, From: from(c.ch.Request())})
	if errors.Is(err, models.ErrTooManyTries) {
		return nil
	}
	return err
}

// callEnded is the prompt for a call that nobody answered; "" where the caller knows.
func callEnded(dialStatus string) string {
	switch dialStatus {
	case "BUSY":
		return "card-busy"
	case "NOANSWER":
		return "card-no-answer"
	case "ANSWER", "CANCEL":
		return ""
	}
	return "card-failed"
}

// sayTime says how long a call may last, of which the first slice may be a small part. What cannot be said is no reason not to call.
func (c *session) sayTime(seconds int64) error {
	err := c.tell(c.ch, "card-time")
	n, unit := seconds, "seconds"
	if n >= 60 {
		n, unit = n/60, "minutes"
	}
	if err == nil {
		err = c.ch.SayNumber(n)
	}
	if err == nil || errors.Is(err, ErrFailed) {
		err = speak(c.ch, unit)
	}
	return err
}

// chapter logs what was noted of one call, which would make the line of a long session too long.
func (c *session) chapter(ctx context.Context, mark int) {
	q := c.ch.Request()
	attrs := []slog.Attr{slog.String("script", c.ch.script), slog.String("status", c.ch.status), slog.String("unique_id", short(q.UniqueID))}
	c.Logger.LogAttrs(ctx, slog.LevelInfo, "card call", append(attrs, c.ch.notes[mark:]...)...)
	c.ch.notes = c.ch.notes[:mark]
	c.ch.SetStatus(StatusOK)
}
