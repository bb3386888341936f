package adminapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// sends posts a form with fields given as name, value, name, value….
func (c *client) sends(path string, fields ...string) answer {
	c.site.t.Helper()
	values := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return c.form(path, values.Encode())
}

// leads fails the test unless the answer leads to a path. The client keeps what it is told.
func (a answer) leads(c *client, path string) {
	a.t.Helper()
	a.is(http.StatusSeeOther)
	c.keep(a)
	if got := a.header.Get("Location"); got != path {
		a.t.Errorf("%s leads to %q, want %q", a.what, got, path)
	}
}

// has fails the test when the body lacks a text, which is given as it is in HTML.
func (a answer) has(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			a.t.Errorf("%s lacks %q:\n%s", a.what, text, a.body)
		}
	}
	return a
}

// page reads a page, and keeps the cookie that comes with it.
func (c *client) page(path string) answer {
	c.site.t.Helper()
	a := c.get(path).is(http.StatusOK)
	c.keep(a)
	if kind := a.header.Get("Content-Type"); kind != "text/html; charset=utf-8" {
		c.site.t.Errorf("GET %s is %s", path, kind)
	}
	return a
}

var hiddenKey = regexp.MustCompile(`name="key" value="([A-Z2-7]{26})"`)

// key is that of the form for money.
func (a answer) key() string {
	a.t.Helper()
	found := hiddenKey.FindStringSubmatch(a.body)
	if found == nil {
		a.t.Fatalf("%s has no key:\n%s", a.what, a.body)
	}
	return found[1]
}

// TestWhoSeesWhichPage: each one, asked by everybody who could ask.
func TestWhoSeesWhichPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.Tokens = scopeTokens{} })
	s.marta()
	s.joel()
	s.call("pbx-1795000000.1", "555000204", "59899123", 62)
	id := s.admin.get("/api/calls").objects()[0]["id"].(float64)
	const everybody, self = "*", "marta"
	let := map[string]string{
		"/static/:file": everybody, "/favicon.ico": everybody, "/users/:username": self, "/users/:username/entries": self, "/users/:username/calls": self,
		"/users/:username/edit": self, "/users/:username/password": self, "/calls/:id": "marta joel", "/statistics": "marta joel",
	}
	program := s.anonymous()
	program.header.Set("Authorization", "Bearer admin")
	askers := map[string]*client{"": s.anonymous(), "admin": s.admin, "marta": s.login("marta"), "joel": s.login("joel"), "a program": program}
	for _, route := range adminapi.Pages() {
		path := strings.NewReplacer(":username", "marta", ":id", fmt.Sprintf("%.0f", id), ":name", "nobody").Replace(route.Path)
		for name, asker := range askers {
			if route.Method == http.MethodPost && (name == "admin" || name == let[route.Path]) {
				continue // they would do it; other tests do
			}
			allowed := name == "admin" || let[route.Path] == everybody || slices.Contains(strings.Fields(let[route.Path]), name)
			c := *asker
			var a answer
			if route.Method == http.MethodPost {
				a = c.sends(path, "password", "changed7", "username", "changed")
			} else {
				a = c.get(path)
			}
			refused := http.StatusForbidden
			if name == "" {
				refused = http.StatusUnauthorized
			}
			if (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden) == allowed || !allowed && a.status != refused {
				t.Errorf("%s %s by %q: status %d, allowed %v", route.Method, path, name, a.status, allowed)
			}
			if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && a.status != http.StatusSeeOther && a.status != http.StatusNoContent {
				t.Errorf("%s %s by %q is %s", route.Method, path, name, a.header.Get("Content-Type"))
			}
			if name == "" && a.status == http.StatusUnauthorized {
				a.has(`<form method="post" action="/login">`, `name="next" value="`+path+`"`)
			}
		}
	}
	// Whose call it is decides, and others cannot tell whether it exists.
	askers["marta"].page(fmt.Sprintf("/calls/%.0f", id)).has("Talked for 62 seconds")
	if a := askers["joel"].get(fmt.Sprintf("/calls/%.0f", id)).is(http.StatusNotFound); a.body != askers["joel"].get("/calls/77").body {
		t.Errorf("a call of another user is answered otherwise than one that does not exist")
	}
	s.anonymous().get("/calls?user=marta&state=open").is(http.StatusUnauthorized).has(`name="next" value="/calls?user=marta&amp;state=open"`)
}

