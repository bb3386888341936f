package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"talktime/internal/config"
	"talktime/models"
	"talktime/queues"
	"talktime/store"
)

// grantsJSON is what a user is granted as --json shows it.
type grantsJSON struct {
	Username string `json:"username"`
	models.Grants
}

func userGrant(c *command) action {
	c.reports()
	var named models.Grants
	c.names(&named.Queues, "queue", "QUEUE|a queue; may be repeated")
	c.names(&named.Agents, "agent", "AGENT|an agent; may be repeated")
	c.names(&named.Accounts, "account", "ID|the id or account_id of a user or group; may be repeated")
	remove := c.flags.Bool("remove", false, "take these away, in place of adding them")
	clearAll := c.flags.Bool("clear", false, "first take away all that he has")
	c.about = "\nAn administrator sees everything anyway. Without flags it shows what the user may see."
	c.examples = []string{"admin user grant marta --queue sales --queue support --account 7", "admin user grant marta --clear"}
	return func(ctx context.Context, operands []string) error {
		if *remove && (*clearAll || named.Empty()) {
			return usagef("--remove needs --queue, --agent or --account, and does not go with --clear")
		}
		if err := named.Validate(); err != nil {
			return usageError{err}
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			user, err := db.UserByName(ctx, operands[0])
			if err != nil {
				return unknownUser(operands[0], err)
			}
			grants, err := db.ChangeGrants(ctx, user.ID, func(g models.Grants) models.Grants {
				if *clearAll {
					g = models.Grants{}
				}
				if *remove {
					return g.Without(named)
				}
				return g.With(named)
			}, actor())
			if err != nil {
				return fmt.Errorf("user %s: %w", user.Username, err)
			}
			if !*remove {
				if err := c.noteUnknown(ctx, db, named); err != nil {
					return err
				}
			}
			return c.showGrants(grantsJSON{user.Username, grants})
		})
	}
}

// noteUnknown tells which queues and agents that are granted are in no queue_log so far: they may be misspelt, or come yet.
func (c *command) noteUnknown(ctx context.Context, db *store.Store, granted models.Grants) error {
	if len(granted.Queues)+len(granted.Agents) == 0 {
		return nil
	}
	names, err := db.QueueNames(ctx)
	if err != nil {
		return err
	}
	note := func(what string, agent bool, keys []string) {
		for _, key := range keys {
			if !slices.ContainsFunc(names, func(n queues.Name) bool { return n.Agent == agent && n.Key == key }) {
				c.note("the queue_log has no %s %q so far (admin queues name shows those it has)", what, key)
			}
		}
	}
	note("queue", false, granted.Queues)
	note("agent", true, granted.Agents)
	return nil
}

func (c *command) showGrants(g grantsJSON) error {
	if c.json {
		return c.out.json(g)
	}
	rows := [][]string{}
	for _, list := range []struct {
		of    string
		names []string
	}{{"queue", g.Queues}, {"agent", g.Agents}, {"account", g.Accounts}} {
		for _, name := range list.names {
			rows = append(rows, []string{g.Username, list.of, name})
		}
	}
	table{{"USERNAME", false}, {"MAY SEE", false}, {"NAME", false}}.write(c.out, rows)
	return nil
}

// names adds a flag that may be given several times.
func (c *command) names(into *[]string, name, usage string) {
	c.repeatable = append(c.repeatable, name)
	c.flags.Func(name, usage, func(text string) error {
		*into = append(*into, strings.TrimSpace(text))
		return nil
	})
}
