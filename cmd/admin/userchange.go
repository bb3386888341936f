package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// userDetailJSON is a user with all that is known of him.
type userDetailJSON struct {
	userJSON
	Name      string        `json:"name"`
	Level     int           `json:"level"`
	AccountID *string       `json:"account_id"`
	Address   string        `json:"address"`
	CPF       string        `json:"cpf"`
	Tariff    *string       `json:"tariff"` // his own; null: none
	Groups    []string      `json:"groups"`
	Grants    models.Grants `json:"grants"`
}

func userShow(c *command) action {
	c.reports()
	c.examples = []string{"admin user show marta", "admin user show marta --json | jq .available"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			return c.showUserDetail(ctx, db, operands[0])
		})
	}
}

func (c *command) showUserDetail(ctx context.Context, db *store.Store, username string) error {
	u, err := db.UserDetail(ctx, username)
	if err != nil {
		return unknownUser(username, err)
	}
	shown := userDetailJSON{
		userJSON: showUser(u.Balance), Name: u.Name, Level: u.Level, AccountID: u.AccountID, Address: u.Address, CPF: u.CPF, Groups: []string{},
	}
	groups, err := db.GroupsOf(ctx, []int64{u.ID})
	if err != nil {
		return err
	}
	for _, g := range groups[u.ID] {
		shown.Groups = append(shown.Groups, g.Name)
	}
	if shown.Grants, err = db.UserGrants(ctx, u.ID); err != nil {
		return err
	}
	own, err := db.UserDeck(ctx, u.ID)
	if err != nil {
		return err
	}
	shown.Tariff = orNil(own)
	if c.json {
		return c.out.json(shown)
	}
	cells := userCells(u.Balance)
	rows := [][]string{}
	for i, column := range userTable() {
		rows = append(rows, []string{strings.ToLower(column.title), cells[i]})
	}
	rows = append(rows, [][]string{
		{"promotional", orNone(promotionWords(u.Promotions))},
		{"credit limit", u.Credit.String()},
		{"low balance", orNone(lowBalance(u.LowBalance))},
		{"blocked", yesNo(u.Blocked)},
		{"name", orNone(shown.Name)},
		{"level", strconv.Itoa(shown.Level)},
		{"account id", orDash(shown.AccountID)},
		{"address", orNone(shown.Address)},
		{"cpf", orNone(shown.CPF)},
		{"tariff", orNone(own)},
		{"groups", orNone(strings.Join(shown.Groups, ", "))},
		{"queues", orNone(strings.Join(shown.Grants.Queues, ", "))},
		{"agents", orNone(strings.Join(shown.Grants.Agents, ", "))},
		{"accounts", orNone(strings.Join(shown.Grants.Accounts, ", "))},
	}...)
	table{{}, {}}.write(c.out, rows)
	return nil
}

// promotionWords are what of a balance expires, and when.
func promotionWords(promotions []models.Promotion) string {
	words := make([]string, len(promotions))
	for i, p := range promotions {
		words[i] = fmt.Sprintf("%s until %s", p.Balance, p.Expires.UTC().Format(time.RFC3339))
	}
	return strings.Join(words, ", ")
}

func lowBalance(a *money.Amount) string {
	if a == nil {
		return ""
	}
	return a.String()
}

func orNone(text string) string { return orElse(text, "-") }