// TestHome: the form, an administrator's overview, a user's own figures.
func TestHome(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.call("pbx-1795000000.1", "555000204", "59899123", 62)
		s.call("pbx-1795000000.2", "555000204", "59899124", -1)
		s.anonymous().page("/").has(`<form method="post" action="/login">`, `name="next" value="/"`)
		s.admin.page("/").has("Hello, admin!", "Credit of users", "118&nbsp;s", "0:01:58", "Calls in progress", "59899123", "in progress", `href="/calls?state=unreconciled"`)
		marta := s.login("marta")
		own := marta.page("/").has("Hello, marta!", "118&nbsp;s", "Call to 59899123, 0:01:02", "59899124", "/users/marta/password")
		for _, secret := range []string{"/users/marta/money", "/users/marta/delete", `href="/users"`, `href="/holds"`} {
			if strings.Contains(own.body, secret) {
				t.Errorf("marta sees %s", secret)
			}
		}
		if a := marta.do(http.MethodHead, "/", "").is(http.StatusOK); a.body != "" {
			t.Errorf("HEAD has a body: %s", a.body)
		}
	})
}

// TestLoginLeadsOn: our own form leads on, to this server and nowhere else; others are answered as ever.
func TestLoginLeadsOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	for next, want := range map[string]string{
		"/": "/", "/calls?user=marta&state=open": "/calls?user=marta&state=open", "": "/", "/users/Marta%20P": "/users/Marta%20P",
		"//evil.example": "/", `/\evil.example`: "/", `\\evil.example`: "/", "https://evil.example": "/", "https:evil.example": "/", "evil.example": "/",
		"javascript:alert(1)": "/", "/\t/evil.example": "/", "/\n/evil.example": "/", "/\r\nSet-Cookie: a=b": "/", " //evil.example": "/", "/é": "/",
		"/logout": "/", "/logout?x=1": "/", "/./logout": "/", "/users/../logout": "/", "/%6cogout": "/", "/logout/": "/", "/login?next=/logout": "/", "/%zz": "/",
	} {
		s.anonymous().sends("/login", "username", "admin", "password", secret, "next", next).leads(s.anonymous(), want)
		s.anonymous().get("/login?next=" + url.QueryEscape(next)).is(http.StatusOK).has(`name="next" value="` + strings.ReplaceAll(want, "&", "&amp;") + `"`)
	}
	s.anonymous().sends("/login", "username", "admin", "password", secret).says(http.StatusOK, "Hello, cross-origin-world!")
	s.anonymous().sends("/login", "username", `"><i>`, "password", "wrong77", "next", "/users").is(http.StatusUnauthorized).
		has(`role="alert">Username or Password is invalid`, `value="&#34;&gt;&lt;i&gt;"`, `name="next" value="/users"`)

	out := s.login("admin")
	out.sends("/logout").is(http.StatusOK).has("You are logged out.", `<form method="post" action="/login">`)
	out.get("/users").is(http.StatusUnauthorized)
}

