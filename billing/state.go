package billing

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"talktime/models"
	"talktime/money"
)

// Store keeps what billing decides.
type Store interface {
	// Update locks and loads the rows that keys name, calls decide once with them, writes what decide changed and
	// commits, all in one durable transaction. When the database asks for it (deadlock, lost connection) the
	// whole is done again with fresh rows, so decide must do nothing but decide. It returns
	// models.ErrUnavailable when the database cannot be reached.
	Update(ctx context.Context, keys Keys, decide func(*State)) error
}

// Keys name the rows that operations need. The accounts of all users that they name are locked, and those of the users
// whose calls hold money.
type Keys struct {
	Calls     []string // CallIDs to lock, with the latest Call of each channel
	NewCalls  []string // CallIDs that most likely do not exist: looked up only when inserting finds one
	Users     []int64
	CLIDs     []string
	IMSIs     []string
	Usernames []string
	Callees   []string     // CLIDs of users of whom nothing is locked, for they do not pay
	Refs      []models.Ref // transactions to look up
	Pools     []int64      // that a call may come to count in, beside those of its user's groups and those in which it counts
	Attempts  bool         // the pools of all carriers to whom the calls may be given are among them
	Share     bool         // State.Sharing of all payers is needed
	Strangers []Stranger
}

// Stranger is what is needed of a call when there is no such call. One that exists says itself who pays.
type Stranger struct {
	CallID string
	Keys   Keys
}

func (k *Keys) add(other Keys) {
	k.Calls = append(k.Calls, other.Calls...)
	k.NewCalls = append(k.NewCalls, other.NewCalls...)
	k.Users = append(k.Users, other.Users...)
	k.CLIDs = append(k.CLIDs, other.CLIDs...)
	k.IMSIs = append(k.IMSIs, other.IMSIs...)
	k.Usernames = append(k.Usernames, other.Usernames...)
	k.Callees = append(k.Callees, other.Callees...)
	k.Refs = append(k.Refs, other.Refs...)
	k.Pools = append(k.Pools, other.Pools...)
	k.Attempts = k.Attempts || other.Attempts
	k.Share = k.Share || other.Share
	k.Strangers = append(k.Strangers, other.Strangers...)
}

// Knowing is the keys once it is known which calls exist: what strangers need is among them then.
func (k Keys) Knowing(exists func(callID string) bool) Keys {
	strangers := k.Strangers
	k.Strangers = nil
	all := Keys{}
	all.add(k)
	for _, s := range strangers {
		if !exists(s.CallID) {
			all.add(s.Keys)
		}
	}
	return all
}

// State is the rows that were loaded for a batch of operations, as the operations decided so far have left them.
type State struct {
	Users        map[int64]models.User
	ByCLID       map[string]int64
	ByIMSI       map[string]int64
	ByUsername   map[string]int64
	Accounts     map[int64][]models.Account // of a user, in burn order
	Calls        map[string]models.Call     // by CallID; of a channel with several, the first and the latest
	Transactions map[models.Ref]models.Transaction
	Pools        map[int64]models.Pool
	PoolsOf      map[int64][]int64                 // of a user's groups, in order
	Visited      map[int64]map[string]time.Time    // countries that a user has called, and since when; of those whose limits ask for it
	Sharing      map[int64][]models.Call           // open calls of a user that are held in slices, if Keys.Share asks for them; not locked, but nobody changes what they hold
	House        func(currency, name string) int64 // id of a house account
	NewID        func() int64                      // id for a new call or transaction

	Warn map[string]money.Amount // balances below which it is told, by currency, of users who have no own one

	Recalled map[int64]bool // users of whom Visited may lack what was added a moment ago

	// What the operations decided. The store writes it.
	ChangedAccounts map[int64]models.Account
	ChangedCalls    map[string]models.Call
	ChangedPools    map[int64]models.Pool
	Posted          []models.Transaction
	Logged          []models.AuditLine
	Refused         []models.Refused
	Notices         []models.Notice
	NewlyVisited    []models.Visited
	Expiries        map[int64]time.Time // of accounts that got another
	Moved           map[int64]bool      // users with calls in progress, whose keepers must look at them: there is more money, or less
	Lacking         []int64             // users who need accounts for promotional credit: these are made, and all is decided again
	Unsure          bool                // a country seems to be new, of which Visited would have to know all: all must be decided again
	Doubt           []string            // of Keys.NewCalls, on whose absence a refusal rests: if one exists, all must be decided again
}

