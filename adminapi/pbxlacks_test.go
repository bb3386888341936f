package adminapi_test

import (
	"net/http"
	"testing"
)

// TestTablesThatLack what a change needs are named, and nobody is told that it may have been done.
func TestTablesThatLack(t *testing.T) {
	t.Parallel()
	s, peer := withTrunks(t)
	const body = `{"account":"204","name":"Nora","secret":"long-and-random"}`
	for _, statement := range []string{"ALTER TABLE ps_endpoints DROP COLUMN allow_transfer", "DROP TABLE ps_registrations"} {
		if _, err := peer.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	s.admin.post("/api/pbx/extensions", body).is(http.StatusNotImplemented).has("no column allow_transfer in ps_endpoints", "nothing was done", "admin doctor")
	if _, err := peer.db.ExecContext(t.Context(), "ALTER TABLE ps_endpoints ADD COLUMN allow_transfer varchar(3)"); err != nil {
		t.Fatal(err)
	}
	s.admin.post("/api/pbx/extensions", body).is(http.StatusCreated)
	s.admin.post("/api/pbx/trunks", `{"name":"south","host":"sip.example.org","username":"u","register":true}`).is(http.StatusNotImplemented).has("no table ps_registrations")
}
