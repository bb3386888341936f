package adminapi

import (
	"context"
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
	Blind bool  // whoever it is, he is not looked up: these answer though the database does not
	Login bool  // every person who is logged in
	Self  bool  // a person whose name is in the path, or on a path without one in the query, as user
	Scope Scope // a program whose token has it; empty: no program
	Owned bool  // also a program whose token is bound to an account: it is shown that account's figures alone. Others refuse it

	InPath bool // the token with the scope is a part of the path, and so may the setting API_TOKEN be

	Near     bool // whoever asks from this machine, or from where Asterisk may call
	Crossbar bool // of the call statistics of accounts: tokens are shown in the ways of the original, too, and all answers are in its envelope

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

// only is whose figures may be shown to who asks; the zero value: everybody's.
func (i identity) only() models.Owner {
	if i.token == nil {
		return models.Owner{}
	}
	return i.token.Only()
}

// bound reports whether who asks is a program whose token is bound to an account.
func (i identity) bound() bool { return i.only() != models.Owner{} }

// check returns the answer to those who may not use the route.
func (a Access) check(r *request) error {
	switch who := r.who; {
	case who.bound() && !a.Owned:
		return refused(http.StatusForbidden, "Forbidden: this token is bound to an account, so it may only read that account's users, calls, records and ledger")
	case a.Open, a.Near && r.near():
		return nil
	case who.user == nil && who.token == nil:
		return r.unauthenticated()
	case who.token != nil && a.Scope != "" && who.has(a.Scope),
		who.user != nil && (who.user.Admin || a.Login || a.Self && who.user.Username == r.subject()):
		return nil
	case who.token != nil && a.Scope != "" && !r.route.Kept && !r.isPage():
		return refused(http.StatusForbidden, "Forbidden: this needs the scope "+string(a.Scope))
	}
	return forbidden()
}

// subject is the name of the user whom a request is about.
func (r *request) subject() string {
	if strings.Contains(r.route.Path, ":username") {
		return r.Param("username")
	}
	return r.Query("user")
}

// visible are those of some users whose figures may be shown to who asks.
func (r *request) visible(users ...int64) ([]int64, error) {
	if !r.who.bound() {
		return users, nil
	}
	owned, err := r.api.Users.Owned(r.ctx(), r.who.only(), users)
	return slices.DeleteFunc(users, func(id int64) bool { return !owned[id] }), err
}

// mustSee is models.ErrNotFound for whoever must not know what is this user's: to him there is nothing.
func (r *request) mustSee(user int64) error {
	seen, err := r.visible(user)
	if err == nil && len(seen) == 0 {
		err = models.ErrNotFound
	}
	return err
}

// hideCalls leaves of the calls that users received out those whose callers must not be known of.
func (r *request) hideCalls(users []models.UserDetail) error {
	if !r.who.bound() {
		return nil
	}
	var callers []int64
	for _, u := range users {
		for _, c := range u.Received {
			callers = append(callers, c.From)
		}
	}
	seen, err := r.visible(callers...)
	for i, u := range users {
		users[i].Received = slices.DeleteFunc(u.Received, func(c models.CDR) bool { return !slices.Contains(seen, c.From) })
	}
	return err
}

// near reports whether the request comes from this machine or from where Asterisk may call.
func (r *request) near() bool {
	address, known := r.api.client(r.Request)
	return known && (address.IsLoopback() || within(r.api.Asterisk, address))
}

// fromAsterisk reports whether the request comes from where Asterisk may call.
func (r *request) fromAsterisk() bool {
	address, known := r.api.client(r.Request)
	return known && within(r.api.Asterisk, address)
}

// identify finds out who asks. A token or a password that is wrong is refused, whatever else there is. Whoever is let in
// for his address is not asked: metrics that say that the database is away must not need it.
func (a *api) identify(r *request) error {
	if r.route.Access.Blind || r.route.Access.Near && r.near() {
		return nil
	}
	if secret := r.crossbarToken(); r.route.Access.Crossbar && secret != "" {
		if err := a.tokenOf(r, secret); err != nil {
			return err
		}
	} else if header := r.GetHeader("Authorization"); header != "" && r.route.Path != "" {
		if err := a.authorized(r, header); err != nil {
			return err
		}
	} else if _, err := r.Cookie(cookieName); err == nil {
		if err := a.resume(r); err != nil && r.route.Path != "" && r.route.Path != "/login" { // these do not depend on him
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
	case strings.EqualFold(scheme, "Bearer"):
		return a.tokenOf(r, strings.TrimSpace(secret))
	case strings.EqualFold(scheme, "Basic") && r.route.Access.Basic:
		return a.basic(r)
	}
	return r.unauthenticated()
}

// tokenOf finds out which program shows a token.
func (a *api) tokenOf(r *request, secret string) error {
	if a.Tokens == nil {
		return r.unauthenticated()
	}
	ctx, cancel := context.WithTimeout(r.ctx(), r.api.lookUpPatience())
	defer cancel()
	token, err := a.Tokens.Token(ctx, secret)
	if isNotFound(err) {
		return r.unauthenticated()
	}
	if err != nil {
		return err
	}
	r.who.token = &token
	return nil
}

// reads reports whether who asks may know what users have and whom they call: people, who are shown no others than
// themselves unless they are administrators, and programs with the scope for it.
func (i identity) reads() bool { return i.token == nil || i.has(ScopeRead) }

// mayMove refuses programs that may not move money; why says what of it is money.
func (r *request) mayMove(why string) error {
	if !r.who.has(ScopeMoney) {
		return refused(http.StatusForbidden, "Forbidden: "+why+", so this needs the scope "+string(ScopeMoney)+" too")
	}
	return nil
}

// mayRefill refuses programs that may not move money: who is in a group, and what its refills are, is money.
func (r *request) mayRefill() error { return r.mayMove("refills are money") }

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
