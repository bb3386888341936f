package models

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"talktime/money"
)

// ListRequest says which part of a list is wanted.
type ListRequest struct {
	Query    string         // in the search language; empty = everything
	Location *time.Location // of times in the query that have no zone; nil = UTC
	User     int64          // only what is this user's; 0 = everybody's
	Only     Owner          // only what is his, whatever else is asked for; nobody else's figures can be searched either; zero = everybody's
	NoRead   bool           // neither what users have and whom they call can be searched, nor more of those beside a call than is shown there
	Number   int            // of the page, from 1
	Size     int            // of a page
	After    int64          // only what comes after the row with this key, in place of pages; 0 = from the start
}

// List is a page of a list.
type List[T any] struct {
	Items   []T
	Total   int64
	AtLeast bool // there are Total or more: nobody has counted them to the end
	Single  bool // the query asked for the one object itself
}

// Failures of a search.
var (
	ErrQueryText  = fmt.Errorf("%w: the query is not JSON", ErrInvalid)
	ErrQuery      = fmt.Errorf("%w: the query cannot be carried out", ErrInvalid)
	ErrManyFound  = fmt.Errorf("%w: several were found where one was asked for", ErrInvalid)
	ErrNoneFound  = fmt.Errorf("%w: none was found where one was asked for", ErrNotFound)
	ErrDeepPage   = fmt.Errorf("%w: pages have numbers up to %d; go on with after=KEY", ErrInvalid, MaxPage)
	ErrLastAdmin  = fmt.Errorf("%w: this is the last administrator", ErrConflict)
	ErrSlowSearch = errors.New("the search takes too long; ask for less: look for an id, a name or a number, and leave out what is computed")
	ErrSearches   = errors.New("too many searches are under way; try again")
	ErrBilled     = fmt.Errorf("%w: the record of a call that was billed is never changed", ErrConflict)
	ErrHoldIsOpen = fmt.Errorf("%w: a call in progress holds money", ErrConflict)
)

// MaxPage is the highest number of a page. What comes behind it is reached by keys, which cost the same everywhere.
const MaxPage = 1000

// Profile is what is known of a user beyond his phone and his money.
type Profile struct {
	Name      string  // of the person
	Level     int     // LevelAdmin, LevelUser, LevelCollaborator
	AccountID *string // what other systems call him; unique
	Address   string  // where he lives
	CPF       string  // his number at the tax office
}

// The levels of users.
const (
	LevelAdmin        = 0
	LevelUser         = 1
	LevelCollaborator = 2
)

// UserDetail is a user with everything that is shown of him.
type UserDetail struct {
	Balance
	Profile
	Historic   []LedgerEntry // newest first, at most 10
	Originated []CDR         // in the order of their ids, the newest few
	Received   []CDR
	// There are older calls than these.
	MoreOriginated, MoreReceived bool
}

// UserChange is what is to become of a user. What is nil stays.
type UserChange struct {
	Username     *string
	PasswordHash *string // raises the epoch, which ends his sessions
	CLID         **string
	IMSI         **string
	Admin        *bool
	Name         *string
	Level        *int
	AccountID    **string
	Address      *string
	CPF          *string
	Blocked      *bool          // whether all his accounts refuse new calls
	Currency     *string        // of his money; his balance must be 0, and no call in progress
	CreditLimit  *money.Amount  // how far below zero he may go; what he owes or has held already must fit in
	LowBalance   **money.Amount // a balance of his below it is told; nil behind the pointer: as the settings say
	Groups       *Membership    // which he belongs to
}

// MaxCredit is the highest credit limit: sums with balances must not overflow.
const MaxCredit = 1_000_000_000_000 * money.Unit

// Empty reports whether nothing is to be changed.
func (c UserChange) Empty() bool { return c == UserChange{} }

