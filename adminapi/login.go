package adminapi

import (
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"time"

	"talktime/internal/password"
	"talktime/models"
)

// A user who failed so often from one address has to wait there. Nowhere else: nobody can lock out somebody else.
const (
	maxFailures   = 10
	failureWindow = 15 * time.Minute
)

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
	return r.page(f.status, loginPage, f.message)
}

// verify returns the user with a name and a password. A wrong name costs as much time as a wrong password, and is
// answered the same.
func (r *request) verify(name, secret string) (models.User, error) {
	a := r.api
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default:
		return models.User{}, failure{status: http.StatusServiceUnavailable, message: "too many logins at once; try again", headers: map[string]string{"Retry-After": "5"}}
	}
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
	case <-r.ctx().Done():
		return models.User{}, r.ctx().Err()
	}
	// Only now, so that a thousand tries at once do not all find the count as it was before.
	who, since := failureKey(name, r.ClientIP()), a.Now().Add(-failureWindow)
	failures, err := a.Sessions.LoginFailures(r.ctx(), who, since)
	if err != nil {
		return models.User{}, err
	}
	if failures >= maxFailures {
		return models.User{}, failure{
			status: http.StatusTooManyRequests, message: "too many failed logins; wait a while",
			headers: map[string]string{"Retry-After": strconv.Itoa(int(failureWindow / time.Second))},
		}
	}
	user, err := a.Users.UserDetail(r.ctx(), name)
	if err != nil && !isNotFound(err) {
		return models.User{}, err
	}
	right, err := a.hasher.Verify(r.ctx(), user.PasswordHash, secret)
	if err != nil && r.ctx().Err() != nil {
		return models.User{}, err
	}
	if !right {
		if err := a.Sessions.LoginFailed(r.ctx(), who, since); err != nil {
			return models.User{}, err
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
	return user.User, nil
}

// failureKey is under which failures are counted: of one user, from one address.
func failureKey(name, address string) string {
	sum := sha256.Sum256([]byte(name + "\n" + address))
	return hex.EncodeToString(sum[:])
}

func logout(r *request) error {
	if err := r.end(); err != nil {
		return err
	}
	return r.page(http.StatusOK, messagePage, "You are logged out.")
}

func check(r *request) error {
	return r.page(http.StatusOK, messagePage, "You are logged in as "+r.who.actor()+".")
}

func loginForm(r *request) error { return r.page(http.StatusOK, loginPage, "") }

func home(r *request) error {
	if r.who.user == nil {
		return r.page(http.StatusOK, loginPage, "")
	}
	return r.page(http.StatusOK, messagePage, "Hello, "+r.who.user.Username+"!")
}

var pages = template.Must(template.New("pages").Parse(`{{define "head"}}<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Talktime</title></head><body>
{{end}}{{define "message"}}{{template "head"}}<p>{{.}}</p>
</body></html>
{{end}}{{define "login"}}{{template "head"}}{{with .}}<p role="alert">{{.}}</p>
{{end}}<form method="post" action="/login">
<label>Username <input name="username" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Log in</button>
</form>
</body></html>
{{end}}`))

// Names of pages.
const (
	messagePage = "message"
	loginPage   = "login"
)

func (r *request) page(status int, name string, data any) error {
	r.Status(status)
	r.Header("Content-Type", "text/html; charset=utf-8")
	return pages.ExecuteTemplate(r.Writer, name, data)
}
