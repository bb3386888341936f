package adminapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/money"
)

// TestOldManual: every line of the original's manual, sent as it is written there.
func TestOldManual(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.user(models.NewUser{Username: "youroldusername", CLID: "999999998", IMSI: "999999999999998", Balance: money.Unit})
		s.anonymous().form("/login", "username=admin&password="+secret).says(http.StatusOK, "Hello, cross-origin-world!")
		// The comma is missing there; with it the line does what it says.
		const addUser = `{"username":"yourusername","password":"yourpassword","clid":"999999999","imsi":"12345678900" "admin":false}`
		s.admin.post("/api/users", addUser).says(http.StatusBadRequest, `{"message":"Unable to decode data"}`)
		s.admin.post("/api/users", strings.Replace(addUser, `" "`, `", "`, 1)).is(http.StatusCreated)

		const addBalance = `{"signal":"+", "type_":"increase", "value": "1000", "userId":1}`
		a := s.admin.post("/api/balance", addBalance).is(http.StatusCreated)
		if o := a.object(); o["usersId"] != 1.0 || o["value"] != 1000.0 {
			t.Errorf("%s", a.body)
		}
		s.admin.post("/api/balance", addBalance).is(http.StatusCreated) // its "remove balance" is the same line
		s.admin.post("/api/balance", `{"signal":"-","type_":"decrease","value":"1000","userId":1}`).is(http.StatusCreated)
		if got := s.admin.get("/api/users/admin").object()["BallanceUser"]; got != 1000.0 {
			t.Errorf("the administrator has %v", got)
		}
		s.admin.patch("/api/users/youroldusername", `{"username":"yournewusername","password":"yournewpassowrd"}`).is(http.StatusOK)
		s.anonymous().form("/login", "username=yournewusername&password=yournewpassowrd").is(http.StatusOK)
		s.admin.delete("/api/users/yourusername").is(http.StatusNoContent)

		s.admin.post("/api/groups", `{"name":"group_name","day":1, "month":1, "year":3000, "count":10, "users":[id_]}`).is(http.StatusBadRequest)
		made := s.admin.post("/api/groups", `{"name":"group_name","day":1, "month":1, "year":3000, "count":10, "users":[1]}`).is(http.StatusCreated).object()
		if dates := made["dates_to_update"].([]any); len(dates) != 10 {
			t.Errorf("%d dates", len(dates))
		}
		s.anonymous().patch("/api/groups/group_name", `{}`).is(http.StatusUnauthorized) // no cookie in that line
		s.admin.patch("/api/groups/group_name", `{}`).is(http.StatusOK)

		// Later lines, of those things that are here too.
		s.admin.post("/api/voice_balance", `{"value": "1000", "userId":1}`).is(http.StatusCreated)
		s.admin.post("/api/voice_balance", `{"value": "-500", "userId":1}`).is(http.StatusCreated)
		if got := s.admin.get("/api/users/admin").object()["voice_balance"]; got != 1500.0 {
			t.Errorf("the administrator has %v", got)
		}
		for _, path := range []string{"/api/schedules", "/api/schedule", "/api/schedule_user", "/api/data_balance", "/sms"} {
			s.admin.post(path, `{}`).is(http.StatusNotFound)
		}
	})
}

// TestOperators: every spelling of every operator.
func TestOperators(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta() // 2
		s.joel()  // 3
		for _, tt := range []struct{ operators, value, want string }{
			{"== eq equals equal_to", "2", "marta"},
			{"!= ne neq not_equal_to does_not_equal", "2", "admin joel"},
			{"> gt", "2", "joel"},
			{"< lt", "2", "admin"},
			{">= ge gte geq", "2", "marta joel"},
			{"<= le lte leq", "2", "admin marta"},
			{"in", "[1,3]", "admin joel"},
			{"not_in", "[1,3]", "marta"},
			{"is_null", "null", ""},
			{"is_not_null", "null", "admin marta joel"},
		} {
			for _, op := range strings.Fields(tt.operators) {
				if got := s.admin.found("/api/users", fmt.Sprintf(`{"filters":[{"name":"id_","op":%q,"val":%s}]}`, op, tt.value), "username"); got != tt.want {
					t.Errorf("%s %s: %q, want %q", op, tt.value, got, tt.want)
				}
			}
		}
	})
}

