package reports

import (
	"context"
	"errors"
	"fmt"

	"talktime/queues"
)

// By says what figures are counted for, each.
type By string

// What figures can be counted for. Hours and weekdays are those of the clock on the wall.
const (
	ByAll     By = "all"
	ByQueue   By = "queue"
	ByAgent   By = "agent"
	ByHour    By = "hour"    // 00 to 23
	ByWeekday By = "weekday" // 1 Monday to 7 Sunday
	ByDay     By = "day"     // 2026-11-21
	ByMonth   By = "month"   // 2026-11
	ByOutcome By = "outcome" // queues.Outcome
	ByURL     By = "url"
	ByDID     By = "did"
)

// Figures is what was counted of one of them.
type Figures struct {
	Key   string
	Shown string // what people call queues and agents; else the key
	Facts queues.Facts
	Waits queues.Waits
}

// Figures counts passages that are over, in the order of their keys; ErrUnknownReport if they cannot be counted by that. Telephones that
// rang in vain are among them, but not by outcome, URL or DID.
func (s *Service) Figures(ctx context.Context, who Scope, f Filter, by By) ([]Figures, error) {
	v, err := s.view(ctx, who, f)
	if err != nil {
		return nil, err
	}
	return s.figures(ctx, v, by, true)
}

// Report is one of the kept reports of answered calls: answered_calls_by_queue, _by_agent, _by_url, _by_did, _by_holdtime, _by_event,
// or distribution_by_queue. ErrUnknownReport for others.
func (s *Service) Report(ctx context.Context, who Scope, f Filter, name string) (queues.Table, error) {
	var by By
	var table func([]queues.Group) queues.Table
	switch name {
	case "answered_calls_by_queue":
		by, table = ByQueue, queues.ByQueue
	case "answered_calls_by_agent":
		by, table = ByAgent, queues.ByAgent
	case "answered_calls_by_url":
		by, table = ByURL, func(groups []queues.Group) queues.Table { return queues.Shares("URL", groups) }
	case "answered_calls_by_did":
		by, table = ByDID, func(groups []queues.Group) queues.Table { return queues.Shares("DID", groups) }
	case "answered_calls_by_holdtime":
		by, table = ByAll, func(groups []queues.Group) queues.Table { return queues.ByHoldTime(&groups[0].Facts) }
	case "answered_calls_by_event":
		by, table = ByAll, func(groups []queues.Group) queues.Table { return queues.ByEvent(&groups[0].Facts) }
	case "distribution_by_queue":
		by, table = ByQueue, func(groups []queues.Group) queues.Table { return queues.Distribution("Queue", groups) }
	default:
		return queues.Table{}, fmt.Errorf("%w: %q", ErrUnknownReport, name)
	}
	v, err := s.view(ctx, who, f)
	if err != nil {
		return queues.Table{}, err
	}
	counted, err := s.figures(ctx, v, by, false)
	if err != nil {
		return queues.Table{}, err
	}
	if by == ByAll && len(counted) == 0 {
		counted = []Figures{{}}
	}
	names := map[string]int{}
	for i := range counted {
		names[counted[i].Shown]++
	}
	groups := make([]queues.Group, len(counted))
	for i := range counted {
		groups[i] = queues.Group{Name: counted[i].Shown, Facts: counted[i].Facts}
		if names[counted[i].Shown] > 1 { // two that somebody called the same stay two
			groups[i].Name = counted[i].Key
		}
	}
	return table(groups), nil
}

func (s *Service) figures(ctx context.Context, v *view, by By, waits bool) ([]Figures, error) {
	switch by {
	case ByAll, ByQueue, ByAgent, ByHour, ByWeekday, ByDay, ByMonth, ByOutcome, ByURL, ByDID:
	default:
		return nil, fmt.Errorf("%w: figures by %q", ErrUnknownReport, by)
	}
	counted, err := s.count(ctx, v, by, waits, true)
	if errors.Is(err, queues.ErrDay) {
		s.log().Error("a packed day of the queue_log cannot be read; counted from what it was made of", "err", err)
		counted, err = s.count(ctx, v, by, waits, false)
	}
	if err != nil {
		return nil, fmt.Errorf("count queue calls: %w", err)
	}
	return counted.figures(), nil
}
