package store

import (
	"context"

	"talktime/models"
)

// AccountOwner is who an account is, by account_id or id; models.ErrNotFound when it is nobody.
func (s *Store) AccountOwner(ctx context.Context, account string) (models.Owner, error) {
	o, err := accountNamed(s.read.WithContext(ctx), account)
	return o, translate(err)
}
