package adminapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"talktime/models"
	"talktime/money"
)

// TestCreateUser is checklist 5 and 6.
func TestCreateUser(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		a := s.admin.post("/api/users", `{"username":"marta","password":"0000000","clid":"000000204","imsi":"001010000000204","admin":false}`)
		a.says(http.StatusCreated, `{"id_":2,"username":"marta","clid":"000000204","imsi":"001010000000204","admin":false,`+
			`"BallanceUser":0,"BallanceUserHistoric":[],"tunel":[],"originated_calls":[],"received_calls":[],`+
			`"name":"","level":1,"account_id":null,"currency":"SEC","balance":"0","held":"0","available":"0","credit_limit":"0","address":"","cpf":"","voice_balance":0,"blocked":false}`)
		if got, want := a.header.Get("Location"), s.url+"/api/users/marta"; got != want {
			t.Errorf("Location is %s, want %s", got, want)
		}
		s.admin.get("/api/users/marta").says(http.StatusOK, strings.TrimSpace(a.body))
		s.anonymous().form("/login", "username=marta&password=0000000").is(http.StatusOK)
		s.anonymous().form("/login", "username=marta&password=000000").is(http.StatusUnauthorized)
		s.anonymous().form("/login", "username=marta&password=0").is(http.StatusUnauthorized)

		// The original's README: its curl line lacks a comma.
		s.admin.post("/api/users", `{"username":"yourusername","password":"yourpassword","clid":"999999999","imsi":"12345678900" "admin":false}`).
			says(http.StatusBadRequest, `{"message":"Unable to decode data"}`)
		s.admin.post("/api/users", `{"username":"yourusername","password":"yourpassword","clid":"999999999","imsi":"12345678900", "admin":"false"}`).
			is(http.StatusCreated)
		for _, name := range []string{"username", "password", "clid", "imsi", "admin"} {
			body := strings.NewReplacer(`"`+name+`"`, `"name"`).Replace(newUser("joel", "555000205"))
			s.admin.post("/api/users", strings.Replace(body, `"name":false`, `"name":"x"`, 1)).
				says(http.StatusBadRequest, `{"message":"missing field: `+name+`"}`)
		}
		for _, duplicate := range []string{newUser("marta", "555000205"), newUser("joel", "000000204"), strings.Replace(newUser("joel", "555000205"), "0010555000205", "001010000000204", 1)} {
			s.admin.post("/api/users", duplicate).says(http.StatusConflict, `{"message":"the user already exists"}`)
		}
		s.admin.post("/api/users", strings.Replace(newUser("joel", "555000205"), "{", `{"shoe_size":44,"id_":7,`, 1)).
			says(http.StatusBadRequest, `{"validation_errors":{"id_":"unknown field","shoe_size":"unknown field"}}`)

		for what, body := range map[string]string{
			"short password":  `{"username":"joel","password":"12345","clid":"1","imsi":"1","admin":false}`,
			"password null":   `{"username":"joel","password":null,"clid":"1","imsi":"1","admin":false}`,
			"admin as number": `{"username":"joel","password":"secret7","clid":"1","imsi":"1","admin":0}`,
			"admin null":      `{"username":"joel","password":"secret7","clid":"1","imsi":"1","admin":null}`,
			"clid empty":      `{"username":"joel","password":"secret7","clid":"","imsi":"1","admin":false}`,
			"clid null":       `{"username":"joel","password":"secret7","clid":null,"imsi":"1","admin":false}`,
			"clid of letters": `{"username":"joel","password":"secret7","clid":"12a","imsi":"1","admin":false}`,
			"clid too long":   `{"username":"joel","password":"secret7","clid":"123456789012345678901","imsi":"1","admin":false}`,
			"imsi too long":   `{"username":"joel","password":"secret7","clid":"1","imsi":"12345678901234567","admin":false}`,
			"imsi negative":   `{"username":"joel","password":"secret7","clid":"1","imsi":-5,"admin":false}`,
			"name with slash": `{"username":"jo/el","password":"secret7","clid":"1","imsi":"1","admin":false}`,
			"name empty":      `{"username":"","password":"secret7","clid":"1","imsi":"1","admin":false}`,
			"name with line":  `{"username":"jo\nel","password":"secret7","clid":"1","imsi":"1","admin":false}`,
			"name as object":  `{"username":{},"password":"secret7","clid":"1","imsi":"1","admin":false}`,
			"name null":       `{"username":null,"password":"secret7","clid":"1","imsi":"1","admin":false}`,
			"level 3":         `{"username":"joel","password":"secret7","clid":"1","imsi":"1","admin":false,"level":3}`,
			"level disagrees": `{"username":"joel","password":"secret7","clid":"1","imsi":"1","admin":false,"level":0}`,
			"level fraction":  `{"username":"joel","password":"secret7","clid":"1","imsi":"1","admin":false,"level":1.5}`,
			"account too big": `{"username":"joel","password":"secret7","clid":"1","imsi":"1","admin":false,"account_id":"` + strings.Repeat("x", 65) + `"}`,
		} {
			if a := s.admin.post("/api/users", body); a.status != http.StatusBadRequest || !strings.Contains(a.body, `{"message":"`) {
				t.Errorf("%s: %d %s", what, a.status, a.body)
			}
		}
		// Digits may come as numbers, as the original's clients sent them.
		s.admin.post("/api/users", `{"username":"joel","password":1234567,"clid":"+555","imsi":72499,"admin":"true","name":"Joël","account_id":"7-up"}`).is(http.StatusCreated)
		joel := s.admin.get("/api/users/joel").object()
		if joel["imsi"] != "72499" || joel["clid"] != "+555" || joel["level"] != 0.0 || joel["admin"] != true || joel["name"] != "Joël" || joel["account_id"] != "7-up" {
			t.Errorf("%v", joel)
		}
		s.admin.post("/api/users", strings.Replace(newUser("eve", "555000206"), "{", `{"account_id":"7-up",`, 1)).is(http.StatusConflict)
		s.admin.get("/api/users/eve").says(http.StatusNotFound, `{}`)
		if got := s.admin.get("/api/users").object()["num_results"]; got != 4.0 {
			t.Errorf("%v users are counted", got)
		}
	})
}