// TestUserForms: a user is made, changed and deleted, and what is wrong stands beside its field.
func TestUserForms(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		c := s.admin
		s.joel()
		c.page("/new-user").has(`action="/new-user"`)
		bad := c.sends("/new-user", "username", "a/b", "password", "short", "name", "Bad One", "clid", "x", "imsi", "y", "account_id", "", "admin", "true").is(http.StatusBadRequest)
		bad.has(`aria-invalid="true" aria-describedby="field-username-error field-username-hint"`, `id="field-username-error"`, "must be 1 to 20 digits",
			"must be 1 to 16 digits", `value="a/b"`, `value="Bad One"`, "checked", `id="field-password-error"`)
		if strings.Contains(bad.body, "short") {
			t.Error("the password is shown again")
		}
		c.sends("/new-user", "username", "joel", "password", secret, "clid", "555000205", "imsi", "001010000000205").is(http.StatusBadRequest).
			has(`id="field-username-error">Another user has this already.`, `id="field-clid-error">Another user`, `id="field-imsi-error">Another user`)
		c.sends("/new-user", "username", " marta ", "password", secret, "name", "Marta Pérez", "clid", "555000204").leads(c, "/users/marta")
		c.page("/users/marta").has("The user marta is made.", "Marta Pérez", "555000204", "0&nbsp;s")
		if again := c.page("/users/marta"); strings.Contains(again.body, "is made") {
			t.Error("the message is shown twice")
		}
		s.anonymous().sends("/login", "username", "marta", "password", secret).is(http.StatusOK)

		c.page("/users/marta/edit").has(`value="555000204"`, `value="Marta Pérez"`)
		c.sends("/users/marta/edit", "username", "joel", "clid", "555000205").is(http.StatusBadRequest).has("Another user has this already.")
		c.sends("/users/marta/edit", "username", "marta maría", "clid", "", "imsi", "001", "account_id", "a-7").leads(c, "/users/marta%20mar%C3%ADa")
		c.page("/users/marta%20mar%C3%ADa").has("Saved.", "a-7")
		if user := c.get("/api/users/marta%20mar%C3%ADa").object(); user["clid"] != nil || user["imsi"] != "001" || user["account_id"] != "a-7" || user["name"] != "" {
			t.Errorf("%v", user)
		}
		c.sends("/users/joel/edit", "username", "joel", "clid", "555000205", "account_id", "a-7").is(http.StatusConflict).has("account id already.")
		c.sends("/new-user", "username", "eva", "password", secret, "currency", "eur").is(http.StatusBadRequest).has("capital letters")
		c.sends("/new-user", "username", "eva", "password", secret, "currency", "EUR").leads(c, "/users/eva")
		c.page("/users/eva/edit").has(`name="currency" value="EUR"`, `name="credit_limit" value="0"`)
		c.sends("/users/eva/edit", "username", "eva", "currency", "EUR", "credit_limit", "-1").is(http.StatusBadRequest).has("field-credit_limit-error")
		c.sends("/users/eva/edit", "username", "eva", "currency", "EUR", "credit_limit", "20.50").leads(c, "/users/eva")
		c.page("/users/eva/edit").has(`name="credit_limit" value="20.5"`)
		c.sends("/users/admin/edit", "username", "admin").is(http.StatusConflict).has("This is the last administrator.")

		// A user changes what is his, and nothing else.
		joel := s.login("joel")
		if a := joel.page("/users/joel/edit"); strings.Contains(a.body, "clid") || strings.Contains(a.body, "imsi") || strings.Contains(a.body, "admin") {
			t.Errorf("%s", a.body)
		}
		joel.sends("/users/joel/edit", "username", "joel", "name", "Joel", "imsi", "002", "clid", "1", "admin", "true", "account_id", "b").leads(joel, "/users/joel")
		if user := c.get("/api/users/joel").object(); user["clid"] != "555000205" || user["admin"] != false || user["name"] != "Joel" || user["imsi"] != "001010000000205" {
			t.Errorf("%v", user)
		}
		elsewhere := s.login("joel")
		joel.sends("/users/joel/password", "password", "123").is(http.StatusBadRequest).has("field-password-error")
		joel.sends("/users/joel/password", "password", "another7").leads(joel, "/users/joel")
		joel.page("/users/joel").has("The password of joel is changed.")
		elsewhere.get("/users/joel").is(http.StatusUnauthorized)

		c.page("/users/joel/delete").has("cannot be undone", "0 s")
		c.sends("/users/joel/delete").leads(c, "/users")
		c.page("/users").has("The user joel is deleted. His balance of 0 s went to the house account “closed”.", "3 users")
		c.get("/users/joel").is(http.StatusNotFound).has("There is no such page.")
	})
}

// TestUserWithHold cannot be deleted, and the page says why.
func TestUserWithHold(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	c := s.admin
	s.marta()
	s.call("pbx-1795000000.1", "555000204", "59899123", -1)
	c.sends("/users/marta/delete").is(http.StatusConflict).has("The user has a call in progress.")
	path := "/holds/" + regexp.MustCompile(`/holds/(\d+)/release`).FindStringSubmatch(c.page("/holds").has("1 hold", "180&nbsp;s", "59899123").body)[1] + "/release"
	c.page(path).has("unreconciled", "180 s", `action="`+path+`"`)
	c.sends(path).leads(c, "/holds")
	c.page("/holds").has("is released", "No holds")
	c.sends(path).is(http.StatusConflict).has("holds no money any more")
	c.get(path).is(http.StatusConflict)
	c.get("/holds/77/release").is(http.StatusNotFound)
	c.page("/calls?state=unreconciled").has("unreconciled", "1 call")
	c.page("/").has(`class="alert"`)
	if log := c.get("/api/audit").body; !strings.Contains(log, "hold.release") {
		t.Errorf("the release is not in the audit log: %s", log)
	}
}

