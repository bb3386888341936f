package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"talktime/store/storetest"
)

// bench is one run.
type bench struct {
	rounds int
	each   time.Duration // one contender in one round
	full   bool
	short  bool
	// patience is how long measurements may be repeated, in all, that other programs took part in.
	patience time.Duration

	cdrs       int64 // in the statistics; 0: as many as were promised
	lines      int64 // of queue_log; the same
	serverArgs string
	lanes      int // of a probe
	callers    int

	dir     string // for files, on a real disk
	started time.Time
	others  samples            // how much of the machine other programs used, each time something was measured
	server  *storetest.MariaDB // started when first needed
	machine machine
	figures []figure
}

// measurement is one of what can be measured.
type measurement struct {
	name string
	run  func(*bench, context.Context) error
}

// measurements in the order in which they are run.
var measurements = []measurement{
	{"engine", (*bench).measureEngine},
	{"latency", (*bench).measureLatency},
	{"sqlite", (*bench).measureSQLite},
	{"growth", (*bench).measureGrowth},
	{"api", (*bench).measureAPI},
	{"lists", (*bench).measureLists},
	{"tariffs", (*bench).measureTariffs},
	{"limits", (*bench).measureLimits},
	{"fastagi", (*bench).measureFastAGI},
	{"abuse", (*bench).measureAbuse},
	{"held", (*bench).measureHeld},
	{"statistics", (*bench).measureStatistics},
	{"queues", (*bench).measureQueues},
	{"pbx", (*bench).measurePBX},
	{"midcall", (*bench).measureMidcall},
}

// probes are run only when asked for: they put load on one thing alone, to be profiled.
var probes = []measurement{
	{"probe-mariadb", (*bench).probeMariaDB},
	{"probe-sqlite", (*bench).probeSQLite},
}

func main() {
	servers := map[string]func(address string) error{"-serve-idle": serveIdle, "-serve-manager": serveManager, "-serve-calls": serveCalls}
	if len(os.Args) == 3 && servers[os.Args[1]] != nil {
		if err := servers[os.Args[1]](os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	b := &bench{started: time.Now()}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var names, extra []string
	for _, m := range measurements {
		names = append(names, m.name)
	}
	for _, m := range probes {
		extra = append(extra, m.name)
	}
	only := flags.String("only", "", "measure only these, separated by commas: "+strings.Join(slices.Concat(names, extra), ", "))
	out := flags.String("o", "bench/RESULTS.md", "where to write the results of a run over everything")
	flags.DurationVar(&b.patience, "patience", time.Minute, "how long, in all, to repeat what other programs disturbed")
	flags.StringVar(&b.serverArgs, "mariadb", "", "further arguments for mariadbd, separated by blanks")
	flags.IntVar(&b.lanes, "lanes", 0, "committers of a probe; 0 = as many as the store asks for")
	flags.IntVar(&b.callers, "callers", callers, "callers at once in a probe")
	profile := flags.String("cpuprofile", "", "write a CPU profile of this process")
	flags.BoolVar(&b.short, "short", false, "fewer and shorter rounds")
	flags.Int64Var(&b.cdrs, "cdrs", 0, "CDRs that statistics are measured over; 0: 10,000,000, or 500,000 with -short")
	flags.Int64Var(&b.lines, "lines", 0, "lines of queue_log that queues are measured over; 0: 5,000,000, or 100,000 with -short")
	flags.BoolVar(&b.full, "full", false, "growth up to a million users and ten million ledger entries")
	flags.IntVar(&b.rounds, "rounds", 5, "rounds, each of which measures everything once")
	flags.DurationVar(&b.each, "each", 2*time.Second, "how long each thing is measured in a round")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if b.short {
		b.rounds, b.each, b.patience = 2, 500*time.Millisecond, 0
	}
	chosen := names
	if *only != "" {
		chosen = strings.Split(*only, ",")
	}
	for _, name := range chosen {
		if !slices.Contains(names, name) && !slices.Contains(extra, name) {
			fmt.Fprintf(os.Stderr, "bench: there is no measurement %q\n", name)
			return 2
		}
	}
	if err := b.measure(ctx, chosen, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	b.print(os.Stdout)
	if b.short || len(chosen) != len(names) {
		return 0
	}
	if err := b.write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func (b *bench) measure(ctx context.Context, chosen []string, profile string) (err error) {
	// As fastagi does: a collection every few batches costs more than the memory is worth.
	debug.SetGCPercent(400)
	if b.dir, err = os.MkdirTemp("", "talktime-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	defer func() {
		if b.server != nil {
			b.server.Stop()
		}
	}()
	if b.machine, err = lookAtMachine(b.dir); err != nil {
		return err
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, m := range slices.Concat(measurements, probes) {
		if !slices.Contains(chosen, m.name) {
			continue
		}
		if err := m.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// progress tells on stderr what is going on.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.0fs  %s\n", time.Since(b.started).Seconds(), fmt.Sprintf(format, args...))
}
