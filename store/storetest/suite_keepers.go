package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// keeperTests are about calls that are held in slices, and those who extend them.
var keeperTests = map[string]func(*testing.T, Database){
	"a call in slices is held, extended, charged and off the list":     aKeptCall,
	"calls that share money are known to each other":                   sharing,
	"what moves is told to those who keep calls, and to nobody else":   moves,
	"moves are told once, however late they are committed":             lateMoves,
	"calls of a keeper who has gone or lapses are lost, and taken":     lease,
	"a lost call is taken by one of eight":                             takenOnce,
	"two processes extend the calls of one user, who never owes":       sharedByTwo,
	"keepers are listed with what they have done, and forgotten later": listedKeepers,
}

// keeper is who keeps calls in these tests.
const keeper = 1 << 61

func inSlices(o *billing.Options) { o.Policy.Slice, o.Policy.MaxCallSeconds = 20, 600 }

// alive makes a keeper known, as fastagi does before it keeps a call.
func alive(t *testing.T, s *store.Store, id int64) {
	t.Helper()
	if err := s.KeeperAlive(t.Context(), models.Keeper{ID: id, Name: fmt.Sprint("keeper ", id)}); err != nil {
		t.Fatal(err)
	}
}

// permitKept expects a permission for a call that is kept.
func (k *till) permitKept(clid, callID, number string) billing.Authorization {
	k.Helper()
	req := request(clid, callID, number)
	req.Keeper = keeper
	auth, err := k.Authorize(k.Context(), req)
	if err != nil || auth.Keeper != keeper {
		k.Fatalf("authorize %s: %+v, %v", callID, auth, err)
	}
	return auth
}

// review asks what becomes of a call after so many seconds of talk.
func (k *till) review(clid string, auth billing.Authorization, seconds int64) billing.Kept {
	k.Helper()
	kept, err := k.Review(k.Context(), billing.Review{
		CallID: auth.CallID, UserID: auth.UserID, Keeper: auth.Keeper, Identity: billing.Identity{CallerID: clid}, Leg: auth.Leg,
		Elapsed: time.Duration(seconds) * time.Second,
	})
	if err != nil {
		k.Fatalf("review %s: %v", auth.CallID, err)
	}
	return kept
}

// listed is how many calls are listed as kept, and how many of them are not open.
func listed(t *testing.T, d Database) [2]int64 {
	t.Helper()
	const from = "SELECT COUNT(*) FROM kept_calls k LEFT JOIN calls c ON c.id = k.call_key AND c.user_id = k.user_id AND c.state = 'open'"
	return [2]int64{number(t, d, from), number(t, d, from+" WHERE c.id IS NULL")}
}

