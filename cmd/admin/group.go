package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// groupJSON is a group as --json shows it.
type groupJSON struct {
	ID      int64        `json:"id"`
	Name    string       `json:"name"`
	Value   money.Amount `json:"value"`
	Mode    string       `json:"mode"`
	Dates   []string     `json:"dates"`
	Members []string     `json:"members"` // usernames
	Account *string      `json:"account_id"`
}

func groupAdd(c *command) action {
	c.reports()
	first := c.flags.String("first", "", "DATE|the first refill's day, as 2030-01-31")
	count := c.wholeNumber("count", 12, 1, 1200, "N|monthly refills, the first included")
	value := c.flags.String("value", "", "AMOUNT|of a refill, in each member's currency; 1250 seconds when left out")
	mode := c.flags.String("mode", models.ModeTopUp, "MODE|topup raises each member's balance to the value and never lowers one; add adds it")
	users := c.flags.String("users", "", "LIST|usernames of the members, separated by commas")
	account := c.flags.String("account-id", "", "ID|what other systems call it; each once")
	c.examples = []string{"admin group add field-team --first 2030-01-31 --count 12 --value 1250 --users marta,joel"}
	return func(ctx context.Context, operands []string) error {
		g := models.NewGroup{Name: operands[0], Count: *count, Mode: *mode}
		if err := goodGroup(g.Name, g.Mode); err != nil {
			return err
		}
		var err error
		if g.Value, err = groupValue(*value); err != nil {
			return err
		}
		if g.AccountID, err = groupAccount(*account); err != nil {
			return err
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			var err error
			if g.First, err = time.Parse(time.DateOnly, *first); err != nil {
				return usagef("--first is %q, but must be a date such as 2030-01-31", *first)
			}
			now, err := db.Clock(ctx)
			if err != nil {
				return err
			}
			if *first < now.In(cfg.Location).Format(time.DateOnly) {
				return usagef("--first is %s, which is over", *first)
			}
			if g.Users, err = userIDs(ctx, db, *users); err != nil {
				return err
			}
			made, err := db.NewGroup(ctx, g, actor())
			if errors.Is(err, models.ErrConflict) {
				return takenGroup(g.Name, *account)
			}
			if err != nil {
				return aboutGroup(g.Name, err)
			}
			return c.printGroups(ctx, db, made)
		})
	}
}

func groupList(c *command) action {
	c.reports()
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			groups, err := everything(func(r models.ListRequest) (models.List[models.Group], error) { return db.ListGroups(ctx, r) })
			if err != nil {
				return err
			}
			return c.printGroups(ctx, db, groups...)
		})
	}
}

func groupRefill(c *command) action {
	c.reports()
	force := c.flags.Bool("force", false, "apply the earliest date that is left, due or not")
	c.about = "\nWithout --force only dates that are due are applied, which a running admin server does by itself."
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			g, err := db.Refill(ctx, operands[0], *force, actor())
			if err != nil {
				return aboutGroup(operands[0], err)
			}
			return c.printGroups(ctx, db, g)
		})
	}
}

func groupRemove(c *command) action {
	c.about = "\nMembers keep their credit."
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if err := db.DeleteGroup(ctx, operands[0], actor()); err != nil {
				return aboutGroup(operands[0], err)
			}
			c.out.f("group %s is removed\n", operands[0])
			return nil
		})
	}
}

func (c *command) printGroups(ctx context.Context, db *store.Store, groups ...models.Group) error {
	var ids []int64
	for _, g := range groups {
		ids = append(ids, g.Members...)
	}
	users, err := db.UsersByID(ctx, ids)
	if err != nil {
		return err
	}
	shown := make([]groupJSON, len(groups))
	rows := make([][]string, len(groups))
	for i, g := range groups {
		shown[i] = groupJSON{g.ID, g.Name, g.Value, g.Mode, []string{}, []string{}, g.AccountID}
		for _, d := range g.Dates {
			shown[i].Dates = append(shown[i].Dates, d.Date.Format(time.DateOnly))
		}
		for _, id := range g.Members {
			if u, ok := users[id]; ok {
				shown[i].Members = append(shown[i].Members, u.Username)
			}
		}
		next := "none"
		if len(shown[i].Dates) > 0 {
			next = shown[i].Dates[0]
		}
		rows[i] = []string{
			strconv.FormatInt(g.ID, 10), g.Name, g.Value.String(), g.Mode, next, strconv.Itoa(len(g.Dates)), strconv.Itoa(len(g.Members)),
		}
	}
	if c.json {
		return c.out.json(shown)
	}
	table{{"ID", true}, {"NAME", false}, {"VALUE", true}, {"MODE", false}, {"NEXT REFILL", false}, {"LEFT", true}, {"MEMBERS", true}}.write(c.out, rows)
	return nil
}
