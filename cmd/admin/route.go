package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"talktime/internal/config"
	"talktime/models"
	"talktime/routing"
	"talktime/store"
)

const aboutRoutes = `
PREFIX is the first digits of the numbers, or all. Of several routes that fit a number the one with the longest prefix takes it,
and no other: when its carriers cannot, the call is refused. Numbers without a route go to TALKTIME_DIAL; those of users to their
own phones. A carrier loses where he asks more than is charged for a call of a second, of a minute, or of
TALKTIME_MAX_CALL_SECONDS. That can be told only of prices in the same currency: where it cannot, he is dialled.`

const (
	orderUsage = "ORDER|in which the carriers are tried: listed, or cheapest, who asks least for a minute first"
	lossUsage  = "WHAT|of a carrier who asks more than is charged: skip him, allow it, or alert: dial him, and make a notice"
	namesUsage = "LIST|names of the carriers, separated by commas, the first one first"
)

func routeAdd(c *command) action {
	c.reports()
	carriers := c.flags.String("carriers", "", namesUsage)
	order := c.flags.String("order", models.OrderListed, orderUsage)
	loss := c.flags.String("loss", models.LossSkip, lossUsage)
	c.about = aboutRoutes
	c.examples = []string{"admin route add 49 --carriers north,south --order cheapest", "admin route add all --carriers north --loss alert"}
	return func(ctx context.Context, operands []string) error {
		r := models.Route{Prefix: models.ParsePrefix(operands[0]), Order: *order, Loss: *loss, Names: namesIn(*carriers)}
		if len(r.Names) == 0 {
			return usagef("--carriers is missing")
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			made, err := db.AddRoute(ctx, r, actor())
			if err != nil {
				return aboutTariff(err)
			}
			return c.printRoutes(ctx, db, cfg, made)
		})
	}
}

func routeList(c *command) action {
	c.reports()
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			routes, err := db.Routes(ctx)
			if err != nil {
				return err
			}
			return c.printRoutes(ctx, db, cfg, routes...)
		})
	}
}

func routeChange(c *command) action {
	c.reports()
	carriers := c.flags.String("carriers", "", namesUsage)
	order := c.flags.String("order", "", orderUsage)
	loss := c.flags.String("loss", "", lossUsage)
	c.about = "\nWhat is left out stays." + aboutRoutes
	c.examples = []string{"admin route change 49 --carriers south,north"}
	return func(ctx context.Context, operands []string) error {
		change := models.RouteChange{Carriers: namesIn(*carriers)}
		if *order != "" {
			change.Order = order
		}
		if *loss != "" {
			change.Loss = loss
		}
		switch {
		case c.isGiven("carriers") && len(change.Carriers) == 0:
			return usagef("--carriers is empty: a route without carriers refuses its calls; admin route remove takes it away")
		case change.Order == nil && change.Loss == nil && change.Carriers == nil:
			return usagef("nothing is to be changed; admin route change -h shows what can be")
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			r, err := db.ChangeRoute(ctx, models.ParsePrefix(operands[0]), change, actor())
			if err != nil {
				return aboutTariff(err)
			}
			return c.printRoutes(ctx, db, cfg, r)
		})
	}
}

func routeRemove(c *command) action {
	c.about = "\nCalls to its numbers go where the next shorter prefix leads, or to TALKTIME_DIAL. Calls in progress go on."
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if err := db.RemoveRoute(ctx, models.ParsePrefix(operands[0]), actor()); err != nil {
				return aboutTariff(err)
			}
			c.out.f("route %s is removed\n", operands[0])
			return nil
		})
	}
}

// printRoutes prints routes, and warns where their loss guard cannot tell.
func (c *command) printRoutes(ctx context.Context, db *store.Store, cfg config.Config, routes ...models.Route) error {
	all, err := routing.Load(ctx, db, cfg.Calls.DialTechs)
	if err != nil {
		return err
	}
	currencies, err := db.Currencies(ctx)
	if err != nil {
		return err
	}
	shown, rows := make([]routing.ShownRoute, len(routes)), make([][]string, len(routes))
	for i, r := range routes {
		shown[i] = all.ShowRoute(r, currencies)
		rows[i] = []string{r.Shown(), strings.Join(r.Names, ", "), r.Order, r.Loss}
	}
	if c.json {
		return c.out.json(shown)
	}
	table{{"PREFIX", false}, {"CARRIERS", false}, {"ORDER", false}, {"LOSS", false}}.write(c.out, rows)
	for _, r := range shown {
		for _, warning := range r.Warnings {
			c.note("warning: %s", warning)
		}
	}
	return nil
}

func routeExplain(c *command) action {
	c.reports()
	call := c.aboutCall()
	c.about = `
It asks the same code as a call does. Carriers and routes are taken as they are now, prices as they are at that time. Whether a
carrier has a place left depends on the calls in progress, and is not looked at.`
	c.examples = []string{"admin route explain 491711 --user marta"}
	return func(ctx context.Context, operands []string) error {
		return call.explained(ctx, func(db *store.Store, cfg config.Config, user string, when time.Time) error {
			told, err := explainWay(ctx, db, cfg, user, operands[0], when)
			if err != nil {
				return unknownUser(user, aboutTariff(err))
			}
			c.emergency(cfg, operands[0])
			if c.json {
				return c.out.json(told)
			}
			table{{}, {}}.write(c.out, [][]string{
				{"user", told.User},
				{"number", told.Number},
				{"at", told.At.In(cfg.Location).Format(zonedTime)},
				{"charged", fmt.Sprintf("%s %s for a minute", told.Minute, told.Sell.Currency)},
			})
			c.out.f("\n")
			c.printWay(told)
			return nil
		})
	}
}

// explainWay tells where a call of a user goes.
func explainWay(ctx context.Context, db *store.Store, cfg config.Config, user, number string, at time.Time) (routing.Way, error) {
	return routing.Explain(ctx, db, routing.Question{
		User: user, Number: number, At: at, Longest: int64(cfg.Calls.Max / time.Second), Techs: cfg.Calls.DialTechs,
	})
}

// printWay tells which carriers are tried, and why others are not.
func (c *command) printWay(e routing.Way) {
	if e.Route == nil {
		c.out.f("no route is for this number: it goes to TALKTIME_DIAL\n")
		return
	}
	c.out.f("route %s; order: %s; a carrier who asks more than is charged: %s\n\n", models.Route{Prefix: *e.Route}.Shown(), e.Order, e.Loss)
	rows, n := make([][]string, len(e.Carriers)), 0
	for i, one := range e.Carriers {
		try, asks, loses := "-", "unknown", "unknown"
		if one.Tried {
			n++
			try = strconv.Itoa(n)
		}
		if one.Minute != nil {
			asks = one.Minute.String() + " " + one.Buy.Currency
		}
		if one.Loses != nil {
			loses = yesNo(*one.Loses)
		}
		rows[i] = []string{try, one.Carrier, orNone(one.Target), asks, loses, orNone(one.Skipped)}
	}
	table{{"TRY", true}, {"CARRIER", false}, {"DIALLED AS", false}, {"ASKS FOR A MINUTE", true}, {"LOSES", false}, {"WHY NOT", false}}.write(c.out, rows)
	if e.Refused != "" {
		c.out.f("\nthe call would be refused: %s\n", e.Refused)
	}
}
