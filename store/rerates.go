package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/stats"
	"talktime/tariff"
)

// How many calls a preview reads at once, and how many one transaction of a re-rating adjusts: calls of their users wait for no
// more.
const (
	previewPart = 1000
	reratePart  = 100
)

// Calls have their ids by the time at which they were first authorised. They may have been authorised again for a long time after
// it, and clocks may differ.
const (
	longestChannel = 7 * 24 * time.Hour
	clocksDiffer   = time.Hour
)

// reratePlan is a filter with everything that it names as it was when the re-rating began: a re-rating that is finished after a
// tariff or a name was changed must not price its last calls otherwise than its first.
type reratePlan struct {
	Filter   models.RerateFilter `json:"filter"`
	UserID   int64               `json:"user_id,omitempty"`
	GroupID  int64               `json:"group_id,omitempty"`
	Deck     models.RateDeck     `json:"deck"`
	Versions []planVersion       `json:"versions"`
}

type planVersion struct {
	ID     int64     `json:"id"`
	Number int       `json:"number"`
	From   time.Time `json:"from,omitzero"` // zero: always
}

// pricing is a plan with its rates in memory.
type pricing struct {
	reratePlan

	decks *tariff.Decks
}

// planRerate finds what a filter names.
func (s *Store) planRerate(ctx context.Context, f models.RerateFilter) (p reratePlan, err error) {
	if err := f.Validate(); err != nil {
		return p, err
	}
	f.From, f.To, f.Prefix = asStored(f.From), asStored(f.To), strings.TrimPrefix(f.Prefix, "+")
	p.Filter = f
	if f.User != "" {
		user, err := s.UserByName(ctx, f.User)
		if err != nil {
			return p, fmt.Errorf("user %q: %w", f.User, err)
		}
		p.UserID = user.ID
	}
	if f.Group != "" {
		group, err := s.Group(ctx, f.Group)
		if err != nil {
			return p, err
		}
		p.GroupID = group.ID
	}
	if p.Deck, err = s.Deck(ctx, f.Tariff); err != nil {
		return p, err
	}
	if f.Version != 0 {
		v, err := s.deckVersion(ctx, f.Tariff, f.Version)
		p.Versions = []planVersion{{ID: v.ID, Number: v.Number}}
		return p, err
	}
	active, err := s.activeVersions(ctx, f.From, "a.until_at IS NULL AND a.deck_id = ?", []any{p.Deck.ID})
	for _, v := range active {
		if v.From.Before(f.To) {
			p.Versions = append(p.Versions, planVersion{v.Version, v.Number, v.From.UTC()})
		}
	}
	if err == nil && len(p.Versions) == 0 {
		err = fmt.Errorf("%w: no version of the tariff %q counts in that time; name one", models.ErrConflict, f.Tariff)
	}
	return p, err
}

// prices reads the rates of a plan. models.ErrConflict when they are not there any more.
func (s *Store) prices(ctx context.Context, p reratePlan) (pricing, error) {
	var active []tariff.ActiveVersion
	for _, v := range p.Versions {
		one := tariff.ActiveVersion{Deck: p.Deck.ID, Version: v.ID, Number: v.Number, From: v.From}
		count, err := s.number(ctx, "SELECT COALESCE(MAX(rates), -1) FROM deck_versions WHERE id = ?", v.ID)
		if err != nil {
			return pricing{}, err
		}
		if one.Rates, err = s.compile(ctx, p.Deck, one, "version_id = ? ORDER BY n", v.ID); err != nil {
			return pricing{}, fmt.Errorf("read version %d of tariff %q: %w", v.Number, p.Deck.Name, err)
		}
		if int64(one.Rates.Len()) != count {
			return pricing{}, fmt.Errorf("%w: version %d of tariff %q is not there any more, or not whole", models.ErrConflict, v.Number, p.Deck.Name)
		}
		active = append(active, one)
	}
	return pricing{p, tariff.NewDecks(0, []models.RateDeck{p.Deck}, active)}, nil
}

// text is a plan as it is kept.
func (p reratePlan) text() string { return textOf(p) }

func textOf(v any) string {
	text, _ := json.Marshal(v) // plain structs
	return string(text)
}

