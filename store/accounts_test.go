package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
	"talktime/store/storetest"
)

// TestAccounts: an account_id goes before an id, a user before a group, and nothing is nearly somebody.
func TestAccounts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		ids := members(t, s, 4, 0)
		called := func(id int64, account string) {
			t.Helper()
			name := &account
			if _, err := s.ChangeUsers(t.Context(), []int64{id}, models.UserChange{AccountID: &name}, "test"); err != nil {
				t.Fatal(err)
			}
		}
		called(ids[0], "shop-7")
		called(ids[1], fmt.Sprint(ids[0]))
		called(ids[3], "gone")
		if _, err := s.DeleteUser(t.Context(), ids[3], "test"); err != nil {
			t.Fatal(err)
		}
		var groups []models.Group
		for i, account := range []string{"crew", "shop-7", ""} {
			g := models.NewGroup{Name: fmt.Sprintf("g%d", i), First: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1}
			if account != "" {
				g.AccountID = &account
			}
			groups = append(groups, group(t, s, g))
		}
		db := d.SQL(t)
		if _, err := db.ExecContext(t.Context(), "UPDATE user_groups SET id = 5000 WHERE name = 'g2'"); err != nil {
			t.Fatal(err)
		}
		for account, want := range map[string]models.Owner{
			"shop-7":            {User: ids[0]},
			fmt.Sprint(ids[0]):  {User: ids[1]}, // who is called so
			fmt.Sprint(ids[2]):  {User: ids[2]},
			"crew":              {Group: groups[0].ID},
			"5000":              {Group: 5000},
			fmt.Sprint(ids[3]):  {}, // he was deleted, and no group has the number
			"gone":              {},
			"u0":                {}, // a name to log in with
			"g0":                {},
			"shop-7 ":           {},
			"Shop-7":            {},
			"0":                 {},
			"-1":                {},
			"05000":             {},
			"+5000":             {},
			"99999999999999999": {},
			"1e3":               {},
		} {
			got, _, err := s.NewToken(t.Context(), models.NewToken{Name: "of " + account, Scopes: []string{"read"}, Account: account}, "test")
			if got.Owner != want || (want == models.Owner{}) != errors.Is(err, models.ErrInvalid) || (want != models.Owner{}) != (err == nil) {
				t.Errorf("%q is %+v, %v; want %+v", account, got.Owner, err, want)
			}
		}
	})
}

