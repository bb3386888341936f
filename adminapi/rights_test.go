package adminapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// program is a client with a token that has these scopes.
func (s *site) program(scopes ...string) *client {
	s.t.Helper()
	_, secret, err := s.store.NewToken(s.t.Context(), models.NewToken{Name: strings.Join(scopes, "-"), Scopes: scopes}, "test")
	if err != nil {
		s.t.Fatal(err)
	}
	c := s.anonymous()
	c.header.Set("Authorization", "Bearer "+secret)
	return c
}

// finding is the path of a list with a filter.
func finding(path, field, op, value string) string {
	return path + "?q=" + url.QueryEscape(fmt.Sprintf(`{"filters":[{"name":%q,"op":%q,"val":%s}]}`, field, op, value))
}

// TestNobodyChoosesWhoCalls: callers are known by their numbers and names, so a user must not take those of another.
func TestNobodyChoosesWhoCalls(t *testing.T) { onBoth(t, nobodyChoosesWhoCalls) }

func nobodyChoosesWhoCalls(t *testing.T, s *site) {
	s.marta()
	s.joel()
	s.admin.patch("/api/users/marta", `{"account_id":"office"}`).is(http.StatusOK)
	joel := s.login("joel")
	for _, body := range []string{`{"imsi":"001010000000999"}`, `{"imsi":null}`, `{"clid":"555000299"}`, `{"account_id":"office"}`, `{"name":"Joel","imsi":"1"}`} {
		joel.patch("/api/users/joel", body).is(http.StatusForbidden)
	}
	if page := joel.get("/users/joel/edit").is(http.StatusOK); strings.Contains(page.body, `name="imsi"`) {
		t.Error("the form asks joel for his IMSI")
	}
	joel.form("/users/joel/edit", "username=joel&name=Joel&imsi=7").is(http.StatusSeeOther)
	for _, name := range []string{"office", "555000204", "001010000000204", "marta"} { // which marta's phone may send
		joel.patch("/api/users/joel", fmt.Sprintf(`{"username":%q}`, name)).says(http.StatusConflict, `{"message":"the user already exists"}`)
		if a := joel.form("/users/joel/edit", "username="+name+"&name=Joel"); a.status != http.StatusConflict && a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if u := joel.get("/api/users/joel").object(); u["imsi"] != "001010000000205" || u["name"] != "Joel" {
		t.Errorf("joel has become %v", u)
	}
	byName := policy
	byName.Identify = []string{billing.ByAccount}
	service := billing.New(billing.Options{Store: s.store, Policy: byName})
	defer service.Close()
	call := billing.CallRequest{CallID: "pbx-1.1", Identity: billing.Identity{AccountCode: "office"}, Number: "600"}
	if _, err := service.Authorize(t.Context(), call); err == nil {
		t.Error("a call with marta's account code is somebody's")
	}
	// What is his own, or nobody's, he may take; and whoever may change users, anything.
	joel.patch("/api/users/joel", `{"username":"555000205"}`).is(http.StatusOK)
	joel.patch("/api/users/555000205", `{"username":"jo"}`).is(http.StatusOK)
	s.program("users").patch("/api/users/jo", `{"username":"555000204","imsi":"7"}`).is(http.StatusOK)
	s.admin.patch("/api/users/555000204", `{"username":"office","imsi":null}`).is(http.StatusOK)
}

// TestScopesShowNoMore: a scope shows and searches nothing that belongs to another one.
func TestScopesShowNoMore(t *testing.T) { onBoth(t, scopesShowNoMore) }

func scopesShowNoMore(t *testing.T, s *site) {
	marta := s.marta()
	s.joel()
	s.admin.patch("/api/users/marta", `{"cpf":"111.444.777-35","address":"Calle Larga 4"}`).is(http.StatusOK)
	s.admin.post("/api/groups", fmt.Sprintf(`{"name":"g","day":1,"month":1,"year":2090,"count":3,"users":[%d]}`, marta.ID)).is(http.StatusCreated)
	s.call("pbx-1.1", "555000204", "555000205", 12)
	keys := func(what string, o any, want ...string) {
		t.Helper()
		object, _ := o.(map[string]any)
		if got := slices.Sorted(maps.Keys(object)); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", what, got, want)
		}
	}
	plain := []string{"admin", "clid", "id_", "imsi", "username"}

	cdr := s.program("cdr")
	record := cdr.get("/api/cdr").is(http.StatusOK).objects()[0]
	keys("the caller in the list of records", record["from_user"], plain...)
	keys("the callee in the list of records", record["to_user"], plain...)
	keys("the caller in a record", cdr.get(fmt.Sprintf("/api/cdr/%.0f", record["id_"])).is(http.StatusOK).object()["from_user"], plain...)
	secrets := map[string]string{"cpf": `"1%"`, "address": `"C%"`, "name": `"%"`, "account_id": `"%"`, "balance": `"1"`, "available": `"1"`, "held": `"1"`, "BallanceUser": "1", "voice_balance": "1", "level": "1"}
	both := s.program("cdr", "read")
	for field, value := range secrets {
		cdr.get("/api/cdr?q=" + url.QueryEscape(`{"order_by":[{"field":"from_user__`+field+`"}]}`)).is(http.StatusBadRequest)
		cdr.get("/api/cdr?q=" + url.QueryEscape(`{"group_by":[{"field":"to_user__`+field+`"}]}`)).is(http.StatusBadRequest)
		op := "gt"
		if strings.Contains(value, "%") {
			op = "like"
		}
		for _, user := range []string{"from_user__", "to_user__"} {
			cdr.get(finding("/api/cdr", user+field, op, value)).is(http.StatusBadRequest)
			both.get(finding("/api/cdr", user+field, op, value)).is(http.StatusOK)
		}
	}
	for _, field := range plain {
		cdr.get(finding("/api/cdr", "to_user__"+field, "neq", `"0"`)).is(http.StatusOK)
	}
	if found := cdr.get(finding("/api/cdr", "from_user__username", "eq", `"marta"`)).objects(); len(found) != 1 {
		t.Errorf("found %v", found)
	}
	keys("the caller, with read too", both.get("/api/cdr").objects()[0]["from_user"], "BallanceUser", "BallanceUserHistoric", "admin", "clid", "id_", "imsi", "username")
	for _, path := range []string{"/api/users", "/api/users/marta", "/api/groups", "/api/balance", "/api/ledger", "/api/calls", "/api/holds", "/api/audit"} {
		cdr.get(path).is(http.StatusForbidden)
	}

	users := s.program("users")
	unread := []string{"account_id", "address", "admin", "blocked", "clid", "cpf", "currency", "id_", "imsi", "level", "name", "tunel", "username"}
	keys("a changed user", users.patch("/api/users/marta", `{}`).is(http.StatusOK).object(), unread...)
	made := users.post("/api/users", newUser("rosa", "555000206")).is(http.StatusCreated)
	keys("a new user", made.object(), unread...)
	rich := s.program("users", "read")
	if u := rich.patch("/api/users/marta", `{}`).is(http.StatusOK).object(); u["balance"] != "168" || len(u["originated_calls"].([]any)) != 1 {
		t.Errorf("with read too: %v", u)
	}
	many := func(c *client, filter string) answer {
		t.Helper()
		return c.patch("/api/users", `{"name":"x","q":{"filters":[`+filter+`]}}`)
	}
	for _, filter := range []string{
		`{"name":"balance","op":"gt","val":"100"}`, `{"name":"available","op":"gt","val":"100"}`, `{"name":"held","op":"ge","val":"0"}`,
		`{"name":"BallanceUser","op":"gt","val":1}`, `{"name":"voice_balance","op":"gt","val":1}`, `{"name":"originated_calls","op":"any","val":{"name":"billsec","op":"gt","val":1}}`,
		`{"name":"received_calls","op":"any","val":{"name":"billsec","op":"gt","val":1}}`,
	} {
		filter = `{"name":"admin","op":"eq","val":false},` + filter
		many(users, filter).is(http.StatusBadRequest)
		many(rich, filter).is(http.StatusOK)
	}
	many(users, `{"name":"cpf","op":"like","val":"111%"}`).says(http.StatusOK, `{"num_modified":1}`)
	many(users, `{"name":"tunel__name","op":"any","val":"g"}`).says(http.StatusOK, `{"num_modified":1}`)
	member := func(c *client) any {
		t.Helper()
		return c.patch("/api/groups/g", fmt.Sprintf(`{"newUser":[%d]}`, marta.ID)).is(http.StatusOK).object()["tunel"].([]any)[0]
	}
	keys("a member", member(s.program("users", "money")), plain...)
	keys("a member, with read too", member(s.program("users", "money", "read")), "BallanceUser", "BallanceUserHistoric", "admin", "clid", "id_", "imsi", "username")
}