// calls is the condition for the calls of a plan behind an id.
func (p reratePlan) calls(after int64) (where string, args []any) {
	f := p.Filter
	where = "c.id > ? AND c.id <= ? AND c.state = 'settled' AND c.authorized_at >= ? AND c.authorized_at < ?"
	args = []any{max(after, idAt(f.From.Add(-longestChannel))), idAt(f.To.Add(clocksDiffer)), stamp(f.From), stamp(f.To)}
	if p.UserID != 0 {
		where, args = where+" AND c.user_id = ?", append(args, p.UserID)
	}
	if p.GroupID != 0 {
		where, args = where+" AND c.user_id IN (SELECT user_id FROM members WHERE group_id = ?)", append(args, p.GroupID)
	}
	if f.Prefix != "" {
		where, args = where+" AND (c.number LIKE ? OR c.number LIKE ?)", append(args, f.Prefix+"%", "+"+f.Prefix+"%")
	}
	return where + " ORDER BY c.id", args
}

// idAt is above all ids of earlier times, and not above those of later ones.
func idAt(t time.Time) int64 { return max(int64(t.Sub(idEpoch)/idStep), 0) * idSlots * idEntries }

// adjusted is what a call costs with all adjustments so far, and what of it nobody's money has covered.
type adjusted struct{ charge, shortfall money.Amount }

// adjustments are those of calls, by their id. Calls that were never adjusted have none.
func (t *txn) adjustments(ctx context.Context, calls []int64) (map[int64]adjusted, error) {
	found := map[int64]adjusted{}
	return found, chunks(t.dialect.maxParams, calls, func(calls []int64) error {
		return t.query(ctx, "SELECT call_key, charge_after, shortfall_after FROM rerated_calls WHERE tx_id <> 0 AND call_key IN ("+marks(len(calls))+
			") ORDER BY call_key, rerate_id", anys(calls), func(rows *sql.Rows) error {
			var key int64
			var a adjusted
			err := rows.Scan(&key, &a.charge, &a.shortfall)
			found[key] = a // the last one counts
			return err
		})
	})
}

// payable are those users of calls who have an open account in a currency.
func (t *txn) payable(ctx context.Context, currency string, users []int64) (map[int64]bool, error) {
	found := map[int64]bool{}
	return found, chunks(t.dialect.maxParams, users, func(users []int64) error {
		args := append([]any{models.MainAccount, currency, string(models.AccountClosed)}, anys(users)...)
		return t.query(ctx, "SELECT user_id FROM accounts WHERE name = ? AND currency = ? AND status <> ? AND user_id IN ("+marks(len(users))+")", args,
			func(rows *sql.Rows) error {
				var user int64
				err := rows.Scan(&user)
				found[user] = true
				return err
			})
	})
}

// reprice is what a plan makes of calls: their new costs, or why they are left. It is the only place where either is decided.
func (t *txn) reprice(ctx context.Context, p pricing, calls []models.Call) ([]models.RepricedCall, map[int64]adjusted, error) {
	keys, users := make([]int64, len(calls)), make([]int64, len(calls))
	for i, c := range calls {
		keys[i], users[i] = c.ID, c.UserID
	}
	before, err := t.adjustments(ctx, keys)
	if err != nil {
		return nil, nil, err
	}
	payable, err := t.payable(ctx, p.Deck.Currency, users)
	if err != nil {
		return nil, nil, err
	}
	repriced := make([]models.RepricedCall, len(calls))
	for i, c := range calls {
		was, known := before[c.ID]
		if !known {
			was = adjusted{c.Charge, c.Shortfall}
			before[c.ID] = was
		}
		r := models.RepricedCall{
			ID: c.ID, CallID: c.CallID, UserID: c.UserID, Number: c.Number, Authorized: c.Authorized.UTC(), Seconds: c.Seconds,
			Currency: c.Rate.Currency, Charged: was.charge, Cost: was.charge,
		}
		cost, err := billing.Recost(c, func(number string, at time.Time) (models.Rate, error) { return p.decks.Of(p.Deck.ID, number, at) })
		switch {
		case c.Rate.Currency != p.Deck.Currency:
			r.Left = billing.ErrOtherCurrency.Error()
		case err != nil:
			r.Left = fmt.Sprintf("tariff %s: %v", p.Deck.Name, err)
		case cost != was.charge && !payable[c.UserID]:
			r.Left = billing.ErrNoAccount.Error()
		default:
			r.Cost, r.Difference = cost, cost-was.charge
		}
		repriced[i] = r
	}
	return repriced, before, nil
}