// TestMoneyForm: what is sent twice is booked once.
func TestMoneyForm(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		c := s.admin
		marta := s.marta()
		balance := func(want int64) {
			t.Helper()
			u, err := s.store.UserDetailByID(t.Context(), marta.ID)
			if err != nil || u.Balance.Balance != money.Amount(want)*money.Unit {
				t.Errorf("marta has %s, want %d (%v)", u.Balance.Balance, want, err)
			}
		}
		key := c.page("/users/marta").key()
		body := url.Values{"does": {"add"}, "amount": {" 60 "}, "note": {"receipt <17>"}, "key": {key}}.Encode()
		var wait sync.WaitGroup
		for range 8 { // whoever clicks twice
			again := *c
			wait.Go(func() { again.form("/users/marta/money", body).is(http.StatusSeeOther) })
		}
		wait.Wait()
		balance(240)
		c.form("/users/marta/money", body).leads(c, "/users/marta")
		c.page("/users/marta").has("This was booked before; nothing was booked again.", "receipt &lt;17&gt;", "240&nbsp;s", "0:04:00")
		balance(240)
		c.sends("/users/marta/money", "does", "add", "amount", "60", "note", "receipt 18", "key", key).is(http.StatusConflict).has("was booked before, with something else in it")
		c.sends("/users/marta/money", "does", "add", "amount", "61", "note", "receipt <17>", "key", key).is(http.StatusConflict)
		c.sends("/users/marta/money", "does", "take", "amount", "60", "note", "receipt <17>", "key", key).is(http.StatusConflict)
		balance(240)

		fresh := c.page("/users/marta/money").key()
		if fresh == key {
			t.Error("a form has the key of another one")
		}
		for amount, text := range map[string]string{
			"": "positive whole number", "x": "positive whole number", "-5": "positive whole number", "1.5": "positive whole number", "0": "positive",
			"99999999999": "at most", "<b>": "&lt;b&gt;",
		} {
			a := c.sends("/users/marta/money", "does", "take", "amount", amount, "note", "kept", "key", fresh).is(http.StatusBadRequest).
				has(text, `id="field-amount-error"`, `value="kept"`, `value="take" selected`)
			if a.key() != fresh {
				t.Errorf("%q: the form has another key", amount)
			}
		}
		c.sends("/users/marta/money", "amount", "5", "note", strings.Repeat("é", 101), "key", fresh).is(http.StatusBadRequest).has("field-note-error")
		c.sends("/users/marta/money", "amount", "5", "key", "guess").is(http.StatusBadRequest).has("Nothing was booked")
		c.sends("/users/marta/money", "amount", "5").is(http.StatusBadRequest)
		balance(240)
		c.sends("/users/marta/money", "does", "take", "amount", "241", "key", fresh).is(http.StatusConflict).has("nsufficient balance")
		c.sends("/users/marta/money", "does", "take", "amount", "240", "note", strings.Repeat("é", 100), "key", fresh).leads(c, "/users/marta")
		c.page("/users/marta").has("240 s taken from marta.", "−240&nbsp;s")
		balance(0)
		c.page("/users/marta/entries").has("−240&nbsp;s", "60&nbsp;s", "180&nbsp;s", "receipt &lt;17&gt;")
		if log := c.get("/api/audit").body; strings.Count(log, "balance.add") != 2 || !strings.Contains(log, "receipt") {
			t.Errorf("the audit log: %s", log)
		}
		c.get("/users/nobody/money").is(http.StatusNotFound)
	})
}

