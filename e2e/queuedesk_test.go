package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"talktime/e2e/lab"
	"talktime/internal/password"
	"talktime/models"
	"talktime/store/storetest"
)

// desk is a Talktime that reads the log.
type desk struct {
	*site
	name     string
	settings map[string]string
	base     string
	token    string // for our own interface
	admin    *storetest.Child
}

// serve starts the built admin server.
func (d *desk) serve(t *testing.T) {
	t.Helper()
	d.base, d.admin = d.serveAdmin(t, d.settings, lab.Secret)
}

// person makes a user with the password secret-2026 and what he is granted.
func (d *desk) person(t *testing.T, name string, granted models.Grants) {
	t.Helper()
	hash, err := password.New(1).Hash(t.Context(), "secret-2026")
	if err != nil {
		t.Fatal(err)
	}
	u, err := d.db.AddUser(t.Context(), models.NewUser{Username: name, PasswordHash: hash}, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.db.ChangeGrants(t.Context(), u.ID, func(models.Grants) models.Grants { return granted }, "test"); err != nil {
		t.Fatal(err)
	}
}

// ask is an answer of the kept interface to a user.
func (d *desk) ask(t *testing.T, user, query string) (status int, header http.Header, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.base+"/stats/rest/index.php?"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		request.SetBasicAuth(user, map[bool]string{true: "admin-2026", false: "secret-2026"}[user == "admin"])
	}
	answer, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(text)
}

// same compares an answer byte by byte.
func (d *desk) same(t *testing.T, user, query, want string) {
	t.Helper()
	if status, _, body := d.ask(t, user, query); status != http.StatusOK || body != want {
		t.Errorf("the %s: %s of %s: %d\n%s", d.name, query, user, status, gocmp.Diff(strings.ReplaceAll(want, "},{", "},\n{"), strings.ReplaceAll(body, "},{", "},\n{")))
	}
}

// api asks our own interface, as a program with a token for statistics.
func (d *desk) api(t *testing.T, path string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if d.token == "" {
		var made struct{ Token string }
		if err := json.Unmarshal([]byte(d.site.admin(0, "token", "add", "--name", "queues", "--scopes", "statistics", "--json")), &made); err != nil {
			t.Fatal(err)
		}
		d.token = made.Token
	}
	request.Header.Set("Authorization", "Bearer "+d.token)
	answer, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(body, into) != nil {
		t.Fatalf("the %s: %s: %s %v\n%s", d.name, path, answer.Status, err, body)
	}
}

// look asks for the picture of now.
func (d *desk) look(t *testing.T) (p picture, away string) {
	t.Helper()
	status, header, body := d.ask(t, "admin", "entity=realtime")
	if err := json.Unmarshal([]byte(body), &p); err != nil || status != http.StatusOK {
		t.Fatalf("realtime: %d %v\n%s", status, err, body)
	}
	return p, header.Get("X-Realtime")
}
