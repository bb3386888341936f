package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"talktime/models"
	"talktime/stats"
)

// partBytes is how much of what was counted of a day stands in one row: servers bound the length of a statement, and text of bytes
// may be twice as long as these.
const partBytes = 1 << 20

// rollUpForm is raised when counters begin to write down what they counted in another form, or count by another rule.
const rollUpForm = 2

// ruleOf is the digest of a rule that stands in the tables. The days are those of our zone: in another one they are others.
func (s *Store) ruleOf(rule string) string {
	winter, summer := time.Date(2026, 1, 1, 0, 0, 0, 0, s.location), time.Date(2026, 7, 1, 0, 0, 0, 0, s.location)
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d %d %s", rollUpForm, s.location, stats.WallOf(winter)-winter.Unix(), stats.WallOf(summer)-summer.Unix(), rule))
	return hex.EncodeToString(sum[:16])
}

// Load implements stats.RollUps; each day comes in one piece. It is a search: models.ErrSlowSearch when it takes too long, and
// models.ErrSearches when too many others are under way.
func (s *Store) Load(ctx context.Context, source, kind, rule string, from, to stats.Day, each func(stats.Day, []byte) error) error {
	conn, err := s.searches.Conn(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return models.ErrSearches
	}
	if err != nil {
		return translate(err)
	}
	defer func() { _ = conn.Close() }()
	limit := s.searchTime
	if deadline, ok := ctx.Deadline(); ok {
		limit = max(min(limit, time.Until(deadline)), time.Millisecond)
	}
	// The key begins with source and kind; a server that is asked to sort by these too sorts indeed, all that data.
	query, index := "SELECT day, data FROM rollups%s WHERE source = ? AND kind = ? AND day >= ? AND day < ? AND rule = ? ORDER BY day, part", ""
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if s.dialect.name != sqliteDialect.name {
		// As with other searches: it ends when the server says so, not while that is still at it.
		patient, stop := context.WithTimeout(context.WithoutCancel(ctx), limit+searchGrace)
		defer stop()
		within, index = patient, " FORCE INDEX (PRIMARY)"
		query = s.timed(query, limit)
	}
	var day stats.Day
	var data []byte
	some := false
	t := txn{store: s, conn: conn, dialect: s.dialect}
	var failed error
	err = t.query(within, fmt.Sprintf(query, index), []any{source, kind, from, to, s.ruleOf(rule)}, func(rows *sql.Rows) error {
		if failed = ctx.Err(); failed != nil {
			return failed
		}
		var d stats.Day
		var part sql.RawBytes
		if err := rows.Scan(&d, &part); err != nil {
			return err
		}
		if some && d != day {
			if failed = each(day, data); failed != nil {
				return failed
			}
			data = data[:0]
		}
		day, data, some = d, append(data, part...), true
		return nil
	})
	switch {
	case failed != nil:
		return failed
	case isTimeout(err):
		return models.ErrSlowSearch
	case err != nil:
		return translate(err)
	case some:
		return each(day, data)
	}
	return nil
}

// Claim implements stats.Keeper.
func (s *Store) Claim(ctx context.Context, source, holder string, lease time.Duration) (ours bool, err error) {
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := db.Exec(s.dialect.insertIgnore+" INTO rollup_sources (source) VALUES (?)", source).Error; err != nil {
			return err
		}
		done := db.Exec("UPDATE rollup_sources SET claimed_by = ?, claimed_until = "+s.later()+" WHERE source = ? AND (claimed_by = ? OR "+s.unclaimed()+")",
			holder, int(lease/time.Second), source, holder)
		ours = done.RowsAffected == 1
		return done.Error
	})
	return ours, translate(err)
}

// Unclaim implements stats.Keeper.
func (s *Store) Unclaim(ctx context.Context, source, holder string) error {
	return translate(s.exec(ctx, "UPDATE rollup_sources SET claimed_by = '', claimed_until = NULL WHERE source = ? AND claimed_by = ?", source, holder))
}

// asHolder does something in a transaction in which nobody else can claim a source; stats.ErrNotOurs when somebody has.
func (s *Store) asHolder(ctx context.Context, source, holder string, do func(*gorm.DB) error) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		done := db.Exec("UPDATE rollup_sources SET claimed_by = ? WHERE source = ? AND claimed_by = ?", holder, source, holder)
		if done.Error == nil && done.RowsAffected == 0 {
			return stats.ErrNotOurs
		}
		if done.Error != nil {
			return done.Error
		}
		return do(db)
	}))
}

// Kept implements stats.Keeper.
func (s *Store) Kept(ctx context.Context, source string, rules map[string]string, from, to stats.Day) ([]stats.KeptDay, error) {
	digests := make(map[string]string, len(rules))
	for kind, rule := range rules {
		digests[kind] = s.ruleOf(rule)
	}
	days := make(map[stats.Day]*stats.KeptDay)
	well := make(map[stats.Day]int) // how many kinds
	err := s.each(ctx, "SELECT kind, day, rule, signature, records FROM rollup_days WHERE source = ? AND day >= ? AND day < ?", []any{source, from, to}, func(rows *sql.Rows) error {
		var kind, rule string
		var row stats.KeptDay
		if err := rows.Scan(&kind, &row.Day, &rule, &row.Signature, &row.Records); err != nil {
			return err
		}
		k := days[row.Day]
		if k == nil {
			k = &stats.KeptDay{Day: row.Day}
			days[row.Day] = k
		}
		if digests[kind] == rule {
			if well[row.Day] == 0 {
				*k = row
			}
			if k.Signature == row.Signature {
				well[row.Day]++
			}
		}
		return nil
	})
	kept := make([]stats.KeptDay, 0, len(days))
	for _, day := range sortedKeys(days) {
		k := *days[day]
		if well[day] != len(rules) {
			k.Signature = ""
		}
		kept = append(kept, k)
	}
	return kept, err
}

