package adminapi_test

import (
	"net/http"
	"testing"

	"talktime/adminapi"
	"talktime/store/storetest"
)

// TestCallback: only when the settings say so, and only for names of functions.
func TestCallback(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t), func(d *adminapi.Deps) { d.JSONP = true })
	a := s.admin.get("/api/cdr?callback=app.show")
	a.says(http.StatusOK, `app.show({"data":{"num_results":0,"objects":[],"page":1,"total_pages":0},"meta":{"status":200}})`)
	if got := a.header.Get("Content-Type"); got != "application/javascript" {
		t.Errorf("the answer is %s", got)
	}
	for _, name := range []string{"alert(1)//", "a-b", "1a", "a%20b", "%3Cscript%3E"} {
		s.admin.get("/api/cdr?callback=" + name).is(http.StatusBadRequest)
	}
}
