package adminapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// twoServers are two admin servers on one MariaDB, each with connections of its own, as on two machines.
func twoServers(t *testing.T) (one, two *site) {
	t.Helper()
	t.Parallel()
	one = newSite(t, storetest.OnShared(t))
	second := *one
	second.store, second.log = one.database.Open(t), &safeBuffer{}
	second.start()
	two = &second
	two.admin = one.admin.at(two)
	return one, two
}

// at is the same client at another server.
func (c *client) at(s *site) *client {
	return &client{site: s, cookie: c.cookie, header: c.header.Clone()}
}

// together does things at the same moment, and waits for all of them.
func together(things ...func()) {
	start := make(chan struct{})
	var all sync.WaitGroup
	for _, thing := range things {
		all.Go(func() { <-start; thing() })
	}
	close(start)
	all.Wait()
}

// TestTwoServersKnowOneSession: whoever logs in at one is known at the other, and logged out at both.
func TestTwoServersKnowOneSession(t *testing.T) {
	one, two := twoServers(t)
	one.marta()
	two.admin.get("/check").is(http.StatusOK)
	here := one.login("marta")
	there := here.at(two)
	there.get("/check").is(http.StatusOK)
	there.get("/logout").is(http.StatusOK)
	here.get("/check").is(http.StatusUnauthorized)
	there.get("/check").is(http.StatusUnauthorized)

	back := two.login("marta")
	back.at(one).patch("/api/users/marta", `{"password":"another7"}`).is(http.StatusOK)
	back.get("/check").is(http.StatusUnauthorized) // a new password ends it everywhere

	made := one.admin.post("/api/tokens", `{"name":"till","scopes":["read"]}`).is(http.StatusCreated).object()
	till := two.anonymous()
	till.header.Set("Authorization", "Bearer "+made["token"].(string))
	till.get("/api/users").is(http.StatusOK)
	one.admin.delete(fmt.Sprintf("/api/tokens/%.0f", made["id"])).is(http.StatusNoContent)
	till.get("/api/users").is(http.StatusUnauthorized)
}

// TestTwoServersCountFailedLogins together.
func TestTwoServersCountFailedLogins(t *testing.T) {
	one, two := twoServers(t)
	one.marta()
	var tries []func()
	for n := range 10 {
		s := []*site{one, two}[n%2]
		tries = append(tries, func() { s.anonymous().form("/login", "username=marta&password=wrong77").is(http.StatusUnauthorized) })
	}
	together(tries...)
	for _, s := range []*site{one, two} {
		s.anonymous().form("/login", "username=marta&password="+secret).is(http.StatusTooManyRequests)
	}
}

// TestTwoServersMoveMoney: fifty top-ups at once for fifty users, and a hundred times the same one.
func TestTwoServersMoveMoney(t *testing.T) {
	one, two := twoServers(t)
	const users = 50
	for n := range users {
		one.user(models.NewUser{Username: fmt.Sprintf("user%02d", n)})
	}
	var posts []func()
	for n := range users {
		admin := []*client{one.admin, two.admin}[n%2]
		posts = append(posts, func() {
			entry := admin.post("/api/balance", fmt.Sprintf(`{"signal":"+","value":%d,"userId":%d}`, 100+n, 2+n)).is(http.StatusCreated).object()
			if entry["usersId"] != float64(2+n) || entry["value"] != float64(100+n) {
				t.Errorf("%v", entry)
			}
		})
	}
	together(posts...)
	for _, u := range two.admin.get("/api/users?results_per_page=100").objects()[1:] {
		if u["BallanceUser"] != 98.0+u["id_"].(float64) {
			t.Errorf("%v has %v", u["id_"], u["BallanceUser"])
		}
	}

	const body = `{"signal":"+","value":"10","userId":2}`
	var mu sync.Mutex
	answers := map[string]int{}
	posts = nil
	for n := range 100 {
		payer := one.admin.at([]*site{one, two}[n%2])
		payer.header = http.Header{"Idempotency-Key": {"receipt-1017"}}
		posts = append(posts, func() {
			a := payer.post("/api/balance", body).is(http.StatusCreated)
			mu.Lock()
			defer mu.Unlock()
			answers[a.body]++
		})
	}
	together(posts...)
	if len(answers) != 1 {
		t.Errorf("%d different answers: %v", len(answers), answers)
	}
	if got := one.admin.get("/api/users/user00").object()["BallanceUser"]; got != 110.0 {
		t.Errorf("the balance is %v", got)
	}
	for _, s := range []*site{one, two} {
		payer := one.admin.at(s)
		payer.header = http.Header{"Idempotency-Key": {"receipt-1017"}}
		payer.post("/api/balance", strings.Replace(body, "10", "11", 1)).is(http.StatusConflict)
	}
	if log := one.admin.get("/api/audit").body; strings.Count(log, `"ref":"api-user1:receipt-1017"`) != 1 {
		t.Errorf("the top-up is not in the audit log, once: %s", log)
	}
}