// PreviewRerate tells what a re-rating would do, and hands over each call that it would look at unless each is nil; it changes
// nothing. Memory goes with the customers, not with the calls. The digest is of all calls and what they would cost: PostRerate
// takes it as the word that this is what is wanted. Errors: models.ErrInvalid, models.ErrNotFound, models.ErrConflict when no
// version counts in that time.
func (s *Store) PreviewRerate(ctx context.Context, f models.RerateFilter, each func(models.RepricedCall) error) (models.ReratePreview, error) {
	plan, err := s.planRerate(ctx, f)
	if err != nil {
		return models.ReratePreview{}, err
	}
	return s.preview(ctx, plan, each)
}

func (s *Store) preview(ctx context.Context, plan reratePlan, each func(models.RepricedCall) error) (models.ReratePreview, error) {
	preview := models.ReratePreview{Filter: plan.Filter, Currency: plan.Deck.Currency, Users: []models.RepricedUser{}}
	p, err := s.prices(ctx, plan)
	if err != nil {
		return preview, err
	}
	pool, err := s.read.DB()
	if err != nil {
		return preview, err
	}
	t := txn{store: s, conn: pool, dialect: s.dialect}
	sums := map[int64]*models.RepricedUser{}
	digest := newRerateDigest(plan)
	for after := int64(0); ; {
		var calls []models.Call
		where, args := plan.calls(after)
		err := t.query(ctx, "SELECT "+callColumns+" FROM calls c WHERE "+where+fmt.Sprintf(" LIMIT %d", previewPart), args, func(rows *sql.Rows) error {
			c, err := scanCall(rows)
			calls = append(calls, c)
			return err
		})
		if err != nil {
			return preview, translate(err)
		}
		repriced, _, err := t.reprice(ctx, p, calls)
		if err != nil {
			return preview, translate(err)
		}
		for _, r := range repriced {
			digest.add(r)
			u := sums[r.UserID]
			if u == nil {
				u = &models.RepricedUser{UserID: r.UserID}
				sums[r.UserID] = u
			}
			if err := errors.Join(addRepriced(u, r), addRepriced(&preview.Total, r)); err != nil {
				return preview, err
			}
			if each != nil {
				if err := each(r); err != nil {
					return preview, err
				}
			}
		}
		if len(calls) < previewPart {
			break
		}
		after = calls[len(calls)-1].ID
	}
	preview.Digest = digest.text()
	names, err := s.Usernames(ctx, sortedKeys(sums))
	for _, id := range sortedKeys(sums) {
		sums[id].User = names[id]
		preview.Users = append(preview.Users, *sums[id])
	}
	return preview, err
}

// addRepriced adds a call to a sum.
func addRepriced(u *models.RepricedUser, r models.RepricedCall) (err error) {
	u.Calls++
	if r.Left != "" {
		u.Left++
		return nil
	}
	if u.Charged, err = money.Add(u.Charged, r.Charged); err != nil {
		return err
	}
	if u.Cost, err = money.Add(u.Cost, r.Cost); err != nil {
		return err
	}
	u.Difference = u.Cost - u.Charged
	return nil
}

// rerateDigest stands for everything that a re-rating would do.
type rerateDigest struct{ hash.Hash }

func newRerateDigest(p reratePlan) rerateDigest {
	d := rerateDigest{sha256.New()}
	_, _ = fmt.Fprintln(d, p.text())
	return d
}

func (d rerateDigest) add(r models.RepricedCall) {
	_, _ = fmt.Fprintln(d, r.ID, int64(r.Charged), int64(r.Cost), r.Left)
}

func (d rerateDigest) text() string { return hex.EncodeToString(d.Sum(nil)[:16]) }

// rerateRow is a row of rerates.
type rerateRow struct {
	ID                                   int64
	Name, Plan, Digest, Actor            string
	CreatedAt                            time.Time
	DoneAt                               *time.Time
	Running                              *int
	Reached, Calls, Adjusted, Unadjusted int64
	Credited, Charged, Uncovered         money.Amount
}

func (rerateRow) TableName() string { return "rerates" }

func (r rerateRow) plan() (p reratePlan, err error) {
	if err = json.Unmarshal([]byte(r.Plan), &p); err != nil {
		err = fmt.Errorf("re-rating %q: %w: %w", r.Name, errUnreadable, err)
	}
	return p, err
}