// NewState makes an empty state to load rows into.
func NewState() *State {
	return &State{
		Users: map[int64]models.User{}, ByCLID: map[string]int64{}, ByIMSI: map[string]int64{},
		ByUsername: map[string]int64{}, Accounts: map[int64][]models.Account{}, Calls: map[string]models.Call{},
		Transactions: map[models.Ref]models.Transaction{}, Pools: map[int64]models.Pool{}, PoolsOf: map[int64][]int64{},
		Visited: map[int64]map[string]time.Time{}, Recalled: map[int64]bool{},
		Sharing: map[int64][]models.Call{}, Expiries: map[int64]time.Time{}, Moved: map[int64]bool{},
		ChangedAccounts: map[int64]models.Account{}, ChangedCalls: map[string]models.Call{}, ChangedPools: map[int64]models.Pool{},
	}
}

// AddUser puts a loaded user where operations find him.
func (s *State) AddUser(u models.User) {
	s.Users[u.ID] = u
	s.ByUsername[u.Username] = u.ID
	if u.CLID != nil {
		s.ByCLID[*u.CLID] = u.ID
	}
	if u.IMSI != nil {
		s.ByIMSI[*u.IMSI] = u.ID
	}
}

// change is what one operation wants to write. Nothing of it reaches the state unless the operation succeeds.
type change struct {
	accounts     []models.Account
	calls        []models.Call
	transactions []models.Transaction
	visited      []models.Visited
	notices      []models.Notice
}

// apply is the only place where what was decided reaches the state: whatever counts calls or watches balances is here.
func (s *State) apply(c change) {
	s.touch(c)
	for _, a := range c.accounts {
		s.warn(a, c)
		s.setAccount(a)
	}
	for _, call := range c.calls {
		s.count(s.Calls[call.CallID], -1)
		s.count(call, 1)
		s.Calls[call.CallID] = call
		s.ChangedCalls[call.CallID] = call
	}
	for _, v := range c.visited {
		visited := maps.Clone(s.Visited[v.UserID]) // whoever loaded it may keep it
		if visited == nil {
			visited = map[string]time.Time{}
		}
		visited[v.Country] = v.First
		s.Visited[v.UserID] = visited
		s.NewlyVisited = append(s.NewlyVisited, v)
	}
	s.Notices = append(s.Notices, c.notices...)
	for _, t := range c.transactions {
		s.Transactions[t.Ref] = t
		s.Posted = append(s.Posted, t)
	}
}

// touch notes whose calls in progress, but for the one that a change is about, have more money by it, or less, before it is made. A call that
// begins takes nothing from those that go on: what they hold is theirs. One that ends leaves them something, which matters while money is scarce.
func (s *State) touch(c change) {
	others := func(userID, own int64) {
		if main := (purse{s.Accounts[userID]}).main(); main != nil && main.OpenCalls > own {
			s.Moved[userID] = true
		}
	}
	if slices.ContainsFunc(c.transactions, func(t models.Transaction) bool { return t.Ref.Kind != models.KindCall }) {
		for _, a := range c.accounts {
			others(a.UserID, 0)
		}
	}
	for _, call := range c.calls {
		was := s.Calls[call.CallID]
		ends := was.State == models.CallOpen && (call.State != models.CallOpen || call.Held() < was.Held())
		late := was.State != "" && was.State != models.CallOpen && len(c.transactions) > 0 // it may have cost less than was thought
		switch scarce := (ends || late) && s.purse(call.UserID, call.Rate.Currency).scarce(); {
		case scarce && ends:
			others(call.UserID, 1)
		case scarce:
			others(call.UserID, 0)
		}
	}
}

