package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"talktime/adminapi"
	"talktime/internal/config"
	"talktime/internal/wiring"
	"talktime/pbx"
	"talktime/store"
)

// How often it is looked for recordings that were kept for long enough.
const (
	retainPause = time.Hour
	retainSoon  = time.Minute // after a run that has left some
)

// openRecordings says where the recordings are, and for how long they are kept.
func openRecordings(p *adminapi.PBX, db *store.Store, cfg config.Config) {
	p.Recordings = pbx.NewRecordings(cfg.Recordings)
	p.Retention = &pbx.Retention{Recordings: p.Recordings, Keep: cfg.KeepRecordings, Now: time.Now, Skew: db.ClockSkew}
}

// retainRecordings deletes recordings that were kept for long enough, until ctx ends. It may run in any number of processes.
func retainRecordings(ctx context.Context, db *store.Store, k *pbx.Retention, log *slog.Logger) {
	if k.Keep <= 0 {
		return
	}
	for ctx.Err() == nil {
		s, err := k.Run(ctx)
		done := map[string]any{"files": s.Files, "bytes": s.Bytes, "folders": s.Folders, "failed": s.Failed, "keep_days": int(k.Keep.Hours() / 24)}
		if s.Files > 0 {
			noted, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout) // they are gone, whoever stops us meanwhile
			if err := db.Log(noted, byItself, "recording.retain", "recordings", nil, done); err != nil {
				log.Error("the audit log lacks a change", "actor", byItself, "action", "recording.retain", "err", err)
			}
			cancel()
		}
		switch {
		case ctx.Err() != nil && s.Files == 0:
		case errors.Is(err, pbx.ErrClock):
			log.Warn("old recordings are kept for now", "err", err)
		case err != nil:
			log.Error("old recordings were not all deleted; trying again", "files", s.Files, "bytes", s.Bytes, "failed", s.Failed, "err", err)
		default:
			log.Info("old recordings are deleted", "files", s.Files, "bytes", s.Bytes, "folders", s.Folders, "more", s.More)
		}
		pause := retainPause
		if s.More && s.Files > 0 {
			pause = retainSoon
		}
		wiring.Pause(ctx, pause)
	}
}
