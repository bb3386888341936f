package store

import (
	"context"

	"talktime/models"
)

// RatesPlan is how a page of the rates of a version is found, and those of them around a number are counted.
func (s *Store) RatesPlan(ctx context.Context, version int64, around string, r models.ListRequest) ([]PlanStep, error) {
	query, args := ratesPage(version, around, r)
	plan, err := s.explain(ctx, "SELECT n, "+deckRateColumns+" FROM deck_rates WHERE "+query, args)
	if err != nil || around == "" {
		return plan, err
	}
	where, args := ratesAround(version, around)
	counted, err := s.explain(ctx, "SELECT COUNT(*) FROM deck_rates WHERE "+where, args)
	return append(plan, counted...), err
}