// TestChangeUser is checklist 4 and 7.
func TestChangeUser(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		marta := s.login("marta")
		for _, field := range []string{
			`"tunel":[]`, `"admin":true`, `"clid":"5"`, `"id_":5`, `"originated_calls":[]`, `"received_calls":[]`, `"BallanceUser":5`,
			`"BallanceUserHistoric":[]`, `"balance":"5"`, `"level":0`, `"account_id":"x"`,
		} {
			marta.patch("/api/users/marta", "{"+field+"}").says(http.StatusForbidden, `{"message":"Forbidden"}`)
		}
		for _, field := range []string{`"id_":5`, `"originated_calls":[]`, `"received_calls":[]`, `"BallanceUser":5`, `"BallanceUserHistoric":[]`, `"available":"5"`} {
			s.admin.patch("/api/users/marta", "{"+field+"}").says(http.StatusForbidden, `{"message":"Forbidden"}`)
		}
		s.admin.patch("/api/users/marta", `{"shoe_size":44}`).says(http.StatusBadRequest, `{"message":"Model does not have field 'shoe_size'"}`)
		marta.patch("/api/users/joel", `{}`).is(http.StatusForbidden)

		renamed := marta.patch("/api/users/marta", `{"username":"marta b","password":"another7"}`).is(http.StatusOK)
		if renamed.object()["username"] != "marta b" || renamed.object()["id_"] != 2.0 {
			t.Errorf("%s", renamed.body)
		}
		s.admin.get("/api/users/marta").says(http.StatusNotFound, `{}`)
		s.admin.get("/api/users/marta%20b").is(http.StatusOK)
		s.admin.patch("/api/users/marta%20b", `{"username":"joel"}`).says(http.StatusConflict, `{"message":"the user already exists"}`)
		s.admin.patch("/api/users/marta%20b", `{"username":"marta","clid":"00555","imsi":"0042","level":2,"name":"Marta","account_id":"acme"}`).is(http.StatusOK)
		got := s.admin.get("/api/users/marta").object()
		if got["clid"] != "00555" || got["imsi"] != "0042" || got["level"] != 2.0 || got["account_id"] != "acme" || got["BallanceUser"] != 180.0 {
			t.Errorf("%v", got)
		}
		s.admin.patch("/api/users/marta", `{"clid":null,"account_id":null}`).is(http.StatusOK)
		if got := s.admin.get("/api/users/marta").object(); got["clid"] != nil || got["account_id"] != nil {
			t.Errorf("%v", got)
		}
		s.admin.patch("/api/users/marta", `{"clid":""}`).is(http.StatusBadRequest)
		s.admin.patch("/api/users/marta", `{"password":"short"}`).is(http.StatusBadRequest)
		s.admin.patch("/api/users/marta", `{"level":0}`).is(http.StatusOK)
		if got := s.admin.get("/api/users/marta").object(); got["admin"] != true {
			t.Errorf("%v", got)
		}
		s.admin.patch("/api/users/marta", `{"admin":"false"}`).is(http.StatusOK)
		s.admin.patch("/api/users/admin", `{"admin":false}`).says(http.StatusConflict, `{"message":"this is the last administrator"}`)
		s.admin.delete("/api/users/admin").says(http.StatusConflict, `{"message":"this is the last administrator"}`)
		s.admin.get("/api/users/admin").is(http.StatusOK)

		// What was done is in the audit log, without passwords.
		log := s.admin.get("/api/audit").is(http.StatusOK)
		if !strings.Contains(log.body, `"before":{"username":"marta","clid":"555000204"`) || !strings.Contains(log.body, `"password":"changed"`) {
			t.Errorf("the audit log: %s", log.body)
		}
	})
}