// TestHostileTexts stay where they are put.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	c := s.admin
	name, full := `"><script>alert(1)<b>`, `</title><script>alert('x')</script>`
	c.sends("/new-user", "username", name, "password", secret, "name", full, "clid", "555000204", "imsi", "", "account_id", `"onload="x`).is(http.StatusSeeOther)
	path := "/users/" + url.PathEscape(name)
	c.sends(path+"/money", "amount", "600", "note", full, "key", c.page(path).key()).is(http.StatusSeeOther)
	s.call("pbx-1795000000.1", "555000204", "59899123", 62)
	s.call("pbx-1795000000.2", "555000204", "59899124", -1)
	// Nobody can make such a call; another program that writes the database could.
	if _, err := s.database.SQL(t).Exec(`UPDATE calls SET number = '"><script>n', caller_id = '<script>c', status = '<script>s'`); err != nil {
		t.Fatal(err)
	}
	c.sends("/new-group", "name", `<script>g"`, "first", "2130-01-31", "count", "3", "mode", "add", "value", "5", "names", name).is(http.StatusSeeOther)
	group := "/groups/" + url.PathEscape(`<script>g"`)
	call := regexp.MustCompile(`/calls/\d+`).FindString(c.page("/calls").body)
	for _, page := range []string{
		"/", "/users", "/users?q=" + url.QueryEscape(name), path, path + "/edit", path + "/password", path + "/delete", path + "/money", path + "/entries", path + "/calls",
		"/calls", "/calls?user=" + url.QueryEscape(name) + "&number=" + url.QueryEscape(full) + "&date=&state=" + url.QueryEscape(full), call, "/holds",
		"/groups", group, group + "/edit", group + "/refill", group + "/delete",
	} {
		body := c.page(page).body
		if strings.Contains(body, "<script") || strings.Contains(body, `"onload="`) || strings.Contains(body, "</title><") || strings.Contains(body, "<b>") {
			t.Errorf("%s lets text out of its place:\n%s", page, body)
		}
	}
	c.sends("/new-user", "username", name, "name", full, "clid", full, "imsi", full, "account_id", full, "password", full).is(http.StatusBadRequest).has("&lt;script&gt;")
	a := c.get("/calls?user="+url.QueryEscape(full)+"&date="+url.QueryEscape(full)).is(http.StatusBadRequest).has("There is no such user.", "A date is written as")
	if strings.Contains(a.body, "<script") {
		t.Errorf("%s", a.body)
	}
}

// TestCallPages: the list with its filters, and the explanation of each kind of call.
func TestCallPages(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.start(func(d *adminapi.Deps) { d.Location = time.FixedZone("Somewhere/East", 5*3600) })
		c := s.admin
		s.marta()
		s.joel()
		s.call("pbx-1795000000.1", "555000204", "59899123", 62)
		s.call("pbx-1795000000.2", "555000204", "59899124", 0)
		s.call("pbx-1795000000.3", "555000204", "59899125", -1)
		db := s.database.SQL(t)
		if _, err := db.Exec(`UPDATE calls SET disputed = 99 WHERE number = '59899123'`); err != nil {
			t.Fatal(err)
		}
		today := time.Now().In(s.deps.Location).Format(time.DateOnly)
		for query, want := range map[string][]string{
			"": {"59899123", "59899124", "59899125"}, "?user=marta": {"59899123", "59899124", "59899125"}, "?user=joel": nil, "?number=59899123": {"59899123"}, "?number=99": nil,
			"?number=5989912_": nil, "?number=%25": nil, "?state=open": {"59899125"}, "?state=settled&user=marta": {"59899123", "59899124"}, "?state=disputed": {"59899123"},
			"?date=" + today: {"59899123", "59899124", "59899125"}, "?date=2001-01-01": nil, "?state=nonsense": nil,
		} {
			_, rows, _ := strings.Cut(c.page("/calls"+query).body, "</form>\n<p") // of the search, which repeats what was asked for
			for _, number := range []string{"59899123", "59899124", "59899125"} {
				if strings.Contains(rows, number) != slices.Contains(want, number) {
					t.Errorf("/calls%s: %s is there: %v", query, number, !slices.Contains(want, number))
				}
			}
		}
		path := func(number string) string {
			return regexp.MustCompile(`/calls/\d+`).FindString(c.page("/calls?number=" + number).body)
		}
		c.page(path("59899123")).has("Talked for 62 seconds (0:01:02), which cost 62 s.", "Disputed: evidence that came later tells of 99 seconds, but 62 were charged.",
			"60 s per minute", "62 s of talk", "The charge", "marta", "The house: revenue", "−62&nbsp;s", "The reducer, after the hang-up", "62.000 seconds", "&#43;05:00")
		c.page(path("59899124")).has("Talked for 0 seconds", "0 s were measured (the reducer, ANSWEREDTIME_MS)", "charged by the second")
		c.page(path("59899125")).has("In progress", "118&nbsp;s", "Release the hold", "Ends at the latest", "Why so much is held", "The hold pays for 118 s of talk, the limit of the call")
		explained := func(number string) map[string]any { return c.get("/api" + path(number) + "/explain").object() }
		if open := explained("59899125"); open["ending"] != "" || open["hold"].(map[string]any)["cost"] != "118" || len(open["legs"].([]any)) != 0 {
			t.Errorf("an open call is explained by %v", open)
		}
		c.sends(strings.Replace(path("59899125"), "calls", "holds", 1) + "/release").is(http.StatusSeeOther)
		if released := explained("59899125"); !strings.HasPrefix(released["ending"].(string), `Released by the operator "admin" at `) || released["hold"] != nil {
			t.Errorf("a released call is explained by %v", released)
		}
		c.page(path("59899125")).has("Released by the operator &#34;admin&#34; at ", " Somewhere/East without anybody&#39;s word", "free again")
		s.login("marta").page(path("59899125")).has("Released by an operator at ")
		if _, err := db.Exec(`UPDATE calls SET disputed = 0`); err != nil {
			t.Fatal(err)
		}
		c.get("/calls/x").is(http.StatusNotFound)
	})
}

