package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"talktime/cdrgen"
	"talktime/internal/config"
	"talktime/stats"
	"talktime/store"
	"talktime/tariff"
)

// cdrGenerator invents call records.
type cdrGenerator struct {
	c        *command
	config   cdrgen.Config
	progress *progress
	begun    time.Time
	made     int64
}

func cdrGenerate(c *command) action {
	rows := c.wholeNumber("rows", 0, 1, 1_000_000_000, "N|how many records")
	from := c.flags.String("from", "", "TIME|of the first calls, such as 2026-01-01")
	to := c.flags.String("to", "", "TIME|before which all calls begin")
	seed := c.flags.Uint64("seed", 1, "N|another number makes other records; the same one always the same")
	extensions := c.wholeNumber("extensions", 2000, 1, 100_000, "N|how many extensions call, from 2000 on")
	zone := c.flags.String("zone", "", "ZONE|of the clock on the wall; TALKTIME_TIMEZONE when left out")
	out := c.flags.String("out", "", "FILE.csv|write a Master.csv; - is standard output")
	into := c.flags.String("into", "", "WHERE|write into the CDR database DBn, or, for own, among the imported records")
	force := c.flags.Bool("force", false, "write although the file is there or the table has records")
	c.about = `
For demonstrations and measurements: calls of a site with many extensions, by day and hour, to some 40 countries, answered or
not, with everything that a real table has: twins with dst=h, second attempts, groups, queues. The package cdrgen says how
they are distributed. Records among our own, or in the database of a real site, cannot be told from real ones afterwards.`
	c.examples = []string{
		"admin cdr generate --rows 100000 --from 2026-01-01 --to 2026-02-01 --out Master.csv",
		"admin cdr generate --rows 1000000 --from 2025-01-01 --to 2026-01-01 --into DB1",
	}
	return func(ctx context.Context, _ []string) error {
		switch {
		case *rows == 0 || *from == "" || *to == "":
			return usagef("--rows, --from and --to are needed")
		case (*out == "") == (*into == ""):
			return usagef("one of --out and --into is needed")
		}
		cfg, err := c.settings()
		if err != nil {
			return err
		}
		l := cfg.Location
		if *zone != "" {
			if l, err = time.LoadLocation(*zone); err != nil || *zone == "Local" {
				return usagef("--zone is %q, but must be UTC or such as Europe/Berlin", *zone)
			}
		}
		g := &cdrGenerator{c: c, progress: c.progress(), begun: time.Now(), config: cdrgen.Config{
			Seed: *seed, Rows: int64(*rows), Extensions: *extensions, Location: l,
		}}
		if g.config.From, err = tariff.ParseTime(*from, l); err == nil {
			g.config.To, err = tariff.ParseTime(*to, l)
		}
		if err != nil {
			return usageError{err}
		}
		if err := g.config.Check(); err != nil {
			return usageError{err}
		}
		err = g.write(ctx, cfg, *out, *into, *force)
		g.progress.clear()
		if err == nil && *out != "-" {
			c.out.f("%s written\n", counted(int(g.made), "record"))
		}
		return err
	}
}

func (g *cdrGenerator) write(ctx context.Context, cfg config.Config, out, into string, force bool) error {
	switch {
	case out == "-":
		return g.writeCSV(ctx, g.c.out)
	case out != "":
		mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
		if force {
			mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		}
		file, err := os.OpenFile(out, mode, 0o640) //nolint:gosec // the operator names the file
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already; --force overwrites it", out)
		}
		if err != nil {
			return err
		}
		return errors.Join(g.writeCSV(ctx, file), file.Close())
	case into == "own":
		return g.c.withStore(ctx, func(db *store.Store, _ config.Config) error { return g.writeOwn(ctx, db) })
	}
	return g.writeForeign(ctx, cfg, into, force)
}

// each invents the rows, and shows how far it is.
func (g *cdrGenerator) each(ctx context.Context, do func(*cdrgen.Row) error) error {
	return cdrgen.Each(g.config, func(r *cdrgen.Row) error {
		if g.made++; g.made%1024 == 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			g.progress.show("wrote %d records, %.0f a second, %.1f %%", g.made, float64(g.made)/time.Since(g.begun).Seconds(), 100*float64(g.made)/float64(g.config.Rows))
		}
		return do(r)
	})
}

func (g *cdrGenerator) writeCSV(ctx context.Context, to io.Writer) error {
	w := bufio.NewWriterSize(to, 1<<16)
	var line []byte
	err := g.each(ctx, func(r *cdrgen.Row) error {
		line = r.AppendCSV(line[:0])
		_, err := w.Write(line)
		return err
	})
	return errors.Join(err, w.Flush())
}

// writeOwn writes among the imported records.
func (g *cdrGenerator) writeOwn(ctx context.Context, db *store.Store) error {
	i := &cdrImporter{db: db, progress: &progress{}, location: g.config.Location, begun: g.begun}
	name := fmt.Sprintf("%d invented records from %s to %s, seed %d, %d extensions", g.config.Rows, g.config.From.Format(time.DateTime),
		g.config.To.Format(time.DateTime), g.config.Seed, g.config.Extensions)
	err := i.begin(ctx, store.CDRImport{Kind: store.ImportMade, Name: name}, func(store.CDRImport) bool { return false })
	if err != nil {
		return err
	}
	err = i.run(ctx, func(ctx context.Context, add func(*stats.Record) error) error {
		var record stats.Record
		return g.each(ctx, func(r *cdrgen.Row) error {
			r.Record(&record)
			err := add(&record)
			i.at.Position++
			return err
		})
	})
	if known := g.made - (i.state.Added - i.before.Added); err == nil && known > 0 {
		g.c.note("%d of them were there already", known)
	}
	return err
}

// writeForeign writes into a CDR database.
func (g *cdrGenerator) writeForeign(ctx context.Context, cfg config.Config, slot string, force bool) error {
	d, err := configuredCDR(cfg, slot)
	if err != nil {
		return err
	}
	cdr, err := store.OpenCDR(store.CDRConfig{
		Label: "DB" + strconv.Itoa(d.Slot), Addr: d.Addr(), User: d.User, Password: d.Password.Reveal(), Name: d.Name, Location: g.config.Location,
	})
	if err != nil {
		return err
	}
	defer func() { _ = cdr.Close() }()
	err = cdr.Fill(ctx, strings.Split(cdrgen.Columns, ","), force, func(yield func([]any) error) error {
		return g.each(ctx, func(r *cdrgen.Row) error { return yield(r.Values()) })
	})
	if errors.Is(err, store.ErrFilled) {
		return fmt.Errorf("%w already; --force adds to them", err)
	}
	return err
}
