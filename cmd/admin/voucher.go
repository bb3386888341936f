package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"talktime/billing"
	"talktime/internal/config"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/voucher"
	"talktime/voucher/sheet"
)

// batchKind is what the verbs of vouchers and of cards differ in.
type batchKind struct{ kind, one, noun string }

func ofVouchers() batchKind { return batchKind{models.BatchVouchers, "voucher", "voucher"} }
func ofCards() batchKind    { return batchKind{models.BatchCards, "calling card", "card"} }

func voucherAdd(c *command) action {
	days := c.wholeNumber("credit-days", 0, 0, 3650, "DAYS|for how long the credit is good once a voucher is redeemed; for ever when left out")
	c.about = `
A voucher is a code of 16 digits that puts its amount on the account of whoever redeems it first: by telephone, by the API, or here.
Two of its digits are check digits, so that a wrong digit or two that are swapped are told without being a try.

The codes are in the one file that this writes, and nobody can read them again: the database has only hashes of them. FILE.pdf is
24 cards on each page of A4, FILE.csv is for a printer's shop, and - is CSV on standard output.`
	c.examples = []string{"admin voucher add spring --count 500 --amount 600 --out spring.pdf", "admin voucher add promo --count 50 --amount 5 --currency EUR --valid-until 2030-12-31 --credit-days 30 --out promo.csv"}
	add := batchAdd(c, ofVouchers())
	return func(ctx context.Context, operands []string) error {
		return add(ctx, models.NewBatch{Name: operands[0], CreditDays: *days})
	}
}

func cardAdd(c *command) action {
	deck := c.flags.String("tariff", "", "NAME|by which its calls are paid; the default of the currency when left out")
	language := c.flags.String("language", "", "CODE|of what callers hear, such as en or pt_BR")
	c.about = `
A calling card is a user with an opening balance, who has no number: he calls from any telephone and says his PIN of 16 digits. His
name is card- and the serial. The PINs are in the one file that this writes, and nobody can read them again, as with vouchers.`
	c.examples = []string{"admin card add kiosk --count 100 --amount 5 --currency EUR --tariff retail --valid-until 2030-12-31 --out kiosk.pdf"}
	add := batchAdd(c, ofCards())
	return func(ctx context.Context, operands []string) error {
		return add(ctx, models.NewBatch{Name: operands[0], Deck: *deck, Language: *language})
	}
}

// batchAdd gives a verb the flags that both kinds have, and makes the batch.
func batchAdd(c *command, k batchKind) func(context.Context, models.NewBatch) error {
	c.reports()
	c.makes = true
	count := c.wholeNumber("count", 0, 1, models.MaxBatch, "N|how many")
	amount := c.flags.String("amount", "", "AMOUNT|what each is worth")
	currency := c.flags.String("currency", models.SEC, "CODE|of the amount; SEC, a second of talk, when left out")
	until := c.flags.String("valid-until", "", "DATE|the last day on which they are good, such as 2030-12-31, or a time such as \"2030-12-31 18:00\"; for ever when left out")
	out := c.flags.String("out", "", "FILE|where the codes go: a name that ends with .csv or .pdf and that no file has yet, or - for CSV on standard output")
	return func(ctx context.Context, b models.NewBatch) error {
		b.Kind, b.Count, b.Currency = k.kind, *count, *currency
		switch {
		case *count == 0:
			return usagef("--count is missing: how many")
		case *amount == "":
			return usagef("--amount is missing: what each is worth")
		case *out == "":
			return usagef("--out is missing: where the codes go, which nobody can read again")
		case *out == "-" && c.json:
			return usagef("--json and --out - cannot go together: both are for standard output")
		}
		var err error
		if b.Amount, err = money.Parse(*amount); err != nil {
			return usageError{err}
		}
		format, err := formatOf(*out)
		if err != nil {
			return err
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			if *until != "" {
				at, err := voucher.ParseUntil(*until, cfg.Location)
				if err != nil {
					return usagef("--valid-until: %w", err)
				}
				b.ValidUntil = &at
			}
			if err := b.Validate(time.Now()); err != nil {
				return usageError{validation(err)}
			}
			return c.addBatch(ctx, db, b, k, *out, format, cfg.Location)
		})
	}
}

// formatOf is the format of a file by its name.
func formatOf(name string) (string, error) {
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case name == "-", ext == ".csv":
		return sheet.CSV, nil
	case ext == ".pdf":
		return sheet.PDF, nil
	}
	return "", usagef("--out is %q, but must end with .csv or .pdf, or be -", name)
}

