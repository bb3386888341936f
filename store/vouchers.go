package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/models"
	"talktime/voucher"
)

// Rows are locked in this order: who tries, the voucher, and then what load locks (calls, pools, accounts). Nothing that holds a
// lock on an account asks for a voucher.

// How many wrong codes are borne from one caller, and how many from all, within a time. When all together pass theirs, one wrong
// code is enough for each of them: nobody else can lock out who makes no mistake, and a crowd gains little by being one.
const (
	wrongCodes    = 5
	allWrongCodes = 1000
	wrongTime     = 15 * time.Minute
)

// voucherSecret is the name of the secret that codes are hashed with.
const voucherSecret = "vouchers"

// voucherRow is a row of vouchers.
type voucherRow struct {
	Serial  string
	BatchID int64
	State   string
	UserID  int64
	UsedAt  *time.Time
}

const voucherColumns = "serial, batch_id, state, user_id, used_at"

// RedeemVoucher puts a voucher's amount on a user's account, once, whoever tries it how often at once: the voucher's row is
// locked, it is marked in the transaction that posts the money, and the ledger takes each serial once. For the user who has
// redeemed it before it answers as then. Errors: models.ErrNoVoucher (voucher.ErrMistyped when no code is like that),
// models.ErrVoucherUsed, models.ErrVoucherBlocked, models.ErrVoucherExpired, models.ErrTooManyTries, and a *billing.Refusal of a
// voucher in another currency (models.ErrConflict) or a user whom there is not (models.ErrNotFound).
func (s *Store) RedeemVoucher(ctx context.Context, r models.Redemption) (models.Redeemed, error) {
	who := []string{triedBy("user", fmt.Sprint(r.UserID))}
	if r.From != "" {
		who = append(who, triedBy("from", r.From))
	}
	var done models.Redeemed
	err := s.withCode(ctx, models.BatchVouchers, r.Code, who, func(db *gorm.DB, row voucherRow, b models.Batch) (err error) {
		done, err = s.redeem(ctx, db, row, b, r)
		return err
	})
	if err != nil {
		return models.Redeemed{}, err
	}
	return done, nil
}

// redeem posts a voucher whose row is locked.
func (s *Store) redeem(ctx context.Context, db *gorm.DB, row voucherRow, b models.Batch, r models.Redemption) (models.Redeemed, error) {
	now := s.now()
	v := billing.Voucher{Serial: row.Serial, UserID: r.UserID, Amount: b.Amount, Currency: b.Currency, Actor: r.Actor}
	if b.CreditDays > 0 {
		v.Expires = now.AddDate(0, 0, b.CreditDays)
	}
	tx := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
	st, err := tx.load(ctx, v.Keys(), false)
	if err != nil {
		return models.Redeemed{}, err
	}
	redeemed := func(t models.Transaction, already bool) models.Redeemed {
		done := models.Redeemed{Serial: row.Serial, Amount: b.Amount, Currency: b.Currency, Available: st.Available(r.UserID), Already: already}
		if !t.Expires.IsZero() {
			at := t.Expires.UTC()
			done.Expires = &at
		}
		return done
	}
	if row.State == models.VoucherUsed && row.UserID == r.UserID {
		return redeemed(st.Transactions[models.Ref{Kind: models.KindVoucher, Ref: row.Serial}], true), nil
	}
	if err := usable(row, b, now); err != nil {
		return models.Redeemed{}, err
	}
	moved, err := billing.DecideVoucher(st, v, now)
	if len(st.Lacking) > 0 {
		if st, err = tx.promoted(ctx, st.Lacking, v.Keys(), false); err != nil {
			return models.Redeemed{}, err
		}
		moved, err = billing.DecideVoucher(st, v, now)
	}
	if err != nil {
		return models.Redeemed{}, err
	}
	if err := tx.write(ctx, st); err != nil {
		return models.Redeemed{}, err
	}
	err = db.Exec("UPDATE vouchers SET state = ?, user_id = ?, used_at = ? WHERE serial = ?", models.VoucherUsed, r.UserID, stamp(now), row.Serial).Error
	if err != nil {
		return models.Redeemed{}, err
	}
	done := redeemed(moved.Transaction, false)
	type facts struct {
		Serial   string     `json:"serial"`
		Batch    string     `json:"batch"`
		Amount   string     `json:"amount"`
		Currency string     `json:"currency"`
		Expires  *time.Time `json:"expires,omitempty"`
	}
	actor := r.Actor
	return done, s.logIn(db, actor, "voucher.redeem", st.Users[r.UserID].Username, nil, facts{row.Serial, b.Name, b.Amount.String(), b.Currency, done.Expires})
}

// usable says why a voucher or card is good for nothing at a time.
func usable(row voucherRow, b models.Batch, now time.Time) error {
	switch {
	case row.State == models.VoucherUsed:
		return models.ErrVoucherUsed
	case row.State == models.VoucherExpired, b.ValidUntil != nil && !now.Before(*b.ValidUntil):
		return models.ErrVoucherExpired
	case row.State == models.VoucherBlocked:
		return models.ErrVoucherBlocked
	}
	return nil
}

