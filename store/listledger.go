package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"talktime/models"
)

// Entries of users; the house's own are the other side of the same money.
var (
	entriesListing = listing{
		name: "ledger entries",
		from: "entries e JOIN accounts a ON a.id = e.account_id JOIN transactions t ON t.id = e.tx_id",
		key:  "e.tx_id", ties: "e.account_id", rank: entryRank, always: "a.user_id <> 0", owner: "a.user_id", money: "e.account_id", index: "PRIMARY",
	}
	ledgerListing = listing{
		name: "ledger", from: entriesListing.from, key: "e.tx_id", ties: "e.account_id", rank: entryRank, always: "a.user_id <> 0",
		owner: "a.user_id", money: "e.account_id", index: "PRIMARY", newest: true,
	}
)

// entryRank is the place of a user's entry among those of users in its transaction: 0 nearly always, 1 for the second side
// of a transfer. Its id is the transaction's and the rank behind it. It is no join, because databases like to begin one with
// the accounts.
const entryRank = "(SELECT COUNT(*) FROM entries r WHERE r.tx_id = e.tx_id AND r.account_id < e.account_id" +
	" AND (SELECT ra.user_id FROM accounts ra WHERE ra.id = r.account_id) <> 0)"

const entryColumns = "e.tx_id, a.user_id, e.account_id, a.name, a.currency, e.amount, t.kind, t.ref, t.actor, t.posted_at"

// scanEntry reads entryColumns, and into more what was selected behind them. The id is that of the first entry.
func scanEntry(rows *sql.Rows, more ...any) (models.LedgerEntry, error) {
	var e models.LedgerEntry
	err := rows.Scan(append([]any{
		&e.TransactionID, &e.UserID, &e.AccountID, &e.Account, &e.Currency, &e.Amount, &e.Kind, &e.Ref, &e.Actor, &e.PostedAt,
	}, more...)...)
	e.ID = e.TransactionID
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
	if l, r, err = s.accountsOf(ctx, l, r, q); err != nil {
		return models.List[models.LedgerEntry]{}, err
	}
	keys, err := s.page(ctx, l, r, q)
	if err != nil {
		return models.List[models.LedgerEntry]{}, err
	}
	transactions := make([]int64, len(keys.Items))
	for i, key := range keys.Items {
		transactions[i] = key / idEntries
		keys.Items[i] = key/idEntries + key%idEntries
	}
	found := make(map[int64]models.LedgerEntry)
	if err := s.usersEntries(ctx, transactions, func(e models.LedgerEntry, _ int64) { found[e.ID] = e }); err != nil {
		return models.List[models.LedgerEntry]{}, err
	}
	list := pick(keys, found)
	return list, s.nameRefills(ctx, list.Items)
}

// nameRefills says of entries that are refills which ones they are.
func (s *Store) nameRefills(ctx context.Context, entries []models.LedgerEntry) error {
	var dates []int64
	of := make(map[int]int64)
	for i, e := range entries {
		if e.Kind != models.KindRefill {
			continue
		}
		text, _, _ := strings.Cut(e.Ref, "/")
		date, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			continue
		}
		if !slices.Contains(dates, date) {
			dates = append(dates, date)
		}
		of[i] = date
	}
	if len(dates) == 0 {
		return nil
	}
	names := make(map[int64]string)
	err := eachOf(ctx, s, "SELECT d.id, d.day, COALESCE(g.name, '') FROM refill_dates d LEFT JOIN user_groups g ON g.id = d.group_id WHERE d.id IN (%s)",
		dates, func(rows *sql.Rows) error {
			var id int64
			var day, group string
			err := rows.Scan(&id, &day, &group)
			if group == "" {
				group = "a group that was deleted"
			}
			names[id] = group + ", " + day
			return err
		})
	for i, date := range of {
		if entries[i].Refill = names[date]; entries[i].Refill == "" {
			entries[i].Refill = "a group that was deleted"
		}
	}
	return err
}

