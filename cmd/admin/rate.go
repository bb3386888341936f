package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"talktime/internal/config"
	"talktime/models"
	"talktime/routing"
	"talktime/store"
	"talktime/tariff"
)

func rateExplain(c *command) action {
	c.reports()
	call := c.aboutCall()
	seconds := c.wholeNumber("seconds", 60, 0, models.MaxIncrement, "N|how long is talked")
	c.about = "\nIt asks the same code as a call does. Past prices are told too; who has which tariff is taken as it is now."
	c.examples = []string{"admin rate explain 491711 --user marta --seconds 95"}
	return func(ctx context.Context, operands []string) error {
		return call.explained(ctx, func(db *store.Store, cfg config.Config, user string, when time.Time) error {
			told, err := tariff.Explain(ctx, db, tariff.Question{
				User: user, Number: operands[0], At: when, Seconds: int64(*seconds), Longest: int64(cfg.Calls.Max / time.Second),
			})
			if err != nil {
				return unknownUser(user, aboutTariff(err))
			}
			way, err := explainWay(ctx, db, cfg, user, operands[0], when)
			if err != nil {
				return aboutTariff(err)
			}
			emergency := c.emergency(cfg, operands[0])
			if c.json {
				return c.out.json(explainedJSON{told, emergency, way})
			}
			c.printExplained(told, cfg.Location)
			c.out.f("\n")
			c.printWay(way)
			return nil
		})
	}
}

// callQuestion is who calls and when, as flags say.
type callQuestion struct {
	c        *command
	user, at *string
}

// aboutCall gives a verb the flags --user and --at.
func (c *command) aboutCall() callQuestion {
	return callQuestion{
		c, c.flags.String("user", "", "NAME|who calls"),
		c.flags.String("at", "", "TIME|when the call begins, such as 2030-01-31 23:59 in TALKTIME_TIMEZONE; now when left out"),
	}
}

// explained does what is to be done with the database, the user and the time that the flags name.
func (q callQuestion) explained(ctx context.Context, do func(db *store.Store, cfg config.Config, user string, when time.Time) error) error {
	if *q.user == "" {
		return usagef("--user is missing")
	}
	return q.c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
		when := time.Now()
		if *q.at != "" {
			var err error
			if when, err = tariff.ParseTime(*q.at, cfg.Location); err != nil {
				return usageError{err}
			}
		}
		return do(db, cfg, *q.user, when)
	})
}

// explainedJSON is the price of a call and its way, as --json shows them.
type explainedJSON struct {
	tariff.Explanation

	Emergency bool        `json:"emergency"` // nothing of the rest holds for it
	Routing   routing.Way `json:"routing"`
}

// emergency reports whether a number is an emergency number, and says what that means: calls ask about it before all else.
func (c *command) emergency(cfg config.Config, number string) bool {
	if !slices.Contains(cfg.Calls.Emergency, number) {
		return false
	}
	c.note("%s is an emergency number: calls to it always pass, cost nothing and go to TALKTIME_EMERGENCY_DIAL; what follows would hold if it were none", number)
	return true
}

// zonedTime is for people who must know in which zone a time is.
const zonedTime = "2006-01-02 15:04:05 MST"

func (c *command) printExplained(e tariff.Explanation, zone *time.Location) {
	r := e.Rate
	rows := [][]string{
		{"user", e.User}, {"number", e.Number}, {"at", e.At.In(zone).Format(zonedTime)},
	}
	if e.Tariff == "" {
		rows = append(rows, []string{"tariff", "the built-in one: a SEC is a second"})
	} else {
		rows = append(rows, []string{"tariff", fmt.Sprintf("%s, version %d, since %s", e.Tariff, e.Version, e.Since.In(zone).Format(zonedTime))},
			[]string{"prefix", fmt.Sprintf("%s (%s)", r.Prefix, r.Name)})
	}
	rows = append(rows,
		[]string{"rate", fmt.Sprintf("%s %s a minute in steps of %d/%d s, connect fee %s, minimum %s, grace %d s", r.PerMinute, r.Currency, r.First, r.Increment, r.ConnectFee, r.Minimum, r.Grace)},
		[]string{"talk", fmt.Sprintf("%d s, billed as %d s", e.Seconds, e.Billed)})
	table{{}, {}}.write(c.out, rows)
	c.out.f("\n")
	steps := [][]string{}
	for _, s := range e.Steps {
		steps = append(steps, []string{s.Does, s.Amount.String()})
	}
	steps = append(steps, []string{"it costs", e.Cost.String() + " " + r.Currency})
	table{{"STEP", false}, {"AMOUNT", true}}.write(c.out, steps)
	c.out.f("\nwith his money he may talk for %d s now, of at most TALKTIME_MAX_CALL_SECONDS\n", e.Affords)
}
