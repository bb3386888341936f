package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"talktime/internal/config"
	"talktime/stats"
	"talktime/store"
)

// statistics is what counts calls, and the sources that it counts.
type statistics struct {
	*stats.Service

	db      *store.Store
	own     *store.OwnRecords
	foreign []*store.CDRStatistics
	rollUps config.RollUps
}

// newStatistics puts the sources of the settings together, which need not be reachable: the CDR databases, else our own calls.
func newStatistics(db *store.Store, cfg config.Config, log *slog.Logger) (*statistics, error) {
	s := &statistics{db: db, own: db.OwnRecords(cfg.Location), rollUps: cfg.RollUps}
	var sources []stats.Source
	hosts := make(map[string]int)
	for _, d := range cfg.CDR.Databases {
		hosts[d.Host]++
	}
	for _, d := range cfg.CDR.Databases {
		name := d.Host
		if hosts[name] > 1 {
			name = d.Addr()
		}
		if slices.ContainsFunc(sources, func(other stats.Source) bool { return other.Name() == name }) { // another schema of one server
			name += "/" + d.Name
		}
		source, err := store.OpenCDRStatistics(store.CDRConfig{
			Label: name, Addr: d.Addr(), User: d.User, Password: d.Password.Reveal(), Name: d.Name, Location: cfg.Location,
		}, log)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.foreign = append(s.foreign, source)
		sources = append(sources, source)
	}
	if len(sources) == 0 || cfg.Callstat.AlwaysWithOwnCalls {
		sources = append(sources, s.own)
	}
	zones, err := readZones(cfg.Zones, cfg.Callstat.AccessPrefixes)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	o := stats.Options{
		Inside: stats.Inside{Extensions: cfg.Inside.Extensions, Trunks: cfg.Inside.Trunks}, Zones: zones,
		Sources: sources, Calls: db, Location: cfg.Location, Logger: log,
		FirstExtension: int64(cfg.Callstat.FirstExtension), LastExtension: int64(cfg.Callstat.LastExtension),
		BareCodes: cfg.Callstat.BareCodes, AccessPrefixes: cfg.Callstat.AccessPrefixes,
	}
	switch cfg.RollUps {
	case config.RollUpsOff:
	case config.RollUpsOwn:
		o.RollUps = ownRollUps{db}
	case config.RollUpsAll:
		o.RollUps = db
	}
	s.Service = stats.New(o)
	return s, nil
}

// readZones reads the file of zones; nil without one.
func readZones(name string, accessPrefixes []string) (*stats.Zones, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	file, err := os.Open(name) //nolint:gosec // it is the operator who names it
	if err != nil {
		return nil, fmt.Errorf("TALKTIME_ZONES: %w", err)
	}
	defer func() { _ = file.Close() }()
	zones, err := stats.ReadZones(file, accessPrefixes)
	if err != nil {
		return nil, fmt.Errorf("TALKTIME_ZONES: %s: %w", name, err)
	}
	return zones, nil
}

// ownRollUps leaves out what was once kept of CDR databases, and is not counted anew any more when records come late.
type ownRollUps struct{ stats.RollUps }

// Load implements stats.RollUps.
func (r ownRollUps) Load(ctx context.Context, source, kind, rule string, from, to stats.Day, each func(stats.Day, []byte) error) error {
	if source != stats.OwnName {
		return nil
	}
	return r.RollUps.Load(ctx, source, kind, rule, from, to, each)
}

// Close ends the connections to CDR databases.
func (s *statistics) Close() error {
	var all error
	for _, source := range s.foreign {
		all = errors.Join(all, source.Close())
	}
	return all
}

// rollers count the days of the sources of which roll-ups are kept. Our own calls are always counted with what they cost, whether or
// not they stand in the reports over CDR databases.
func (s *statistics) rollers() (all []*stats.Roller) {
	if s.rollUps == config.RollUpsOff {
		return nil
	}
	own := s.roller(s.own)
	own.Calls, own.CallKinds = s.db, s.CallKinds()
	all = append(all, own)
	if s.rollUps == config.RollUpsAll {
		for _, source := range s.foreign {
			all = append(all, s.roller(source))
		}
	}
	return all
}

func (s *statistics) roller(source stats.Dated) *stats.Roller {
	return &stats.Roller{
		Source: source, Kinds: func(ctx context.Context) ([]stats.Kind, error) { return s.Kinds(ctx, source) },
		Keeper: s.db, Location: s.Location, Now: time.Now, Holder: rand.Text(),
	}
}