// TestChangeManyUsers: never everybody by mistake.
func TestChangeManyUsers(t *testing.T) { onBoth(t, changeManyUsers) }

func changeManyUsers(t *testing.T, s *site) {
	s.marta()
	for _, body := range []string{`{}`, `{"name":"x"}`, `{"name":"x","q":{}}`, `{"name":"x","q":{"filters":[]}}`, `{"name":"x","q":7}`, `{"name":"x","q":"{"}`} {
		s.admin.patch("/api/users", body).is(http.StatusBadRequest)
	}
	if s.admin.get("/api/users/marta").object()["name"] != "" {
		t.Error("a refused change was made")
	}
}

// TestDeleteUser: what goes and what stays.
func TestDeleteUser(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		s.call("pbx-1.1", "555000204", "555000205", 42)
		s.call("pbx-1.2", "555000204", "555000205", -1)
		s.admin.delete("/api/users/marta").says(http.StatusConflict, `{"message":"the user has a call in progress"}`)
		holds := s.admin.get("/api/holds").objects()
		if len(holds) != 1 {
			t.Fatalf("%v", holds)
		}
		s.admin.delete(fmt.Sprintf("/api/holds/%.0f", holds[0]["id"])).is(http.StatusNoContent)
		a := s.admin.delete("/api/users/marta").is(http.StatusNoContent)
		if a.body != "" {
			t.Errorf("the body is %q", a.body)
		}
		s.admin.get("/api/users/marta").says(http.StatusNotFound, `{}`)
		s.admin.delete("/api/users/marta").says(http.StatusNotFound, `{}`)
		s.anonymous().form("/login", "username=marta&password=secret7").is(http.StatusUnauthorized)
		if got := s.admin.get("/api/users").object()["num_results"]; got != 2.0 {
			t.Errorf("%v users are counted", got)
		}
		records := s.admin.get("/api/cdr").objects()
		if len(records) != 1 || records[0]["from_user_id"] != 2.0 || records[0]["from_user"] != nil || records[0]["billsec"] != 42.0 {
			t.Errorf("the records: %v", records)
		}
		s.admin.post("/api/balance", `{"signal":"+","value":5,"userId":2}`).is(http.StatusBadRequest)
		entries := s.admin.get("/api/ledger").objects()
		if len(entries) != 3 || entries[0]["kind"] != "closed" || entries[0]["amount"] != "-138" {
			t.Errorf("the ledger: %v", entries)
		}
		line := s.admin.get(`/api/audit?q={"filters":[{"name":"action","op":"eq","val":"user.delete"}]}`).objects()[0]
		if before := line["before"].(map[string]any); before["level"] != 1.0 || before["balance"] != "138" || line["after"] != nil {
			t.Errorf("the audit log: %v", line)
		}
		// The names are free; the id is not given again.
		s.admin.post("/api/users", `{"username":"marta","password":"secret7","clid":"555000204","imsi":"001010000000204","admin":false}`).is(http.StatusCreated)
		if got := s.admin.get("/api/users/marta").object(); got["id_"] != 4.0 || got["BallanceUser"] != 0.0 {
			t.Errorf("%v", got)
		}
	})
}

