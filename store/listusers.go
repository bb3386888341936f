package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"talktime/models"
)

var usersListing = listing{name: "users", from: "users u", key: "u.id", always: "u.deleted_at IS NULL", owner: "u.id"}

// Newest rows that are shown with a user.
const (
	historicRows = 10
	userCalls    = 100 // with a user alone
	listedCalls  = 10  // with a user in a list
)

// ListUsers returns a page of users. A query is models.ErrQueryText or ErrQuery when it makes no sense.
func (s *Store) ListUsers(ctx context.Context, r models.ListRequest) (models.List[models.UserDetail], error) {
	q, err := s.search(usersListing, r)
	if err != nil {
		return models.List[models.UserDetail]{}, err
	}
	keys, err := s.page(ctx, usersListing, r, q)
	if err != nil {
		return models.List[models.UserDetail]{}, err
	}
	found, err := s.userDetails(ctx, keys.Items, listedCalls)
	return pick(keys, found), err
}

// UserIDs returns the ids of all users that a query finds, at most limit.
func (s *Store) UserIDs(ctx context.Context, r models.ListRequest, limit int) ([]int64, error) {
	q, err := s.search(usersListing, r)
	if err != nil {
		return nil, err
	}
	r.Number, r.Size = 1, limit
	keys, err := s.page(ctx, usersListing, r, q)
	return keys.Items, err
}

// UserDetail returns a user with everything that is shown of him, or models.ErrNotFound.
func (s *Store) UserDetail(ctx context.Context, username string) (models.UserDetail, error) {
	if !utf8.ValidString(username) {
		return models.UserDetail{}, fmt.Errorf("user %q: %w", username, models.ErrNotFound)
	}
	found, err := detailsOf(ctx, s, "u.username", []string{username}, userCalls)
	for _, user := range found {
		if user.Username == username { // MySQL does not look at blanks behind a name
			return user, err
		}
	}
	if err == nil {
		err = fmt.Errorf("user %q: %w", username, models.ErrNotFound)
	}
	return models.UserDetail{}, err
}

// UserDetailByID is UserDetail for whom the id is known.
func (s *Store) UserDetailByID(ctx context.Context, id int64) (models.UserDetail, error) {
	found, err := s.userDetails(ctx, []int64{id}, userCalls)
	if err != nil {
		return models.UserDetail{}, err
	}
	user, ok := found[id]
	if !ok {
		return models.UserDetail{}, fmt.Errorf("user %d: %w", id, models.ErrNotFound)
	}
	return user, nil
}

// UserByID returns a user alone, or models.ErrNotFound.
func (s *Store) UserByID(ctx context.Context, id int64) (models.User, error) {
	var found models.User
	err := s.each(ctx, "SELECT "+userColumns+" FROM users WHERE id = ? AND deleted_at IS NULL", []any{id}, func(rows *sql.Rows) (err error) {
		found, err = scanUser(rows)
		return err
	})
	if err == nil && found.ID == 0 {
		err = fmt.Errorf("user %d: %w", id, models.ErrNotFound)
	}
	return found, err
}

// UserID returns the id of the user with a name, or models.ErrNotFound.
func (s *Store) UserID(ctx context.Context, username string) (int64, error) {
	if !utf8.ValidString(username) {
		return 0, fmt.Errorf("user %q: %w", username, models.ErrNotFound)
	}
	var id int64
	var name string
	err := s.read.WithContext(ctx).Raw("SELECT id, username FROM users WHERE username = ? AND deleted_at IS NULL", username).Row().Scan(&id, &name)
	if errors.Is(err, sql.ErrNoRows) || err == nil && name != username { // MySQL does not look at blanks behind a name
		return 0, fmt.Errorf("user %q: %w", username, models.ErrNotFound)
	}
	return id, translate(err)
}

// UserIDByIMSI returns the id of the user with an IMSI, or models.ErrNotFound.
func (s *Store) UserIDByIMSI(ctx context.Context, imsi string) (int64, error) {
	return s.number(ctx, "SELECT id FROM users WHERE imsi = ? AND deleted_at IS NULL", imsi)
}

// UsersByID returns the users with these ids, without their calls. Those that do not exist are missing.
func (s *Store) UsersByID(ctx context.Context, ids []int64) (map[int64]models.UserDetail, error) {
	return s.userDetails(ctx, ids, 0)
}

// Usernames returns the names of users. Those that do not exist any more are missing.
func (s *Store) Usernames(ctx context.Context, ids []int64) (map[int64]string, error) {
	names := make(map[int64]string)
	err := eachOf(ctx, s, "SELECT id, username FROM users WHERE id IN (%s) AND deleted_at IS NULL", ids, func(rows *sql.Rows) error {
		var id int64
		var name string
		err := rows.Scan(&id, &name)
		names[id] = name
		return err
	})
	return names, err
}

// userDetails reads users, with so many of their newest calls.
func (s *Store) userDetails(ctx context.Context, ids []int64, calls int) (map[int64]models.UserDetail, error) {
	return detailsOf(ctx, s, "u.id", ids, calls)
}