// Validate returns all mistakes in c, joined; nil when there are none.
func (c UserChange) Validate() error {
	u := NewUser{Username: "some"}
	if c.Username != nil {
		u.Username = *c.Username
	}
	if c.CLID != nil && *c.CLID != nil {
		u.CLID = **c.CLID
	}
	if c.IMSI != nil && *c.IMSI != nil {
		u.IMSI = **c.IMSI
	}
	err := u.Validate()
	if c.Currency != nil && !ValidCurrency(*c.Currency) {
		err = errors.Join(err, fmt.Errorf("%w: currency must be 3 to 8 capital letters", ErrInvalid))
	}
	if c.CreditLimit != nil && (*c.CreditLimit < 0 || *c.CreditLimit > MaxCredit) {
		err = errors.Join(err, fmt.Errorf("%w: a credit limit must not be negative, and be at most %s", ErrInvalid, MaxCredit))
	}
	if c.LowBalance != nil && *c.LowBalance != nil && (**c.LowBalance < -MaxCredit || **c.LowBalance > MaxCredit) {
		err = errors.Join(err, fmt.Errorf("%w: low_balance must be from -%s to %s", ErrInvalid, MaxCredit, MaxCredit))
	}
	if c.CLID != nil && *c.CLID != nil && u.CLID == "" {
		err = errors.Join(err, fmt.Errorf(`%w: clid must be 1 to 20 digits, with an optional leading +`, ErrInvalid))
	}
	if c.IMSI != nil && *c.IMSI != nil && u.IMSI == "" {
		err = errors.Join(err, fmt.Errorf(`%w: imsi must be 1 to 16 digits`, ErrInvalid))
	}
	if c.Level != nil && (*c.Level < LevelAdmin || *c.Level > LevelCollaborator) {
		err = errors.Join(err, fmt.Errorf("%w: level must be 0, 1 or 2", ErrInvalid))
	}
	if c.Name != nil && !printable(*c.Name, 0, 120) {
		err = errors.Join(err, fmt.Errorf("%w: name must have at most 120 printable characters", ErrInvalid))
	}
	if c.Address != nil && !printable(*c.Address, 0, 200) {
		err = errors.Join(err, fmt.Errorf("%w: address must have at most 200 printable characters", ErrInvalid))
	}
	if c.CPF != nil && !printable(*c.CPF, 0, 20) {
		err = errors.Join(err, fmt.Errorf("%w: cpf must have at most 20 printable characters", ErrInvalid))
	}
	if c.AccountID != nil && *c.AccountID != nil && !printable(**c.AccountID, 1, 64) {
		err = errors.Join(err, fmt.Errorf("%w: account_id must have 1 to 64 printable characters", ErrInvalid))
	}
	return err
}

// LedgerEntry is one line on a user's account with the transaction it belongs to.
type LedgerEntry struct {
	ID            int64 // of its own, which grows with that of the transaction
	TransactionID int64
	UserID        int64
	AccountID     int64
	Account       string // its name: main, or one of those for promotional credit
	Currency      string
	Amount        money.Amount // signed
	Kind          string
	Ref           string
	Actor         string
	PostedAt      time.Time
	Refill        string // which refill it is, for people: the group's name and the date; empty for other kinds
}

// PageRef is the beginning of the references of what was booked on a page. Behind it stand a key and perhaps, after a blank,
// a note.
const PageRef = "page-"

// Note says what an entry is for, where somebody said so: which refill it is, or the note that was written on a page.
func (e LedgerEntry) Note() string {
	switch e.Kind {
	case KindRefill:
		return e.Refill
	case KindTopUp, KindDebit:
		if strings.HasPrefix(e.Ref, PageRef) {
			_, note, _ := strings.Cut(e.Ref, " ")
			return note
		}
	}
	return ""
}

// CDR is the record of a call that was answered. From and To are 0 for those who are no users of ours.
type CDR struct {
	ID       int64
	CallID   string
	From, To int64
	Answer   time.Time
	BillSec  int64
}

// AuditLine is a line of the audit log: who did what outside the ledger.
type AuditLine struct {
	ID            int64
	At            time.Time
	Actor         string
	Action        string
	Target        string
	Before, After string // JSON; empty when there is none
}

// NamedEntry is a ledger entry with the name of its account: main and the like, or the house's cash, revenue….
type NamedEntry struct {
	LedgerEntry
	Account string
}
