package adminapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/models"
)

// bound is a program with a token of all scopes that is bound to an account. It comes from afar.
func (s *site) bound(account string) *client {
	s.t.Helper()
	c := s.anonymous()
	scopes, err := json.Marshal(models.Scopes())
	if err != nil {
		s.t.Fatal(err)
	}
	made := s.admin.post("/api/tokens", fmt.Sprintf(`{"name":"of %s","scopes":%s,"account":%q}`, account, scopes, account)).is(http.StatusCreated).object()
	token, _ := made["token"].(string)
	c.header.Set("Authorization", "Bearer "+token)
	c.header.Set("X-Forwarded-For", "203.0.113.9") // by nobody whom we believe
	return c
}

// accounts are three users with something of every kind: marta, who is shop-7 and in the group crew; joel, with whom she
// talks; and eve, of whom she knows nothing.
func accounts(s *site) {
	s.marta()
	s.joel()
	s.user(models.NewUser{Username: "eve", CLID: "555000206", IMSI: "001010000000206"})
	for name, change := range map[string]string{
		"marta": `{"account_id":"shop-7","name":"Marta Azevedo"}`,
		"joel":  `{"account_id":"shop-8","name":"Joel Quill","address":"8 Far Lane","cpf":"888.111"}`,
		"eve":   `{"account_id":"shop-9","name":"Eve Zander","address":"9 Far Lane","cpf":"999.111"}`,
	} {
		s.admin.patch("/api/users/"+name, change).is(http.StatusOK)
		s.admin.send(http.MethodPut, "/api/users/"+name+"/grants", fmt.Sprintf(`{"queues":["queue-of-%s"],"agents":[],"accounts":[]}`, name), "application/json").is(http.StatusOK)
	}
	s.admin.post("/api/groups", `{"name":"crew","count":1,"day":1,"month":1,"year":2040,"users":[2],"account_id":"crew-1"}`).is(http.StatusCreated)
	paid := func(key, body string) {
		s.admin.header.Set("Idempotency-Key", key)
		s.admin.post("/api/balance", body).is(http.StatusCreated)
		s.admin.header.Del("Idempotency-Key")
	}
	paid("for-marta", `{"signal":"+","value":31,"userId":2}`)
	paid("for-joel", `{"signal":"+","value":7771,"userId":3}`)
	paid("for-eve", `{"signal":"+","value":7772,"userId":4}`)
	s.admin.post("/api/transfers", `{"from":"joel","to":"eve","amount":"1717"}`).is(http.StatusCreated)
	s.admin.post("/api/transfers", `{"from":"marta","to":"joel","amount":"5"}`).is(http.StatusCreated)
	s.call("own-done", "555000204", "600", 12)
	s.call("own-to-joel", "555000204", "555000205", 8)
	s.call("joels-to-marta", "555000205", "555000204", 913)
	s.call("joels-open", "555000205", "600", -1)
	s.call("eves-done", "555000206", "600", 917)
	s.call("eves-to-joel", "555000206", "555000205", 919)
	s.call("own-open", "555000204", "600", -1)
	s.refused("own-refused", "555000204", "600")
	s.refused("joels-refused", "555000205", "600")
}

// strange is what a program that is bound to marta's account must not read anywhere.
var strange = []string{
	`"joel"`, "Joel Quill", "8 Far Lane", "888.111", "shop-8", "001010000000205", "555000205", "queue-of-joel", "for-joel", "7771", "joels-to-marta", "joels-open", "joels-refused", "913",
	`"eve"`, "Eve Zander", "9 Far Lane", "999.111", "shop-9", "001010000000206", "555000206", "queue-of-eve", "for-eve", "7772", "eves-done", "eves-to-joel", "917", "919", "1717",
}

// dialled is what a call of hers may tell of another: the number that she dialled.
var dialled = regexp.MustCompile(`"number":"[0-9]*"`)

// tells reports whether a text has a word. Digits can also be those of an id or a time.
func tells(text, word string) bool {
	return regexp.MustCompile(`(^|[^0-9A-Za-z.])` + regexp.QuoteMeta(word) + `($|[^0-9A-Za-z])`).MatchString(text)
}

