package main

import (
	"context"
	"log/slog"

	"talktime/adminapi"
	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/pbx"
	"talktime/pbx/extension"
	"talktime/store"
)

// openExtensions puts the back end of extensions together. closeBackend ends it.
func openExtensions(p *adminapi.PBX, db *store.Store, manager *pbx.Client, cfg config.Config, log *slog.Logger) (closeBackend func(), err error) {
	p.Rules = pbxRules(cfg)
	p.Log = db
	var back extension.Backend
	closeBackend = func() {}
	switch cfg.PBX.Backend {
	case config.PBXOff:
		return closeBackend, nil
	case config.PBXRealtime:
		back, closeBackend, err = openRealtime(db, manager, cfg)
	case config.PBXFreePBX:
		back, closeBackend, err = openFreePBX(manager, cfg, log)
	}
	if err != nil {
		return nil, err
	}
	recorded := extension.Recorded{Backend: back, Log: db, Logger: log}
	openTrunks(p, &recorded, manager)
	p.Extensions, p.Changes = recorded, recorded
	return closeBackend, nil
}

func pbxRules(cfg config.Config) extension.Rules {
	return extension.Rules{MinSecret: cfg.PBX.MinSecret, MusicClasses: cfg.PBX.MusicClasses, Distrust: cfg.PBX.Backend == config.PBXRealtime}
}

// pbxConfig says where the tables are.
func pbxConfig(cfg config.Config) store.PBXConfig {
	d := cfg.PBX.Database
	return store.PBXConfig{
		Addr: d.Addr(), User: d.User, Password: d.Password.Reveal(), Name: d.Name, TLS: d.TLS,
		Rules: pbxRules(cfg),
	}
}

func openRealtime(db *store.Store, manager *pbx.Client, cfg config.Config) (extension.Backend, func(), error) {
	tables, err := db.OpenPBXRealtime(pbxConfig(cfg), extension.Realtime{Transports: cfg.PBX.Transports})
	if err != nil {
		return nil, nil, err
	}
	back := extension.Checked{Tables: tables}
	if cfg.ARI.URL != "" {
		rest, err := pbx.NewREST(ari(cfg.ARI))
		if err != nil {
			_ = tables.Close()
			return nil, nil, err
		}
		back.Checker = pbx.Checker{REST: rest, Client: manager}
		if manager == nil {
			back.Checker = restChecker{rest}
		}
	}
	return back, func() { _ = tables.Close() }, nil
}

func ari(a config.ARI) pbx.ARI {
	return pbx.ARI{URL: a.URL, User: a.User, Password: a.Password.Reveal()}
}

// restChecker is a pbx.Checker without a manager interface: Asterisk sees by itself what state a telephone is in, a little later.
type restChecker struct{ *pbx.REST }

// Sync implements extension.Checker.
func (restChecker) Sync(context.Context, string) error { return nil }

func openFreePBX(manager *pbx.Client, cfg config.Config, log *slog.Logger) (extension.Backend, func(), error) {
	tables, err := store.OpenFreePBX(pbxConfig(cfg))
	if err != nil {
		return nil, nil, err
	}
	back := extension.Applied{Backend: tables, AstDB: pbx.AstDB{Client: manager}}
	if cfg.PBX.Reload == nil {
		return back, func() { _ = tables.Close() }, nil
	}
	hook, err := pbx.NewReloadHook(cfg.PBX.Reload, pbx.ReloadOptions{Logger: log})
	if err != nil {
		_ = tables.Close()
		return nil, nil, err
	}
	back.Reloader = hook
	return back, func() {
		hook.Close()
		_ = tables.Close()
	}, nil
}

// forgetPBXChanges deletes changes of the telephone system that are too old to be kept: there are secrets in them.
func forgetPBXChanges(ctx context.Context, db *store.Store, log *slog.Logger) {
	for ; ctx.Err() == nil; wiring.Pause(ctx, forgetPause) {
		if err := db.ForgetPBXChanges(ctx); err != nil && ctx.Err() == nil {
			log.Error("old changes of the telephone system were not deleted; trying again", "err", err)
		}
	}
}
