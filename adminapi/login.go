package adminapi

import (
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/internal/password"
	"talktime/models"
	"talktime/web"
)

// A user who failed so often from one address has to wait there. Nowhere else: nobody can lock out somebody else.
const (
	maxFailures   = 10
	failureWindow = 15 * time.Minute
)

// From one address so many logins may fail within a quarter of an hour, whatever the names: else somebody could try one
// password with each. It is generous, since a whole office may come from one address.
const maxAddressFailures = 200

const wrongLogin = "Username or Password is invalid"

// loginJSON is what a login in JSON is answered with.
type loginJSON struct {
	Roles       []string `json:"roles"`
	DisplayName string   `json:"displayName"`
	Username    string   `json:"username"`
	ID          int64    `json:"id"`
}

func login(r *request) error {
	name, secret, err := r.credentials()
	if err != nil {
		return err
	}
	user, err := r.verify(name, secret)
	if err != nil {
		return r.loginFailure(err)
	}
	if err := r.begin(user); err != nil {
		return err
	}
	r.Set(keyActor, user.Username)
	if !r.wantsJSON() {
		if next, ours := r.GetPostForm("next"); ours { // our own form says where to go
			r.seeOther(localPath(next))
			return nil
		}
		r.html(http.StatusOK, "Hello, cross-origin-world!")
		return nil
	}
	role := "user"
	if user.Admin {
		role = "admin"
	}
	r.json(http.StatusOK, loginJSON{[]string{role}, user.Username, user.Username, user.ID})
	return nil
}

// credentials are those of a form or of a JSON object.
func (r *request) credentials() (name, secret string, err error) {
	kind, _, _ := mime.ParseMediaType(r.GetHeader("Content-Type"))
	switch kind {
	case "application/json":
		body, err := r.object()
		if err != nil {
			return "", "", err
		}
		if err := body.missing("username", "password"); err != nil {
			return "", "", err
		}
		if name, err = body.text("username"); err == nil {
			secret, err = body.text("password")
		}
		return name, secret, err
	case "application/x-www-form-urlencoded":
		if err := r.Request.ParseForm(); err != nil {
			if f, ok := failureOf(err); ok {
				return "", "", f
			}
			return "", "", undecodable()
		}
		return r.PostForm("username"), r.PostForm("password"), nil
	}
	return "", "", refused(http.StatusUnsupportedMediaType, "log in with a form (application/x-www-form-urlencoded) or with JSON")
}

// loginFailure shows people the form again.
func (r *request) loginFailure(err error) error {
	f, ok := failureOf(err)
	if !ok || r.wantsJSON() || f.status == http.StatusServiceUnavailable {
		return err
	}
	for name, value := range f.headers {
		r.Header(name, value)
	}
	return r.loginPage(f.status, web.Login{Form: web.Form{Error: f.message}}, r.PostForm("username"), localPath(r.PostForm("next")))
}

// verify returns the user with a name and a password. A wrong name costs as much time as a wrong password, and is
// answered the same.
func (r *request) verify(name, secret string) (user models.User, err error) {
	defer func() { r.api.metrics.login(err) }()
	return r.compare(name, secret)
}