// TestTwoServersRefillOnce: two schedulers, and two operators who force the last date at the same moment.
func TestTwoServersRefillOnce(t *testing.T) {
	one, two := twoServers(t)
	var ids []string
	for n := range 300 { // more than one part
		ids = append(ids, fmt.Sprint(one.user(models.NewUser{Username: fmt.Sprintf("user%03d", n), Balance: money.Unit}).ID))
	}
	today := time.Now()
	one.admin.post("/api/groups", fmt.Sprintf(`{"name":"team","day":%d,"month":%d,"year":%d,"count":2,"mode":"add","value":10,"users":[%s]}`,
		today.Day(), today.Month(), today.Year(), strings.Join(ids, ","))).is(http.StatusCreated)
	var applied [4]int
	var schedulers []func()
	for n := range applied {
		db := []*site{one, two}[n%2].store
		schedulers = append(schedulers, func() {
			var err error
			if applied[n], err = db.RefillDue(t.Context(), "scheduler"); err != nil {
				t.Error(err)
			}
		})
	}
	schedulers = append(schedulers, func() { one.admin.patch("/api/groups/team", `{}`).is(http.StatusOK) },
		func() { two.admin.patch("/api/groups/team", `{}`).is(http.StatusOK) })
	together(schedulers...)
	holds := func(want float64) {
		t.Helper()
		for page := 1; page <= 4; page++ {
			for _, u := range one.admin.get(fmt.Sprintf("/api/users?results_per_page=100&page=%d", page)).objects() {
				if u["username"] != "admin" && u["BallanceUser"] != want {
					t.Errorf("%v has %v, want %v", u["username"], u["BallanceUser"], want)
				}
			}
		}
	}
	holds(11)
	if n := applied[0] + applied[1] + applied[2] + applied[3]; n > 1 {
		t.Errorf("%d schedulers say that they did it", n)
	}
	var statuses [2]int
	together(
		func() { statuses[0] = one.admin.patch("/api/groups/team", `{"updateGroup":1}`).status },
		func() { statuses[1] = two.admin.patch("/api/groups/team", `{"updateGroup":1}`).status },
	)
	if slices.Sort(statuses[:]); statuses != [2]int{http.StatusOK, http.StatusConflict} {
		t.Errorf("two operators were answered %v", statuses)
	}
	holds(21)
}

