package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// part is which part of a list is wanted: the flags that all of them take.
type part struct {
	limit *int
	query *string
	user  string
}

const (
	usualRows = 100
	mostRows  = 100_000
)

// Queries that the helps show.
const (
	settledCalls = `{"filters":[{"name":"state","op":"eq","val":"settled"}]}`
	dueHolds     = `{"filters":[{"name":"due_at","op":"lt","val":"CURRENT_TIMESTAMP"}]}`
	topUps       = `{"filters":[{"name":"kind","op":"eq","val":"topup"}]}`
	usersMade    = `{"filters":[{"name":"action","op":"eq","val":"user.add"}]}`
)

// part adds them. example is a query that the list understands.
func (c *command) part(example string) *part {
	p := &part{}
	p.limit = c.wholeNumber("limit", usualRows, 1, mostRows, "N|how many at most; 100 when left out")
	p.query = c.flags.String("query", "", "JSON|which ones, in the search language of the API, such as '"+example+"'")
	return p
}

// ofUser adds the flag for lists of which a part belongs to one user.
func (p *part) ofUser(c *command) *part {
	c.flags.StringVar(&p.user, "user", "", "NAME|only those of this user")
	return p
}

func (p *part) request(ctx context.Context, db *store.Store, location *time.Location) (models.ListRequest, error) {
	r := models.ListRequest{Query: *p.query, Location: location, Number: 1, Size: *p.limit}
	if p.user == "" {
		return r, nil
	}
	user, err := db.UserByName(ctx, p.user)
	r.User = user.ID
	return r, unknownUser(p.user, err)
}

// listed reads the part of a list that is wanted, and says when there is more.
func listed[T any](
	ctx context.Context, c *command, db *store.Store, cfg config.Config, p *part,
	list func(context.Context, models.ListRequest) (models.List[T], error),
) ([]T, error) {
	r, err := p.request(ctx, db, cfg.Location)
	if err != nil {
		return nil, err
	}
	found, err := list(ctx, r)
	switch {
	case errors.Is(err, models.ErrNoneFound):
		return []T{}, nil
	case errors.Is(err, models.ErrInvalid):
		return nil, fmt.Errorf("--query: %w", err)
	case err != nil:
		return nil, err
	}
	if rest := found.Total - int64(len(found.Items)); rest > 0 && !found.Single {
		more := "there are %d more; --limit shows them"
		if found.AtLeast {
			more = "there are %d more or even more; --limit shows them"
		}
		c.note(more, rest)
	}
	return found.Items, nil
}

func callList(c *command) action {
	c.reports()
	p := c.part(settledCalls).ofUser(c)
	c.about = "\nThe newest stand first."
	c.examples = []string{"admin call list --user marta", `admin call list --query '{"filters":[{"name":"state","op":"eq","val":"unreconciled"}]}' --json`}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			calls, err := listed(ctx, c, db, cfg, p, db.ListCalls)
			if err != nil {
				return err
			}
			return c.printCalls(ctx, db, calls)
		})
	}
}

func holdList(c *command) action {
	c.reports()
	p := c.part(dueHolds).ofUser(c)
	c.about = "\nThe oldest stand first."
	c.examples = []string{"admin hold list", "admin hold list --user marta --json"}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			calls, err := listed(ctx, c, db, cfg, p, db.ListHolds)
			if err != nil {
				return err
			}
			return c.printCalls(ctx, db, calls)
		})
	}
}

// ledgerJSON is an entry on a user's account as --json shows it.
type ledgerJSON struct {
	ID            int64        `json:"id"`
	TransactionID int64        `json:"transaction_id"`
	UserID        int64        `json:"user_id"`
	User          string       `json:"user"` // empty: deleted
	AccountID     int64        `json:"account_id"`
	Account       string       `json:"account"` // its name
	Currency      string       `json:"currency"`
	Amount        money.Amount `json:"amount"`
	Kind          string       `json:"kind"`
	Ref           string       `json:"ref"`
	Note          string       `json:"note"` // empty: there is none
	Actor         string       `json:"actor"`
	PostedAt      time.Time    `json:"posted_at"`
}

func ledger(c *command) action {
	c.reports()
	p := c.part(topUps)
	c.about = "\nThe newest stand first. Without USERNAME it is everybody's."
	c.examples = []string{"admin ledger marta", `admin ledger --limit 1000 --json`}
	return func(ctx context.Context, operands []string) error {
		if len(operands) > 0 {
			p.user = operands[0]
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			entries, err := listed(ctx, c, db, cfg, p, db.ListLedger)
			if err != nil {
				return err
			}
			var ids []int64
			for _, e := range entries {
				ids = append(ids, e.UserID)
			}
			slices.Sort(ids)
			names, err := db.Usernames(ctx, slices.Compact(ids))
			if err != nil {
				return err
			}
			shown := make([]ledgerJSON, len(entries))
			rows := make([][]string, len(entries))
			for i, e := range entries {
				shown[i] = ledgerJSON{e.ID, e.TransactionID, e.UserID, names[e.UserID], e.AccountID, e.Account, e.Currency, e.Amount, e.Kind, e.Ref, e.Note(), e.Actor, e.PostedAt.UTC()}
				rows[i] = []string{
					e.PostedAt.UTC().Format(time.DateTime), userCell(e.UserID, names), e.Account, e.Kind, e.Amount.String(), e.Currency, cmp.Or(e.Note(), e.Ref), e.Actor,
				}
			}
			if c.json {
				return c.out.json(shown)
			}
			table{{"POSTED", false}, {"USER", false}, {"ACCOUNT", false}, {"KIND", false}, {"AMOUNT", true}, {"CURRENCY", false}, {"REF OR NOTE", false}, {"BY", false}}.write(c.out, rows)
			return nil
		})
	}
}

// logJSON is a line of the audit log as --json shows it.
type logJSON struct {
	ID     int64           `json:"id"`
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`
	Action string          `json:"action"`
	Target string          `json:"target"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

func auditLog(c *command) action {
	c.reports()
	p := c.part(usersMade)
	c.about = "\nThe newest stand first. What was moved on the books stands in the ledger too."
	c.examples = []string{"admin log", `admin log --query '{"filters":[{"name":"target","op":"eq","val":"marta"}]}'`}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			lines, err := listed(ctx, c, db, cfg, p, db.ListAudit)
			if err != nil {
				return err
			}
			shown := make([]logJSON, len(lines))
			rows := make([][]string, len(lines))
			for i, l := range lines {
				shown[i] = logJSON{l.ID, l.At.UTC(), l.Actor, l.Action, l.Target, rawJSON(l.Before), rawJSON(l.After)}
				rows[i] = []string{l.At.UTC().Format(time.DateTime), l.Actor, l.Action, l.Target, orNone(l.Before), orNone(l.After)}
			}
			if c.json {
				return c.out.json(shown)
			}
			table{{"AT", false}, {"WHO", false}, {"DID", false}, {"TO", false}, {"BEFORE", false}, {"AFTER", false}}.write(c.out, rows)
			return nil
		})
	}
}

// rawJSON is what the log keeps as JSON; null when it keeps nothing.
func rawJSON(text string) json.RawMessage {
	if !json.Valid([]byte(text)) {
		return json.RawMessage("null")
	}
	return json.RawMessage(text)
}