func (r *request) compare(name, secret string) (models.User, error) {
	a := r.api
	address, _ := a.client(r.Request)
	from := network(address)
	if !a.waiting.enter(from) {
		return models.User{}, tooManyLogins()
	}
	defer a.waiting.leave(from)
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
	case <-r.ctx().Done():
		return models.User{}, tooManyLogins()
	}
	// Only now, so that a thousand tries at once do not all find the count as it was before.
	who, since := failureKey(name, a.clientText(r.Request)), a.Now().Add(-failureWindow)
	failures, err := a.Sessions.LoginFailures(r.ctx(), who, since)
	if err != nil {
		return models.User{}, err
	}
	if failures >= maxFailures {
		return models.User{}, tooManyFailures(failureWindow)
	}
	place, left := addressKey(from, a.Now())
	all, err := a.Sessions.LoginFailures(r.ctx(), place, since)
	if err != nil {
		return models.User{}, err
	}
	if all >= maxAddressFailures {
		return models.User{}, tooManyFailures(left)
	}
	user, err := a.Sessions.LoginUser(r.ctx(), name)
	if err != nil && !isNotFound(err) {
		return models.User{}, err
	}
	right, err := a.hasher.Verify(r.ctx(), user.PasswordHash, secret)
	if err != nil && r.ctx().Err() != nil {
		return models.User{}, err
	}
	if !right {
		for _, each := range []string{who, place} {
			if err := a.Sessions.LoginFailed(r.ctx(), each, since); err != nil {
				return models.User{}, err
			}
		}
		return models.User{}, refused(http.StatusUnauthorized, wrongLogin)
	}
	if failures > 0 {
		if err := a.Sessions.LoginWorked(r.ctx(), who); err != nil {
			return models.User{}, err
		}
	}
	if password.NeedsRehash(user.PasswordHash) {
		if hash, err := a.hasher.Hash(r.ctx(), secret); err == nil {
			if err := a.Sessions.Rehashed(r.ctx(), user.ID, user.PasswordHash, hash); err != nil {
				return models.User{}, err
			}
		}
	}
	return user, nil
}

// failureKey is under which failures are counted: of one user, from one address.
func failureKey(name, address string) string {
	sum := sha256.Sum256([]byte(name + "\n" + address))
	return hex.EncodeToString(sum[:])
}

// addressKey is under which the failures of everybody at an address are counted in this quarter of an hour, of which so
// much is left. Whoever has an IPv6 address has all those with the same first half. No key of failureKey is one of these:
// in there a line ends.
func addressKey(from netip.Prefix, now time.Time) (key string, left time.Duration) {
	quarter := now.UTC().Truncate(failureWindow)
	sum := sha256.Sum256([]byte(from.String() + " " + quarter.Format(time.RFC3339)))
	return hex.EncodeToString(sum[:]), quarter.Add(failureWindow).Sub(now)
}

func tooManyFailures(wait time.Duration) failure {
	return failure{
		status: http.StatusTooManyRequests, message: "too many failed logins; wait a while",
		headers: map[string]string{"Retry-After": strconv.Itoa(int(wait/time.Second) + 1)},
	}
}

func tooManyLogins() failure {
	return failure{status: http.StatusTooManyRequests, message: "too many logins at once; try again", headers: map[string]string{"Retry-After": "5"}}
}

func logout(r *request) error {
	if err := r.end(); err != nil {
		return err
	}
	r.who = identity{}
	return r.loginPage(http.StatusOK, web.Login{Notice: "You are logged out."}, "", "/")
}

func check(r *request) error {
	return r.render(http.StatusOK, web.Page{Title: "Session", Body: web.Notice{Text: "You are logged in as " + r.who.actor() + "."}})
}

func loginForm(r *request) error {
	return r.loginPage(http.StatusOK, web.Login{}, "", localPath(r.Query("next")))
}

// loginPage shows the form for whoever is not logged in, which leads on to a path of ours.
func (r *request) loginPage(status int, body web.Login, name, next string) error {
	body.Form.Submit = "Log in"
	body.Form.Fields = []web.Field{
		{Name: "username", Label: "Username", Type: "text", Value: name, Required: true, Autocomplete: "username"},
		{Name: "password", Label: "Password", Type: "password", Required: true, Autocomplete: "current-password"},
		{Name: "next", Type: "hidden", Value: next},
	}
	return r.render(status, web.Page{Title: "Log in", Body: body})
}

// localPath is a path on this server, or / in place of anything that could lead elsewhere or out again.
func localPath(next string) string {
	odd := func(c rune) bool { return c <= ' ' || c > '~' || c == '\\' }
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsFunc(next, odd) {
		return "/"
	}
	u, err := url.Parse(next)
	if err != nil || slices.Contains([]string{"/login", "/logout"}, path.Clean(u.Path)) {
		return "/"
	}
	return next
}