// Keep implements stats.Keeper.
func (s *Store) Keep(ctx context.Context, source, holder string, day stats.KeptDay, counted []stats.Counted) error {
	return s.asHolder(ctx, source, holder, func(db *gorm.DB) error {
		for _, c := range counted {
			if err := s.keep(db, source, day, c); err != nil {
				return fmt.Errorf("keep %s of %s: %w", c.Kind, day.Day, err)
			}
		}
		return nil
	})
}

// keep replaces what is kept of one kind.
func (s *Store) keep(db *gorm.DB, source string, day stats.KeptDay, c stats.Counted) error {
	if err := db.Exec("DELETE FROM rollups WHERE source = ? AND kind = ? AND day = ?", source, c.Kind, day.Day).Error; err != nil {
		return err
	}
	if err := db.Exec("DELETE FROM rollup_days WHERE source = ? AND kind = ? AND day = ?", source, c.Kind, day.Day).Error; err != nil {
		return err
	}
	rule := s.ruleOf(c.Rule)
	for part := 0; part == 0 || part*partBytes < len(c.Data); part++ {
		data := append([]byte{}, c.Data[part*partBytes:min((part+1)*partBytes, len(c.Data))]...) // never nil, which would be NULL
		err := db.Exec("INSERT INTO rollups (source, kind, day, part, rule, data) VALUES (?, ?, ?, ?, ?, ?)", source, c.Kind, day.Day, part, rule, data).Error
		if err != nil {
			return err
		}
	}
	return db.Exec("INSERT INTO rollup_days (source, kind, day, rule, signature, records, made_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
		source, c.Kind, day.Day, rule, day.Signature, day.Records, stamp(s.now())).Error
}

// Forget implements stats.Keeper. Kinds that nobody knows any more go too.
func (s *Store) Forget(ctx context.Context, source, holder string, days []stats.Day) error {
	const atOnce = 31 // which may be a hundred megabytes
	for some := range slices.Chunk(days, atOnce) {
		err := s.asHolder(ctx, source, holder, func(db *gorm.DB) error {
			for _, table := range []string{"rollups", "rollup_days"} {
				err := db.Exec("DELETE FROM "+table+" WHERE source = ? AND day IN ("+marks(len(some))+")", append([]any{source}, anys(some)...)...).Error
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// recountOwn forgets what is kept of our own calls of some days, and of the days beside these: something long past has changed, which
// nobody would look for so soon. Until they are counted again, reports read records.
func (s *Store) recountOwn(db *gorm.DB, days []stats.Day) error {
	slices.Sort(days)
	for i := 0; i < len(days); {
		first, last := days[i]-1, days[i]+1
		for ; i < len(days) && days[i]-1 <= last+1; i++ {
			last = days[i] + 1
		}
		for _, table := range []string{"rollups", "rollup_days"} {
			if err := db.Exec("DELETE FROM "+table+" WHERE source = ? AND day >= ? AND day <= ?", stats.OwnName, first, last).Error; err != nil {
				return err
			}
		}
	}
	return nil
}

// Passed implements stats.Keeper.
func (s *Store) Passed(ctx context.Context, source, holder string, stale int, well bool) error {
	return s.asHolder(ctx, source, holder, func(db *gorm.DB) error {
		passed := ""
		if well {
			passed = "passed_at = " + s.dialect.now + ", "
		}
		return db.Exec("UPDATE rollup_sources SET "+passed+"stale = ?, days = (SELECT COUNT(DISTINCT day) FROM rollup_days WHERE source = ?) WHERE source = ?",
			stale, source, source).Error
	})
}

// KeepFiguresOf forgets how far the roll-ups of all other sources are: nobody counts these any more. What is kept of them stays.
func (s *Store) KeepFiguresOf(ctx context.Context, sources []string) error {
	others, args := "", anys(sources)
	if len(sources) > 0 {
		others = " AND source NOT IN (" + marks(len(sources)) + ")"
	}
	return translate(s.exec(ctx, "DELETE FROM rollup_sources WHERE "+s.unclaimed()+others, args...))
}

// rollUpFigures says how far the roll-ups of each source are.
func (s *Store) rollUpFigures(ctx context.Context) (all []models.RollUpFigures, err error) {
	err = s.each(ctx, "SELECT source, days, stale, passed_at FROM rollup_sources ORDER BY source", nil, func(rows *sql.Rows) error {
		var f models.RollUpFigures
		var passed sql.NullTime
		err := rows.Scan(&f.Source, &f.Days, &f.Stale, &passed)
		f.Passed = passed.Time
		all = append(all, f)
		return err
	})
	return all, err
}
