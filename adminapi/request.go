package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// request is one request at work.
type request struct {
	*gin.Context

	api   *api
	route Route
	who   identity

	bare  bool // of the call statistics below /api/v1
	asked bool // whoever it is, he may see the calls of the account that he asks for

	changing bool // something is being changed, by what does not say itself whether it was when the database is silent
}

func (r *request) ctx() context.Context { return r.Request.Context() }

// defaultPatience is how long a request may take. A database that has stopped must not keep everybody waiting.
const defaultPatience = 10 * time.Second

// statisticsPatience is how long figures may take that are counted from many records.
const statisticsPatience = 2 * time.Minute

// listPatience is how long a list of calls may take to be read and sent; sources go on for as long. It ends before when whoever gets it
// takes it too slowly.
const listPatience = time.Hour

// writingTime is how long the answer to such a request may take to be sent once it is there.
const writingTime = 30 * time.Second

// statistics reports whether the route counts records of calls.
func (route Route) statistics() bool {
	return route.dispatched() || route.callCenter() || strings.HasPrefix(route.Path, "/v2/accounts/") || strings.HasPrefix(route.Path, "/api/stats/") || route.Path == "/statistics" || route.ofQueues() || route.keptPBX()
}

// bulkPatience is how long what changes many users at once may take; the server cuts off answers soon after.
func (a *api) bulkPatience() time.Duration { return 5 * a.Patience }

// lookUpPatience is how long it may take to find out who asks.
func (a *api) lookUpPatience() time.Duration { return 3 * a.Patience / 10 }

// patience is how long a request on a route may take.
func (a *api) patience(route Route) time.Duration {
	if route.streams() {
		return streamLife
	}
	if route.statistics() {
		return max(a.Patience, statisticsPatience)
	}
	if route.rings() {
		return max(a.Patience, ringPatience)
	}
	if route.Path == pbxSystemPath {
		return a.bulkPatience()
	}
	if route.Method != http.MethodGet && (route.Method == http.MethodPatch && route.Path == "/api/users" ||
		strings.Contains(route.Path, "/groups") || strings.HasPrefix(route.Path, "/api/tariffs/") || strings.HasPrefix(route.Path, "/api/rerates") || route.batches()) {
		return a.bulkPatience()
	}
	return a.Patience
}

// batches reports whether the route makes or changes vouchers or cards, of which a batch has many.
func (route Route) batches() bool {
	return route.Path == "/api/vouchers" || route.Path == "/api/cards" || strings.HasSuffix(route.Path, "/:batch")
}

// csv reports whether the route takes a file of rates.
func (route Route) csv() bool {
	return route.Method == http.MethodPost && strings.HasSuffix(route.Path, "/versions")
}

// longest is how many bytes a body may have.
func (route Route) longest() int64 {
	if route.csv() {
		return maxCSV
	}
	return maxBody
}

// handler answers a request, or returns why not.
type handler func(*request) error

// serve makes a Gin handler that checks who asks before it lets the route's handler answer.
func (a *api) serve(route Route) gin.HandlerFunc {
	return func(c *gin.Context) {
		patience := a.patience(route)
		if route.statistics() && strings.HasSuffix(c.Request.URL.Path, "/csv") {
			patience = listPatience
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), patience)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		if route.statistics() || route.rings() { // the server would cut the answer off before
			_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(patience + writingTime))
		}
		r := &request{Context: c, api: a, route: route}
		if err := a.allow(r); err != nil {
			r.fail(err)
			return
		}
		if who := r.who.key(); who != "" && r.Query("q") != "" && !route.statistics() { // which have turns of their own
			leave, err := a.searches.enter(ctx, who)
			if err != nil {
				r.fail(err)
				return
			}
			defer leave()
		}
		r.changing = !route.Access.Open && route.Method != http.MethodGet
		if err := route.handle(r); err != nil {
			r.fail(err)
		}
	}
}

// allow checks everything that does not depend on the body: how long that is, where the request comes from, who
// asks, and how the body is written.
func (a *api) allow(r *request) error {
	if longest := r.route.longest(); r.Request.ContentLength > longest {
		r.Header("Connection", "close")
		return tooLarge(longest)
	}
	if err := a.origins.Check(r.Request); err != nil {
		return refused(http.StatusForbidden, "Forbidden: the request comes from another site")
	}
	if !r.route.dispatched() && !r.route.Access.Blind { // those say it in words of their own, or ask for nothing
		if err := r.readableQuery(); err != nil {
			return err
		}
	}
	if err := a.identify(r); err != nil {
		return err
	}
	if err := r.route.Access.check(r); err != nil {
		return err
	}
	if r.route.pbx() {
		if err := r.knownParameters(); err != nil {
			return err
		}
	}
	if r.route.JSON && !isJSON(r.ContentType()) {
		return refused(http.StatusUnsupportedMediaType, `Request must have "Content-Type: application/json" header`)
	}
	if r.route.csv() && !strings.EqualFold(r.ContentType(), typeCSV) {
		return refused(http.StatusUnsupportedMediaType, `Request must have "Content-Type: text/csv" header`)
	}
	return nil
}

// readableQuery refuses a query of which a part cannot be read. It would be left out otherwise, so that the answer is about more than was
// asked for.
func (r *request) readableQuery() error {
	if _, err := url.ParseQuery(r.Request.URL.RawQuery); err != nil {
		f := undecodable()
		f.detail = "the query of the address cannot be read: a semicolon is written %3B there, a percent sign %25"
		return f
	}
	return nil
}

func isJSON(contentType string) bool { return strings.EqualFold(contentType, "application/json") }

// secure reports whether the request came by TLS: to us, or to a proxy that we believe.
func (r *request) secure() bool {
	if r.Request.TLS != nil {
		return true
	}
	return r.api.fromProxy(r.Request) && strings.EqualFold(r.GetHeader("X-Forwarded-Proto"), "https")
}

// wantsJSON reports whether the client speaks JSON rather than HTML.
func (r *request) wantsJSON() bool {
	return isJSON(r.ContentType()) || strings.Contains(r.GetHeader("Accept"), "application/json")
}
