package adminapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"talktime/models"
)

// Scope is what a token permits. None implies another.
type Scope string

// The scopes.
const (
	ScopeRead       Scope = "read"       // users, calls, state of the telephone system
	ScopeCDR        Scope = "cdr"        // call records
	ScopeRecordings Scope = "recordings" // of calls
	ScopeWrite      Scope = "write"      // changes of the telephone system
	ScopeSecrets    Scope = "secrets"    // of the telephone system
	ScopeStatistics Scope = "statistics"
	ScopeUsers      Scope = "users" // changes of users and groups
	ScopeMoney      Scope = "money" // top-ups, transfers, release of holds
	ScopeAdmin      Scope = "admin" // tokens, settings, administrators
)

// Access says who may use a route. An administrator may use every one.
type Access struct {
	Open  bool  // anybody
	Login bool  // every person who is logged in
	Self  bool  // a person whose name is in the path
	Scope Scope // a program whose token has it; empty: no program
}

// identity is who asks: nobody, a person or a program.
type identity struct {
	user    *models.User  // a person
	session string        // of the person
	token   *models.Token // a program
}

// actor is how the audit log and the ledger name who asks.
func (i identity) actor() string {
	switch {
	case i.user != nil:
		return i.user.Username
	case i.token != nil:
		return "token/" + i.token.Name // no user has a slash in his name
	}
	return ""
}

// key tells who asks apart from everybody else, for ever.
func (i identity) key() string {
	if i.token != nil {
		return fmt.Sprintf("token%d", i.token.ID)
	}
	if i.user != nil {
		return fmt.Sprintf("user%d", i.user.ID)
	}
	return ""
}

// has reports whether a token has a scope, or a person is an administrator.
func (i identity) has(s Scope) bool {
	return i.user != nil && i.user.Admin || i.token != nil && slices.Contains(i.token.Scopes, string(s))
}

// check returns the answer to those who may not use the route.
func (a Access) check(r *request) error {
	switch who := r.who; {
	case a.Open:
		return nil
	case who.user == nil && who.token == nil:
		return unauthenticated()
	case who.token != nil && a.Scope != "" && who.has(a.Scope),
		who.user != nil && (who.user.Admin || a.Login || a.Self && who.user.Username == r.Param("username")):
		return nil
	}
	return forbidden()
}

// identify finds out who asks. A token that is wrong is refused, whatever else there is.
func (a *api) identify(r *request) error {
	if header := r.GetHeader("Authorization"); header != "" && r.route.Path != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") || a.Tokens == nil {
			return unauthenticated()
		}
		token, err := a.Tokens.Token(r.ctx(), strings.TrimSpace(secret))
		if isNotFound(err) {
			return unauthenticated()
		}
		if err != nil {
			return err
		}
		r.who.token = &token
	} else if _, err := r.Cookie(cookieName); err == nil {
		if err := a.resume(r); err != nil && !r.route.Access.Open {
			return err
		}
	}
	r.Set(keyActor, r.who.actor())
	return nil
}

// mayTouch refuses programs that would make or change an administrator without being allowed to be one.
func (r *request) mayTouch(admin bool) error {
	if admin && !r.who.has(ScopeAdmin) {
		return forbidden()
	}
	return nil
}

// statusOf is for routes that only exist to say that they do not.
func notAllowed(allow string) handler {
	return func(*request) error {
		return failure{status: http.StatusMethodNotAllowed, headers: map[string]string{"Allow": allow}}
	}
}
