package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"talktime/internal/config"
	"talktime/models"
	"talktime/store"
	"talktime/tariff"
)

// tariffJSON is a tariff as --json shows it, and versionJSON one of its versions.
type tariffJSON struct {
	Name     string `json:"name"`
	Currency string `json:"currency"`
	Zone     string `json:"zone"`
	Default  bool   `json:"default"`
	Version  *int   `json:"version"` // that counts now; null: none
	Rates    int64  `json:"rates"`   // of that
}

type versionJSON struct {
	Version   int        `json:"version"`
	Rates     int64      `json:"rates"`
	Note      string     `json:"note"`
	CreatedAt time.Time  `json:"created_at"`
	Actor     string     `json:"actor"`
	From      *time.Time `json:"from"`   // since when it counts, or from when on it will; null: it was not activated
	Counts    bool       `json:"counts"` // now
}

func showVersions(versions []models.DeckVersion) []versionJSON {
	shown := make([]versionJSON, len(versions))
	for i, v := range versions {
		shown[i] = versionJSON{v.Number, v.Rates, v.Note, v.CreatedAt.UTC(), v.Actor, nil, v.Counts}
		if v.From != nil {
			at := v.From.UTC()
			shown[i].From = &at
		}
	}
	return shown
}

// printVersions prints the versions of a tariff, in its own zone.
func (c *command) printVersions(ctx context.Context, db *store.Store, name string) error {
	versions, err := db.DeckVersions(ctx, name)
	if err != nil {
		return aboutTariff(err)
	}
	if c.json {
		return c.out.json(showVersions(versions))
	}
	deck, err := db.Deck(ctx, name)
	if err != nil {
		return aboutTariff(err)
	}
	zone, err := time.LoadLocation(deck.Zone)
	if err != nil {
		return err
	}
	is := ""
	if deck.Default {
		is = ", the default"
	}
	c.out.f("%s: in %s%s; times in %s\n\n", deck.Name, deck.Currency, is, deck.Zone)
	rows := make([][]string, len(versions))
	for i, v := range versions {
		from := "-"
		if v.From != nil {
			from = v.From.In(zone).Format(time.DateTime)
		}
		rows[i] = []string{strconv.Itoa(v.Number), strconv.FormatInt(v.Rates, 10), from, yesNo(v.Counts), v.CreatedAt.In(zone).Format(time.DateTime), v.Actor, v.Note}
	}
	table{
		{"VERSION", true}, {"RATES", true}, {"FROM", false}, {"COUNTS", false}, {"MADE", false}, {"BY", false}, {"NOTE", false},
	}.write(c.out, rows)
	return nil
}

// aboutTariff is what to tell of an error about a tariff.
func aboutTariff(err error) error {
	for _, kind := range []error{models.ErrInvalid, models.ErrConflict} { // the sentence says it
		if text, found := strings.CutPrefix(fmt.Sprint(err), kind.Error()+": "); found {
			return errors.New(text)
		}
	}
	return err
}

func tariffAdd(c *command) action {
	c.reports()
	c.makes = true
	var d models.RateDeck
	c.flags.StringVar(&d.Currency, "currency", "", "CODE|of its prices and of those who pay them, such as EUR; SEC is for seconds of talk time")
	c.flags.StringVar(&d.Zone, "zone", "", "ZONE|of its days and hours, such as Europe/Berlin; TALKTIME_TIMEZONE when left out")
	c.flags.BoolVar(&d.Default, "default", false, "it is for everybody with money in this currency to whom no other is assigned")
	c.about = `
A tariff is a list of prices by the first digits of the number. It has none before a version is imported and activated.
Without any tariff a second of talk costs a SEC, whatever the number.`
	c.examples = []string{"admin tariff add retail --currency EUR --zone Europe/Berlin --default"}
	return func(ctx context.Context, operands []string) error {
		d.Name = operands[0]
		if d.Currency == "" {
			return usagef("--currency is missing")
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			if d.Zone == "" {
				if d.Zone = cfg.Location.String(); d.Zone == "Local" {
					return usagef("--zone is missing: name the zone of its days and hours, such as UTC or Europe/Berlin")
				}
			}
			if err := d.Validate(); err != nil {
				return usageError{validation(err)}
			}
			if _, err := db.AddDeck(ctx, d, actor()); err != nil {
				return aboutTariff(err)
			}
			return c.printTariffs(ctx, db, d.Name)
		})
	}
}

func tariffList(c *command) action {
	c.reports()
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error { return c.printTariffs(ctx, db, "") })
	}
}