func aKeptCall(t *testing.T, d Database) {
	s := d.Migrated(t)
	k, other := newTill(t, s, inSlices), newTill(t, d.Open(t), inSlices)
	k.users()
	alive(t, s, keeper)
	auth := k.permitKept(martaCLID, "pbx-1.1", abroad)
	if auth.Seconds != 20 || auth.Limit != 20 || auth.Longest != 600 {
		t.Errorf("%+v", auth)
	}
	k.has(marta, 180, 20)
	if diff := gocmp.Diff([2]int64{1, 0}, listed(t, d)); diff != "" {
		t.Error(diff)
	}
	if kept := other.review(martaCLID, auth, 17); !kept.Grown || kept.Limit != 40 {
		t.Errorf("%+v", kept)
	}
	if kept := k.review(martaCLID, auth, 37); !kept.Grown || kept.Limit != 60 {
		t.Errorf("%+v", kept)
	}
	k.has(marta, 180, 60)
	if c := k.call("pbx-1.1"); c.Limit != 60 || c.Held() != 60*money.Unit || c.AnsweredMS == 0 || c.Keeper != keeper || c.Slice != 20 {
		t.Errorf("%+v", c)
	}
	if charge := k.end("pbx-1.1", answered("reducer", 41_000)); charge.Amount != 41*money.Unit {
		t.Errorf("%+v", charge)
	}
	k.has(marta, 139, 0)
	if c := k.call("pbx-1.1"); c.Limit != 60 || c.AnsweredMS == 0 || c.Keeper != keeper || c.Slice != 20 || c.Cut != "" {
		t.Errorf("%+v", c)
	}
	if kept := k.review(martaCLID, auth, 57); !kept.Over {
		t.Errorf("a call that has ended: %+v", kept)
	}
	// One that is cut, and closed in the same batch or a later one.
	auth = k.permitKept(martaCLID, "pbx-1.2", abroad)
	yes := true
	if _, err := s.ChangeUsers(t.Context(), []int64{k.id(marta)}, models.UserChange{Blocked: &yes}, "test"); err != nil {
		t.Fatal(err)
	}
	if kept := k.review(martaCLID, auth, 7); kept.Cut != billing.CutBlocked {
		t.Errorf("%+v", kept)
	}
	k.end("pbx-1.2", answered("reducer", 7000))
	if c := k.call("pbx-1.2"); c.Cut != billing.CutBlocked || c.State != models.CallSettled || c.Seconds != 7 {
		t.Errorf("%+v", c)
	}
	k.has(marta, 132, 0)
	// One that is dialled again when nobody keeps it any more, and then again when somebody does.
	no := false
	if _, err := s.ChangeUsers(t.Context(), []int64{k.id(marta)}, models.UserChange{Blocked: &no}, "test"); err != nil {
		t.Fatal(err)
	}
	k.permitKept(martaCLID, "pbx-1.3", abroad)
	if auth := k.permit("pbx-1.3", "59899123001"); auth.Keeper != 0 || auth.Seconds != 132 {
		t.Errorf("%+v", auth)
	}
	if diff := gocmp.Diff([2]int64{0, 0}, listed(t, d)); diff != "" {
		t.Error(diff)
	}
	k.permitKept(martaCLID, "pbx-1.3", "59899123002")
	if diff := gocmp.Diff([2]int64{1, 0}, listed(t, d)); diff != "" {
		t.Error(diff)
	}
	reconcileAll(t.Context(), t, k)
	if diff := gocmp.Diff([2]int64{0, 0}, listed(t, d)); diff != "" {
		t.Error(diff)
	}
	k.has(marta, 132, 0)
}

