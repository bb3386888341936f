package models

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"talktime/money"
)

// SEC is the default currency: one unit is one second of talk time.
const SEC = "SEC"

// User is a person or a phone. CLID and IMSI are nil when he has none, for instance an operator without a phone.
type User struct {
	ID           int64
	Username     string
	PasswordHash string // empty: cannot log in
	CLID         *string
	IMSI         *string
	Admin        bool
	Currency     string
	Epoch        int64   // raised to end all sessions of the user
	Deck         int64   // id of the rate deck assigned to him; 0 = none
	GroupDeck    int64   // id of that of his first group that has one; 0 = none, or not looked for
	Limits       *Limits // that hold for him, also those of his groups and of the site; nil = none, or not looked for
	CreatedAt    time.Time
	DeletedAt    *time.Time
}

// NewUser is what is needed to make one. Balance is the opening balance, posted as a top-up.
type NewUser struct {
	Username     string
	PasswordHash string
	CLID         string
	IMSI         string
	Admin        bool
	Currency     string // empty: SEC
	Deck         int64  // id of his rate deck; 0 = none
	Balance      money.Amount
}

var (
	clidForm     = regexp.MustCompile(`^\+?[0-9]{1,20}$`)
	imsiForm     = regexp.MustCompile(`^[0-9]{1,16}$`)
	usernameForm = regexp.MustCompile(`^[^\pC\s/][^\pC/]{0,63}$`)
)

// Dots reports whether a name is one that no browser can ask for: in a path, . and .. are folders.
func Dots(name string) bool { return name == "." || name == ".." }

// MinPassword is the least number of characters in a password.
const MinPassword = 6

// Validate returns all mistakes in u, joined; nil when there are none.
func (u NewUser) Validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !usernameForm.MatchString(u.Username) || Dots(u.Username) || strings.TrimSpace(u.Username) != u.Username || !utf8.ValidString(u.Username) {
		fault("username %q must have 1 to 64 printable characters without a slash, and no space at its ends, and be neither . nor ..", u.Username)
	}
	if u.CLID != "" && !clidForm.MatchString(u.CLID) {
		fault("clid %q must be 1 to 20 digits, with an optional leading +", u.CLID)
	}
	if u.IMSI != "" && !imsiForm.MatchString(u.IMSI) {
		fault("imsi %q must be 1 to 16 digits", u.IMSI)
	}
	if u.Currency != "" && !ValidCurrency(u.Currency) {
		fault("currency %.20q must be 3 to 8 capital letters", u.Currency)
	}
	if u.Balance < 0 {
		fault("balance %s must not be negative", u.Balance)
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInvalid, errors.Join(errs...))
}

// AccountStatus says whether an account may be used.
type AccountStatus string

// What an account's status may be.
const (
	AccountActive  AccountStatus = "active"
	AccountBlocked AccountStatus = "blocked" // no new calls
	AccountClosed  AccountStatus = "closed"  // its user was deleted, or has another currency now
)

// Account holds money of one user in one currency.
type Account struct {
	ID          int64
	UserID      int64
	Name        string // main, or promo1 to promo3 for money that expires
	Currency    string
	Balance     money.Amount // sum of its ledger entries
	Held        money.Amount // sum of its parts of open holds
	CreditLimit money.Amount
	Status      AccountStatus
	Burn        int       // accounts with a lower number are spent first
	Expires     time.Time // its money counts no more then, but for what is held; zero: never
	Expired     bool      // by the database's clock, when it was read

	// Of the calls of its user, on his main account only.
	OpenCalls    int64         // in progress
	Hour         int64         // of SpentHour, as YYYYMMDDHH in the zone of the settings; 0: nothing was spent yet
	SpentHour    money.Amount  // on calls, in that hour
	SpentDay     money.Amount  // in the day of that hour
	PremiumDay   int64         // of PremiumCalls, as YYYYMMDD
	PremiumCalls int64         // to premium numbers on that day
	Warn         *money.Amount // a balance below it is told; nil: none is
}

// MainAccount is the name of the account into which money is paid, and which counts its user's calls.
const MainAccount = "main"

// PromoAccount is the name of the accounts for promotional credit, before their number.
const PromoAccount = "promo"

// Available is what may be held or taken now.
func (a Account) Available() money.Amount { return a.Balance - a.Held + a.CreditLimit }

// Balance is a user with the sums over his accounts, as lists show him.
type Balance struct {
	User
	Balance    money.Amount
	Held       money.Amount
	Available  money.Amount  // with the credit limit, without what has expired
	Credit     money.Amount  // the credit limit: how far below zero he may go
	LowBalance *money.Amount // a balance below it is told; nil: as the settings say
	Blocked    bool          // makes no new calls: one of his accounts is AccountBlocked
	Promotions []Promotion   // a part of Balance: what expires, the earliest first
}

// Promotion is promotional credit of a user that has not expired yet.
type Promotion struct {
	Balance money.Amount // of which Held
	Held    money.Amount // by calls in progress
	Expires time.Time
}

// Add takes an account of the user into the sums. One that is closed, since his currency was changed, is in none.
func (b *Balance) Add(a Account) {
	if a.Currency != b.Currency {
		return
	}
	b.Balance += a.Balance
	b.Held += a.Held
	b.Credit += a.CreditLimit
	if a.Warn != nil {
		b.LowBalance = a.Warn
	}
	b.Blocked = b.Blocked || a.Status == AccountBlocked
	if a.Expired {
		return
	}
	b.Available += a.Available()
	if !a.Expires.IsZero() && a.Balance > 0 {
		b.Promotions = append(b.Promotions, Promotion{a.Balance, a.Held, a.Expires.UTC()})
		slices.SortFunc(b.Promotions, func(a, b Promotion) int { return a.Expires.Compare(b.Expires) })
	}
}

// The house accounts: the other side of every customer's entry. They exist once for each currency and carry no
// cached balance, so that no two calls ever wait for one of their rows.
const (
	HouseCash      = "cash"      // money paid in, negative
	HouseRevenue   = "revenue"   // what calls were charged
	HouseShortfall = "shortfall" // charged, but covered by nobody's money; negative
	HouseClosed    = "closed"    // balances of deleted users
	HouseExpired   = "expired"   // promotional credit that nobody used in time
)