// TestLists is checklist 8.
func TestLists(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		empty := s.admin.get("/api/cdr")
		empty.says(http.StatusOK, `{"num_results":0,"objects":[],"page":1,"total_pages":0}`)
		for n := range 24 {
			s.user(models.NewUser{Username: fmt.Sprintf("user%02d", n), CLID: fmt.Sprintf("5550%02d", n), IMSI: fmt.Sprintf("00%02d", n)})
		}
		type page struct {
			NumResults int              `json:"num_results"`
			Objects    []map[string]any `json:"objects"`
			Page       int              `json:"page"`
			TotalPages int              `json:"total_pages"`
		}
		for _, tt := range []struct {
			query                    string
			objects, page, pages     int
			first                    any
			next                     string
			resultsPerPage, lastPage int
		}{
			{"", 10, 1, 3, 1.0, "page=2", 10, 3},
			{"?page=2", 10, 2, 3, 11.0, "page=3", 10, 3},
			{"?page=3", 5, 3, 3, 21.0, "", 10, 3},
			{"?page=4", 0, 4, 3, nil, "", 10, 3},
			{"?page=99999999", 0, 99999999, 3, nil, "", 10, 3},
			{"?page=0", 10, 1, 3, 1.0, "page=2", 10, 3},
			{"?page=x", 10, 1, 3, 1.0, "page=2", 10, 3},
			{"?page=99999999999999999999", 10, 1, 3, 1.0, "page=2", 10, 3},
			{"?results_per_page=1000", 25, 1, 1, 1.0, "", 100, 1},
			{"?results_per_page=99999999999999999999", 25, 1, 1, 1.0, "", 100, 1},
			{"?results_per_page=0", 10, 1, 3, 1.0, "page=2", 10, 3},
			{"?results_per_page=-1", 10, 1, 3, 1.0, "page=2", 10, 3},
			{"?results_per_page=x", 10, 1, 3, 1.0, "page=2", 10, 3},
			{"?results_per_page=7&page=2", 7, 2, 4, 8.0, "page=3", 7, 4},
		} {
			a := s.admin.get("/api/users" + tt.query).is(http.StatusOK)
			var p page
			a.into(&p)
			if p.NumResults != 25 || len(p.Objects) != tt.objects || p.Page != tt.page || p.TotalPages != tt.pages {
				t.Errorf("%s: %d results, %d objects, page %d of %d", tt.query, p.NumResults, len(p.Objects), p.Page, p.TotalPages)
			}
			if len(p.Objects) > 0 && p.Objects[0]["id_"] != tt.first {
				t.Errorf("%s begins with %v", tt.query, p.Objects[0]["id_"])
			}
			want := fmt.Sprintf(`<%s/api/users?page=%d&results_per_page=%d>; rel="last"`, s.url, tt.lastPage, tt.resultsPerPage)
			if tt.next != "" {
				want = fmt.Sprintf(`<%s/api/users?%s&results_per_page=%d>; rel="next", `, s.url, tt.next, tt.resultsPerPage) + want
			}
			if got := a.header.Get("Link"); got != want {
				t.Errorf("%s: Link\n got %s\nwant %s", tt.query, got, want)
			}
		}
		after := s.admin.get("/api/users?after=20&results_per_page=3")
		if got := after.objects(); len(got) != 3 || got[0]["id_"] != 21.0 || !strings.Contains(after.header.Get("Link"), "after=23>; rel=\"next\"") &&
			!strings.Contains(after.header.Get("Link"), "results_per_page=3&after=23>; rel=\"next\"") {
			t.Errorf("after 20: %v, %s", got, after.header.Get("Link"))
		}
		s.admin.get("/api/users?after=x").is(http.StatusBadRequest)
		s.admin.get("/api/users?q=").says(http.StatusBadRequest, `{"message":"Unable to decode data"}`)
		if a := s.admin.get("/api/users?callback=alert"); strings.Contains(a.body, "alert") {
			t.Error("a callback is served without being asked for by the settings")
		}
	})
}

