package adminapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// TestOnlyMoneyMakesMoney: a program that may change users and groups, but not move money, must not get any to a user by
// way of a refill.
func TestOnlyMoneyMakesMoney(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	u := s.marta()
	if _, err := s.store.NewGroup(t.Context(), models.NewGroup{Name: "team", First: time.Now().AddDate(0, 1, 0), Count: 9, Mode: models.ModeAdd}, "test"); err != nil {
		t.Fatal(err)
	}
	for _, scopes := range [][]string{{"users"}, {"users", "money"}} {
		_, secret, err := s.store.NewToken(t.Context(), models.NewToken{Name: strings.Join(scopes, "-"), Scopes: scopes}, "test")
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []struct{ method, path, body string }{
			{"POST", "/api/groups", fmt.Sprintf(`{"name":"g%d","day":1,"month":1,"year":2100,"count":12,"users":[%d]}`, len(scopes), u.ID)},
			{"PATCH", "/api/groups/team", fmt.Sprintf(`{"newUser":[%d]}`, u.ID)},
			{"PATCH", "/api/groups/team", fmt.Sprintf(`{"tunel":[%d]}`, u.ID)},
			{"PATCH", "/api/groups/team", `{"value":5000}`},
			{"PATCH", "/api/groups/team", `{"mode":"add"}`},
			{"PATCH", "/api/groups/team", `{"updateGroup":1}`},
			{"PATCH", "/api/users/marta", `{"tunel":{"add":[1]}}`},
			{"POST", "/api/users", fmt.Sprintf(`{"username":"n%d","password":"secret1","clid":"77%d","imsi":"88%d","admin":false,"tunel":[1]}`, len(scopes), len(scopes), len(scopes))},
		} {
			req, err := http.NewRequestWithContext(t.Context(), c.method, s.url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+secret)
			req.Header.Set("Content-Type", "application/json")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if refused := res.StatusCode == http.StatusForbidden; refused != (len(scopes) == 1) || !refused && res.StatusCode >= 300 {
				t.Errorf("%v, case %d: %s %s %s: %d", scopes, i, c.method, c.path, c.body, res.StatusCode)
			}
		}
		if b, err := s.store.UserByName(t.Context(), "marta"); err != nil || len(scopes) == 1 && b.Balance != 180*money.Unit {
			t.Errorf("%v: marta has %s, %v", scopes, b.Balance, err)
		}
	}
}