// TestDeletingIsMoney: who deletes users and groups takes what they have, or were to get.
func TestDeletingIsMoney(t *testing.T) { onBoth(t, deletingIsMoney) }

func deletingIsMoney(t *testing.T, s *site) {
	marta := s.marta()
	s.admin.post("/api/groups", fmt.Sprintf(`{"name":"g","day":1,"month":1,"year":2090,"count":3,"users":[%d]}`, marta.ID)).is(http.StatusCreated)
	for _, scope := range []string{"users", "money"} {
		c := s.program(scope)
		for _, path := range []string{"/api/users/marta", "/api/users/nobody", "/api/groups/g", "/api/groups/none"} {
			c.delete(path).is(http.StatusForbidden)
		}
	}
	if u := s.admin.get("/api/users/marta").is(http.StatusOK).object(); u["balance"] != "180" {
		t.Errorf("marta is %v", u)
	}
	c := s.program("users", "money")
	c.delete("/api/users/admin").is(http.StatusForbidden)
	for _, path := range []string{"/api/groups/g", "/api/users/marta"} {
		c.delete(path).is(http.StatusNoContent)
		c.delete(path).is(http.StatusNotFound)
	}
}

// TestFreeCallKeepsItsUser: a call that holds nothing because it costs nothing is a call in progress like any other.
func TestFreeCallKeepsItsUser(t *testing.T) { onBoth(t, freeCallKeepsItsUser) }

