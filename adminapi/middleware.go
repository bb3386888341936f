package adminapi

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
)

const (
	maxBody = 1 << 20 // bytes
	maxPath = 200     // of a path in the log
)

// Keys of values in a Gin context.
const (
	keyRequestID = "request_id"
	keyActor     = "actor"
)

// identifyRequest gives the request a name of our own: what a client sends could stand in the log as something else.
func (a *api) identifyRequest(c *gin.Context) {
	id := rand.Text()
	c.Set(keyRequestID, id)
	c.Header("X-Request-Id", id)
}

// logAccess writes one line for each request. The query is left out: it may hold names and numbers.
func (a *api) logAccess(c *gin.Context) {
	start, cut := a.Now(), true
	defer func() { // also for an answer that is cut off, which is a panic
		level := slog.LevelInfo
		if ofServer(c.Writer.Status()) {
			level = slog.LevelError
		}
		line := []any{
			"method", loggable(c.Request.Method), "path", maskPath(c.Request.URL.Path),
			"status", c.Writer.Status(), "bytes", c.Writer.Size(), "duration_ms", a.Now().Sub(start).Milliseconds(),
			"client", a.clientText(c.Request), "actor", loggable(c.GetString(keyActor)), "request_id", c.GetString(keyRequestID),
		}
		if cut {
			line = append(line, "cut", true)
		}
		a.log.Log(c.Request.Context(), level, "request", line...)
	}()
	c.Next()
	cut = false
}

// maskPath is a path without the token that it may hold, also in the wrong place.
func maskPath(path string) string {
	words := strings.Split(path, "/")
	known := slices.Concat(reserved, behindToken)
	inside := false // behind /v1/, however the path before it is written
	for i, word := range words {
		if inside && word != "" && !slices.Contains(known, word) {
			words[i] = "***"
		}
		inside = inside || strings.EqualFold(word, "v1")
	}
	return loggable(strings.Join(words, "/"))
}

// loggable is text from outside as one short line that cannot be taken for several.
func loggable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxPath {
		s = strings.ToValidUTF8(s[:maxPath], "") + "…"
	}
	return s
}

// recovered turns a panic into an answer that tells nothing but the request's name.
func (a *api) recovered(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if cause == http.ErrAbortHandler { //nolint:errorlint // a panic's value, compared as net/http does
			panic(cause)
		}
		a.log.Error("a request failed", "request_id", c.GetString(keyRequestID), "err", fmt.Sprint(cause), "stack", string(debug.Stack()))
		if !c.Writer.Written() {
			r := &request{Context: c, api: a}
			r.answerFailure(internal(c.GetString(keyRequestID)))
		}
		c.Abort()
	}()
	c.Next()
}

// secureHeaders tells browsers to do as little as possible with what we send.
func (a *api) secureHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "+
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
	if (&request{Context: c, api: a}).secure() {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// limitBody ends the reading of bodies that are longer than anything we take. Those that tell their length get no further
// than to the route, which knows how to say so.
func (a *api) limitBody(c *gin.Context) {
	route := Route{Method: c.Request.Method, Path: c.FullPath()}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, route.longest())
}

// fromProxy reports whether the connection comes from a proxy that we believe.
func (a *api) fromProxy(r *http.Request) bool {
	peer, ok := addressOf(r.RemoteAddr)
	return ok && within(a.Proxies, peer)
}

func within(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(address.Unmap()) || p.Contains(address) })
}

// originOf is the scheme and host of a URL.
func originOf(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + u.Host, nil
}
