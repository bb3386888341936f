package midcall_test

import (
	"cmp"
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

// ids of the house accounts.
var houses = map[string]int64{"cash": 1, "revenue": 2, "shortfall": 3, "closed": 4, "expired": 5}

// books are a database in memory, for billing and for keepers.
type books struct {
	mu       sync.Mutex
	users    map[int64]models.User
	accounts map[int64]models.Account
	calls    map[string]models.Call
	posted   map[models.Ref]models.Transaction
	lastID   int64
	err      error // of everything
	commits  int

	keepers map[int64]models.Keeper
	moves   []int64
}

func newBooks() *books {
	return &books{
		users: map[int64]models.User{}, accounts: map[int64]models.Account{}, calls: map[string]models.Call{},
		posted: map[models.Ref]models.Transaction{}, lastID: 1000, keepers: map[int64]models.Keeper{},
	}
}

func (b *books) id() int64 { b.lastID++; return b.lastID }

func (b *books) addUser(name, clid string, balance money.Amount) models.User {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := models.User{ID: b.id(), Username: name, Currency: models.SEC, CLID: &clid}
	b.users[u.ID] = u
	a := models.Account{ID: b.id(), UserID: u.ID, Name: "main", Currency: models.SEC, Status: models.AccountActive, Burn: 100, Balance: balance}
	b.accounts[a.ID] = a
	return u
}

// change edits an account as an operator does.
func (b *books) change(userID int64, edit func(*models.Account)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, a := range b.accounts {
		if a.UserID == userID {
			edit(&a)
			b.accounts[id] = a
		}
	}
	b.moves = append(b.moves, userID)
}

func (b *books) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *books) call(id string) models.Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	return clone(b.calls[id])
}

func (b *books) account(userID int64) models.Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.accounts {
		if a.UserID == userID {
			return a
		}
	}
	return models.Account{}
}

// Update implements billing.Store.
func (b *books) Update(_ context.Context, keys billing.Keys, decide func(*billing.State)) error {
	time.Sleep(2 * time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	for careful := false; ; careful = true {
		st := b.load(keys, careful)
		decide(st)
		if len(st.Lacking) > 0 {
			return errors.New("promotional credit is not kept here")
		}
		if seen := !careful && slices.ContainsFunc(st.Doubt, func(id string) bool { _, ok := b.calls[id]; return ok }); seen {
			continue
		}
		seen := false
		for id, c := range st.ChangedCalls {
			old, exists := b.calls[id]
			seen = seen || exists && old.ID != c.ID
		}
		if !seen {
			return b.write(st)
		}
	}
}

func (b *books) load(keys billing.Keys, careful bool) *billing.State {
	st := billing.NewState()
	st.NewID = b.id
	st.House = func(_, name string) int64 { return houses[name] }
	calls := slices.Clone(keys.Calls)
	if careful {
		calls = append(calls, keys.NewCalls...)
	}
	payers := map[int64]bool{}
	for _, id := range calls {
		first, ok := b.calls[id]
		if !ok {
			continue
		}
		found := []models.Call{first}
		for n := 2; n <= first.Attempts; n++ {
			if further, ok := b.calls[fmt.Sprintf("%s#%d", id, n)]; ok {
				found = append(found, further)
			}
		}
		for _, c := range found {
			st.Calls[c.CallID] = clone(c)
			payers[c.UserID] = c.State == models.CallOpen || payers[c.UserID]
		}
	}
	keys = keys.Knowing(func(callID string) bool { _, ok := st.Calls[callID]; return ok })
	for _, u := range b.users {
		pays := slices.Contains(keys.Users, u.ID) || slices.Contains(keys.CLIDs, *u.CLID) || slices.Contains(keys.Usernames, u.Username)
		if pays || slices.Contains(keys.Callees, *u.CLID) || payers[u.ID] {
			st.AddUser(u)
		}
		payers[u.ID] = pays || payers[u.ID]
	}
	for _, a := range b.accounts {
		if payers[a.UserID] {
			st.Accounts[a.UserID] = append(st.Accounts[a.UserID], a)
		}
	}
	for _, c := range b.calls {
		if keys.Share && payers[c.UserID] && c.State == models.CallOpen && c.Keeper != 0 {
			st.Sharing[c.UserID] = append(st.Sharing[c.UserID], clone(c))
		}
	}
	return st
}

// write keeps what was decided, or nothing when any of it breaks a constraint.
func (b *books) write(st *billing.State) error {
	for _, a := range st.ChangedAccounts {
		if a.Held < 0 || a.Available() < 0 {
			return fmt.Errorf("CHECK: account %d would have a balance of %s and hold %s", a.ID, a.Balance, a.Held)
		}
	}
	for _, t := range st.Posted {
		if _, ok := b.posted[t.Ref]; ok {
			return fmt.Errorf("UNIQUE: %v is posted already", t.Ref)
		}
	}
	maps.Copy(b.accounts, st.ChangedAccounts)
	for _, t := range st.Posted {
		b.posted[t.Ref] = t
	}
	for id, c := range st.ChangedCalls {
		b.calls[id] = clone(c)
	}
	for userID := range st.Moved {
		b.moves = append(b.moves, userID)
	}
	b.commits++
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

// problems are broken promises of the books. Talk beyond what was held is one, unless that could not be prevented.
func (b *books) problems(beyond bool) (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := map[int64]money.Amount{}
	for _, c := range b.calls {
		for _, part := range c.Holds {
			held[part.AccountID] += part.Amount
		}
		if c.Shortfall != 0 && !beyond {
			found = append(found, fmt.Sprintf("call %s has a shortfall of %s", c.CallID, c.Shortfall))
		}
	}
	for id, a := range b.accounts {
		if a.Held != held[id] || a.Held < 0 || a.Available() < 0 {
			found = append(found, fmt.Sprintf("account %d of %s holds %s, its calls hold %s", id, a.Balance, a.Held, held[id]))
		}
	}
	return found
}

// KeeperAlive implements midcall.Store, as what follows does.
func (b *books) KeeperAlive(_ context.Context, k models.Keeper) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	k.SeenAt = time.Now()
	if b.err == nil {
		b.keepers[k.ID] = k
	}
	return b.err
}

func (b *books) KeeperGone(_ context.Context, keeper int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.keepers[keeper]
	k.Gone = true
	b.keepers[keeper] = k
	return b.err
}

func (b *books) LostCalls(_ context.Context, lapsed time.Duration) (lost []models.Call, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		if k := b.keepers[c.Keeper]; c.State == models.CallOpen && c.Keeper != 0 && (k.Gone || time.Since(k.SeenAt) > lapsed) {
			lost = append(lost, clone(c))
		}
	}
	slices.SortFunc(lost, func(x, y models.Call) int { return cmp.Compare(x.ID, y.ID) })
	return lost, b.err
}

func (b *books) TakeCall(ctx context.Context, call models.Call, keeper int64) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.calls[call.CallID]
	if b.err != nil || c.State != models.CallOpen || c.Keeper != call.Keeper {
		return false, b.err
	}
	c.Keeper = keeper
	b.calls[call.CallID] = c
	return true, nil
}

func (b *books) Moved(_ context.Context, after int64) (users []int64, all bool, next int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return nil, false, 0, b.err
	}
	return slices.Clone(b.moves[min(int(after), len(b.moves)):]), false, int64(len(b.moves)), nil
}