// TestBalance is checklist 10 and 11.
func TestBalance(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.joel()
		a := s.admin.post("/api/balance", `{"signal":"+","type_":"increase","value":"1000","userId":2}`).is(http.StatusCreated)
		entry := a.object()
		if entry["usersId"] != 2.0 || entry["signal"] != "+" || entry["type_"] != "increase" || entry["value"] != 1000.0 || entry["amount"] != "1000" {
			t.Errorf("%s", a.body)
		}
		if !strings.HasPrefix(a.body, fmt.Sprintf(`{"id_":%.0f,"usersId":2,"signal":"+","type_":"increase","value":1000,"date":"`, entry["id_"])) {
			t.Errorf("the order of the keys: %s", a.body)
		}
		s.admin.get(strings.TrimPrefix(a.header.Get("Location"), s.url)).says(http.StatusOK, strings.TrimSpace(a.body))
		s.admin.post("/api/balance", `{"signal":"-","type_":"decrease","value":400,"userId":2}`).is(http.StatusCreated)
		joel := s.admin.get("/api/users/joel").object()
		if joel["BallanceUser"] != 600.0 || joel["available"] != "600" {
			t.Errorf("%v", joel)
		}
		s.admin.post("/api/balance", `{"signal":"+","type_":"decrease","value":1,"userId":2}`).says(http.StatusBadRequest, `{"message":"signal and type_ disagree"}`)
		s.admin.post("/api/balance", `{"signal":"-","value":601,"userId":2}`).says(http.StatusConflict, `{"message":"insufficient balance"}`)
		s.admin.post("/api/balance", `{"type_":"decrease","value":"600","userId":"2"}`).is(http.StatusCreated)
		s.admin.post("/api/balance", `{"signal":"+","value":7,"userId":"001010000000205"}`).is(http.StatusCreated) // an IMSI
		for what, body := range map[string]string{
			"nothing": `{}`, "no user": `{"signal":"+","value":1}`, "no value": `{"signal":"+","userId":2}`, "no sign": `{"value":1,"userId":2}`,
			"zero": `{"signal":"+","value":0,"userId":2}`, "negative": `{"signal":"+","value":-1,"userId":2}`, "fraction": `{"signal":"+","value":1.5,"userId":2}`,
			"fraction in text": `{"signal":"+","value":"1.5","userId":2}`, "exponent": `{"signal":"+","value":1e3,"userId":2}`, "plus": `{"signal":"+","value":"+1","userId":2}`,
			"blank": `{"signal":"+","value":" 1","userId":2}`, "too much": `{"signal":"+","value":2147483648,"userId":2}`, "far too much": `{"signal":"+","value":99999999999999999999999,"userId":2}`,
			"value null": `{"signal":"+","value":null,"userId":2}`, "value true": `{"signal":"+","value":true,"userId":2}`, "user unknown": `{"signal":"+","value":1,"userId":99}`,
			"user null": `{"signal":"+","value":1,"userId":null}`, "user a name": `{"signal":"+","value":1,"userId":"joel"}`, "user huge": `{"signal":"+","value":1,"userId":99999999999999999999}`,
			"IMSI unknown": `{"signal":"+","value":1,"userId":"99999999999999"}`, "sign odd": `{"signal":"*","value":1,"userId":2}`, "type as sign": `{"signal":"increase","value":1,"userId":2}`,
			"unknown field": `{"signal":"+","value":1,"userId":2,"id_":5}`,
		} {
			if a := s.admin.post("/api/balance", body); a.status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", what, a.status, a.body)
			}
		}
		s.admin.post("/api/balance", `{"signal":"+","value":2147483647,"userId":2}`).is(http.StatusCreated)
		for range 10 {
			s.admin.post("/api/balance", `{"signal":"+","value":1,"userId":2}`).is(http.StatusCreated)
		}
		last := s.admin.post("/api/balance", `{"signal":"-","value":3,"userId":2}`).object()
		var user struct {
			Historic []map[string]string `json:"BallanceUserHistoric"` // every value is a string
		}
		s.admin.get("/api/users/joel").into(&user)
		if len(user.Historic) != 10 || user.Historic[0]["value"] != "3" || user.Historic[0]["signal"] != "-" ||
			user.Historic[0]["id_"] != fmt.Sprintf("%.0f", last["id_"]) || user.Historic[9]["value"] != "1" {
			t.Errorf("the history: %v", user.Historic)
		}
		list := s.admin.get("/api/balance").objects()
		if len(list) != 16 || list[0]["value"] != 1000.0 || list[15]["value"] != 3.0 {
			t.Errorf("the list: %v", list)
		}
	})
}

