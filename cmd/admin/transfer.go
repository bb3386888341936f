package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// transferJSON is a transfer as --json shows it.
type transferJSON struct {
	TransactionID int64        `json:"transaction_id"`
	From          string       `json:"from"`
	To            string       `json:"to"`
	Amount        money.Amount `json:"amount"`
	Currency      string       `json:"currency"`
	Ref           string       `json:"ref"`
	PostedAt      time.Time    `json:"posted_at"`
}

func transfer(c *command) action {
	c.reports()
	ref := c.flags.String("ref", "", "REF|name the transfer: the same again is done once; made when left out")
	c.about = "\nAt most what FROM has available. Both users have the same currency; SEC, a second of talk, is whole."
	c.examples = []string{"admin transfer marta joel 60 --ref gift-7"}
	return func(ctx context.Context, operands []string) error {
		t := billing.Transfer{Ref: *ref, Actor: actor()}
		var err error
		if t.Amount, err = money.Parse(operands[2]); err != nil {
			return usageError{err}
		}
		switch {
		case t.Amount <= 0:
			return usagef("the amount must be positive")
		case operands[0] == operands[1]:
			return usagef("FROM and TO must be two users")
		case c.isGiven("ref") && !goodRef(*ref):
			return usagef("--ref is %q, but must be 1 to %d printable characters, without blanks at the ends", *ref, maxRef)
		case t.Ref == "":
			t.Ref = "cli-" + rand.Text()
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			return c.transfer(ctx, db, t, operands[0], operands[1], cfg.Notices.LowBalance)
		})
	}
}

func (c *command) transfer(ctx context.Context, db *store.Store, t billing.Transfer, from, to string, warn map[string]money.Amount) error {
	payer, err := db.UserByName(ctx, from)
	if err != nil {
		return unknownUser(from, err)
	}
	payee, err := db.UserByName(ctx, to)
	if err != nil {
		return unknownUser(to, err)
	}
	if payer.Currency == models.SEC {
		if err := wholeSeconds(t.Amount); err != nil {
			return err
		}
	}
	shown := func(done models.Transaction) transferJSON {
		return transferJSON{done.ID, from, to, t.Amount, payer.Currency, t.Ref, done.PostedAt.UTC()}
	}
	t.From, t.To = payer.ID, payee.ID
	t.Note = func(m billing.Moved) models.AuditLine {
		return auditLine(m.Transaction, "transfer.add", from, shown(m.Transaction))
	}
	service := billing.New(billing.Options{Store: db, Policy: billing.Policy{Warn: warn}})
	defer service.Close()
	moved, err := service.Transfer(ctx, t)
	var refusal *billing.Refusal
	switch {
	case errors.As(err, &refusal):
		return fmt.Errorf("%s %s from %s to %s: %w", t.Amount, payer.Currency, from, to, err)
	case err != nil:
		return fmt.Errorf("nobody knows whether it was done; repeating it with --ref %s is safe: %w", t.Ref, err)
	}
	if c.json {
		return c.out.json(shown(moved.Transaction))
	}
	already := ""
	if moved.Already {
		already = " already, nothing is changed now"
	}
	c.out.f("%s %s moved from %s to %s%s; ref: %s\n", t.Amount, payer.Currency, from, to, already, t.Ref)
	return nil
}