// TestBoundTokens: of the routes that let a token in that is bound to an account, none tells it anything of others; and
// every other route refuses it, also one that somebody has just added.
func TestBoundTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		accounts(s)
		hers := s.bound("shop-7")
		keys := map[string]bool{}
		for _, list := range []string{"/api/calls", "/api/ledger", "/api/balance", "/api/cdr"} {
			for _, o := range s.admin.get(list).is(http.StatusOK).objects() {
				for _, name := range []string{"id", "id_"} {
					if id, ok := o[name].(float64); ok {
						keys[strconv.FormatFloat(id, 'f', -1, 64)] = true
					}
				}
			}
		}
		var known strings.Builder // what an administrator reads on the same paths
		open, single := 0, 0
		for _, route := range adminapi.Routes() {
			what := route.Method + " " + route.Path
			if route.Access.Owned && route.Method != http.MethodGet {
				t.Errorf("%s lets in a token that is bound to an account; such tokens change nothing", what)
			}
			if route.Access.Blind && (!route.Access.Open || route.Access.Owned) {
				t.Errorf("%s does not look who asks, but is not for everybody", what)
			}
			paths := []string{route.Path}
			spread := func(placeholder string, values []string) {
				if !strings.Contains(route.Path, placeholder) {
					return
				}
				var all []string
				for _, path := range paths {
					for _, value := range values {
						all = append(all, strings.Replace(path, placeholder, value, 1))
					}
				}
				paths = all
			}
			spread(":username", []string{"marta", "joel", "eve", "admin", "nobody"})
			spread(":name", []string{"crew"})
			spread(":account", []string{"shop-7", "2", "shop-8", "3", "crew-1", "all", "nobody"})
			spread(":period", []string{"daily"})
			spread(":list", []string{"Fiji"})
			ids := []string{"99999999999"}
			for id := range keys {
				ids = append(ids, id)
			}
			spread(":id", ids)
			for _, path := range paths {
				body := ""
				if route.JSON {
					body = "{}"
				}
				a := hers.do(route.Method, path, body)
				switch {
				case route.Access.Blind:
				case !route.Access.Owned:
					if a.is(http.StatusForbidden); !strings.Contains(a.body, "bound to an account") {
						t.Errorf("%s does not say why: %s", what, a.body)
					}
					continue
				}
				open++
				if route.Access.Blind {
					continue
				}
				all := s.admin.do(route.Method, path, body)
				known.WriteString(all.body)
				if _, account, of := strings.Cut(path, "/v2/accounts/"); of { // of others, whether there are any or not, it is told the same
					none := hers.get(strings.Replace(route.Path, ":account", "nobody", 1)).is(http.StatusForbidden)
					if !strings.HasPrefix(account, "shop-7/") && !strings.HasPrefix(account, "2/") {
						a.is(http.StatusForbidden)
						if withoutName(a.body) != withoutName(none.body) {
							t.Errorf("%s: %s; what is not there is answered with %s", path, a.body, none.body)
						}
						continue
					}
					a.is(http.StatusOK)
				} else if route.Path != path {
					single++
					none := hers.get(strings.NewReplacer(":username", "nobody", ":id", "99999999999").Replace(route.Path)).is(http.StatusNotFound)
					if a.status != http.StatusOK && withoutName(a.body) != withoutName(none.body) {
						t.Errorf("%s: %d %s; what is not there is answered with %s", path, a.status, a.body, none.body)
					}
				} else {
					o := a.is(http.StatusOK).object()
					if n, ok := o["num_results"].(float64); ok && (int(n) != len(a.objects()) || n == 0 || n >= all.object()["num_results"].(float64)) {
						t.Errorf("%s counts %v: %s", path, n, a.body)
					}
				}
				text := dialled.ReplaceAllString(a.body, "")
				for _, word := range strange {
					if tells(text, word) {
						t.Errorf("%s tells %s: %s", path, word, a.body)
					}
				}
			}
		}
		for _, word := range strange {
			if !tells(known.String(), word) {
				t.Errorf("not even an administrator reads %s on these paths, so that nobody can tell whether it is hidden", word)
			}
		}
		if open < 20 || single < 20 {
			t.Errorf("%d paths answered, %d of them of one object", open, single)
		}
		for _, page := range adminapi.Pages() {
			if page.Access.Owned || page.Access.Open && !page.Access.Blind {
				t.Errorf("the page %s lets in a token that is bound to an account", page.Path)
			}
		}

		// Her own figures are there, whole.
		if u := hers.get("/api/users/marta").is(http.StatusOK).object(); len(u["originated_calls"].([]any)) != 2 || len(u["received_calls"].([]any)) != 0 || len(u["tunel"].([]any)) != 1 {
			t.Errorf("%v", u)
		}
		for path, want := range map[string]int{
			"/api/users": 1, "/api/calls": 3, "/api/calls?user=marta": 3, "/api/holds": 1, "/api/cdr": 2, "/api/ledger": 5, "/api/ledger?user=marta": 5, "/api/balance": 5,
			"/api/balance?results_per_page=2": 2, "/api/ledger?page=2&results_per_page=3": 2,
		} {
			if a := hers.get(path).is(http.StatusOK); len(a.objects()) != want {
				t.Errorf("%s has %d: %s", path, len(a.objects()), a.body)
			}
		}
		for _, path := range []string{"/api/calls", "/api/holds", "/api/ledger"} {
			hers.get(path + "?user=joel").is(http.StatusBadRequest)
			if a, none := hers.get(path+"?user=joel"), hers.get(path+"?user=nobody"); withoutName(a.body) != withoutName(none.body) {
				t.Errorf("%s: joel %s, nobody %s", path, a.body, none.body)
			}
		}
	})
}