// TestPaging goes through long lists by keys.
func TestPaging(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		c := s.admin
		for n := range 60 {
			s.user(models.NewUser{Username: fmt.Sprintf("user%02d", n), CLID: fmt.Sprintf("5551%02d", n)})
		}
		for n := range 55 {
			c.sends("/users/user00/money", "amount", "10", "key", strings.Repeat("A", 24)+string("ABCDEFGH"[n/8])+string("ABCDEFGH"[n%8])).is(http.StatusSeeOther)
		}
		next := regexp.MustCompile(`href="([^"]*)" rel="next"`)
		for path, want := range map[string]int{"/users": 61, "/users/user00/entries": 55, "/users?q=user": 60, "/users?q=55510": 10} {
			seen, pages := 0, 0
			for path != "" && pages < 5 {
				body := c.page(path).body
				seen += strings.Count(body, `<tr role="row">`) - 1
				pages++
				path = ""
				if found := next.FindStringSubmatch(body); found != nil {
					path = strings.ReplaceAll(found[1], "&amp;", "&")
				}
			}
			if seen != want || pages != (want+49)/50 {
				t.Errorf("%d rows on %d pages, want %d", seen, pages, want)
			}
		}
		c.page("/users?after=nonsense").has("61 users")
		c.page("/users?q=user07").has("1 user", "user07")
		c.page("/users?q=%25").has("No users")
	})
}

