package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/voucher"
)

// Serials begin with the number of their batch.
const (
	maxBatches   = 99_999
	serialFormat = "%05d%06d"
)

// cardPrefix is how the usernames of cards begin, before the serial.
const cardPrefix = "card-"

// AddBatch makes the vouchers or cards of a batch, all or none. A name that is taken is models.ErrConflict, a tariff that cannot
// be assigned models.ErrNotFound or models.ErrConflict. With billing.ErrUncertain nobody knows whether they were made: what was
// exported must be kept.
func (s *Store) AddBatch(ctx context.Context, b models.NewBatch, actor string, making models.Making) (models.Batch, error) {
	if err := b.Validate(s.now()); err != nil {
		return models.Batch{}, err
	}
	if b.ValidUntil != nil {
		until := b.ValidUntil.UTC().Truncate(time.Second)
		b.ValidUntil = &until
	}
	made := models.Batch{NewBatch: b, CreatedAt: asStored(s.now()), Actor: actor}
	if err := s.batchPossible(ctx, b); err != nil {
		return models.Batch{}, err
	}
	var err error
	if made.ID, err = s.nextBatch(ctx); err != nil {
		return models.Batch{}, err
	}
	made.First, made.Last = serialOf(made.ID, 1), serialOf(made.ID, b.Count)
	codes, hashes, err := s.newCodes(ctx, made)
	if err != nil {
		return models.Batch{}, err
	}
	if err := making.Export(made, codes); err != nil {
		return models.Batch{}, err
	}
	err = s.inTransaction(ctx, func(db *gorm.DB) error { return s.writeBatch(ctx, db, made, hashes, making.Progress) })
	switch {
	case err == nil:
	case isDuplicate(err):
		if err := s.batchPossible(ctx, b); err != nil {
			return models.Batch{}, err
		}
		return models.Batch{}, fmt.Errorf("%w: somebody has the username of one of the cards, %s%s to %s", models.ErrConflict, cardPrefix, made.First, made.Last)
	case isLost(err) || ctx.Err() != nil:
		if err := s.wasMade(ctx, made.ID, err); err != nil {
			return models.Batch{}, err
		}
	default:
		return models.Batch{}, translate(err)
	}
	return made, nil
}

// wasMade finds out what became of a transaction of which the answer is missing: nil when it was done, because when it was not.
func (s *Store) wasMade(ctx context.Context, batch int64, because error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*connectTimeout)
	defer cancel()
	n, err := s.number(ctx, "SELECT COUNT(*) FROM voucher_batches WHERE id = ?", batch)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", billing.ErrUncertain, translate(because))
	case n == 0:
		return translate(because)
	}
	return nil
}

func batchTaken(name string) error {
	return fmt.Errorf("%w: there is a batch %q already", models.ErrConflict, name)
}

func serialOf(batch int64, n int) string { return fmt.Sprintf(serialFormat, batch, n) }

// batchPossible looks for what would keep a batch from being made, before anything is exported.
func (s *Store) batchPossible(ctx context.Context, b models.NewBatch) error {
	n, err := s.number(ctx, "SELECT COUNT(*) FROM voucher_batches WHERE kind = ? AND name = ?", b.Kind, b.Name)
	if err == nil && n > 0 {
		err = batchTaken(b.Name)
	}
	if err != nil || b.Deck == "" {
		return err
	}
	d, err := s.Deck(ctx, b.Deck)
	if err == nil && d.Currency != b.Currency {
		err = fmt.Errorf("%w: the tariff %q is in %s, but the cards are in %s", models.ErrConflict, b.Deck, d.Currency, b.Currency)
	}
	return err
}

// nextBatch takes the next number of a batch. One that is not made leaves its number out.
func (s *Store) nextBatch(ctx context.Context) (id int64, err error) {
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := db.Exec("UPDATE counters SET value = value + 1 WHERE name = 'batches'").Error; err != nil {
			return err
		}
		return db.Raw("SELECT value FROM counters WHERE name = 'batches'").Row().Scan(&id)
	})
	if err == nil && id > maxBatches {
		return 0, fmt.Errorf("%w: there are %d batches already, and serials have no room for more", models.ErrConflict, maxBatches)
	}
	return id, translate(err)
}

