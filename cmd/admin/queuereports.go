package main

import (
	"log/slog"
	"time"

	"talktime/internal/config"
	"talktime/queues/reports"
	"talktime/stats"
	"talktime/store"
)

// newQueueReports answers for the queues of the settings. Recordings are looked up in DB1.
func newQueueReports(db *store.Store, counts *statistics, cfg config.Config, log *slog.Logger) *reports.Service {
	s := &reports.Service{Keeper: db, Outbound: counts.answered(), Location: cfg.Location, Now: time.Now, Log: log}
	if len(counts.foreign) > 0 && cfg.CDR.Databases[0].Slot == 1 {
		s.Recordings = counts.foreign[0]
	}
	return s
}

// answered are all calls that somebody answered: ours, and those of the CDR databases.
func (s *statistics) answered() stats.AnsweredBy {
	all := stats.AnsweredBy{s.own}
	for _, source := range s.foreign {
		all = append(all, source)
	}
	return all
}
