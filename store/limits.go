package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"talktime/billing"
	"talktime/models"
)

// siteLimits is what is read of limits beside each user's own; nil before anything was read. It changes seldom, and is read with
// the rate decks.
type siteLimits struct {
	site   string // limits of everybody, as JSON; empty: none
	groups bool   // some group has limits
	pools  bool   // some group has a pool
}

// groupLimits are those of the first of a user's groups that has any.
const groupLimits = "(SELECT lg.limits FROM members lm JOIN user_groups lg ON lg.id = lm.group_id" +
	" WHERE lm.user_id = users.id AND lg.limits IS NOT NULL ORDER BY lg.id LIMIT 1)"

// column is what is selected beside a user.
func (l *siteLimits) column() string {
	if l == nil || !l.groups {
		return ", NULL"
	}
	return ", " + groupLimits
}

// limitTexts are the limits that a few users, groups and the site have, each as JSON behind a newline.
var limitTexts = memo[string, *models.Limits]{of: func(texts string) (*models.Limits, error) {
	var all models.Limits
	for text := range strings.SplitSeq(texts, "\n") {
		if text == "" {
			continue
		}
		var l models.Limits
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			return nil, fmt.Errorf("limits %.80q: %w: %w", text, errUnreadable, err)
		}
		all = all.Or(l)
	}
	return &all, nil
}}

// of are the limits of a user by his own, those of his group, and those of the site. Nobody may change them; nil: none.
func (l *siteLimits) of(own, group string) (*models.Limits, error) {
	site := ""
	if l != nil {
		site = l.site
	}
	if own == "" && group == "" && site == "" {
		return nil, nil //nolint:nilnil // there are none
	}
	return limitTexts.get(own + "\n" + group + "\n" + site)
}

// siteLimitsSetting is the name of the setting with the limits of everybody.
const siteLimitsSetting = "limits"

// loadLimits reads what there is of limits beside those of users.
func (s *Store) loadLimits(ctx context.Context) error {
	l := &siteLimits{}
	err := s.each(ctx, "SELECT value FROM settings WHERE name = ?", []any{siteLimitsSetting}, func(rows *sql.Rows) error { return rows.Scan(&l.site) })
	if err != nil {
		return err
	}
	err = s.each(ctx, "SELECT COALESCE(MAX(limits IS NOT NULL), 0), COALESCE(MAX(pool_id <> 0), 0) FROM user_groups", nil,
		func(rows *sql.Rows) error { return rows.Scan(&l.groups, &l.pools) })
	if err == nil {
		s.limits.Store(l)
	}
	return err
}