func (r rerateRow) model() (models.Rerate, error) {
	p, err := r.plan()
	if r.DoneAt != nil {
		done := r.DoneAt.UTC()
		r.DoneAt = &done
	}
	return models.Rerate{
		ID: r.ID, Name: r.Name, Filter: p.Filter, Digest: r.Digest, Actor: r.Actor, CreatedAt: r.CreatedAt.UTC(), DoneAt: r.DoneAt, Currency: p.Deck.Currency,
		Calls: r.Calls, Adjusted: r.Adjusted, Left: r.Unadjusted, Credited: r.Credited, Charged: r.Charged, Uncovered: r.Uncovered,
	}, err
}

// PostRerate adjusts the calls of a filter under a name, as PreviewRerate told with that digest: models.ErrConflict when that would
// have another outcome now, when the name is that of another re-rating, and while another one is not done. A re-rating that was
// broken off is finished by posting it again, and one that is done is returned as it is; any number of processes may do so at
// once, and each call is adjusted once. told is called as it goes on, unless it is nil.
func (s *Store) PostRerate(ctx context.Context, name string, f models.RerateFilter, expect, actor string, told func(models.Rerate)) (models.Rerate, error) {
	if name == "" || len(name) > models.MaxRerateName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return models.Rerate{}, fmt.Errorf("%w: the name of a re-rating has 1 to %d characters, which may be letters, digits and any of . - and _", models.ErrInvalid, models.MaxRerateName)
	}
	row, err := s.rerateNamed(ctx, name)
	if errors.Is(err, models.ErrNotFound) {
		if err := s.beginRerate(ctx, name, f, expect, actor); err != nil {
			return models.Rerate{}, err
		}
		row, err = s.rerateNamed(ctx, name)
	}
	if err != nil {
		return models.Rerate{}, err
	}
	plan, err := row.plan()
	if err != nil {
		return models.Rerate{}, err
	}
	f.From, f.To, f.Prefix = asStored(f.From), asStored(f.To), strings.TrimPrefix(f.Prefix, "+")
	if textOf(plan.Filter) != textOf(f) || row.Digest != expect {
		return models.Rerate{}, fmt.Errorf("%w: there is another re-rating %q already", models.ErrConflict, name)
	}
	if row.DoneAt != nil {
		return row.model()
	}
	p, err := s.prices(ctx, plan)
	if err != nil {
		return models.Rerate{}, err
	}
	for id := row.ID; row.DoneAt == nil; {
		err := s.inTransaction(ctx, func(db *gorm.DB) (err error) {
			if row, err = s.rerateSome(ctx, db, id, p, actor); err == nil && row.DoneAt != nil {
				err = s.recountOwn(db, daysBetween(plan.Filter.From.In(s.location), plan.Filter.To.In(s.location)))
			}
			return err
		})
		if err != nil {
			return models.Rerate{}, fmt.Errorf("a part of the calls may be adjusted; post the re-rating %q again for the rest: %w", name, translate(err))
		}
		if told != nil {
			shown, err := row.model()
			if err != nil {
				return shown, err
			}
			told(shown)
		}
	}
	return row.model()
}

// daysBetween are the days from that of one moment to that of another.
func daysBetween(from, to time.Time) (days []stats.Day) {
	for day := stats.DayAt(from); day <= stats.DayAt(to); day++ {
		days = append(days, day)
	}
	return days
}

// beginRerate makes a re-rating, unless its outcome is not what was expected. One that somebody makes meanwhile is no error.
func (s *Store) beginRerate(ctx context.Context, name string, f models.RerateFilter, expect, actor string) error {
	plan, err := s.planRerate(ctx, f)
	if err != nil {
		return err
	}
	preview, err := s.preview(ctx, plan, nil)
	if err != nil {
		return err
	}
	if preview.Digest != expect {
		return fmt.Errorf("%w: the re-rating would not do what was previewed any more; preview it again", models.ErrConflict)
	}
	running := 1
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		row := rerateRow{Name: name, Plan: plan.text(), Digest: expect, Actor: truncate(actor, 80), CreatedAt: s.now().UTC(), Running: &running}
		if err := db.Create(&row).Error; err != nil {
			return err
		}
		return s.logIn(db, actor, "rerate.post", name, nil, map[string]any{
			"filter": plan.Filter, "digest": expect, "currency": preview.Currency, "calls": preview.Total.Calls, "difference": preview.Total.Difference.String(),
		})
	})
	if !isDuplicate(err) {
		return translate(err)
	}
	var other string
	if err := s.read.WithContext(ctx).Raw("SELECT name FROM rerates WHERE running = 1").Scan(&other).Error; err != nil {
		return translate(err)
	}
	if other != "" && other != name {
		return fmt.Errorf("%w: the re-rating %q is not done; post it again first, to finish it", models.ErrConflict, other)
	}
	return nil
}

