package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/models"
)

// Times of keepers, by the database's clock where that is asked.
const (
	keeperShown = time.Minute            // for how long one is known, and told of moves, that is not seen any more
	keeperLook  = 500 * time.Millisecond // how often it is found out whether there is one
	keeperWait  = 500 * time.Millisecond
	moveKept    = 2 * time.Minute
	moveLate    = 30 * time.Second // how long it may take from a move's row, which is the last that a transaction writes, to its commit
	tidyPause   = 30 * time.Second
	strayPause  = 10 * time.Second
)

// keepers is what a Store remembers of those who keep calls.
type keepers struct {
	mu     sync.Mutex
	looked time.Time // for somebody who keeps calls
	nobody time.Time // when it was known that nobody does; zero: somebody does, or it is not known
	tidied time.Time
	sought time.Time // for calls of which the keeper is not known at all
	places map[int64]place
	last   int64 // of places
}

// place is how far somebody has read the moves. Ids are given when a row is made, and not when it is committed.
type place struct {
	after int64          // up to here all has been told, and there will not be more
	told  map[int64]bool // ids behind it
}

// maxPlaces bounds how many are remembered. Whoever finds his forgotten begins anew.
const maxPlaces = 64

// due reports whether something that is done now and then is to be done, and notes that it is.
func (k *keepers) due(last *time.Time, now time.Time, pause time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !last.IsZero() && now.Sub(*last).Abs() < pause {
		return false
	}
	*last = now
	return true
}

// ago is the database's clock so long before now.
func (d dialect) ago(t time.Duration) string {
	if d.name == sqliteDialect.name {
		return fmt.Sprintf("strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-%.3f seconds')", t.Seconds())
	}
	return fmt.Sprintf("DATE_SUB(UTC_TIMESTAMP(6), INTERVAL %.3f SECOND)", t.Seconds())
}

// watchKeepers finds out now and then whether anybody keeps calls. It must be called outside of transactions, which it keeps waiting for no longer
// than keeperWait, and not soon again: what fails leaves it unknown when what was known is too old, and then moves are written.
func (s *Store) watchKeepers(ctx context.Context) {
	now := s.now()
	if !s.keepers.due(&s.keepers.looked, now, keeperLook) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keeperWait)
	defer cancel()
	n, err := s.number(ctx, "SELECT EXISTS (SELECT 1 FROM keepers WHERE gone = FALSE AND seen_at > "+s.dialect.ago(keeperShown)+")")
	switch {
	case err != nil:
	case n == 0:
		s.keepers.know(now)
	default:
		s.keepers.know(time.Time{})
	}
}

// know notes when it was known that nobody keeps calls.
func (k *keepers) know(nobody time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.nobody = nobody
}

// nobodyKeeps reports whether nobody keeps calls, so that moves need not be written. What it knows is younger than the time from a
// keeper's first word to its first call.
func (s *Store) nobodyKeeps() bool {
	k := &s.keepers
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.nobody.IsZero() && s.now().Sub(k.nobody).Abs() < keeperLook+keeperWait
}

// KeeperAlive says that a keeper is there, and what it has done; the first time makes it known. What nobody needs any more of keepers and moves
// is deleted on the way.
func (s *Store) KeeperAlive(ctx context.Context, k models.Keeper) error {
	figures, err := json.Marshal(k.Figures)
	if err != nil {
		return fmt.Errorf("write the figures of keeper %s: %w", k.Name, err)
	}
	updates := []string{s.dialect.excluded("name"), s.dialect.excluded("seen_at"), s.dialect.excluded("figures")} // gone stays as it is
	err = s.exec(ctx, "INSERT INTO keepers (id, name, seen_at, figures) VALUES (?, ?, "+s.dialect.now+", ?)"+s.dialect.upsert+strings.Join(updates, ", "),
		k.ID, truncate(k.Name, 120), string(figures))
	if err != nil {
		return translate(err)
	}
	s.keepers.know(time.Time{})
	if !s.keepers.due(&s.keepers.tidied, s.now(), tidyPause) {
		return nil
	}
	if err := s.tidyKeepers(ctx); err != nil && !isLocked(err) && ctx.Err() == nil { // the heartbeat has been written
		return fmt.Errorf("tidy up behind keepers: %w", translate(err))
	}
	return nil
}

