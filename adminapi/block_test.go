package adminapi_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/store/storetest"
)

// calls asks for a permission to call, and returns why there is none.
func (s *site) calls(id, clid string) error {
	s.t.Helper()
	service := billing.New(billing.Options{Store: s.store, Policy: policy})
	defer service.Close()
	_, err := service.Authorize(s.t.Context(), billing.CallRequest{CallID: id, Identity: billing.Identity{CallerID: clid}, Number: "59899123"})
	return err
}

// TestBlockedUser makes no new calls, and nothing else changes for him.
func TestBlockedUser(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		marta := s.login("marta")
		s.call("pbx-1795000000.1", "555000204", "59899123", -1)

		if got := s.admin.patch("/api/users/marta", `{"blocked":true}`).is(http.StatusOK).object()["blocked"]; got != true {
			t.Errorf("blocked is %v", got)
		}
		for range 2 { // again and again, as somebody who does not know
			if err := s.calls("pbx-1795000000.2", "555000204"); !errors.Is(err, billing.ErrAccountBlocked) {
				t.Errorf("a blocked caller is told %v", err)
			}
		}
		if got := s.admin.get("/api/users?after=1").objects()[0]; got["username"] != "marta" || got["blocked"] != true {
			t.Errorf("the list says %v", got)
		}
		if got := s.admin.get("/api/users/joel").object()["blocked"]; got != false {
			t.Error("somebody else is blocked")
		}

		// He sees his balance, money moves, and what he talks already goes on and is charged.
		if got := marta.get("/api/users/marta").is(http.StatusOK).object(); got["balance"] != "180" || got["blocked"] != true {
			t.Errorf("he sees %v", got)
		}
		s.login("marta")
		s.admin.post("/api/balance", `{"signal":"+","value":20,"userId":2}`).is(http.StatusCreated)
		s.admin.post("/api/balance", `{"signal":"-","value":5,"userId":2}`).is(http.StatusCreated)
		s.admin.post("/api/transfers", `{"from":"joel","to":"marta","amount":1}`).is(http.StatusConflict) // joel has nothing
		s.settle("pbx-1795000000.1", "555000204", 60)
		if got := s.admin.get("/api/users/marta").object(); got["balance"] != "135" || got["held"] != "0" {
			t.Errorf("after his call: %v", got)
		}

		// He cannot help himself, and no field but this is meant by it.
		for _, body := range []string{`{"blocked":false}`, `{"blocked":true}`, `{"name":"Marta","blocked":false}`} {
			marta.patch("/api/users/marta", body).is(http.StatusForbidden)
		}
		for _, body := range []string{`{"blocked":null}`, `{"blocked":1}`, `{"blocked":"perhaps"}`} {
			s.admin.patch("/api/users/marta", body).is(http.StatusBadRequest)
		}
		s.admin.post("/api/users", strings.Replace(newUser("ines", "555000206"), "{", `{"blocked":true,`, 1)).
			says(http.StatusBadRequest, `{"validation_errors":{"blocked":"unknown field"}}`)
		if err := s.calls("pbx-1795000000.3", "555000204"); !errors.Is(err, billing.ErrAccountBlocked) {
			t.Errorf("a blocked caller is told %v", err)
		}

		lines := s.admin.get(`/api/audit?q={"filters":[{"name":"action","op":"eq","val":"user.change"}]}`).objects()
		if len(lines) != 1 || lines[0]["actor"] != "admin" || lines[0]["target"] != "marta" ||
			lines[0]["before"].(map[string]any)["blocked"] != false || lines[0]["after"].(map[string]any)["blocked"] != true {
			t.Errorf("the audit log has %v", lines)
		}
		if got := s.admin.patch("/api/users/marta", `{"blocked":false}`).is(http.StatusOK).object()["blocked"]; got != false {
			t.Errorf("blocked is %v", got)
		}
		if err := s.calls("pbx-1795000000.4", "555000204"); err != nil {
			t.Errorf("he is not blocked any more, and is told %v", err)
		}

		// Whoever is deleted stays closed; many are blocked at once.
		s.admin.delete("/api/users/joel").is(http.StatusNoContent)
		s.admin.patch("/api/users", `{"blocked":true,"q":{"filters":[{"name":"admin","op":"eq","val":false}]}}`).says(http.StatusOK, `{"num_modified":1}`)
		if err := s.calls("pbx-1795000000.5", "555000204"); !errors.Is(err, billing.ErrAccountBlocked) {
			t.Errorf("a blocked caller is told %v", err)
		}
	})
}

// TestBlockedByPrograms: the scope users is enough, for users who are no administrators.
func TestBlockedByPrograms(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.Tokens = scopeTokens{} })
	s.marta()
	for scope, want := range map[string]int{"users": http.StatusOK, "money": http.StatusForbidden, "read": http.StatusForbidden} {
		program := s.anonymous()
		program.header.Set("Authorization", "Bearer "+scope)
		program.patch("/api/users/marta", `{"blocked":true}`).is(want)
		program.patch("/api/users/admin", `{"blocked":true}`).is(http.StatusForbidden)
	}
}

// TestBlockPage: the button says what it does, and the page what there is.
func TestBlockPage(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		const block, unblock, tag = `name="blocked" value="true"`, `name="blocked" value="false"`, `<small class="tag">blocked</small>`
		if page := s.admin.page("/users/marta").has(`action="/users/marta/block"`, block, "<button>Block</button>"); strings.Contains(page.body, tag) {
			t.Error("the page says that she is blocked")
		}
		s.admin.sends("/users/marta/block", "blocked", "true").leads(s.admin, "/users/marta")
		s.admin.page("/users/marta").has("The user marta is blocked.", unblock, "<button>Unblock</button>", tag)
		s.admin.page("/users").has(tag)
		if err := s.calls("pbx-1795000000.1", "555000204"); !errors.Is(err, billing.ErrAccountBlocked) {
			t.Errorf("a blocked caller is told %v", err)
		}
		marta := s.login("marta")
		if page := marta.page("/").has(tag); strings.Contains(page.body, "/block") {
			t.Error("she has a button for it herself")
		}
		marta.sends("/users/marta/block", "blocked", "false").is(http.StatusForbidden)
		s.admin.sends("/users/marta/block", "blocked", "maybe").is(http.StatusBadRequest)
		s.admin.sends("/users/marta/block").is(http.StatusBadRequest)
		s.admin.sends("/users/nobody/block", "blocked", "true").is(http.StatusNotFound)
		s.admin.sends("/users/marta/block", "blocked", "false").leads(s.admin, "/users/marta")
		s.admin.page("/users/marta").has("The user marta can make calls again.", block)
		if err := s.calls("pbx-1795000000.2", "555000204"); err != nil {
			t.Errorf("she is not blocked any more, and is told %v", err)
		}
	})
}
