package store_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
	"talktime/voucher"
)

// shop is a database with a clock of its own, through two Stores.
type shop struct {
	*testing.T
	s, other *store.Store
	d        storetest.Database
	ahead    atomic.Int64 // seconds
}

func newShop(t *testing.T, d storetest.Database) *shop {
	t.Helper()
	m := &shop{T: t, d: d}
	now := func() time.Time { return time.Now().Add(time.Duration(m.ahead.Load()) * time.Second) }
	m.s = d.Open(t, utc, func(c *store.Config) { c.Now = now })
	m.other = d.Open(t, utc, func(c *store.Config) { c.Now = now })
	if _, err := m.s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	storetest.Audited(t, m.s)
	return m
}

func (m *shop) wait(d time.Duration) { m.ahead.Add(int64(d / time.Second)) }

func tenUnits(name string, n int) models.NewBatch {
	return models.NewBatch{Kind: models.BatchVouchers, Name: name, Count: n, Amount: 10 * money.Unit, Currency: models.SEC}
}

// make makes a batch and returns its codes in the order of the serials.
func (m *shop) make(b models.NewBatch) (made models.Batch, codes []models.PrintedCode) {
	m.Helper()
	made, err := m.s.AddBatch(m.Context(), b, "test", models.Making{Export: func(_ models.Batch, all []models.PrintedCode) error { codes = all; return nil }})
	if err != nil {
		m.Fatal(err)
	}
	return made, codes
}

func (m *shop) redeem(code string, user int64) (models.Redeemed, error) {
	return m.s.RedeemVoucher(m.Context(), models.Redemption{Code: code, UserID: user, Actor: "test"})
}

// refused expects an error of a kind.
func (m *shop) refused(err, want error) {
	m.Helper()
	if !errors.Is(err, want) {
		m.Errorf("error %v, want %v", err, want)
	}
}

// unknown is a code that nobody has made.
func unknown(n int) string {
	for check := 2; ; check++ {
		if code, err := voucher.Parse(fmt.Sprintf("%014d%02d", n, check)); err == nil {
			return code
		}
	}
}

// TestOneOfTwentyRedeems: twenty users at two servers want the same voucher.
func TestOneOfTwentyRedeems(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newShop(t, d)
		_, codes := m.make(tenUnits("spring", 5))
		ids := members(t, m.s, 20, 0)
		for round, printed := range codes {
			var won, lost atomic.Int64
			var wg sync.WaitGroup
			for i, id := range ids {
				wg.Go(func() {
					r := models.Redemption{Code: printed.Code, UserID: id, From: "shop", Actor: "test"}
					var done models.Redeemed
					err := untilDone(t.Context(), func() (err error) {
						done, err = []*store.Store{m.s, m.other}[i%2].RedeemVoucher(t.Context(), r)
						return err
					})
					switch {
					case err == nil && !done.Already && done.Serial == printed.Serial:
						won.Add(1)
					case errors.Is(err, models.ErrVoucherUsed):
						lost.Add(1)
					default:
						t.Errorf("%+v, %v", done, err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 || lost.Load() != 19 {
				t.Errorf("round %d: %d won and %d lost", round, won.Load(), lost.Load())
			}
		}
		sum := int64(0)
		for units, users := range balances(t, m.s) {
			sum += units * int64(users)
		}
		if sum != 50 {
			t.Errorf("%d units were given, want 50", sum)
		}
	})
}

// TestRedeemAgain: the same user at once and again is told the same; nobody else is.
func TestRedeemAgain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newShop(t, d)
		b := tenUnits("spring", 3)
		b.CreditDays = 30
		_, codes := m.make(b)
		ids := members(t, m.s, 2, 0)
		var fresh atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				var done models.Redeemed
				err := untilDone(t.Context(), func() (err error) {
					done, err = []*store.Store{m.s, m.other}[i%2].RedeemVoucher(t.Context(), models.Redemption{Code: voucher.Grouped(codes[0].Code), UserID: ids[0], Actor: "test"})
					return err
				})
				if err != nil || done.Available != 10*money.Unit || done.Expires == nil || done.Amount != 10*money.Unit || done.Currency != models.SEC {
					t.Errorf("%+v, %v", done, err)
				}
				if !done.Already {
					fresh.Add(1)
				}
			})
		}
		wg.Wait()
		if fresh.Load() != 1 {
			t.Errorf("it was redeemed %d times", fresh.Load())
		}
		done, err := m.redeem(codes[1].Code, ids[0])
		if in := time.Until(*done.Expires); err != nil || in < 29*24*time.Hour || in > 31*24*time.Hour || done.Available != 20*money.Unit {
			t.Errorf("%+v, %v", done, err)
		}
		_, err = m.redeem(codes[0].Code, ids[1])
		m.refused(err, models.ErrVoucherUsed)
		shown, err := m.s.VoucherBySerial(t.Context(), models.BatchVouchers, codes[0].Serial)
		if err != nil || shown.State != models.VoucherUsed || shown.User == "" || shown.UsedAt == nil || shown.Batch.Name != "spring" {
			t.Errorf("%+v, %v", shown, err)
		}
		_, err = m.redeem(codes[2].Code, 999)
		m.refused(err, models.ErrNotFound)
		if _, err := m.s.AddUser(t.Context(), models.NewUser{Username: "euro", Currency: "EUR"}, "test"); err != nil {
			t.Fatal(err)
		}
		euro, err := m.s.UserByName(t.Context(), "euro")
		if err != nil {
			t.Fatal(err)
		}
		var words *billing.Refusal
		if _, err = m.redeem(codes[2].Code, euro.ID); !errors.As(err, &words) || words.Reason != "the voucher is worth SEC, but the user's money is EUR" {
			t.Errorf("%v", err)
		}
		m.refused(err, models.ErrConflict)
	})
}