// CardUser returns the user of a calling card. It is to be asked before each call: a card that is blocked, or whose time is past,
// is good for no further one. Errors are those of RedeemVoucher about codes. Callers who hide their number are counted as one.
func (s *Store) CardUser(ctx context.Context, l models.CardLogin) (models.User, error) {
	var user models.User
	err := s.withCode(ctx, models.BatchCards, l.PIN, []string{triedBy("from", l.From)}, func(db *gorm.DB, row voucherRow, b models.Batch) error {
		now := s.now()
		if err := usable(row, b, now); err != nil {
			return err
		}
		rows, err := db.Raw("SELECT "+userColumns+" FROM users WHERE id = ? AND deleted_at IS NULL", row.UserID).Rows()
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		found := rows.Next()
		if found {
			user, err = scanUser(rows)
		}
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return err
		}
		if !found {
			return models.ErrNoVoucher // its user was deleted
		}
		if row.UsedAt != nil {
			return nil
		}
		return db.Exec("UPDATE vouchers SET used_at = ? WHERE serial = ?", stamp(now), row.Serial).Error
	})
	if err != nil {
		return models.User{}, err
	}
	return user, nil
}

// CardLanguage is the language that was said when a card was made; empty for none, and for a user who is no card.
func (s *Store) CardLanguage(ctx context.Context, user int64) (language string, err error) {
	err = s.each(ctx, "SELECT b.language FROM vouchers v JOIN voucher_batches b ON b.id = v.batch_id WHERE v.user_id = ? AND b.kind = ?",
		[]any{user, models.BatchCards}, func(rows *sql.Rows) error { return rows.Scan(&language) })
	return language, err
}

// withCode does what a code is for in a transaction in which its row is locked. Before, it locks who tries: what he tries at once
// is counted one after the other. What cannot be a code is no try, and a code that there is neither, whatever becomes of it.
func (s *Store) withCode(ctx context.Context, kind, typed string, who []string, do func(*gorm.DB, voucherRow, models.Batch) error) error {
	code, err := voucher.Parse(typed)
	if err != nil {
		return err
	}
	secret, err := s.Secret(ctx, voucherSecret)
	if err != nil {
		return err
	}
	hash := voucher.Hash(secret, kind, code)
	since := s.now().Add(-wrongTime)
	wrong := false
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		wrong = false
		tries, err := s.lockTries(db, who, since)
		if err != nil {
			return err
		}
		var row voucherRow
		if err := db.Raw("SELECT "+voucherColumns+" FROM vouchers WHERE hash = ?"+s.dialect.forUpdate, hash).Scan(&row).Error; err != nil {
			return err
		}
		if row.Serial == "" {
			wrong = true
			return countTries(db, tries, s.now(), since)
		}
		b, err := batchWhere(db, "id = ?", row.BatchID)
		if err != nil {
			return err
		}
		return do(db, row, b)
	})
	switch {
	case err == nil && wrong:
		if err := s.exec(ctx, "DELETE FROM voucher_tries WHERE last_at < ?", stamp(since)); err != nil && !isLocked(err) {
			return translate(err)
		}
		return models.ErrNoVoucher
	case isDuplicate(err): // the ledger has the serial already
		return models.ErrVoucherUsed
	}
	return translate(err)
}

// triesRow is how often somebody was wrong.
type triesRow struct {
	Who             string
	Failures        int
	FirstAt, LastAt time.Time
}

// triedBy is who tries, as it is kept: the table is no list of who called.
func triedBy(kind, who string) string {
	sum := sha256.Sum256([]byte(kind + ":" + who))
	return hex.EncodeToString(sum[:])
}

// lockTries locks those who try, and refuses them when they were wrong too often.
func (s *Store) lockTries(db *gorm.DB, who []string, since time.Time) ([]triesRow, error) {
	slices.Sort(who)
	again := " ON DUPLICATE KEY UPDATE failures = failures"
	if s.dialect.name == sqliteDialect.name {
		again = " ON CONFLICT (who) DO UPDATE SET failures = failures"
	}
	now := stamp(s.now())
	var tries []triesRow
	for _, one := range who {
		// An insert that does nothing keeps the row locked, which one that is ignored does not.
		if err := db.Exec("INSERT INTO voucher_tries (who, failures, first_at, last_at) VALUES (?, 0, ?, ?)"+again, one, now, now).Error; err != nil {
			return nil, err
		}
		var row triesRow
		if err := db.Raw("SELECT who, failures, first_at, last_at FROM voucher_tries WHERE who = ?", one).Scan(&row).Error; err != nil {
			return nil, err
		}
		tries = append(tries, row)
	}
	for _, t := range tries {
		if t.Failures == 0 || !t.LastAt.After(since) {
			continue
		}
		if t.Failures >= wrongCodes {
			return nil, models.ErrTooManyTries
		}
		var all int64
		err := db.Raw("SELECT COALESCE(SUM(failures), 0) FROM voucher_tries WHERE last_at > ?", stamp(since)).Row().Scan(&all)
		if err != nil {
			return nil, err
		}
		if all >= allWrongCodes {
			return nil, models.ErrTooManyTries
		}
	}
	return tries, nil
}

// countTries counts one more wrong code. After the time, and after a pause for too many, it begins anew.
func countTries(db *gorm.DB, tries []triesRow, now, since time.Time) error {
	for _, t := range tries {
		if t.Failures == 0 || t.Failures >= wrongCodes || !t.FirstAt.After(since) {
			t.Failures, t.FirstAt = 0, now
		}
		err := db.Exec("UPDATE voucher_tries SET failures = ?, first_at = ?, last_at = ? WHERE who = ?",
			t.Failures+1, stamp(t.FirstAt), stamp(now), t.Who).Error
		if err != nil {
			return err
		}
	}
	return nil
}