func (s *State) setAccount(a models.Account) {
	s.ChangedAccounts[a.ID] = a
	for i, old := range s.Accounts[a.UserID] {
		if old.ID == a.ID {
			s.Accounts[a.UserID][i] = a
			if !old.Expires.Equal(a.Expires) {
				s.Expiries[a.ID] = a.Expires
				slices.SortFunc(s.Accounts[a.UserID], BurnOrder)
				return
			}
		}
	}
}

// count adds a call, while it is open, to those of its user and of its pools, or takes it off.
func (s *State) count(call models.Call, n int64) {
	if call.State != models.CallOpen {
		return
	}
	if main := (purse{s.Accounts[call.UserID]}).main(); main != nil {
		a := *main
		a.OpenCalls += n
		s.setAccount(a)
	}
	for _, id := range call.Routing.Pools {
		if pool, ok := s.Pools[id]; ok {
			pool.Calls += n
			s.Pools[id], s.ChangedPools[id] = pool, pool
		}
	}
}

// warn tells of a main account that falls below what its user is to be warned at, or else everybody with its currency.
func (s *State) warn(after models.Account, c change) {
	below, told := s.Warn[after.Currency]
	if after.Warn != nil {
		below, told = *after.Warn, true
	}
	closing := slices.ContainsFunc(c.transactions, func(t models.Transaction) bool { return t.Ref.Kind == models.KindClosed })
	if !told || closing || after.Name != models.MainAccount || after.Balance >= below {
		return
	}
	for _, before := range s.Accounts[after.UserID] {
		if before.ID == after.ID && before.Balance >= below {
			notice := models.Notice{Kind: models.NoticeLowBalance, UserID: after.UserID, Data: logText(map[string]any{
				"balance": after.Balance, "below": below, "currency": after.Currency,
			})}
			if len(c.transactions) > 0 {
				notice.At = c.transactions[0].PostedAt
			}
			s.Notices = append(s.Notices, notice)
		}
	}
}

// note logs a movement, unless it had been posted before.
func (s *State) note(line func(Moved) models.AuditLine, moved Moved) {
	if line != nil && !moved.Already {
		s.Logged = append(s.Logged, line(moved))
	}
}

// purse is a user's accounts in one currency while one operation spends from them. It works on copies.
type purse struct{ accounts []models.Account }

// purse is what a user has in one currency: what he has in another, before or after his was changed, pays for nothing.
func (s *State) purse(userID int64, currency string) purse {
	accounts := make([]models.Account, 0, len(s.Accounts[userID]))
	for _, a := range s.Accounts[userID] {
		if a.Currency == currency {
			accounts = append(accounts, a)
		}
	}
	return purse{accounts}
}

// open reports whether an account's money counts. A blocked one's does: its user may make no new calls, but what he
// owes is paid, and an operator may take out or put in.
func open(a models.Account) bool { return a.Status != models.AccountClosed }

// available is what calls may hold or take now.
func (p purse) available() money.Amount { return p.sum(spendable) }

// sum is what is available on those accounts that count.
func (p purse) sum(counts func(models.Account) bool) (sum money.Amount) {
	for _, a := range p.accounts {
		if counts(a) {
			sum += max(a.Available(), 0)
		}
	}
	return sum
}

func (p purse) held() money.Amount {
	var sum money.Amount
	for _, a := range p.accounts {
		sum += a.Held
	}
	return sum
}

// scarce reports whether there is little beside what is held, or a limit counts what is spent. Whoever waits for more is told then of all that is
// given back; else he has to ask again.
func (p purse) scarce() bool {
	const times = 4 // what is held
	main := p.main()
	return p.available()/times < p.held() || main != nil && main.Hour != 0
}

