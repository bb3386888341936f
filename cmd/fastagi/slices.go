package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/midcall"
	"talktime/pbx"
	"talktime/store"
	"talktime/tariff"
)

// attentive is how soon a connection that is dead is noticed, and made anew: calls must not end at their slices meanwhile.
const attentive = 2 * time.Second

// newKeeper makes the keeper of our calls, with a connection to each Asterisk, which need not be there yet; nil when calls are not held in
// slices. What it stands on is to be closed when it has ended.
func newKeeper(
	service *billing.Service, db *store.Store, tariffs *tariff.Tariffs, c config.Config, log *slog.Logger,
) (keeper *midcall.Service, closeAll func(), err error) {
	if c.Slices() == 0 {
		return nil, func() {}, nil
	}
	var clients []*pbx.Client
	closeAll = func() {
		for _, client := range clients {
			client.Close()
		}
	}
	var asterisks []midcall.Asterisk
	for _, manager := range wiring.OurAsterisks(c) {
		client, err := pbx.Open(manager, pbx.Options{Logger: log, Ping: attentive, PingTimeout: attentive, LongestPause: attentive})
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("the manager interface %s cannot be asked: %w", manager.Addr, err)
		}
		clients = append(clients, client)
		asterisks = append(asterisks, midcall.Asterisk{Name: manager.Addr, Manager: client})
	}
	host, err := os.Hostname()
	if err != nil {
		host = "here" // the name is for people alone
	}
	return midcall.New(midcall.Options{
		Asterisks: asterisks, Ledger: service, Store: &informed{Store: db, refresh: func(ctx context.Context) error {
			_, err := tariffs.Refresh(ctx, db)
			return err
		}, now: time.Now}, Slice: c.Slices(), Name: host + " " + c.FastAGI.Listen, Logger: log,
		WarnSeconds: int64(c.Calls.Warn / time.Second), WarnSound: c.Calls.WarnSound,
	}), closeAll, nil
}

// informed tells that everybody's calls must be looked at again when the tariffs and limits are there by which they are judged.
type informed struct {
	midcall.Store
	refresh func(context.Context) error
	now     func() time.Time
	behind  bool      // they were not read yet
	again   time.Time // when they are tried again that could not be read
}

// Moved implements midcall.Store.
func (i *informed) Moved(ctx context.Context, after int64) (users []int64, all bool, next int64, err error) {
	users, all, next, err = i.Store.Moved(ctx, after)
	if err != nil {
		return users, all, next, err
	}
	i.behind = i.behind || all
	if now := i.now(); i.behind && !now.Before(i.again) {
		if i.refresh(ctx) == nil {
			all, i.behind = true, false
		} else {
			i.again = now.Add(time.Second)
		}
	}
	return users, all, next, err
}
