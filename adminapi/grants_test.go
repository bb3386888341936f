package adminapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"talktime/store/storetest"
)

func TestGrants(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		id := s.marta().ID
		const path, none = "/api/users/marta/grants", `{"queues":[],"agents":[],"accounts":[]}`
		s.admin.get(path).says(http.StatusOK, none)
		put := func(body string) answer { t.Helper(); return s.admin.do(http.MethodPut, path, body) }
		const some = `{"queues":["Sales","sales","vente été"],"agents":["SIP/1001"],"accounts":["7-up"]}`
		put(`{"queues":["sales","Sales","sales","vente été"],"agents":["SIP/1001"],"accounts":["7-up"]}`).says(http.StatusOK, some)
		s.admin.get(path).says(http.StatusOK, some)
		put(some).says(http.StatusOK, some) // nothing changes, and nothing is noted
		put(`{"queues":["support","sales"],"agents":[],"accounts":["7-up"]}`).says(http.StatusOK, `{"queues":["sales","support"],"agents":[],"accounts":["7-up"]}`)

		var log []map[string]any
		for _, line := range s.admin.get("/api/audit").objects() {
			if line["action"] == "user.grant" {
				log = append(log, line)
			}
		}
		if len(log) != 2 || log[0]["actor"] != "admin" || log[0]["target"] != "marta" ||
			!strings.Contains(fmt.Sprint(log[0]["before"]), "vente") || !strings.Contains(fmt.Sprint(log[0]["after"]), "support") {
			t.Errorf("the audit log has %v", log)
		}

		long := strings.Repeat("ü", 64)
		many := func(n int, name string) string {
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprintf("%q", fmt.Sprintf("%s%d", name, i))
			}
			return `{"queues":[` + strings.Join(names, ",") + `],"agents":[],"accounts":[]}`
		}
		put(`{"queues":["` + long + `"],"agents":["<&>"],"accounts":[]}`).is(http.StatusOK)
		put(many(1000, "")).is(http.StatusOK)
		put(many(200, `<&>\u003c`+strings.Repeat(`&`, 35))).is(http.StatusOK) // the longest text in the log
		for what, body := range map[string]string{
			"too long":          `{"queues":["` + long + `x"],"agents":[],"accounts":[]}`,
			"too many":          many(1001, ""),
			"too much":          many(900, "0123456789"),
			"empty":             `{"queues":[""],"agents":[],"accounts":[]}`,
			"null":              `{"queues":[null],"agents":[],"accounts":[]}`,
			"blank":             `{"queues":[" a"],"agents":[],"accounts":[]}`,
			"control":           `{"queues":["a\u0000b"],"agents":[],"accounts":[]}`,
			"a line":            `{"queues":["a\nb"],"agents":[],"accounts":[]}`,
			"no list":           `{"queues":"sales","agents":[],"accounts":[]}`,
			"no list of texts":  `{"queues":[1],"agents":[],"accounts":[]}`,
			"null for a list":   `{"queues":null,"agents":[],"accounts":[]}`,
			"one list missing":  `{"queues":[],"agents":[]}`,
			"an unknown list":   `{"queues":[],"agents":[],"accounts":[],"trunks":[]}`,
			"no object":         `[]`,
			"nothing":           ``,
			"nothing but space": ` `,
		} {
			if a := put(body); a.status != http.StatusBadRequest && a.status != http.StatusUnsupportedMediaType {
				t.Errorf("%s: %d %s", what, a.status, a.body)
			}
		}
		s.admin.do(http.MethodPut, "/api/users/nobody/grants", none).is(http.StatusNotFound)
		s.admin.get("/api/users/nobody/grants").is(http.StatusNotFound)
		s.login("marta").get(path).is(http.StatusForbidden)

		s.admin.delete("/api/users/marta").is(http.StatusNoContent)
		if g, err := s.store.UserGrants(t.Context(), id); err != nil || !g.Empty() {
			t.Errorf("a deleted user still has %v (%v)", g, err)
		}
		s.marta()
		s.admin.get(path).says(http.StatusOK, none)
		storetest.Audited(t, s.store)
	})
}
