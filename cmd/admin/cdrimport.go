package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"talktime/internal/cdrcsv"
	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/store"
	"talktime/tariff"
)

// maxToldLines is how many lines that are no records are told one by one.
const maxToldLines = 10

// cdrImportFlags say from where call records come.
type cdrImportFlags struct {
	zone, database, from, password, since, until string
	again, force                                 bool
}

func cdrImport(c *command) action {
	c.reports()
	var f cdrImportFlags
	c.flags.StringVar(&f.zone, "zone", "", "ZONE|of the times in it; TALKTIME_TIMEZONE when left out, UTC where cdr.conf has usegmtime=yes")
	c.flags.StringVar(&f.database, "database", "", "DBn|read the table cdr of this CDR database, in place of a file")
	c.flags.StringVar(&f.from, "from", "", "URL|read the table cdr of mysql://user@host/schema, in place of a file")
	c.flags.StringVar(&f.password, "password", "", "-|read the password for --from from standard input")
	c.flags.StringVar(&f.since, "since", "", "TIME|of a table: only records from this calldate on, such as 2026-01-31")
	c.flags.StringVar(&f.until, "until", "", "TIME|of a table: only records before this calldate")
	c.flags.BoolVar(&f.again, "again", false, "read everything anew; nothing comes in twice")
	c.flags.BoolVar(&f.force, "force", false, "import it although it was imported with another --zone: all its records come in once more")
	c.about = `
FILE is a Master.csv of Asterisk, or a table cdr exported as CSV whose first line names the columns (calldate, src, dst, duration,
billsec and disposition at least); it may be packed with gzip, and be - for standard input. Imported records serve statistics
only: they charge nobody. Whose account code, account id or number is a user's becomes a call of his.

What was read before is not read again: run it every day on a Master.csv that grows. It goes on where it was when it was
killed. A record that is there already is not added, whichever way it comes, and one of a call that we billed is not
counted twice. Lines that are no records are told and left out. Of a table the last day is always read again, for
records of long calls come late.`
	c.examples = []string{"admin cdr import /var/log/asterisk/cdr-csv/Master.csv --zone UTC", "admin cdr import --database DB1 --since 2026-01-01"}
	return func(ctx context.Context, operands []string) error {
		if err := f.check(len(operands)); err != nil {
			return err
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			i := &cdrImporter{db: db, progress: c.progress(), again: f.again, force: f.force, begun: time.Now(), location: cfg.Location}
			if f.zone != "" {
				var err error
				if i.location, err = time.LoadLocation(f.zone); err != nil || f.zone == "Local" {
					return usagef("--zone is %q, but must be UTC or such as Europe/Berlin", f.zone)
				}
			}
			err := c.importRecords(ctx, i, f, cfg, operands)
			i.progress.clear()
			return c.reportRecords(i, err)
		})
	}
}

func (f cdrImportFlags) check(operands int) error {
	tables := 0
	for _, given := range []string{f.database, f.from} {
		if given != "" {
			tables++
		}
	}
	switch {
	case operands+tables != 1:
		return usagef("exactly one of FILE, --database and --from says where the records are")
	case tables == 0 && (f.since != "" || f.until != ""):
		return usagef("--since and --until are for tables; a file is read as a whole")
	case f.password != "" && (f.from == "" || f.password != "-"):
		return usagef("--password is - and goes with --from")
	}
	return nil
}

func (c *command) importRecords(ctx context.Context, i *cdrImporter, f cdrImportFlags, cfg config.Config, operands []string) error {
	if len(operands) == 1 {
		file, name, err := c.openSeekable(operands[0])
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		i.name = name
		return i.importFile(ctx, file)
	}
	table, label, err := c.foreignTable(f, cfg)
	if err != nil {
		return err
	}
	i.name = label
	table.Location = i.location
	source, err := store.OpenCDRStatistics(table, wiring.Logger(c.stderr))
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	since, until, err := f.span(i.location)
	if err != nil {
		return err
	}
	return i.importTable(ctx, source, since, until)
}

