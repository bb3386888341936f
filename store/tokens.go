package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"talktime/models"
)

var tokensListing = listing{name: "tokens", from: "tokens k", key: "k.id", always: "1 = 1"}

// programColumns are those of a token, which is what a program logs in with.
const programColumns = "k.id, k.name, k.scopes, k.account, k.created_at, k.expires_at, k.last_used" +
	", (SELECT ku.id FROM users ku WHERE ku.id = k.account_user AND ku.deleted_at IS NULL), (SELECT kg.id FROM user_groups kg WHERE kg.id = k.account_group)"

// tokenUse is how fine the last use of a token is noted: a write with each request would cost more than it tells.
const tokenUse = time.Minute

func scanToken(rows interface{ Scan(...any) error }) (models.Token, error) {
	var t models.Token
	var scopes string
	var expires, used sql.NullTime
	var user, group sql.NullInt64
	err := rows.Scan(&t.ID, &t.Name, &scopes, &t.Account, &t.CreatedAt, &expires, &used, &user, &group)
	t.Owner = models.Owner{User: user.Int64, Group: group.Int64}
	t.Scopes = strings.Fields(scopes)
	if expires.Valid {
		t.ExpiresAt = &expires.Time
	}
	if used.Valid {
		t.LastUsed = &used.Time
	}
	return t, err
}

// hashed is how a token's secret is kept. It is random and long, so that a fast hash is as good as a slow one.
func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Token returns the token with a secret, or models.ErrNotFound when there is none, or it has expired.
func (s *Store) Token(ctx context.Context, secret string) (models.Token, error) {
	t, err := scanToken(s.read.WithContext(ctx).Raw("SELECT "+programColumns+" FROM tokens k WHERE k.hash = ?", hashed(secret)).Row())
	if err != nil {
		return models.Token{}, translate(err)
	}
	now := s.now()
	if t.ExpiresAt != nil && !now.Before(*t.ExpiresAt) {
		return models.Token{}, fmt.Errorf("token %q has expired: %w", t.Name, models.ErrNotFound)
	}
	if t.LastUsed == nil || now.Sub(*t.LastUsed) >= tokenUse {
		err := s.write.WithContext(ctx).Exec("UPDATE tokens SET last_used = ? WHERE id = ? AND (last_used IS NULL OR last_used < ?)",
			stamp(now), t.ID, stamp(now.Add(-tokenUse))).Error
		if err != nil && !isLocked(err) {
			return models.Token{}, translate(err)
		}
	}
	return t, nil
}

// TokenByID returns a token, or models.ErrNotFound when there is none with this id.
func (s *Store) TokenByID(ctx context.Context, id int64) (models.Token, error) {
	t, err := scanToken(s.read.WithContext(ctx).Raw("SELECT "+programColumns+" FROM tokens k WHERE k.id = ?", id).Row())
	return t, translate(err)
}

// ListTokens returns a page of tokens.
func (s *Store) ListTokens(ctx context.Context, r models.ListRequest) (models.List[models.Token], error) {
	q, err := s.search(tokensListing, r)
	if err != nil {
		return models.List[models.Token]{}, err
	}
	keys, err := s.page(ctx, tokensListing, r, q)
	if err != nil {
		return models.List[models.Token]{}, err
	}
	found := make(map[int64]models.Token)
	err = eachOf(ctx, s, "SELECT "+programColumns+" FROM tokens k WHERE k.id IN (%s)", keys.Items, func(rows *sql.Rows) error {
		t, err := scanToken(rows)
		found[t.ID] = t
		return err
	})
	return pick(keys, found), err
}

// tokenFacts is what the audit log says of a token.
type tokenFacts struct {
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	Account   string     `json:"account,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// NewToken makes a token and returns its secret, which nobody can read again. A name that is taken is
// models.ErrConflict, and an account that does not exist models.ErrInvalid. The token keeps to the user or the group
// that the account is now: when its account_id goes to somebody else, the token does not follow.
func (s *Store) NewToken(ctx context.Context, t models.NewToken, actor string) (models.Token, string, error) {
	secret := "tt" + rand.Text()
	var id int64
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		var expires any
		if t.ExpiresAt != nil {
			expires = stamp(*t.ExpiresAt)
		}
		var owner models.Owner
		if t.Account != "" {
			var err error
			owner, err = accountNamed(db, t.Account)
			if errors.Is(err, models.ErrNotFound) {
				return fmt.Errorf("%w: there is no account %q: it must be the account_id or the id of a user or a group", models.ErrInvalid, t.Account)
			}
			if err != nil {
				return err
			}
		}
		err := db.Exec("INSERT INTO tokens (name, hash, scopes, account, account_user, account_group, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			t.Name, hashed(secret), strings.Join(t.Scopes, " "), t.Account, owner.User, owner.Group, stamp(s.now()), expires).Error
		if err != nil {
			return err
		}
		if err := db.Raw("SELECT id FROM tokens WHERE name = ?", t.Name).Row().Scan(&id); err != nil {
			return err
		}
		return s.logIn(db, actor, "token.add", t.Name, nil, tokenFacts(t))
	})
	if isDuplicate(err) {
		return models.Token{}, "", fmt.Errorf("%w: there is a token %q already", models.ErrConflict, t.Name)
	}
	if err != nil {
		return models.Token{}, "", translate(err)
	}
	token, err := scanToken(s.read.WithContext(ctx).Raw("SELECT "+programColumns+" FROM tokens k WHERE k.id = ?", id).Row())
	return token, secret, translate(err)
}

// RevokeToken ends a token at once, in every process. models.ErrNotFound when there is none.
func (s *Store) RevokeToken(ctx context.Context, id int64, actor string) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		t, err := scanToken(db.Raw("SELECT "+programColumns+" FROM tokens k WHERE k.id = ?", id).Row())
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("token %d: %w", id, models.ErrNotFound)
		}
		if err != nil {
			return err
		}
		if err := db.Exec("DELETE FROM tokens WHERE id = ?", id).Error; err != nil {
			return err
		}
		return s.logIn(db, actor, "token.revoke", t.Name, tokenFacts{t.Name, t.Scopes, t.Account, t.ExpiresAt}, nil)
	}))
}