// printTariffs prints all tariffs, or the one with a name.
func (c *command) printTariffs(ctx context.Context, db *store.Store, name string) error {
	decks, err := db.Decks(ctx)
	if err != nil {
		return err
	}
	shown, rows := []tariffJSON{}, [][]string{}
	for _, d := range decks {
		if name != "" && d.Name != name {
			continue
		}
		one := tariffJSON{Name: d.Name, Currency: d.Currency, Zone: d.Zone, Default: d.Default}
		versions, err := db.DeckVersions(ctx, d.Name)
		if err != nil {
			return err
		}
		version := "-"
		for _, v := range versions {
			if v.Counts {
				one.Version, one.Rates, version = &v.Number, v.Rates, strconv.Itoa(v.Number)
			}
		}
		shown = append(shown, one)
		rows = append(rows, []string{d.Name, d.Currency, d.Zone, yesNo(d.Default), version, strconv.FormatInt(one.Rates, 10)})
	}
	if c.json {
		return c.out.json(shown)
	}
	table{{"NAME", false}, {"CURRENCY", false}, {"ZONE", false}, {"DEFAULT", false}, {"VERSION", true}, {"RATES", true}}.write(c.out, rows)
	return nil
}

func tariffShow(c *command) action {
	c.reports()
	c.examples = []string{"admin tariff show retail"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			return c.printVersions(ctx, db, operands[0])
		})
	}
}

func tariffDefault(c *command) action {
	c.reports()
	off := c.flags.Bool("off", false, "it is the default no more")
	c.examples = []string{"admin tariff default retail"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if err := db.SetDefaultDeck(ctx, operands[0], !*off, actor()); err != nil {
				return aboutTariff(err)
			}
			return c.printTariffs(ctx, db, operands[0])
		})
	}
}

func tariffRemove(c *command) action {
	c.about = "\nCalls keep the rates that they were made at. A tariff that somebody has, or that is the default, cannot be removed."
	c.examples = []string{"admin tariff remove carrier"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if err := db.RemoveDeck(ctx, operands[0], actor()); err != nil {
				return aboutTariff(err)
			}
			c.out.f("tariff %s is removed\n", operands[0])
			return nil
		})
	}
}

func tariffAssign(c *command) action {
	user := c.flags.String("user", "", "NAME|who pays by it; his money must be in its currency")
	group := c.flags.String("group", "", "NAME|a group whose members pay by it, unless they have their own")
	off := c.flags.Bool("off", false, "he has none of his own any more; without NAME")
	c.reports()
	c.about = `
A user's own tariff goes before that of his group, and that before the default; of several groups with a tariff in his currency
it is that of the one that was made first. It is for calls to come.`
	c.examples = []string{"admin tariff assign retail --user marta", "admin tariff assign --off --group resellers"}
	return func(ctx context.Context, operands []string) error {
		name := ""
		switch {
		case (*user == "") == (*group == ""):
			return usagef("name either a --user or a --group")
		case *off && len(operands) > 0:
			return usagef("--off takes away whatever tariff there is: leave %q out", operands[0])
		case !*off && len(operands) == 0:
			return usagef("NAME is missing; admin tariff assign -h explains it")
		case !*off:
			name = operands[0]
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			whose := *user
			if *group != "" {
				whose = "the group " + *group
				if _, err := db.Group(ctx, *group); err != nil {
					return aboutGroup(*group, err)
				}
				if err := db.AssignGroupDeck(ctx, *group, name, actor()); err != nil {
					return aboutTariff(err)
				}
			} else {
				u, err := db.UserByName(ctx, *user)
				if err != nil {
					return unknownUser(*user, err)
				}
				if err := db.AssignDeck(ctx, u.ID, name, actor()); err != nil {
					return aboutTariff(err)
				}
			}
			if c.json {
				return c.out.json(assignedJSON{*user, *group, orNil(name)})
			}
			if name == "" {
				c.out.f("%s has no tariff of its own any more\n", whose)
			} else {
				c.out.f("%s pays by the tariff %s\n", whose, name)
			}
			return nil
		})
	}
}

// assignedJSON is who pays by which tariff, as --json shows it.
type assignedJSON struct {
	User   string  `json:"user,omitempty"`
	Group  string  `json:"group,omitempty"`
	Tariff *string `json:"tariff"` // null: none of his own
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func tariffActivate(c *command) action {
	c.reports()
	from := c.flags.String("from", "", "TIME|from when on it counts, such as 2030-01-31 00:00 in the tariff's zone; now when left out")
	c.about = "\nCalls in progress keep the rate that they began with. admin tariff rollback takes it back."
	c.examples = []string{"admin tariff activate retail 2", `admin tariff activate retail 3 --from "2030-01-31 00:00"`}
	return func(ctx context.Context, operands []string) error {
		number, err := strconv.Atoi(operands[1])
		if err != nil {
			return usagef("VERSION is %q, but must be a number; admin tariff show lists them", operands[1])
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			return c.activate(ctx, db, operands[0], number, *from)
		})
	}
}