// span is the time that is wanted of a table; zero times are no bounds.
func (f cdrImportFlags) span(l *time.Location) (since, until time.Time, err error) {
	for _, bound := range []struct {
		flag, text string
		at         *time.Time
	}{{"since", f.since, &since}, {"until", f.until, &until}} {
		if bound.text == "" {
			continue
		}
		if *bound.at, err = tariff.ParseTime(bound.text, l); err != nil {
			return since, until, usagef("--%s: %w", bound.flag, err)
		}
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return since, until, usagef("--since must be before --until")
	}
	return since, until, nil
}

// foreignTable says how the database that the flags mean is reached, and how its table is called.
func (c *command) foreignTable(f cdrImportFlags, cfg config.Config) (table store.CDRConfig, label string, err error) {
	if f.database != "" {
		d, err := configuredCDR(cfg, f.database)
		table = store.CDRConfig{Addr: d.Addr(), User: d.User, Password: d.Password.Reveal(), Name: d.Name}
		return named(table), table.Addr + "/" + table.Name + ".cdr", err
	}
	d, err := config.ParseDatabase(f.from)
	if err == nil && d.Dialect == config.SQLite {
		err = errors.New("must have the form mysql://user@host/schema")
	}
	if err != nil {
		return table, "", usagef("--from %w", err)
	}
	table = store.CDRConfig{Addr: d.Addr(), User: d.User, Password: d.Password.Reveal(), Name: d.Name}
	if f.password == "-" {
		if table.Password, err = firstLine(c.stdin); err != nil {
			return table, "", err
		}
	}
	return named(table), table.Addr + "/" + table.Name + ".cdr", nil
}

func named(table store.CDRConfig) store.CDRConfig {
	table.Label = table.Addr
	return table
}

// configuredCDR is the CDR database of a slot, such as DB1.
func configuredCDR(cfg config.Config, slot string) (config.CDRDatabase, error) {
	var known []string
	for _, d := range cfg.CDR.Databases {
		name := fmt.Sprintf("DB%d", d.Slot)
		if strings.EqualFold(name, slot) {
			return d, nil
		}
		known = append(known, name)
	}
	if len(known) == 0 {
		return config.CDRDatabase{}, errors.New("no CDR database is configured; set DB1_HOST and so on")
	}
	return config.CDRDatabase{}, usagef("there is no CDR database %q; there are %s", slot, strings.Join(known, ", "))
}

// recordsJSON is the outcome of an import as --json shows it.
type recordsJSON struct {
	From       string   `json:"from"`
	WentOn     bool     `json:"went_on"` // where an earlier run was
	Read       int64    `json:"read"`
	Added      int64    `json:"added"`
	Known      int64    `json:"known"`
	Ours       int64    `json:"ours"` // added, and of calls that we billed
	Malformed  int64    `json:"malformed"`
	Problems   []string `json:"problems"`   // the first of them
	Unfinished int      `json:"unfinished"` // bytes at the end of the file that are no whole line yet
	Seconds    float64  `json:"seconds"`
}

