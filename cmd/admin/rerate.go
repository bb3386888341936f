package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"talktime/internal/config"
	"talktime/models"
	"talktime/store"
)

// aboutRerates is what the help of all verbs about re-ratings says.
const aboutRerates = `
A re-rating makes settled calls cost what a version of a tariff would have made them cost when they were authorised. The calls
stay as they are; the difference is posted beside their charge: what was too much goes back to the customer, what was too
little is taken from what he has, and the rest is a shortfall. TIME is in the tariff's zone, such as 2030-01-31 00:00.`

// rerateFlags are the flags that name the calls of a re-rating, and what they are to cost.
func rerateFlags(c *command) func(context.Context, *store.Store) (models.RerateFilter, error) {
	var f models.RerateFilter
	from := c.flags.String("from", "", "TIME|calls authorised from then on")
	to := c.flags.String("to", "", "TIME|and before then")
	c.flags.StringVar(&f.User, "user", "", "NAME|only those that this user pays")
	c.flags.StringVar(&f.Group, "group", "", "NAME|only those that members of this group pay")
	c.flags.StringVar(&f.Prefix, "prefix", "", "PREFIX|only those to numbers that begin so")
	c.flags.StringVar(&f.Tariff, "tariff", "", "NAME|the tariff that prices them")
	version := c.wholeNumber("version", 0, 0, 1_000_000_000, "N|its version; 0: the one that counts for the time of each call")
	return func(ctx context.Context, db *store.Store) (models.RerateFilter, error) {
		f.Version = *version
		if *from == "" || *to == "" || f.Tariff == "" {
			return f, usagef("--tariff, --from and --to are needed")
		}
		var err error
		if f.From, err = deckTime(ctx, db, f.Tariff, *from); err != nil {
			return f, err
		}
		if f.To, err = deckTime(ctx, db, f.Tariff, *to); err != nil {
			return f, err
		}
		if err := f.Validate(); err != nil {
			return f, usageError{aboutTariff(err)}
		}
		return f, nil
	}
}

func reratePreview(c *command) action {
	c.reports()
	filter := rerateFlags(c)
	calls := c.flags.Bool("calls", false, "list each call too")
	c.about = aboutRerates + "\nNothing is changed. The digest that is printed stands for what was shown: admin rerate post asks for it."
	c.examples = []string{"admin rerate preview --tariff retail --version 7 --from '2030-01-01 00:00' --to '2030-02-01 00:00'"}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			f, err := filter(ctx, db)
			if err != nil {
				return err
			}
			told, n := c.progress(), 0
			list := c.stream("calls", *calls, "CALL\tUSER\tNUMBER\tAUTHORISED\tSECONDS\tCHARGED\tCOST\tDIFFERENCE\tLEFT")
			preview, err := db.PreviewRerate(ctx, f, func(r models.RepricedCall) error {
				n++
				told.show("%d calls", n)
				return list.add(r, "%s\t%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s", r.CallID, r.UserID, r.Number, r.Authorized.Format(time.DateTime), r.Seconds, r.Charged, r.Cost, r.Difference, r.Left)
			})
			told.clear()
			if err != nil {
				return aboutTariff(err)
			}
			if err := list.end(preview); err != nil || c.json {
				return err
			}
			c.printPreview(preview)
			return nil
		})
	}
}

func (c *command) printPreview(p models.ReratePreview) {
	rows := [][]string{}
	for _, u := range append(p.Users, p.Total) {
		name := u.User
		switch {
		case u.UserID == 0:
			name = "all"
		case name == "":
			name = fmt.Sprintf("deleted (%d)", u.UserID)
		}
		rows = append(rows, []string{name, strconv.FormatInt(u.Calls, 10), strconv.FormatInt(u.Left, 10), u.Charged.String(), u.Cost.String(), u.Difference.String(), p.Currency})
	}
	table{
		{"USER", false}, {"CALLS", true}, {"LEFT", true}, {"CHARGED", true}, {"COST", true}, {"DIFFERENCE", true}, {"CURRENCY", false},
	}.write(c.out, rows)
	c.out.f("\nnothing was changed; to post this: --expect %s\n", p.Digest)
}