// rerateSome adjusts the next calls of a re-rating, and marks it as done when those were the last. How far it got is in its own
// row, which is locked meanwhile, and changes with the ledger or not at all; besides, each call is in rerated_calls once, and the
// ledger takes each reference once. Locks are taken in the order of refills: this row, then calls, pools and accounts.
func (s *Store) rerateSome(ctx context.Context, db *gorm.DB, id int64, p pricing, actor string) (row rerateRow, err error) {
	if err := db.Raw("SELECT * FROM rerates WHERE id = ?"+s.dialect.forUpdate, id).Scan(&row).Error; err != nil || row.DoneAt != nil {
		return row, err
	}
	t := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
	var ids []string
	var users []int64
	where, args := p.calls(row.Reached)
	err = t.query(ctx, "SELECT c.id, c.call_id, c.user_id FROM calls c WHERE "+where+fmt.Sprintf(" LIMIT %d", reratePart), args, func(rows *sql.Rows) error {
		var callID string
		var user int64
		err := rows.Scan(&row.Reached, &callID, &user)
		ids, users = append(ids, callID), append(users, user)
		return err
	})
	if err != nil {
		return row, err
	}
	if len(ids) > 0 {
		if err := s.rerateCalls(ctx, &t, &row, p, ids, users, actor); err != nil {
			return row, err
		}
	}
	if len(ids) < reratePart {
		done := s.now().UTC()
		row.DoneAt, row.Running = &done, nil
	}
	return row, db.Model(&row).Select("reached", "done_at", "running", "calls", "adjusted", "unadjusted", "credited", "charged", "uncovered").Updates(row).Error
}

// rerateCalls adjusts these calls of these users, and counts them.
func (s *Store) rerateCalls(ctx context.Context, t *txn, row *rerateRow, p pricing, ids []string, users []int64, actor string) error {
	st, err := t.load(ctx, billing.Keys{Calls: ids, Users: users}, false)
	if err != nil {
		return err
	}
	calls := make([]models.Call, len(ids))
	for i, id := range ids {
		calls[i] = st.Calls[id]
	}
	repriced, before, err := t.reprice(ctx, p, calls)
	if err != nil {
		return err
	}
	paid, err := t.paid(ctx, repriced)
	if err != nil {
		return err
	}
	now := s.now()
	rows := t.insert("rerated_calls", "call_key", "rerate_id", "charge_before", "charge_after", "shortfall_before", "shortfall_after", "tx_id", "why")
	for _, r := range repriced {
		row.Calls++
		was := before[r.ID]
		done := billing.Adjusted{Shortfall: was.shortfall}
		if r.Left == "" && r.Difference != 0 {
			done, err = billing.DecideRerate(st, billing.Adjust{
				CallID: r.CallID, Charge: was.charge, Shortfall: was.shortfall, Cost: r.Cost, Paid: paid[r.ID], Ref: fmt.Sprintf("%d/%s", row.ID, r.CallID), Actor: actor,
			}, now)
			var refusal *billing.Refusal
			switch {
			case errors.As(err, &refusal) || errors.Is(err, billing.ErrNoAccount):
				r.Left, r.Cost, r.Difference, done.Shortfall = err.Error(), was.charge, 0, was.shortfall
			case err != nil:
				return err
			}
		}
		switch {
		case r.Left != "":
			row.Unadjusted++
		case r.Difference == 0:
			continue
		default:
			row.Adjusted++
			row.Charged += max(r.Difference, 0)
			row.Credited += max(-r.Difference, 0)
			row.Uncovered += max(done.Shortfall-was.shortfall, 0)
		}
		rows.row(r.ID, row.ID, int64(was.charge), int64(r.Cost), int64(was.shortfall), int64(done.Shortfall), done.Transaction, truncate(r.Left, 160))
	}
	if err := t.write(ctx, st); err != nil {
		return err
	}
	return rows.exec(ctx)
}

