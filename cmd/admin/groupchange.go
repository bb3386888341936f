package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

func groupShow(c *command) action {
	c.reports()
	c.examples = []string{"admin group show field-team"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			g, err := db.Group(ctx, operands[0])
			if err != nil {
				return aboutGroup(operands[0], err)
			}
			if err := c.printGroups(ctx, db, g); err != nil || c.json {
				return err
			}
			users, err := db.UsersByID(ctx, g.Members)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, id := range g.Members {
				if u, ok := users[id]; ok {
					rows = append(rows, userCells(u.Balance))
				}
			}
			c.out.f("\n")
			userTable().write(c.out, rows)
			deck, err := db.GroupDeck(ctx, g.Name)
			if err != nil {
				return err
			}
			c.out.f("\ntariff: %s\nrefills to come:", orNone(deck))
			for _, date := range g.Dates {
				c.out.f(" %s", date.Date.Format(time.DateOnly))
			}
			c.out.f("\n")
			return nil
		})
	}
}

func groupChange(c *command) action {
	c.reports()
	name := c.flags.String("name", "", "NAME|a new name")
	value := c.flags.String("value", "", "AMOUNT|of a refill, in each member's currency")
	mode := c.flags.String("mode", "", "MODE|topup or add")
	add := c.flags.String("add", "", "LIST|usernames of new members, separated by commas")
	remove := c.flags.String("remove", "", "LIST|usernames of those who are no longer members; they keep their credit")
	account := c.flags.String("account-id", "", "ID|what other systems call it; empty: nothing")
	c.about = "\nThe dates of a group stay what they are. For others, remove it and add it anew."
	c.examples = []string{"admin group change field-team --value 600 --add marta --remove joel"}
	return func(ctx context.Context, operands []string) error {
		var change models.GroupChange
		if *name != "" {
			change.Name = name
		}
		if *mode != "" {
			change.Mode = mode
		}
		if err := goodGroup(orElse(*name, operands[0]), orElse(*mode, models.ModeTopUp)); err != nil {
			return err
		}
		var err error
		if change.Value, err = groupValue(*value); err != nil {
			return err
		}
		if c.isGiven("account-id") {
			id, err := groupAccount(*account)
			if err != nil {
				return err
			}
			change.AccountID = &id
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if change.Members.Add, err = userIDs(ctx, db, *add); err != nil {
				return err
			}
			if change.Members.Remove, err = userIDs(ctx, db, *remove); err != nil {
				return err
			}
			if change.Name == nil && change.Mode == nil && change.Value == nil && change.AccountID == nil && change.Members.Empty() {
				return usagef("nothing is to be changed; admin group change -h shows what can be")
			}
			g, err := db.ChangeGroup(ctx, operands[0], change, actor())
			switch {
			case errors.Is(err, models.ErrConflict):
				return takenGroup(*name, *account)
			case err != nil:
				return aboutGroup(operands[0], err)
			}
			return c.printGroups(ctx, db, g)
		})
	}
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// goodGroup says what is wrong with the name or mode of a group.
func goodGroup(name, mode string) error {
	switch {
	case !goodName(name) || strings.Contains(name, "/") || models.Dots(name):
		return usagef("the name must be 1 to 64 printable characters without a slash, and without blanks at the ends, and be neither . nor ..")
	case mode != models.ModeTopUp && mode != models.ModeAdd:
		return usagef("--mode is %q, but must be topup or add", mode)
	}
	return nil
}

// groupValue is nil where none is given.
func groupValue(text string) (*money.Amount, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no value is no mistake
	}
	amount, err := money.Parse(text)
	if err != nil || amount <= 0 {
		return nil, usagef("--value is %q, but must be a positive amount", text)
	}
	return &amount, nil
}

// takenGroup says what belongs to another group already.
func takenGroup(name, account string) error {
	switch {
	case account == "":
		return fmt.Errorf("there is a group %q already", name)
	case name == "":
		return fmt.Errorf("there is one with the account id %q already", account)
	}
	return fmt.Errorf("there is a group %q, or one with the account id %q, already", name, account)
}

// groupAccount is nil where it is empty.
func groupAccount(text string) (*string, error) {
	switch {
	case text == "":
		return nil, nil //nolint:nilnil // none is no mistake
	case !goodName(text):
		return nil, usagef("--account-id must be 1 to 64 printable characters, without blanks at the ends")
	}
	return &text, nil
}

// userIDs are the ids of users whose names are in a list with commas.
func userIDs(ctx context.Context, db *store.Store, list string) (ids []int64, err error) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		u, err := db.UserByName(ctx, name)
		if err != nil {
			return nil, unknownUser(name, err)
		}
		ids = append(ids, u.ID)
	}
	return ids, nil
}

// aboutGroup says which group an error is about.
func aboutGroup(name string, err error) error {
	if errors.Is(err, models.ErrNotFound) {
		return fmt.Errorf("there is no group %q", name)
	}
	return fmt.Errorf("group %s: %w", name, err)
}