func reratePost(c *command) action {
	c.reports()
	filter := rerateFlags(c)
	expect := c.flags.String("expect", "", "DIGEST|what admin rerate preview printed for the same flags")
	c.about = aboutRerates + `
It is refused when the outcome would not be what was previewed any more. Under the same NAME each call is adjusted once, however
often it is posted; one that was broken off is finished so.`
	c.examples = []string{"admin rerate post january --tariff retail --version 7 --from '2030-01-01 00:00' --to '2030-02-01 00:00' --expect 5e0f…"}
	return func(ctx context.Context, operands []string) error {
		if *expect == "" {
			return usagef("--expect is missing: admin rerate preview prints it")
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			f, err := filter(ctx, db)
			if err != nil {
				return err
			}
			told := c.progress()
			run, err := db.PostRerate(ctx, operands[0], f, *expect, actor(), func(r models.Rerate) { told.show("%d calls, %d adjusted", r.Calls, r.Adjusted) })
			told.clear()
			if err != nil {
				return aboutTariff(err)
			}
			if c.json {
				return c.out.json(run)
			}
			c.printRerates(run)
			return nil
		})
	}
}

func rerateList(c *command) action {
	c.reports()
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			all, err := db.Rerates(ctx)
			if err != nil {
				return err
			}
			if c.json {
				return c.out.json(all)
			}
			c.printRerates(all...)
			return nil
		})
	}
}

func (c *command) printRerates(all ...models.Rerate) {
	rows := make([][]string, len(all))
	for i, r := range all {
		done := "no: post it again to finish it"
		if r.DoneAt != nil {
			done = r.DoneAt.UTC().Format(time.DateTime)
		}
		version := "any"
		if r.Filter.Version != 0 {
			version = strconv.Itoa(r.Filter.Version)
		}
		rows[i] = []string{
			r.Name, r.Filter.Tariff, version, r.Filter.From.UTC().Format(time.DateTime), r.Filter.To.UTC().Format(time.DateTime), done, r.Actor,
			strconv.FormatInt(r.Calls, 10), strconv.FormatInt(r.Adjusted, 10), strconv.FormatInt(r.Left, 10), r.Credited.String(), r.Charged.String(), r.Uncovered.String(), r.Currency,
		}
	}
	table{
		{"NAME", false},
		{"TARIFF", false},
		{"VERSION", false},
		{"FROM (UTC)", false},
		{"TO (UTC)", false},
		{"DONE (UTC)", false},
		{"BY", false},
		{"CALLS", true},
		{"ADJUSTED", true},
		{"LEFT", true},
		{"CREDITED", true},
		{"CHARGED", true},
		{"UNCOVERED", true},
		{"CURRENCY", false},
	}.write(c.out, rows)
}

func rerateShow(c *command) action {
	c.reports()
	c.about = "\nIt lists each call that was adjusted, or left for a reason."
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			run, err := db.Rerate(ctx, operands[0])
			if errors.Is(err, models.ErrNotFound) {
				return fmt.Errorf("there is no re-rating %q", operands[0])
			}
			if err != nil {
				return err
			}
			if !c.json {
				c.printRerates(run)
				c.out.f("\n")
			}
			list := c.stream("adjustments", true, "CALL\tUSER\tBEFORE\tAFTER\tDIFFERENCE\tUNCOVERED\tLEFT")
			if err := db.EachAdjustment(ctx, run.ID, func(a models.Adjustment) error {
				return list.add(a, "%s\t%d\t%s\t%s\t%s\t%s\t%s", a.CallID, a.UserID, a.Before, a.After, a.Difference, a.Uncovered, a.Left)
			}); err != nil {
				return err
			}
			return list.end(run)
		})
	}
}

// rowStream prints rows as they come, for lists that may be too long for a table: with tabs, or as a list in the JSON of what
// they belong to.
type rowStream struct {
	c    *command
	name string // of the list in JSON
	on   bool
	head string // the columns
	rows int
}

func (c *command) stream(name string, on bool, head string) *rowStream {
	return &rowStream{c: c, name: name, on: on, head: head}
}

// add prints a row: as it is in JSON, or else by a format.
func (s *rowStream) add(row any, format string, args ...any) error {
	if !s.on {
		return nil
	}
	s.rows++
	if !s.c.json {
		if s.rows == 1 {
			s.c.out.f("%s\n", s.head)
		}
		s.c.out.f("%s\n", fmt.Sprintf(format, args...))
		return nil
	}
	text, err := json.Marshal(row)
	if err == nil {
		before := ","
		if s.rows == 1 {
			before = fmt.Sprintf("{%q: [", s.name)
		}
		s.c.out.f("%s\n%s", before, text)
	}
	return err
}

// end prints in JSON what the rows belong to, which must be a struct.
func (s *rowStream) end(whole any) error {
	switch {
	case !s.c.json:
		if s.rows > 0 {
			s.c.out.f("\n")
		}
		return nil
	case !s.on:
		return s.c.out.json(whole)
	}
	text, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	if s.rows == 0 {
		s.c.out.f("{%q: [", s.name)
	}
	s.c.out.f("\n], %s\n", text[1:])
	return nil
}
