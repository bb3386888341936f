package adminapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// request is one request at work.
type request struct {
	*gin.Context

	api   *api
	route Route
	who   identity
}

func (r *request) ctx() context.Context { return r.Request.Context() }

// handler answers a request, or returns why not.
type handler func(*request) error

// serve makes a Gin handler that checks who asks before it lets the route's handler answer.
func (a *api) serve(route Route) gin.HandlerFunc {
	return func(c *gin.Context) {
		r := &request{Context: c, api: a, route: route}
		if err := a.allow(r); err != nil {
			r.fail(err)
			return
		}
		if err := route.handle(r); err != nil {
			r.fail(err)
		}
	}
}

// allow checks everything that does not depend on the body: how long that is, where the request comes from, who
// asks, and how the body is written.
func (a *api) allow(r *request) error {
	if r.Request.ContentLength > maxBody {
		r.Header("Connection", "close")
		return tooLarge()
	}
	if err := a.origins.Check(r.Request); err != nil {
		return refused(http.StatusForbidden, "Forbidden: the request comes from another site")
	}
	if err := a.identify(r); err != nil {
		return err
	}
	if err := r.route.Access.check(r); err != nil {
		return err
	}
	if r.route.JSON && !isJSON(r.ContentType()) {
		return refused(http.StatusUnsupportedMediaType, `Request must have "Content-Type: application/json" header`)
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