// TestWrongCodes: five within a quarter of an hour are too many, for a caller and for a user, and for nobody else.
func TestWrongCodes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newShop(t, d)
		_, codes := m.make(tenUnits("spring", 4))
		ids := members(t, m.s, 4, 0)
		try := func(code string, user int64, from string) error {
			_, err := m.s.RedeemVoucher(t.Context(), models.Redemption{Code: code, UserID: user, From: from, Actor: "test"})
			return err
		}
		for range 10 { // nobody could have made it
			m.refused(try("1234567890123456", ids[0], "555"), voucher.ErrMistyped)
		}
		for n := range 5 {
			m.refused(try(unknown(n), ids[0], "555"), models.ErrNoVoucher)
		}
		m.refused(try(unknown(9), ids[0], "555"), models.ErrTooManyTries)
		m.refused(try(codes[0].Code, ids[0], "556"), models.ErrTooManyTries) // the user
		m.refused(try(codes[0].Code, ids[1], "555"), models.ErrTooManyTries) // the caller
		if _, err := m.s.CardUser(t.Context(), models.CardLogin{PIN: unknown(3), From: "555"}); !errors.Is(err, models.ErrTooManyTries) {
			t.Errorf("a PIN: %v", err)
		}
		if err := try(codes[0].Code, ids[1], "556"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		m.wait(14 * time.Minute)
		m.refused(try(codes[1].Code, ids[0], "555"), models.ErrTooManyTries)
		m.wait(2 * time.Minute)
		if err := try(codes[1].Code, ids[0], "555"); err != nil {
			t.Errorf("later: %v", err)
		}
		for n := range 4 {
			m.refused(try(unknown(n), ids[0], "555"), models.ErrNoVoucher)
		}
		m.wait(16 * time.Minute)
		for n := range 5 { // the four before do not count any more
			m.refused(try(unknown(n), ids[0], "555"), models.ErrNoVoucher)
		}
		m.refused(try(unknown(0), ids[0], "555"), models.ErrTooManyTries)

		// All at once are counted one by one.
		var wrong, many atomic.Int64
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				err := untilDone(t.Context(), func() error {
					_, err := []*store.Store{m.s, m.other}[n%2].CardUser(t.Context(), models.CardLogin{PIN: unknown(100 + n), From: "777"})
					return err
				})
				switch {
				case errors.Is(err, models.ErrTooManyTries):
					many.Add(1)
				case errors.Is(err, models.ErrNoVoucher):
					wrong.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if wrong.Load() != 5 || many.Load() != 15 {
			t.Errorf("%d were looked up, and %d were not", wrong.Load(), many.Load())
		}
	})
}

