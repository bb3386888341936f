package models

import (
	"errors"
	"regexp"
	"time"

	"talktime/money"
)

// Why a voucher's code or a calling card's PIN is refused. None of them is an internal error.
var (
	ErrNoVoucher      = errors.New("there is no voucher or card with this code")
	ErrVoucherUsed    = errors.New("the voucher has been redeemed already")
	ErrVoucherBlocked = errors.New("the voucher or card is blocked")
	ErrVoucherExpired = errors.New("the voucher or card has expired")
	ErrTooManyTries   = errors.New("too many wrong codes; try again later")
)

// Redemption is a user's wish to have a voucher's amount put on his account.
type Redemption struct {
	Code   string // as it was typed or dialled: blanks and hyphens in it do not count
	UserID int64
	From   string // who tries: a caller id or an address, for whom wrong codes are counted; empty: the user alone
	Actor  string
}

// Redeemed is a voucher that was redeemed.
type Redeemed struct {
	Serial    string
	Amount    money.Amount
	Currency  string
	Expires   *time.Time   // of the credit; nil: it stays
	Available money.Amount // what the user may spend now
	Already   bool         // the same user has redeemed it before, and nothing was done
}

// CardLogin is a calling card's PIN, and who typed it.
type CardLogin struct {
	PIN, From string // From is a caller id or an address, for whom wrong PINs are counted
}

// Kinds of batches.
const (
	BatchVouchers = "voucher" // codes that put money on an account
	BatchCards    = "card"    // users, who say their PIN by telephone and call
)

// MaxBatch is how many vouchers or cards a batch has at most.
const MaxBatch = 100_000

// NewBatch is what is needed to make vouchers or cards, all at once.
type NewBatch struct {
	Kind       string // BatchVouchers or BatchCards
	Name       string // unique among those of its kind
	Count      int
	Amount     money.Amount // of each
	Currency   string
	ValidUntil *time.Time // first instant at which they are good for nothing; nil: never
	CreditDays int        // for how long the credit of a voucher is good once it is redeemed; 0: for ever
	Deck       string     // name of the tariff of cards; empty: none of their own
	Language   string     // of cards, for what callers hear; empty: not said
}

// Batch is vouchers or cards that were made together.
type Batch struct {
	NewBatch

	ID        int64
	CreatedAt time.Time
	Actor     string
	First     string // serial of the first one
	Last      string
	Redeemed  int64 // of cards: how many have been called with
	Blocked   int64
	Expired   int64        // or past their time
	Left      int64        // of those made, what is neither redeemed, blocked nor expired; of cards what may be called with
	Worth     money.Amount // what the left ones of vouchers are worth; of cards what is on their accounts
}

// States of a voucher or card.
const (
	VoucherReady   = "ready"
	VoucherBlocked = "blocked" // until it is unblocked
	VoucherExpired = "expired" // for good
	VoucherUsed    = "used"    // redeemed; never a card
)

// Voucher is a voucher or a card as it may be shown: nobody can read its code again.
type Voucher struct {
	Serial string
	Batch  Batch      // without its counts
	State  string     // VoucherExpired also when its time is past
	User   string     // who redeemed it, or the card's user; empty: nobody, or he was deleted
	UsedAt *time.Time // when it was redeemed, or a card used first
}

// BatchChange is what is to become of a batch's vouchers or cards, or of a series of them. Those that were redeemed stay.
type BatchChange struct {
	State    string // VoucherReady, of blocked ones; VoucherBlocked, of ready ones; VoucherExpired, of both
	From, To string // serials, both with what is between; empty: from the first, to the last
}

// PrintedCode is a code beside the serial that is printed on the same card, for the one file that has it.
type PrintedCode struct{ Serial, Code string }

var (
	batchForm    = regexp.MustCompile(`^[\pL\pN][\pL\pN ._-]{0,62}[\pL\pN]$|^[\pL\pN]$`)
	languageForm = regexp.MustCompile(`^[a-z]{2,3}([_-][A-Za-z0-9]{2,8})?$`)
)

// maxVoucher is the most that a voucher or card may be worth: so many that a batch of them can be added up.
const maxVoucher = 1_000_000 * money.Unit

// Validate reports what is wrong with a batch that is to be made at a time, in one sentence.
func (b NewBatch) Validate(now time.Time) error {
	switch {
	case b.Kind != BatchVouchers && b.Kind != BatchCards:
		return invalid("a batch is of vouchers or of cards")
	case !batchForm.MatchString(b.Name):
		return invalid("the batch's name %.80q must have 1 to 64 letters and digits, between them also blanks, dots, _ and -", b.Name)
	case b.Count < 1 || b.Count > MaxBatch:
		return invalid("a batch has 1 to %d of them", MaxBatch)
	case !ValidCurrency(b.Currency):
		return invalid("currency %.20q must be 3 to 8 capital letters", b.Currency)
	case b.Amount <= 0 || b.Amount > maxVoucher:
		return invalid("the amount must be positive and at most %s", maxVoucher)
	case b.Currency == SEC && b.Amount%money.Unit != 0:
		return invalid("the amount must be whole: a SEC is a second of talk")
	case b.ValidUntil != nil && (!b.ValidUntil.After(now) || b.ValidUntil.UTC().Year() > 9999):
		return invalid("the time until which they are valid must be to come, and before the year 10000")
	case b.CreditDays < 0 || b.CreditDays > maxCreditDays:
		return invalid("the credit is good for 1 to %d days, or 0 for ever", maxCreditDays)
	case b.Kind == BatchCards && b.CreditDays != 0:
		return invalid("the credit of cards has no time of its own; say until when the cards are valid")
	case b.Kind == BatchVouchers && (b.Deck != "" || b.Language != ""):
		return invalid("vouchers have neither a tariff nor a language: cards have")
	case b.Language != "" && !languageForm.MatchString(b.Language):
		return invalid("language %.20q must be such as en or pt_BR", b.Language)
	}
	return nil
}

// maxCreditDays is for how long the credit of a voucher may be good: ten years.
const maxCreditDays = 3650

// Making is how a batch is made. Export gets the codes before there is such a batch: when it fails, there will be none. It
// must have stored them durably when it returns, since nobody can read them again. Progress is told how many are made.
type Making struct {
	Export   func(Batch, []PrintedCode) error
	Progress func(done int) // may be nil
}