// loadPools locks and reads the pools in which calls count, or may come to count.
func (t *txn) loadPools(ctx context.Context, st *billing.State, keys billing.Keys, users []int64) error {
	ids := slices.Clone(keys.Pools)
	for _, c := range st.Calls {
		if c.State != models.CallOpen {
			continue
		}
		ids = append(ids, c.Routing.Pools...)
		for _, a := range c.Routing.Attempts {
			if keys.Attempts && a.Pool != 0 {
				ids = append(ids, a.Pool)
			}
		}
	}
	if l := t.store.limits.Load(); l != nil && l.pools {
		err := chunks(t.dialect.maxParams, users, func(users []int64) error {
			query := "SELECT m.user_id, g.pool_id FROM members m JOIN user_groups g ON g.id = m.group_id WHERE g.pool_id <> 0 AND m.user_id IN (" +
				marks(len(users)) + ") ORDER BY m.user_id, g.pool_id"
			return t.query(ctx, query, anys(users), func(rows *sql.Rows) error {
				var user, pool int64
				err := rows.Scan(&user, &pool)
				st.PoolsOf[user] = append(st.PoolsOf[user], pool)
				ids = append(ids, pool)
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	slices.Sort(ids)
	return chunks(t.dialect.maxParams, slices.Compact(ids), func(ids []int64) error {
		query := "SELECT id, name, most, calls FROM pools WHERE id IN (" + marks(len(ids)) + ") ORDER BY id" + t.dialect.forUpdate
		return t.query(ctx, query, anys(ids), func(rows *sql.Rows) error {
			var p models.Pool
			err := rows.Scan(&p.ID, &p.Name, &p.Most, &p.Calls)
			st.Pools[p.ID] = p
			return err
		})
	})
}

func (t *txn) writePools(ctx context.Context, pools map[int64]models.Pool) error {
	if len(pools) == 0 {
		return nil
	}
	w := t.insert("pools", "id", "name", "calls")
	w.update("calls")
	for _, id := range sortedKeys(pools) {
		w.row(id, pools[id].Name, pools[id].Calls)
	}
	return w.exec(ctx)
}

// loadVisited reads to which countries those users have called whose limits ask for it. Nobody forgets a country: what is known
// of a user is taken for granted, until a decision needs to be sure that there is no more (State.Unsure).
func (t *txn) loadVisited(ctx context.Context, st *billing.State, careful bool) error {
	var users []int64
	for id, u := range st.Users {
		if u.Limits == nil || u.Limits.NewCountries == nil || len(st.Accounts[id]) == 0 {
			continue
		}
		if known := t.store.visited.of(id); known != nil && !careful {
			st.Visited[id] = known
			st.Recalled[id] = true
		} else {
			users = append(users, id)
			st.Visited[id] = map[string]time.Time{}
		}
	}
	slices.Sort(users)
	err := chunks(t.dialect.maxParams, users, func(users []int64) error {
		return t.query(ctx, "SELECT user_id, country, first_at FROM user_countries WHERE user_id IN ("+marks(len(users))+")", anys(users),
			func(rows *sql.Rows) error {
				var v models.Visited
				err := rows.Scan(&v.UserID, &v.Country, &v.First)
				st.Visited[v.UserID][v.Country] = v.First
				return err
			})
	})
	for _, id := range users {
		t.store.visited.put(id, st.Visited[id])
	}
	return err
}

// visits remembers the countries of the users who called last. What it is given must not change.
type visits struct {
	mu             sync.Mutex
	recent, before map[int64]map[string]time.Time
}

func (v *visits) of(user int64) map[string]time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	if known := v.recent[user]; known != nil {
		return known
	}
	return v.before[user]
}

func (v *visits) put(user int64, countries map[string]time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.recent == nil || len(v.recent) >= maxRemembered {
		v.before, v.recent = v.recent, make(map[int64]map[string]time.Time)
	}
	v.recent[user] = countries
}

func (t *txn) writeVisited(ctx context.Context, st *billing.State) error {
	w := t.insert("user_countries", "user_id", "country", "first_at")
	for _, v := range st.NewlyVisited {
		w.row(v.UserID, v.Country, stamp(v.First))
		if t.visited == nil {
			t.visited = map[int64]map[string]time.Time{}
		}
		t.visited[v.UserID] = st.Visited[v.UserID]
	}
	return w.exec(ctx)
}

func (t *txn) writeRefused(ctx context.Context, refused []models.Refused) error {
	w := t.insert("refusals", "at", "user_id", "call_id", "caller_id", "number", "status", "rule", "reason")
	for _, r := range refused {
		w.row(stamp(r.At), r.UserID, r.CallID, truncate(r.CallerID, 80), ascii(r.Number, 40), r.Status, r.Rule, truncate(r.Reason, 200))
	}
	return w.exec(ctx)
}

// writeNotices leaves out those about what there is a notice already.
func (t *txn) writeNotices(ctx context.Context, notices []models.Notice) error {
	for _, n := range notices {
		at := n.At
		if at.IsZero() {
			at = t.store.now()
		}
		query := t.dialect.insertIgnore + " INTO notices (at, kind, user_id, data, once) VALUES (?, ?, ?, ?, ?)"
		_, err := t.conn.ExecContext(ctx, query, stamp(at), n.Kind, n.UserID, n.Data, sql.NullString{String: n.Once, Valid: n.Once != ""})
		if err != nil {
			return err
		}
	}
	return nil
}