// withoutName is a refusal without the name of its request.
func withoutName(body string) string {
	return regexp.MustCompile(`"request_id":"[^"]*"`).ReplaceAllString(strings.TrimSpace(body), "")
}

// TestBoundSearches find nothing out of what must not be read, through whatever relation they look.
func TestBoundSearches(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		accounts(s)
		hers := s.bound("shop-7")
		found := func(c *client, list, query string) float64 {
			t.Helper()
			n, _ := c.get(list + "?q=" + url.QueryEscape(query)).is(http.StatusOK).object()["num_results"].(float64)
			return n
		}
		for _, tt := range []struct {
			list, filter string
			all, own     float64
		}{
			{"/api/cdr", `{"name":"to_user__username","op":"has","val":"joel"}`, 2, 0},
			{"/api/cdr", `{"name":"to_user","op":"has","val":{"name":"balance","op":"gt","val":100}}`, 3, 0},
			{"/api/cdr", `{"name":"from_user__username","op":"has","val":"joel"}`, 1, 0},
			{"/api/cdr", `{"name":"from_user__username","op":"has","val":"marta"}`, 2, 2},
			{"/api/cdr", `{"name":"billsec","op":"gt","val":900}`, 3, 0},
			{"/api/users", `{"name":"received_calls__billsec","op":"any","val":913}`, 1, 0},
			{"/api/users", `{"name":"originated_calls__billsec","op":"any","val":12}`, 1, 1},
			{"/api/users", `{"name":"username","op":"in","val":["joel","eve"]}`, 2, 0},
			{"/api/users", `{"or":[{"name":"username","op":"eq","val":"joel"},{"name":"username","op":"ne","val":"joel"}]}`, 4, 1},
			{"/api/calls", `{"name":"user_id","op":"eq","val":3}`, 2, 0},
			{"/api/calls", `{"name":"callee_id","op":"eq","val":3}`, 2, 1},
			{"/api/holds", `{"name":"user_id","op":"eq","val":3}`, 1, 0},
			{"/api/ledger", `{"name":"user_id","op":"eq","val":4}`, 4, 0},
			{"/api/ledger", `{"name":"user_id","op":"eq","val":2}`, 5, 5},
			{"/api/ledger", `{"or":[{"name":"user_id","op":"eq","val":4},{"name":"user_id","op":"eq","val":2}]}`, 9, 5},
			{"/api/balance", `{"name":"usersId","op":"eq","val":4}`, 4, 0},
			{"/api/balance", `{"name":"value","op":"eq","val":7772}`, 1, 0},
		} {
			query := `{"filters":[` + tt.filter + `]}`
			if all, own := found(s.admin, tt.list, query), found(hers, tt.list, query); all != tt.all || own != tt.own {
				t.Errorf("%s %s finds %v for an administrator and %v for her, not %v and %v", tt.list, tt.filter, all, own, tt.all, tt.own)
			}
		}
		for _, query := range []string{
			`{"order_by":[{"field":"available","direction":"desc"}],"limit":1}`, `{"group_by":[{"field":"admin"}]}`, `{"order_by":[{"field":"id_"}],"offset":0}`,
		} {
			if a := hers.get("/api/users?q=" + url.QueryEscape(query)).is(http.StatusOK); len(a.objects()) != 1 || a.objects()[0]["username"] != "marta" {
				t.Errorf("%s: %s", query, a.body)
			}
		}
		hers.get("/api/users?q=" + url.QueryEscape(`{"filters":[{"name":"username","op":"eq","val":"joel"}],"single":true}`)).is(http.StatusNotFound)
		hers.get("/api/users?q=" + url.QueryEscape(`{"single":true}`)).is(http.StatusOK)
	})
}