// status is blocked when any account is, and closed when all are.
func (p purse) status() models.AccountStatus {
	status := models.AccountClosed
	for _, a := range p.accounts {
		if a.Status == models.AccountBlocked {
			return models.AccountBlocked
		}
		if open(a) {
			status = a.Status
		}
	}
	return status
}

// main is the account into which money is paid that stays, and which counts its user's calls; nil when there is none.
func (p purse) main() *models.Account {
	for i := range p.accounts {
		if a := &p.accounts[i]; a.Name == models.MainAccount && open(*a) {
			return a
		}
	}
	return nil
}

// hold sets amount aside in burn order. The caller has checked that it is available.
func (p purse) hold(amount money.Amount) []models.HoldPart {
	var parts []models.HoldPart
	for i := range p.accounts {
		a := &p.accounts[i]
		part := min(amount, max(a.Available(), 0))
		if part == 0 || !spendable(*a) {
			continue
		}
		a.Held += part
		amount -= part
		parts = append(parts, models.HoldPart{AccountID: a.ID, Amount: part})
	}
	return parts
}

// unhold gives back all parts of a hold. An account that was not loaded would keep its part for ever: that is an error.
func (p purse) unhold(parts []models.HoldPart) error {
	for _, part := range parts {
		a := p.account(part.AccountID)
		if a == nil {
			return fmt.Errorf("account %d, which holds %s, is not loaded", part.AccountID, part.Amount)
		}
		a.Held -= part.Amount
	}
	return nil
}

// keep holds again what was held on accounts that have expired meanwhile, up to the amount that was talked for: that was
// promised to the call, and nothing else of it comes back to life. covered is how much of the amount it is.
func (p purse) keep(held []models.HoldPart, amount money.Amount) (kept []models.HoldPart, covered money.Amount) {
	for _, part := range held {
		a := p.account(part.AccountID)
		if a == nil || spendable(*a) || covered == amount {
			continue
		}
		part.Amount = min(part.Amount, amount-covered)
		a.Held += part.Amount
		covered += part.Amount
		kept = append(kept, part)
	}
	return kept, covered
}

// take pays amount, first from the given parts (which are no longer held, and pay even where they have expired), then from
// what is available on those accounts that count, and returns the entries of the accounts and what nobody's money covered.
func (p purse) take(amount money.Amount, first []models.HoldPart, counts func(models.Account) bool) (entries []models.Entry, uncovered money.Amount) {
	paid := make(map[int64]money.Amount)
	pay := func(a *models.Account, most money.Amount) {
		part := min(amount, most)
		if part <= 0 {
			return
		}
		a.Balance -= part
		amount -= part
		paid[a.ID] += part
	}
	for _, part := range first {
		if a := p.account(part.AccountID); a != nil {
			pay(a, part.Amount)
		}
	}
	for i := range p.accounts {
		if a := &p.accounts[i]; counts(*a) {
			pay(a, max(a.Available(), 0))
		}
	}
	for _, a := range p.accounts {
		if paid[a.ID] > 0 {
			entries = append(entries, models.Entry{AccountID: a.ID, Amount: -paid[a.ID]})
		}
	}
	return entries, amount
}

func (p purse) account(id int64) *models.Account {
	for i := range p.accounts {
		if p.accounts[i].ID == id {
			return &p.accounts[i]
		}
	}
	return nil
}

// changed returns the accounts that differ from those in the state.
func (p purse) changed(s *State, userID int64) []models.Account {
	var accounts []models.Account
	for _, a := range p.accounts {
		if before := (purse{s.Accounts[userID]}).account(a.ID); before == nil || a != *before {
			accounts = append(accounts, a)
		}
	}
	return accounts
}

// Now is the time of day for everything that billing writes.
type Now func() time.Time
