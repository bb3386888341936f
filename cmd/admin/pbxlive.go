package main

import (
	"context"
	"log/slog"
	"sync"

	"talktime/adminapi"
	"talktime/livecalls"
	"talktime/pbx"
	"talktime/store"
)

// openLive lets p know the calls that go on, and give orders to Asterisk where there is a manager interface; contexts are those of the dialplan
// that calls may be sent to. closeLive ends what listens.
func openLive(p *adminapi.PBX, db *store.Store, manager *pbx.Client, contexts []string, log *slog.Logger) (closeLive func()) {
	o := livecalls.Options{Store: db, Logger: log}
	if manager != nil {
		o.Asterisk, p.Switch = manager, manager
	}
	calls := livecalls.New(o)
	p.Live, p.Contexts = calls, contexts
	ctx, stop := context.WithCancel(context.Background())
	var listening sync.WaitGroup
	listening.Go(func() { calls.Run(ctx) })
	return func() {
		stop()
		listening.Wait()
	}
}