// TestACrowdThatGuesses: when a thousand codes were wrong, one is enough for each, and who makes no mistake is not kept out.
func TestACrowdThatGuesses(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newShop(t, d)
		_, codes := m.make(tenUnits("spring", 2))
		ids := members(t, m.s, 1, 0)
		db := d.SQL(t)
		at := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
		for n := range 250 {
			if _, err := db.ExecContext(t.Context(), "INSERT INTO voucher_tries (who, failures, first_at, last_at) VALUES (?, 4, ?, ?)", fmt.Sprintf("%064d", n), at, at); err != nil {
				t.Fatal(err)
			}
		}
		_, err := m.s.CardUser(t.Context(), models.CardLogin{PIN: unknown(1), From: "555"})
		m.refused(err, models.ErrNoVoucher)
		_, err = m.s.CardUser(t.Context(), models.CardLogin{PIN: unknown(2), From: "555"})
		m.refused(err, models.ErrTooManyTries)
		if _, err := m.s.RedeemVoucher(t.Context(), models.Redemption{Code: codes[0].Code, UserID: ids[0], From: "556", Actor: "test"}); err != nil {
			t.Errorf("who made no mistake: %v", err)
		}
		m.wait(16 * time.Minute)
		for n := range 2 {
			_, err = m.s.CardUser(t.Context(), models.CardLogin{PIN: unknown(n), From: "555"})
			m.refused(err, models.ErrNoVoucher)
		}
		var left int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM voucher_tries").Scan(&left); err != nil || left != 1 {
			t.Errorf("%d are remembered, %v", left, err)
		}
	})
}