// newCodes draws the codes of a batch and hashes them. None is another's: with a million vouchers, one in a thousand batches of
// the largest size would have one otherwise.
func (s *Store) newCodes(ctx context.Context, b models.Batch) (codes []models.PrintedCode, hashes []string, err error) {
	secret, err := s.Secret(ctx, voucherSecret)
	if err != nil {
		return nil, nil, err
	}
	taken := make(map[string]bool, b.Count)
	for len(codes) < b.Count {
		fresh := make(map[string]string, perBatchQuery)
		for range min(perBatchQuery, b.Count-len(codes)) {
			code, err := voucher.New(rand.Reader)
			if err != nil {
				return nil, nil, err
			}
			if hash := voucher.Hash(secret, b.Kind, code); !taken[hash] {
				fresh[hash] = code
			}
		}
		err := eachOf(ctx, s, "SELECT hash FROM vouchers WHERE hash IN (%s)", sortedKeys(fresh), func(rows *sql.Rows) error {
			var hash string
			err := rows.Scan(&hash)
			delete(fresh, hash)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		for hash, code := range fresh { // in no order that says anything
			taken[hash] = true
			codes = append(codes, models.PrintedCode{Serial: serialOf(b.ID, len(codes)+1), Code: code})
			hashes = append(hashes, hash)
		}
	}
	return codes, hashes, nil
}

// perBatchQuery is how many codes are looked for with one statement, and how many cards are made with a few.
const perBatchQuery = importChunk

// writeBatch writes all of a batch in its transaction.
func (s *Store) writeBatch(ctx context.Context, db *gorm.DB, b models.Batch, hashes []string, progress func(int)) error {
	until := stampPtr(b.ValidUntil)
	err := db.Exec("INSERT INTO voucher_batches (id, kind, name, made, amount, currency, valid_until, credit_days, deck, language, created_at, actor)"+
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", b.ID, b.Kind, b.Name, b.Count, int64(b.Amount), b.Currency, until, b.CreditDays,
		b.Deck, b.Language, stamp(b.CreatedAt), truncate(b.Actor, 80)).Error
	if err != nil {
		return err
	}
	if err := s.openHouse(db, b.Currency); err != nil {
		return err
	}
	deck, err := s.assignable(db, b.Deck, b.Currency)
	if err != nil {
		return err
	}
	for first := 0; first < len(hashes); first += perBatchQuery {
		part := hashes[first:min(first+perBatchQuery, len(hashes))]
		users := make(map[string]int64, len(part))
		if b.Kind == models.BatchCards {
			if users, err = s.writeCards(ctx, db, b, deck, first, len(part)); err != nil {
				return err
			}
		}
		tx := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
		rows := tx.insert("vouchers", "serial", "batch_id", "hash", "state", "user_id")
		for i, hash := range part {
			serial := serialOf(b.ID, first+i+1)
			rows.row(serial, b.ID, hash, models.VoucherReady, users[cardPrefix+serial])
		}
		if err := rows.exec(ctx); err != nil {
			return err
		}
		if progress != nil {
			progress(first + len(part))
		}
	}
	facts := batchFactsOf(b.NewBatch)
	facts.First, facts.Last = b.First, b.Last
	actor := b.Actor
	if b.Kind == models.BatchCards {
		return s.logIn(db, actor, "card.add", b.Name, nil, facts)
	}
	return s.logIn(db, actor, "voucher.add", b.Name, nil, facts)
}

// writeCards makes the users of some cards of a batch, with what is on them, and returns their ids by username.
func (s *Store) writeCards(ctx context.Context, db *gorm.DB, b models.Batch, deck int64, first, n int) (map[string]int64, error) {
	names := make([]string, n)
	err := s.importing(ctx, b.Actor, func(yield func(models.NewUser) error) error {
		for i := range n {
			names[i] = cardPrefix + serialOf(b.ID, first+i+1)
			if err := yield(models.NewUser{Username: names[i], Currency: b.Currency, Deck: deck, Balance: b.Amount}); err != nil {
				return err
			}
		}
		return nil
	})(db)
	if err != nil {
		return nil, err
	}
	users := make(map[string]int64, n)
	tx := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
	err = chunks(s.dialect.maxParams, names, func(names []string) error {
		return tx.query(ctx, "SELECT id, username FROM users WHERE username IN ("+marks(len(names))+")", anys(names), func(rows *sql.Rows) error {
			var id int64
			var name string
			err := rows.Scan(&id, &name)
			users[name] = id
			return err
		})
	})
	return users, err
}

// batchFacts is what the audit log says of a batch.
type batchFacts struct {
	Count      int        `json:"count"`
	Amount     string     `json:"amount"`
	Currency   string     `json:"currency"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	CreditDays int        `json:"credit_days,omitempty"`
	Tariff     string     `json:"tariff,omitempty"`
	Language   string     `json:"language,omitempty"`
	First      string     `json:"first,omitempty"`
	Last       string     `json:"last,omitempty"`
}

func batchFactsOf(b models.NewBatch) batchFacts {
	return batchFacts{Count: b.Count, Amount: b.Amount.String(), Currency: b.Currency, ValidUntil: b.ValidUntil, CreditDays: b.CreditDays, Tariff: b.Deck, Language: b.Language}
}

const batchColumns = "id, kind, name, made, amount, currency, valid_until, credit_days, deck, language, created_at, actor"

func scanBatch(rows interface{ Scan(...any) error }) (models.Batch, error) {
	var b models.Batch
	var until sql.NullTime
	err := rows.Scan(&b.ID, &b.Kind, &b.Name, &b.Count, &b.Amount, &b.Currency, &until, &b.CreditDays, &b.Deck, &b.Language, &b.CreatedAt, &b.Actor)
	if until.Valid {
		at := until.Time.UTC()
		b.ValidUntil = &at
	}
	b.CreatedAt = b.CreatedAt.UTC()
	b.First, b.Last = serialOf(b.ID, 1), serialOf(b.ID, b.Count)
	return b, err
}

func batchWhere(db *gorm.DB, condition string, args ...any) (models.Batch, error) {
	return scanBatch(db.Raw("SELECT "+batchColumns+" FROM voucher_batches WHERE "+condition, args...).Row())
}

// Batches returns all batches of a kind with their counts, newest first.
func (s *Store) Batches(ctx context.Context, kind string) ([]models.Batch, error) {
	var found []models.Batch
	err := s.each(ctx, "SELECT "+batchColumns+" FROM voucher_batches WHERE kind = ? ORDER BY id DESC", []any{kind}, func(rows *sql.Rows) error {
		b, err := scanBatch(rows)
		found = append(found, b)
		return err
	})
	for i := range found {
		if err == nil {
			err = s.countBatch(ctx, &found[i])
		}
	}
	return found, err
}

// Batch returns a batch of a kind with its counts, or models.ErrNotFound.
func (s *Store) Batch(ctx context.Context, kind, name string) (models.Batch, error) {
	b, err := batchWhere(s.read.WithContext(ctx), "kind = ? AND name = ?", kind, name)
	if errors.Is(err, sql.ErrNoRows) || err == nil && b.Name != name { // MySQL does not look at blanks behind a name
		return models.Batch{}, noBatch(name)
	}
	if err != nil {
		return models.Batch{}, translate(err)
	}
	return b, s.countBatch(ctx, &b)
}

func noBatch(name string) error { return fmt.Errorf("batch %q: %w", name, models.ErrNotFound) }

// countBatch fills in how many of a batch are in which state.
func (s *Store) countBatch(ctx context.Context, b *models.Batch) error {
	err := s.each(ctx, "SELECT state, COUNT(*), COUNT(used_at) FROM vouchers WHERE batch_id = ? GROUP BY state", []any{b.ID}, func(rows *sql.Rows) error {
		var state string
		var n, used int64
		err := rows.Scan(&state, &n, &used)
		b.Redeemed += used
		switch state {
		case models.VoucherBlocked:
			b.Blocked = n
		case models.VoucherExpired:
			b.Expired = n
		case models.VoucherReady:
			b.Left = n
		}
		return err
	})
	if b.ValidUntil != nil && !s.now().Before(*b.ValidUntil) {
		b.Expired, b.Blocked, b.Left = b.Expired+b.Blocked+b.Left, 0, 0
	}
	if err != nil || b.Kind == models.BatchVouchers {
		b.Worth = b.Amount * money.Amount(b.Left)
		return err
	}
	return s.each(ctx, "SELECT COALESCE("+s.dialect.sum("a.balance")+", 0) FROM vouchers v JOIN accounts a ON a.user_id = v.user_id"+
		" WHERE v.batch_id = ? AND a.currency = ? AND a.status <> 'closed'", []any{b.ID, b.Currency}, func(rows *sql.Rows) error { return rows.Scan(&b.Worth) })
}

// VoucherBySerial returns a voucher or card of a kind, or models.ErrNotFound.
func (s *Store) VoucherBySerial(ctx context.Context, kind, serial string) (models.Voucher, error) {
	var row voucherRow
	db := s.read.WithContext(ctx)
	if err := db.Raw("SELECT "+voucherColumns+" FROM vouchers WHERE serial = ?", serial).Scan(&row).Error; err != nil {
		return models.Voucher{}, translate(err)
	}
	none := fmt.Errorf("serial %q: %w", serial, models.ErrNotFound)
	if row.Serial != serial {
		return models.Voucher{}, none
	}
	b, err := batchWhere(db, "id = ?", row.BatchID)
	if err != nil {
		return models.Voucher{}, translate(err)
	}
	if b.Kind != kind {
		return models.Voucher{}, none
	}
	v := models.Voucher{Serial: row.Serial, Batch: b, State: row.State}
	if row.UsedAt != nil {
		at := row.UsedAt.UTC()
		v.UsedAt = &at
	}
	if row.State != models.VoucherUsed && errors.Is(usable(row, b, s.now()), models.ErrVoucherExpired) {
		v.State = models.VoucherExpired
	}
	return v, s.each(ctx, "SELECT username FROM users WHERE id = ? AND deleted_at IS NULL", []any{row.UserID}, func(rows *sql.Rows) error { return rows.Scan(&v.User) })
}

// ChangeBatch blocks, unblocks or expires a batch's vouchers or cards, or a series of them, and returns how many were changed.
// Those that were redeemed, and what is that already, are none of them. models.ErrNotFound when there is no such batch,
// models.ErrInvalid for serials of another.
func (s *Store) ChangeBatch(ctx context.Context, kind, name string, c models.BatchChange, actor string) (changed int64, err error) {
	b, err := s.Batch(ctx, kind, name)
	if err != nil {
		return 0, err
	}
	if c, err = series(b, c); err != nil {
		return 0, err
	}
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		from, args := "state IN (?, ?)", []any{models.VoucherReady, models.VoucherBlocked}
		switch c.State {
		case models.VoucherReady:
			from, args = "state = ?", []any{models.VoucherBlocked}
		case models.VoucherBlocked:
			from, args = "state = ?", []any{models.VoucherReady}
		}
		args = append([]any{c.State, b.ID, c.From, c.To}, args...)
		done := db.Exec("UPDATE vouchers SET state = ? WHERE batch_id = ? AND serial BETWEEN ? AND ? AND "+from, args...)
		if changed = done.RowsAffected; done.Error != nil || changed == 0 {
			return done.Error
		}
		return s.logBatch(db, actor, b, c, changed)
	})
	return changed, translate(err)
}

// series is a change with both ends of its series, which must be of the batch.
func series(b models.Batch, c models.BatchChange) (models.BatchChange, error) {
	c.From, c.To = cmp.Or(c.From, b.First), cmp.Or(c.To, b.Last)
	for _, serial := range []string{c.From, c.To} {
		if len(serial) != len(b.First) || serial < b.First || serial > b.Last {
			return c, fmt.Errorf("%w: serial %q is none of the batch %q, which has %s to %s", models.ErrInvalid, serial, b.Name, b.First, b.Last)
		}
	}
	switch {
	case c.From > c.To:
		return c, fmt.Errorf("%w: the series ends with %s before it begins with %s", models.ErrInvalid, c.To, c.From)
	case c.State != models.VoucherReady && c.State != models.VoucherBlocked && c.State != models.VoucherExpired:
		return c, fmt.Errorf("%w: a batch can be %s, %s or %s", models.ErrInvalid, models.VoucherReady, models.VoucherBlocked, models.VoucherExpired)
	}
	return c, nil
}

// logBatch notes what became of how many of a batch.
func (s *Store) logBatch(db *gorm.DB, actor string, b models.Batch, c models.BatchChange, changed int64) error {
	facts := map[string]any{"from": c.From, "to": c.To, "changed": changed}
	switch {
	case b.Kind == models.BatchVouchers && c.State == models.VoucherBlocked:
		return s.logIn(db, actor, "voucher.block", b.Name, nil, facts)
	case b.Kind == models.BatchVouchers && c.State == models.VoucherReady:
		return s.logIn(db, actor, "voucher.unblock", b.Name, nil, facts)
	case b.Kind == models.BatchVouchers:
		return s.logIn(db, actor, "voucher.expire", b.Name, nil, facts)
	case c.State == models.VoucherBlocked:
		return s.logIn(db, actor, "card.block", b.Name, nil, facts)
	case c.State == models.VoucherReady:
		return s.logIn(db, actor, "card.unblock", b.Name, nil, facts)
	}
	return s.logIn(db, actor, "card.expire", b.Name, nil, facts)
}
