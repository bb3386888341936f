package store_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"talktime/models"
	"talktime/stats"
	"talktime/store"
	"talktime/store/storetest"
)

func (d *ownDesk) change(user int64, c models.UserChange) {
	d.Helper()
	if _, err := d.store.ChangeUsers(d.Context(), []int64{user}, c, "test"); err != nil {
		d.Fatal(err)
	}
}

// moment says of a moment what matters here: whether it is none, about now, or never over.
func moment(t *testing.T, at int64) string {
	t.Helper()
	switch apart := time.Since(time.Unix(at, 0)); {
	case at == 0:
		return "never"
	case at == math.MaxInt64:
		return "always"
	case apart > -2*time.Second && apart < 10*time.Minute:
		return "until now"
	}
	t.Errorf("%s is not now", time.Unix(at, 0))
	return ""
}

// TestFormerNames: a number or an account id that comes to somebody else does not bring him what others did with it.
func TestFormerNames(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		ana, bob, eve := d.user("ana", "2104"), d.user("bob", "2105"), d.user("eve", "2109")
		has := func(user int64, want map[string]string) stats.Account {
			t.Helper()
			a, err := d.store.StatisticsAccount(t.Context(), fmt.Sprint(user))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, name := range a.Names {
				got[name] = moment(t, a.Since[name])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			return a
		}
		others := func(a stats.Account, name, want string) {
			t.Helper()
			until, err := a.Others(t.Context(), name)
			if got := moment(t, until); got != want || err != nil {
				t.Errorf("%s is others' %s, want %s, %v", name, got, want, err)
			}
		}
		d.change(ana, models.UserChange{AccountID: new(new("acme"))})
		d.change(ana, models.UserChange{CLID: new(new("2106")), AccountID: new(new("acme"))})
		d.change(bob, models.UserChange{CLID: new(new("2104")), Username: new("acme")})
		ofAna := has(ana, map[string]string{"2106": "never", "acme": "never"})
		ofBob := has(bob, map[string]string{"2104": "until now"}) // his name is no account id
		others(ofAna, "2104", "always")
		others(ofAna, "2105", "until now")
		others(ofAna, "shöp", "never")
		others(ofAna, "2104 ", "never")
		others(ofBob, "2105", "never")
		others(ofBob, "acme", "always")
		// Who had a name alone has it back whole, who had it among others has not.
		d.change(bob, models.UserChange{CLID: new(new("2105"))})
		has(bob, map[string]string{"2105": "never"})
		d.change(ana, models.UserChange{CLID: new(new("2104"))})
		has(ana, map[string]string{"2104": "until now", "acme": "never"})
		// A clid goes before an account id.
		d.change(ana, models.UserChange{AccountID: new(new("2105"))})
		others(has(ana, map[string]string{"2104": "until now"}), "2105", "always")
		has(bob, map[string]string{"2105": "never"})
		// Groups have account ids too, which take nothing from their members.
		group(t, d.store, models.NewGroup{Name: "sales", AccountID: new("shop-7"), Users: []int64{ana}, First: time.Now(), Count: 1})
		others(has(ana, map[string]string{"2104": "until now"}), "shop-7", "never")
		others(has(bob, map[string]string{"2105": "never"}), "shop-7", "always")
		if _, err := d.store.ChangeGroup(t.Context(), "sales", models.GroupChange{AccountID: new(new("shop-8"))}, "test"); err != nil {
			t.Fatal(err)
		}
		if err := d.store.DeleteGroup(t.Context(), "sales", "test"); err != nil {
			t.Fatal(err)
		}
		// Whoever is deleted leaves his names behind.
		if _, err := d.store.DeleteUser(t.Context(), ana, "test"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"shop-7", "shop-8", "acme", "new"} {
			d.change(eve, models.UserChange{AccountID: new(new(name)), CLID: new(new("2106"))})
			has(eve, map[string]string{"2106": "until now", name: map[bool]string{true: "never", false: "until now"}[name == "new"]})
		}
		others(has(bob, map[string]string{"2105": "until now"}), "2104", "until now") // in doubt it was hers
	})
}

// TestImportedRecordsOfFormerNames are nobody's, unless he who has the name had it then.
func TestImportedRecordsOfFormerNames(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		ana, bob, eve := d.user("ana", "2001"), d.user("bob", "2002"), d.user("eve", "2003")
		d.change(ana, models.UserChange{AccountID: new(new("old"))})
		d.change(ana, models.UserChange{AccountID: new(new("acme")), CLID: new(new("2009"))})
		d.change(bob, models.UserChange{CLID: new(new("2001"))})
		d.change(eve, models.UserChange{CLID: new(new("2004"))})
		d.change(eve, models.UserChange{CLID: new(new("2003"))})
		before, after := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		var records []*stats.Record
		var want []string
		for i, c := range []struct {
			at             time.Time
			account        string
			src, dst       string
			caller, callee int64
		}{
			{before, "", "2001", "2001", 0, 0},
			{after, "", "2001", "2001", bob, bob},
			{before, "2001", "2009", "1", 0, 0},       // it was somebody's
			{before, "old", "2009", "2003", ana, eve}, // both are hers
			{before, "old", "2003", "1", 0, 0},
			{after, "old", "2003", "1", eve, 0},
			{before, "", "2003", "2004", eve, 0},
			{before, "", "2002", "2002", 0, 0},
			{before, "acme", "2001", "1", ana, 0},
		} {
			id := fmt.Sprint(i)
			r := cdrLine(c.at, id, c.src, c.dst)
			r.Account = []byte(c.account)
			records = append(records, r)
			want = append(want, fmt.Sprint(c.at.UTC().Format(time.DateTime), " ", id, " ", c.src, ">", c.dst, " ", c.caller, " ", c.callee, " false"))
		}
		imported(t, d.store, store.CDRImport{}, records...)
		got := rowsOf(t, database)
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestImportedEmergencyCalls count once: they are left out of the figures of our own calls.
func TestImportedEmergencyCalls(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database storetest.Database) {
		d := newOwnDesk(t, database)
		began := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
		d.keeps(
			d.call(began, func(c *models.Call) { c.CallID, c.State, c.SettledBy = "10.0.0.1/100.1", models.CallEmergency, "" }),
			d.call(began, func(c *models.Call) { c.CallID = "10.0.0.1/100.2" }),
		)
		if i := imported(t, d.store, store.CDRImport{}, cdrLine(began, "100.1", "2001", "112"), cdrLine(began, "100.2", "2001", "1")); i.Added != 2 || i.Ours != 1 {
			t.Errorf("%+v", i)
		}
		got := uniqueIDs(scanned(t, d.store.OwnRecords(time.UTC), during(began.Add(-time.Minute), began.Add(time.Minute))))
		slices.Sort(got)
		if diff := cmp.Diff([]string{"10.0.0.1/100.2", "100.1"}, got); diff != "" {
			t.Error(diff)
		}
	})
}
