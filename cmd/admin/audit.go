package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// maxListed bounds a list of calls, all of which are in memory at once.
const maxListed = 1_000_000

func audit(c *command) action {
	c.reports()
	list := c.flags.String("list", "", "WHICH|list calls instead: unreconciled, disputed, shortfall, unauthorised or open")
	c.about = `
Balances are compared with the ledger's entries, held money with the open calls, each charge with the rate and seconds
of its call. Any difference ends with exit code 1. It may run beside live traffic.`
	c.examples = []string{"admin audit", "admin audit --list unreconciled --json"}
	return func(ctx context.Context, _ []string) error {
		if *list == "unauthorized" { // as the JSON has it
			*list = "unauthorised"
		}
		switch *list {
		case "unreconciled", "disputed", "shortfall", "unauthorised", "open":
			return c.withStore(ctx, func(db *store.Store, _ config.Config) error { return c.listCalls(ctx, db, *list) })
		case "":
			return c.withStore(ctx, func(db *store.Store, _ config.Config) error { return c.audit(ctx, db) })
		}
		return usagef("--list is %q, but must be unreconciled, disputed, shortfall, unauthorised or open", *list)
	}
}

func (c *command) audit(ctx context.Context, db *store.Store) error {
	report, err := db.Audit(ctx)
	if err != nil {
		return err
	}
	counts, err := db.CountCalls(ctx)
	if err != nil {
		return err
	}
	if c.json {
		if err := c.out.json(auditJSON{report, counts.Unauthorised}); err != nil {
			return err
		}
	} else {
		c.printAudit(report, []string{"unauthorised calls", strconv.FormatInt(counts.Unauthorised, 10)})
	}
	return auditError(report)
}

// auditJSON is the report of audit as --json shows it.
type auditJSON struct {
	billing.AuditReport
	Unauthorised int64 `json:"unauthorized"`
}

func auditError(report billing.AuditReport) error {
	switch n := len(report.Differences); n {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("the books do not hold: 1 difference")
	default:
		return fmt.Errorf("the books do not hold: %d differences or more", n)
	}
}

// printAudit shows a report, and more counts before that of the differences.
func (c *command) printAudit(r billing.AuditReport, more ...[]string) {
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	rows := [][]string{
		{"accounts", count(r.Accounts)},
		{"transactions", count(r.Transactions)},
		{"entries", count(r.Entries)},
		{"calls", count(r.Calls)},
		{"open calls", count(r.OpenHolds)},
		{"held by them", r.Held.String()},
		{"calls with a shortfall", count(r.Shortfalls)},
		{"disputed calls", count(r.Disputed)},
		{"unreconciled calls", count(r.Unreconciled)},
	}
	rows = append(append(rows, more...), []string{"differences", strconv.Itoa(len(r.Differences))})
	table{{}, {right: true}}.write(c.out, rows)
	for _, difference := range r.Differences {
		c.out.f("%s\n", printable(difference))
	}
}

// callJSON is a call as --json shows it.
type callJSON struct {
	ID           int64            `json:"id"`
	CallID       string           `json:"call_id"`
	UserID       int64            `json:"user_id"`
	User         string           `json:"user"` // empty: nobody we know, or deleted
	CallerID     string           `json:"caller_id"`
	Number       string           `json:"number"`
	State        models.CallState `json:"state"`
	Authorized   time.Time        `json:"authorized_at"`
	Due          time.Time        `json:"due_at"`
	Ended        *time.Time       `json:"ended_at"`
	Limit        int64            `json:"limit_seconds"`
	Slice        int64            `json:"slice_seconds"`
	Seconds      int64            `json:"seconds"`
	Disputed     int64            `json:"disputed_seconds"`
	Cut          string           `json:"cut"` // why we ended it while it went on; empty: we did not
	Currency     string           `json:"currency"`
	Held         money.Amount     `json:"held"`
	Charge       money.Amount     `json:"charge"`
	Shortfall    money.Amount     `json:"shortfall"`
	Status       string           `json:"status"`
	SettledBy    string           `json:"settled_by"`
	Unauthorized bool             `json:"unauthorized"`
	Carriers     []string         `json:"carriers"` // to whom it was to be given, in order
	BuyCost      money.Amount     `json:"buy_cost"`
	BuyCurrency  string           `json:"buy_currency"`
}

