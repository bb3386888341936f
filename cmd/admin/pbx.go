package main

import (
	"log/slog"

	"talktime/adminapi"
	"talktime/internal/config"
	"talktime/pbx"
	"talktime/store"
)

// openPBX puts together what the API may know of a telephone system, and do with it, by the settings. closePBX ends what it opened.
func openPBX(db *store.Store, manager *pbx.Client, counts *statistics, cfg config.Config, log *slog.Logger) (p adminapi.PBX, closePBX func(), err error) {
	p.Kept = keptPBX(db, manager, counts, cfg)
	openRecordings(&p, db, cfg)
	openCore(&p, manager)
	closeLive := openLive(&p, db, manager, cfg, log)
	closeExtensions, err := openExtensions(&p, db, manager, cfg, log)
	if err != nil {
		closeLive()
		return p, nil, err
	}
	return p, func() { closeLive(); closeExtensions() }, nil
}