// activate lets a version count from an instant on; from is empty for now.
func (c *command) activate(ctx context.Context, db *store.Store, name string, number int, from string) error {
	at, err := deckTime(ctx, db, name, from)
	if err != nil {
		return err
	}
	if _, err := db.ActivateDeck(ctx, name, number, at, actor()); err != nil {
		return aboutTariff(err)
	}
	return c.printVersions(ctx, db, name)
}

// deckTime reads a time in the zone of a tariff; the zero time for none.
func deckTime(ctx context.Context, db *store.Store, name, text string) (time.Time, error) {
	deck, err := db.Deck(ctx, name)
	if err != nil || text == "" {
		return time.Time{}, aboutTariff(err)
	}
	zone, err := time.LoadLocation(deck.Zone)
	if err != nil {
		return time.Time{}, err
	}
	at, err := tariff.ParseTime(text, zone)
	if err != nil {
		return time.Time{}, usageError{err}
	}
	return at, nil
}

func tariffRollback(c *command) action {
	c.reports()
	c.about = `
VERSION counts no more, and the one before does; or it never will, if its time is to come. Without VERSION it is the one that
counts. To name it makes the command safe to repeat.`
	c.examples = []string{"admin tariff rollback retail 3"}
	return func(ctx context.Context, operands []string) error {
		version := 0
		if len(operands) > 1 {
			var err error
			if version, err = strconv.Atoi(operands[1]); err != nil || version < 1 {
				return usagef("VERSION is %q, but must be a number; admin tariff show lists them", operands[1])
			}
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if _, err := db.RollBackDeck(ctx, operands[0], version, actor()); err != nil {
				return aboutTariff(err)
			}
			return c.printVersions(ctx, db, operands[0])
		})
	}
}

func tariffRates(c *command) action {
	c.reports()
	version := c.flags.Int("version", 0, "N|which version; the one that counts when left out")
	number := c.flags.String("number", "", "DIGITS|only rates whose prefix begins this number, or begins with it")
	c.examples = []string{"admin tariff rates retail --number 4917"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			n, err := versionOf(ctx, db, operands[0], *version)
			if err != nil {
				return aboutTariff(err)
			}
			each := func(row func(models.DeckRate)) error {
				return db.EachDeckRate(ctx, operands[0], n, *number, func(_ int64, r models.DeckRate) error { row(r); return nil })
			}
			if c.json {
				shown := []tariff.ShownRate{}
				if err := each(func(r models.DeckRate) { shown = append(shown, tariff.Show(r)) }); err != nil {
					return err
				}
				return c.out.json(shown)
			}
			return table{
				{"PREFIX", false},
				{"DESTINATION", false},
				{"RATE", true},
				{"CONNECT", true},
				{"STEPS", true},
				{"MINIMUM", true},
				{"GRACE", true},
				{"FROM", false},
				{"TO", false},
				{"DAYS", false},
				{"HOURS", false},
			}.stream(c.out, func(row func(...string)) error {
				return each(func(r models.DeckRate) {
					s := tariff.Show(r)
					row(s.Prefix, s.Destination, s.Rate, s.ConnectFee, fmt.Sprintf("%d/%d", s.First, s.Increment), s.Minimum, strconv.FormatInt(s.Grace, 10), s.From, s.To, s.Days, s.Hours)
				})
			})
		})
	}
}

// versionOf is a version's number: the given one, else that of the version that counts.
func versionOf(ctx context.Context, db *store.Store, name string, number int) (int, error) {
	versions, err := db.DeckVersions(ctx, name)
	if err != nil || number != 0 {
		return number, err
	}
	for _, v := range versions {
		if v.Counts {
			return v.Number, nil
		}
	}
	return 0, fmt.Errorf("no version of the tariff %q counts; name one with --version", name)
}

