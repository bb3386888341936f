package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"talktime/agi"
	"talktime/billing"
	"talktime/dialcode"
	"talktime/internal/config"
	"talktime/internal/spool"
	"talktime/internal/version"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/routing"
	"talktime/store"
	"talktime/tariff"
)

// environment is what the process gets from outside.
type environment struct {
	getenv  func(string) (string, bool)
	environ func() []string
	stdin   *os.File
	stdout  io.Writer
	stderr  io.Writer
}

const (
	exitFailed = 1
	exitUsage  = 2
)

const usage = `fastagi answers Asterisk's FastAGI questions about calls.

  fastagi                        run the server
  fastagi stdio caller|reducer   bridge a classic AGI program to the running server
  fastagi --validate             check all settings and end
  fastagi --version              print the version

`

// run is the whole command. restore gives signals back their default effect, so that a second one ends at once.
func run(ctx context.Context, restore func(), args []string, env environment) int {
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case slices.Contains(args, "-h") || slices.Contains(args, "--help"):
		_, _ = fmt.Fprint(env.stdout, usage, config.Usage())
		return 0
	case verb == "--version" || verb == "version":
		_, _ = fmt.Fprintln(env.stdout, version.String())
		return 0
	case verb != "" && verb != "--validate" && verb != "stdio" || verb == "--validate" && len(args) > 1:
		_, _ = fmt.Fprintf(env.stderr, "fastagi: unknown argument %.80q; fastagi -h shows what there is\n", args[len(args)-1])
		return exitUsage
	}
	c, err := config.Load(env.getenv, env.environ(), ".")
	for _, name := range append(c.Unknown, unknownPrompts(c)...) {
		_, _ = fmt.Fprintf(env.stderr, "fastagi: warning: %s is not a setting of Talktime and has no effect\n", name)
	}
	for _, text := range c.Warnings {
		_, _ = fmt.Fprintln(env.stderr, "fastagi: warning:", text)
	}
	if verb == "--validate" {
		_, errTLS := c.Admin.Certificate()
		err = errors.Join(err, errTLS)
	}
	if err != nil {
		tell(env, err)
		return exitFailed
	}
	if verb == "--validate" {
		_, _ = fmt.Fprintln(env.stdout, "the settings are in order")
		return 0
	}
	if verb == "stdio" {
		restore() // a signal ends it at once: there is nothing to finish, and the server sees that it has gone
		return stdio(context.WithoutCancel(ctx), args[1:], c, env)
	}
	if err := serve(ctx, restore, c, wiring.Logger(env.stderr)); err != nil {
		tell(env, err)
		return exitFailed
	}
	return 0
}

// unknownPrompts are the settings of prompts that nobody plays.
func unknownPrompts(c config.Config) (settings []string) {
	for name := range c.Calls.Recordings {
		if !slices.ContainsFunc(agi.Recordings(), func(r agi.Recording) bool { return r.Name == name }) {
			settings = append(settings, "TALKTIME_PROMPT_"+strings.ReplaceAll(strings.ToUpper(name), "-", "_"))
		}
	}
	slices.Sort(settings)
	return settings
}

// tell prints an error, of which each line is a sentence of its own.
func tell(env environment, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, _ = fmt.Fprintf(env.stderr, "fastagi: %s\n", line)
	}
}