func freeCallKeepsItsUser(t *testing.T, s *site) {
	s.marta()
	free := policy
	free.Rate = func(models.User, string, time.Time) (models.Rate, error) {
		rate := models.SecondRate()
		rate.PerMinute = 0
		return rate, nil
	}
	service := billing.New(billing.Options{Store: s.store, Policy: free})
	defer service.Close()
	call := billing.CallRequest{CallID: "pbx-1.1", Identity: billing.Identity{CallerID: "555000204"}, Number: "600"}
	if _, err := service.Authorize(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if b, err := s.store.UserByName(t.Context(), "marta"); err != nil || b.Held != 0 {
		t.Fatalf("%s are held, %v", b.Held, err)
	}
	if a := s.admin.delete("/api/users/marta").is(http.StatusConflict); !strings.Contains(a.body, "a call in progress") {
		t.Error(a.body)
	}
	if a := s.admin.form("/users/marta/delete", "").is(http.StatusConflict); !strings.Contains(a.body, "a call in progress") {
		t.Error(a.body)
	}
	s.settle("pbx-1.1", "555000204", 9)
	s.admin.delete("/api/users/marta").is(http.StatusNoContent)
}

// TestChangeWithRefill: a group is changed and refilled, or neither.
func TestChangeWithRefill(t *testing.T) { onBoth(t, changeWithRefill) }

func changeWithRefill(t *testing.T, s *site) {
	marta, joel := s.marta(), s.joel()
	db := s.database.SQL(t)
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	has := func(name string, want int64) {
		t.Helper()
		if b, err := s.store.UserByName(t.Context(), name); err != nil || b.Balance != money.Amount(want)*money.Unit {
			t.Errorf("%s has %s, want %d, %v", name, b.Balance, want, err)
		}
	}
	g := s.admin.post("/api/groups", fmt.Sprintf(`{"name":"g","mode":"add","value":10,"day":1,"month":1,"year":2090,"count":3,"users":[%d]}`, marta.ID)).is(http.StatusCreated)
	date := func(i int) int64 {
		return int64(g.object()["dates_to_update"].([]any)[i].(map[string]any)["id_"].(float64))
	}
	all := fmt.Sprintf(`{"name":"h","value":99,"newUser":[%d],"updateGroup":1`, joel.ID)
	unchanged := func(why string, a answer, status int, says string) {
		t.Helper()
		before := s.admin.get("/api/audit").object()["num_results"]
		if a.is(status); !strings.Contains(a.body, says) {
			t.Errorf("%s: %s", why, a.body)
		}
		now := s.admin.get("/api/groups/g").is(http.StatusOK).object()
		if now["value"] != 10.0 || len(now["tunel"].([]any)) != 1 || s.admin.get("/api/audit").object()["num_results"] != before {
			t.Errorf("%s: the group has become %v", why, now)
		}
		has("marta", 180)
		has("joel", 0)
	}
	// Somebody is applying the first date, or has left it.
	exec("UPDATE refill_dates SET reached = 1 WHERE id = ?", date(0))
	unchanged("the bare force", s.admin.patch("/api/groups/g", `{"updateGroup":1}`), http.StatusConflict, "being applied")
	unchanged("a change with force", s.admin.patch("/api/groups/g", all+`}`), http.StatusConflict, "being applied")
	exec("UPDATE refill_dates SET reached = 0 WHERE id = ?", date(0))
	unchanged("another group's date", s.admin.patch("/api/groups/g", fmt.Sprintf(`%s,"date":%d}`, all, date(2)+1)), http.StatusBadRequest, "no refill")
	unchanged("a user that is not there", s.admin.patch("/api/groups/g", `{"value":99,"newUser":[999],"updateGroup":1}`), http.StatusBadRequest, "999")
	s.admin.post("/api/groups", `{"name":"h","day":1,"month":1,"year":2090,"count":1}`).is(http.StatusCreated)
	unchanged("a name that is taken", s.admin.patch("/api/groups/g", all+`}`), http.StatusBadRequest, "Already has this Group")
	s.admin.delete("/api/groups/h").is(http.StatusNoContent)

	// The refill is that of the changed group.
	s.admin.patch("/api/groups/g", fmt.Sprintf(`%s,"date":%d}`, all, date(1))).is(http.StatusOK)
	has("marta", 279)
	has("joel", 99)
	again := strings.Replace(all, `"name":"h",`, "", 1)
	s.admin.patch("/api/groups/h", fmt.Sprintf(`%s,"date":%d}`, again, date(1))).is(http.StatusOK) // which was applied before
	has("joel", 99)
	s.admin.patch("/api/groups/h", again+`}`).is(http.StatusOK)
	s.admin.patch("/api/groups/h", `{"updateGroup":1}`).is(http.StatusOK)
	has("joel", 297)
	if left := s.admin.get("/api/groups/h").object()["dates_to_update"].([]any); len(left) != 0 {
		t.Errorf("there is left %v", left)
	}
	refused := s.admin.patch("/api/groups/h", fmt.Sprintf(`{"value":5,"removeUser":[%d],"updateGroup":1}`, joel.ID)).is(http.StatusConflict)
	if now := s.admin.get("/api/groups/h").object(); !strings.Contains(refused.body, "no refill date left") || now["value"] != 99.0 || len(now["tunel"].([]any)) != 2 {
		t.Errorf("%s: %v", refused.body, now)
	}
}