// TestIdempotencyKey: the same again is done once; something else under the same key is refused.
func TestIdempotencyKey(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.joel()
		payer := *s.admin
		payer.header = http.Header{"Idempotency-Key": {"receipt-1017"}}
		const body = `{"signal":"+","value":"10","userId":2}`
		answers := make(chan answer)
		for range 100 {
			go func() { answers <- payer.post("/api/balance", body) }()
		}
		first := (<-answers).is(http.StatusCreated)
		for range 99 {
			(<-answers).says(http.StatusCreated, strings.TrimSpace(first.body))
		}
		if got := s.admin.get("/api/users/joel").object()["BallanceUser"]; got != 10.0 {
			t.Errorf("the balance is %v", got)
		}
		payer.post("/api/balance", `{"signal":"+","value":"11","userId":2}`).is(http.StatusConflict)
		payer.post("/api/balance", `{"signal":"-","value":"10","userId":2}`).is(http.StatusConflict)
		payer.post("/api/balance", `{"signal":"+","value":"10","userId":1}`).is(http.StatusConflict)
		for _, key := range []string{strings.Repeat("x", 101), "a b", "é"} {
			payer.header = http.Header{"Idempotency-Key": {key}}
			payer.post("/api/balance", body).is(http.StatusBadRequest)
		}
	})
}

// TestParallelTopUps: fifty at once for different users land on the right ones, through two servers.
func TestParallelTopUps(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		const users = 50
		for n := range users {
			s.user(models.NewUser{Username: fmt.Sprintf("user%02d", n)})
		}
		other := *s.admin
		second := *s
		second.start()
		other.site = &second
		done := make(chan answer)
		for n := range users {
			payer := s.admin
			if n%2 == 1 {
				payer = &other
			}
			go func() {
				done <- payer.post("/api/balance", fmt.Sprintf(`{"signal":"+","value":%d,"userId":%d}`, 100+n, 2+n))
			}()
		}
		for range users {
			entry := (<-done).is(http.StatusCreated).object()
			if entry["value"] != 98.0+entry["usersId"].(float64) {
				t.Errorf("%v", entry)
			}
		}
		list := s.admin.get("/api/users?results_per_page=100").objects()
		for _, u := range list[1:] {
			if u["BallanceUser"] != 98.0+u["id_"].(float64) {
				t.Errorf("%v has %v", u["id_"], u["BallanceUser"])
			}
		}
	})
}