// TestEachEntryHasItsOwnID: the two sides of a transfer are two entries, in lists, by themselves and in the history.
func TestEachEntryHasItsOwnID(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta() // 2, 180
		s.joel()  // 3
		for n := range 3 {
			pair := [...]string{"marta", "joel"}
			if n == 1 {
				pair = [...]string{"joel", "marta"} // the account with the lower number gets
			}
			a := s.admin.post("/api/transfers", fmt.Sprintf(`{"from":%q,"to":%q,"amount":%d}`, pair[0], pair[1], 30-n)).is(http.StatusCreated)
			paid := s.admin.get(strings.TrimPrefix(a.header.Get("Location"), s.url)).is(http.StatusOK).object()
			if paid["signal"] != "-" || paid["value"] != float64(30-n) {
				t.Errorf("the Location of transfer %d is %v", n, paid)
			}
		}
		list := s.admin.get("/api/balance").is(http.StatusOK).objects()
		if len(list) != 7 {
			t.Fatalf("%v", list)
		}
		seen := map[any]bool{}
		for i, e := range list {
			if seen[e["id_"]] || i > 0 && e["id_"].(float64) <= list[i-1]["id_"].(float64) {
				t.Errorf("%v has the id of another, or a lower one", e)
			}
			seen[e["id_"]] = true
			alone := s.admin.get(fmt.Sprintf("/api/balance/%.0f", e["id_"])).is(http.StatusOK).object()
			if fmt.Sprint(alone) != fmt.Sprint(e) {
				t.Errorf("alone %v\nin the list %v", alone, e)
			}
			q := url.QueryEscape(fmt.Sprintf(`{"filters":[{"name":"id_","op":"eq","val":%.0f}]}`, e["id_"]))
			if found := s.admin.get("/api/balance?q=" + q).objects(); len(found) != 1 || fmt.Sprint(found[0]) != fmt.Sprint(e) {
				t.Errorf("found %v, not %v", found, e)
			}
		}
		s.admin.get(fmt.Sprintf("/api/balance/%.0f", list[6]["id_"].(float64)+1)).is(http.StatusNotFound)

		// Pages of one and the same size, by number and by key, forwards and backwards, show each once.
		for _, size := range []int{1, 2, 3} {
			for _, path := range []string{"/api/balance", "/api/ledger"} {
				key := map[string]string{"/api/balance": "id_", "/api/ledger": "id"}[path]
				var byNumber, byKey []string
				for page := 1; page <= 7; page++ {
					for _, e := range s.admin.get(fmt.Sprintf("%s?results_per_page=%d&page=%d", path, size, page)).objects() {
						byNumber = append(byNumber, fmt.Sprintf("%.0f", e[key]))
					}
				}
				after := ""
				for {
					page := s.admin.get(fmt.Sprintf("%s?results_per_page=%d%s", path, size, after)).objects()
					for _, e := range page {
						byKey = append(byKey, fmt.Sprintf("%.0f", e[key]))
						after = fmt.Sprintf("&after=%.0f", e[key])
					}
					if len(page) < size {
						break
					}
				}
				if len(byKey) != 7 || strings.Join(byKey, " ") != strings.Join(byNumber, " ") {
					t.Errorf("%s in pages of %d: by number %v, by key %v", path, size, byNumber, byKey)
				}
			}
		}
		for _, name := range []string{"marta", "joel"} {
			var user struct {
				Historic []map[string]string `json:"BallanceUserHistoric"`
			}
			s.admin.get("/api/users/" + name).into(&user)
			for _, e := range user.Historic {
				alone := s.admin.get("/api/balance/" + e["id_"]).is(http.StatusOK).object()
				if fmt.Sprintf("%.0f", alone["usersId"]) != e["usersId"] || alone["signal"] != e["signal"] {
					t.Errorf("in the history of %s %v, alone %v", name, e, alone)
				}
			}
			if got := s.admin.get("/api/ledger?user=" + name).objects(); len(got) != len(user.Historic) || fmt.Sprintf("%.0f", got[0]["id"]) != user.Historic[0]["id_"] {
				t.Errorf("the ledger of %s: %v", name, got)
			}
		}
		for _, order := range []string{"asc", "desc"} {
			q := fmt.Sprintf(`{"order_by":[{"field":"id_","direction":%q}],"filters":[{"name":"usersId","op":"eq","val":3}]}`, order)
			if got := s.admin.found("/api/balance", q, "value"); got != map[string]string{"asc": "30 29 28", "desc": "28 29 30"}[order] {
				t.Errorf("%s: %s", order, got)
			}
		}
		if got := s.admin.found("/api/balance", `{"order_by":[{"field":"usersId"}],"filters":[{"or":[{"name":"usersId","op":"eq","val":3},{"name":"value","op":"eq","val":180}]}]}`, "value"); got != "180 30 29 28" {
			t.Errorf("%s", got)
		}
	})
}

