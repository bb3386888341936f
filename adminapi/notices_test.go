package adminapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// webhook makes a webhook past the API.
func (s *site) webhook(name string) {
	s.t.Helper()
	w := models.Webhook{Name: name, URL: "https://hooks.example.net/" + name, Enabled: true}
	if _, err := s.store.AddWebhook(s.t.Context(), w, "test"); err != nil {
		s.t.Fatal(err)
	}
}

// TestWebhooks are made, with a secret that is shown once, looked at, changed, tried and removed.
func TestWebhooks(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.admin.get("/api/webhooks").says(http.StatusOK, `{"num_results":0,"objects":[],"page":1,"total_pages":0}`)
		a := s.admin.post("/api/webhooks", `{"name":"ops","url":"https://hooks.example.net/a?key=geheim","kinds":["brake","low-balance"]}`).is(http.StatusCreated)
		a.shows(map[string]any{"name": "ops", "url": "https://hooks.example.net/a?key=geheim", "kinds.0": "brake", "kinds.1": "low-balance", "enabled": true})
		secret, _ := a.object()["secret"].(string)
		if !strings.HasPrefix(secret, "whs_") || len(secret) < 30 {
			t.Errorf("its secret is %q", secret)
		}
		if got := a.header.Get("Location"); got != s.url+"/api/webhooks/ops" {
			t.Errorf("it is at %s", got)
		}
		for _, path := range []string{"/api/webhooks", "/api/webhooks/ops", "/api/audit"} {
			if a := s.admin.get(path).is(http.StatusOK); strings.Contains(a.body, secret) || path == "/api/audit" && strings.Contains(a.body, "geheim") {
				t.Errorf("%s tells the secret: %s", path, a.body)
			}
		}
		s.admin.post("/api/webhooks", `{"name":"ops","url":"https://hooks.example.net/b"}`).is(http.StatusConflict)
		for _, bad := range []string{
			`{"name":"b","url":"ftp://hooks.example.net/"}`, `{"name":"b","url":"https://user:pass@hooks.example.net/"}`, `{"name":"b","url":"https:///a"}`,
			`{"name":"b","url":"https://hooks.example.net/","kinds":["storm"]}`, `{"name":"b","url":"https://hooks.example.net/","kinds":["loss","loss"]}`,
			`{"name":"b","url":"https://hooks.example.net/","kinds":null}`, `{"name":"a/b","url":"https://hooks.example.net/"}`, `{"name":"b"}`,
			`{"name":"b","url":"https://hooks.example.net/","secret":"mine"}`, `{"name":"b","url":7}`, `[]`,
		} {
			s.admin.post("/api/webhooks", bad).is(http.StatusBadRequest)
		}
		s.admin.patch("/api/webhooks/ops", `{"kinds":[],"url":"http://10.0.0.7/n"}`).is(http.StatusOK).shows(map[string]any{"kinds.0": nil, "url": "http://10.0.0.7/n", "enabled": true})
		a = s.admin.post("/api/webhooks/ops/test", "").is(http.StatusAccepted)
		if a.object()["notice"] != 1.0 {
			t.Errorf("it says %s", a.body)
		}
		s.admin.get("/api/notices").is(http.StatusOK).shows(map[string]any{
			"num_results": 1, "objects.0.kind": "test", "objects.0.user": nil, "objects.0.deliveries.0.webhook": "ops", "objects.0.deliveries.0.state": "waiting",
			"objects.0.deliveries.0.try": 1, "objects.0.deliveries.0.tried_at": nil,
		})
		s.admin.patch("/api/webhooks/ops", `{"enabled":false}`).is(http.StatusOK).shows(map[string]any{"enabled": false})
		s.admin.post("/api/webhooks/ops/test", "").is(http.StatusConflict)
		s.admin.delete("/api/webhooks/ops").is(http.StatusNoContent)
		for _, a := range []answer{
			s.admin.delete("/api/webhooks/ops"), s.admin.get("/api/webhooks/ops"), s.admin.patch("/api/webhooks/ops", `{"enabled":true}`), s.admin.post("/api/webhooks/ops/test", ""),
		} {
			a.is(http.StatusNotFound)
		}
		s.admin.get("/api/notices").is(http.StatusOK).shows(map[string]any{"num_results": 1, "objects.0.deliveries.0": nil})
	})
}

