package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"talktime/dialcode"
	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// limited says whose limits a verb is about: a user's, a group's or everybody's.
type limited struct {
	group *string
	site  *bool
}

func (c *command) limited() limited {
	c.reports()
	return limited{
		c.flags.String("group", "", "NAME|those of a group's members who have none of their own"),
		c.flags.Bool("site", false, "those of everybody who has none, and whose group has none"),
	}
}

// check refuses what names nobody, or several.
func (l limited) check(operands []string) error {
	n := len(operands)
	if *l.group != "" {
		n++
	}
	if *l.site {
		n++
	}
	if n != 1 {
		return usagef("name a USER, a --group or the --site")
	}
	return nil
}

// of are the limits that a user, a group or the site has itself.
func (l limited) of(ctx context.Context, db *store.Store, operands []string) (limits models.Limits, shared int64, err error) {
	switch {
	case *l.site:
		limits, err = db.SiteLimits(ctx)
	case *l.group != "":
		g, err := db.GroupLimits(ctx, *l.group)
		if err != nil {
			err = aboutGroup(*l.group, err)
		}
		return g.Limits, g.SharedCalls, err
	default:
		u, err := db.UserByName(ctx, operands[0])
		if err != nil {
			return limits, 0, unknownUser(operands[0], err)
		}
		found, err := db.UserLimits(ctx, u.ID)
		return found.Own, 0, err
	}
	return limits, shared, err
}

// set replaces them.
func (l limited) set(ctx context.Context, db *store.Store, cfg config.Config, operands []string, limits models.Limits, shared int64) error {
	country := dialcode.Abroad(cfg.Calls.Country)
	switch {
	case *l.site:
		return aboutTariff(db.SetSiteLimits(ctx, limits, actor()))
	case *l.group != "":
		return aboutTariff(db.SetGroupLimits(ctx, *l.group, models.GroupLimits{Limits: limits, SharedCalls: shared}, country, actor()))
	}
	u, err := db.UserByName(ctx, operands[0])
	if err != nil {
		return unknownUser(operands[0], err)
	}
	return aboutTariff(db.SetUserLimits(ctx, u.ID, limits, country, actor()))
}

const aboutLimits = `
A user has his own limits; of each that he has none of, that of the first of his groups that has any limits; and of each that
this one has none of, the site's. Blocked and allowed prefixes are one limit in this, and so are premium prefixes and their calls.
Emergency numbers pass all limits. docs/operations.md tells what each limit counts.`

func limitShow(c *command) action {
	l := c.limited()
	c.about = aboutLimits
	c.examples = []string{"admin limit show marta", "admin limit show --group resellers", "admin limit show --site --json"}
	return func(ctx context.Context, operands []string) error {
		if err := l.check(operands); err != nil {
			return err
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error { return c.printLimits(ctx, db, l, operands) })
	}
}

func limitSet(c *command) action {
	l := c.limited()
	const most = models.MaxAtOnce
	calls := c.wholeNumber("calls", 0, 0, most, "N|calls at once; 0: no limit, as everywhere")
	seconds := c.wholeNumber("seconds", 0, 0, models.MaxIncrement, "N|seconds of one call")
	hour := c.flags.String("hour", "", "AMOUNT|that calls may cost in an hour of the clock, in his currency")
	day := c.flags.String("day", "", "AMOUNT|that calls may cost in a day, in his currency")
	blocked := c.flags.String("blocked", "", `LIST|prefixes of numbers that cannot be called, separated by commas; "" takes them away, as in all lists`)
	allowed := c.flags.String("allowed", "", "LIST|prefixes of the only numbers that can be called; the longest of all prefixes that fit decides")
	quiet := c.flags.String("quiet", "", `LIST|when no call begins, such as "22:00-06:00" or "sat,sun 00:00-00:00"; separated by semicolons`)
	countries := c.flags.String("new-countries", "", "N|countries in a day to which he has never called; none: no limit")
	premium := c.flags.String("premium", "", "LIST|prefixes of premium numbers")
	premiumCalls := c.wholeNumber("premium-calls", 0, 0, most, "N|calls in a day to those; 0: none")
	shared := c.wholeNumber("shared-calls", 0, 0, most, "N|calls at once of all members of the group together")
	c.about = "\nWhat is left out stays." + aboutLimits
	c.examples = []string{
		"admin limit set marta --calls 2 --day 20", "admin limit set --group resellers --shared-calls 30 --quiet 22:00-06:00",
		"admin limit set --site --new-countries 2 --premium 900,0900 --premium-calls 3",
	}
	return func(ctx context.Context, operands []string) error {
		if err := l.check(operands); err != nil {
			return err
		}
		if c.isGiven("shared-calls") && *l.group == "" {
			return usagef("--shared-calls is for a --group")
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			limits, together, err := l.of(ctx, db, operands)
			if err != nil {
				return err
			}
			var mistake error
			some := false
			given := func(name string, set func() error) {
				if mistake == nil && c.isGiven(name) {
					some = true
					if err := set(); err != nil {
						mistake = usagef("--%s: %w", name, err)
					}
				}
			}
			number := func(name string, from *int, into *int64) {
				given(name, func() error { *into = int64(*from); return nil })
			}
			amount := func(name string, from *string, into *money.Amount) {
				given(name, func() (err error) { *into, err = money.Parse(*from); return err })
			}
			list := func(name string, from *string, into *[]string) {
				given(name, func() error { *into = namesIn(*from); return nil })
			}
			number("calls", calls, &limits.Calls)
			number("seconds", seconds, &limits.Seconds)
			amount("hour", hour, &limits.Hour)
			amount("day", day, &limits.Day)
			list("blocked", blocked, &limits.Blocked)
			list("allowed", allowed, &limits.Allowed)
			list("premium", premium, &limits.Premium)
			number("premium-calls", premiumCalls, &limits.PremiumCalls)
			number("shared-calls", shared, &together)
			given("quiet", func() (err error) { limits.Quiet, err = windows(*quiet); return err })
			given("new-countries", func() (err error) { limits.NewCountries, err = orNoLimit(*countries); return err })
			if mistake == nil && !some {
				mistake = usagef("nothing is to be changed; admin limit set -h shows what can be")
			}
			if mistake == nil {
				if err := limits.Validate(); err != nil {
					mistake = usageError{validation(err)}
				}
			}
			if mistake != nil {
				return mistake
			}
			if err := l.set(ctx, db, cfg, operands, limits, together); err != nil {
				return err
			}
			for _, text := range limits.Contradictions() {
				c.note("warning: %s", text)
			}
			return c.printLimits(ctx, db, l, operands)
		})
	}
}