// TestSeries: what is blocked, expired or redeemed is counted, and is good for nothing meanwhile.
func TestSeries(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newShop(t, d)
		until := time.Now().Add(24 * time.Hour)
		b := tenUnits("spring", 10)
		b.ValidUntil = &until
		made, codes := m.make(b)
		m.make(tenUnits("other", 1))
		id := members(t, m.s, 1, 0)[0]
		change := func(c models.BatchChange, want int64) {
			t.Helper()
			if n, err := m.s.ChangeBatch(t.Context(), models.BatchVouchers, "spring", c, "test"); err != nil || n != want {
				t.Errorf("%+v changes %d, %v; want %d", c, n, err, want)
			}
		}
		counts := func(redeemed, blocked, expired, left int64) {
			t.Helper()
			got, err := m.s.Batch(t.Context(), models.BatchVouchers, "spring")
			if err != nil || got.Redeemed != redeemed || got.Blocked != blocked || got.Expired != expired || got.Left != left || got.Worth != 10*money.Unit*money.Amount(left) {
				t.Errorf("%+v, %v; want %d %d %d %d", got, err, redeemed, blocked, expired, left)
			}
		}
		if _, err := m.redeem(codes[2].Code, id); err != nil {
			t.Fatal(err)
		}
		change(models.BatchChange{State: models.VoucherBlocked, From: codes[1].Serial, To: codes[4].Serial}, 3)
		counts(1, 3, 0, 6)
		_, err := m.redeem(codes[1].Code, id)
		m.refused(err, models.ErrVoucherBlocked)
		change(models.BatchChange{State: models.VoucherBlocked}, 6)
		change(models.BatchChange{State: models.VoucherReady, To: codes[4].Serial}, 4)
		counts(1, 5, 0, 4)
		if _, err = m.redeem(codes[1].Code, id); err != nil {
			t.Error(err)
		}
		change(models.BatchChange{State: models.VoucherExpired, From: codes[9].Serial}, 1)
		change(models.BatchChange{State: models.VoucherReady}, 4)
		_, err = m.redeem(codes[9].Code, id)
		m.refused(err, models.ErrVoucherExpired)
		counts(2, 0, 1, 7)
		for _, c := range []models.BatchChange{
			{State: models.VoucherBlocked, From: codes[4].Serial, To: codes[1].Serial},
			{State: models.VoucherBlocked, From: "00002000001"},
			{State: models.VoucherBlocked, To: "1"},
			{State: models.VoucherUsed},
			{},
		} {
			if _, err := m.s.ChangeBatch(t.Context(), models.BatchVouchers, "spring", c, "test"); !errors.Is(err, models.ErrInvalid) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		for _, name := range []string{"none", "spring "} {
			if _, err := m.s.ChangeBatch(t.Context(), models.BatchVouchers, name, models.BatchChange{State: models.VoucherBlocked}, "test"); !errors.Is(err, models.ErrNotFound) {
				t.Errorf("%q: %v", name, err)
			}
		}
		m.wait(25 * time.Hour)
		_, err = m.redeem(codes[0].Code, id)
		m.refused(err, models.ErrVoucherExpired)
		counts(2, 0, 8, 0)
		if done, err := m.redeem(codes[1].Code, id); err != nil || !done.Already {
			t.Errorf("%+v, %v", done, err)
		}
		all, err := m.s.Batches(t.Context(), models.BatchVouchers)
		if err != nil || len(all) != 2 || all[1].Name != "spring" || all[1].First != made.First || all[1].Redeemed != 2 || all[0].Left != 1 {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// TestNothingIsMade when the codes cannot be kept, or when something is wrong with the batch.
func TestNothingIsMade(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newShop(t, d)
		full := errors.New("no space left on device")
		_, err := m.s.AddBatch(t.Context(), tenUnits("spring", 10), "test", models.Making{Export: func(models.Batch, []models.PrintedCode) error { return full }})
		m.refused(err, full)
		if all, err := m.s.Batches(t.Context(), models.BatchVouchers); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
		first, _ := m.make(tenUnits("spring", 10))
		if first.First != "00002000001" || first.Last != "00002000010" {
			t.Errorf("it has %s to %s", first.First, first.Last)
		}
		never := models.Making{Export: func(models.Batch, []models.PrintedCode) error { t.Error("it was exported"); return nil }}
		past := time.Now().Add(-time.Hour)
		for _, edit := range []func(*models.NewBatch){
			func(b *models.NewBatch) { b.Count = 0 },
			func(b *models.NewBatch) { b.Count = models.MaxBatch + 1 },
			func(b *models.NewBatch) { b.Name = "a/b" },
			func(b *models.NewBatch) { b.Name = "" },
			func(b *models.NewBatch) { b.Amount = 0 },
			func(b *models.NewBatch) { b.Amount = money.Unit / 2 },
			func(b *models.NewBatch) { b.Amount = 2_000_000 * money.Unit },
			func(b *models.NewBatch) { b.Currency = "euro" },
			func(b *models.NewBatch) { b.ValidUntil = &past },
			func(b *models.NewBatch) { b.CreditDays = -1 },
			func(b *models.NewBatch) { b.Language = "en" },
			func(b *models.NewBatch) { b.Deck = "retail" },
			func(b *models.NewBatch) { b.Kind, b.CreditDays = models.BatchCards, 3 },
			func(b *models.NewBatch) { b.Kind, b.Language = models.BatchCards, "English!" },
			func(b *models.NewBatch) { b.Kind = "" },
		} {
			b := tenUnits("x", 1)
			edit(&b)
			_, err := m.s.AddBatch(t.Context(), b, "test", never)
			m.refused(err, models.ErrInvalid)
		}
		_, err = m.s.AddBatch(t.Context(), tenUnits("spring", 1), "test", never)
		m.refused(err, models.ErrConflict)
		cards := tenUnits("cards", 1)
		cards.Kind, cards.Deck = models.BatchCards, "retail"
		_, err = m.s.AddBatch(t.Context(), cards, "test", never)
		m.refused(err, models.ErrNotFound)
		if _, err := m.s.AddDeck(t.Context(), models.RateDeck{Name: "retail", Currency: "EUR", Zone: "UTC"}, "test"); err != nil {
			t.Fatal(err)
		}
		_, err = m.s.AddBatch(t.Context(), cards, "test", never)
		m.refused(err, models.ErrConflict)

		// The name was free when it was looked at.
		cards.Deck = ""
		_, err = m.s.AddBatch(t.Context(), tenUnits("autumn", 1), "test", models.Making{Export: func(models.Batch, []models.PrintedCode) error {
			m.make(tenUnits("autumn", 1))
			return nil
		}})
		m.refused(err, models.ErrConflict)
		if all, err := m.s.Batches(t.Context(), models.BatchCards); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
		if got := balances(t, m.s); len(got) != 0 {
			t.Errorf("there are users: %v", got)
		}

		// Nobody can have the name of a card that there will be, or the batch is not made.
		if _, err := m.s.AddUser(t.Context(), models.NewUser{Username: "card-00005000003"}, "test"); err != nil {
			t.Fatal(err)
		}
		cards.Name, cards.Count = "taken", 5
		_, err = m.s.AddBatch(t.Context(), cards, "test", models.Making{Export: func(models.Batch, []models.PrintedCode) error { return nil }})
		m.refused(err, models.ErrConflict)
		if err == nil || !strings.Contains(err.Error(), "somebody has the username of one of the cards") {
			t.Error(err)
		}
		if got := balances(t, m.s); len(got) != 1 {
			t.Errorf("there are users: %v", got)
		}
	})
}

// TestManyCodes: ten thousand are all different, none tells of another, and the database has none of them.
func TestManyCodes(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newShop(t, d)
		const many = 10_000
		_, codes := m.make(tenUnits("spring", many))
		seen, ascending := map[string]bool{}, 0
		for i, c := range codes {
			if _, err := voucher.Parse(c.Code); err != nil || seen[c.Code] || c.Serial != fmt.Sprintf("00001%06d", i+1) {
				t.Fatalf("%+v, %v", c, err)
			}
			seen[c.Code] = true
			if i > 0 && c.Code > codes[i-1].Code {
				ascending++
			}
		}
		if len(seen) != many || ascending < many/2-300 || ascending > many/2+300 { // ten standard deviations
			t.Errorf("%d codes, of which %d are above the one before", len(seen), ascending)
		}
		got, err := m.s.Batch(t.Context(), models.BatchVouchers, "spring")
		if err != nil || got.Left != many || got.Worth != 10*many*money.Unit {
			t.Errorf("%+v, %v", got, err)
		}
		db := d.SQL(t)
		for _, columns := range []string{"serial, hash, state FROM vouchers", "action, target, after_json FROM audit_log"} {
			hasNone(t, db, "SELECT "+columns, seen)
		}
	})
}

