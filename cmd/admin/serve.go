package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/dialcode"
	"talktime/internal/config"
	"talktime/internal/nodemanager"
	"talktime/internal/password"
	"talktime/internal/version"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/pbx"
	"talktime/store"
)

// maxHeader is how many bytes the head of a request may have: the longest query, escaped, is half of it.
const maxHeader = 128 << 10

// Time limits of the admin server.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	refillPause    = 30 * time.Second
	expirePause    = time.Minute
	forgetPause    = 10 * time.Minute
	schemaPause    = time.Second // between two tries to reach a database that was away at the start
)

func serve(c *command) action {
	c.makes = true
	c.about = `
When no user is an administrator, the user admin is made, with the password TALKTIME_ADMIN_PASSWORD or one that is
printed once on standard output.

` + config.Usage()
	c.examples = []string{"TALKTIME_ADMIN_LISTEN=127.0.0.1:8080 admin serve"}
	return func(ctx context.Context, _ []string) error {
		cfg, err := c.settings()
		if err != nil {
			return err
		}
		for _, warning := range cfg.Warnings {
			c.note("warning: %s", warning)
		}
		if _, err := cfg.Admin.Certificate(); err != nil {
			return err
		}
		db, err := c.openStore(cfg)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		return c.serve(ctx, db, cfg, wiring.Logger(c.stderr))
	}
}

// serve runs the admin server until ctx ends. A database that is away does not keep it from starting: it says so at
// /readyz, and goes on as soon as it can.
func (c *command) serve(ctx context.Context, db *store.Store, cfg config.Config, log *slog.Logger) error {
	ready := prepareSchema(ctx, db, cfg.Database)
	if ready != nil && !errors.Is(ready, models.ErrUnavailable) {
		return ready
	}
	service := billing.New(billing.Options{Store: db, Policy: billing.Policy{Location: cfg.Location, Warn: cfg.Notices.LowBalance}, Logger: log, Lanes: db.Lanes()})
	defer service.Close()
	counts, err := newStatistics(db, cfg, log)
	if err != nil {
		return err
	}
	defer func() { _ = counts.Close() }()
	queueLog, closeQueueLog, err := newQueueLog(db, cfg, log)
	if err != nil {
		return err
	}
	defer closeQueueLog()
	manager, closeManager, err := openManager(cfg.AMI, log)
	if err != nil {
		return err
	}
	defer closeManager()
	telephones, closePBX, err := openPBX(db, manager, counts, cfg, log)
	if err != nil {
		return err
	}
	defer closePBX()
	stop := make(chan struct{})
	handler, err := api(db, service, counts, manager, telephones, stop, cfg, log)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, cfg.Admin)
	if err != nil {
		return err
	}
	server := newServer(handler, log)
	server.RegisterOnShutdown(func() { close(stop) }) // it is shut down once
	log.Info("the admin server listens", "address", listener.Addr().String(), "tls", cfg.Admin.TLSCert != "",
		"database", cfg.Database.Redacted())

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		err := c.prepare(ctx, db, cfg, log)
		if err != nil {
			return err
		}
		if cfg.NodeManager != "" {
			group.Go(func() error {
				provisionDue(ctx, db, nodemanager.Client{Address: cfg.NodeManager}, log)
				return nil
			})
		}
		group.Go(func() error {
			expireDue(ctx, db, log)
			return nil
		})
		group.Go(func() error {
			forgetRefusals(ctx, db, cfg.KeepRefusals, log)
			return nil
		})
		group.Go(func() error {
			forgetPBXChanges(ctx, db, log)
			return nil
		})
		group.Go(func() error {
			retainRecordings(ctx, db, telephones.Retention, log)
			return nil
		})
		notices := newCourier(db, cfg.Notices, log)
		for range senders {
			group.Go(func() error {
				notices.deliverDue(ctx)
				return nil
			})
		}
		group.Go(func() error {
			notices.spreadDue(ctx)
			return nil
		})
		group.Go(func() error {
			notices.forgetDue(ctx)
			return nil
		})
		if cfg.Notices.Refusals > 0 {
			group.Go(func() error {
				notices.watchRefusals(ctx, cfg.Notices.Refusals, cfg.Notices.Window)
				return nil
			})
		}
		group.Go(func() error {
			countDays(ctx, db, counts.rollers(), log)
			return nil
		})
		group.Go(func() error {
			followQueueLog(ctx, queueLog, cfg.QueueLog)
			return nil
		})
		if manager != nil {
			group.Go(func() error {
				watchMembers(ctx, db, manager, log)
				return nil
			})
		}
		refillDue(ctx, db, log)
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return shutDown(server, cfg.ShutdownTimeout, log)
	})
	return group.Wait()
}

// api puts the services together that the API stands on.
func api(db *store.Store, service *billing.Service, counts *statistics, manager *pbx.Client, telephones adminapi.PBX, stop <-chan struct{}, cfg config.Config, log *slog.Logger) (http.Handler, error) {
	return adminapi.New(withLive(adminapi.Deps{
		Users: db, Sessions: db, Ledger: db, Calls: db, Money: service, Tokens: db, Groups: db, Grants: db, Tariffs: db, LongestCall: cfg.Calls.Max, Limits: db, Country: dialcode.Abroad(cfg.Calls.Country), Routing: db, Rerates: db, Vouchers: db, DialTechs: cfg.Calls.DialTechs,
		Notices: db, Figures: db, Keepers: db, Version: version.String(), Stats: counts.Service, CallFacts: db, StatisticsToken: cfg.Callstat.Token.Reveal(), Accounts: db, MonthFirst: cfg.MonthFirst, CallStatisticsAllow: cfg.CallStatisticsAllow,
		Queues: newQueueReports(db, counts, cfg, log), QueueNames: db, QueueFeed: db, QueueSLA: cfg.QueueSLA, Recordings: pbx.NewRecordings(cfg.Recordings),
		PBX:     &telephones,
		Ready:   func(ctx context.Context) error { return ready(ctx, db) },
		Proxies: cfg.Admin.TrustedProxies, Asterisk: cfg.FastAGI.Allow, PublicURL: cfg.Admin.PublicURL, JSONP: cfg.Admin.JSONP,
		Location: cfg.Location, Logger: log, Stop: stop,
	}, manager, cfg, log))
}