// serve builds the server from its settings and runs it until ctx ends.
func serve(ctx context.Context, restore func(), c config.Config, log *slog.Logger) error {
	db, err := store.Open(wiring.StoreConfig(c))
	if err != nil {
		return wiring.AboutDatabase(c.Database, err)
	}
	defer func() { _ = db.Close() }()
	if err := prepareSchema(ctx, db, c.Database, log); err != nil {
		return err
	}
	tariffs := &tariff.Tariffs{}
	_, _ = tariffs.Refresh(ctx, db) // so that the first call finds them; what fails is logged and tried again below
	routes := routing.New(tariffs, c.Calls.DialTechs, int64(c.Calls.Max/time.Second))
	_, _ = routes.Refresh(ctx, db) // the same
	service := billing.New(billing.Options{Store: db, Policy: policy(c, tariffs, routes), Logger: log, Lanes: db.Lanes()})
	defer service.Close()
	waiting := spool.New(c.Spool)
	if err := wiring.TryWriting(c.Spool); err != nil {
		log.Error("the spool cannot be written: reports about calls are lost while the database is away", "setting", "TALKTIME_SPOOL", "err", err)
	}
	reconciler, closeSources, err := newReconciler(service, db, c, log)
	if err != nil {
		return err
	}
	defer closeSources()
	keeper, closeAsterisks, err := newKeeper(service, db, tariffs, c, log)
	if err != nil {
		return err
	}
	defer closeAsterisks()

	mux := agi.NewMux()
	scripts := &agi.Scripts{
		Billing: service, Spool: records{waiting}, Vouchers: db, Cards: db, Logger: log,
		Prompts: c.Calls.Prompts, Recordings: c.Calls.Recordings, CardLanguages: c.Calls.CardLanguages,
	}
	if keeper != nil {
		scripts.Keeper = keeper
	}
	scripts.Register(mux)
	server := &agi.Server{Handler: mux, Allow: c.FastAGI.Allow, MaxSessions: c.FastAGI.Sessions, Logger: log}
	listener, err := agi.Listen(ctx, c.FastAGI.Listen)
	if err != nil {
		return fmt.Errorf("TALKTIME_FASTAGI_LISTEN: %w", err)
	}
	log.Info("ready", "listen", listener.Addr().String(), "database", c.Database.Redacted(), "version", version.String(),
		"slice_seconds", c.Slices())

	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx)) // to the end: calls go on while the server stops
	defer stopKeeping()
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(running, listener) })
	group.Go(func() error { return watchSchema(running, db, c.Database, log) })
	group.Go(func() error {
		tariffs.Watch(running, db, log)
		return nil
	})
	group.Go(func() error {
		routes.Watch(running, db, log)
		return nil
	})
	group.Go(func() error {
		watchGarbage(running)
		return nil
	})
	group.Go(func() error {
		watchTraffic(running, server, service, waiting, log)
		return nil
	})
	group.Go(func() error {
		work(running, c.ReconcileEvery, service, reconciler, waiting, log)
		return nil
	})
	group.Go(func() error {
		if keeper != nil {
			keeper.Run(keeping)
		}
		return nil
	})
	group.Go(func() error {
		defer stopKeeping()
		<-running.Done()
		restore()
		log.Info("stopping", "grace", c.ShutdownTimeout.String())
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.ShutdownTimeout)
		defer cancel()
		if err := server.Shutdown(bounded); err != nil {
			log.Warn("some calls were left to their reducers", "err", err)
		}
		return nil
	})
	err = group.Wait()
	scripts.Wait()
	log.Info("stopped")
	return err
}

func policy(cfg config.Config, tariffs *tariff.Tariffs, routes *routing.Routes) billing.Policy {
	c := cfg.Calls
	return billing.Policy{
		Rate: tariffs.Rate, Route: routes.Route, Pools: routes.Pools, Location: cfg.Location, Warn: cfg.Notices.LowBalance, Country: dialcode.Abroad(c.Country),
		MaxCallSeconds: int64(c.Max / time.Second), RingSeconds: int64(c.Ring / time.Second), Identify: c.Identify,
		Dial: c.Dial, SubscriberDial: c.SubscriberDial, DialTechs: c.DialTechs, Emergency: c.Emergency, EmergencyDial: c.EmergencyDial,
		Slice: cfg.Slices(),
	}
}

// prepareSchema migrates the embedded file, which is ours alone, and refuses a server database that does not fit.
// One that cannot be reached is for watchSchema.
func prepareSchema(ctx context.Context, db *store.Store, d config.Database, log *slog.Logger) error {
	if d.Dialect == config.SQLite {
		_, err := db.Migrate(ctx)
		return wiring.AboutDatabase(d, err)
	}
	err := db.CheckSchema(ctx)
	if errors.Is(err, models.ErrUnavailable) {
		log.Error("the database cannot be reached: all calls are refused until it can", "database", d.Redacted(), "err", err)
		return nil
	}
	return wiring.AboutDatabase(d, err)
}

// schemaPause is how often a database that could not be reached at start is asked again.
const schemaPause = 2 * time.Second

// watchSchema waits until the database has answered once, and ends the program when its schema is wrong. It says so when
// nothing can be written, which nobody would see before the first call.
func watchSchema(ctx context.Context, db *store.Store, d config.Database, log *slog.Logger) error {
	unreachable := false
	for {
		err := db.CheckSchema(ctx)
		switch {
		case err == nil:
			if unreachable {
				log.Info("the database can be reached")
			}
			if err := wiring.CheckWrites(ctx, db, d); errors.Is(err, store.ErrUnwritable) {
				log.Error("the database cannot be written: all calls are refused until it can", "database", d.Redacted(),
					"err", err, "do", wiring.AboutWrites(d))
			}
			if wrong, err := db.Recount(ctx); err != nil {
				log.Error("the calls in progress were not counted again", "err", err)
			} else if wrong > 0 {
				log.Warn("numbers of calls in progress were wrong and are right now: did an old fastagi run beside a new one?", "numbers", wrong)
			}
			return nil
		case errors.Is(err, store.ErrSchema):
			return wiring.AboutDatabase(d, err)
		}
		unreachable = true
		if !wiring.Pause(ctx, schemaPause) {
			return nil
		}
	}
}

// newReconciler makes the reconciler with all witnesses that are configured.
func newReconciler(service *billing.Service, db *store.Store, c config.Config, log *slog.Logger) (*billing.Reconciler, func(), error) {
	r := &billing.Reconciler{Service: service, Calls: db, Logger: log}
	databases, closeAll, err := wiring.OpenCDRs(c)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range databases {
		r.CDRs = append(r.CDRs, d)
	}
	if asterisks := wiring.OurAsterisks(c); len(asterisks) > 0 {
		r.Live = asterisks
	}
	return r, closeAll, nil
}