// tidyKeepers deletes moves that everybody has read, keepers that have ended and have no calls, and rows of calls that have ended, which a
// program of before they were kept leaves behind.
func (s *Store) tidyKeepers(ctx context.Context) error {
	if err := s.exec(ctx, "DELETE FROM moves WHERE at < "+s.dialect.ago(moveKept)); err != nil {
		return err
	}
	unseen := "seen_at < " + s.dialect.ago(keeperShown)
	dead, err := s.numbers(ctx, "SELECT id FROM keepers WHERE "+unseen+
		" AND id NOT IN (SELECT keeper FROM calls WHERE state = 'open' AND keeper <> 0)")
	if err != nil {
		return err
	}
	if len(dead) > 0 {
		if err := s.inTransaction(ctx, func(db *gorm.DB) error { return db.Exec("DELETE FROM keepers WHERE id IN ? AND "+unseen, dead).Error }); err != nil {
			return err
		}
	}
	var ended []models.Call
	err = s.each(ctx, "SELECT k.user_id, k.call_key FROM kept_calls k "+s.dialect.inOrder+" calls c ON c.id = k.call_key WHERE c.state <> 'open' LIMIT 1000", nil,
		func(rows *sql.Rows) error {
			var c models.Call
			err := rows.Scan(&c.UserID, &c.ID)
			ended = append(ended, c)
			return err
		})
	if err != nil || len(ended) == 0 {
		return err
	}
	return s.inTransaction(ctx, func(db *gorm.DB) error {
		t := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
		return t.forgetKept(ctx, ended)
	})
}

// KeeperGone says that a keeper has ended: others may take over what it kept.
func (s *Store) KeeperGone(ctx context.Context, keeper int64) error {
	return translate(s.exec(ctx, "UPDATE keepers SET gone = TRUE, seen_at = "+s.dialect.now+" WHERE id = ?", keeper))
}

// Keepers returns those that were seen within the last minute, by name. They may have gone since.
func (s *Store) Keepers(ctx context.Context) ([]models.Keeper, error) {
	all := []models.Keeper{}
	err := s.each(ctx, "SELECT id, name, seen_at, gone, figures FROM keepers WHERE seen_at > "+s.dialect.ago(keeperShown)+" ORDER BY name, id", nil,
		func(rows *sql.Rows) error {
			var k models.Keeper
			var figures string
			if err := rows.Scan(&k.ID, &k.Name, &k.SeenAt, &k.Gone, &figures); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(figures), &k.Figures); err != nil {
				return fmt.Errorf("figures of keeper %s: %w: %w", k.Name, errUnreadable, err)
			}
			all = append(all, k)
			return nil
		})
	return all, err
}

// LostCalls are open calls whose keeper has gone, or was not seen for as long as lapsed. Those of keepers of whom nothing is known, which there
// should not be, are looked for now and then. A call that cannot be read is left to the reconciler.
func (s *Store) LostCalls(ctx context.Context, lapsed time.Duration) ([]models.Call, error) {
	dead := "(gone OR seen_at < " + s.dialect.ago(lapsed) + ")"
	n, err := s.number(ctx, "SELECT EXISTS (SELECT 1 FROM keepers WHERE "+dead+")")
	if err != nil || n == 0 && !s.keepers.due(&s.keepers.sought, s.now(), strayPause) {
		return nil, err
	}
	var lost []models.Call
	err = s.each(ctx, "SELECT "+callColumns+" FROM calls WHERE state = 'open' AND keeper <> 0 AND keeper NOT IN (SELECT id FROM keepers WHERE NOT "+dead+
		") ORDER BY id", nil, func(rows *sql.Rows) error {
		c, err := scanCall(rows)
		if errors.Is(err, errUnreadable) {
			return nil
		}
		lost = append(lost, c)
		return err
	})
	return lost, err
}

// TakeCall makes a keeper that of an open call, unless another one was faster, or the call has ended; then it reports false. It may be asked again
// when its answer was lost.
func (s *Store) TakeCall(ctx context.Context, call models.Call, keeper int64) (bool, error) {
	done := s.write.WithContext(ctx).Exec("UPDATE calls SET keeper = ?, writes = writes + 1 WHERE id = ? AND state = 'open' AND keeper IN (?, ?) AND keeper <> 0",
		keeper, call.ID, call.Keeper, keeper)
	if isTransient(done.Error) && !isLost(done.Error) || isLocked(done.Error) {
		return false, nil // somebody else is at this call
	}
	return done.RowsAffected == 1, translate(done.Error)
}

