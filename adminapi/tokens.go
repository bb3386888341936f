package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"talktime/models"
)

// Tokens knows the tokens of programs.
type Tokens interface {
	// Token returns the token with a secret, or models.ErrNotFound when there is none, or it is revoked or expired.
	Token(ctx context.Context, secret string) (models.Token, error)
	// TokenByID is models.ErrNotFound for one that is revoked.
	TokenByID(ctx context.Context, id int64) (models.Token, error)
	ListTokens(context.Context, models.ListRequest) (models.List[models.Token], error)
	// NewToken returns the secret, which nobody can read again. A name that is taken is models.ErrConflict.
	NewToken(ctx context.Context, t models.NewToken, actor string) (token models.Token, secret string, err error)
	RevokeToken(ctx context.Context, id int64, actor string) error
}

type tokenJSON struct {
	ID        int64      `json:"id"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	Account   string     `json:"account"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	LastUsed  *time.Time `json:"last_used_at"`
	Secret    string     `json:"token,omitempty"` // in the answer to its making only
}

func showToken(t models.Token) tokenJSON {
	return tokenJSON{ID: t.ID, Name: t.Name, Scopes: t.Scopes, Account: t.Account, CreatedAt: t.CreatedAt.UTC(), ExpiresAt: t.ExpiresAt, LastUsed: t.LastUsed}
}

func listTokens(r *request) error {
	l, err := r.listRequest(manyRows)
	if err != nil {
		return err
	}
	list, err := r.api.Tokens.ListTokens(r.ctx(), l)
	if err != nil {
		return err
	}
	return answerList(r, l, list, func(t models.Token) int64 { return t.ID }, func(t models.Token) tokenJSON { return showToken(t) })
}

func getToken(r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	t, err := r.api.Tokens.TokenByID(r.ctx(), id)
	if err != nil {
		return err
	}
	r.json(http.StatusOK, showToken(t))
	return nil
}

func createToken(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("name", "scopes", "account", "expires_at"); err != nil {
		return err
	}
	if err := o.missing("name", "scopes"); err != nil {
		return err
	}
	t, err := r.newToken(o)
	if err != nil {
		return err
	}
	made, secret, err := r.api.Tokens.NewToken(r.ctx(), t, r.who.actor())
	if errors.Is(err, models.ErrConflict) {
		return refused(http.StatusConflict, "there is a token "+strconv.Quote(t.Name)+" already; each has a name of its own")
	}
	if err != nil {
		return err
	}
	shown := showToken(made)
	shown.Secret = secret
	r.Header("Location", r.location(strconv.FormatInt(made.ID, 10)))
	r.json(http.StatusCreated, shown)
	return nil
}

func (r *request) newToken(o object) (t models.NewToken, err error) {
	if t.Name, err = o.name("name"); err != nil {
		return t, err
	}
	if json.Unmarshal(o["scopes"], &t.Scopes) != nil || len(t.Scopes) == 0 {
		return t, badRequest("scopes must be a list of at least one scope")
	}
	for _, scope := range t.Scopes {
		if !slices.Contains(models.Scopes(), scope) {
			return t, badRequest("there is no scope " + strconv.Quote(loggable(scope)))
		}
	}
	slices.Sort(t.Scopes)
	t.Scopes = slices.Compact(t.Scopes)
	if o.has("account") {
		if t.Account, err = o.text("account"); err != nil {
			return t, err
		}
		if t.Account == "" || utf8.RuneCountInString(t.Account) > maxName {
			return t, badRequest("account must be the account_id or the id of a user or a group")
		}
	}
	if !o.has("expires_at") || o.isNull("expires_at") {
		return t, nil
	}
	expires, err := o.expiry(r.api.Now())
	t.ExpiresAt = &expires
	return t, err
}

// expiry is when a token is no longer valid.
func (o object) expiry(now time.Time) (time.Time, error) {
	text, err := o.text("expires_at")
	if err != nil {
		return time.Time{}, err
	}
	const example = ", such as 2030-01-31T00:00:00Z or 2030-01-31T00:00:00+01:00"
	expires, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, time.DateOnly} {
			if _, err := time.Parse(layout, text); err == nil {
				return time.Time{}, badRequest("expires_at must have a time and a zone" + example)
			}
		}
		return time.Time{}, badRequest("expires_at must be a time with a zone" + example)
	case !expires.After(now):
		return time.Time{}, badRequest("expires_at is over: the token would never be valid")
	case expires.UTC().Year() > 9999:
		return time.Time{}, badRequest("expires_at must be before the year 10000")
	}
	return expires, nil
}

func revokeToken(r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	if err := r.api.Tokens.RevokeToken(r.ctx(), id, r.who.actor()); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}