// windows reads times that are separated by semicolons.
func windows(text string) ([]models.Window, error) {
	var all []models.Window
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		var w models.Window
		if err := w.UnmarshalText([]byte(part)); err != nil {
			return nil, validation(err)
		}
		all = append(all, w)
	}
	return all, nil
}

func orNoLimit(text string) (*int64, error) {
	if text == "none" || text == "" {
		return nil, nil //nolint:nilnil // no limit
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%.40q is neither a whole number nor none", text)
	}
	return &n, nil
}

func limitClear(c *command) action {
	l := c.limited()
	c.about = "\nAll of its limits are taken away, those that a group's members share too. What his group or the site has counts for a user then."
	c.examples = []string{"admin limit clear marta", "admin limit clear --site"}
	return func(ctx context.Context, operands []string) error {
		if err := l.check(operands); err != nil {
			return err
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			if _, _, err := l.of(ctx, db, operands); err != nil { // there is whom they belong to
				return err
			}
			if err := l.set(ctx, db, cfg, operands, models.Limits{}, 0); err != nil {
				return err
			}
			return c.printLimits(ctx, db, l, operands)
		})
	}
}

// printLimits shows the limits as they are now; those of a user with where each comes from.
func (c *command) printLimits(ctx context.Context, db *store.Store, l limited, operands []string) error {
	if *l.site || *l.group != "" {
		limits, _, err := l.of(ctx, db, operands)
		if err != nil {
			return err
		}
		var shown any = limits.Show()
		words := limits.Words("")
		if *l.group != "" {
			g, err := db.GroupLimits(ctx, *l.group)
			if err != nil {
				return aboutGroup(*l.group, err)
			}
			shown = g.Show()
			if g.SharedCalls > 0 {
				words = append(words, models.LimitWords{Limit: "shared_calls", Words: sharedWords(g.SharedCalls, g.Open)})
			}
		}
		return c.printLimitWords(shown, words, false)
	}
	user, err := db.UserByName(ctx, operands[0])
	if err != nil {
		return unknownUser(operands[0], err)
	}
	limits, err := db.UserLimits(ctx, user.ID)
	if err != nil {
		return unknownUser(operands[0], err)
	}
	words := limits.Words(user.Currency)
	for _, s := range limits.Shared {
		words = append(words, models.LimitWords{Limit: "shared_calls", Words: sharedWords(s.Most, s.Open), From: "group", Group: s.Group})
	}
	return c.printLimitWords(limits.Show(), words, true)
}

func sharedWords(most, open int64) string {
	return fmt.Sprintf("at most %d calls at once of all members together, of which there are %d", most, open)
}

func (c *command) printLimitWords(shown any, words []models.LimitWords, sources bool) error {
	if c.json {
		return c.out.json(shown)
	}
	if len(words) == 0 {
		c.out.f("there is no limit\n")
		return nil
	}
	head := table{{"LIMIT", false}, {"SAYS", false}}
	if sources {
		head = append(head, table{{"FROM", false}}...)
	}
	rows := make([][]string, len(words))
	for i, w := range words {
		rows[i] = []string{w.Limit, w.Words}
		if sources {
			rows[i] = append(rows[i], strings.TrimSpace(w.From+" "+w.Group))
		}
	}
	head.write(c.out, rows)
	return nil
}