// TestCDRByHand: a record that somebody writes charges nobody, and may be changed; that of a billed call may not.
func TestCDRByHand(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		a := s.admin.post("/api/cdr", `{"answer":"2030-01-31T09:20:05.25","billsec":"42","from_user_id":2,"to_user_id":3}`).is(http.StatusCreated)
		o := a.object()
		if o["answer"] != "2030-01-31T09:20:05" || o["billsec"] != 42.0 || o["from_user"].(map[string]any)["username"] != "marta" || o["to_user"].(map[string]any)["username"] != "joel" {
			t.Errorf("%s", a.body)
		}
		path := strings.TrimPrefix(a.header.Get("Location"), s.url)
		s.admin.get(path).says(http.StatusOK, strings.TrimSpace(a.body))
		if marta := s.admin.get("/api/users/marta").object(); marta["BallanceUser"] != 180.0 || len(marta["originated_calls"].([]any)) != 1 {
			t.Errorf("%v", marta)
		}
		changed := s.admin.patch(path, `{"billsec":7,"to_user_id":null,"answer":"2030-01-31T09:20:05Z"}`).is(http.StatusOK)
		if o := changed.object(); o["billsec"] != 7.0 || o["to_user_id"] != nil || o["from_user_id"] != 2.0 {
			t.Errorf("%s", changed.body)
		}
		s.admin.get(path).says(http.StatusOK, strings.TrimSpace(changed.body))
		s.admin.patch(path, `{}`).says(http.StatusOK, strings.TrimSpace(changed.body))
		for what, body := range map[string]string{
			"nothing": `{}`, "no time": `{"billsec":1,"from_user_id":2}`, "odd time": `{"answer":"yesterday","billsec":1,"from_user_id":2}`, "no such day": `{"answer":"2030-02-31T00:00:00","billsec":1,"from_user_id":2}`,
			"year 0": `{"answer":"0000-01-01T00:00:00","billsec":1,"from_user_id":2}`, "negative": `{"answer":"2030-01-31T09:20:05","billsec":-1,"from_user_id":2}`,
			"too long": `{"answer":"2030-01-31T09:20:05","billsec":2147483648,"from_user_id":2}`, "nobody": `{"answer":"2030-01-31T09:20:05","billsec":1,"from_user_id":99}`,
			"no user": `{"answer":"2030-01-31T09:20:05","billsec":1,"from_user_id":"x"}`, "a list": `{"answer":["2030-01-31T09:20:05"],"billsec":1,"from_user_id":2}`,
			"unknown field": `{"answer":"2030-01-31T09:20:05","billsec":1,"from_user_id":2,"cost":0}`,
		} {
			if a := s.admin.post("/api/cdr", body); a.status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", what, a.status, a.body)
			}
		}
		s.admin.patch(path, `{"from_user_id":99}`).is(http.StatusBadRequest)
		s.admin.patch(path, `{"id_":5}`).is(http.StatusForbidden)
		s.admin.patch(path, `{"cost":5}`).says(http.StatusBadRequest, `{"message":"Model does not have field 'cost'"}`)

		s.call("pbx-1.1", "555000204", "555000205", 42)
		s.call("pbx-1.2", "555000204", "555000205", -1)
		billed := fmt.Sprintf("/api/cdr/%.0f", s.admin.get("/api/cdr").objects()[1]["id_"])
		for _, a := range []answer{s.admin.patch(billed, `{"billsec":1}`), s.admin.delete(billed)} {
			a.says(http.StatusConflict, `{"message":"the record of a call that was billed is never changed"}`)
		}
		open := fmt.Sprintf("/api/cdr/%.0f", s.admin.get("/api/holds").objects()[0]["id"])
		s.admin.patch(open, `{"billsec":1}`).says(http.StatusNotFound, `{}`)
		s.admin.delete(open).says(http.StatusNotFound, `{}`)
		if explained := s.admin.get(strings.Replace(path, "/cdr/", "/calls/", 1) + "/explain").is(http.StatusOK).object(); explained["charge"] != "0" || len(explained["entries"].([]any)) != 0 {
			t.Errorf("%v", explained)
		}
		s.user(models.NewUser{Username: "ana"})
		gone := s.admin.post("/api/cdr", `{"answer":"2030-01-31T09:20:05","billsec":1,"from_user_id":4,"to_user_id":4}`).is(http.StatusCreated)
		s.admin.delete("/api/users/ana").is(http.StatusNoContent)
		left := strings.TrimPrefix(gone.header.Get("Location"), s.url)
		if o := s.admin.patch(left, `{"billsec":2,"to_user_id":3}`).is(http.StatusOK).object(); o["from_user_id"] != 4.0 || o["from_user"] != nil || o["to_user_id"] != 3.0 {
			t.Errorf("%v", o)
		}
		if a := s.admin.delete(path).is(http.StatusNoContent); a.body != "" {
			t.Errorf("%q", a.body)
		}
		s.admin.delete(path).says(http.StatusNotFound, `{}`)
		s.admin.patch(path, `{}`).says(http.StatusNotFound, `{}`)
		log := s.admin.get("/api/audit").body
		for _, action := range []string{"cdr.add", "cdr.change", "cdr.delete"} {
			if !strings.Contains(log, `"action":"`+action+`"`) {
				t.Errorf("%s is not in the audit log: %s", action, log)
			}
		}
	})
}

