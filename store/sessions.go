package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"talktime/models"
)

// SessionUser returns the user of a session, and whether the session has been ended. It is asked with each request.
func (s *Store) SessionUser(ctx context.Context, userID int64, session string) (user models.User, ended bool, err error) {
	err = s.read.WithContext(ctx).Raw("SELECT "+userColumns+", EXISTS (SELECT 1 FROM ended_sessions WHERE id = ?)"+
		" FROM users WHERE id = ? AND deleted_at IS NULL", session, userID).Row().
		Scan(&user.ID, &user.Username, &user.PasswordHash, &user.CLID, &user.IMSI, &user.Admin, &user.Currency, &user.Epoch,
			&user.CreatedAt, &user.Deck, new(sql.NullString), &ended)
	return user, ended, translate(err)
}

// LoginUser returns the user who logs in with a name, or models.ErrNotFound. It reads as much for a name that nobody has,
// since how long it takes is no secret.
func (s *Store) LoginUser(ctx context.Context, username string) (models.User, error) {
	var found models.User
	query := "SELECT " + userColumns + " FROM users WHERE username = ? AND deleted_at IS NULL"
	err := s.each(ctx, query, []any{strings.ToValidUTF8(username, "/")}, func(rows *sql.Rows) (err error) { // no name has a slash
		found, err = scanUser(rows)
		return err
	})
	if err == nil && (found.ID == 0 || found.Username != username) { // MySQL does not look at blanks behind a name
		return models.User{}, fmt.Errorf("user %q: %w", username, models.ErrNotFound)
	}
	return found, err
}

// EndSession ends one session for good: its cookie, or a copy of it, is refused from now on.
func (s *Store) EndSession(ctx context.Context, session string, expires time.Time) error {
	err := s.exec(ctx, "INSERT INTO ended_sessions (id, expires_at) VALUES (?, ?)", session, stamp(expires))
	if err != nil && !isDuplicate(err) {
		return translate(err)
	}
	return translate(s.exec(ctx, "DELETE FROM ended_sessions WHERE expires_at < ?", stamp(s.now())))
}

// secretBytes is how long a secret of ours is.
const secretBytes = 64

// Secret returns the secret with a name, which all processes on this database share. The first one that asks makes it.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	for {
		var text string
		err := s.read.WithContext(ctx).Raw("SELECT value FROM secrets WHERE name = ?", name).Row().Scan(&text)
		if err == nil {
			return hex.DecodeString(text)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return nil, translate(err)
		}
		secret := make([]byte, secretBytes)
		_, _ = rand.Read(secret) // never fails, by its documentation
		err = s.write.WithContext(ctx).Exec("INSERT INTO secrets (name, value) VALUES (?, ?)", name, hex.EncodeToString(secret)).Error
		if err != nil && !isDuplicate(err) {
			return nil, translate(err)
		}
	}
}

// LoginFailures is how often a login failed since a time, for whom the caller says.
func (s *Store) LoginFailures(ctx context.Context, who string, since time.Time) (int, error) {
	var n int
	err := s.read.WithContext(ctx).Raw("SELECT failures FROM login_failures WHERE who = ? AND last_at >= ?", who, stamp(since)).Row().Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, translate(err)
}

// LoginFailed counts a failure. Those before since are forgotten, of everybody.
func (s *Store) LoginFailed(ctx context.Context, who string, since time.Time) error {
	now, first := stamp(s.now()), stamp(since)
	again := " ON DUPLICATE KEY UPDATE "
	if s.dialect.name == sqliteDialect.name {
		again = " ON CONFLICT (who) DO UPDATE SET "
	}
	err := s.exec(ctx, "INSERT INTO login_failures (who, failures, last_at) VALUES (?, 1, ?)"+again+
		"failures = CASE WHEN last_at < ? THEN 1 ELSE failures + 1 END, "+s.dialect.excluded("last_at"), who, now, first)
	if err != nil {
		return translate(err)
	}
	return translate(s.exec(ctx, "DELETE FROM login_failures WHERE last_at < ?", first))
}

// LoginWorked forgets the failures.
func (s *Store) LoginWorked(ctx context.Context, who string) error {
	return translate(s.exec(ctx, "DELETE FROM login_failures WHERE who = ?", who))
}

// ClearPassword is a password that stands in the database as it is, from an older program.
type ClearPassword struct {
	UserID int64
	Text   string
}

// ClearPasswords returns the passwords that are not hashes of ours.
func (s *Store) ClearPasswords(ctx context.Context) ([]ClearPassword, error) {
	pool, err := s.read.DB()
	if err != nil {
		return nil, err
	}
	var found []ClearPassword
	t := txn{store: s, conn: pool, dialect: s.dialect}
	err = t.query(ctx, "SELECT id, password_hash FROM users WHERE password_hash <> '' AND password_hash NOT LIKE '$argon2id$%'",
		nil, func(rows *sql.Rows) error {
			var p ClearPassword
			err := rows.Scan(&p.UserID, &p.Text)
			found = append(found, p)
			return err
		})
	return found, translate(err)
}

// HashedPassword puts the hash in the place of a clear password, unless that has been changed meanwhile.
func (s *Store) HashedPassword(ctx context.Context, p ClearPassword, hash string) error {
	return translate(s.write.WithContext(ctx).Exec("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?",
		hash, p.UserID, p.Text).Error)
}

// Rehashed puts a hash of today's costs in the place of an older one of the same password. Sessions go on.
func (s *Store) Rehashed(ctx context.Context, userID int64, old, hash string) error {
	return s.HashedPassword(ctx, ClearPassword{userID, old}, hash)
}
