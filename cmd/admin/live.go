package main

import (
	"log/slog"

	"talktime/adminapi"
	"talktime/internal/config"
	"talktime/pbx"
	"talktime/queues/live"
)

// openManager connects to the manager interface of the settings, in the background: it may be away. Without one there is no client. close
// ends the connection.
func openManager(c config.AMI, log *slog.Logger) (client *pbx.Client, closeClient func(), err error) {
	if c.Addr == "" {
		return nil, func() {}, nil
	}
	client, err = pbx.Open(pbx.AMI{Addr: c.Addr, User: c.User, Secret: c.Secret.Reveal()}, pbx.Options{Logger: log})
	if err != nil {
		return nil, nil, err
	}
	return client, client.Close, nil
}

// withLive adds the live picture of the queues: what the log says of today, which may have been imported by hand, and what Asterisk says of
// now, where there is a manager interface. The picture needs the reports.
func withLive(d adminapi.Deps, manager *pbx.Client, cfg config.Config, log *slog.Logger) adminapi.Deps {
	o := live.Options{Log: d.Queues, Location: cfg.Location, Logger: log}
	if manager != nil {
		o.Asterisk, d.Manager = manager, manager.Stats
	}
	d.LiveQueues = live.New(o)
	return d
}
