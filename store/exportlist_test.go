package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"talktime/models"
)

// PlanStep is a line of what the database means to do: which table it reads, by which index, and how.
type PlanStep struct{ Table, How, Key, Extra string }

// Plans are how the pages of each list are read, by name.
func (s *Store) Plans(ctx context.Context, user int64) (map[string][]PlanStep, error) {
	plans := make(map[string][]PlanStep)
	for _, l := range []listing{usersListing, entriesListing, ledgerListing, cdrListing, callsListing, holdsListing, auditListing} {
		for _, u := range []int64{0, user} {
			l, where, args := l, l.always, []any(nil)
			name := fmt.Sprintf("%s, newest first %v, of one user %v", l.name, l.newest, u != 0)
			switch {
			case u != 0 && l.owner == "" || u != 0 && l.name == usersListing.name:
				continue
			case strings.HasPrefix(l.from, "entries"):
				var err error
				if l, err = s.accountsOf(ctx, l, u, false); err != nil {
					return nil, err
				}
				where = l.always
			case u != 0:
				where, args = where+" AND "+l.owner+" = ?", []any{u}
			}
			query, bound := l.pageQuery(search{}, where, 0, 10, 0)
			plan, err := s.explain(ctx, query, append([]any{bound}, args...))
			if err != nil {
				return nil, err
			}
			plans[name] = plan
		}
	}
	for name, where := range map[string]string{"users by clid": "u.clid = '5550'", "users by username": "u.username = 'a'", "users by imsi": "u.imsi = '1'"} {
		query, bound := usersListing.pageQuery(search{}, usersListing.always+" AND ("+where+")", 0, 10, 0)
		plan, err := s.explain(ctx, query, []any{bound})
		if err != nil {
			return nil, err
		}
		plans[name] = plan
	}
	return plans, nil
}

func (s *Store) explain(ctx context.Context, query string, args []any) ([]PlanStep, error) {
	var plan []PlanStep
	word := "EXPLAIN "
	if s.dialect.name == sqliteDialect.name {
		word = "EXPLAIN QUERY PLAN "
	}
	err := s.each(ctx, word+query, args, func(rows *sql.Rows) error {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		var step PlanStep
		for i, column := range columns {
			switch strings.ToLower(column) {
			case "table":
				step.Table = values[i].String
			case "type", "detail":
				step.How = values[i].String
			case "key":
				step.Key = values[i].String
			case "extra":
				step.Extra = values[i].String
			}
		}
		plan = append(plan, step)
		return nil
	})
	return plan, err
}

// CountRows counts users as a list does.
func (s *Store) CountRows(ctx context.Context, where string) (n int64, atLeast bool, err error) {
	return s.countRows(ctx, usersListing, where, nil, countTime)
}

// Counter is the number of users that the counter tells.
func (s *Store) Counter(ctx context.Context) (int64, error) {
	_, _, err := s.count(ctx, usersListing, models.ListRequest{}, search{}, "", nil)
	if err != nil {
		return 0, err
	}
	return s.number(ctx, "SELECT value FROM counters WHERE name = 'users'")
}

// DuePlan is how the refills that are due are found.
func (s *Store) DuePlan(ctx context.Context) ([]PlanStep, error) {
	return s.explain(ctx, fmt.Sprintf(dueQuery, "", ""), []any{"2026-01-01"})
}
