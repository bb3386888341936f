package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/stats"
	"talktime/store"
)

// Pauses of the scheduler of roll-ups. What it does is never urgent.
const (
	rollUpPause = time.Minute
	slowPause   = time.Hour // of a source that reads all it has to find out what has changed
	dayPause    = 20 * time.Millisecond
	claimPause  = time.Second
)

// countDays counts the days of all sources as they end, and again when records come late. It may run in any number of processes. A
// source that fails keeps nobody from counting the others.
func countDays(ctx context.Context, db *store.Store, rollers []*stats.Roller, log *slog.Logger) {
	var names []string
	for _, r := range rollers {
		names = append(names, r.Source.Name())
		r.Pause = dayPause
	}
	if err := db.KeepFiguresOf(ctx, names); err != nil && ctx.Err() == nil {
		log.Warn("the metrics may tell of sources that are not counted any more", "err", err)
	}
	d := dayCounter{rollers, log, make(map[string]bool), make(map[string]int)}
	for ; ctx.Err() == nil && len(rollers) > 0; wiring.Pause(ctx, rollUpPause) {
		d.look(ctx)
	}
}

// dayCounter is what the scheduler of roll-ups keeps in mind of its sources.
type dayCounter struct {
	rollers []*stats.Roller
	log     *slog.Logger
	failing map[string]bool
	rests   map[string]int // rounds in which a source is left alone
}

// look looks once for what is due.
func (d *dayCounter) look(ctx context.Context) {
	for _, r := range d.rollers {
		name := r.Source.Name()
		if d.rests[name] > 0 {
			d.rests[name]--
			continue
		}
		pass, err := r.Look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, stats.ErrNotOurs):
		case err != nil && !d.failing[name]:
			d.log.Warn("the days of a source cannot be counted; trying again", "source", name, "days", len(pass.Counted), "err", withCause(err))
		case err == nil && d.failing[name]:
			d.log.Info("the days of a source can be counted again", "source", name)
		}
		d.failing[name] = err != nil && !errors.Is(err, stats.ErrNotOurs)
		if len(pass.Counted) > 0 || pass.Removed > 0 {
			d.log.Info("days are counted", "source", name, "days", len(pass.Counted), "removed", pass.Removed, "records", pass.Records)
		}
		if source, ok := r.Source.(interface{ Slow() bool }); ok && pass.Ours && source.Slow() {
			d.rests[name] = int(slowPause/rollUpPause) - 1
		}
	}
}

// withCause is an error with what the driver said about a source.
func withCause(err error) error {
	var source *stats.SourceError
	if errors.As(err, &source) && source.Err != nil {
		return fmt.Errorf("%w: %w", err, source.Err)
	}
	return err
}

const aboutRollUps = `
Of whole days it is kept what was counted of them (TALKTIME_ROLLUPS), so that reports over months answer at once. admin serve does
that by itself, two hours after a day has ended, and again when records of it come late.`

// rollUpFlags are those that say which days of which sources are meant.
func rollUpFlags(c *command) func() (source string, from, to stats.Day, err error) {
	source := c.flags.String("source", "", "NAME|only this source: talktime, or the host of a CDR database")
	from := c.flags.String("from", "", "DATE|only days from this one on, such as 2030-01-31")
	to := c.flags.String("to", "", "DATE|and before this one")
	return func() (string, stats.Day, stats.Day, error) {
		const never = 1 << 24 // thousands of years from now
		first, err := dayFlag("from", *from, 0)
		if err != nil {
			return "", 0, 0, err
		}
		end, err := dayFlag("to", *to, never)
		if err == nil && end <= first {
			err = usagef("--to must be after --from")
		}
		return *source, first, end, err
	}
}

func dayFlag(name, text string, otherwise stats.Day) (stats.Day, error) {
	if text == "" {
		return otherwise, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, usagef("--%s is %q, but must be a date such as 2030-01-31", name, text)
	}
	return stats.DayAt(t), nil
}

// eachRoller does something with the rollers of the sources that are meant, one after the other.
func (c *command) eachRoller(ctx context.Context, source string, do func(*stats.Roller) error) error {
	return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
		if cfg.RollUps == config.RollUpsOff {
			return errors.New("TALKTIME_ROLLUPS is off: nothing is kept of any day")
		}
		s, err := newStatistics(db, cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		var names []string
		found := false
		for _, r := range s.rollers() {
			names = append(names, r.Source.Name())
			if source != "" && source != r.Source.Name() {
				continue
			}
			found = true
			if err := do(r); err != nil {
				return err
			}
		}
		if !found {
			return usagef("there are roll-ups of %s, but not of %q", strings.Join(names, ", "), source)
		}
		return nil
	})
}

// whenOurs does something again until nobody else counts the source.
func (c *command) whenOurs(ctx context.Context, name string, do func() (ours bool, err error)) error {
	for told := false; ; told = true {
		ours, err := do()
		if ours || err != nil {
			return err
		}
		if !told {
			c.note("another process is counting %s; waiting for it", name)
		}
		if !wiring.Pause(ctx, claimPause) {
			return ctx.Err()
		}
	}
}

// rolledUp is what became of a source, as --json shows it.
type rolledUp struct {
	Source  string `json:"source"`
	Days    int    `json:"days"`
	Records int64  `json:"records"`
	Error   string `json:"error,omitempty"`
}