func tariffImport(c *command) action {
	c.reports()
	note := c.flags.String("note", "", "TEXT|what it is, for those who look at it later")
	dry := c.flags.Bool("dry-run", false, "only tell what it would change")
	activate := c.flags.Bool("activate", false, "let it count from now on")
	from := c.flags.String("from", "", "TIME|let it count from then on, such as 2030-01-31 00:00 in the tariff's zone")
	jump := c.wholeNumber("jump", 50, 0, 1_000_000, "PERCENT|tell prices that change by more; 0: none")
	cost := c.flags.String("cost", "", "NAME|the tariff that we pay ourselves: tell what is sold for less")
	c.about = `
FILE.csv is UTF-8, with commas, semicolons or tabs; it may be - for standard input. Its first line names the columns, in any order:

  prefix       the first digits of numbers as they are dialled; a + before them says nothing. The longest one counts
  destination  for people
  rate         of a minute, such as 0.012: a point before at most six decimals
  connect_fee  once for each call that is answered                      0 when empty
  first        seconds that are charged at once                         increment when empty
  increment    seconds of each further step; 60/6 has both, 60 is 60/60  1 when empty
  minimum      an answered call costs at least this                     0 when empty
  grace        talk of so many seconds costs nothing                    0 when empty
  from, to     such as 2030-01-31 18:00, in the tariff's zone           always when empty
  days, hours  such as mon-fri or sat,sun, and 08:00-18:00 or 22:00-06:00, in its zone; they go before a rate for all

The first three are needed. All rates become a new version, or none do. Nothing counts before it is activated.`
	c.examples = []string{"admin tariff import retail prices.csv --dry-run --cost carrier-a", "admin tariff import retail prices.csv --activate"}
	return func(ctx context.Context, operands []string) error {
		if *activate && *from != "" {
			return usagef("--activate and --from cannot go together: one is now, the other then")
		}
		file, fileName, err := c.openSeekable(operands[1])
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			told := c.progress()
			i := tariff.Import{
				Into: db, Deck: operands[0], Note: *note, Actor: actor(), JumpPercent: int64(*jump), Cost: *cost,
				Activate: *activate || *from != "", Progress: told.show,
			}
			if i.From, err = deckTime(ctx, db, i.Deck, *from); err != nil {
				return err
			}
			report, err := i.Check(ctx, file, time.Now())
			told.clear()
			var unread *tariff.FileError
			if errors.As(err, &unread) {
				return fmt.Errorf("%s: %w; nothing was imported", fileName, err)
			}
			if err != nil {
				return aboutTariff(err)
			}
			done := importedJSON{Report: report}
			if report.Importable() && !*dry {
				v, err := i.Write(ctx)
				told.clear()
				if err != nil {
					return fmt.Errorf("%s: %w; nothing was imported", fileName, aboutTariff(err))
				}
				done.Version = v.Number
			}
			if err := c.printImported(done, fileName, *dry); err != nil {
				return err
			}
			if done.Version == 0 || !i.Activate || c.json {
				return nil
			}
			c.out.f("\n")
			return c.printVersions(ctx, db, i.Deck)
		})
	}
}

// importedJSON is the outcome of an import as --json shows it.
type importedJSON struct {
	Version int `json:"version"` // 0: none was made
	*tariff.Report
}

// printImported tells the report, and fails when nothing could be imported.
func (c *command) printImported(done importedJSON, name string, dry bool) error {
	r := done.Report
	if c.json {
		if err := c.out.json(done); err != nil {
			return err
		}
	} else {
		c.out.f("%s: %s; %d added, %d changed, %d removed, %d unchanged\n", name, counted(r.Rates, "rate"), r.Added.Count, r.Changed.Count, r.Removed.Count, r.Unchanged)
		c.printFindings("prices that jump", r.Jump)
		c.printFindings("sold below cost", r.BelowCost)
		c.printFindings("overlaps", r.Overlap)
		if dry {
			c.printFindings("added", r.Added)
			c.printFindings("changed", r.Changed)
			c.printFindings("removed", r.Removed)
		}
		if done.Version != 0 {
			c.out.f("it is version %d\n", done.Version)
		}
	}
	if r.Importable() {
		return nil
	}
	if !c.json {
		c.printFindings("bad rows", r.Bad)
		c.printFindings("duplicates", r.Duplicate)
	}
	if r.Rates == 0 {
		return fmt.Errorf("%s: it has no rates; nothing was imported", name)
	}
	return fmt.Errorf("%s: %s and %s; nothing was imported", name, counted(r.Bad.Count, "bad row"), counted(r.Duplicate.Count, "duplicate"))
}

// maxTold is how many findings of a kind are printed for people; --json has more.
const maxTold = 20

func (c *command) printFindings(title string, f tariff.Findings) {
	if f.Count == 0 {
		return
	}
	c.out.f("\n%s: %d\n", title, f.Count)
	for _, one := range f.First[:min(len(f.First), maxTold)] {
		line := "-"
		if one.Line > 0 {
			line = "line " + strconv.Itoa(one.Line)
		}
		c.out.f("  %-12s %-18s %s\n", line, printable(one.Prefix), printable(one.Text))
	}
	if more := f.Count - maxTold; more > 0 {
		c.out.f("  … and %d more; --json has the first %d\n", more, len(f.First))
	}
}
