package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"talktime/internal/config"
	"talktime/queues/feed"
	"talktime/queues/reports"
	"talktime/store"
)

// packedAtOnce is how many days are packed before it is looked again whether there is something to read.
const packedAtOnce = 10

// newQueueLog is the importer of the queue_log of the settings; without one it only takes files. Close ends its connections.
func newQueueLog(db *store.Store, cfg config.Config, log *slog.Logger) (f *feed.Follower, closeAll func(), err error) {
	packer := reports.Packer{Keeper: db, Location: cfg.Location, Now: time.Now}
	f = &feed.Follower{
		Keeper: db, Path: cfg.QueueLog.Path, Location: cfg.Location, Holder: rand.Text(), Logger: log, Lines: db.CDRBatchRows(),
		Pack: func(ctx context.Context, holder string) (bool, error) {
			packed, err := packer.Pack(ctx, holder, packedAtOnce)
			return packed == packedAtOnce, err
		},
	}
	if !cfg.QueueLog.Table {
		return f, func() {}, nil
	}
	table, err := openQueueTable(cfg)
	if err != nil {
		return nil, nil, err
	}
	f.Table = table
	return f, func() { _ = table.Close() }, nil
}

// openQueueTable prepares the table queue_log of DB1; it need not be reachable yet.
func openQueueTable(cfg config.Config) (*store.QueueTable, error) {
	d := cfg.CDR.Databases[0] // the settings are checked: it is DB1
	return store.OpenQueueTable(store.CDRConfig{
		Label: "DB1", Addr: d.Addr(), User: d.User, Password: d.Password.Reveal(), Name: d.Name, Location: cfg.Location,
	})
}

// followQueueLog reads the queue_log as it grows, and packs the days behind it. It may run in any number of processes.
func followQueueLog(ctx context.Context, f *feed.Follower, c config.QueueLog) {
	if c != (config.QueueLog{}) {
		f.Run(ctx)
	}
}