func (c *command) addBatch(ctx context.Context, db *store.Store, b models.NewBatch, k batchKind, name, format string, zone *time.Location) error {
	told := c.progress()
	defer told.clear()
	exported := false
	made, err := db.AddBatch(ctx, b, actor(), models.Making{
		Export: func(made models.Batch, codes []models.PrintedCode) error {
			s := sheet.Sheet{Batch: made, Codes: codes, Location: zone, Progress: func(n int) { told.show("writing %s: %d of %d", name, n, b.Count) }}
			if name == "-" {
				if err := s.Write(c.out, format); err != nil {
					return err
				}
				return c.out.Flush()
			}
			err := writeOnce(name, func(f *os.File) error { return s.Write(f, format) })
			exported = err == nil
			return err
		},
		Progress: func(n int) { told.show("storing: %d of %d", n, b.Count) },
	})
	told.clear()
	switch {
	case errors.Is(err, billing.ErrUncertain):
		return fmt.Errorf("nobody knows whether they were made; keep what was written, and look with admin %s list: %w", k.noun, err)
	case err != nil:
		if exported {
			err = errors.Join(aboutTariff(err), os.Remove(name))
		}
		return fmt.Errorf("nothing was made: %w", aboutTariff(err))
	case name == "-":
		c.note("%s of the batch %s, no. %s to %s", counted(b.Count, k.one), b.Name, made.First, made.Last)
		return nil
	case c.json:
		made.Left, made.Worth = int64(b.Count), b.Amount*money.Amount(b.Count)
		return c.out.json(voucher.Show(made))
	}
	c.out.f("%s of the batch %s, no. %s to %s; the codes are in %s and nowhere else\n", counted(b.Count, k.one), b.Name, made.First, made.Last, name)
	return nil
}

// writeOnce writes a new file that only its owner can read, and returns when it is on the disk. There is none after an error.
func writeOnce(name string, write func(*os.File) error) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own file
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a file %s already; name another", name)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name)
		}
	}()
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close()) // else its name could be lost
}

func voucherList(c *command) action { return batchList(c, ofVouchers()) }
func cardList(c *command) action    { return batchList(c, ofCards()) }

func batchList(c *command, k batchKind) action {
	c.reports()
	c.about = "\nWORTH is what is left to be redeemed."
	redeemed := "REDEEMED"
	if k.kind == models.BatchCards {
		c.about, redeemed = "\nWORTH is what is on their accounts.", "CALLED"
	}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			batches, err := db.Batches(ctx, k.kind)
			if err != nil {
				return err
			}
			shown, rows := make([]voucher.ShownBatch, len(batches)), make([][]string, len(batches))
			for i, b := range batches {
				shown[i] = voucher.Show(b)
				until := "-"
				if b.ValidUntil != nil {
					until = b.ValidUntil.In(cfg.Location).Format("2006-01-02 15:04")
				}
				rows[i] = []string{
					b.Name, strconv.Itoa(b.Count), b.Amount.String(), b.Currency, strconv.FormatInt(b.Redeemed, 10), strconv.FormatInt(b.Blocked, 10),
					strconv.FormatInt(b.Expired, 10), strconv.FormatInt(b.Left, 10), b.Worth.String(), until, b.First, b.Last,
				}
			}
			if c.json {
				return c.out.json(shown)
			}
			table{
				{"BATCH", false},
				{"MADE", true},
				{"AMOUNT", true},
				{"CURRENCY", false},
				{redeemed, true},
				{"BLOCKED", true},
				{"EXPIRED", true},
				{"LEFT", true},
				{"WORTH", true},
				{"VALID UNTIL", false},
				{"FIRST", false},
				{"LAST", false},
			}.write(c.out, rows)
			return nil
		})
	}
}

// shownVoucher is a voucher or card as --json shows it.
type shownVoucher struct {
	Serial     string       `json:"serial"`
	Batch      string       `json:"batch"`
	State      string       `json:"state"`
	Amount     money.Amount `json:"amount"`
	Currency   string       `json:"currency"`
	ValidUntil *time.Time   `json:"valid_until"`
	User       *string      `json:"user"`
	UsedAt     *time.Time   `json:"used_at"`
}

func voucherShow(c *command) action { return batchShow(c, ofVouchers(), "00001000017") }
func cardShow(c *command) action    { return batchShow(c, ofCards(), "00002000001") }

func batchShow(c *command, k batchKind, example string) action {
	c.reports()
	c.about = "\nSERIAL is the number that is printed beside the code, and no secret. The code is shown nowhere."
	c.examples = []string{"admin " + k.noun + " show " + example}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			v, err := db.VoucherBySerial(ctx, k.kind, operands[0])
			if errors.Is(err, models.ErrNotFound) {
				return fmt.Errorf("there is no %s with the serial %q", k.one, operands[0])
			}
			if err != nil {
				return err
			}
			if c.json {
				return c.out.json(shownVoucher{v.Serial, v.Batch.Name, v.State, v.Batch.Amount, v.Batch.Currency, v.Batch.ValidUntil, orNil(v.User), v.UsedAt})
			}
			c.out.f("serial  %s\nbatch   %s\nworth   %s %s\nstate   %s\n", v.Serial, v.Batch.Name, v.Batch.Amount, v.Batch.Currency, v.State)
			for _, at := range []struct {
				what string
				time *time.Time
			}{{"until ", v.Batch.ValidUntil}, {"used  ", v.UsedAt}} {
				if at.time != nil {
					c.out.f("%s  %s\n", at.what, at.time.In(cfg.Location).Format(time.DateTime))
				}
			}
			if v.User != "" {
				c.out.f("user    %s\n", v.User)
			}
			return nil
		})
	}
}