func sharing(t *testing.T, d Database) {
	s := d.Migrated(t)
	k, other := newTill(t, s, inSlices), newTill(t, d.Open(t), inSlices)
	martaID, joelID := k.users()
	k.move(joel, 180, "r")
	for i := range 2 {
		k.permitKept(martaCLID, fmt.Sprint("pbx-1.", i), abroad)
		other.permitKept(joelCLID, fmt.Sprint("pbx-2.", i), abroad)
	}
	k.permit("pbx-1.9", "4930123456") // all at once: nobody shares with it
	shares := func(keys billing.Keys) map[int64][]string {
		t.Helper()
		found := map[int64][]string{}
		err := s.Update(t.Context(), keys, func(st *billing.State) {
			clear(found)
			for user, calls := range st.Sharing {
				for _, c := range calls {
					if want := k.call(c.CallID); gocmp.Diff(want, c) != "" {
						t.Errorf("shared (-want +got)\n%s", gocmp.Diff(want, c))
					}
					found[user] = append(found[user], c.CallID)
				}
				slices.Sort(found[user])
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	both := []int64{martaID, joelID}
	for _, c := range []struct {
		what string
		keys billing.Keys
		want map[int64][]string
	}{
		{"nobody asks", billing.Keys{Users: both}, map[int64][]string{}},
		{"two users in a batch", billing.Keys{Users: both, Share: true}, map[int64][]string{martaID: {"pbx-1.0", "pbx-1.1"}, joelID: {"pbx-2.0", "pbx-2.1"}}},
		{"of one a call", billing.Keys{Users: []int64{joelID}, Calls: []string{"pbx-2.0"}, Share: true}, map[int64][]string{joelID: {"pbx-2.0", "pbx-2.1"}}},
		{"all are loaded", billing.Keys{Users: []int64{joelID}, Calls: []string{"pbx-2.0", "pbx-2.1"}, Share: true}, map[int64][]string{}},
	} {
		if diff := gocmp.Diff(c.want, shares(c.keys)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.what, diff)
		}
	}
	k.end("pbx-1.0", answered("reducer", 3000))
	k.end("pbx-1.1", unanswered("reducer", "BUSY"))
	if diff := gocmp.Diff(map[int64][]string{}, shares(billing.Keys{Users: []int64{martaID}, Share: true})); diff != "" {
		t.Error(diff)
	}
	// What a program of before slices has closed is listed until somebody tidies up, and shares nothing.
	_, err := d.SQL(t).ExecContext(t.Context(), "INSERT INTO kept_calls (user_id, call_key) SELECT user_id, id FROM calls WHERE call_id = 'pbx-1.0'")
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(map[int64][]string{}, shares(billing.Keys{Users: []int64{martaID}, Share: true})); diff != "" {
		t.Error(diff)
	}
	if got := listed(t, d); got != [2]int64{3, 1} {
		t.Errorf("%v are listed", got)
	}
	alive(t, s, keeper)
	if got := listed(t, d); got != [2]int64{2, 0} {
		t.Errorf("%v are listed", got)
	}
}

// moves makes everything happen that changes how long a call may last.
func moves(t *testing.T, d Database) {
	s := d.Migrated(t)
	k := newTill(t, s, inSlices)
	martaID, _ := k.users()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	group := models.NewGroup{Name: "team", First: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Count: 9, Mode: models.ModeAdd, Users: []int64{}}
	value := 5 * money.Unit
	group.Value = &value
	_, err := s.NewGroup(ctx, group, "test")
	must(err)
	team, err := s.Group(ctx, "team")
	must(err)
	_, err = s.AddDeck(ctx, models.RateDeck{Name: "own", Currency: models.SEC, Zone: "UTC"}, "test")
	must(err)
	change := func(c models.UserChange) { _, err := s.ChangeUsers(ctx, []int64{martaID}, c, "test"); must(err) }
	members := func(m models.Membership) {
		_, err := s.ChangeGroup(ctx, "team", models.GroupChange{Members: m}, "test")
		must(err)
	}
	yes, no, credit := true, false, 3*money.Unit
	n := 0
	rates := func(yield func(models.DeckRate) error) error {
		return yield(models.DeckRate{Rate: models.Rate{Currency: models.SEC, PerMinute: 60 * money.Unit, First: 1, Increment: 1}})
	}
	sources := []struct {
		name string
		all  bool // else it is Marta
		do   func()
	}{
		{"a top-up", false, func() { n++; k.move(marta, 10, fmt.Sprint("up ", n)) }},
		{"a removal", false, func() { n++; k.move(marta, -1, fmt.Sprint("down ", n)) }},
		{"a block", false, func() { change(models.UserChange{Blocked: &yes}) }},
		{"its end", false, func() { change(models.UserChange{Blocked: &no}) }},
		{"a credit limit", false, func() { change(models.UserChange{CreditLimit: &credit}) }},
		{"limits", false, func() { n++; must(s.SetUserLimits(ctx, martaID, models.Limits{Seconds: 1000 + int64(n)}, nil, "test")) }},
		{"a tariff", false, func() { must(s.AssignDeck(ctx, martaID, "own", "test")) }},
		{"no tariff", false, func() { must(s.AssignDeck(ctx, martaID, "", "test")) }},
		{"a group", false, func() { must(s.Join(ctx, martaID, models.Membership{Add: []int64{team.ID}}, "test")) }},
		{"a refill", false, func() { _, err := s.Refill(ctx, "team", true, "test"); must(err) }},
		{"no group", false, func() { must(s.Join(ctx, martaID, models.Membership{All: &[]int64{}}, "test")) }},
		{"a group's members", false, func() { members(models.Membership{Add: []int64{martaID}}) }},
		{"which leave", false, func() { members(models.Membership{Remove: []int64{martaID}}) }},
		{"other members", false, func() { members(models.Membership{All: &[]int64{martaID}}) }},
		{"none", false, func() { members(models.Membership{All: &[]int64{}}) }},
		{"a group's limits", true, func() {
			n++
			must(s.SetGroupLimits(ctx, "team", models.GroupLimits{Limits: models.Limits{Seconds: int64(n)}}, nil, "test"))
		}},
		{"limits of the site", true, func() { n++; must(s.SetSiteLimits(ctx, models.Limits{Seconds: 1000 + int64(n)}, "test")) }},
		{"a group's tariff", true, func() { must(s.AssignGroupDeck(ctx, "team", "own", "test")) }},
		{"rates", true, func() { _, err := s.ImportActiveDeckVersion(ctx, "own", "", "test", time.Time{}, rates); must(err) }},
		{"further rates", true, func() { _, err := s.ImportActiveDeckVersion(ctx, "own", "", "test", time.Time{}, rates); must(err) }},
		{"their withdrawal", true, func() { _, err := s.RollBackDeck(ctx, "own", 0, "test"); must(err) }},
		{"an activation", true, func() { _, err := s.ActivateDeck(ctx, "own", 2, time.Time{}, "test"); must(err) }},
		{"a default", true, func() { must(s.SetDefaultDeck(ctx, "own", true, "test")) }},
		{"no default", true, func() { must(s.SetDefaultDeck(ctx, "own", false, "test")) }},
		{"promotional credit", false, func() {
			n++
			_, err := k.Move(ctx, billing.Movement{
				Username: marta, Amount: 7 * money.Unit, Ref: fmt.Sprint("promo ", n), Actor: "test", Expires: time.Now().Add(time.Hour),
			})
			must(err)
		}},
		{"its expiry", false, func() {
			_, err := d.SQL(t).ExecContext(ctx, "UPDATE accounts SET expires_at = '2026-01-02 03:04:05.000000' WHERE expires_at IS NOT NULL")
			must(err)
			_, err = s.ExpirePromotions(ctx, "test")
			must(err)
		}},
	}
	// Nobody keeps calls: nobody need be told.
	k.permit("pbx-1.0", abroad)
	for _, source := range sources {
		source.do()
	}
	if rows := number(t, d, "SELECT COUNT(*) FROM moves"); rows != 0 {
		t.Errorf("%d moves, but nobody keeps calls", rows)
	}
	k.end("pbx-1.0", unanswered("reducer", "BUSY"))

	alive(t, s, keeper)
	users, all, place, err := s.Moved(ctx, 0)
	if len(users) > 0 || all || err != nil {
		t.Errorf("users %v, all %t, %v", users, all, err)
	}
	told := func(what string, wantUsers []int64, wantAll bool) {
		t.Helper()
		users, all, next, err := s.Moved(ctx, place)
		place = next
		if err != nil || !slices.Equal(users, wantUsers) || all != wantAll {
			t.Errorf("%s: users %v, all %t, %v; want %v, %t", what, users, all, err, wantUsers, wantAll)
		}
	}
	for _, source := range sources { // without a call in progress
		source.do()
		told(source.name, nil, source.all)
	}
	first := k.permitKept(martaCLID, "pbx-1.1", abroad)
	told("a call alone", nil, false)
	for _, source := range sources {
		source.do()
		if source.all {
			told(source.name, nil, true)
		} else {
			told(source.name, []int64{martaID}, false)
		}
	}
	k.permitKept(martaCLID, "pbx-1.2", abroad)
	told("a call beside another", nil, false)
	k.review(martaCLID, first, 17)
	told("an extension", nil, false)
	k.end("pbx-1.2", answered("reducer", 1000))
	told("its end", []int64{martaID}, false)
	must(s.DeleteGroup(ctx, "team", "test"))
	told("a group without members", nil, false)
	k.end("pbx-1.1", answered("reducer", 1000))
	told("the last call", nil, false)

	must(s.KeeperGone(ctx, keeper))
	k.permit("pbx-1.3", abroad)
	elsewhere := newTill(t, d.Open(t)) // which looks now
	elsewhere.move(marta, 1, "elsewhere")
	told("nobody keeps calls any more", nil, false)
	k.end("pbx-1.3", unanswered("reducer", "BUSY"))
}

// lateMoves: rows whose ids are given before others', and which are committed after them.
func lateMoves(t *testing.T, d Database) {
	s := d.Migrated(t)
	ctx, db := t.Context(), d.SQL(t)
	exec := func(query string) {
		t.Helper()
		if _, err := db.ExecContext(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	moved := func(place *int64) []int64 {
		t.Helper()
		users, all, next, err := s.Moved(ctx, *place)
		if err != nil || all {
			t.Fatalf("all %t, %v", all, err)
		}
		*place = next
		return users
	}
	exec("INSERT INTO moves (id, user_id, at) VALUES (10, 1, '2026-01-01 00:00:00.000000')")
	exec("INSERT INTO moves (id, user_id) VALUES (20, 2), (22, 3), (23, 3)")
	var here, there int64
	if users := moved(&here); !slices.Equal(users, []int64{2, 3}) {
		t.Errorf("at first %v", users)
	}
	if users := moved(&there); !slices.Equal(users, []int64{2, 3}) {
		t.Errorf("at first, somebody else %v", users)
	}
	exec("INSERT INTO moves (id, user_id) VALUES (21, 4)")
	if users := moved(&here); !slices.Equal(users, []int64{4}) {
		t.Errorf("what comes late: %v", users)
	}
	exec("INSERT INTO moves (id, user_id) VALUES (24, 5)")
	if users := moved(&there); !slices.Equal(users, []int64{4, 5}) {
		t.Errorf("what comes late, to somebody else: %v", users)
	}
	exec("UPDATE moves SET at = '2026-01-01 00:00:00.000000' WHERE id < 24") // time passes
	if users := moved(&here); !slices.Equal(users, []int64{5}) {
		t.Errorf("%v", users)
	}
	if users := moved(&here); len(users) != 0 {
		t.Errorf("told twice: %v", users)
	}
	unknown := int64(4711)
	if users := moved(&unknown); !slices.Equal(users, []int64{5}) {
		t.Errorf("from a place that is none: %v", users)
	}
	alive(t, s, keeper) // tidies up
	if rows := number(t, d, "SELECT COUNT(*) FROM moves"); rows != 1 {
		t.Errorf("%d moves are left, want the one of a moment ago", rows)
	}
}

func lease(t *testing.T, d Database) {
	s, other := d.Migrated(t), d.Open(t)
	k, there := newTill(t, s, inSlices), newTill(t, other, inSlices)
	k.users()
	alive(t, s, keeper)
	alive(t, other, keeper+1)
	k.move(marta, 1000, "r")
	auth := k.permitKept(martaCLID, "pbx-1.1", abroad)
	k.permit("pbx-1.2", abroad) // which nobody keeps
	lost := func(s *store.Store, lapsed time.Duration) []models.Call {
		t.Helper()
		calls, err := s.LostCalls(t.Context(), lapsed)
		if err != nil {
			t.Fatal(err)
		}
		return calls
	}
	if calls := lost(other, time.Hour); len(calls) != 0 {
		t.Errorf("%d calls are lost", len(calls))
	}
	exec := func(query string) {
		t.Helper()
		if _, err := d.SQL(t).ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	old := k.call("pbx-1.1")
	for _, c := range []struct{ what, query string }{
		{"one who lapses", fmt.Sprint("UPDATE keepers SET seen_at = '2026-01-01 00:00:00.000000' WHERE id = ", keeper)},
		{"one who was never there", fmt.Sprint("DELETE FROM keepers WHERE id = ", keeper)},
	} {
		exec(c.query)
		if calls := lost(d.Open(t), 10*time.Second); gocmp.Diff([]models.Call{old}, calls) != "" {
			t.Errorf("%s: lost (-want +got)\n%s", c.what, gocmp.Diff([]models.Call{old}, calls))
		}
		alive(t, s, keeper)
		if calls := lost(d.Open(t), 10*time.Second); len(calls) != 0 {
			t.Errorf("%s and is back: %d calls are lost", c.what, len(calls))
		}
	}
	if err := s.KeeperGone(t.Context(), keeper); err != nil {
		t.Fatal(err)
	}
	alive(t, s, keeper) // a last word that was under way
	if calls := lost(other, 10*time.Second); len(calls) != 1 || calls[0].CallID != "pbx-1.1" {
		t.Fatalf("one who has gone: %+v", calls)
	}
	for range 2 { // the answer to the first may have been lost
		if taken, err := other.TakeCall(t.Context(), old, keeper+1); !taken || err != nil {
			t.Fatalf("taken %t, %v", taken, err)
		}
	}
	if taken, err := s.TakeCall(t.Context(), old, keeper+2); taken || err != nil {
		t.Errorf("taken again %t, %v", taken, err)
	}
	if calls := lost(other, 10*time.Second); len(calls) != 0 {
		t.Errorf("%d calls are lost", len(calls))
	}
	// The one before remembers the call as it has made it, and is told that it is another's.
	if kept := k.review(martaCLID, auth, 17); !kept.Over {
		t.Errorf("the one before: %+v", kept)
	}
	auth.Keeper = keeper + 1
	if kept := there.review(martaCLID, auth, 17); !kept.Grown {
		t.Errorf("the new one: %+v", kept)
	}
	if charge := k.end("pbx-1.1", answered("reducer", 18_000)); charge.Amount != 18*money.Unit {
		t.Errorf("%+v", charge)
	}
	if taken, err := s.TakeCall(t.Context(), k.call("pbx-1.1"), keeper+2); taken || err != nil {
		t.Errorf("a call that has ended: taken %t, %v", taken, err)
	}
	if taken, err := s.TakeCall(t.Context(), k.call("pbx-1.2"), keeper+2); taken || err != nil {
		t.Errorf("a call that is not in slices: taken %t, %v", taken, err)
	}
	k.end("pbx-1.2", answered("reducer", 2000))
	k.has(marta, 1160, 0)
}

func takenOnce(t *testing.T, d Database) {
	tills := twoTills(t, d)
	k := newTill(t, tills[0].store, inSlices)
	k.users()
	for round := range 5 {
		id := fmt.Sprint("pbx-1.", round)
		k.permitKept(martaCLID, id, abroad)
		call := k.call(id)
		var mu sync.Mutex
		taken := 0
		each(8, func(i int) {
			got, err := tills[i%2].store.TakeCall(t.Context(), call, int64(i+1))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if got {
				taken++
			}
		})
		if taken != 1 {
			t.Errorf("%d have taken it", taken)
		}
		k.end(id, unanswered("reducer", "BUSY"))
	}
	k.has(marta, 180, 0)
}

// sharedByTwo: calls of one user in two processes, each extended as fast as it goes while money comes and goes, until nothing is left.
func sharedByTwo(t *testing.T, d Database) {
	s := d.Migrated(t)
	tills := [2]*till{newTill(t, s, inSlices, byDigits), newTill(t, d.Open(t), inSlices, byDigits)}
	tills[0].users()
	tills[0].user(models.NewUser{Username: "third", CLID: "555000206", Balance: 90 * money.Unit})
	tills[0].move(joel, 120, "r")
	each(9, func(i int) {
		k, clid := tills[i%2], fmt.Sprint("55500020", 4+i%3)
		req := request(clid, fmt.Sprint("pbx-1.", i), fmt.Sprint(1+i%3))
		req.Keeper = keeper
		auth, err := k.Authorize(t.Context(), req)
		if err != nil {
			refused(t, err, billing.ErrInsufficientFunds) // the others have it all
			return
		}
		limit := auth.Limit
		elapsed := int64(0)
		for n := 0; elapsed < limit; n++ {
			elapsed = min(elapsed+3, limit)
			kept, err := k.Review(t.Context(), billing.Review{
				CallID: auth.CallID, UserID: auth.UserID, Keeper: keeper, Identity: req.Identity, Elapsed: time.Duration(elapsed) * time.Second,
			})
			if err != nil || kept.Over || kept.Cut != "" || kept.Limit < limit {
				t.Errorf("%+v, %v", kept, err)
				return
			}
			limit = kept.Limit
			if n%3 == 0 {
				_, err := k.Move(t.Context(), billing.Movement{
					Username: []string{marta, joel, "third"}[i%3], Amount: money.Amount(n%2*8-4) * money.Unit, Ref: fmt.Sprint(i, "/", n), Actor: "test",
				})
				var refusal *billing.Refusal
				if err != nil && !errors.As(err, &refusal) {
					t.Error(err)
				}
			}
		}
		charge, err := tills[(i+1)%2].Settle(t.Context(), result(clid, auth.CallID, answered("reducer", limit*1000)))
		if err != nil || charge.Seconds != limit {
			t.Errorf("%+v, %v", charge, err)
		}
	})
	for i := range 9 {
		if c := tills[0].call(fmt.Sprint("pbx-1.", i)); c.ID != 0 && (c.Shortfall != 0 || c.State != models.CallSettled) {
			t.Errorf("%+v", c)
		}
	}
	err := s.Users(t.Context(), func(b models.Balance) error {
		if b.Held != 0 || b.Balance < 0 {
			t.Errorf("%s has %s, and %s is held", b.Username, b.Balance, b.Held)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := listed(t, d); got != [2]int64{} {
		t.Errorf("%v are listed as kept", got)
	}
}

func byDigits(o *billing.Options) { o.Policy.Rate = byDigit }

func listedKeepers(t *testing.T, d Database) {
	s := d.Migrated(t)
	k := newTill(t, s, inSlices)
	k.users()
	want := models.Keeper{
		ID: keeper, Name: "“host”:4711",
		Figures: models.KeeperFigures{
			Calls: 1, Away: 2, Placed: 3, Refused: 4, Short: 5, Late: 6, Released: 7, Cut: 8, Adopted: 9, Warned: 10, Latency: []int64{1, 2}, LatencySum: 1500,
		},
	}
	if err := s.KeeperAlive(t.Context(), models.Keeper{ID: keeper, Name: "before"}); err != nil {
		t.Fatal(err)
	}
	if err := s.KeeperAlive(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	found, err := s.Keepers(t.Context())
	if err != nil || len(found) != 1 || time.Since(found[0].SeenAt).Abs() > 10*time.Second {
		t.Fatalf("%+v, %v", found, err)
	}
	want.SeenAt = found[0].SeenAt
	if diff := gocmp.Diff(want, found[0]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	k.permitKept(martaCLID, "pbx-1.1", abroad)
	alive(t, s, keeper+1)
	aMinuteAgo := time.Now().UTC().Add(-61 * time.Second).Format("2006-01-02 15:04:05.000000")
	if _, err := d.SQL(t).ExecContext(t.Context(), "UPDATE keepers SET seen_at = '"+aMinuteAgo+"'"); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Keepers(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
	alive(t, d.Open(t), keeper+2) // tidies up
	if left := number(t, d, fmt.Sprint("SELECT COUNT(*) FROM keepers WHERE id = ", keeper)); left != 1 {
		t.Error("a keeper of a call was forgotten")
	}
	if left := number(t, d, "SELECT COUNT(*) FROM keepers"); left != 2 {
		t.Errorf("%d keepers are known", left)
	}
	k.end("pbx-1.1", unanswered("reducer", "BUSY"))
	alive(t, d.Open(t), keeper+2)
	if left := number(t, d, "SELECT COUNT(*) FROM keepers"); left != 1 {
		t.Errorf("%d keepers are known", left)
	}
}
