package adminapi_test

import (
	"net/http"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/store/storetest"
)

// TestCallback: only when the settings say so, and only for names of functions.
func TestCallback(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.JSONP = true })
	a := s.admin.get("/api/cdr?callback=app.show")
	a.says(http.StatusOK, `/**/app.show({"data":{"num_results":0,"objects":[],"page":1,"total_pages":0},"meta":{"status":200}})`)
	if got := a.header.Get("Content-Type"); got != "application/javascript" {
		t.Errorf("the answer is %s", got)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-site"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, name := range []string{"alert(1)//", "a-b", "1a", "a%20b", "%3Cscript%3E", "a..b", ".a", "a.", "a%0A", "a%00", "%C3%A9", strings.Repeat("a", 101)} {
		s.admin.get("/api/cdr?callback=" + name).is(http.StatusBadRequest)
	}
}