func (c *command) showRolledUp(all []rolledUp, verb string) {
	rows := make([][]string, len(all))
	for i, r := range all {
		rows[i] = []string{r.Source, strconv.Itoa(r.Days), strconv.FormatInt(r.Records, 10), r.Error}
	}
	table{{"SOURCE", false}, {"DAYS " + verb, true}, {"RECORDS", true}, {"", false}}.write(c.out, rows)
}

// unread is an error when some source could not be read to its end.
func unread(all []rolledUp) error {
	var names []string
	for _, r := range all {
		if r.Error != "" {
			names = append(names, r.Source)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("could not be counted to the end: %s", strings.Join(names, ", "))
}

// failedSource takes errors of a source for a part of the report. Others, such as those of our own database, end everything.
func failedSource(r *rolledUp, err error) error {
	var source *stats.SourceError
	if errors.As(err, &source) {
		r.Error = shortened(withCause(source).Error())
		return nil
	}
	return err
}

func statsRebuild(c *command) action {
	c.reports()
	which := rollUpFlags(c)
	c.about = aboutRollUps + `
This forgets what is kept, and counts it again from the records. Reports read the records meanwhile.`
	c.examples = []string{"admin stats rebuild", "admin stats rebuild --source talktime --from 2030-01-01 --to 2030-02-01"}
	return func(ctx context.Context, _ []string) error {
		source, from, to, err := which()
		if err != nil {
			return err
		}
		all := []rolledUp{}
		err = c.eachRoller(ctx, source, func(r *stats.Roller) error {
			done := rolledUp{Source: r.Source.Name()}
			told := c.counting(r)
			var pass stats.Pass
			err := c.whenOurs(ctx, done.Source, func() (bool, error) {
				var err error
				pass, err = r.Rebuild(ctx, from, to)
				return pass.Ours, err
			})
			told.clear()
			done.Days, done.Records = len(pass.Counted), pass.Records
			err = failedSource(&done, err)
			all = append(all, done)
			return err
		})
		if err != nil {
			return err
		}
		if c.json {
			if err := c.out.json(map[string]any{"sources": all}); err != nil {
				return err
			}
		} else {
			c.showRolledUp(all, "COUNTED")
		}
		return unread(all)
	}
}

// counting shows how far a roller is.
func (c *command) counting(r *stats.Roller) *progress {
	told, begun := c.progress(), time.Now()
	r.Progress = func(p stats.Progress) {
		const width = 30
		full := 0
		if p.Days > 0 {
			full = width * p.Done / p.Days
		}
		told.show("%s [%s%s] %d of %s, %.0f records/s", r.Source.Name(), strings.Repeat("#", full), strings.Repeat(".", width-full), p.Done, counted(p.Days, "day"),
			float64(p.Records)/max(time.Since(begun).Seconds(), 0.001))
	}
	return told
}

// differingDay is a difference as --json shows it.
type differingDay struct {
	Source string `json:"source"`
	Day    string `json:"day"`
	Kind   string `json:"kind"`
	Cause  string `json:"cause"`
	Stale  bool   `json:"stale"` // records came, went or changed since the day was counted
}

func statsVerify(c *command) action {
	c.reports()
	which := rollUpFlags(c)
	c.about = aboutRollUps + `
This counts each day again of which something is kept, compares, and lists what differs. It changes nothing. Any difference ends with
exit code 1; one of a stale day, whose records have changed since, goes by itself within a minute, an hour or a day, as old as it is.`
	c.examples = []string{"admin stats verify", "admin stats verify --from 2030-01-01 --json"}
	return func(ctx context.Context, _ []string) error {
		source, from, to, err := which()
		if err != nil {
			return err
		}
		all, differing := []rolledUp{}, []differingDay{}
		err = c.eachRoller(ctx, source, func(r *stats.Roller) error {
			done := rolledUp{Source: r.Source.Name()}
			told := c.counting(r)
			err := c.whenOurs(ctx, done.Source, func() (bool, error) {
				v, err := r.Verify(ctx, from, to, func(d stats.Difference) error {
					differing = append(differing, differingDay{done.Source, d.Day.String(), d.Kind, d.Cause, d.Stale})
					return nil
				})
				done.Days, done.Records = v.Days, v.Records
				return v.Ours, err
			})
			told.clear()
			err = failedSource(&done, err)
			all = append(all, done)
			return err
		})
		if err != nil {
			return err
		}
		if c.json {
			err = c.out.json(map[string]any{"sources": all, "differences": differing})
		} else {
			c.showDiffering(differing)
			c.showRolledUp(all, "VERIFIED")
		}
		if err == nil && len(differing) > 0 {
			err = errors.New(counted(len(differing), "difference"))
		}
		return errors.Join(err, unread(all))
	}
}

func (c *command) showDiffering(all []differingDay) {
	if len(all) == 0 {
		return
	}
	rows := make([][]string, len(all))
	for i, d := range all {
		rows[i] = []string{d.Source, d.Day, d.Kind, d.Cause, ""}
		if d.Stale {
			rows[i][4] = "stale"
		}
	}
	table{{"SOURCE", false}, {"DAY", false}, {"KIND", false}, {"DIFFERENCE", false}, {"", false}}.write(c.out, rows)
	c.out.f("\n")
}