// paid is what the accounts of users have paid for those calls that become cheaper, with all adjustments so far, by the calls' ids.
func (t *txn) paid(ctx context.Context, calls []models.RepricedCall) (map[int64]map[int64]money.Amount, error) {
	found := map[int64]map[int64]money.Amount{}
	var keys []int64
	for _, r := range calls {
		if r.Difference < 0 {
			keys = append(keys, r.ID)
			found[r.ID] = map[int64]money.Amount{}
		}
	}
	const entries = " JOIN entries e ON e.tx_id = t.id JOIN accounts a ON a.id = e.account_id AND a.user_id <> 0 WHERE "
	for _, from := range []string{
		"SELECT c.id, e.account_id, e.amount FROM calls c JOIN transactions t ON t.kind = 'call' AND t.ref = c.call_id" + entries + "c.id IN (",
		"SELECT r.call_key, e.account_id, e.amount FROM rerated_calls r JOIN transactions t ON t.id = r.tx_id" + entries + "r.call_key IN (",
	} {
		err := chunks(t.dialect.maxParams, keys, func(keys []int64) error {
			return t.query(ctx, from+marks(len(keys))+")", anys(keys), func(rows *sql.Rows) error {
				var key, account int64
				var amount money.Amount
				err := rows.Scan(&key, &account, &amount)
				if err == nil {
					found[key][account] -= amount
				}
				return err
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (s *Store) rerateNamed(ctx context.Context, name string) (row rerateRow, err error) {
	err = s.read.WithContext(ctx).Raw("SELECT * FROM rerates WHERE name = ?", name).Scan(&row).Error
	if err == nil && row.Name != name {
		err = fmt.Errorf("re-rating %q: %w", name, models.ErrNotFound)
	}
	return row, translate(err)
}

// Rerate returns a re-rating, or models.ErrNotFound.
func (s *Store) Rerate(ctx context.Context, name string) (models.Rerate, error) {
	row, err := s.rerateNamed(ctx, name)
	if err != nil {
		return models.Rerate{}, err
	}
	return row.model()
}

// Rerates returns all re-ratings, the newest first.
func (s *Store) Rerates(ctx context.Context) ([]models.Rerate, error) {
	var rows []rerateRow
	if err := s.read.WithContext(ctx).Order("id DESC").Find(&rows).Error; err != nil {
		return nil, translate(err)
	}
	all := make([]models.Rerate, len(rows))
	for i, row := range rows {
		var err error
		if all[i], err = row.model(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

const adjustmentQuery = "SELECT r.name, c.call_id, c.user_id, a.charge_before, a.charge_after, a.shortfall_after, a.tx_id, t.posted_at, a.why" +
	" FROM rerated_calls a JOIN rerates r ON r.id = a.rerate_id JOIN calls c ON c.id = a.call_key LEFT JOIN transactions t ON t.id = a.tx_id WHERE "

func scanAdjustment(rows *sql.Rows) (a models.Adjustment, err error) {
	var posted sql.NullTime
	err = rows.Scan(&a.Rerate, &a.CallID, &a.UserID, &a.Before, &a.After, &a.Uncovered, &a.Posted, &posted, &a.Left)
	a.Difference = a.After - a.Before
	if posted.Valid {
		at := posted.Time.UTC()
		a.PostedAt = &at
	}
	return a, err
}

// EachAdjustment hands over the calls that a re-rating adjusted or left, in their order.
func (s *Store) EachAdjustment(ctx context.Context, rerate int64, each func(models.Adjustment) error) error {
	return s.each(ctx, adjustmentQuery+"a.rerate_id = ? ORDER BY a.call_key", []any{rerate}, func(rows *sql.Rows) error {
		a, err := scanAdjustment(rows)
		if err != nil {
			return err
		}
		return each(a)
	})
}

// CallAdjustments are those of one call, oldest first, with the re-ratings that left it.
func (s *Store) CallAdjustments(ctx context.Context, id int64) ([]models.Adjustment, error) {
	all := []models.Adjustment{}
	err := s.each(ctx, adjustmentQuery+"a.call_key = ? ORDER BY a.rerate_id", []any{id}, func(rows *sql.Rows) error {
		a, err := scanAdjustment(rows)
		all = append(all, a)
		return err
	})
	return all, err
}