// TestOnlyTheOwnersRows: of each list, with the right total, whatever else is asked for.
func TestOnlyTheOwnersRows(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		ids := members(t, s, 4, 10*money.Unit)
		g := group(t, s, models.NewGroup{Name: "crew", First: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1, Users: []int64{ids[1], ids[2]}})
		empty := group(t, s, models.NewGroup{Name: "empty", First: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1})
		service := billing.New(billing.Options{Store: s})
		defer service.Close()
		for from, to := range []int{1, 2, 3, 0} { // each has an entry of his money, one of what he gives and one of what he gets
			if _, err := service.Transfer(t.Context(), billing.Transfer{From: ids[from], To: ids[to], Amount: money.Unit, Ref: fmt.Sprint(from), Actor: "test"}); err != nil {
				t.Fatal(err)
			}
		}
		err := s.Update(t.Context(), billing.Keys{}, func(st *billing.State) {
			for i := range ids { // each calls the next
				c := models.Call{
					ID: st.NewID(), CallID: fmt.Sprintf("pbx-1.%d", i), UserID: ids[i], CalleeID: ids[(i+1)%4], State: models.CallReleased,
					Rate: models.SecondRate(), Attempts: 1, Dials: 1,
				}
				st.ChangedCalls[c.CallID] = c
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		owners := map[string]struct {
			models.Owner
			users []int64
		}{
			"everybody":      {models.Owner{}, ids},
			"a user":         {models.Owner{User: ids[1]}, ids[1:2]},
			"a group":        {models.Owner{Group: g.ID}, ids[1:3]},
			"an empty group": {models.Owner{Group: empty.ID}, nil},
			"nobody":         {models.Token{Account: "gone"}.Only(), nil},
		}
		for what, o := range owners {
			for query, want := range map[models.ListRequest]func(int64) bool{
				{}:                           func(int64) bool { return true },
				{User: ids[2]}:               func(id int64) bool { return id == ids[2] },
				{Query: only("ID", ids[1])}:  func(id int64) bool { return id == ids[1] },
				{Query: only("ID", ids[3])}:  func(id int64) bool { return id == ids[3] },
				{Query: either("ID", ids)}:   func(int64) bool { return true },
				{Query: `{"limit":100}`}:     func(int64) bool { return true },
				{Query: sorted("ID")}:        func(int64) bool { return true },
				{Query: `{"offset":0}`}:      func(int64) bool { return true },
				{Query: grouped("ID")}:       nil, // one of each user
				{Query: either("ID", nil)}:   func(int64) bool { return false },
				{User: ids[0], Query: "{}"}:  func(id int64) bool { return id == ids[0] },
				{Query: not("ID", ids[1])}:   func(id int64) bool { return id != ids[1] },
				{After: 1, Query: "{}"}:      nil,
				{User: 777_777, Query: "{}"}: func(int64) bool { return false },
			} {
				query.Only, query.Number, query.Size = o.Owner, 1, 50
				for list, each := range lists(s) {
					r := query
					r.Query = each.named(r.Query)
					if list == "users" && r.User != 0 {
						continue
					}
					got, total, err := each.read(t, r)
					if err != nil {
						t.Errorf("%s of %s, %+v: %v", list, what, r, err)
						continue
					}
					if int64(len(got)) != total && r.After == 0 {
						t.Errorf("%s of %s, %+v: %d of %d", list, what, r, len(got), total)
					}
					var rows int
					for _, id := range o.users {
						if want != nil && want(id) {
							rows += each.rows
						}
					}
					if want != nil && len(got) != rows {
						t.Errorf("%s of %s, %+v: rows of %v, not %d rows", list, what, r, got, rows)
					}
					for _, id := range got {
						if !slices.Contains(o.users, id) {
							t.Errorf("%s of %s, %+v: a row of %d", list, what, r, id)
						}
					}
				}
			}
			owned, err := s.Owned(t.Context(), o.Owner, ids)
			if err == nil && (o.Owner != models.Owner{}) && len(owned) != len(o.users) {
				t.Errorf("of %v %s has %v", ids, what, owned)
			}
			for _, id := range o.users {
				if o.Owner != (models.Owner{}) && !owned[id] {
					t.Errorf("%s has not %d: %v, %v", what, id, owned, err)
				}
			}
		}
		// What belongs to no user is in no list of an owner.
		for what, read := range map[string]func(models.ListRequest) (int, error){
			"groups": func(r models.ListRequest) (int, error) {
				l, err := s.ListGroups(t.Context(), r)
				return len(l.Items), err
			},
			"tokens": func(r models.ListRequest) (int, error) {
				l, err := s.ListTokens(t.Context(), r)
				return len(l.Items), err
			},
			"audit": func(r models.ListRequest) (int, error) {
				l, err := s.ListAudit(t.Context(), r)
				return len(l.Items), err
			},
		} {
			if n, err := read(models.ListRequest{Number: 1, Size: 10, Only: models.Owner{User: ids[0]}}); n != 0 || err != nil {
				t.Errorf("%s: %d, %v", what, n, err)
			}
		}
	})
}

// userList is a list of users' rows.
type userList struct {
	field string // the user in the search language
	rows  int    // each user has
	read  func(*testing.T, models.ListRequest) (users []int64, total int64, err error)
}

// named is a query whose field ID is that of this list.
func (l userList) named(query string) string {
	return strings.ReplaceAll(query, `"ID"`, `"`+l.field+`"`)
}

func lists(s *store.Store) map[string]userList {
	calls := func(read func(*testing.T, models.ListRequest) (models.List[models.Call], error)) func(*testing.T, models.ListRequest) ([]int64, int64, error) {
		return func(t *testing.T, r models.ListRequest) ([]int64, int64, error) {
			l, err := read(t, r)
			return usersOf(l, func(c models.Call) int64 { return c.UserID }), l.Total, err
		}
	}
	entries := func(read func(*testing.T, models.ListRequest) (models.List[models.LedgerEntry], error)) func(*testing.T, models.ListRequest) ([]int64, int64, error) {
		return func(t *testing.T, r models.ListRequest) ([]int64, int64, error) {
			l, err := read(t, r)
			return usersOf(l, func(e models.LedgerEntry) int64 { return e.UserID }), l.Total, err
		}
	}
	return map[string]userList{
		"users": {"id_", 1, func(t *testing.T, r models.ListRequest) ([]int64, int64, error) {
			l, err := s.ListUsers(t.Context(), r)
			return usersOf(l, func(u models.UserDetail) int64 { return u.ID }), l.Total, err
		}},
		"calls": {"user_id", 1, calls(func(t *testing.T, r models.ListRequest) (models.List[models.Call], error) {
			return s.ListCalls(t.Context(), r)
		})},
		"entries": {"usersId", 3, entries(func(t *testing.T, r models.ListRequest) (models.List[models.LedgerEntry], error) {
			return s.ListEntries(t.Context(), r)
		})},
		"ledger": {"user_id", 3, entries(func(t *testing.T, r models.ListRequest) (models.List[models.LedgerEntry], error) {
			return s.ListLedger(t.Context(), r)
		})},
	}
}

func usersOf[T any](l models.List[T], of func(T) int64) (users []int64) {
	for _, item := range l.Items {
		users = append(users, of(item))
	}
	return users
}

// TestTokensOfAccounts keep to whom the account was, and to nobody once he has gone.
func TestTokensOfAccounts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d storetest.Database) {
		s := d.Migrated(t)
		ids := members(t, s, 2, 0)
		if _, _, err := s.NewToken(t.Context(), models.NewToken{Name: "none", Scopes: []string{"read"}, Account: "nothing"}, "test"); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("of an account that there is not: %v", err)
		}
		made := func(name, account string) (models.Token, string) {
			t.Helper()
			token, secret, err := s.NewToken(t.Context(), models.NewToken{Name: name, Scopes: []string{"read"}, Account: account}, "test")
			if err != nil {
				t.Fatal(err)
			}
			return token, secret
		}
		shows := func(secret string, want models.Owner) {
			t.Helper()
			token, err := s.Token(t.Context(), secret)
			if err != nil || token.Only() != want {
				t.Errorf("%+v may see %+v, not %+v (%v)", token, token.Only(), want, err)
			}
		}
		_, free := made("free", "")
		shows(free, models.Owner{})
		token, hers := made("hers", fmt.Sprint(ids[0]))
		if token.Only() != (models.Owner{User: ids[0]}) {
			t.Errorf("%+v", token)
		}
		g := group(t, s, models.NewGroup{Name: "crew", First: time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1})
		if _, err := d.SQL(t).ExecContext(t.Context(), "UPDATE user_groups SET account_id = 'crew'"); err != nil {
			t.Fatal(err)
		}
		_, theirs := made("theirs", "crew")
		shows(hers, models.Owner{User: ids[0]})
		shows(theirs, models.Owner{Group: g.ID})
		if _, err := s.DeleteUser(t.Context(), ids[0], "test"); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteGroup(t.Context(), "crew", "test"); err != nil {
			t.Fatal(err)
		}
		nobody := models.Token{Account: "x"}.Only()
		if nobody == (models.Owner{}) {
			t.Error("nobody is everybody")
		}
		shows(hers, nobody)
		shows(theirs, nobody)
		shows(free, models.Owner{})
		// One from before the owner was kept.
		_, old := made("old", fmt.Sprint(ids[1]))
		if _, err := d.SQL(t).ExecContext(t.Context(), "UPDATE tokens SET account_user = 0 WHERE name = 'old'"); err != nil {
			t.Fatal(err)
		}
		shows(old, nobody)
	})
}

func filters(filter string) string { return `{"filters":[` + filter + `]}` }

func only(field string, id int64) string {
	return filters(fmt.Sprintf(`{"name":%q,"op":"eq","val":%d}`, field, id))
}

func not(field string, id int64) string {
	return filters(fmt.Sprintf(`{"name":%q,"op":"ne","val":%d}`, field, id))
}

// either is whether a field is one of some ids, said so that no single id stands out.
func either(field string, ids []int64) string {
	parts := fmt.Sprintf(`{"name":%q,"op":"eq","val":-5}`, field)
	for _, id := range ids {
		parts += fmt.Sprintf(`,{"name":%q,"op":"eq","val":%d}`, field, id)
	}
	return filters(`{"or":[` + parts + `]}`)
}

func sorted(field string) string {
	return fmt.Sprintf(`{"order_by":[{"field":%q,"direction":"desc"}]}`, field)
}

func grouped(field string) string { return fmt.Sprintf(`{"group_by":[{"field":%q}]}`, field) }