// detailsOf is userDetails for those who have one of some values in a column.
func detailsOf[T comparable](ctx context.Context, s *Store, column string, values []T, calls int) (map[int64]models.UserDetail, error) {
	users := make(map[int64]models.UserDetail, len(values))
	var accounts []int64
	// CROSS: see balanceQuery.
	err := eachOf(ctx, s, `SELECT u.id, u.username, u.password_hash, u.clid, u.imsi, u.admin, u.currency, u.epoch, u.created_at,
		a.id, `+strings.ReplaceAll(s.sumColumns(), "%", "%%")+`, COALESCE(p.name, ''), COALESCE(p.level, 1), p.account_id,
		COALESCE(p.address, ''), COALESCE(p.cpf, '')
		FROM users u CROSS JOIN accounts a ON a.user_id = u.id LEFT JOIN profiles p ON p.user_id = u.id
		WHERE `+column+` IN (%s) AND u.deleted_at IS NULL`, values, func(rows *sql.Rows) error {
		var u models.UserDetail
		var a scannedSums
		fields := []any{&u.ID, &u.Username, &u.PasswordHash, &u.CLID, &u.IMSI, &u.Admin, &u.Currency, &u.Epoch, &u.CreatedAt, &a.ID}
		fields = append(append(fields, a.fields()...), &u.Profile.Name, &u.Level, &u.AccountID, &u.Address, &u.CPF)
		if err := rows.Scan(fields...); err != nil {
			return err
		}
		accounts = append(accounts, a.ID)
		if known, ok := users[u.ID]; ok {
			u = known
		}
		if u.Admin {
			u.Level = models.LevelAdmin
		}
		u.Add(a.account())
		users[u.ID] = u
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read users: %w", err)
	}
	if err := s.addHistoric(ctx, users, accounts); err != nil {
		return nil, fmt.Errorf("read the ledger of users: %w", err)
	}
	if calls == 0 {
		return users, nil
	}
	return users, s.addCalls(ctx, users, slices.Collect(maps.Keys(users)), calls)
}

var historicQuery = "SELECT " + entryColumns + ", " + entryRank + " FROM " + entriesListing.from + " WHERE e.account_id = ?" +
	fmt.Sprintf(" ORDER BY e.tx_id DESC LIMIT %d", historicRows)

// userCallsQuery reads the newest calls of which a user is one side. Which index helps is said: statistics that are not of
// today would make a server go through all calls instead.
func (s *Store) userCallsQuery(column, index string, limit int) string {
	hint := ""
	if s.dialect.name != sqliteDialect.name {
		hint = " FORCE INDEX (" + index + ")"
	}
	return "SELECT " + cdrColumns + " FROM calls c" + hint + " WHERE c." + column + " = ? AND c.state = 'settled' ORDER BY c.id DESC" +
		fmt.Sprintf(" LIMIT %d", limit)
}

// addHistoric gives users their newest ledger entries.
func (s *Store) addHistoric(ctx context.Context, users map[int64]models.UserDetail, accounts []int64) error {
	historic := make(map[int64][]models.LedgerEntry)
	err := newestOf(ctx, s, historicQuery, accounts, func(rows *sql.Rows) error {
		var rank int64
		e, err := scanEntry(rows, &rank)
		e.ID += rank
		historic[e.UserID] = append(historic[e.UserID], e)
		return err
	})
	for id, entries := range historic {
		slices.SortFunc(entries, func(a, b models.LedgerEntry) int { return int(b.ID - a.ID) })
		if u, ok := users[id]; ok {
			u.Historic = entries[:min(len(entries), historicRows)]
			users[id] = u
		}
	}
	if err != nil || len(users) > 1 { // a list does not say which refills they were
		return err
	}
	for _, u := range users {
		err = s.nameRefills(ctx, u.Historic)
	}
	return err
}

// addCalls gives users their newest calls.
func (s *Store) addCalls(ctx context.Context, users map[int64]models.UserDetail, ids []int64, limit int) error {
	for _, side := range []struct {
		column string
		index  string
		of     func(*models.UserDetail) (calls *[]models.CDR, more *bool)
		whose  func(models.CDR) int64
	}{
		{"user_id", "calls_user", func(u *models.UserDetail) (*[]models.CDR, *bool) { return &u.Originated, &u.MoreOriginated }, func(c models.CDR) int64 { return c.From }},
		{"callee_id", "calls_callee", func(u *models.UserDetail) (*[]models.CDR, *bool) { return &u.Received, &u.MoreReceived }, func(c models.CDR) int64 { return c.To }},
	} {
		err := newestOf(ctx, s, s.userCallsQuery(side.column, side.index, limit+1), ids, func(rows *sql.Rows) error {
			c, err := scanCDR(rows)
			if u, ok := users[side.whose(c)]; ok {
				calls, _ := side.of(&u)
				*calls = append(*calls, c)
				users[u.ID] = u
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("read calls of users: %w", err)
		}
		for id, u := range users {
			calls, more := side.of(&u)
			slices.SortFunc(*calls, func(a, b models.CDR) int { return int(a.ID - b.ID) })
			if *more = len(*calls) > limit; *more {
				*calls = (*calls)[len(*calls)-limit:]
			}
			users[id] = u
		}
	}
	return nil
}
