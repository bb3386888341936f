package models

import (
	"time"

	"talktime/money"
)

// Kinds of transaction. Kind and Ref together are unique, which makes every movement of money safe to repeat.
const (
	KindTopUp  = "topup"  // money in; Ref is the payer's, or one we made
	KindDebit  = "debit"  // money taken by an operator
	KindCall   = "call"   // the charge of a call; Ref is its CallID
	KindClosed = "closed" // the balance of a deleted user; Ref is his id

	KindTransfer = "transfer" // from one user to another; Ref is the payer's, or one we made
	KindRefill   = "refill"   // a group's, on one of its dates; Ref is the date's id and the member's
	KindVoucher  = "voucher"  // money in by a voucher that was sold before; Ref is its serial
	KindExpire   = "expire"   // promotional credit that was not used in time; Ref is the account's id and the transaction's
	KindRerate   = "rerate"   // adjusts the charge of a call; Ref is the re-rating's id and the call's CallID
)

// Ref names a transaction for everybody, before and after it is posted.
type Ref struct {
	Kind string
	Ref  string
}

// Transaction is a set of entries that sum to zero. It is never changed once posted.
type Transaction struct {
	ID       int64
	Ref      Ref
	PostedAt time.Time
	Actor    string // who caused it, for people
	Entries  []Entry
	Key      string    // a client's: no other transaction of any kind may have it; empty: none. It is written and never read
	Expires  time.Time // of promotional credit, as it was promised: it may live longer beside other; zero: the money stays
}

// Entry adds a signed amount to one account.
type Entry struct {
	AccountID int64
	Amount    money.Amount
}
