package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// movedJSON is a movement of money as --json shows it.
type movedJSON struct {
	Username  string       `json:"username"`
	Currency  string       `json:"currency"`
	Amount    money.Amount `json:"amount"`
	Ref       string       `json:"ref"`
	Available money.Amount `json:"available"`
	Already   bool         `json:"already"`           // it had been done before; nothing was changed now
	Expires   *time.Time   `json:"expires,omitempty"` // nil: the money stays
}

// maxRef is the longest reference in characters; the ledger would keep a few more.
const maxRef = 128

func topUp(c *command) action {
	c.reports()
	ref := c.flags.String("ref", "", "REF|name the movement, for instance by a receipt's number: the same again is done once; made when left out")
	expires := c.flags.String("expires", "", "WHEN|until when the money is for calls: a time, a date (its end) or days such as 30d (the end of that day); the money stays when left out")
	c.about = `
A negative AMOUNT takes money, at most what is available. AMOUNT is in the user's currency; SEC, a second of talk, is whole.
Money that expires is promotional credit: calls spend it first, and it cannot be taken out or transferred.`
	c.examples = []string{"admin topup marta 600 --ref receipt-1017", "admin topup marta -5", "admin topup marta 120 --expires 30d"}
	return func(ctx context.Context, operands []string) error {
		m := billing.Movement{Username: operands[0], Ref: *ref, Actor: actor()}
		var err error
		if m.Amount, err = money.Parse(operands[1]); err != nil {
			return usageError{err}
		}
		switch {
		case m.Amount == 0:
			return usagef("the amount must not be zero")
		case c.isGiven("ref") && !goodRef(*ref):
			return usagef("--ref is %q, but must be 1 to %d printable characters, without blanks at the ends", *ref, maxRef)
		case m.Ref == "":
			m.Ref = "cli-" + rand.Text()
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			if c.isGiven("expires") {
				if m.Expires, err = models.ParseExpiry(*expires, time.Now(), cfg.Location); err != nil {
					return usageError{fmt.Errorf("--expires: %w", err)}
				}
			}
			return c.move(ctx, db, m, cfg.Notices.LowBalance)
		})
	}
}

// goodRef reports whether the ledger can keep a reference as it is.
func goodRef(ref string) bool {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	return ref != "" && utf8.ValidString(ref) && utf8.RuneCountInString(ref) <= maxRef &&
		strings.TrimSpace(ref) == ref && strings.IndexFunc(ref, odd) < 0
}

func (c *command) move(ctx context.Context, db *store.Store, m billing.Movement, warn map[string]money.Amount) error {
	user, err := db.UserByName(ctx, m.Username)
	if err != nil {
		return unknownUser(m.Username, err)
	}
	if user.Currency == models.SEC {
		if err := wholeSeconds(m.Amount); err != nil {
			return err
		}
	}
	shown := func(done billing.Moved) movedJSON {
		moved := movedJSON{Username: m.Username, Currency: user.Currency, Amount: m.Amount, Ref: m.Ref, Available: done.Available, Already: done.Already}
		if until := done.Transaction.Expires; !until.IsZero() {
			moved.Expires = &until
		}
		return moved
	}
	m.Note = func(done billing.Moved) models.AuditLine {
		return auditLine(done.Transaction, "balance.add", m.Username, shown(done))
	}
	service := billing.New(billing.Options{Store: db, Policy: billing.Policy{Warn: warn}})
	defer service.Close()
	moved, err := service.Move(ctx, m)
	var refusal *billing.Refusal
	switch {
	case errors.As(err, &refusal):
		return fmt.Errorf("%s %s for %s: %w", m.Amount, user.Currency, m.Username, err)
	case errors.Is(err, models.ErrNotFound):
		return unknownUser(m.Username, err)
	case err != nil:
		return fmt.Errorf("nobody knows whether it was done; repeating it with --ref %s is safe: %w", m.Ref, err)
	}
	if c.json {
		return c.out.json(shown(moved))
	}
	did := fmt.Sprintf("%s %s added", m.Amount, user.Currency)
	if m.Amount < 0 {
		did = fmt.Sprintf("%s %s taken", -m.Amount, user.Currency)
	}
	if until := moved.Transaction.Expires; !until.IsZero() {
		did += ", which expires at " + until.UTC().Format(time.RFC3339)
	}
	if moved.Already {
		did += " already, nothing is changed now"
	}
	c.out.f("%s: %s; available: %s %s; ref: %s\n", m.Username, did, moved.Available, user.Currency, m.Ref)
	return nil
}
