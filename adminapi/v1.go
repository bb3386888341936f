package adminapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"

	"talktime/adminapi/callstat"
)

// v1Path is how Gin knows everything below /api/v1. It is one path with one handler: what stands where is a token in some of them and a
// word in others.
const v1Path = "/api/v1/:first/*rest"

// reserved are the words that stand in the place of a token in the paths below /api/v1.
var reserved = []string{"countries", "csv", "hourly", "daily", "weekly", "monthly"}

// behindToken are the words that may come after one.
var behindToken = []string{"callstat", "asrstat"}

// dispatched reports whether v1 answers in place of the route's own handler.
func (route Route) dispatched() bool { return strings.HasPrefix(route.Path, "/api/v1/") }

// v1 answers for every path below /api/v1, whatever the method is.
func v1(r *request) error {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.Request.URL.Path, "/api/v1/"), "/")
	if slices.Contains(reserved, first) {
		return r.bareCallStatistics()
	}
	err := r.report(first, rest)
	if f, ok := failureOf(err); err != nil && ok { // in the form that these clients know
		f.body = callstat.Error{Error: cmp.Or(f.message, strings.ToLower(http.StatusText(f.status)))}
		return f
	}
	return err
}

// report answers as CallStatApp did, to whoever shows a token: first, or with - there the header.
func (r *request) report(token, name string) error {
	if token == "-" {
		scheme, secret, _ := strings.Cut(r.GetHeader("Authorization"), " ")
		if token = ""; strings.EqualFold(scheme, "Bearer") {
			token = strings.TrimSpace(secret)
		}
	}
	if err := r.mayReport(token); err != nil {
		return err
	}
	if r.Request.Method != http.MethodGet && r.Request.Method != http.MethodHead {
		return failure{status: http.StatusMethodNotAllowed, message: "Method not allowed", headers: map[string]string{"Allow": "GET, HEAD"}}
	}
	leave, err := r.api.counting.enter(r.ctx(), r.turnsOf())
	if err != nil {
		return err
	}
	defer leave()
	a, found, err := callstat.Reports{Service: r.api.Stats, Location: r.api.Location, Now: r.api.Now}.Get(r.ctx(), name, r.Request.URL.RawQuery)
	switch {
	case err != nil:
		return err
	case !found:
		return refused(http.StatusNotFound, "Not found")
	case a.Source != "":
		r.Header("X-Source", string(a.Source))
	}
	r.json(a.Status, a.Body)
	return nil
}

// mayReport refuses everybody but those who show API_TOKEN or a token with the scope statistics. One that is bound to an account does
// not do: the reports are about everybody.
func (r *request) mayReport(secret string) error {
	wrong := failure{status: http.StatusUnauthorized, message: "Invalid token", headers: map[string]string{"WWW-Authenticate": `Bearer realm="talktime"`}}
	shown, known := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(r.api.StatisticsToken))
	if r.api.StatisticsToken != "" && subtle.ConstantTimeCompare(shown[:], known[:]) == 1 {
		r.Set(keyActor, "token/API_TOKEN")
		return nil
	}
	if secret == "" || r.api.Tokens == nil {
		return wrong
	}
	ctx, cancel := context.WithTimeout(r.ctx(), r.api.lookUpPatience())
	defer cancel()
	token, err := r.api.Tokens.Token(ctx, secret)
	if isNotFound(err) {
		return wrong
	}
	if err != nil {
		return err
	}
	r.who.token = &token
	if !r.who.has(ScopeStatistics) || r.who.bound() {
		return wrong
	}
	r.Set(keyActor, r.who.actor())
	return nil
}

// health is for balancers that knew CallStatApp.
func health(r *request) error {
	r.Data(http.StatusOK, typeText+"; charset=utf-8", []byte("healthy"))
	return nil
}
