package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"talktime/models"
)

// usualDays is for how long back the countries are known to a user whose new ones begin to be counted.
const usualDays = 90

// limitsText is how limits are kept; NULL when nothing is bounded.
func limitsText(l models.Limits) (sql.NullString, error) {
	if err := l.Validate(); err != nil {
		return sql.NullString{}, err
	}
	if l.Empty() {
		return sql.NullString{}, nil
	}
	text, err := json.Marshal(l)
	return sql.NullString{String: string(text), Valid: true}, err
}

func readLimits(text string) (l models.Limits, err error) {
	if text == "" {
		return l, nil
	}
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return l, fmt.Errorf("limits %.80q: %w: %w", text, errUnreadable, err)
	}
	return l, nil
}

// limitFacts is what the audit log says of limits; nothing where there are none.
func limitFacts(text sql.NullString) any {
	if !text.Valid {
		return nil
	}
	return json.RawMessage(text.String)
}

// SiteLimits are those of everybody, but for what users or their groups have.
func (s *Store) SiteLimits(ctx context.Context) (models.Limits, error) {
	text := ""
	err := s.each(ctx, "SELECT value FROM settings WHERE name = ?", []any{siteLimitsSetting}, func(rows *sql.Rows) error { return rows.Scan(&text) })
	if err != nil {
		return models.Limits{}, err
	}
	return readLimits(text)
}

