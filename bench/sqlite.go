package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// measureSQLite: the embedded database, durable.
func (b *bench) measureSQLite(ctx context.Context) error {
	db, err := openDatabase(ctx, "sqlite:"+filepath.Join(b.dir, "talktime.db"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.addUsers(ctx, accounts); err != nil {
		return err
	}
	lanes := db.Lanes()
	rows, err := b.inTurn(ctx,
		contender{"SQLite, 10,000 accounts, 256 callers", pairsUnit, db.load(lanes, 0, callers, accounts)},
		contender{"SQLite, one hot account, 256 callers", pairsUnit, db.load(lanes, 0, callers, 1)},
		contender{"SQLite, 10,000 accounts, one caller", pairsUnit, db.load(lanes, 0, 1, accounts)},
	)
	if err != nil {
		return err
	}
	report, err := db.audit(ctx)
	if err != nil {
		return err
	}
	remark := fmt.Sprintf("synchronous=FULL. Audited afterwards: %s calls, no difference.", group(report.Calls))
	b.figures = append(
		b.figures,
		figure{name: "SQLite, 256 callers", goal: 4000, unit: pairsUnit, got: rows[0].got, rows: rows[:2], remarks: []string{remark}},
		figure{name: "SQLite, one caller", goal: 500, unit: pairsUnit, got: rows[2].got},
	)
	return nil
}