func userChange(c *command) action {
	c.reports()
	username := c.flags.String("username", "", "NAME|a new name to log in with")
	clid := c.flags.String("clid", "", "NUMBER|his phone number; empty: none")
	imsi := c.flags.String("imsi", "", "DIGITS|the identity of his SIM card; empty: none")
	admin := c.flags.Bool("admin", false, "he may administer; --admin=false: no longer")
	blocked := c.flags.Bool("blocked", false, "he can make no new calls; --blocked=false: he can again")
	var credit money.Amount
	c.amount(&credit, "credit-limit", "AMOUNT|how far below zero he may go: what he may talk for before he pays")
	currency := c.flags.String("currency", "", "CODE|of his money, such as EUR; his balance must be 0, with all promotional credit, and no call in progress")
	low := c.flags.String("low-balance", "", "AMOUNT|a notice is made when his balance falls below it; empty: as TALKTIME_LOW_BALANCE says")
	name := c.flags.String("name", "", "TEXT|what he is called")
	level := c.wholeNumber("level", models.LevelUser, models.LevelAdmin, models.LevelCollaborator, "N|0 administrator, 1 user, 2 collaborator")
	account := c.flags.String("account-id", "", "ID|what other systems call him; empty: nothing")
	address := c.flags.String("address", "", "TEXT|where he lives")
	cpf := c.flags.String("cpf", "", "TEXT|his number at the tax office")
	c.about = `
What is left out stays. A password is changed by admin user passwd, a group's members by admin group change.
Whoever is blocked can still log in. His calls in progress are ended if they are held in
slices, else they go on to their limit. Money can be added and taken.`
	c.examples = []string{"admin user change marta --clid 555000299 --account-id 7-up", "admin user change marta --imsi ''", "admin user change marta --blocked", "admin user change shop --credit-limit 3600"}
	return func(ctx context.Context, operands []string) error {
		var change models.UserChange
		for flag, field := range map[string]func(){
			"username": func() { change.Username = username },
			"clid":     func() { change.CLID = orNull(clid) },
			"imsi":     func() { change.IMSI = orNull(imsi) },
			"admin":    func() { change.Admin = admin },
			"blocked":  func() { change.Blocked = blocked },

			"credit-limit": func() { change.CreditLimit = &credit },
			"currency":     func() { change.Currency = currency },
			"name":         func() { change.Name = name },
			"level":        func() { change.Level = level },
			"account-id":   func() { change.AccountID = orNull(account) },
			"address":      func() { change.Address = address },
			"cpf":          func() { change.CPF = cpf },
		} {
			if c.isGiven(flag) {
				field()
			}
		}
		if c.isGiven("low-balance") {
			var amount *money.Amount
			if *low != "" {
				below, err := money.Parse(*low)
				if err != nil {
					return usagef("--low-balance is %q, but must be an amount such as 60 or 12.50, or empty", *low)
				}
				amount = &below
			}
			change.LowBalance = &amount
		}
		if change.Empty() {
			return usagef("nothing is to be changed; admin user change -h shows what can be")
		}
		if err := change.Validate(); err != nil {
			return usageError{validation(err)}
		}
		if change.Level != nil {
			is := *change.Level == models.LevelAdmin
			if change.Admin != nil && *change.Admin != is {
				return usagef("--admin and --level disagree: level 0 is an administrator")
			}
			change.Admin = &is
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if err := changeUser(ctx, db, operands[0], change); err != nil {
				return err
			}
			return c.showUserDetail(ctx, db, orElse(*username, operands[0]))
		})
	}
}

// orNull is nil for what is empty.
func orNull(text *string) **string {
	if *text == "" {
		text = nil
	}
	return &text
}

func changeUser(ctx context.Context, db *store.Store, username string, change models.UserChange) error {
	user, err := db.UserByName(ctx, username)
	if err != nil {
		return unknownUser(username, err)
	}
	_, err = db.ChangeUsers(ctx, []int64{user.ID}, change, actor())
	var refusal *billing.Refusal
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.Is(err, models.ErrLastAdmin):
		return fmt.Errorf("%s is the last administrator", username)
	case errors.Is(err, models.ErrConflict):
		return errors.New("the username, clid, imsi or account id belongs to another user already")
	}
	return err
}

func userRemove(c *command) action {
	c.about = `
His balance goes to the house account "closed", his name, clid and imsi become free, and his calls and the ledger stay.
While a call of his is in progress he cannot be removed.`
	c.examples = []string{"admin user remove marta"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			user, err := db.UserByName(ctx, operands[0])
			if err != nil {
				return unknownUser(operands[0], err)
			}
			had, err := db.DeleteUser(ctx, user.ID, actor())
			var refusal *billing.Refusal
			switch {
			case errors.Is(err, models.ErrLastAdmin):
				return fmt.Errorf("%s is the last administrator", user.Username)
			case errors.As(err, &refusal):
				return fmt.Errorf("%s: %w", user.Username, err)
			case err != nil:
				return err
			}
			c.out.f("user %s is removed; the house account \"closed\" has his balance of %s %s\n", user.Username, had, user.Currency)
			return nil
		})
	}
}