// SetSiteLimits bounds everybody, but for what users or their groups have. Empty ones bound nobody. What makes no sense is
// models.ErrInvalid.
func (s *Store) SetSiteLimits(ctx context.Context, l models.Limits, actor string) error {
	text, err := limitsText(l)
	if err != nil {
		return err
	}
	return translate(s.changeDecks(ctx, func(db *gorm.DB) error {
		var before sql.NullString
		err := db.Raw("SELECT value FROM settings WHERE name = ?", siteLimitsSetting).Row().Scan(&before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if before == text {
			return nil
		}
		if err := db.Exec("DELETE FROM settings WHERE name = ?", siteLimitsSetting).Error; err != nil {
			return err
		}
		if text.Valid {
			if err := db.Exec("INSERT INTO settings (name, value) VALUES (?, ?)", siteLimitsSetting, text.String).Error; err != nil {
				return err
			}
		}
		return s.logIn(db, actor, "site.limits", "", limitFacts(before), limitFacts(text))
	}))
}

// GroupLimits returns those of a group, or models.ErrNotFound.
func (s *Store) GroupLimits(ctx context.Context, group string) (found models.GroupLimits, err error) {
	g, err := s.Group(ctx, group) // MySQL does not look at blanks behind a name, and it does
	if err != nil {
		return found, err
	}
	text := ""
	err = s.each(ctx, "SELECT COALESCE(g.limits, ''), COALESCE(p.most, 0), COALESCE(p.calls, 0) FROM user_groups g LEFT JOIN pools p ON p.id = g.pool_id WHERE g.id = ?",
		[]any{g.ID}, func(rows *sql.Rows) error { return rows.Scan(&text, &found.SharedCalls, &found.Open) })
	if err == nil {
		found.Limits, err = readLimits(text)
	}
	return found, err
}

// SetGroupLimits bounds each member of a group who is not bounded himself, and all of them together. Open is not looked at. Where
// new countries begin to be counted, those that a member called in the last 90 days are known, as SetUserLimits has it.
func (s *Store) SetGroupLimits(ctx context.Context, group string, l models.GroupLimits, country func(number string) string, actor string) error {
	text, err := limitsText(l.Limits)
	if err != nil {
		return err
	}
	if l.SharedCalls < 0 || l.SharedCalls > models.MaxAtOnce {
		return fmt.Errorf("%w: shared_calls must be from 0, for no limit, to %d", models.ErrInvalid, models.MaxAtOnce)
	}
	before, err := s.GroupLimits(ctx, group)
	if err != nil {
		return err
	}
	if l.NewCountries != nil && before.NewCountries == nil {
		g, err := s.Group(ctx, group)
		if err == nil {
			err = s.knowCountries(ctx, "IN (SELECT m.user_id FROM members m WHERE m.group_id = ?)", g.ID, country)
		}
		if err != nil {
			return err
		}
	}
	return translate(s.changeDecks(ctx, func(db *gorm.DB) error {
		row, err := lockGroup(db, 0, group)
		if err != nil {
			return err
		}
		var was sql.NullString
		var pool, most int64
		err = db.Raw("SELECT g.limits, g.pool_id, COALESCE(p.most, 0) FROM user_groups g LEFT JOIN pools p ON p.id = g.pool_id WHERE g.id = ?", row.ID).
			Row().Scan(&was, &pool, &most)
		if err != nil {
			return err
		}
		if was == text && most == l.SharedCalls {
			return nil
		}
		if most != l.SharedCalls {
			if pool, err = share(db, row.ID, pool, l.SharedCalls); err != nil {
				return err
			}
		}
		if err := db.Exec("UPDATE user_groups SET limits = ?, pool_id = ? WHERE id = ?", text, pool, row.ID).Error; err != nil {
			return err
		}
		type facts struct {
			Limits      any   `json:"limits,omitempty"`
			SharedCalls int64 `json:"shared_calls,omitempty"`
		}
		return s.logIn(db, actor, "group.limits", row.Name, facts{limitFacts(was), most}, facts{limitFacts(text), l.SharedCalls})
	}))
}

// share bounds the calls of a group's members together, in its pool, which is made when there is none. Whoever decides on a call
// holds the lock of the pool: the next one knows it. Calls that began before there was a pool are not counted.
func share(db *gorm.DB, group, pool, most int64) (int64, error) {
	if pool != 0 {
		return pool, db.Exec("UPDATE pools SET most = ? WHERE id = ?", most, pool).Error
	}
	name := "group:" + strconv.FormatInt(group, 10)
	if err := db.Exec("INSERT INTO pools (name, most) VALUES (?, ?)", name, most).Error; err != nil {
		return 0, err
	}
	err := db.Raw("SELECT id FROM pools WHERE name = ?", name).Row().Scan(&pool)
	return pool, err
}

// UserLimits returns the limits that count for a user, and where each comes from; models.ErrNotFound when there is no such user.
func (s *Store) UserLimits(ctx context.Context, user int64) (found models.UserLimits, err error) {
	own, exists := "", false
	err = s.each(ctx, "SELECT COALESCE(limits, '') FROM users WHERE id = ? AND deleted_at IS NULL", []any{user}, func(rows *sql.Rows) error {
		exists = true
		return rows.Scan(&own)
	})
	if err == nil && !exists {
		err = fmt.Errorf("user %d: %w", user, models.ErrNotFound)
	}
	if err != nil {
		return found, err
	}
	if found.Own, err = readLimits(own); err != nil {
		return found, err
	}
	if found.Site, err = s.SiteLimits(ctx); err != nil {
		return found, err
	}
	group := ""
	err = s.each(ctx, "SELECT g.name, COALESCE(g.limits, ''), COALESCE(p.most, 0), COALESCE(p.calls, 0) FROM members m JOIN user_groups g ON g.id = m.group_id"+
		" LEFT JOIN pools p ON p.id = g.pool_id WHERE m.user_id = ? AND (g.limits IS NOT NULL OR p.most > 0) ORDER BY g.id", []any{user}, func(rows *sql.Rows) error {
		var limits string
		var shared models.SharedCalls
		err := rows.Scan(&shared.Group, &limits, &shared.Most, &shared.Open)
		if limits != "" && found.GroupName == "" {
			group, found.GroupName = limits, shared.Group
		}
		if shared.Most > 0 {
			found.Shared = append(found.Shared, shared)
		}
		return err
	})
	if err == nil {
		found.Group, err = readLimits(group)
	}
	return found, err
}

// SetUserLimits bounds what a user may do, from his next call on; empty limits leave those of his group and of the site. When new
// countries begin to be counted, those that he called in the last 90 days are known. models.ErrNotFound when there is no such
// user, models.ErrInvalid for what makes no sense.
func (s *Store) SetUserLimits(ctx context.Context, user int64, l models.Limits, country func(number string) string, actor string) error {
	text, err := limitsText(l)
	if err != nil {
		return err
	}
	before, err := s.UserLimits(ctx, user)
	if err != nil {
		return err
	}
	if l.NewCountries != nil && before.Effective().NewCountries == nil {
		if err := s.knowCountries(ctx, "= ?", user, country); err != nil {
			return err
		}
	}
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		var name string
		var was sql.NullString
		err := db.Raw("SELECT username, limits FROM users WHERE id = ? AND deleted_at IS NULL"+s.dialect.forUpdate, user).Row().Scan(&name, &was)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("user %d: %w", user, models.ErrNotFound)
		}
		if err != nil || was == text {
			return err
		}
		if err := db.Exec("UPDATE users SET limits = ? WHERE id = ?", text, user).Error; err != nil {
			return err
		}
		if err := s.logIn(db, actor, "user.limits", name, limitFacts(was), limitFacts(text)); err != nil {
			return err
		}
		return s.moved(db, user)
	}))
}