// TestGroupTokens see who is in the group at the moment, and nobody once it has gone.
func TestGroupTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		accounts(s)
		if got := names(s.bound("1").get("/api/users")); !slices.Equal(got, []string{"admin"}) {
			t.Errorf("of a user and a group with one id the group is taken: %v", got)
		}
		crew := s.bound("crew-1")
		is := func(users []string, calls, entries int) {
			t.Helper()
			if got := names(crew.get("/api/users").is(http.StatusOK)); !slices.Equal(got, users) {
				t.Errorf("it sees %v, not %v", got, users)
			}
			for list, want := range map[string]int{"/api/calls": calls, "/api/ledger": entries, "/api/balance": entries} {
				a := crew.get(list).is(http.StatusOK)
				if n := a.object()["num_results"]; len(a.objects()) != want || n != float64(want) {
					t.Errorf("%s has %v, %d of them on the page, not %d", list, n, len(a.objects()), want)
				}
			}
			for _, name := range []string{"marta", "joel", "eve"} {
				status := http.StatusNotFound
				if slices.Contains(users, name) {
					status = http.StatusOK
				}
				crew.get("/api/users/" + name).is(status)
			}
		}
		is([]string{"marta"}, 3, 5)
		s.admin.patch("/api/groups/crew", `{"tunel":{"add":[3]}}`).is(http.StatusOK)
		is([]string{"marta", "joel"}, 5, 9)
		// Of a call between two of them both are shown, and of one to another he alone.
		if a := crew.get("/api/users/marta"); !strings.Contains(a.body, `"billsec":913`) {
			t.Errorf("%s", a.body)
		}
		if a := crew.get("/api/cdr"); !strings.Contains(a.body, `"joel"`) || strings.Contains(a.body, `"eve"`) {
			t.Errorf("%s", a.body)
		}
		s.admin.patch("/api/users/marta", `{"tunel":[]}`).is(http.StatusOK)
		is([]string{"joel"}, 2, 4)
		s.admin.delete("/api/groups/crew").is(http.StatusNoContent)
		is(nil, 0, 0)
	})
}

func names(a answer) []string {
	var all []string
	for _, o := range a.objects() {
		name, _ := o["username"].(string)
		all = append(all, name)
	}
	return all
}

// TestTokensOfAccounts: the account must exist, and the token stays with whom it was.
func TestTokensOfAccounts(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		s.admin.patch("/api/users/joel", `{"account_id":"shop-8"}`).is(http.StatusOK)
		for _, account := range []string{"nothing", "77", "0", "-2", "02", "joel", "SHOP-8"} {
			a := s.admin.post("/api/tokens", fmt.Sprintf(`{"name":"x","scopes":["read"],"account":%q}`, account)).is(http.StatusBadRequest)
			if want := fmt.Sprintf("there is no account %q: it must be the account_id or the id of a user or a group", account); a.object()["message"] != want {
				t.Errorf("%s", a.body)
			}
		}
		for _, account := range []string{`""`, `null`, `[]`, `{}`, `"` + strings.Repeat("x", 65) + `"`} { // none of them makes a token that sees everybody
			s.admin.post("/api/tokens", `{"name":"x","scopes":["read"],"account":`+account+`}`).is(http.StatusBadRequest)
		}
		if got := s.admin.get("/api/tokens").object()["num_results"]; got != 0.0 {
			t.Errorf("%v tokens were made", got)
		}
		his, hers := s.bound("shop-8"), s.bound("2")
		if got := names(hers.get("/api/users")); !slices.Equal(got, []string{"marta"}) {
			t.Errorf("%v", got)
		}
		// Somebody else gets the account_id: the token does not follow.
		s.admin.patch("/api/users/joel", `{"account_id":null,"username":"jo"}`).is(http.StatusOK)
		s.admin.patch("/api/users/marta", `{"account_id":"shop-8"}`).is(http.StatusOK)
		if got := names(his.get("/api/users")); !slices.Equal(got, []string{"jo"}) {
			t.Errorf("%v", got)
		}
		// He is deleted: it sees nothing, rather than everything.
		s.admin.delete("/api/users/jo").is(http.StatusNoContent)
		for _, path := range []string{"/api/users", "/api/calls", "/api/holds", "/api/cdr", "/api/ledger", "/api/balance"} {
			his.get(path).says(http.StatusOK, `{"num_results":0,"objects":[],"page":1,"total_pages":0}`)
		}
		his.get("/api/users/marta").says(http.StatusNotFound, `{}`)
		his.get("/api/balance/1").says(http.StatusNotFound, `{}`)
		his.post("/api/users", newUser("eve", "5550001")).is(http.StatusForbidden)
		if got := s.admin.get("/api/tokens").objects()[0]["account"]; got != "shop-8" {
			t.Errorf("the token tells the account %v", got)
		}
		// One that is bound to none sees what an administrator sees.
		made := s.admin.post("/api/tokens", `{"name":"all","scopes":["read","cdr"]}`).is(http.StatusCreated).object()
		all := s.anonymous()
		all.header.Set("Authorization", "Bearer "+made["token"].(string))
		for _, path := range []string{"/api/users", "/api/users/marta", "/api/calls", "/api/ledger", "/api/balance", "/api/cdr", "/api/groups"} {
			if a, b := all.get(path).is(http.StatusOK), s.admin.get(path); a.body != b.body {
				t.Errorf("%s: %s\nfor an administrator: %s", path, a.body, b.body)
			}
		}
	})
}