// TestGroupsOfAUserChangeWithHim: all of a change is made, or nothing.
func TestGroupsOfAUserChangeWithHim(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		for _, name := range []string{"one", "two"} {
			s.admin.post("/api/groups", fmt.Sprintf(`{"name":%q,"day":1,"month":1,"year":3000,"count":1}`, name)).is(http.StatusCreated)
		}
		groups := func(user string) (names string) {
			t.Helper()
			for _, g := range s.admin.get("/api/users/" + user).object()["tunel"].([]any) {
				names += g.(map[string]any)["name"].(string) + " "
			}
			return names
		}
		s.admin.patch("/api/users/marta", `{"name":"Marta","tunel":{"add":[{"id_":1},{"id_":99}]}}`).is(http.StatusBadRequest)
		if got := s.admin.get("/api/users/marta").object(); got["name"] != "" || groups("marta") != "" {
			t.Errorf("half of a change was made: %v", got)
		}
		s.admin.patch("/api/users/marta", `{"clid":"555000205","tunel":{"add":[{"id_":1}]}}`).is(http.StatusConflict)
		if groups("marta") != "" {
			t.Error("half of a change was made")
		}
		s.admin.patch("/api/users/marta", `{"name":"Marta","tunel":[{"id_":1},2]}`).is(http.StatusOK)
		if got := groups("marta"); got != "one two " {
			t.Errorf("%s", got)
		}
		s.admin.patch("/api/users/marta", `{"tunel":{"remove":[1]}}`).is(http.StatusOK)
		if got := groups("marta"); got != "two " {
			t.Errorf("%s", got)
		}
		s.admin.patch("/api/users", `{"tunel":{"add":[1]},"q":{"filters":[{"name":"id_","op":"in","val":[2,3]}]}}`).says(http.StatusOK, `{"num_modified":2}`)
		if groups("marta") != "one two " || groups("joel") != "one " {
			t.Errorf("%s, %s", groups("marta"), groups("joel"))
		}
		s.admin.post("/api/users", strings.Replace(newUser("ana", "777"), "{", `{"tunel":[99],`, 1)).is(http.StatusBadRequest)
		s.admin.get("/api/users/ana").is(http.StatusNotFound)
		s.admin.post("/api/users", strings.Replace(newUser("ana", "777"), "{", `{"tunel":[2],"address":"Calle Larga 4","cpf":"111.444.777-35",`, 1)).is(http.StatusCreated)
		if got := s.admin.get("/api/users/ana").object(); groups("ana") != "two " || got["address"] != "Calle Larga 4" || got["cpf"] != "111.444.777-35" {
			t.Errorf("%v", got)
		}
		s.login("marta").patch("/api/users/marta", `{"address":"Calle Corta 1","cpf":"x"}`).is(http.StatusOK)
		if got := s.admin.found("/api/users", `{"filters":[{"name":"address","op":"like","val":"Calle%"}]}`, "cpf"); got != "x 111.444.777-35" {
			t.Errorf("%s", got)
		}
		s.admin.patch("/api/users/marta", `{"address":"`+strings.Repeat("x", 201)+`"}`).is(http.StatusBadRequest)
		s.admin.patch("/api/users/marta", `{"voice_balance":5}`).is(http.StatusForbidden)
		if log := s.admin.get("/api/audit").body; !strings.Contains(log, `"action":"user.group"`) || !strings.Contains(log, `"address":"Calle Corta 1"`) {
			t.Errorf("%s", log)
		}
	})
}

