package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/routing"
	"talktime/store"
)

// checkDatabase looks at our own database. What follows from an unreachable one is not told again.
func checkDatabase(ctx context.Context, db *store.Store, d config.Database, techs []string) []finding {
	err := db.CheckSchema(ctx)
	switch {
	case errors.Is(err, store.ErrNewerSchema):
		return []finding{
			fine("database", "%s answers", d.Redacted()),
			fine("schema", "%s", err).fail("install the newer program on this machine, too"),
		}
	case errors.Is(err, store.ErrSchema):
		return []finding{
			fine("database", "%s answers", d.Redacted()),
			fine("schema", "%s", err).fail("run admin migrate; on a server with a user who may create tables and triggers"),
		}
	case err != nil && d.Dialect == config.SQLite:
		return []finding{fine("database", "%s: %s", d.Redacted(), err).fail("let our user read and write the file and its folder")}
	case err != nil:
		return []finding{fine("database", "%s: %s", d.Redacted(), err).fail("start the database, or correct TALKTIME_DATABASE_URL")}
	}
	findings := []finding{fine("database", "%s answers", d.Redacted()), fine("schema", "fits this version")}
	findings = append(findings, checkWrites(ctx, db, d), checkClock(ctx, db), checkLedger(ctx, db, d))
	return append(append(findings, checkCalls(ctx, db)...), checkTariffs(ctx, db), checkRoutes(ctx, db, techs), checkLimits(ctx, db), checkAdmin(ctx, db))
}

// checkTariffs looks for users whose money no tariff takes.
func checkTariffs(ctx context.Context, db *store.Store) finding {
	without, err := db.WithoutTariff(ctx)
	if err != nil {
		return unasked("tariffs", err)
	}
	var parts []string
	for _, currency := range slices.Sorted(maps.Keys(without)) {
		parts = append(parts, fmt.Sprintf("%d with %s", without[currency], currency))
	}
	if len(parts) > 0 {
		return fine("tariffs", "users who can call nobody, since no default tariff takes their money: %s", strings.Join(parts, ", ")).
			warn("make a tariff in the currency the default, see admin tariff -h, or give them one by admin tariff assign")
	}
	return fine("tariffs", "everybody's money is taken by one")
}

// checkRoutes looks for carriers that get no calls, routes that refuse all, and prices that the loss guard cannot compare.
func checkRoutes(ctx context.Context, db *store.Store, techs []string) finding {
	now := time.Now()
	table, err := routing.Load(ctx, db, techs)
	if err != nil {
		return unasked("routes", err)
	}
	decks, err := db.DecksFor(ctx, now, "")
	if err != nil {
		return unasked("routes", err)
	}
	currencies, err := db.Currencies(ctx)
	if err != nil {
		return unasked("routes", err)
	}
	if faults := table.Faults(decks, now); len(faults) > 0 {
		return fine("routes", "%s", strings.Join(faults, "; ")).warn("correct or enable the carriers by admin carrier change; activate a version of their tariffs")
	}
	if unguarded := table.Unguarded(nil, currencies); len(unguarded) > 0 {
		return fine("routes", "%s", strings.Join(unguarded, "; ")).warn("give the carriers a tariff in the currency that is charged, or say --loss allow of the route")
	}
	return fine("routes", "each has a carrier that can be dialled")
}

// checkLimits looks for limits that contradict each other, or leave no call at all.
func checkLimits(ctx context.Context, db *store.Store) finding {
	shortest, err := db.ShortestFirst(ctx)
	if err != nil {
		return unasked("limits", err)
	}
	var found []string
	n := 0
	err = db.EachLimits(ctx, func(whose string, l models.Limits) error {
		n++
		if l.Seconds > 0 && l.Seconds < shortest {
			found = append(found, fmt.Sprintf("%s: calls of at most %d seconds, but no tariff bills less than %d: there are none", whose, l.Seconds, shortest))
		}
		for _, text := range l.Contradictions() {
			found = append(found, whose+": "+text)
		}
		return nil
	})
	const shown = 10
	switch {
	case err != nil:
		return unasked("limits", err)
	case len(found) > shown:
		found = append(found[:shown], fmt.Sprintf("and %d more", len(found)-shown))
	}
	if len(found) > 0 {
		return fine("limits", "%s", strings.Join(found, "; ")).warn("correct them by admin limit set")
	}
	return fine("limits", "those of %d users and groups make sense", n)
}

