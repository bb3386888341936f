package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// explainJSON is a call with everything that led to its charge.
type explainJSON struct {
	Call     callJSON           `json:"call"`
	Evidence []models.Evidence  `json:"evidence"`
	Ending   string             `json:"ending"` // who released the hold, and when; empty: nobody
	Hold     *billing.LegPrice  `json:"hold"`   // null unless the call is open
	Legs     []billing.LegPrice `json:"legs"`   // none before the call is settled
	Charge   money.Amount       `json:"charge"`
	Entries  []postedJSON       `json:"entries"`

	Carriers    []billing.TriedCarrier `json:"carriers"`
	Adjustments []models.Adjustment    `json:"adjustments"` // by re-ratings, oldest first, with those that left it
}

// postedJSON is an entry on an account of a user or of the house.
type postedJSON struct {
	TransactionID int64        `json:"transaction_id"`
	Account       string       `json:"account"`
	UserID        *int64       `json:"user_id"` // null: the house
	Amount        money.Amount `json:"amount"`
	PostedAt      time.Time    `json:"posted_at"`
}

func callExplain(c *command) action {
	c.reports()
	c.about = "\nID is a call's call_id, as logs and lists show it, or its number."
	c.examples = []string{"admin call explain pbx1-1700000000.17"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			call, err := findCall(ctx, db, operands[0])
			if err != nil {
				return err
			}
			names, err := callNames(ctx, db, []models.Call{call})
			if err != nil {
				return err
			}
			e := explainJSON{Call: showCall(call, names), Evidence: call.Notes, Legs: []billing.LegPrice{}, Charge: call.Charge, Entries: []postedJSON{}, Carriers: billing.Carriers(call)}
			if e.Evidence == nil {
				e.Evidence = []models.Evidence{}
			}
			by := ""
			if call.SettledBy == billing.SourceOperator {
				if by, err = db.ReleasedBy(ctx, call.ID); err != nil {
					return err
				}
			}
			e.Ending = billing.Ending(call, by, time.UTC)
			if e.Hold, err = billing.ExplainHold(call); err != nil {
				return err
			}
			if call.State == models.CallSettled {
				if e.Legs, err = billing.Explain(call); err != nil {
					return err
				}
			}
			entries, err := db.CallEntries(ctx, call.CallID)
			if err != nil {
				return err
			}
			for _, entry := range entries {
				posted := postedJSON{TransactionID: entry.TransactionID, Account: entry.Account, Amount: entry.Amount, PostedAt: entry.PostedAt.UTC()}
				if entry.UserID != 0 {
					posted.UserID = &entry.UserID
				}
				e.Entries = append(e.Entries, posted)
			}
			if e.Adjustments, err = db.CallAdjustments(ctx, call.ID); err != nil {
				return err
			}
			if c.json {
				return c.out.json(e)
			}
			c.printExplanation(call, e, names)
			c.printAdjustments(e.Adjustments)
			return nil
		})
	}
}

// findCall finds a call by its call_id, or else by its number.
func findCall(ctx context.Context, db *store.Store, id string) (models.Call, error) {
	found, err := db.CallsByID(ctx, []string{id})
	if err != nil {
		return models.Call{}, err
	}
	if call, ok := found[id]; ok {
		return call, nil
	}
	unknown := fmt.Errorf("there is no call %q", id)
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return models.Call{}, unknown
	}
	call, err := db.CallByKey(ctx, number)
	if errors.Is(err, models.ErrNotFound) {
		err = unknown
	}
	return call, err
}

// printExplanation tells people how the charge came about.
func (c *command) printExplanation(call models.Call, e explainJSON, names map[int64]string) {
	c.printCallTable([]models.Call{call}, names)
	if call.Slice != 0 {
		c.out.f("\nIt is held in slices of %d s.\n", call.Slice)
	}
	if cut := billing.CutWords(call); cut != "" {
		c.out.f("\n%s (cut: %s)\n", printable(cut), printable(call.Cut))
	}
	c.out.f("\nwhat was seen:\n")
	if len(e.Evidence) == 0 {
		c.out.f("  nothing\n")
	}
	rows := [][]string{}
	for _, note := range e.Evidence {
		rows = append(rows, []string{"  " + note.SeenAt.UTC().Format(time.DateTime), note.Source, orNone(note.DialStatus), seen(note)})
	}
	table{{}, {}, {}, {}}.write(c.out, rows)
	if len(e.Carriers) > 0 {
		c.out.f("\nwhere it went:\n")
		rows = [][]string{}
		for _, carrier := range e.Carriers {
			rows = append(rows, []string{"  " + carrier.Name, carrier.Result, buyWords(carrier.Rate)})
		}
		table{{}, {}, {}}.write(c.out, rows)
		if e.Call.BuyCurrency != "" && call.State == models.CallSettled {
			c.out.f("  in all: %s %s\n", e.Call.BuyCost, e.Call.BuyCurrency)
		}
	}
	if e.Hold != nil {
		c.out.f("\nwhat it holds, at %s:\n", rateWords(call.Rate))
		c.printSteps(*e.Hold)
	}
	c.out.f("\nwhat it cost:\n")
	switch {
	case e.Ending != "":
		c.out.f("  %s\n", printable(e.Ending))
	case len(e.Legs) == 0:
		c.out.f("  nothing: the call is %s\n", call.State)
	}
	for _, leg := range e.Legs {
		c.out.f("  %s: %s\n", printable(leg.Number), printable(rateWords(leg.Rate)))
		c.printSteps(leg)
	}
	c.out.f("\nwhat was posted:\n")
	if len(e.Entries) == 0 {
		c.out.f("  nothing\n")
	}
	rows = [][]string{}
	for _, entry := range e.Entries {
		whose := "the house"
		if entry.UserID != nil {
			whose = userCell(*entry.UserID, names)
		}
		rows = append(rows, []string{"  " + entry.PostedAt.Format(time.DateTime), entry.Amount.String(), entry.Account, whose})
	}
	table{{}, {right: true}, {}, {}}.write(c.out, rows)
}

