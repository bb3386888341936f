package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/models"
)

// userRow and accountRow are the tables as GORM writes them.
type userRow struct {
	ID           int64 `gorm:"primaryKey"`
	Username     string
	PasswordHash string
	CLID         *string `gorm:"column:clid"`
	IMSI         *string `gorm:"column:imsi"`
	Admin        bool
	Currency     string
	Epoch        int64
	CreatedAt    time.Time
	DeckID       int64
}

// TableName implements GORM's Tabler.
func (userRow) TableName() string { return "users" }

type accountRow struct {
	ID       int64 `gorm:"primaryKey"`
	UserID   int64
	Name     string
	Currency string
	Status   string
	Burn     int
}

// TableName implements GORM's Tabler.
func (accountRow) TableName() string { return "accounts" }

// importChunk is how many users are written with one statement.
const importChunk = 500

// AddUser makes a user with his account and opening balance. A username, clid or imsi that is taken is
// models.ErrConflict.
func (s *Store) AddUser(ctx context.Context, u models.NewUser, actor string) (models.User, error) {
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		err := s.importing(ctx, actor, func(yield func(models.NewUser) error) error { return yield(u) })(db)
		if err != nil {
			return err
		}
		made := facts(userRow{Username: u.Username, CLID: optional(u.CLID), IMSI: optional(u.IMSI), Admin: u.Admin}, profileRow{Level: models.LevelUser})
		made.Balance = u.Balance
		return s.logIn(db, actor, "user.add", u.Username, nil, made)
	})
	if err != nil {
		return models.User{}, conflictWords(err)
	}
	found, err := s.UserByName(ctx, u.Username)
	return found.User, err
}

// ImportUsers makes all users that each yields, or none. Each of them is one that Validate accepts. from is what the audit
// log says of where they come from.
func (s *Store) ImportUsers(ctx context.Context, actor, from string, each func(yield func(models.NewUser) error) error) error {
	return conflictWords(s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
		made := 0
		err := s.importing(ctx, actor, func(yield func(models.NewUser) error) error {
			return each(func(u models.NewUser) error {
				made++
				return yield(u)
			})
		})(db)
		if err != nil || made == 0 {
			return err
		}
		return s.logIn(db, actor, "user.import", from, nil, map[string]int{"users": made})
	}))
}

// redrawing does all of do or nothing, within a transaction that cannot be repeated as a whole, again with other ids when
// another process had those that we gave.
func (s *Store) redrawing(db *gorm.DB, do func(*gorm.DB) error) error {
	for try := 1; ; try++ {
		err := db.Transaction(do) // a savepoint
		if !errors.Is(err, errTakenID) || try == maxTries {
			return err
		}
		s.ids.redraw()
	}
}

