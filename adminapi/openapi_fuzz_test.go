package adminapi_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// FuzzBodies: whatever a client sends is answered as the document says, and the books balance.
func FuzzBodies(f *testing.F) {
	s := newSite(f, storetest.SQLite(f), withFreePBX(f), withMemoryTrunks, withSteadyAsterisk(f))
	s.user(models.NewUser{Username: "marta", CLID: "555000204", IMSI: "001010000000204", Balance: 180 * money.Unit})
	s.user(models.NewUser{Username: "joel", CLID: "555000205", IMSI: "001010000000205"})
	s.deck("retail", models.SEC)
	s.carrier("north")
	handler, err := adminapi.New(s.deps)
	if err != nil {
		f.Fatal(err)
	}
	c := &contractor{site: s, spec: s.spec(), random: rand.New(rand.NewPCG(1, 2))}
	// A program cannot be locked out by what it sends.
	program := "Bearer " + c.token(models.Scopes()...)
	var operations []operation
	for _, o := range c.spec.operations() {
		if o.body() == nil || o.path == "/login" { // which takes its time by design
			continue
		}
		c.operation = o
		for _, body := range []string{encoded(c.body()), `{"q":{"filters":[{"name":"id_","op":"in","val":[1]}]},"name":"x"}`, `[]`, `{"\u0000":"\ud800"}`} {
			f.Add(uint8(len(operations)), body)
		}
		operations = append(operations, o)
	}
	for _, body := range []string{
		`{"username":"ana","password":"secret7","clid":"5","imsi":"5","admin":"false","level":2,"account_id":null,"tunel":[]}`,
		`{"signal":"-","type_":"decrease","value":"10.5","userId":"2"}`, `{"name":"g","day":"31","month":2,"year":2099,"count":1e3,"users":[{"id_":1},"2",3]}`,
		`{"tunel":{"add":[1],"remove":[]},"updateGroup":true}`, `{"name":"t","scopes":["read"],"expires_at":"2099-01-31T00:00:00Z"}`, `{"from":"marta","to":"joel","amount":1}`,
	} {
		for i := range operations {
			f.Add(uint8(i), body)
		}
	}
	asked := 0
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		c.t, c.site.t, c.operation = t, t, operations[int(which)%len(operations)]
		path := c.operation.path
		if strings.Contains(path, "{") {
			path = c.object()
		}
		ask := func() answer {
			request := httptest.NewRequest(c.operation.method, path, strings.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			if _, scopes := c.operation.security(); len(scopes) > 0 {
				request.Header.Set("Authorization", program)
			} else {
				request.AddCookie(s.admin.cookie)
			}
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			return answer{t, c.operation.name() + " " + body, recorder.Code, recorder.Header(), recorder.Body.String()}
		}
		a := ask()
		if a.status == http.StatusUnauthorized { // it has a new password by now
			c.made++
			name := fmt.Sprintf("admin%d", c.made)
			s.user(models.NewUser{Username: name, Admin: true})
			s.admin = s.login(name)
			a = ask()
		}
		if why := c.operation.violation(a); why != "" || a.status == http.StatusUnauthorized {
			t.Errorf("%s: %s: %d %s", a.what, why, a.status, a.body)
		}
		if asked++; asked%200 == 0 {
			report, err := s.store.Audit(t.Context())
			if err != nil || len(report.Differences) > 0 {
				t.Errorf("%s: the books do not balance: %v %v", a.what, report.Differences, err)
			}
		}
	})
}