// TestGroupsOnTheirDays: today counts, strings of digits do, times are the server's own, and nobody's login depends on them.
func TestGroupsOnTheirDays(t *testing.T) {
	zone := time.FixedZone("", -3*60*60)
	onBoth(t, func(t *testing.T, s *site) {
		s.marta() // 180
		s.joel()
		// The store asks the database for the day of its own zone, which is that of this machine.
		today := time.Now()
		a := s.admin.post("/api/groups", fmt.Sprintf(`{"name":"today","day":"%d","month":"%d","year":"%d","count":"2","users":["2",3]}`, today.Day(), today.Month(), today.Year()))
		if a.status == http.StatusBadRequest && today.In(zone).Day() != today.Day() {
			t.Skip("it is not yet today there")
		}
		a.is(http.StatusCreated)
		if got := len(a.object()["dates_to_update"].([]any)); got != 2 {
			t.Errorf("%s", a.body)
		}
		for range 2 {
			done := s.admin.patch("/api/groups/today", `{}`).is(http.StatusOK).object()
			if got := len(done["dates_to_update"].([]any)); got != 1 {
				t.Errorf("%v", done)
			}
			for _, name := range []string{"marta", "joel"} {
				if got := s.admin.get("/api/users/" + name).object()["BallanceUser"]; got != 1250.0 {
					t.Errorf("%s has %v", name, got)
				}
			}
		}
		entry := s.admin.get("/api/balance").objects()[1]
		if entry["signal"] != "+" || entry["type_"] != "increase" {
			t.Errorf("%v", entry)
		}
		s.admin.patch("/api/groups/today", `{"updateGroup":"1"}`).is(http.StatusOK)
		s.admin.patch("/api/groups/today", `{"updateGroup":1}`).says(http.StatusConflict, `{"message":"no refill date left"}`)
		s.login("admin")
		made := s.admin.post("/api/balance", `{"signal":"+","value":1,"userId":2,"date":"1999-01-01T00:00:00"}`).is(http.StatusCreated).object()
		at, err := time.ParseInLocation("2006-01-02T15:04:05", made["date"].(string), zone)
		if err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("%v, %v", made, err)
		}
		s.admin.post("/api/cdr", `{"answer":"2030-01-31T09:20:05","billsec":1,"from_user_id":2,"to_user_id":3}`).is(http.StatusCreated) // empty lists have no last page
		for path, size := range map[string]string{"/api/users": "10", "/api/cdr": "10", "/api/groups": "100", "/api/balance": "100"} {
			if link := s.admin.get(path).header.Get("Link"); !strings.Contains(link, "results_per_page="+size+">") {
				t.Errorf("%s: %s", path, link)
			}
		}
	}, func(d *adminapi.Deps) { d.Location = zone })
}

// TestCallsOfABusyUser: his newest hundred, and the answer says that there are more.
func TestCallsOfABusyUser(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		record := func(n int) {
			s.admin.post("/api/cdr", fmt.Sprintf(`{"answer":"2030-01-31T09:20:05","billsec":%d,"from_user_id":2,"to_user_id":3}`, n)).is(http.StatusCreated)
		}
		for n := range 100 {
			record(n)
		}
		marta := s.admin.get("/api/users/marta")
		if calls := marta.object()["originated_calls"].([]any); len(calls) != 100 || marta.header.Get("X-Truncated") != "" {
			t.Errorf("%d calls, %q", len(calls), marta.header.Get("X-Truncated"))
		}
		record(100)
		marta = s.admin.get("/api/users/marta")
		calls := marta.object()["originated_calls"].([]any)
		if len(calls) != 100 || marta.header.Get("X-Truncated") != "originated_calls" || calls[0].(map[string]any)["billsec"] != 1.0 {
			t.Errorf("%d calls, %q", len(calls), marta.header.Get("X-Truncated"))
		}
		if got := s.admin.get("/api/users/joel").header.Get("X-Truncated"); got != "received_calls" {
			t.Errorf("%q", got)
		}
		q := url.QueryEscape(`{"filters":[{"name":"from_user_id","op":"eq","val":2}]}`)
		if got := s.admin.get("/api/cdr?q=" + q).object()["num_results"]; got != 101.0 {
			t.Errorf("%v records", got)
		}
		for _, u := range s.admin.get("/api/users").objects()[1:] {
			if n := len(u["originated_calls"].([]any)) + len(u["received_calls"].([]any)); n != 10 {
				t.Errorf("%v has %d calls in the list", u["username"], n)
			}
		}
	})
}

