package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/internal/spool"
	"talktime/internal/wiring"
	"talktime/store"
	"talktime/tariff"
)

func reconcile(c *command) action {
	c.reports()
	all := c.flags.Bool("all", false, "every open call counts as ended: your word, which the audit log keeps")
	c.about = `
One pass of what fastagi does by itself: calls past their limit, or proven ended, are settled from the notes of the
call and from the CDR databases; where nobody knows, the held money is released and the call listed as unreconciled.
--all is for the day after an Asterisk died: it must not be used while calls are up.`
	c.examples = []string{"admin reconcile", "admin reconcile --all && admin audit --list unreconciled"}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			return c.reconcile(ctx, db, cfg, *all)
		})
	}
}

func (c *command) reconcile(ctx context.Context, db *store.Store, cfg config.Config, all bool) error {
	databases, closeAll, err := wiring.OpenCDRs(cfg)
	if err != nil {
		return err
	}
	defer closeAll()
	if waiting, err := spool.New(cfg.Spool).Len(); err == nil && waiting > 0 {
		c.note("%d records about the ends of calls wait in %s; fastagi settles them, before or after this", waiting, cfg.Spool)
	}
	if all {
		// An operator's word is written down before it is acted on.
		if err := db.Log(ctx, actor(), "call.reconcile", "every open call", nil, nil); err != nil {
			return fmt.Errorf("nothing is done, since the audit log cannot be written: %w", err)
		}
	}
	tariffs := &tariff.Tariffs{} // calls that nobody authorised are charged at today's rate
	if _, err := tariffs.Refresh(ctx, db); err != nil {
		return err
	}
	service := billing.New(billing.Options{Store: db, Policy: billing.Policy{Rate: tariffs.Rate, Location: cfg.Location, Warn: cfg.Notices.LowBalance}})
	defer service.Close()
	r := billing.Reconciler{Service: service, Calls: db, CDRs: witnesses(databases), Logger: slog.New(slog.DiscardHandler)}
	if asterisks := wiring.OurAsterisks(cfg); len(asterisks) > 0 {
		r.Live = asterisks
	}
	wrong, err := db.Recount(ctx)
	if err != nil {
		return err
	}
	if wrong > 0 {
		c.note("%s of calls in progress was wrong and is right now: did an old fastagi run beside a new one?", counted(wrong, "number"))
	}
	report, runErr := r.Run(ctx, all)
	if report.Problems == nil {
		report.Problems = []string{}
	}
	if err := c.printReconciled(report); err != nil {
		return err
	}
	if runErr == nil && len(report.Problems) > 0 && report.Left > 0 {
		runErr = fmt.Errorf("%d calls are left, and not everything could be asked", report.Left)
	}
	return runErr
}

func (c *command) printReconciled(r billing.ReconcileReport) error {
	for _, problem := range r.Problems {
		c.note("%s", printable(problem))
	}
	if r.Left > 0 && len(r.Problems) == 0 {
		c.note("%s left: up still, less than a minute past the limit, or looked into by fastagi at this moment", counted(r.Left, "call"))
	}
	if c.json {
		return c.out.json(r)
	}
	table{{}, {right: true}}.write(c.out, [][]string{
		{"open calls", strconv.Itoa(r.Open)},
		{"charged", strconv.Itoa(r.Settled)},
		{"released, not answered", strconv.Itoa(r.Released)},
		{"given up, listed as unreconciled", strconv.Itoa(r.Unreconciled)},
		{"left", strconv.Itoa(r.Left)},
	})
	return nil
}
