package adminapi

import (
	"fmt"
	"net/http"
	"net/netip"
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

	Near  bool // whoever asks from this machine, or from where Asterisk may call
	Basic bool // people may show their password with each request (HTTP Basic), as programs do that know no other way
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
	case a.Open, a.Near && r.near():
		return nil
	case who.user == nil && who.token == nil:
		return r.unauthenticated()
	case who.token != nil && a.Scope != "" && who.has(a.Scope),
		who.user != nil && (who.user.Admin || a.Login || a.Self && who.user.Username == r.Param("username")):
		return nil
	}
	return forbidden()
}

// near reports whether the request comes from this machine or from where Asterisk may call.
func (r *request) near() bool {
	address, ok := r.from()
	return ok && (address.IsLoopback() || within(r.api.Asterisk, address))
}

// fromAsterisk reports whether the request comes from where Asterisk may call.
func (r *request) fromAsterisk() bool {
	address, ok := r.from()
	return ok && within(r.api.Asterisk, address)
}

// from is the address that the request comes from. Nobody knows that of a request which somebody has passed on, unless
// it is a proxy that we believe.
func (r *request) from() (address netip.Addr, ok bool) {
	named := r.GetHeader("X-Forwarded-For") != "" || r.GetHeader("X-Real-Ip") != ""
	passedOn := named || r.GetHeader("Forwarded") != "" || r.GetHeader("Via") != ""
	believed := named && r.api.fromProxy(r.Request)
	if passedOn && !believed {
		return netip.Addr{}, false
	}
	address, err := netip.ParseAddr(r.ClientIP())
	return address.Unmap(), err == nil
}

// identify finds out who asks. A token or a password that is wrong is refused, whatever else there is. Whoever is let in
// for his address is not asked: metrics that say that the database is away must not need it.
func (a *api) identify(r *request) error {
	if r.route.Access.Near && r.near() {
		return nil
	}
	if header := r.GetHeader("Authorization"); header != "" && r.route.Path != "" {
		if err := a.authorized(r, header); err != nil {
			return err
		}
	} else if _, err := r.Cookie(cookieName); err == nil {
		if err := a.resume(r); err != nil && !r.route.Access.Open {
			return err
		}
	}
	r.Set(keyActor, r.who.actor())
	return nil
}

// authorized finds out who shows a header Authorization.
func (a *api) authorized(r *request, header string) error {
	scheme, secret, _ := strings.Cut(header, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer") && a.Tokens != nil:
		token, err := a.Tokens.Token(r.ctx(), strings.TrimSpace(secret))
		if isNotFound(err) {
			return r.unauthenticated()
		}
		if err != nil {
			return err
		}
		r.who.token = &token
		return nil
	case strings.EqualFold(scheme, "Basic") && r.route.Access.Basic:
		return a.basic(r)
	}
	return r.unauthenticated()
}

// mayRefill refuses programs that may not move money: who is in a group, and what its refills are, is money.
func (r *request) mayRefill() error {
	if !r.who.has(ScopeMoney) {
		return refused(http.StatusForbidden, "Forbidden: refills are money, so this needs the scope "+string(ScopeMoney)+" too")
	}
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
