package main

import (
	"fmt"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/store"
)

// openCDRs prepares the CDR databases, which say what became of calls. They need not be reachable.
func openCDRs(cfg config.Config) (databases []*store.CDR, closeAll func(), err error) {
	closeAll = func() {
		for _, d := range databases {
			_ = d.Close()
		}
	}
	for _, d := range cfg.CDR.Databases {
		cdr, err := store.OpenCDR(store.CDRConfig{
			Label: fmt.Sprintf("DB%d", d.Slot), Addr: d.Addr(), User: d.User, Password: d.Password.Reveal(), Name: d.Name,
			Location: cfg.Location,
		})
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		databases = append(databases, cdr)
	}
	return databases, closeAll, nil
}

// witnesses are the CDR databases as the reconciler asks them.
func witnesses(databases []*store.CDR) []billing.CDRSource {
	sources := make([]billing.CDRSource, len(databases))
	for i, d := range databases {
		sources[i] = d
	}
	return sources
}