// Moved are the users with calls in progress whose money, limits or prices have moved since a place in the list of all moves, 0 for those of the
// last seconds, and the place from which to go on. All is that everybody's calls must be looked at. Nobody may go on twice from the same place.
func (s *Store) Moved(ctx context.Context, after int64) (users []int64, all bool, next int64, err error) {
	late := s.dialect.ago(moveLate)
	k := &s.keepers
	k.mu.Lock()
	from, known := k.places[after]
	k.mu.Unlock()
	if !known {
		if from.after, err = s.number(ctx, "SELECT COALESCE(MAX(id), 0) FROM moves WHERE at < "+late); err != nil {
			return nil, false, after, err
		}
	}
	to := place{after: from.after, told: map[int64]bool{}}
	query := "SELECT id, user_id, CASE WHEN at < " + late + " THEN 1 ELSE 0 END FROM moves WHERE id > ? ORDER BY id"
	err = s.each(ctx, query, []any{from.after}, func(rows *sql.Rows) error {
		var id, user int64
		var old bool
		if err := rows.Scan(&id, &user, &old); err != nil {
			return err
		}
		if old {
			to.after = id
		}
		to.told[id] = true
		switch {
		case from.told[id]:
		case user == 0:
			all = true
		case !slices.Contains(users, user):
			users = append(users, user)
		}
		return nil
	})
	if err != nil {
		return nil, false, after, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if delete(k.places, after); k.places == nil || len(k.places) >= maxPlaces {
		k.places = map[int64]place{}
	}
	k.last++
	k.places[k.last] = to
	return users, all, k.last, nil
}

// isKept reports whether somebody extends a call.
func isKept(c models.Call) bool { return c.State == models.CallOpen && c.Keeper != 0 }

// loadSharing reads the other calls that are kept of those users who have any. Whoever changes what they hold needs the lock of the user's
// accounts, which we have.
func (t *txn) loadSharing(ctx context.Context, st *billing.State, users []int64) error {
	loaded := map[int64]int64{}
	for _, c := range st.Calls {
		if c.State == models.CallOpen {
			loaded[c.UserID]++
		}
	}
	users = slices.DeleteFunc(slices.Clone(users), func(user int64) bool {
		return !slices.ContainsFunc(st.Accounts[user], func(a models.Account) bool { return a.Name == models.MainAccount && a.OpenCalls > loaded[user] })
	})
	return chunks(t.dialect.maxParams, users, func(users []int64) error {
		query := "SELECT " + qualified("c", callColumns) + " FROM kept_calls k " + t.dialect.inOrder + " calls c ON c.id = k.call_key WHERE k.user_id IN (" +
			marks(len(users)) + ") AND c.state = 'open' AND c.keeper <> 0"
		return t.query(ctx, query, anys(users), func(rows *sql.Rows) error {
			c, err := scanCall(rows)
			if errors.Is(err, errUnreadable) { // it goes on with what it has
				return nil
			}
			st.Sharing[c.UserID] = append(st.Sharing[c.UserID], c)
			return err
		})
	})
}

// writeKept keeps the list of calls that somebody extends.
func (t *txn) writeKept(ctx context.Context, begun, ended []models.Call) error {
	if len(begun) > 0 {
		w := t.insert("kept_calls", "user_id", "call_key")
		w.once = true
		for _, c := range begun {
			w.row(c.UserID, c.ID)
		}
		if err := w.exec(ctx); err != nil {
			return err
		}
	}
	return t.forgetKept(ctx, ended)
}

// forgetKept takes calls off the list of those that somebody extends.
func (t *txn) forgetKept(ctx context.Context, ended []models.Call) error {
	const columns = 2
	for part := range slices.Chunk(ended, t.dialect.maxParams/columns) {
		args := make([]any, 0, columns*len(part))
		for _, c := range part {
			args = append(args, c.UserID, c.ID)
		}
		query := "DELETE FROM kept_calls WHERE user_id = ? AND call_key = ?" + strings.Repeat(" OR user_id = ? AND call_key = ?", len(part)-1)
		if t.dialect.name == serverDialect.name { // which would go through all of a short table, and wait for everybody whose rows are locked
			query = "DELETE k FROM (SELECT ? AS user_id, ? AS call_key" + strings.Repeat(" UNION ALL SELECT ?, ?", len(part)-1) + ") e" +
				" STRAIGHT_JOIN kept_calls k ON k.user_id = e.user_id AND k.call_key = e.call_key"
		}
		if _, err := t.conn.ExecContext(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// writeMoves tells those who keep calls, if there is anybody, whose calls they must look at.
func (t *txn) writeMoves(ctx context.Context, moved map[int64]bool) error {
	if len(moved) == 0 || t.store.nobodyKeeps() {
		return nil
	}
	w := t.insert("moves", "user_id")
	for _, user := range sortedKeys(moved) {
		w.row(user)
	}
	return w.exec(ctx)
}

// moved does what writeMoves does in another transaction, for those of these users who have calls in progress. It comes last, too.
func (s *Store) moved(db *gorm.DB, users ...int64) error {
	if s.nobodyKeeps() {
		return nil
	}
	for part := range slices.Chunk(users, s.dialect.maxParams) {
		err := db.Exec("INSERT INTO moves (user_id) SELECT user_id FROM accounts"+s.dialect.useOwner+
			" WHERE user_id IN ? AND name = 'main' AND open_calls > 0", part).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// allMoved does the same for everybody.
func (s *Store) allMoved(db *gorm.DB) error {
	if s.nobodyKeeps() {
		return nil
	}
	return db.Exec("INSERT INTO moves (user_id) VALUES (0)").Error
}
