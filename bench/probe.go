package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// probeMariaDB is the first figure, against the loop at about its best.
func (b *bench) probeMariaDB(ctx context.Context) error {
	db, err := b.newDatabase(ctx, "probe")
	if err != nil {
		return err
	}
	byHand, err := b.newLoop(ctx, "probe_byhand", accounts, 64)
	if err != nil {
		return err
	}
	defer func() { _ = byHand.close() }()
	return b.probe(ctx, db, contender{"by hand, 64 connections", pairsUnit, byHand.pairs(64)})
}

// probeSQLite is the same on SQLite.
func (b *bench) probeSQLite(ctx context.Context) error {
	db, err := openDatabase(ctx, "sqlite:"+filepath.Join(b.dir, "probe.db"))
	if err != nil {
		return err
	}
	return b.probe(ctx, db)
}

func (b *bench) probe(ctx context.Context, db *database, others ...contender) error {
	defer func() { _ = db.Close() }()
	if err := db.addUsers(ctx, accounts); err != nil {
		return err
	}
	lanes := b.lanes
	if lanes == 0 {
		lanes = db.Lanes()
	}
	name := fmt.Sprintf("ours, 10,000 accounts, %d callers, %d lanes", b.callers, lanes)
	rows, err := b.inTurn(ctx, append([]contender{{name, pairsUnit, db.load(lanes, 0, b.callers, accounts)}}, others...)...)
	if err != nil {
		return err
	}
	for _, r := range rows[1:] {
		b.progress("%s × %s; CPU time of it %s × ours", number(rows[0].got.over(r.got).median()), r.name, number(r.cpu.over(rows[0].cpu).median()))
	}
	_, err = db.audit(ctx)
	return err
}