// TestGroupOfManyUsers: in lists it shows some, alone all that a page can bear, and says so.
func TestGroupOfManyUsers(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; a run that is not short has it")
	}
	onBoth(t, func(t *testing.T, s *site) {
		const users = 10_001
		err := s.store.ImportUsers(t.Context(), "test", "test", func(yield func(models.NewUser) error) error {
			for n := range users {
				if err := yield(models.NewUser{Username: fmt.Sprintf("user%05d", n)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ids := make([]string, users)
		for n := range users {
			ids[n] = fmt.Sprint(2 + n)
		}
		made := s.admin.post("/api/groups", `{"name":"all","day":1,"month":1,"year":3000,"count":1,"users":[`+strings.Join(ids, ",")+`]}`).is(http.StatusCreated)
		for _, a := range []answer{made, s.admin.get("/api/groups/all").is(http.StatusOK)} {
			if n := len(a.object()["tunel"].([]any)); n != 10_000 || a.header.Get("X-Truncated") != "tunel" {
				t.Errorf("%d members, %q", n, a.header.Get("X-Truncated"))
			}
		}
		list := s.admin.get("/api/groups").is(http.StatusOK)
		if n := len(list.objects()[0]["tunel"].([]any)); n != 100 || list.header.Get("X-Truncated") != "tunel" {
			t.Errorf("%d members, %q", n, list.header.Get("X-Truncated"))
		}
		less := s.admin.patch("/api/groups/all", `{"removeUser":[2]}`).is(http.StatusOK)
		if n := len(less.object()["tunel"].([]any)); n != 10_000 || less.header.Get("X-Truncated") != "" {
			t.Errorf("%d members, %q", n, less.header.Get("X-Truncated"))
		}
		found := s.admin.get("/api/users?q=" + url.QueryEscape(`{"filters":[{"name":"tunel__name","op":"any","val":"all"}]}`))
		if got := found.object()["num_results"]; got != 10_000.0 {
			t.Errorf("%v users", got)
		}
	})
}

// TestLaterWords: what a later version of the original called things.
func TestLaterWords(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta() // 180
		s.joel()
		a := s.admin.post("/api/voice_balance", `{"from_user_id":2,"value":-30,"origin":"call","to_user_id":3}`).is(http.StatusCreated)
		if o := a.object(); o["from_user_id"] != 2.0 || o["to_user_id"] != 3.0 || o["value"] != -30.0 || o["origin"] != "call" {
			t.Errorf("%s", a.body)
		}
		if got := s.admin.get(strings.TrimPrefix(a.header.Get("Location"), s.url)).is(http.StatusOK).object(); got["signal"] != "-" || got["value"] != 30.0 {
			t.Errorf("%v", got)
		}
		if got := s.admin.get("/api/users/marta").object(); got["voice_balance"] != 150.0 || got["level"] != 1.0 {
			t.Errorf("%v", got)
		}
		s.admin.post("/api/voice_balance", `{"from_user_id":2,"value":-151}`).says(http.StatusConflict, `{"message":"insufficient balance"}`)
		for _, body := range []string{
			`{}`, `{"value":1}`, `{"from_user_id":2}`, `{"from_user_id":2,"value":0}`, `{"from_user_id":2,"value":1.5}`, `{"from_user_id":99,"value":1}`,
			`{"from_user_id":2,"value":1,"origin":"theft"}`, `{"from_user_id":2,"value":1,"shoes":1}`, `{"from_user_id":null,"value":1}`, `{"from_user_id":2,"value":1,"to_user_id":"x"}`,
		} {
			s.admin.post("/api/voice_balance", body).is(http.StatusBadRequest)
		}
		s.start(func(d *adminapi.Deps) { d.Asterisk = loopback })
		s.anonymous().post("/check_data_balance", `{"imsi":"001010000000204"}`).says(http.StatusOK, "none")
		s.anonymous().get("/check_data_balance?imsi=1").says(http.StatusOK, "none")
		s.anonymous().post("/check_data_balance", `{}`).is(http.StatusBadRequest)
	})
}
