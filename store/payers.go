package store

import (
	"context"
	"fmt"
	"slices"

	"talktime/billing"
	"talktime/models"
)

// Payers returns users with their limits, and their accounts by user, as calls see them. Nothing is locked. Those that do not exist are missing.
func (s *Store) Payers(ctx context.Context, ids []int64) (users map[int64]models.User, accounts map[int64][]models.Account, err error) {
	if err := s.loadLimits(ctx); err != nil { // nobody else reads them again in a process that permits no calls
		return nil, nil, err
	}
	pool, err := s.read.DB()
	if err != nil {
		return nil, nil, err
	}
	t := &txn{store: s, conn: pool, dialect: s.dialect}
	t.dialect.forUpdate = ""
	st := billing.NewState()
	if err := queryUsers(ctx, t, st, "id", ids); err != nil {
		return nil, nil, fmt.Errorf("read users: %w", translate(err))
	}
	if err := t.loadAccounts(ctx, st, slices.Clone(ids)); err != nil {
		return nil, nil, fmt.Errorf("read accounts: %w", translate(err))
	}
	return st.Users, st.Accounts, nil
}
