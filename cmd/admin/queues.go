package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/queues"
	"talktime/queues/feed"
	"talktime/queues/reports"
	"talktime/store"
)

// turnPause is how often it is looked whether the queue_log may be read. Whoever follows it lets others have a turn.
const turnPause = 100 * time.Millisecond

// inTurn does something as the one who reads the queue_log, as soon as nobody else does.
func (c *command) inTurn(ctx context.Context, f *feed.Follower, do func() error) error {
	defer f.Close(context.WithoutCancel(ctx))
	for told := false; ; told = true {
		err := do()
		if !errors.Is(err, feed.ErrNotOurs) {
			return err
		}
		if !told {
			c.note("another process reads the queue_log at the moment; waiting for it")
		}
		if !wiring.Pause(ctx, turnPause) {
			return ctx.Err()
		}
	}
}

// withQueueLog opens the database for whoever works on what is stored of the queue_log.
func (c *command) withQueueLog(ctx context.Context, do func(*store.Store, config.Config, *feed.Follower) error) error {
	return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
		f, closeAll, err := newQueueLog(db, cfg, slog.New(slog.NewTextHandler(c.stderr, nil)))
		if err != nil {
			return err
		}
		defer closeAll()
		f.Table, f.Pack = nil, nil
		return do(db, cfg, f)
	})
}