// usersEntries reads the users' entries of transactions, each with its rank.
func (s *Store) usersEntries(ctx context.Context, transactions []int64, each func(e models.LedgerEntry, rank int64)) error {
	ranks := make(map[int64]int64)
	return eachOf(ctx, s, "SELECT "+entryColumns+" FROM "+entriesListing.from+" WHERE e.tx_id IN (%s) AND a.user_id <> 0 ORDER BY e.tx_id, e.account_id",
		transactions, func(rows *sql.Rows) error {
			e, err := scanEntry(rows)
			rank := ranks[e.TransactionID]
			ranks[e.TransactionID]++
			e.ID += rank
			each(e, rank)
			return err
		})
}

// accountsOf makes a listing one of the entries on the accounts of the one user that is asked for, or on all users', and
// the request one that asks for nothing of that any more. With the accounts named, a page is a piece of an index, however
// long the ledger is. The tables beside the entries are looked at only when a query asks for what is in them.
func (s *Store) accountsOf(ctx context.Context, l listing, r models.ListRequest, q search) (listing, models.ListRequest, error) {
	const nobody = -1
	user := r.User
	if own := r.Only.User; own != 0 {
		if user != 0 && user != own {
			own = nobody
		}
		user, r.Only = own, models.Owner{}
	}
	if user == 0 {
		user = q.owner
	}
	r.User = 0
	accounts, err := s.numbers(ctx, "SELECT id FROM accounts WHERE user_id = ?", user)
	if err != nil {
		return l, r, err
	}
	texts := make([]string, len(accounts))
	for i, id := range accounts {
		texts[i] = strconv.FormatInt(id, 10)
	}
	switch list := strings.Join(texts, ","); {
	case user == 0 && r.Only.Group != 0:
		l.always = "1 = 1" // no member is the house
	case user == 0:
		l.always = "e.account_id NOT IN (" + list + ")" // the house's, which always exist
	case len(accounts) == 0:
		l.always = "e.account_id = 0" // nobody's
	case len(accounts) == 1:
		l.always = "e.account_id = " + list // a list of one would be sorted all the same
	default:
		l.always = "e.account_id IN (" + list + ")"
	}
	if q.where == "" && q.order == "" && q.group == "" {
		l.from = "entries e"
	}
	return l, r, nil
}

// Entry returns a user's entry by its id, or models.ErrNotFound.
func (s *Store) Entry(ctx context.Context, id int64) (models.LedgerEntry, error) {
	var transactions []int64
	for rank := range int64(idEntries) {
		transactions = append(transactions, id-rank)
	}
	best := int64(idEntries)
	var found models.LedgerEntry
	err := s.usersEntries(ctx, transactions, func(e models.LedgerEntry, rank int64) {
		if e.ID == id && rank < best {
			best, found = rank, e
		}
	})
	if err == nil && best == idEntries {
		err = fmt.Errorf("ledger entry %d: %w", id, models.ErrNotFound)
	}
	if err != nil {
		return found, err
	}
	one := []models.LedgerEntry{found}
	err = s.nameRefills(ctx, one)
	return one[0], err
}

// CallEntries returns all entries that the charge of a call posted, those of the house too, with the names of the accounts.
func (s *Store) CallEntries(ctx context.Context, callID string) ([]models.NamedEntry, error) {
	entries := []models.NamedEntry{}
	err := s.each(ctx, "SELECT "+entryColumns+", a.name FROM "+entriesListing.from+" WHERE t.kind = ? AND t.ref = ? ORDER BY e.account_id DESC",
		[]any{models.KindCall, callID}, func(rows *sql.Rows) error {
			var name string
			e, err := scanEntry(rows, &name)
			entries = append(entries, models.NamedEntry{LedgerEntry: e, Account: name})
			return err
		})
	return entries, err
}

// ReleasedBy is who released the hold of a call by hand, as the audit log has it; empty when nobody did.
func (s *Store) ReleasedBy(ctx context.Context, call int64) (actor string, err error) {
	err = s.each(ctx, "SELECT actor FROM audit_log WHERE action = 'hold.release' AND target = ? ORDER BY id", []any{strconv.FormatInt(call, 10)},
		func(rows *sql.Rows) error { return rows.Scan(&actor) })
	return actor, err
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
