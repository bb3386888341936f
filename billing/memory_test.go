package billing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// memory is a Store without a database. Like a real one it gives decisions only the rows that their keys name, hands
// out copies, and refuses what the constraints of the schema refuse.
type memory struct {
	mu       sync.Mutex
	users    map[int64]models.User
	accounts map[int64]models.Account
	calls    map[string]models.Call
	posted   map[models.Ref]models.Transaction
	lastID   int64
	commits  int
	now      func() time.Time // by which money expires; nil: it does not

	pools   map[int64]models.Pool
	poolsOf map[int64][]int64 // of a user
	visited map[int64]map[string]time.Time
	refused []models.Refused
	notices []models.Notice
	moved   []int64 // users whose calls in progress are to be looked at
}

func (m *memory) clock() time.Time {
	if m.now == nil {
		return time.Time{}
	}
	return m.now()
}

// promoted makes the accounts for promotional credit of users.
func (m *memory) promoted(users []int64) {
	for _, user := range users {
		for n := range billing.MaxPromos {
			a := models.Account{ID: m.id(), UserID: user, Name: fmt.Sprint("promo", n+1), Currency: m.users[user].Currency, Status: models.AccountActive, Burn: 99}
			m.accounts[a.ID] = a
		}
	}
}

// ids of the house accounts.
var houses = map[string]int64{"cash": 1, "revenue": 2, "shortfall": 3, "closed": 4, "expired": 5}

func newMemory() *memory {
	return &memory{
		users: map[int64]models.User{}, accounts: map[int64]models.Account{}, calls: map[string]models.Call{},
		posted: map[models.Ref]models.Transaction{}, lastID: 1000,
		pools: map[int64]models.Pool{}, poolsOf: map[int64][]int64{}, visited: map[int64]map[string]time.Time{},
	}
}

func (m *memory) id() int64 { m.lastID++; return m.lastID }

// addUser makes a user with one empty account.
func (m *memory) addUser(name, clid, imsi string) models.User {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := models.User{ID: m.id(), Username: name, Currency: models.SEC}
	if clid != "" {
		u.CLID = &clid
	}
	if imsi != "" {
		u.IMSI = &imsi
	}
	m.users[u.ID] = u
	a := models.Account{ID: m.id(), UserID: u.ID, Name: "main", Currency: models.SEC, Status: models.AccountActive, Burn: 100}
	m.accounts[a.ID] = a
	return u
}

// addAccount gives a user one more, and the balance it begins with.
func (m *memory) addAccount(a models.Account) models.Account {
	m.mu.Lock()
	defer m.mu.Unlock()
	a.ID = m.id()
	if a.Currency == "" {
		a.Currency = models.SEC
	}
	if a.Status == "" {
		a.Status = models.AccountActive
	}
	m.accounts[a.ID] = a
	if a.Balance != 0 {
		ref := models.Ref{Kind: models.KindTopUp, Ref: fmt.Sprint("account", a.ID)}
		m.posted[ref] = models.Transaction{ID: m.id(), Ref: ref, Entries: []models.Entry{{AccountID: a.ID, Amount: a.Balance}, {AccountID: houses["cash"], Amount: -a.Balance}}}
	}
	return a
}

// change edits an account as an operator's tool would.
func (m *memory) change(userID int64, edit func(*models.Account)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, a := range m.accounts {
		if a.UserID == userID {
			edit(&a)
			m.accounts[id] = a
		}
	}
}

var errSeen = errors.New("a call that was said to be new exists")

// Update implements billing.Store.
func (m *memory) Update(_ context.Context, keys billing.Keys, decide func(*billing.State)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for careful := false; ; careful = true {
		st := m.load(keys, careful)
		decide(st)
		if len(st.Lacking) > 0 {
			m.promoted(st.Lacking)
			st = m.load(keys, careful)
			decide(st)
		}
		err := m.write(st, keys, careful)
		if !errors.Is(err, errSeen) {
			return err
		}
		if careful {
			return errors.New("the decision opened a call twice")
		}
	}
}

