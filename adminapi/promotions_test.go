package adminapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// promotionsExpire lets time pass until all promotional credit has expired and is taken away.
func (s *site) promotionsExpire() {
	s.t.Helper()
	_, err := s.database.SQL(s.t).ExecContext(s.t.Context(), "UPDATE accounts SET expires_at = '2026-01-02 03:04:05.000000' WHERE expires_at IS NOT NULL")
	if err == nil {
		_, err = s.store.ExpirePromotions(s.t.Context(), "test")
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestPromotionalCredit is given with an expiry, shown by itself, and cannot be moved.
func TestPromotionalCredit(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		if text := s.admin.get("/api/users/marta").is(http.StatusOK).body; strings.Contains(text, "promotions") {
			t.Errorf("without promotional credit: %s", text)
		}
		s.admin.post("/api/balance", `{"userId":2,"value":60,"signal":"+","expires":"2099-01-31T12:00:00+01:00"}`).is(http.StatusCreated).
			shows(map[string]any{"amount": "60", "currency": "SEC"})
		s.admin.post("/api/balance", `{"userId":2,"value":20,"signal":"+","expires":"2098-12-31"}`).is(http.StatusCreated)
		s.admin.get("/api/users/marta").is(http.StatusOK).shows(map[string]any{
			"balance": "260", "available": "260", "promotions.0.balance": "20", "promotions.0.held": "0", "promotions.0.expires": "2099-01-01T00:00:00Z",
			"promotions.1.balance": "60", "promotions.1.expires": "2099-01-31T11:00:00Z",
		})
		s.admin.post("/api/balance", `{"userId":2,"value":1,"signal":"+","expires":"0d"}`).is(http.StatusCreated)
		end := time.Now().UTC().Truncate(24 * time.Hour)
		shown := s.admin.get("/api/users/marta").is(http.StatusOK).body
		if !strings.Contains(shown, end.Add(24*time.Hour).Format(time.RFC3339)) && !strings.Contains(shown, end.Format(time.RFC3339)) { // it may be midnight just now
			t.Errorf("what is for today only: %s", shown)
		}
		for _, bad := range []string{`"soon"`, `"2020-01-31"`, `"-1d"`, `"30"`, `30`, `""`, `null`, `"9999-12-31"`} {
			s.admin.post("/api/balance", `{"userId":2,"value":1,"signal":"+","expires":`+bad+`}`).is(http.StatusBadRequest)
		}
		s.admin.post("/api/balance", `{"userId":2,"value":1,"signal":"-","expires":"2098-12-31"}`).is(http.StatusBadRequest)

		keyed := func(expires string) answer {
			t.Helper()
			return s.admin.keyed("spring").post("/api/balance", `{"userId":2,"value":5,"signal":"+"`+expires+`}`)
		}
		first := keyed(`,"expires":"2098-12-31"`).is(http.StatusCreated).body
		if again := keyed(`,"expires":"2098-12-31"`).is(http.StatusCreated).body; again != first {
			t.Errorf("a repeat is %s, not %s", again, first)
		}
		keyed(`,"expires":"2098-12-30"`).is(http.StatusConflict)
		keyed("").is(http.StatusConflict)

		s.admin.post("/api/balance", `{"userId":2,"value":181,"signal":"-"}`).is(http.StatusConflict)
		s.admin.post("/api/transfers", `{"from":"marta","to":"joel","amount":181}`).is(http.StatusConflict)
		s.admin.post("/api/transfers", `{"from":"marta","to":"joel","amount":180}`).is(http.StatusCreated)
		s.admin.get("/api/users/marta").is(http.StatusOK).shows(map[string]any{"balance": "86", "available": "86"})
		ledger := s.admin.get("/api/ledger?user=marta").is(http.StatusOK)
		ledger.shows(map[string]any{"objects.0.account": "main", "objects.0.kind": "transfer"})
		if page := s.admin.get("/users/marta").is(http.StatusOK).body; !strings.Contains(page, "<dt>Until ") {
			t.Error("the page does not show promotional credit")
		}
		s.promotionsExpire()
		s.admin.get("/api/users/marta").is(http.StatusOK).shows(map[string]any{"balance": "0", "available": "0"})
		s.admin.get("/api/ledger?user=marta").is(http.StatusOK).shows(map[string]any{"objects.0.kind": "expire"})
		if page := s.admin.get("/users/marta").is(http.StatusOK).body; !strings.Contains(page, "Promotional credit, expired") {
			t.Error("the page does not say what became of it")
		}
		s.audit()
	})
}