// importing makes the users in a transaction.
func (s *Store) importing(ctx context.Context, actor string, each func(yield func(models.NewUser) error) error) func(*gorm.DB) error {
	return func(db *gorm.DB) error {
		chunk, made := make([]models.NewUser, 0, importChunk), 0
		flush := func() error {
			err := s.redrawing(db, func(db *gorm.DB) error { return s.importChunk(ctx, db, actor, chunk) })
			made += len(chunk)
			chunk = chunk[:0]
			return err
		}
		err := each(func(u models.NewUser) error {
			if chunk = append(chunk, u); len(chunk) < importChunk {
				return nil
			}
			return flush()
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return err
		}
		return countUsers(db, made)
	}
}

func conflictWords(err error) error {
	if err != nil && isDuplicate(err) {
		return fmt.Errorf("%w: the username, clid or imsi belongs to another user already", models.ErrConflict)
	}
	if errors.Is(err, models.ErrInvalid) {
		return err
	}
	return translate(err)
}

func (s *Store) importChunk(ctx context.Context, db *gorm.DB, actor string, chunk []models.NewUser) error {
	if len(chunk) == 0 {
		return nil
	}
	now := s.now().UTC()
	perStatement := s.dialect.maxParams / 10
	users := make([]userRow, len(chunk))
	for i, u := range chunk {
		users[i] = userRow{
			Username: u.Username, PasswordHash: u.PasswordHash, CLID: optional(u.CLID), IMSI: optional(u.IMSI),
			Admin: u.Admin, Currency: cmp.Or(u.Currency, models.SEC), Epoch: 1, CreatedAt: now, DeckID: u.Deck,
		}
		if currency := users[i].Currency; currency != models.SEC && (i == 0 || users[i-1].Currency != currency) {
			if err := s.openHouse(db, currency); err != nil {
				return err
			}
		}
	}
	if err := db.CreateInBatches(users, perStatement).Error; err != nil {
		return err
	}
	// Ids of rows that were inserted together cannot be relied on: read them back.
	names := make([]string, len(chunk))
	for i, u := range chunk {
		names[i] = u.Username
	}
	var accounts []accountRow
	err := chunks(s.dialect.maxParams, names, func(names []string) error {
		var made []userRow
		if err := db.Select("id", "currency").Where("username IN ?", names).Find(&made).Error; err != nil {
			return err
		}
		for _, u := range made {
			accounts = append(accounts, accountRow{UserID: u.ID, Name: "main", Currency: u.Currency, Status: string(models.AccountActive), Burn: 100})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := db.CreateInBatches(accounts, perStatement).Error; err != nil {
		return err
	}
	if err := s.provisionNew(db, names); err != nil {
		return err
	}
	return s.openingBalances(ctx, db, actor, chunk, now)
}

// openingBalances posts what new users begin with, by the same decision as any other top-up.
func (s *Store) openingBalances(ctx context.Context, db *gorm.DB, actor string, chunk []models.NewUser, now time.Time) error {
	var moves []billing.Movement
	for _, u := range chunk {
		if u.Balance > 0 {
			ref := "opening:" + strconv.FormatInt(s.ids.next(), 10)
			moves = append(moves, billing.Movement{Username: u.Username, Amount: u.Balance, Ref: ref, Actor: actor})
		}
	}
	if len(moves) == 0 {
		return nil
	}
	keys := billing.MoveKeys(moves)
	keys.Refs = nil // they were made a moment ago
	tx := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
	st, err := tx.load(ctx, keys, false)
	if err != nil {
		return err
	}
	if err := billing.DecideMoves(st, moves, now); err != nil {
		return err
	}
	return tx.write(ctx, st)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// CROSS makes SQLite go through the users in their order, instead of sorting all of them in memory.
func (s *Store) balanceQuery(and string) string {
	return "SELECT u.id, u.username, u.password_hash, u.clid, u.imsi, u.admin, u.currency, u.epoch, u.created_at, " + s.sumColumns() +
		" FROM users u CROSS JOIN accounts a ON a.user_id = u.id WHERE u.deleted_at IS NULL " + and
}

// sumColumns are what a models.Balance needs of an account.
func (s *Store) sumColumns() string {
	return "a.currency, a.balance, a.held, a.credit_limit, a.status, a.warn, a.expires_at, " + s.expired("a")
}

// expired is the condition that the money of an account has expired.
func (s *Store) expired(account string) string {
	return "COALESCE(" + account + ".expires_at <= " + s.dialect.now + ", FALSE)"
}

// scannedSums takes in sumColumns.
type scannedSums struct {
	models.Account
	expires sql.NullTime
}

func (a *scannedSums) fields() []any {
	return []any{&a.Currency, &a.Balance, &a.Held, &a.CreditLimit, &a.Status, &a.Warn, &a.expires, &a.Expired}
}

func (a *scannedSums) account() models.Account {
	a.Expires = a.expires.Time
	return a.Account
}

// Users hands over every user with his balance, in the order of their ids, one at a time.
func (s *Store) Users(ctx context.Context, each func(models.Balance) error) error {
	return s.balances(ctx, each, s.balanceQuery("ORDER BY u.id, a.id"))
}

// UserByName returns one user with his balance, or models.ErrNotFound.
func (s *Store) UserByName(ctx context.Context, username string) (models.Balance, error) {
	var found *models.Balance
	err := s.balances(ctx, func(b models.Balance) error { found = &b; return nil }, s.balanceQuery("AND u.username = ?"), username)
	if err == nil && (found == nil || found.Username != username) { // MySQL does not look at blanks behind a name
		err = fmt.Errorf("user %q: %w", username, models.ErrNotFound)
	}
	if err != nil {
		return models.Balance{}, err
	}
	return *found, nil
}

// balances hands over users with the sums over their accounts; query yields the rows of a user together.
func (s *Store) balances(ctx context.Context, each func(models.Balance) error, query string, args ...any) error {
	rows, err := s.read.WithContext(ctx).Raw(query, args...).Rows()
	if err != nil {
		return translate(err)
	}
	defer func() { _ = rows.Close() }()
	var user *models.Balance
	for rows.Next() {
		var b models.Balance
		var a scannedSums
		fields := []any{&b.ID, &b.Username, &b.PasswordHash, &b.CLID, &b.IMSI, &b.Admin, &b.Currency, &b.Epoch, &b.CreatedAt}
		if err := rows.Scan(append(fields, a.fields()...)...); err != nil {
			return translate(err)
		}
		if user != nil && user.ID != b.ID {
			if err := each(*user); err != nil {
				return err
			}
			user = nil
		}
		if user == nil {
			user = &b
		}
		user.Add(a.account())
	}
	if err := rows.Err(); err != nil {
		return translate(err)
	}
	if user != nil {
		return each(*user)
	}
	return nil
}

// HasAdmin reports whether any user is an administrator.
func (s *Store) HasAdmin(ctx context.Context) (bool, error) {
	var id int64
	err := s.read.WithContext(ctx).Raw("SELECT id FROM users WHERE admin AND deleted_at IS NULL LIMIT 1").Row().Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, translate(err)
}

// Log notes who did what outside the ledger, for the audit log.
func (s *Store) Log(ctx context.Context, actor, action, target string, before, after any) error {
	return translate(s.write.WithContext(ctx).Exec(
		"INSERT INTO audit_log (at, actor, action, target, before_json, after_json) VALUES (?, ?, ?, ?, ?, ?)",
		stamp(s.now()), truncate(actor, 80), action, truncate(target, 160), nilOrJSON(before), nilOrJSON(after)).Error)
}

func nilOrJSON(v any) any {
	if v == nil {
		return nil
	}
	return jsonText(v)
}