// TestTwoServersRefillOneDate that both were told of, by a page or by a program, however often they are asked.
func TestTwoServersRefillOneDate(t *testing.T) {
	one, two := twoServers(t)
	var ids []string
	for n := range 300 { // in two transactions
		ids = append(ids, fmt.Sprint(one.user(models.NewUser{Username: fmt.Sprint("u", n)}).ID))
	}
	body := fmt.Sprintf(`{"name":"team","day":31,"month":1,"year":2130,"count":3,"value":10,"mode":"add","users":[%s]}`, strings.Join(ids, ","))
	group := one.admin.post("/api/groups", body).is(http.StatusCreated).object()
	for n := range 3 {
		date := fmt.Sprintf("%.0f", group["dates_to_update"].([]any)[n].(map[string]any)["id_"])
		var asked []func()
		for i := range 6 {
			client := *[]*site{one, two}[i%2].admin
			asked = append(asked, func() {
				if i < 2 {
					client.sends("/groups/team/refill", "date", date).is(http.StatusSeeOther)
				} else {
					client.patch("/api/groups/team", `{"updateGroup":1,"date":`+date+`}`).is(http.StatusOK)
				}
			})
		}
		together(asked...)
		again := two.admin.patch("/api/groups/team", `{"updateGroup":1,"date":`+date+`}`).is(http.StatusOK).object()
		if left := len(again["dates_to_update"].([]any)); left != 2-n {
			t.Errorf("%d dates are left, want %d", left, 2-n)
		}
		have := map[money.Amount]int{}
		if err := two.store.Users(t.Context(), func(b models.Balance) error { have[b.Balance]++; return nil }); err != nil || have[money.Amount(10*(n+1))*money.Unit] != 300 {
			t.Errorf("after refill %d: %v, %v", n+1, have, err)
		}
		if lines := one.admin.get(`/api/audit?q={"filters":[{"name":"action","op":"eq","val":"group.refill"}]}`).objects(); len(lines) != n+1 {
			t.Errorf("the audit log has %d refills, want %d", len(lines), n+1)
		}
	}
}

// TestTwoServersChangeOneUser: neither loses what the other wrote, and what is unique stays so.
func TestTwoServersChangeOneUser(t *testing.T) {
	one, two := twoServers(t)
	one.marta()
	one.joel()
	for n := range 20 {
		together(
			func() { one.admin.patch("/api/users/marta", fmt.Sprintf(`{"name":"Marta %d"}`, n)).is(http.StatusOK) },
			func() {
				two.admin.patch("/api/users/marta", fmt.Sprintf(`{"address":"Calle %d"}`, n)).is(http.StatusOK)
			},
			func() {
				one.admin.patch("/api/users/marta", fmt.Sprintf(`{"clid":"7%d","account_id":"m%d"}`, n, n)).is(http.StatusOK)
			},
			func() { two.admin.patch("/api/users/marta", fmt.Sprintf(`{"imsi":"9%d"}`, n)).is(http.StatusOK) },
		)
		got := one.admin.get("/api/users/marta").object()
		want := []any{fmt.Sprintf("Marta %d", n), fmt.Sprintf("Calle %d", n), fmt.Sprintf("7%d", n), fmt.Sprintf("m%d", n), fmt.Sprintf("9%d", n)}
		if !slices.Equal([]any{got["name"], got["address"], got["clid"], got["account_id"], got["imsi"]}, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	exactlyOne := func(what string, success int, do func(*site) answer) {
		t.Helper()
		var answers [2]answer
		together(func() { answers[0] = do(one) }, func() { answers[1] = do(two) })
		if (answers[0].status == success) == (answers[1].status == success) {
			t.Errorf("%s: %d and %d", what, answers[0].status, answers[1].status)
		}
	}
	exactlyOne("one number for two", http.StatusOK, func(s *site) answer {
		return s.admin.patch("/api/users/"+map[*site]string{one: "marta", two: "joel"}[s], `{"clid":"4711"}`)
	})
	exactlyOne("one name made twice", http.StatusCreated, func(s *site) answer { return s.admin.post("/api/users", newUser("ana", "777")) })
	exactlyOne("one user deleted twice", http.StatusNoContent, func(s *site) answer { return s.admin.delete("/api/users/ana") })
	if got := two.admin.get("/api/users").object()["num_results"]; got != 3.0 {
		t.Errorf("%v users are counted", got)
	}
}