// TestLowBalanceNotice: a user's own threshold makes one notice when he falls below it, which the list finds and the page shows.
func TestLowBalanceNotice(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		marta := s.user(models.NewUser{Username: "marta", Balance: 100 * money.Unit})
		joel := s.user(models.NewUser{Username: "joel", Balance: 100 * money.Unit})
		s.admin.get("/api/users/marta").is(http.StatusOK).shows(map[string]any{"low_balance": nil})
		for _, bad := range []string{`"low"`, `true`, `"1e3"`, `"0.0000001"`, `"9999999999999"`} {
			s.admin.patch("/api/users/marta", `{"low_balance":`+bad+`}`).is(http.StatusBadRequest)
		}
		s.login("marta").patch("/api/users/marta", `{"low_balance":"60"}`).is(http.StatusForbidden)
		s.admin.patch("/api/users/marta", `{"low_balance":"60"}`).is(http.StatusOK).shows(map[string]any{"low_balance": "60"})
		take := func(user models.User, value int) {
			t.Helper()
			s.admin.post("/api/voice_balance", fmt.Sprintf(`{"value":%d,"userId":%d}`, value, user.ID)).is(http.StatusCreated)
		}
		take(marta, -40) // to the threshold, not below it
		s.admin.get("/api/notices").is(http.StatusOK).shows(map[string]any{"num_results": 0})
		take(marta, -10)
		take(marta, -10)
		take(joel, -90)
		s.admin.get("/api/notices").is(http.StatusOK).shows(map[string]any{
			"num_results": 1, "objects.0.kind": "low-balance", "objects.0.user": "marta", "objects.0.data.balance": "50", "objects.0.data.below": "60", "objects.0.data.currency": "SEC",
		})
		take(marta, 100)
		take(marta, -100)
		s.admin.get(`/api/notices?q={"filters":[{"name":"user","op":"eq","val":"marta"}]}`).is(http.StatusOK).shows(map[string]any{"num_results": 2})
		s.admin.get(`/api/notices?q={"filters":[{"name":"kind","op":"eq","val":"brake"}]}`).is(http.StatusOK).shows(map[string]any{"num_results": 0})
		s.admin.patch("/api/users/marta", `{"low_balance":null}`).is(http.StatusOK).shows(map[string]any{"low_balance": nil})
		take(marta, 100)
		take(marta, -100)
		s.admin.get("/api/notices").is(http.StatusOK).shows(map[string]any{"num_results": 2})
		if page := s.admin.get("/").is(http.StatusOK).body; !strings.Contains(page, "Newest notices") || !strings.Contains(page, "Low balance") {
			t.Errorf("the page does not show them:\n%s", page)
		}
		storetest.Audited(t, s.store)
	})
}

// TestNoticeMetrics: what waits, fails and was given up is counted.
func TestNoticeMetrics(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.webhook("ops")
		for range 3 {
			if _, err := s.store.TestWebhook(t.Context(), "ops", "test"); err != nil {
				t.Fatal(err)
			}
		}
		for _, state := range []string{models.DeliveryDone, models.DeliveryFailed} {
			d, err := s.store.ClaimDelivery(t.Context(), false, time.Minute)
			if err != nil || d == nil {
				t.Fatal(d, err)
			}
			d.State = state
			if err := s.store.Delivered(t.Context(), d.Delivery, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		for name, want := range map[string]float64{"talktime_notices_waiting": 2, "talktime_notices_failing": 1, "talktime_notices_given_up": 0} {
			if got := s.admin.get("/metrics").is(http.StatusOK).metrics()[name]; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	})
}

// TestNoNotices: a site without them has no such paths.
func TestNoNotices(t *testing.T) {
	onBoth(t, func(_ *testing.T, s *site) {
		s.start(func(d *adminapi.Deps) { d.Notices = nil })
		s.admin = s.login("admin")
		s.admin.get("/api/notices").is(http.StatusNotFound)
		s.admin.get("/").is(http.StatusOK)
	})
}