func showCall(call models.Call, names map[int64]string) callJSON {
	carrier, _ := call.Routing.Carrier()
	return callJSON{
		ID: call.ID, CallID: call.CallID, UserID: call.UserID, User: names[call.UserID], CallerID: call.CallerID, Number: call.Number, State: call.State,
		Authorized: call.Authorized.UTC(), Due: call.Due.UTC(), Ended: call.Ended, Limit: call.Limit, Slice: call.Slice, Seconds: call.Seconds,
		Disputed: call.Disputed, Cut: call.Cut, Currency: call.Rate.Currency, Held: call.Held(), Charge: call.Charge, Shortfall: call.Shortfall,
		Status: call.Status, SettledBy: call.SettledBy, Unauthorized: call.Unauthorized,
		Carriers: billing.CarrierNames(call), BuyCost: call.BuyCost, BuyCurrency: carrier.Buy.Currency,
	}
}

func (c *command) listCalls(ctx context.Context, db *store.Store, list string) error {
	calls, err := db.ListedCalls(ctx, list, maxListed)
	if err != nil {
		return err
	}
	if len(calls) == maxListed {
		c.note("only the newest %d are listed", maxListed)
	}
	return c.printCalls(ctx, db, calls)
}

// printCalls shows calls as a table or as JSON.
func (c *command) printCalls(ctx context.Context, db *store.Store, calls []models.Call) error {
	names, err := callNames(ctx, db, calls)
	if err != nil {
		return err
	}
	if !c.json {
		c.printCallTable(calls, names)
		return nil
	}
	all := make([]callJSON, len(calls))
	for i, call := range calls {
		all[i] = showCall(call, names)
	}
	return c.out.json(all)
}

// callNames are the names of the users who pay for calls.
func callNames(ctx context.Context, db *store.Store, calls []models.Call) (map[int64]string, error) {
	var ids []int64
	for _, call := range calls {
		ids = append(ids, call.UserID)
	}
	slices.Sort(ids)
	return db.Usernames(ctx, slices.Compact(ids))
}

// userCell is a user's name in a table; of one who was deleted there is the number only.
func userCell(id int64, names map[int64]string) string {
	switch name := names[id]; {
	case name != "":
		return name
	case id == 0:
		return "-"
	}
	return fmt.Sprintf("deleted (%d)", id)
}

func (c *command) printCallTable(calls []models.Call, names map[int64]string) {
	rows := make([][]string, len(calls))
	for i, call := range calls {
		rows[i] = callCells(call, names)
	}
	table{
		{"CALL", false},
		{"USER", false},
		{"CALLER", false},
		{"NUMBER", false},
		{"STATE", false},
		{"AUTHORISED (UTC)", false},
		{"DUE (UTC)", false},
		{"LIMIT", true},
		{"SECONDS", true},
		{"DISPUTED", true},
		{"CURRENCY", false},
		{"HELD", true},
		{"CHARGE", true},
		{"SHORTFALL", true},
		{"BY", false},
	}.write(c.out, rows)
}

func callCells(call models.Call, names map[int64]string) []string {
	by := call.SettledBy
	if call.Unauthorized {
		by = strings.TrimSpace(by + " unauthorised")
	}
	seconds := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		call.CallID, userCell(call.UserID, names), call.CallerID, call.Number, string(call.State),
		call.Authorized.UTC().Format(time.DateTime), call.Due.UTC().Format(time.DateTime), seconds(call.Limit), seconds(call.Seconds),
		seconds(call.Disputed), call.Rate.Currency, call.Held().String(), call.Charge.String(), call.Shortfall.String(), by,
	}
}