// queueFile is what came of a file, as --json shows it.
type queueFile struct {
	File    string  `json:"file"`
	Lines   int64   `json:"lines"`
	New     int64   `json:"new"`
	Known   int64   `json:"known"`
	Bad     int64   `json:"malformed"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

func queuesImport(c *command) action {
	c.reports()
	again := c.flags.Bool("again", false, "read the files from their begin, whatever was read of them before")
	c.about = `
Reads files of a queue_log, of any age and in any order, packed by gzip or bzip2 or not. A file is known again by its first bytes,
whatever its name is, and read on from where it was read to; and the same event counts once, however often it is read. So it does no
harm to read a file twice. admin serve reads the file TALKTIME_QUEUE_LOG by itself, with those beside it that it was rotated to; both
take turns.

Lines that are none of a queue_log are counted, and admin queues status shows them. NEW are events that were not there yet, KNOWN
those that were. Where the queue_log is a table too (TALKTIME_QUEUE_LOG=db), events from the time in which the table was written are
left out: their times differ by parts of a second.`
	c.examples = []string{"admin queues import /var/log/asterisk/queue_log*", "admin queues import --again --json old/queue_log-20291231.gz"}
	return func(ctx context.Context, files []string) error {
		all := []queueFile{}
		err := c.withQueueLog(ctx, func(_ *store.Store, _ config.Config, f *feed.Follower) error {
			told := c.progress()
			defer told.clear()
			return c.inTurn(ctx, f, func() error {
				for len(all) < len(files) {
					done, err := c.importQueueFile(ctx, f, files[len(all)], *again, told)
					if errors.Is(err, feed.ErrNotOurs) || ctx.Err() != nil || errors.Is(err, feed.ErrStore) {
						return err
					}
					if err != nil {
						done.Error = shortened(err.Error())
					}
					all = append(all, done)
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		failed := 0
		rows := make([][]string, len(all))
		for i, f := range all {
			rows[i] = []string{f.File, fmt.Sprint(f.Lines), fmt.Sprint(f.New), fmt.Sprint(f.Known), fmt.Sprint(f.Bad), f.Error}
			if f.Error != "" {
				failed++
			}
		}
		if c.json {
			err = c.out.json(map[string]any{"files": all})
		} else {
			table{{"FILE", false}, {"LINES", true}, {"NEW", true}, {"KNOWN", true}, {"MALFORMED", true}, {"", false}}.write(c.out, rows)
		}
		if err == nil && failed > 0 {
			err = fmt.Errorf("%s could not be read to the end", counted(failed, "file"))
		}
		return err
	}
}

func (c *command) importQueueFile(ctx context.Context, f *feed.Follower, path string, again bool, told *progress) (queueFile, error) {
	begun := time.Now()
	done, err := f.Import(ctx, path, again, func(i feed.Imported) {
		told.show("%s: %d lines, %.0f a second", path, i.Lines, float64(i.Lines)/max(time.Since(begun).Seconds(), 0.001))
	})
	told.clear()
	return queueFile{path, done.Lines, done.New, done.Known, done.Bad, float64(time.Since(begun).Milliseconds()) / 1000, ""}, err
}

// maxShownBad is how many lines that are none are shown.
const maxShownBad = 20

func queuesStatus(c *command) action {
	c.reports()
	most := c.wholeNumber("bad", maxShownBad, 0, 300, "N|how many lines to show that are none of a queue_log, the latest first")
	c.about = `
READ TO is how many bytes of a file were read, of the text if it is packed, or up to which id a table was. LOST are bytes that were
there, and gone before they were read: at least so many. A file that is done was rotated, and read to its end.`
	c.examples = []string{"admin queues status", "admin queues status --json"}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			status, err := readQueueStatus(ctx, db, *most)
			if err != nil {
				return err
			}
			if c.json {
				return c.out.json(status)
			}
			c.showQueueStatus(status, cfg)
			return nil
		})
	}
}

func readQueueStatus(ctx context.Context, db *store.Store, most int) (feed.QueueImport, error) {
	figures, err := db.QueueFigures(ctx)
	if err != nil {
		return feed.QueueImport{}, err
	}
	files, err := db.QueueLogFiles(ctx)
	if err != nil {
		return feed.QueueImport{}, err
	}
	bad, err := db.QueueBadLines(ctx, most)
	return feed.StatusOf(figures, files, bad, time.UTC, time.Now()), err
}

func (c *command) showQueueStatus(s feed.QueueImport, cfg config.Config) {
	zone := cfg.Location
	shown := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.In(zone).Format(time.DateTime)
	}
	rows := [][]string{}
	for _, f := range s.Files {
		done := ""
		if f.Done {
			done = "done"
		}
		rows = append(rows, []string{
			f.Name, done, fmt.Sprint(f.Position), fmt.Sprint(max(f.Size-f.Position, 0)), fmt.Sprint(f.Lines), fmt.Sprint(f.Malformed), fmt.Sprint(f.LostBytes), shown(f.First),
			shown(f.Last), shown(f.Read),
		})
	}
	table{
		{"FILE", false},
		{"", false},
		{"READ TO", true},
		{"LEFT", true},
		{"LINES", true},
		{"MALFORMED", true},
		{"LOST", true},
		{"FIRST EVENT (" + zone.String() + ")", false},
		{"LAST EVENT", false},
		{"LAST READ", false},
	}.write(c.out, rows)
	if len(s.BadLines) > 0 {
		c.out.f("\nThe latest lines that are none of a queue_log:\n")
		rows = rows[:0]
		for _, b := range s.BadLines {
			rows = append(rows, []string{b.File, strconv.FormatInt(b.Position, 10), b.Why, cut(b.Line, maxQuoted)})
		}
		table{{"FILE", false}, {"AT", true}, {"WHY", false}, {"LINE", false}}.write(c.out, rows)
	}
	lag := "not read to its end yet"
	switch {
	case cfg.QueueLog == config.QueueLog{}:
		lag = "TALKTIME_QUEUE_LOG is not set, so nothing is read but what is imported"
	case s.LagSeconds != nil:
		lag = fmt.Sprintf("read to its end %d seconds ago", *s.LagSeconds)
	}
	c.out.f("\n%s; %d bytes left; %d lines, %d malformed, %d bytes lost; %d calls go on; %d days are to be packed\n",
		lag, s.LagBytes, s.Lines, s.Malformed, s.LostBytes, s.OpenCalls, s.Unpacked)
}

// queueCount is what became of those who entered a queue, as --json shows it.
type queueCount struct {
	Queue        string `json:"queue"`
	Entered      int64  `json:"entered"`
	Counted      int64  `json:"counted_back"`
	Waiting      int64  `json:"waiting"`
	Talking      int64  `json:"talking"`
	Answered     int64  `json:"answered"`
	Abandoned    int64  `json:"abandoned"`
	TimedOut     int64  `json:"timedout"`
	Emptied      int64  `json:"emptied"`
	Keyed        int64  `json:"keyed"`
	Dumped       int64  `json:"dumped"`
	Incompatible int64  `json:"incompatible"`
	Lost         int64  `json:"lost"`
	Withdrawn    int64  `json:"withdrawn"`
}

func newQueueCount(name string, entered, counted int64, f *queues.Facts) queueCount {
	return queueCount{
		name, entered, counted, f.Waiting, f.Talking, f.Answered(), f.Abandoned, f.TimedOut, f.Emptied, f.Keyed, f.Dumped, f.Incompatible, f.Lost, f.Withdrawn,
	}
}

func queuesVerify(c *command) action {
	c.reports()
	c.about = `
Puts each call together from its lines again, and compares with what is stored; proves that everybody who entered a queue went in
exactly one way, or is still there (ENTERED + NO ENTRY, those whose entry the log does not have, = the columns behind them); and that
days that were packed are what the calls say. It changes nothing, and may run at any time. Exit code 1: something does not add up.`
	c.examples = []string{"admin queues verify", "admin queues verify --json"}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			told := c.progress()
			v, err := db.VerifyQueues(ctx, func(calls int64) { told.show("%d calls", calls) })
			told.clear()
			if err != nil {
				return err
			}
			all := []queueCount{}
			for i := range v.Queues {
				q := &v.Queues[i]
				all = append(all, newQueueCount(q.Queue, q.Entered, q.Counted, &q.Facts))
			}
			total := newQueueCount("", v.Entered, v.Counted, &v.Facts)
			if c.json {
				findings := []string{}
				for _, f := range v.Findings {
					findings = append(findings, f.String())
				}
				err = c.out.json(map[string]any{
					"clean": v.Clean(), "calls": v.Calls, "lines": v.Lines, "events": v.Events, "open": v.Open, "overdue": v.Overdue, "packed_days": v.Days, "total": total,
					"queues": all, "findings": findings, "findings_total": v.Found,
				})
			} else {
				c.showVerdict(&v, all, total)
			}
			if err == nil && !v.Clean() {
				err = errors.New(counted(int(v.Found), "thing") + " did not add up")
			}
			return err
		})
	}
}

func (c *command) showVerdict(v *store.QueueVerdict, all []queueCount, total queueCount) {
	for _, f := range v.Findings {
		c.out.f("%s\n", shortened(f.String()))
	}
	if more := v.Found - int64(len(v.Findings)); more > 0 {
		c.out.f("and %d more\n", more)
	}
	if v.Found > 0 {
		c.out.f("\n")
	}
	total.Queue = "all"
	rows := [][]string{}
	for _, q := range append(all, total) {
		row := []string{q.Queue}
		for _, n := range []int64{q.Entered, q.Counted, q.Waiting, q.Talking, q.Answered, q.Abandoned, q.TimedOut, q.Emptied, q.Keyed, q.Dumped, q.Incompatible, q.Lost, q.Withdrawn} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		rows = append(rows, row)
	}
	table{
		{"QUEUE", false},
		{"ENTERED", true},
		{"NO ENTRY", true},
		{"WAITING", true},
		{"TALKING", true},
		{"ANSWERED", true},
		{"ABANDONED", true},
		{"TIMED OUT", true},
		{"EMPTY", true},
		{"BY KEY", true},
		{"DUMPED", true},
		{"INCOMPATIBLE", true},
		{"LOST", true},
		{"WITHDRAWN", true},
	}.write(c.out, rows)
	c.out.f("\n%d calls with %d lines, %d of them open; %d other events; %d packed days: ", v.Calls, v.Lines, v.Open, v.Events, v.Days)
	if v.Clean() {
		c.out.f("all adds up\n")
	} else {
		c.out.f("not all adds up\n")
	}
}

func queuesRebuild(c *command) action {
	c.reports()
	c.about = `
Of whole days it is kept compactly what reports count. admin serve packs a day an hour after it has ended, and again when lines of it
come late. This forgets all packed days, and packs them again; reports read the calls meanwhile, which takes longer.`
	c.examples = []string{"admin queues rebuild"}
	return func(ctx context.Context, _ []string) error {
		days := 0
		err := c.withQueueLog(ctx, func(db *store.Store, cfg config.Config, f *feed.Follower) error {
			told, forgotten := c.progress(), false
			defer told.clear()
			packer := reports.Packer{Keeper: db, Location: cfg.Location, Now: time.Now}
			return c.inTurn(ctx, f, func() error {
				for {
					if err := f.Claim(ctx); err != nil {
						return err
					}
					if !forgotten {
						if err := db.ForgetQueueDays(ctx, f.Holder); err != nil {
							return err
						}
						forgotten = true
					}
					packed, err := packer.Pack(ctx, f.Holder, 1)
					if err != nil || packed == 0 {
						return err
					}
					days += packed
					told.show("%s packed", counted(days, "day"))
				}
			})
		})
		if err != nil {
			return err
		}
		if c.json {
			return c.out.json(map[string]int{"days": days})
		}
		c.out.f("%s packed\n", counted(days, "day"))
		return nil
	}
}

// shownName is a queue or an agent as --json shows it.
type shownName struct {
	ID    int32  `json:"id"`
	Agent bool   `json:"agent"`
	Name  string `json:"name"`
	Shown string `json:"shown"`
}

func queuesName(c *command) action {
	c.reports()
	agent := c.flags.Bool("agent", false, "NAME is an agent, not a queue")
	c.about = `
Gives a queue, or an agent, the name by which people see it; an empty one (""): again by that in the log. Without SHOWN it is told
how it is called now, without NAME of all of them.`
	c.examples = []string{`admin queues name support "Technical support"`, `admin queues name --agent SIP/204 "Iva Moss"`, "admin queues name"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			names, err := db.QueueNames(ctx)
			if err != nil {
				return err
			}
			all := []shownName{}
			for _, n := range names {
				if len(operands) == 0 && (!c.isGiven("agent") || n.Agent == *agent) || len(operands) > 0 && n.Agent == *agent && n.Key == operands[0] {
					all = append(all, shownName{n.ID, n.Agent, n.Key, n.Shown})
				}
			}
			kind := "queue"
			if *agent {
				kind = "agent"
			}
			if len(operands) > 0 && len(all) == 0 {
				return fmt.Errorf("the queue_log has named no %s %q so far; admin queues name lists all", kind, operands[0])
			}
			if len(operands) > 1 {
				rename := db.RenameQueue
				if *agent {
					rename = db.RenameAgent
				}
				n, err := rename(ctx, all[0].ID, operands[1], actor())
				if err != nil {
					return err
				}
				all[0].Shown = n.Shown
			}
			if c.json {
				return c.out.json(all)
			}
			rows := [][]string{}
			for _, n := range all {
				kind := "queue"
				if n.Agent {
					kind = "agent"
				}
				rows = append(rows, []string{kind, fmt.Sprint(n.ID), n.Name, n.Shown})
			}
			table{{"KIND", false}, {"ID", true}, {"NAME", false}, {"SHOWN", false}}.write(c.out, rows)
			return nil
		})
	}
}
