package billing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"talktime/models"
	"talktime/money"
)

// MaxPromos is how many accounts with promotional credit a user has at most: with the main one they are as many as may have
// entries in one transaction.
const MaxPromos = 3

// maxPromise is for how many years promotional credit may be promised.
const maxPromise = 100

// BurnOrder compares accounts of a user by what is spent first: what expires, the earliest before the others, then what stays,
// and of that the main account last.
func BurnOrder(a, b models.Account) int {
	switch {
	case a.Expires.IsZero() != b.Expires.IsZero():
		if a.Expires.IsZero() {
			return 1
		}
		return -1
	case !a.Expires.Equal(b.Expires):
		return a.Expires.Compare(b.Expires)
	case (a.Name == models.MainAccount) != (b.Name == models.MainAccount):
		if a.Name == models.MainAccount {
			return 1
		}
		return -1
	case a.Burn != b.Burn:
		return a.Burn - b.Burn
	}
	return int(a.ID - b.ID)
}

// isPromo reports whether an account is one for promotional credit, whether there is some on it or not.
func isPromo(a models.Account) bool {
	number, ok := strings.CutPrefix(a.Name, models.PromoAccount)
	return ok && len(number) == 1 && number >= "1" && number <= fmt.Sprint(MaxPromos)
}

// errLacking is returned by a decision that has told State.Lacking what it needs; it is taken again.
var errLacking = errors.New("the user has no accounts for promotional credit")

// until is the instant at which a movement's money expires, as it is kept; zero: never.
func (m Movement) until() time.Time {
	if m.Expires.IsZero() {
		return time.Time{}
	}
	return m.Expires.UTC().Truncate(time.Second)
}

// checkExpiry refuses an expiry that makes no sense at this time.
func (m Movement) checkExpiry(now time.Time) error {
	until := m.until()
	switch {
	case until.IsZero():
		return nil
	case m.Amount < 0:
		return refuse(models.ErrInvalid, "only money that is put in can expire")
	case !until.After(now):
		return refuse(models.ErrInvalid, "the money would have expired already, at %s", until.Format(time.RFC3339))
	case until.After(now.AddDate(maxPromise, 0, 0)):
		return refuse(models.ErrInvalid, "the money may expire within %d years at the latest", maxPromise)
	}
	return nil
}

// promo is the account of a purse into which money is paid that expires at an instant. It is one with the very same
// expiry, else an empty one. When all are in use it is the one that expires next after it, or the one that expires last,
// which then lives as long as this money: what was promised is never shortened.
func (s *State) promo(wallet purse, userID int64, until time.Time) (*models.Account, error) {
	var same, free, later, latest *models.Account
	n := 0
	for i := range wallet.accounts {
		a := &wallet.accounts[i]
		if !isPromo(*a) || !open(*a) {
			continue
		}
		n++
		switch {
		case a.Balance == 0 && a.Held == 0:
			free = a
		case a.Expired: // it has what calls in progress hold, and nothing comes back to life
		case a.Expires.Equal(until):
			same = a
		case a.Expires.After(until):
			if later == nil || a.Expires.Before(later.Expires) {
				later = a
			}
		case latest == nil || a.Expires.After(latest.Expires):
			latest = a
		}
	}
	account := same
	for _, other := range []*models.Account{free, later, latest} {
		if account == nil {
			account = other
		}
	}
	switch {
	case same == nil && free == nil && n < MaxPromos:
		s.Lacking = append(s.Lacking, userID)
		return nil, errLacking
	case account == nil:
		return nil, refuse(models.ErrConflict, "calls in progress hold the rest of promotional credit that has expired; there is room for more when they have ended")
	case account != same && account != later:
		account.Expires, account.Expired = until, false
	}
	return account, nil
}

// expire takes what has expired off a purse's accounts, but for what calls in progress hold.
func (s *State) expire(wallet purse, actor string, now time.Time) ([]models.Transaction, error) {
	var posted []models.Transaction
	for i := range wallet.accounts {
		a := &wallet.accounts[i]
		rest := a.Balance - a.Held
		if !a.Expired || rest <= 0 || !open(*a) {
			continue
		}
		house := s.House(a.Currency, models.HouseExpired)
		if house == 0 {
			return nil, noHouse(a.Currency)
		}
		a.Balance -= rest
		id := s.NewID()
		posted = append(posted, models.Transaction{
			ID: id, Ref: models.Ref{Kind: models.KindExpire, Ref: fmt.Sprintf("%d/%d", a.ID, id)}, PostedAt: now, Actor: actor,
			Entries: []models.Entry{{AccountID: a.ID, Amount: -rest}, {AccountID: house, Amount: rest}},
		})
	}
	return posted, nil
}

// DecideExpire takes what has expired off the accounts of users, which must be loaded, and notes it in the audit log. Money that
// a call holds stays for it; what the call gives back goes the next time. It returns how many accounts had some. It may be
// repeated, and be done by any number of processes: what is gone is gone.
func DecideExpire(st *State, users []int64, actor string, now time.Time) (int, error) {
	n := 0
	for _, user := range users {
		wallet := purse{slices.Clone(st.Accounts[user])}
		posted, err := st.expire(wallet, actor, now)
		if err != nil {
			return n, fmt.Errorf("user %d: %w", user, err)
		}
		if len(posted) == 0 {
			continue
		}
		st.apply(change{accounts: wallet.changed(st, user), transactions: posted})
		for _, t := range posted {
			a := wallet.account(t.Entries[0].AccountID)
			st.Logged = append(st.Logged, models.AuditLine{
				At: now, Actor: actor, Action: "promo.expire", Target: st.Users[user].Username,
				After: logText(map[string]any{
					"account": a.Name, "expires": a.Expires, "amount": -t.Entries[0].Amount, "currency": a.Currency, "held": a.Held, "ref": t.Ref.Ref,
				}),
			})
			n++
		}
	}
	return n, nil
}

// spendable reports whether an account's money pays for calls: it is open, and has not expired.
func spendable(a models.Account) bool { return open(a) && !a.Expired }

// lasting reports whether an account's money may be moved too: promotional credit is for calls only.
func lasting(a models.Account) bool { return open(a) && a.Expires.IsZero() }

// movable is what may be taken out or given to another user.
func (p purse) movable() money.Amount { return p.sum(lasting) }