// TestCalls: records, calls in any state, and how a charge comes about.
func TestCalls(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		s.call("pbx-1.1", "555000204", "555000205", 42)
		s.call("pbx-1.2", "555000204", "59899123000", 10)
		s.call("pbx-1.3", "555000204", "59899123000", -1)

		records := s.admin.get("/api/cdr").is(http.StatusOK).objects()
		if len(records) != 2 {
			t.Fatalf("%v", records)
		}
		first := s.admin.get(fmt.Sprintf("/api/cdr/%.0f", records[0]["id_"])).is(http.StatusOK)
		if !strings.HasPrefix(first.body, fmt.Sprintf(`{"id_":%.0f,"answer":"`, records[0]["id_"])) ||
			!strings.Contains(first.body, `,"billsec":42,"from_user_id":2,"to_user_id":3,"from_user":{"id_":2,"username":"marta"`) ||
			!strings.Contains(first.body, `"to_user":{"id_":3,"username":"joel"`) {
			t.Errorf("%s", first.body)
		}
		if records[1]["to_user_id"] != nil || records[1]["to_user"] != nil {
			t.Errorf("%v", records[1])
		}
		marta, joel := s.admin.get("/api/users/marta").object(), s.admin.get("/api/users/joel").object()
		if len(marta["originated_calls"].([]any)) != 2 || len(joel["received_calls"].([]any)) != 1 || len(joel["originated_calls"].([]any)) != 0 {
			t.Errorf("%v, %v", marta, joel)
		}
		if marta["BallanceUser"] != 128.0 || marta["held"] != "128" || marta["available"] != "0" {
			t.Errorf("%v", marta)
		}

		calls := s.admin.get("/api/calls").is(http.StatusOK).objects()
		if len(calls) != 3 || calls[0]["state"] != "open" || calls[0]["held"] != "128" || calls[2]["charge"] != "42" {
			t.Fatalf("%v", calls)
		}
		if got := s.admin.get("/api/calls?user=joel").objects(); len(got) != 0 {
			t.Errorf("calls of joel: %v", got)
		}
		s.admin.get("/api/calls?user=nobody").is(http.StatusBadRequest)
		var explained struct {
			Call     map[string]any
			Evidence []map[string]any
			Legs     []struct {
				Rate  map[string]any
				Steps []struct{ Amount money.Amount }
			}
			Charge  money.Amount
			Entries []struct {
				Account string
				Amount  money.Amount
				UserID  *int64 `json:"user_id"`
			}
		}
		s.admin.get(fmt.Sprintf("/api/calls/%.0f/explain", calls[2]["id"])).is(http.StatusOK).into(&explained)
		if explained.Charge != 42*money.Unit || len(explained.Evidence) != 1 || len(explained.Legs) != 1 || len(explained.Legs[0].Steps) != 2 || explained.Legs[0].Steps[1].Amount != 42*money.Unit ||
			explained.Legs[0].Rate["per_minute"] != "60" || len(explained.Entries) != 2 {
			t.Errorf("%+v", explained)
		}
		var sum money.Amount
		for _, e := range explained.Entries {
			sum += e.Amount
		}
		if sum != 0 {
			t.Errorf("the entries add up to %s", sum)
		}
		var open struct {
			Ending string
			Hold   struct {
				Cost  money.Amount
				Steps []struct{ Does string }
			}
		}
		s.admin.get(fmt.Sprintf("/api/calls/%.0f/explain", calls[0]["id"])).is(http.StatusOK).into(&open)
		if open.Ending != "" || open.Hold.Cost != 128*money.Unit || len(open.Hold.Steps) != 2 || !strings.Contains(open.Hold.Steps[0].Does, "128 s") {
			t.Errorf("%+v", open)
		}
		a := s.admin.get("/api/calls/77").is(http.StatusNotFound)
		if a.header.Get("Content-Type") != "application/problem+json" || a.object()["message"] != "not found" || a.object()["status"] != 404.0 {
			t.Errorf("%s", a.body)
		}

		// A hold is released; the call is unreconciled, and charged when its end is told after all.
		hold := fmt.Sprintf("/api/holds/%.0f", calls[0]["id"])
		s.admin.get(hold).is(http.StatusOK)
		s.admin.delete(hold).is(http.StatusNoContent)
		s.admin.delete(hold).is(http.StatusNotFound)
		s.admin.get(hold).is(http.StatusNotFound)
		if got := s.admin.get(fmt.Sprintf("/api/calls/%.0f", calls[0]["id"])).object(); got["state"] != "unreconciled" || got["settled_by"] != "operator" {
			t.Errorf("%v", got)
		}
		if got := s.admin.get("/api/users/marta").object(); got["available"] != "128" {
			t.Errorf("%v", got)
		}
		if log := s.admin.get("/api/audit"); !strings.Contains(log.body, `"action":"hold.release"`) {
			t.Errorf("%s", log.body)
		}
		ledger := s.admin.get("/api/ledger?user=marta").objects()
		if len(ledger) != 3 || ledger[0]["amount"] != "-10" || ledger[2]["kind"] != "topup" {
			t.Errorf("%v", ledger)
		}
		if got := s.admin.get("/api/ledger?user=joel").objects(); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
}