func checkWrites(ctx context.Context, db *store.Store, d config.Database) finding {
	switch err := wiring.CheckWrites(ctx, db, d); {
	case errors.Is(err, store.ErrUnwritable):
		return fine("writing", "%s", err).fail(wiring.AboutWrites(d))
	case err != nil:
		return unasked("writing", err)
	}
	return fine("writing", "all that is written can be written")
}

// unasked is what a check says when the database no longer answers it.
func unasked(check string, err error) finding {
	return fine(check, "%s", err).fail("see that the database answers, then try again")
}

func checkClock(ctx context.Context, db *store.Store) finding {
	skew, err := db.ClockSkew(ctx)
	if err != nil {
		return unasked("clock", err)
	}
	found := fine("clock", "ours is %s from the database's", skew.Round(time.Millisecond))
	if skew.Abs() > maxSkew {
		return found.warn("run a time service (chrony, systemd-timesyncd) on both machines")
	}
	return found
}

// checkLedger looks for the triggers that refuse to change the ledger, and for the rights to do without them. A
// server shows triggers only to those who may drop them.
func checkLedger(ctx context.Context, db *store.Store, d config.Database) finding {
	missing, err := db.MissingTriggers(ctx)
	if err != nil {
		return unasked("ledger", err)
	}
	rights, err := db.LedgerRights(ctx)
	if err != nil {
		return unasked("ledger", err)
	}
	visible := d.Dialect == config.SQLite || slices.Contains(rights, "ALL PRIVILEGES") || slices.Contains(rights, "TRIGGER")
	may := "our database user has the rights " + strings.Join(rights, ", ")
	const advice = "run fastagi and admin serve with a user who may only SELECT and INSERT in transactions and entries; see docs/operations.md"
	switch {
	case visible && len(missing) > 0:
		return fine("ledger", "the triggers %s are missing: entries could be changed", strings.Join(missing, ", ")).
			fail("restore the database from a dump with triggers (mariadb-dump --triggers)")
	case !visible && len(rights) > 0:
		return fine("ledger", "%s on the ledger, but cannot see whether triggers refuse to change it", may).warn(advice)
	case !visible:
		return fine("ledger", "our database user can neither change it nor see its triggers")
	case len(rights) > 0:
		return fine("ledger", "triggers refuse to change or delete entries, but %s on them", may).warn(advice)
	}
	return fine("ledger", "triggers refuse to change or delete entries")
}

func checkCalls(ctx context.Context, db *store.Store) []finding {
	n, err := db.CountCalls(ctx)
	if err != nil {
		return []finding{unasked("calls", err)}
	}
	unasked := fine("unauthorised", "there is none: the dialplan asks before it dials")
	if n.Unauthorised > 0 {
		unasked = fine("unauthorised", "%d answered calls were dialled without asking us: nothing was held, and nothing would have cut them off", n.Unauthorised).
			warn("compare the dialplan with the sample (admin dialplan): no Dial() before AGI() has said OK; see admin audit --list unauthorised")
	}
	return []finding{checkOpenCalls(n), unasked}
}

func checkOpenCalls(n store.CallCounts) finding {
	found := fine("calls", "%d open, %d of them overdue, %d unreconciled, %d disputed, %d with a shortfall",
		n.Open, n.Overdue, n.Unreconciled, n.Disputed, n.Shortfalls)
	switch {
	case n.Overdue > 0:
		return found.warn("see that fastagi runs, which reconciles; else admin reconcile")
	case n.Unreconciled+n.Disputed+n.Shortfalls > 0:
		return found.warn("look at them: admin audit --list unreconciled, disputed or shortfall")
	}
	return found
}

func checkAdmin(ctx context.Context, db *store.Store) finding {
	exists, err := db.HasAdmin(ctx)
	if err != nil {
		return unasked("administrator", err)
	}
	if !exists {
		return fine("administrator", "there is none yet").warn("start admin serve, which makes one, or admin user add --admin --username NAME")
	}
	return fine("administrator", "there is one")
}