// knowCountries makes the countries known that some users called lately. It may be done twice: nobody forgets a country.
func (s *Store) knowCountries(ctx context.Context, whose string, of int64, country func(number string) string) error {
	if country == nil {
		return nil
	}
	type visit struct {
		user    int64
		country string
	}
	since := stamp(s.now().AddDate(0, 0, -usualDays)) // so that none of them is new today
	visits := map[visit]bool{}
	err := s.each(ctx, "SELECT DISTINCT user_id, number FROM calls WHERE user_id "+whose+" AND callee_id = 0 AND state = 'settled' AND authorized_at >= ?",
		[]any{of, since}, func(rows *sql.Rows) error {
			var user int64
			var number string
			err := rows.Scan(&user, &number)
			if code := country(number); code != "" {
				visits[visit{user, code}] = true
			}
			return err
		})
	if err != nil {
		return err
	}
	sorted := slices.SortedFunc(maps.Keys(visits), func(a, b visit) int { // two who do this never wait for each other in a circle
		return cmp.Or(cmp.Compare(a.user, b.user), strings.Compare(a.country, b.country))
	})
	const columns = 3
	for part := range slices.Chunk(sorted, s.dialect.maxParams/columns) {
		var args []any
		for _, v := range part {
			args = append(args, v.user, v.country, since)
		}
		query := s.dialect.insertIgnore + " INTO user_countries (user_id, country, first_at) VALUES (?,?,?)" + strings.Repeat(",(?,?,?)", len(part)-1)
		if err := s.write.WithContext(ctx).Exec(query, args...).Error; err != nil {
			return translate(err)
		}
	}
	return nil
}

// EachLimits hands over all limits that somebody has set, and whose they are, in words.
func (s *Store) EachLimits(ctx context.Context, each func(whose string, l models.Limits) error) error {
	return s.each(ctx, "SELECT 'user', username, limits FROM users WHERE limits IS NOT NULL AND deleted_at IS NULL"+
		" UNION ALL SELECT 'group', name, limits FROM user_groups WHERE limits IS NOT NULL"+
		" UNION ALL SELECT 'the site', '', value FROM settings WHERE name = ?", []any{siteLimitsSetting}, func(rows *sql.Rows) error {
		var whose, name, text string
		if err := rows.Scan(&whose, &name, &text); err != nil {
			return err
		}
		whose = strings.TrimSpace(whose + " " + name)
		l, err := readLimits(text)
		if err != nil {
			return fmt.Errorf("%s: %w", whose, err)
		}
		return each(whose, l)
	})
}

// ShortestFirst is the first increment of the shortest calls that any tariff which counts bills, in seconds; 0 when there is none.
func (s *Store) ShortestFirst(ctx context.Context) (int64, error) {
	return s.number(ctx, "SELECT COALESCE(MIN(r.first_seconds), 0) FROM deck_rates r JOIN deck_activations a ON a.version_id = r.version_id WHERE a.until_at IS NULL")
}