// hasNone expects that no row of three texts has one of some codes.
func hasNone(t *testing.T, db *sql.DB, query string, codes map[string]bool) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	n := 0
	for rows.Next() {
		var texts [3]sql.NullString
		if err := rows.Scan(&texts[0], &texts[1], &texts[2]); err != nil {
			t.Fatal(err)
		}
		n++
		for _, text := range texts {
			for i := 0; i+voucher.Digits <= len(text.String); i++ {
				if codes[text.String[i:i+voucher.Digits]] {
					t.Fatalf("%q has a code", text.String)
				}
			}
		}
	}
	if rows.Err() != nil || n == 0 {
		t.Errorf("%d rows, %v", n, rows.Err())
	}
}

// TestCards: each is a user with money and a PIN, until it is blocked or its time is past.
func TestCards(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newShop(t, d)
		if _, err := m.s.AddDeck(t.Context(), models.RateDeck{Name: "retail", Currency: "EUR", Zone: "UTC"}, "test"); err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(24 * time.Hour)
		b := models.NewBatch{
			Kind: models.BatchCards, Name: "kiosk", Count: 1203, Amount: 5 * money.Unit, Currency: "EUR", Deck: "retail", Language: "pt_BR", ValidUntil: &until,
		}
		told := 0
		var codes []models.PrintedCode
		_, err := m.s.AddBatch(t.Context(), b, "test", models.Making{
			Export: func(_ models.Batch, all []models.PrintedCode) error { codes = all; return nil }, Progress: func(n int) { told = n },
		})
		if err != nil || told != 1203 {
			t.Fatalf("told %d, %v", told, err)
		}
		login := func(pin string) (models.User, error) {
			return m.s.CardUser(t.Context(), models.CardLogin{PIN: pin, From: "555"})
		}
		for _, i := range []int{0, 499, 500, 1202} {
			u, err := login(codes[i].Code)
			if err != nil || u.Username != "card-"+codes[i].Serial || u.CLID != nil || u.PasswordHash != "" || u.Currency != "EUR" || u.Deck == 0 {
				t.Errorf("%+v, %v", u, err)
			}
			balance, err := m.s.UserByName(t.Context(), u.Username)
			if err != nil || balance.Available != 5*money.Unit {
				t.Errorf("%+v, %v", balance, err)
			}
			if language, err := m.s.CardLanguage(t.Context(), u.ID); err != nil || language != "pt_BR" {
				t.Errorf("language %q, %v", language, err)
			}
		}
		counts := func(used, blocked, expired, left int64) {
			t.Helper()
			got, err := m.s.Batch(t.Context(), models.BatchCards, "kiosk")
			if err != nil || got.Redeemed != used || got.Blocked != blocked || got.Expired != expired || got.Left != left || got.Worth != 1203*5*money.Unit {
				t.Errorf("%+v, %v", got, err)
			}
		}
		counts(4, 0, 0, 1203)
		if n, err := m.s.ChangeBatch(t.Context(), models.BatchCards, "kiosk", models.BatchChange{State: models.VoucherBlocked, To: codes[0].Serial}, "test"); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		_, err = login(codes[0].Code)
		m.refused(err, models.ErrVoucherBlocked)
		counts(4, 1, 0, 1202)
		if _, err := m.redeem(codes[1].Code, 1); !errors.Is(err, models.ErrNoVoucher) {
			t.Errorf("a PIN is redeemed: %v", err)
		}
		last, err := login(codes[1202].Code)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.s.DeleteUser(t.Context(), last.ID, "test"); err != nil {
			t.Fatal(err)
		}
		_, err = login(codes[1202].Code)
		m.refused(err, models.ErrNoVoucher)
		if shown, err := m.s.VoucherBySerial(t.Context(), models.BatchCards, codes[1].Serial); err != nil || shown.User != "card-"+codes[1].Serial || shown.State != models.VoucherReady || shown.UsedAt != nil {
			t.Errorf("%+v, %v", shown, err)
		}
		if _, err := m.s.VoucherBySerial(t.Context(), models.BatchVouchers, codes[1].Serial); !errors.Is(err, models.ErrNotFound) {
			t.Error(err)
		}
		m.wait(25 * time.Hour)
		_, err = login(codes[1].Code)
		m.refused(err, models.ErrVoucherExpired)
	})
}

