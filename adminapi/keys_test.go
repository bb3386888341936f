package adminapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// keyed is the same client with a header Idempotency-Key of each of these keys.
func (c *client) keyed(keys ...string) *client {
	payer := *c
	payer.header = c.header.Clone()
	payer.header["Idempotency-Key"] = keys
	return &payer
}

// TestKeyOfAnotherPath: one client has one set of keys for everything that moves money.
func TestKeyOfAnotherPath(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		marta, joel := s.marta(), s.joel()
		moves := []struct{ path, body string }{
			{"/api/balance", fmt.Sprintf(`{"signal":"+","value":"10","userId":%d}`, marta.ID)},
			{"/api/balance", fmt.Sprintf(`{"signal":"-","value":"10","userId":%d}`, marta.ID)},
			{"/api/balance", fmt.Sprintf(`{"signal":"+","value":"10","userId":%d}`, joel.ID)},
			{"/api/voice_balance", fmt.Sprintf(`{"from_user_id":%d,"value":10}`, marta.ID)},
			{"/api/voice_balance", fmt.Sprintf(`{"from_user_id":%d,"value":-10}`, marta.ID)},
			{"/api/transfers", `{"from":"marta","to":"joel","amount":"10"}`},
		}
		for n, first := range moves {
			payer := s.admin.keyed(fmt.Sprintf("receipt-%d", n))
			done := payer.post(first.path, first.body).is(http.StatusCreated)
			for m, other := range moves {
				if m == n {
					payer.post(other.path, other.body).says(http.StatusCreated, strings.TrimSpace(done.body))
					continue
				}
				a := payer.post(other.path, other.body).is(http.StatusConflict)
				if want := fmt.Sprintf(`the Idempotency-Key "receipt-%d" was used for another request`, n); a.object()["message"] != want {
					t.Errorf("%s\nwant %s", a.body, want)
				}
			}
		}
		if got := s.admin.get("/api/ledger").object()["num_results"]; got != 1+5+2.0 { // the opening balance, and both sides of the transfer
			t.Errorf("%v entries were posted", got)
		}
		// Another client's key is another key.
		made := s.admin.post("/api/tokens", `{"name":"till","scopes":["money"]}`).is(http.StatusCreated).object()
		till := s.anonymous()
		till.header.Set("Authorization", "Bearer "+made["token"].(string))
		till.keyed("receipt-0").post(moves[5].path, moves[5].body).is(http.StatusCreated)
	})
}

// TestBadKeys are refused, before anything is done.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.marta()
	s.joel()
	for _, keys := range [][]string{{""}, {"a", "a"}, {"a", ""}, {"a b"}, {" "}, {"é"}, {strings.Repeat("x", 101)}} {
		for path, body := range map[string]string{
			"/api/balance": `{"signal":"+","value":"10","userId":2}`, "/api/voice_balance": `{"from_user_id":2,"value":10}`,
			"/api/transfers": `{"from":"marta","to":"joel","amount":"10"}`,
		} {
			a := s.admin.keyed(keys...).post(path, body).is(http.StatusBadRequest)
			if got := a.object()["message"]; got != "Idempotency-Key must have 1 to 100 ASCII characters without blanks, and be there once" {
				t.Errorf("%q: %v", keys, got)
			}
		}
	}
	if got := s.admin.get("/api/ledger").object()["num_results"]; got != 1.0 {
		t.Errorf("%v entries were posted", got)
	}
}

// TestKeyOfADeletedUser: the answer to a repetition says that it had been done, and to a new request that there is no
// such user.
func TestKeyOfADeletedUser(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		ana := s.user(models.NewUser{Username: "ana", CLID: "555000206", Balance: 50 * money.Unit})
		s.joel()
		requests := map[string]string{
			"/api/balance":       fmt.Sprintf(`{"signal":"+","value":"10","userId":%d}`, ana.ID),
			"/api/voice_balance": fmt.Sprintf(`{"from_user_id":%d,"value":10}`, ana.ID),
			"/api/transfers":     `{"from":"ana","to":"joel","amount":"10"}`,
		}
		for path, body := range requests {
			s.admin.keyed("before"+path).post(path, body).is(http.StatusCreated)
		}
		s.admin.delete("/api/users/ana").is(http.StatusNoContent)
		for path, body := range requests {
			a := s.admin.keyed("before"+path).post(path, body).is(http.StatusConflict)
			if got := fmt.Sprint(a.object()["message"]); !strings.Contains(got, `"before`+path+`" was carried out`) {
				t.Errorf("%s: %s", path, got)
			}
			s.admin.keyed("after"+path).post(path, body).is(http.StatusBadRequest)
			s.admin.post(path, body).is(http.StatusBadRequest)
		}
		s.admin.keyed("before/api/transfers").post("/api/transfers", `{"from":"joel","to":"ana","amount":"10"}`).is(http.StatusConflict)
	})
}

// TestOneKeyAtOnce on paths that lock nothing in common: one request is carried out, and all others are refused.
func TestOneKeyAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) { oneKeyAtOnce(t, s, s) })
}

// TestTwoServersTakeOneKey likewise.
func TestTwoServersTakeOneKey(t *testing.T) {
	one, two := twoServers(t)
	oneKeyAtOnce(t, one, two)
}

func oneKeyAtOnce(t *testing.T, one, two *site) {
	for n := range 6 {
		one.user(models.NewUser{Username: fmt.Sprint("u", n), Balance: 1000 * money.Unit})
	}
	const rounds = 40
	for round := range rounds {
		moves := []struct{ path, body string }{
			{"/api/balance", `{"signal":"+","value":"10","userId":2}`},
			{"/api/balance", `{"signal":"-","value":"10","userId":3}`},
			{"/api/voice_balance", `{"from_user_id":4,"value":10}`},
			{"/api/voice_balance", `{"from_user_id":5,"value":-10}`},
			{"/api/transfers", `{"from":"u4","to":"u5","amount":"10"}`},
		}
		answers := make([]answer, len(moves))
		var requests []func()
		for i, m := range moves {
			payer := one.admin.at([]*site{one, two}[(i+round)%2]).keyed(fmt.Sprint("receipt-", round))
			requests = append(requests, func() { answers[i] = payer.post(m.path, m.body) })
		}
		together(requests...)
		var statuses []int
		for _, a := range answers {
			statuses = append(statuses, a.status)
		}
		if slices.Sort(statuses); !slices.Equal(statuses, []int{201, 409, 409, 409, 409}) {
			t.Fatalf("round %d: %v", round, statuses)
		}
	}
	transactions := map[any]bool{}
	for _, e := range one.admin.get("/api/ledger?results_per_page=100").objects() {
		transactions[e["transaction_id"]] = true
	}
	if len(transactions) != 6+rounds {
		t.Errorf("%d transactions were posted, want %d", len(transactions), 6+rounds)
	}
}