// TestGroupPages: a group's life.
func TestGroupPages(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		c := s.admin
		s.marta()
		s.joel()
		c.page("/groups").has("No groups")
		c.page("/new-group").has(`value="1250"`)
		c.sends("/new-group", "name", "a/b", "first", "2001-01-01", "count", "0", "mode", "x", "value", "-1", "names", "marta\nghost").is(http.StatusBadRequest).
			has("field-name-error", "must not be before today", "from 1 to 1200", "field-mode-error", "must be positive", "no such user: ghost")
		c.sends("/new-group", "name", "field team", "first", "31.1.2130", "count", "3", "mode", "topup", "value", "300").is(http.StatusBadRequest).has("A date is written as")
		c.sends("/new-group", "name", "field team", "first", "2130-01-31", "count", "3", "mode", "topup", "value", "300", "names", "marta\r\n").leads(c, "/groups/field%20team")
		c.page("/groups/field%20team").has("is made", "2130-01-31", "2130-02-28", "2130-03-31", "raises balances to 300", "Members (1)", "marta")
		c.sends("/new-group", "name", "field team", "first", "2130-01-31", "count", "3", "mode", "topup", "value", "300").is(http.StatusBadRequest).has("Already has this Group.")
		c.sends("/groups/field%20team", "does", "add", "names", "joel\nghost").is(http.StatusBadRequest).has("no such user: ghost", "joel\nghost</textarea>")
		c.sends("/groups/field%20team", "does", "add", "names", "  \n").is(http.StatusBadRequest).has("at least one username")
		c.sends("/groups/field%20team", "does", "add", "names", "joel").leads(c, "/groups/field%20team")
		c.sends("/groups/field%20team", "does", "remove", "names", "marta").leads(c, "/groups/field%20team")
		c.page("/groups/field%20team").has("Members (1)", "/users/joel")

		date := regexp.MustCompile(`name="date" value="(\d+)"`).FindStringSubmatch(c.page("/groups/field%20team/refill").has("2130-01-31").body)[1]
		var wait sync.WaitGroup
		for range 4 {
			again := *c
			wait.Go(func() { again.sends("/groups/field%20team/refill", "date", date).is(http.StatusSeeOther) })
		}
		wait.Wait()
		c.page("/groups/field%20team").has("2130-02-28", "2130-03-31", "300&nbsp;s")
		c.page("/users/joel/entries").has("Refill of field team, 2130-01-31")
		if a := c.page("/users/marta/entries").has("Opening balance"); strings.Contains(a.body, "opening:") {
			t.Errorf("%s", a.body)
		}
		if note := c.get("/api/ledger").objects()[0]["note"]; note != "field team, 2130-01-31" {
			t.Errorf("the note of the refill is %q", note)
		}
		if left := len(c.get("/api/groups/field%20team").object()["dates_to_update"].([]any)); left != 2 {
			t.Errorf("%d dates are left, want 2", left)
		}
		c.sends("/groups/field%20team/edit", "name", "", "mode", "add", "value", "x").is(http.StatusBadRequest).has("field-name-error", "field-value-error")
		c.sends("/groups/field%20team/edit", "name", "team", "mode", "add", "value", "60", "account_id", "g-1").leads(c, "/groups/team")
		c.page("/groups").has("Saved.", "adds 60", "2130-02-28")
		c.page("/groups/team/delete").has("cannot be undone")
		c.sends("/groups/team/delete").leads(c, "/groups")
		c.page("/users/joel/entries").has("Refill of a group that was deleted")
		c.get("/groups/team").is(http.StatusNotFound)
	})
}

// TestErrorPages: on the paths of pages, and to browsers, what goes wrong is a page; to programs it is what it was.
func TestErrorPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.marta()
	browser := *s.admin
	browser.header = http.Header{"Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}}
	for _, tt := range []struct {
		who          *client
		method, path string
		status       int
		page         bool
	}{
		{s.admin, "GET", "/users/nobody", 404, true},
		{s.admin, "GET", "/users/", 404, true},
		{s.admin, "GET", "/users/marta/nothing", 404, true},
		{s.admin, "DELETE", "/users", 405, true},
		{s.admin, "PUT", "/calls", 405, true},
		{s.admin, "GET", "/static/style.css", 404, true},
		{s.admin, "GET", "/nothing", 404, false},
		{&browser, "GET", "/nothing", 404, true},
		{&browser, "PUT", "/login", 405, true},
		{&browser, "GET", "/api/nothing", 404, false},
		{&browser, "GET", "/api/users/nobody", 404, false},
		{s.admin, "PUT", "/login", 405, false},
	} {
		a := tt.who.do(tt.method, tt.path, "").is(tt.status)
		if strings.HasPrefix(a.body, "<!DOCTYPE html>") != tt.page {
			t.Errorf("%s: %s", a.what, a.body)
		}
	}
	s.admin.post("/new-user", `{}`).is(http.StatusUnsupportedMediaType).has("<h1>")
	s.admin.form("/new-user", "username=%ff").is(http.StatusBadRequest).has("<h1>")
	s.admin.form("/new-user", "a=%zz").is(http.StatusBadRequest).has("<h1>")
	polite := *s.admin // asks before it sends so much
	polite.header = http.Header{"Expect": {"100-continue"}}
	polite.form("/new-user", strings.Repeat("x", 1<<20+1)).is(http.StatusRequestEntityTooLarge).has("<h1>")
	foreign := *s.admin
	foreign.header = http.Header{"Sec-Fetch-Site": {"cross-site"}}
	foreign.sends("/users/marta/delete").is(http.StatusForbidden).has("another site")
	s.admin.page("/users/marta")

	s.start(func(d *adminapi.Deps) { d.Users = broken{Users: d.Users, err: models.ErrUnavailable} })
	s.admin.get("/users").is(http.StatusServiceUnavailable).has("<h1>The database cannot be reached; try again.</h1>")
	for _, b := range []broken{{bad: true}, {err: errors.New("a failure with a secret in it")}} {
		s.start(func(d *adminapi.Deps) { b.Users = d.Users; d.Users = b })
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/users", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.AddCookie(s.admin.cookie)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 1<<16)
		n, _ := response.Body.Read(body)
		response.Body.Close()
		if response.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body[:n]), response.Header.Get("X-Request-Id")) || strings.Contains(string(body[:n]), "secret") {
			t.Errorf("%d %s", response.StatusCode, body[:n])
		}
	}
}