// newServer is the server with its limits: whoever sends or reads too slowly is cut off.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: 2 * requestTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func listen(ctx context.Context, a config.Admin) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.Listen)
	if err != nil {
		return nil, fmt.Errorf("TALKTIME_ADMIN_LISTEN %s: %w", a.Listen, err)
	}
	if a.TLSCert == "" {
		return listener, nil
	}
	pair, err := a.Certificate()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{*pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}), nil
}

func shutDown(server *http.Server, patience time.Duration, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.Warn("requests were cut off", "err", err)
		return server.Close()
	}
	return nil
}

// prepare waits for the database, whose schema must be right, and makes the first administrator.
func (c *command) prepare(ctx context.Context, db *store.Store, cfg config.Config, log *slog.Logger) error {
	told, probed := false, false
	for {
		err := prepareSchema(ctx, db, cfg.Database)
		if err == nil && !probed {
			probeWrites(ctx, db, cfg.Database, log)
			probed = true
		}
		if err == nil {
			err = c.firstAdmin(ctx, db, cfg.Admin.Password.Reveal(), log)
		}
		if err == nil {
			err = hashClearPasswords(ctx, db, log)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, models.ErrUnavailable):
			return err
		case !told:
			log.Error("the database cannot be reached; trying again", "err", err)
			told = true
		}
		wiring.Pause(ctx, schemaPause)
	}
}

// probeWrites says at the start that nothing can be written, which nobody would see before the first who tries.
func probeWrites(ctx context.Context, db *store.Store, d config.Database, log *slog.Logger) {
	if err := wiring.CheckWrites(ctx, db, d); errors.Is(err, store.ErrUnwritable) {
		log.Error("the database cannot be written: nothing can be changed until it can", "database", d.Redacted(),
			"err", err, "do", wiring.AboutWrites(d))
	}
}

// byItself is who did what nobody asked for, in the ledger and the audit log. No user has a slash in his name.
const byItself = "admin/serve"

// refillDue applies the refill dates of groups as they come. It may run in any number of processes.
func refillDue(ctx context.Context, db *store.Store, log *slog.Logger) {
	for ; ctx.Err() == nil; wiring.Pause(ctx, refillPause) {
		applied, err := db.RefillDue(ctx, byItself)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			log.Error("due refills were not applied; trying again", "err", err)
		case applied > 0:
			log.Info("due refills are applied", "dates", applied)
		}
	}
}

// expireDue takes promotional credit away that was not used in time. It may run in any number of processes.
func expireDue(ctx context.Context, db *store.Store, log *slog.Logger) {
	for ; ctx.Err() == nil; wiring.Pause(ctx, expirePause) {
		expired, err := db.ExpirePromotions(ctx, byItself)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			log.Error("promotional credit that has expired was not taken away; trying again", "err", err)
		case expired > 0:
			log.Info("promotional credit has expired", "accounts", expired)
		}
	}
}

// forgetRefusals deletes the records of refused calls that are older than they are kept; 0: none. It may run in any number of
// processes.
func forgetRefusals(ctx context.Context, db *store.Store, keep time.Duration, log *slog.Logger) {
	for ; ctx.Err() == nil && keep > 0; wiring.Pause(ctx, forgetPause) {
		deleted, err := db.ForgetRefusals(ctx, time.Now().Add(-keep))
		switch {
		case ctx.Err() != nil:
		case err != nil:
			log.Error("old refusals were not deleted; trying again", "err", err)
		case deleted > 0:
			log.Info("old refusals are deleted", "calls", deleted)
		}
	}
}

// hashClearPasswords hashes the passwords that came from an older program as they were typed.
func hashClearPasswords(ctx context.Context, db *store.Store, log *slog.Logger) error {
	found, err := db.ClearPasswords(ctx)
	if err != nil || len(found) == 0 {
		return err
	}
	hasher := password.New(1)
	for _, p := range found {
		hash, err := hasher.Hash(ctx, p.Text)
		if err == nil {
			err = db.HashedPassword(ctx, p, hash)
		}
		if err != nil {
			return err
		}
	}
	log.Info("clear passwords are hashed", "users", len(found))
	return nil
}

// firstAdmin makes the user admin unless there is an administrator.
func (c *command) firstAdmin(ctx context.Context, db *store.Store, secret string, log *slog.Logger) error {
	if exists, err := db.HasAdmin(ctx); exists || err != nil {
		return err
	}
	made := secret == ""
	if made {
		secret = password.Generate()
	}
	hash, err := password.New(1).Hash(ctx, secret)
	if err != nil {
		return err
	}
	_, err = db.AddUser(ctx, models.NewUser{Username: "admin", PasswordHash: hash, Admin: true}, byItself)
	if errors.Is(err, models.ErrConflict) {
		if exists, err := db.HasAdmin(ctx); exists || err != nil {
			return err // another process was faster
		}
		return errors.New(`nobody is an administrator, and the user "admin" is not one; admin user add --admin --username NAME makes one`)
	}
	if err != nil {
		return err
	}
	log.Info("the first administrator is made", "user", "admin", "password_made", made)
	if !made {
		return nil
	}
	c.out.f("the first administrator is made: user admin, password %s\n", secret)
	return c.out.Flush()
}
