package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"talktime/models"
)

// Entries of users; the house's own are the other side of the same money.
var (
	entriesListing = listing{
		name: "ledger entries",
		from: "entries e JOIN accounts a ON a.id = e.account_id JOIN transactions t ON t.id = e.tx_id",
		key:  "e.tx_id", ties: "e.account_id", always: "a.user_id <> 0", owner: "a.user_id",
	}
	ledgerListing = listing{
		name: "ledger", from: entriesListing.from, key: "e.tx_id", ties: "e.account_id", always: "a.user_id <> 0", owner: "a.user_id", newest: true,
	}
)

const entryColumns = "e.tx_id, a.user_id, e.account_id, a.currency, e.amount, t.kind, t.ref, t.actor, t.posted_at"

func scanEntry(rows *sql.Rows) (models.LedgerEntry, error) {
	var e models.LedgerEntry
	err := rows.Scan(&e.ID, &e.UserID, &e.AccountID, &e.Currency, &e.Amount, &e.Kind, &e.Ref, &e.Actor, &e.PostedAt)
	return e, err
}

// ListEntries returns a page of the users' ledger entries, oldest first.
func (s *Store) ListEntries(ctx context.Context, r models.ListRequest) (models.List[models.LedgerEntry], error) {
	return s.entries(ctx, entriesListing, r)
}

// ListLedger returns a page of the users' ledger entries, newest first.
func (s *Store) ListLedger(ctx context.Context, r models.ListRequest) (models.List[models.LedgerEntry], error) {
	return s.entries(ctx, ledgerListing, r)
}

func (s *Store) entries(ctx context.Context, l listing, r models.ListRequest) (models.List[models.LedgerEntry], error) {
	q, err := s.search(l, r)
	if err != nil {
		return models.List[models.LedgerEntry]{}, err
	}
	full := l.from
	if l, err = s.accountsOf(ctx, l, r.User, q.where != ""); err != nil {
		return models.List[models.LedgerEntry]{}, err
	}
	r.User = 0
	keys, err := s.page(ctx, l, r, q)
	if err != nil {
		return models.List[models.LedgerEntry]{}, err
	}
	// A transaction between two users is two entries: both have its key, and stand side by side.
	byKey := make(map[int64][]models.LedgerEntry)
	err = eachOf(ctx, s, "SELECT "+entryColumns+" FROM "+full+" WHERE e.tx_id IN (%s) AND "+l.always+" ORDER BY e.tx_id, e.account_id",
		keys.Items, func(rows *sql.Rows) error {
			e, err := scanEntry(rows)
			byKey[e.ID] = append(byKey[e.ID], e)
			return err
		})
	list := models.List[models.LedgerEntry]{Total: keys.Total, AtLeast: keys.AtLeast, Single: keys.Single, Items: []models.LedgerEntry{}}
	for _, key := range keys.Items {
		if entries := byKey[key]; len(entries) > 0 {
			list.Items = append(list.Items, entries[0])
			byKey[key] = entries[1:]
		}
	}
	return list, err
}

// accountsOf makes a listing one of the entries on a user's accounts, or on all users'. With the accounts named, a page is
// a piece of an index, however long the ledger is. The tables beside the entries are looked at only when a query asks for
// what is in them.
func (s *Store) accountsOf(ctx context.Context, l listing, user int64, joined bool) (listing, error) {
	accounts, err := s.numbers(ctx, "SELECT id FROM accounts WHERE user_id = ?", user)
	if err != nil {
		return l, err
	}
	texts := make([]string, len(accounts))
	for i, id := range accounts {
		texts[i] = strconv.FormatInt(id, 10)
	}
	switch list := strings.Join(texts, ","); {
	case user == 0:
		l.always = "e.account_id NOT IN (" + list + ")" // the house's, which always exist
	case len(accounts) == 0:
		l.always = "e.account_id = 0" // nobody's
	case len(accounts) == 1:
		l.always = "e.account_id = " + list // a list of one would be sorted all the same
	default:
		l.always = "e.account_id IN (" + list + ")"
	}
	if !joined {
		l.from = "entries e"
	}
	return l, nil
}

// Entry returns the user's entry of a transaction, or models.ErrNotFound: the first one, where it has several.
func (s *Store) Entry(ctx context.Context, id int64) (models.LedgerEntry, error) {
	entries, err := s.EntriesOf(ctx, id)
	for _, e := range entries {
		if e.UserID != 0 {
			return e, err
		}
	}
	if err == nil {
		err = fmt.Errorf("ledger entry %d: %w", id, models.ErrNotFound)
	}
	return models.LedgerEntry{}, err
}

// EntriesOf returns all entries of a transaction, those of the house too.
func (s *Store) EntriesOf(ctx context.Context, id int64) ([]models.LedgerEntry, error) {
	var entries []models.LedgerEntry
	err := s.each(ctx, "SELECT "+entryColumns+" FROM "+entriesListing.from+" WHERE e.tx_id = ? ORDER BY e.account_id DESC", []any{id},
		func(rows *sql.Rows) error {
			e, err := scanEntry(rows)
			entries = append(entries, e)
			return err
		})
	return entries, err
}

// CallEntries returns what the charge of a call posted, as EntriesOf does, with the names of the house's accounts.
func (s *Store) CallEntries(ctx context.Context, callID string) ([]models.NamedEntry, error) {
	entries := []models.NamedEntry{}
	err := s.each(ctx, "SELECT "+entryColumns+", a.name FROM "+entriesListing.from+" WHERE t.kind = ? AND t.ref = ? ORDER BY e.account_id DESC",
		[]any{models.KindCall, callID}, func(rows *sql.Rows) error {
			var e models.NamedEntry
			err := rows.Scan(&e.ID, &e.UserID, &e.AccountID, &e.Currency, &e.Amount, &e.Kind, &e.Ref, &e.Actor, &e.PostedAt, &e.Account)
			entries = append(entries, e)
			return err
		})
	return entries, err
}

var auditListing = listing{name: "audit log", from: "audit_log l", key: "l.id", always: "1 = 1", newest: true}

// ListAudit returns a page of the audit log, newest first.
func (s *Store) ListAudit(ctx context.Context, r models.ListRequest) (models.List[models.AuditLine], error) {
	q, err := s.search(auditListing, r)
	if err != nil {
		return models.List[models.AuditLine]{}, err
	}
	keys, err := s.page(ctx, auditListing, r, q)
	if err != nil {
		return models.List[models.AuditLine]{}, err
	}
	found := make(map[int64]models.AuditLine)
	err = eachOf(ctx, s, "SELECT id, at, actor, action, target, COALESCE(before_json, ''), COALESCE(after_json, '') FROM audit_log WHERE id IN (%s)",
		keys.Items, func(rows *sql.Rows) error {
			var l models.AuditLine
			err := rows.Scan(&l.ID, &l.At, &l.Actor, &l.Action, &l.Target, &l.Before, &l.After)
			found[l.ID] = l
			return err
		})
	return pick(keys, found), err
}
