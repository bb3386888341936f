package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"talktime/models"
)

// PlanStep is a line of what the database means to do: which table it reads, by which index, and how.
type PlanStep struct{ Table, How, Key, Extra string }

// Quick are the fields by which a list is found quickly, however long it is, each with a value.
func Quick() map[string]map[string]string {
	return map[string]map[string]string{
		"users":          {"id_": "7", "username": `"user7"`, "clid": `"5557"`, "imsi": `"7"`},
		"groups":         {"id_": "7", "name": `"group7"`},
		"tokens":         {"id": "7", "name": `"token7"`},
		"ledger entries": {"id_": "7", "usersId": "7", "userId": "7"},
		"ledger":         {"id": "7", "transaction_id": "7", "user_id": "7"},
		"call records":   {"id_": "7", "from_user_id": "7", "to_user_id": "7"},
		"calls":          {"id": "7", "call_id": `"pbx-1.7"`, "user_id": "7", "callee_id": "7", "state": `"open"`},
		"holds":          {"id": "7", "user_id": "7"},
		"audit log":      {"id": "7"},
	}
}

// Plans are how the pages of each list are read, by name: the first page, the one behind a key, one user's, and that of each
// quick field.
func (s *Store) Plans(ctx context.Context, user int64) (map[string][]PlanStep, error) {
	plans := make(map[string][]PlanStep)
	for _, l := range []listing{
		usersListing, groupsListing, tokensListing, entriesListing, ledgerListing, cdrListing, callsListing, holdsListing, auditListing,
	} {
		requests := map[string]models.ListRequest{"first page": {}, "after a key": {After: 1000}}
		if l.owner != "" && l.name != usersListing.name {
			requests["of one user"] = models.ListRequest{User: user}
		}
		if l.owner != "" {
			requests["of one user only"] = models.ListRequest{Only: models.Owner{User: user}}
			requests["of a group only"] = models.ListRequest{Only: models.Owner{Group: user}}
			requests["of a group only, after a key"] = models.ListRequest{Only: models.Owner{Group: user}, After: 1000}
		}
		for field, value := range Quick()[l.name] {
			requests["by "+field] = models.ListRequest{Query: fmt.Sprintf(`{"filters":[{"name":%q,"op":"eq","val":%s}]}`, field, value)}
		}
		for what, r := range requests {
			plan, err := s.planOf(ctx, l, r)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", l.name, what, err)
			}
			plans[l.name+", "+what] = plan
		}
	}
	// What is read of a user besides.
	for name, query := range map[string]string{
		"a user's history": historicQuery, "a user's calls": s.userCallsQuery("user_id", "calls_user", 10), "calls to a user": s.userCallsQuery("callee_id", "calls_callee", 10),
	} {
		plan, err := s.explain(ctx, query, []any{user})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		plans[name] = plan
	}
	return plans, nil
}

func (s *Store) planOf(ctx context.Context, l listing, r models.ListRequest) ([]PlanStep, error) {
	q, err := s.search(l, r)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(l.from, "entries") {
		if l, r, err = s.accountsOf(ctx, l, r, q); err != nil {
			return nil, err
		}
	}
	l = s.ofMembers(l, r, q)
	where, args := l.condition(r, q)
	query, bounds := l.pageQuery(q, where, r.After, 10, 0)
	plan, err := s.explain(ctx, query, append(bounds, args...))
	if err != nil || q.where != "" || r.After != 0 || l.name == usersListing.name || r.Only != (models.Owner{}) && r.Only.Group != 0 { // whose number is in a counter
		return plan, err
	}
	counted, err := s.explain(ctx, s.countQuery(l, where, true, exactly+1), args)
	return append(plan, slices.DeleteFunc(counted, func(p PlanStep) bool { // the rows of the inner SELECT, which are few
		return strings.HasPrefix(p.Table, "<derived") || p.How == "SCAN counted"
	})...), err
}

func (s *Store) explain(ctx context.Context, query string, args []any) ([]PlanStep, error) {
	var plan []PlanStep
	word := "EXPLAIN FORMAT=TRADITIONAL " // newer MySQL would draw a tree
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

// CountRows counts users, or with entries ledger entries of users, as a list does that a query searches, for some time.
func (s *Store) CountRows(ctx context.Context, entries bool, where string, within time.Duration, args ...any) (n int64, atLeast bool, err error) {
	l := usersListing
	if entries {
		l = entriesListing
	}
	return s.countRows(ctx, l, l.always+" AND "+where, args, within)
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