// voucherVictim makes TestVoucherVictim a process that redeems vouchers until it is killed. It holds what it needs to know.
const voucherVictim = "TALKTIME_TEST_VOUCHER_VICTIM"

type voucherWork struct {
	Config map[string]string
	Users  []int64
	Codes  []string
}

// TestVoucherVictim is no test, but the process that TestKillingRedeemersDoublesNothing kills.
func TestVoucherVictim(t *testing.T) {
	text := os.Getenv(voucherVictim)
	if text == "" {
		return
	}
	var work voucherWork
	if err := json.Unmarshal([]byte(text), &work); err != nil {
		t.Fatal(err)
	}
	c := store.Config{Location: time.UTC, Path: work.Config["Path"], Addr: work.Config["Addr"], User: work.Config["User"], Password: work.Config["Password"], Name: work.Config["Name"]}
	s, err := store.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	for {
		for i, code := range work.Codes {
			_, _ = s.RedeemVoucher(context.Background(), models.Redemption{Code: code, UserID: work.Users[i%len(work.Users)], Actor: "victim"}) // another may be at it
		}
	}
}

// TestKillingRedeemersDoublesNothing: two at a time are killed while they redeem the same vouchers, for the same users.
func TestKillingRedeemersDoublesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		m := newShop(t, d)
		const many = 200
		_, codes := m.make(tenUnits("spring", many))
		c := d.Config
		work := voucherWork{Users: members(t, m.s, 3, 0), Config: map[string]string{"Path": c.Path, "Addr": c.Addr, "User": c.User, "Password": c.Password, "Name": c.Name}}
		for _, printed := range codes {
			work.Codes = append(work.Codes, printed.Code)
		}
		text, err := json.Marshal(work)
		if err != nil {
			t.Fatal(err)
		}
		redeemed := func() int64 {
			b, err := m.s.Batch(t.Context(), models.BatchVouchers, "spring")
			if err != nil {
				t.Fatal(err)
			}
			return b.Redeemed
		}
		for kills := range int64(4) {
			var victims [2]*storetest.Child
			for i := range victims {
				cmd := exec.Command(os.Args[0], "-test.run=^TestVoucherVictim$", "-test.count=1")
				cmd.Env = append(os.Environ(), voucherVictim+"="+string(text))
				if victims[i], err = storetest.StartChild(cmd); err != nil {
					t.Fatal(err)
				}
			}
			for redeemed() < 40*(kills+1) {
				if victims[0].Ended() || victims[1].Ended() || t.Context().Err() != nil {
					t.Fatal("a victim ended by itself")
				}
			}
			victims[0].Kill()
			victims[1].Kill()
		}
		for i, code := range work.Codes {
			err := untilDone(t.Context(), func() error { _, err := m.redeem(code, work.Users[i%3]); return err })
			if err != nil {
				t.Errorf("code %d: %v", i, err)
			}
		}
		sum := int64(0)
		for units, users := range balances(t, m.s) {
			sum += units * int64(users)
		}
		if sum != 10*many || redeemed() != many {
			t.Errorf("%d units were given for %d vouchers, want %d", sum, redeemed(), 10*many)
		}
	})
}