// TestStyles are kept by browsers for ever, under names that change with what is in them.
func TestStyles(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	body := s.anonymous().page("/").body
	for _, path := range regexp.MustCompile(`/static/[^"]+`).FindAllString(body, -1) {
		a := s.anonymous().get(path).is(http.StatusOK)
		if got := a.header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
		if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/css") && kind != "image/svg+xml" {
			t.Errorf("%s is %s", path, kind)
		}
		again := s.anonymous()
		again.header.Set("If-None-Match", a.header.Get("ETag"))
		if a := again.get(path).is(http.StatusNotModified); a.body != "" {
			t.Errorf("%s is sent again", path)
		}
	}
	if n := strings.Count(body, "/static/"); n != 2 {
		t.Errorf("the page has %d files", n)
	}
}

// slow is a store that cannot add up its accounts in time.
type slow struct{ adminapi.Users }

func (slow) Credit(context.Context) (map[string]money.Amount, error) { return nil, nil }

// TestHomeOfLargeSites leaves out what cannot be found out while somebody waits.
func TestHomeOfLargeSites(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.Users = slow{d.Users} })
	if a := s.admin.page("/").has("Held for calls"); strings.Contains(a.body, "Credit of users") {
		t.Errorf("%s", a.body)
	}
}

// TestWhatWasDoneIsToldShortly: however much is done before anybody looks at a page, nothing fails that was done.
func TestWhatWasDoneIsToldShortly(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	name := strings.Repeat("\U0001F4DE", 64)
	s.user(models.NewUser{Username: name})
	path := "/users/" + url.PathEscape(name)
	for n := range 100 {
		key := fmt.Sprintf("%s%c%c", strings.Repeat("A", 24), 'A'+n/26, 'A'+n%26)
		s.admin.sends(path+"/money", "does", "add", "amount", strconv.Itoa(n+1), "key", key).leads(s.admin, path)
		if size := len(s.admin.cookie.Value); size > 2000 {
			t.Fatalf("the cookie has %d bytes", size)
		}
	}
	a := s.admin.page(path).has("100 s added to " + name)
	if strings.Contains(a.body, "99 s added to") {
		t.Error("what was done before is told, too")
	}
	if a := s.admin.page(path); strings.Contains(a.body, "added to") {
		t.Error("it is told twice")
	}
	storetest.Audited(t, s.store)
}

// TestSumsOfAll: users may have more together than there are numbers for.
func TestSumsOfAll(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		for n := range 12 {
			clid := fmt.Sprint(5000 + n)
			s.user(models.NewUser{Username: "u" + clid, CLID: clid, Balance: 900_000_000_000 * money.Unit})
			s.call("pbx-1."+clid, clid, "600", -1)
		}
		change := func(held string) {
			t.Helper()
			if _, err := s.database.SQL(t).ExecContext(t.Context(), "UPDATE accounts SET held = "+held+" WHERE held > 0"); err != nil {
				t.Fatal(err)
			}
		}
		change("held + 899000000000000000") // as if they all talked at the dearest rate
		s.admin.page("/").has("more than 9223372036854")
		m := s.admin.get("/metrics").is(http.StatusOK).metrics()
		if up, held := m["talktime_database_up"], m[`talktime_money_held{currency="SEC"}`]; up != 1 || held < 9.2e12 {
			t.Errorf("the database is up: %v; held: %v", up, held)
		}
		change("held - 899000000000000000")
		storetest.Audited(t, s.store)
	})
}