// printAdjustments shows what re-ratings did to a call, if there were any.
func (c *command) printAdjustments(all []models.Adjustment) {
	if len(all) == 0 {
		return
	}
	c.out.f("\nhow it was re-rated:\n")
	rows := [][]string{}
	for _, a := range all {
		what := a.Left
		if a.PostedAt != nil {
			what = a.PostedAt.Format(time.DateTime)
		}
		rows = append(rows, []string{"  " + a.Rerate, a.Before.String(), a.After.String(), a.Difference.String(), what})
	}
	table{{"  RE-RATING", false}, {"BEFORE", true}, {"AFTER", true}, {"DIFFERENCE", true}, {"POSTED", false}}.write(c.out, rows)
}

// printSteps shows the steps of a price.
func (c *command) printSteps(leg billing.LegPrice) {
	rows := [][]string{}
	for _, step := range leg.Steps {
		rows = append(rows, []string{"  " + leg.Number, step.Amount.String(), step.Does})
	}
	table{{}, {right: true}, {}}.write(c.out, rows)
}

// buyWords is what a carrier asks.
func buyWords(r models.Rate) string {
	if r.Currency == "" {
		return "at a price that is not known"
	}
	return "for " + rateWords(r)
}

func rateWords(r models.Rate) string {
	words := fmt.Sprintf("%s %s per minute in increments of %d/%d s", r.PerMinute, r.Currency, max(r.First, 1), max(r.Increment, 1))
	if r.ConnectFee != 0 {
		words += fmt.Sprintf(" and a connect fee of %s", r.ConnectFee)
	}
	if r.Minimum != 0 {
		words += fmt.Sprintf(", at least %s", r.Minimum)
	}
	if r.Deck != "" {
		words += fmt.Sprintf("; tariff %s, version %d, prefix %s (%s)", r.Deck, r.Version, r.Prefix, r.Name)
	}
	return words
}

// seen is what a witness says of how long the talk lasted.
func seen(e models.Evidence) string {
	switch {
	case e.AnsweredMS != nil:
		return fmt.Sprintf("answered for %d ms", *e.AnsweredMS)
	case e.Answered != nil:
		return fmt.Sprintf("answered for %d s", *e.Answered)
	case e.BillSec != nil:
		return fmt.Sprintf("billsec %d", *e.BillSec)
	}
	return "no duration"
}

// releasedJSON is a hold that was given back.
type releasedJSON struct {
	CallID  string           `json:"call_id"`
	State   models.CallState `json:"state"`
	Held    money.Amount     `json:"held"`    // before
	Charged money.Amount     `json:"charged"` // when somebody had seen an answer
}

func holdRelease(c *command) action {
	c.reports()
	c.about = `
It ends no talk. Where a witness has seen an answer the call is charged for it; else the money is free again, and when
evidence comes later the call is still charged, and until then it is listed as unreconciled.`
	c.examples = []string{"admin hold release pbx1-1700000000.17"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			call, err := findCall(ctx, db, operands[0])
			if err != nil {
				return err
			}
			if call.State != models.CallOpen {
				return fmt.Errorf("call %s holds nothing: it is %s", call.CallID, call.State)
			}
			service := billing.New(billing.Options{Store: db, Policy: billing.Policy{Warn: cfg.Notices.LowBalance}})
			defer service.Close()
			held, charge, err := service.GiveUp(ctx, call.CallID, actor())
			if errors.Is(err, models.ErrNotFound) {
				return fmt.Errorf("call %s holds nothing any more", call.CallID)
			}
			if err != nil {
				return err
			}
			done := releasedJSON{call.CallID, charge.State, held, charge.Amount}
			if c.json {
				return c.out.json(done)
			}
			c.out.f("call %s: %s %s were held; it is %s and was charged %s\n", done.CallID, done.Held, call.Rate.Currency, done.State, done.Charged)
			return nil
		})
	}
}
