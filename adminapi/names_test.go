package adminapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"talktime/store/storetest"
)

// TestDots: no browser can ask for /users/. or /groups/.., so nobody and nothing is called so.
func TestDots(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.marta()
	s.admin.post("/api/groups", plainGroup("team")).is(http.StatusCreated)
	const sentence = "and be neither . nor .."
	for _, name := range []string{".", ".."} {
		for _, a := range []answer{
			s.admin.post("/api/users", newUser(name, "777")),
			s.admin.patch("/api/users/marta", `{"username":"`+name+`"}`),
			s.admin.patch("/api/users", `{"username":"`+name+`","q":{"filters":[{"name":"username","op":"eq","val":"marta"}]}}`),
			s.admin.post("/api/groups", plainGroup(name)),
			s.admin.patch("/api/groups/team", `{"name":"`+name+`"}`),
			s.admin.sends("/new-user", "username", name, "password", secret),
			s.admin.sends("/users/marta/edit", "username", name),
			s.admin.sends("/new-group", "name", name, "first", "2130-01-31", "count", "1", "mode", "topup", "value", "600"),
			s.admin.sends("/groups/team/edit", "name", name),
		} {
			if a.is(http.StatusBadRequest); !strings.Contains(a.body, sentence) {
				t.Errorf("%s does not say why: %s", a.what, a.body)
			}
		}
	}
	for _, name := range []string{"...", ".a", "a.", ".. ."} { // a path keeps these as they are
		s.admin.post("/api/users", newUser(name, "778")).is(http.StatusCreated)
		s.admin.get("/users/" + url.PathEscape(name)).is(http.StatusOK)
		s.admin.delete("/api/users/" + url.PathEscape(name)).is(http.StatusNoContent)
	}
}

func plainGroup(name string) string {
	return `{"name":"` + name + `","day":31,"month":1,"year":2130,"count":1,"users":[]}`
}