func voucherBlock(c *command) action   { return batchChange(c, ofVouchers(), models.VoucherBlocked) }
func voucherUnblock(c *command) action { return batchChange(c, ofVouchers(), models.VoucherReady) }
func voucherExpire(c *command) action  { return batchChange(c, ofVouchers(), models.VoucherExpired) }
func cardBlock(c *command) action      { return batchChange(c, ofCards(), models.VoucherBlocked) }
func cardUnblock(c *command) action    { return batchChange(c, ofCards(), models.VoucherReady) }
func cardExpire(c *command) action     { return batchChange(c, ofCards(), models.VoucherExpired) }

// changedJSON is how many of a batch were changed, as --json shows it.
type changedJSON struct {
	Batch   string `json:"batch"`
	State   string `json:"state"`
	Changed int64  `json:"changed"`
}

func batchChange(c *command, k batchKind, state string) action {
	c.reports()
	change := models.BatchChange{State: state}
	c.flags.StringVar(&change.From, "from", "", "SERIAL|the first of the series; of the batch when left out")
	c.flags.StringVar(&change.To, "to", "", "SERIAL|the last of the series; of the batch when left out")
	words := map[string]string{models.VoucherBlocked: "blocked", models.VoucherReady: "unblocked", models.VoucherExpired: "expired"}[state]
	c.about = map[string]string{
		models.VoucherBlocked: "\nWhat is blocked can be unblocked.",
		models.VoucherReady:   "\nWhat has expired stays so.",
		models.VoucherExpired: "\nThat cannot be taken back.",
	}[state]
	if k.kind == models.BatchVouchers {
		c.about += " Vouchers that were redeemed stay as they are."
	} else {
		c.about += " A call in progress goes on; there is no further one while a card is blocked or expired. Its money stays on its account."
	}
	c.examples = []string{"admin " + c.verb.name + " spring", "admin " + c.verb.name + " spring --from 00001000100 --to 00001000199"}
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			n, err := db.ChangeBatch(ctx, k.kind, operands[0], change, actor())
			if errors.Is(err, models.ErrNotFound) {
				return fmt.Errorf("there is no batch %q of %ss", operands[0], k.one)
			}
			if err != nil {
				return aboutTariff(err)
			}
			if c.json {
				return c.out.json(changedJSON{operands[0], state, n})
			}
			c.out.f("%s of the batch %s %s\n", counted(int(n), k.one), operands[0], words)
			return nil
		})
	}
}

// redeemedJSON is a voucher that was redeemed, as --json shows it.
type redeemedJSON struct {
	Username  string       `json:"username"`
	Serial    string       `json:"serial"`
	Amount    money.Amount `json:"amount"`
	Currency  string       `json:"currency"`
	Expires   *time.Time   `json:"expires_at"`
	Available money.Amount `json:"available"`
	Already   bool         `json:"already"` // he had redeemed it before; nothing was changed now
}

func voucherRedeem(c *command) action {
	c.reports()
	c.about = `
CODE may have blanks and hyphens in it. It is better not on the command line, which other users of the machine can see: - reads it
from standard input, and without it a terminal is asked. Five wrong codes for a user keep him from redeeming for 15 minutes.`
	c.examples = []string{"admin voucher redeem marta", "admin voucher redeem marta - < code.txt"}
	return func(ctx context.Context, operands []string) error {
		code := "-"
		if len(operands) > 1 {
			code = operands[1]
		}
		if code == "-" {
			var err error
			if fd, interactive := terminal(c.stdin); interactive {
				code, err = c.ask(ctx, fd, "Code: ")
			} else {
				code, err = firstLine(c.stdin)
			}
			var none usageError
			if errors.As(err, &none) {
				return usagef("there is no code on standard input")
			}
			if err != nil {
				return err
			}
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			user, err := db.UserByName(ctx, operands[0])
			if err != nil {
				return unknownUser(operands[0], err)
			}
			done, err := db.RedeemVoucher(ctx, models.Redemption{Code: code, UserID: user.ID, Actor: actor()})
			if err != nil {
				return err
			}
			if c.json {
				return c.out.json(redeemedJSON{user.Username, done.Serial, done.Amount, done.Currency, done.Expires, done.Available, done.Already})
			}
			did := "added"
			if done.Already {
				did = "added already, nothing is changed now"
			}
			c.out.f("%s: %s %s %s; available: %s %s; voucher no. %s\n", user.Username, done.Amount, done.Currency, did, done.Available, done.Currency, done.Serial)
			return nil
		})
	}
}