func (m *memory) load(keys billing.Keys, careful bool) *billing.State {
	st := billing.NewState()
	st.NewID = m.id
	st.House = func(currency, name string) int64 {
		if currency != models.SEC {
			return 0
		}
		return houses[name]
	}
	calls := slices.Clone(keys.Calls)
	if careful {
		calls = append(calls, keys.NewCalls...)
	}
	payers := map[int64]bool{}
	for _, id := range calls {
		first, ok := m.calls[id]
		if !ok {
			continue
		}
		found := []models.Call{first}
		for n := max(2, first.Attempts-16); n <= first.Attempts; n++ {
			if further, ok := m.calls[fmt.Sprintf("%s#%d", id, n)]; ok {
				found = append(found, further)
			}
		}
		for _, c := range found {
			st.Calls[c.CallID] = clone(c)
			payers[c.UserID] = c.State == models.CallOpen || c.State == models.CallUnreconciled || payers[c.UserID]
		}
	}
	keys = keys.Knowing(func(callID string) bool { _, ok := st.Calls[callID]; return ok })
	for _, u := range m.users {
		pays := slices.Contains(keys.Users, u.ID) || slices.Contains(keys.Usernames, u.Username) ||
			u.CLID != nil && slices.Contains(keys.CLIDs, *u.CLID) || u.IMSI != nil && slices.Contains(keys.IMSIs, *u.IMSI)
		unrated := false // a call of his has no rate yet
		for _, c := range st.Calls {
			unrated = unrated || c.UserID == u.ID && c.State == models.CallUnreconciled && c.Rate.Currency == ""
		}
		if unrated || pays || u.CLID != nil && slices.Contains(keys.Callees, *u.CLID) {
			st.AddUser(u)
		}
		payers[u.ID] = pays || payers[u.ID]
	}
	for _, a := range m.accounts {
		if payers[a.UserID] {
			a.Expired = !a.Expires.IsZero() && !a.Expires.After(m.clock())
			st.Accounts[a.UserID] = append(st.Accounts[a.UserID], a)
		}
	}
	for _, accounts := range st.Accounts {
		slices.SortFunc(accounts, billing.BurnOrder)
	}
	pools := slices.Clone(keys.Pools)
	for _, c := range st.Calls {
		pools = append(pools, c.Routing.Pools...)
	}
	for id := range st.Accounts {
		if own := m.poolsOf[id]; len(own) > 0 {
			st.PoolsOf[id] = own
			pools = append(pools, own...)
		}
		if l := st.Users[id].Limits; l != nil && l.NewCountries != nil {
			st.Visited[id] = maps.Clone(m.visited[id])
		}
	}
	for _, id := range pools {
		st.Pools[id] = m.pools[id]
	}
	if keys.Share {
		for _, c := range m.calls {
			if payers[c.UserID] && c.State == models.CallOpen && c.Keeper != 0 {
				st.Sharing[c.UserID] = append(st.Sharing[c.UserID], clone(c))
			}
		}
	}
	for _, ref := range keys.Refs {
		if t, ok := m.posted[ref]; ok {
			st.Transactions[ref] = t
		}
	}
	return st
}

