package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/internal/config"
	"talktime/livecalls"
	"talktime/pbx"
	"talktime/store"
)

// openLive lets p know the calls that go on, and give orders to Asterisk where there is a manager interface. closeLive ends what listens.
func openLive(p *adminapi.PBX, db *store.Store, manager *pbx.Client, cfg config.Config, log *slog.Logger) (closeLive func()) {
	o := livecalls.Options{Store: db, Policy: billing.Policy{MaxCallSeconds: int64(cfg.Calls.Max / time.Second), Location: cfg.Location}, Logger: log}
	if manager != nil {
		o.Asterisk, p.Switch = manager, manager
	}
	calls := livecalls.New(o)
	p.Live, p.Contexts = calls, cfg.PBX.Contexts
	ctx, stop := context.WithCancel(context.Background())
	var listening sync.WaitGroup
	listening.Go(func() { calls.Run(ctx) })
	return func() {
		stop()
		listening.Wait()
	}
}