func (c *command) reportRecords(i *cdrImporter, err error) error {
	var unread *cdrcsv.FileError
	if errors.As(err, &unread) {
		return fmt.Errorf("%s: %w; nothing was imported", i.name, err)
	}
	before, after := i.before, i.state
	report := recordsJSON{
		From: i.name, WentOn: i.wentOn, Read: after.Read - before.Read, Added: after.Added - before.Added, Ours: after.Ours - before.Ours,
		Malformed: after.Malformed - before.Malformed, Problems: []string{}, Unfinished: i.unfinished, Seconds: time.Since(i.begun).Seconds(),
	}
	report.Known = report.Read - report.Added
	for _, problem := range i.problems {
		report.Problems = append(report.Problems, problem)
		c.note("%s: %s", i.name, problem)
	}
	if more := report.Malformed - int64(len(i.problems)); more > 0 && len(i.problems) > 0 {
		c.note("%s: %d further lines are no records either", i.name, more)
	}
	if i.nameless > 0 {
		c.note("warning: %s: %d records have no unique id; if Talktime billed any of these calls, they are counted twice", i.name, i.nameless)
	}
	if i.unfinished > 0 {
		c.note("%s: its last line, of %d bytes, is not whole yet; it is read the next time", i.name, i.unfinished)
	}
	if err == nil && !i.wentOn && report.Read == 0 && report.Malformed > 0 {
		err = fmt.Errorf("%s: nothing could be read; is it a Master.csv, or a CSV file whose first line names the columns?", i.name)
	}
	if err != nil && report.Read > 0 {
		err = fmt.Errorf("%w; %d records were read until then, and the next run goes on behind them", err, report.Read)
	}
	if err != nil && report.Read == 0 {
		return err
	}
	if c.json {
		return errors.Join(c.out.json(report), err)
	}
	from := ""
	if i.wentOn {
		from = ", behind those of an earlier run"
	}
	c.out.f("%s read in %.1f s%s: %d added, %d known already; %s no records\n", counted(int(report.Read), "record"), report.Seconds, from,
		report.Added, report.Known, linesAre(report.Malformed))
	if report.Ours > 0 {
		c.out.f("%d of those added are of calls that Talktime billed itself; they are not counted again\n", report.Ours)
	}
	return err
}

func linesAre(n int64) string {
	if n == 1 {
		return "1 line is"
	}
	return fmt.Sprintf("%d lines are", n)
}

// importedRow is an import as --json lists it.
type importedRow struct {
	ID        int64     `json:"id"`
	Kind      string    `json:"kind"`
	Name      string    `json:"name"`
	Zone      string    `json:"zone"`
	Read      int64     `json:"read"`
	Added     int64     `json:"added"`
	Ours      int64     `json:"ours"`
	Malformed int64     `json:"malformed"`
	Position  int64     `json:"position"`
	Actor     string    `json:"actor"`
	StartedAt time.Time `json:"started_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func cdrImports(c *command) action {
	c.reports()
	c.about = "\nREACHED is how many bytes of a file were read, or up to which calldate a table was."
	c.examples = []string{"admin cdr imports"}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			all, err := db.CDRImports(ctx)
			if err != nil {
				return err
			}
			if c.json {
				rows := make([]importedRow, len(all))
				for n, i := range all {
					rows[n] = importedRow{i.ID, i.Kind, i.Name, i.Zone, i.Read, i.Added, i.Ours, i.Malformed, i.Position, i.Actor, i.StartedAt, i.UpdatedAt}
				}
				return c.out.json(rows)
			}
			rows := [][]string{}
			for _, i := range all {
				reached := fmt.Sprint(i.Position)
				if i.Kind == store.ImportTable {
					reached = time.Unix(i.Position, 0).UTC().Format(time.DateTime)
				}
				rows = append(rows, []string{
					i.Name, i.Zone, i.UpdatedAt.In(cfg.Location).Format(time.DateTime), reached, fmt.Sprint(i.Read), fmt.Sprint(i.Added), fmt.Sprint(i.Ours),
					fmt.Sprint(i.Malformed), i.Actor,
				})
			}
			table{
				{"FROM", false},
				{"ZONE", false},
				{"LAST (" + cfg.Location.String() + ")", false},
				{"REACHED", true},
				{"READ", true},
				{"ADDED", true},
				{"OURS", true},
				{"NO RECORDS", true},
				{"BY", false},
			}.write(c.out, rows)
			return nil
		})
	}
}

// known finds an earlier import of the same, the latest of several.
func known(all []store.CDRImport, same func(store.CDRImport) bool) (store.CDRImport, bool) {
	all = slices.DeleteFunc(slices.Clone(all), func(i store.CDRImport) bool { return !same(i) })
	if len(all) == 0 {
		return store.CDRImport{}, false
	}
	return slices.MaxFunc(all, func(a, b store.CDRImport) int { return cmp.Compare(a.Head, b.Head) }), true // the first of equal ones is the latest
}