// write keeps what was decided, or nothing when any of it breaks a constraint.
func (m *memory) write(st *billing.State, _ billing.Keys, careful bool) error {
	held := map[int64]money.Amount{}
	for id, c := range m.calls {
		if changed, ok := st.ChangedCalls[id]; ok && changed.ID == c.ID {
			continue
		}
		for _, part := range c.Holds {
			held[part.AccountID] += part.Amount
		}
	}
	for _, c := range st.ChangedCalls {
		if c.Limit < 0 || c.Slice < 0 || c.State != models.CallOpen && len(c.Holds) > 0 {
			return fmt.Errorf("CHECK: call %s is %s and holds %s for %d s", c.CallID, c.State, c.Held(), c.Limit)
		}
		for _, part := range c.Holds {
			held[part.AccountID] += part.Amount
		}
	}
	for _, t := range st.Posted {
		if err := m.checkTransaction(t); err != nil {
			return err
		}
	}
	for id, c := range st.ChangedCalls {
		old, exists := m.calls[id]
		if exists && old.ID != c.ID {
			return errSeen
		}
	}
	for _, a := range st.ChangedAccounts {
		if a.Held < 0 || a.Available() < 0 || a.Held != held[a.ID] {
			return fmt.Errorf("CHECK: account %d would have a balance of %s and hold %s, its calls %s", a.ID, a.Balance, a.Held, held[a.ID])
		}
	}
	if !careful && slices.ContainsFunc(st.Doubt, func(id string) bool { _, ok := m.calls[id]; return ok }) {
		return errSeen
	}
	maps.Copy(m.accounts, st.ChangedAccounts)
	for _, t := range st.Posted {
		m.posted[t.Ref] = t
	}
	for id, c := range st.ChangedCalls {
		m.calls[id] = clone(c)
	}
	maps.Copy(m.pools, st.ChangedPools)
	for _, v := range st.NewlyVisited {
		if m.visited[v.UserID] == nil {
			m.visited[v.UserID] = map[string]time.Time{}
		}
		m.visited[v.UserID][v.Country] = v.First
	}
	m.refused = append(m.refused, st.Refused...)
	m.notices = append(m.notices, st.Notices...)
	m.moved = slices.AppendSeq(m.moved, maps.Keys(st.Moved))
	m.commits++
	return nil
}

func (m *memory) checkTransaction(t models.Transaction) error {
	if _, ok := m.posted[t.Ref]; ok {
		return fmt.Errorf("UNIQUE: %v is posted already", t.Ref)
	}
	var sum money.Amount
	seen := map[int64]bool{}
	for _, e := range t.Entries {
		_, customer := m.accounts[e.AccountID]
		if e.Amount == 0 || seen[e.AccountID] || !customer && (e.AccountID < 1 || e.AccountID > 5) {
			return fmt.Errorf("CHECK: transaction %v has the entry %v", t.Ref, e)
		}
		seen[e.AccountID] = true
		sum += e.Amount
	}
	if sum != 0 || len(t.Entries) < 2 {
		return fmt.Errorf("transaction %v has %d entries with the sum %s", t.Ref, len(t.Entries), sum)
	}
	return nil
}

func clone(c models.Call) models.Call {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	var copied models.Call
	if err := json.Unmarshal(text, &copied); err != nil {
		panic(err)
	}
	return copied
}

// audit lists every broken invariant.
func (m *memory) audit() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var report billing.AuditReport
	balance, held := map[int64]money.Amount{}, map[int64]money.Amount{}
	for _, t := range m.posted {
		var sum money.Amount
		for _, e := range t.Entries {
			balance[e.AccountID] += e.Amount
			sum += e.Amount
		}
		if sum != 0 {
			report.Differ("transaction %v sums to %s", t.Ref, sum)
		}
		if _, ok := m.calls[t.Ref.Ref]; t.Ref.Kind == models.KindCall && !ok {
			report.Differ("charge of call %s, which is not there", t.Ref.Ref)
		}
	}
	for _, c := range m.calls {
		for _, part := range c.Holds {
			held[part.AccountID] += part.Amount
		}
		var customer, revenue, shortfall money.Amount
		t, posted := m.posted[models.Ref{Kind: models.KindCall, Ref: c.CallID}]
		for _, e := range t.Entries {
			switch {
			case e.AccountID == houses["revenue"]:
				revenue += e.Amount
			case e.AccountID == houses["shortfall"]:
				shortfall += e.Amount
			case m.accounts[e.AccountID].UserID == c.UserID:
				customer += e.Amount
			}
		}
		n := int64(0)
		if posted {
			n = 1
		}
		report.CheckCall(c, customer, revenue, shortfall, n)
	}
	for id, a := range m.accounts {
		if a.Balance != balance[id] || a.Held != held[id] || a.Available() < 0 || a.Held < 0 {
			report.Differ("account %d has balance %s (entries %s), held %s (calls %s), available %s", id, a.Balance, balance[id],
				a.Held, held[id], a.Available())
		}
		delete(held, id)
	}
	if len(held) > 0 {
		report.Differ("holds on strange accounts: %v", held)
	}
	return report.Differences
}
