package stats

import (
	"context"
	"log/slog"
	"time"
)

// Options are what a Service stands on.
type Options struct {
	Sources  []Source // in the order in which they are named
	RollUps  RollUps  // nil: everything is counted from records
	Calls    Calls    // calls of ours with money
	Location *time.Location
	Limit    time.Duration // what one source may take; 0 = 30 s
	Now      func() time.Time
	Logger   *slog.Logger
}

// Service answers for all reports.
type Service struct {
	Options
}

// New makes a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	if o.Limit == 0 {
		o.Limit = sourceLimit
	}
	return &Service{o}
}

const sourceLimit = 30 * time.Second

// Origin says from what a figure was counted, as the header X-Source tells it.
type Origin string

// The origins.
const (
	FromRaw     Origin = "raw"
	FromRollUps Origin = "rollup"
	FromBoth    Origin = "rollup+raw" // whole days from roll-ups, the others from records
)

// count counts with c what kind counts of the records of a scan: whole days from roll-ups where these are up to date, everything
// else from the source.
func (s *Service) count(ctx context.Context, source Source, kind Kind, scan Scan, c Counter) (Origin, error) {
	scan.Fields, scan.Select = kind.Fields, kind.Select
	err := source.Each(ctx, scan, func(r *Record) error { c.Add(r); return nil })
	return FromRaw, err
}
