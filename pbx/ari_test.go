package pbx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"talktime/models"
	"talktime/pbx/extension"
)

// rest is a REST interface that has some objects, by kind/name, and notes what it is asked.
type rest struct {
	mu      sync.Mutex
	objects map[string]string // what it says of them
	asked   []string          // method and kind/name
	instead http.HandlerFunc  // answers in place of it
}

func object(attributes ...string) string {
	var list []map[string]string
	for i := 0; i < len(attributes); i += 2 {
		list = append(list, map[string]string{"attribute": attributes[i], "value": attributes[i+1]})
	}
	text, _ := json.Marshal(list)
	return string(text)
}

func newRest() *rest {
	return &rest{objects: map[string]string{
		"endpoint/204": object("aors", "204", "auth", "204", "context", "from-phones"), "aor/204": object("max_contacts", "1"),
		"auth/204": object("username", "204", "password", "phones-own-secret"), "registration/provider": object("server_uri", "sip:sip.example"),
		"contact/204;@2dab": object("uri", "sip:204@192.0.2.1"),
	}}
}

func (r *rest) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	name, ok := strings.CutPrefix(q.RequestURI, "/ari/asterisk/config/dynamic/res_pjsip/") // as it was sent
	r.mu.Lock()
	r.asked = append(r.asked, q.Method+" "+name)
	instead := r.instead
	r.mu.Unlock()
	if instead != nil {
		instead(w, q)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	user, password, _ := q.BasicAuth()
	object, found := r.objects[name]
	switch {
	case user != "talktime" || password != secret:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"message":"Authentication required for `+password+`"}`)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"message":"Resource not found"}`)
	case !found:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"message":"Object not found"}`)
	case q.Method == http.MethodDelete:
		delete(r.objects, name)
		w.WriteHeader(http.StatusNoContent)
	default:
		_, _ = io.WriteString(w, object)
	}
}

// set gives an object other settings, or with "" none.
func (r *rest) set(name, settings string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.objects[name] = settings
	if settings == "" {
		delete(r.objects, name)
	}
}

func (r *rest) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

func (r *rest) start(t *testing.T) *REST {
	t.Helper()
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	c, err := NewREST(ARI{URL: s.URL + "/ari/", User: "talktime", Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	r := newRest()
	c := Checker{REST: r.start(t)}
	for _, account := range []string{"204", "205"} {
		if ok, err := c.Accepted(t.Context(), account); err != nil || ok != (account == "204") {
			t.Errorf("%s: got %t, %v", account, ok, err)
		}
	}
	for _, gone := range []string{"auth/204", "aor/204"} { // the telephone could not register
		r.set(gone, "")
		if ok, err := c.Accepted(t.Context(), "204"); err != nil || ok {
			t.Errorf("without %s: got %t, %v", gone, ok, err)
		}
		r.set(gone, object("a", "b"))
	}
	r.set("endpoint/204", object("aors", "", "auth", ""))
	if ok, err := c.Accepted(t.Context(), "204"); err != nil || !ok {
		t.Errorf("a trunk: got %t, %v", ok, err)
	}
	if err := c.REST.Register(t.Context(), "provider"); err != nil {
		t.Error(err)
	}
	if err := c.REST.Register(t.Context(), "other"); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	r := newRest()
	c := r.start(t)
	for range 2 { // what is not there any more is no error
		if err := (Checker{REST: c}).Forget(t.Context(), "204"); err != nil {
			t.Error(err)
		}
	}
	if err := c.Kick(t.Context(), "204;@2dab"); err != nil {
		t.Error(err)
	}
	if err := c.Unregister(t.Context(), "provider"); err != nil {
		t.Error(err)
	}
	once := []string{"DELETE endpoint/204", "GET endpoint/204", "DELETE aor/204", "GET aor/204", "DELETE auth/204", "GET auth/204"}
	if got, want := r.heard(), slices.Concat(once, once, []string{"DELETE contact/204;@2dab", "DELETE registration/provider", "GET registration/provider"}); !slices.Equal(got, want) {
		t.Errorf("asked %q", got)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.objects) != 0 {
		t.Errorf("left %v", r.objects)
	}
}

func TestInvalidREST(t *testing.T) {
	t.Parallel()
	r := newRest()
	c := r.start(t)
	for _, bad := range []string{"", "a/b", "../endpoint/1", "a?b", "a#b", "a b", "a\r\nb", "a%2fb", "a;@b/c", strings.Repeat("a", 100)} {
		_, accepted := c.Accepted(t.Context(), bad)
		for what, err := range map[string]error{
			"accepted": accepted, "forget": c.Forget(t.Context(), bad), "register": c.Register(t.Context(), bad), "unregister": c.Unregister(t.Context(), bad),
			"kick": c.Kick(t.Context(), bad), "kick of": c.Kick(t.Context(), bad+";@1"),
		} {
			if !errors.Is(err, models.ErrInvalid) {
				t.Errorf("%s %q: got %v", what, bad, err)
			}
		}
	}
	if got := r.heard(); len(got) > 0 {
		t.Errorf("asked %q", got)
	}
	for _, a := range []ARI{
		{"", "u", "p"},
		{"ftp://h/ari", "u", "p"},
		{"http:///ari", "u", "p"},
		{"http://x:y@h/ari", "u", "p"},
		{"http://h/ari?x", "u", "p"},
		{"http://h/ari", "", "p"},
		{"http://h/ari", "u", ""},
		{"http://h\n/ari", "u", "p"},
	} {
		if _, err := NewREST(a); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("%s: got %v", a.URL, err)
		}
	}
}

// TestOddREST: what is no answer about the object is neither yes nor no, and passes no secret on.
func TestOddREST(t *testing.T) {
	t.Parallel()
	say := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const ofJSON = "application/json"
	away := func(err error) bool { return errors.Is(err, ErrRESTAway) }
	status := func(n int) func(error) bool {
		return func(err error) bool {
			var s *StatusError
			return errors.As(err, &s) && s.Status == n
		}
	}
	for name, odd := range map[string]struct {
		answer http.HandlerFunc
		get    func(error) bool // of Accepted and Register
		remove func(error) bool // of Forget
	}{
		"another server": {say(404, "text/html", "<h1>Not Found</h1>"), away, nil},
		"no such path":   {say(404, ofJSON, `{"message":"Resource not found"}`), status(404), nil},
		"no PJSIP":       {say(404, ofJSON, `{"message":"configClass 'res_pjsip' not found"}`), status(404), nil},
		"no words":       {say(404, ofJSON, `{}`), status(404), nil},
		"a page":         {say(200, "text/html", "<h1>Hello</h1>"), away, nil},
		"an object":      {say(200, ofJSON, `{"attribute":"auth"}`), away, nil},
		"an empty list":  {say(200, ofJSON, `[]`), away, nil},
		"half a list":    {say(200, ofJSON, `[{"attribute":"au`), away, nil},
		"too much":       {say(200, ofJSON, "["+strings.Repeat(`{"attribute":"a","value":"b"},`, maxREST/20)+`{}]`), away, nil},
		"refused":        {say(403, ofJSON, `{"message":"Forbidden `+secret+`"}`), status(403), status(403)},
		"a fault":        {say(500, ofJSON, `{"message":"Internal\nServer Error"}`), status(500), status(500)},
		"moved": {func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "/elsewhere", http.StatusTemporaryRedirect)
		}, away, func(err error) bool { return err != nil }},
		"dies": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, away, func(err error) bool { return away(err) && errors.Is(err, ErrUncertain) }},
		"dies in its words": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", ofJSON)
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "[")
			panic(http.ErrAbortHandler)
		}, away, nil},
	} {
		r := newRest()
		r.instead = odd.answer
		c := r.start(t)
		ok, err := c.Accepted(t.Context(), "204")
		registered := c.Register(t.Context(), "provider")
		if ok || err == nil || registered == nil || errors.Is(registered, models.ErrNotFound) || !odd.get(err) || !odd.get(registered) {
			t.Errorf("%s: got %t, %v and %v", name, ok, err, registered)
		}
		removed := c.Forget(t.Context(), "204")
		if removed == nil || errors.Is(removed, models.ErrNotFound) || odd.remove != nil && !odd.remove(removed) {
			t.Errorf("%s: forgets with %v", name, removed)
		}
		if told := fmt.Sprint(err, registered, removed); strings.Contains(told, secret) || strings.Contains(told, "\n") {
			t.Errorf("%s: says %s", name, told)
		}
	}
}

// TestForgetInVain: a deletion that Asterisk says it has made counts when the object has gone.
func TestForgetInVain(t *testing.T) {
	t.Parallel()
	r := newRest()
	r.instead = func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if q.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, object("auth", "204"))
	}
	c := r.start(t)
	if err := c.Forget(t.Context(), "204"); !errors.Is(err, models.ErrConflict) || strings.Contains(err.Error(), "phones-own-secret") {
		t.Errorf("got %v", err)
	}
	if got := r.heard(); len(got) != 2 { // the rows behind it stay as they are
		t.Errorf("asked %q", got)
	}
}

// TestRESTHangs: nobody waits longer than his context, whoever hangs, and then the deletion does not come late.
func TestRESTHangs(t *testing.T) {
	t.Parallel()
	r := newRest()
	arrived, ended := make(chan struct{}), make(chan struct{})
	r.instead = func(_ http.ResponseWriter, q *http.Request) {
		arrived <- struct{}{}
		<-q.Context().Done()
		ended <- struct{}{}
	}
	c := r.start(t)
	for _, do := range []func(context.Context) error{
		func(ctx context.Context) error {
			err := c.Forget(ctx, "204")
			if !errors.Is(err, ErrUncertain) || !errors.Is(err, extension.ErrAsterisk) {
				t.Errorf("got %v", err)
			}
			return err
		},
		func(ctx context.Context) error { _, err := c.Accepted(ctx, "204"); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if err := do(ctx); !errors.Is(err, ErrRESTAway) || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		<-arrived
		cancel()
		all.Wait()
		<-ended
	}
}

func TestRESTAway(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(newRest())
	s.Close()
	c, err := NewREST(ARI{URL: s.URL, User: "talktime", Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := c.Accepted(t.Context(), "204"); ok || !errors.Is(err, ErrRESTAway) {
		t.Errorf("got %t, %v", ok, err)
	}
	if err := c.Forget(t.Context(), "204"); !errors.Is(err, ErrRESTAway) {
		t.Error(err)
	}
}

// TestVersion: the library is asked for the version, and nobody waits for it longer than he wants.
func TestVersion(t *testing.T) {
	server := newRest()
	client := server.start(t)
	release := make(chan struct{})
	defer close(release)
	say := func(h http.HandlerFunc) {
		server.mu.Lock()
		defer server.mu.Unlock()
		server.instead = h
	}
	say(func(w http.ResponseWriter, q *http.Request) {
		if user, password, _ := q.BasicAuth(); user != "talktime" || password != secret || q.URL.Path != "/ari/asterisk/info" {
			t.Errorf("%s asks for %s", user, q.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"system":{"version":"22.10.1","entity_id":"x"}}`)
	})
	if version, err := client.Version(t.Context()); version != "22.10.1" || err != nil {
		t.Errorf("the version is %q, %v", version, err)
	}
	say(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "it is "+secret, http.StatusInternalServerError)
	})
	if _, err := client.Version(t.Context()); !errors.Is(err, ErrRESTAway) || strings.Contains(err.Error(), secret) {
		t.Errorf("refused: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	say(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-release
	})
	if _, err := client.Version(ctx); !errors.Is(err, ErrRESTAway) {
		t.Errorf("nobody waits: %v", err)
	}
}

func TestARIHidesPassword(t *testing.T) {
	t.Parallel()
	a := ARI{URL: "http://h/ari", User: "talktime", Password: secret}
	var logs bytes.Buffer
	slog.New(slog.NewTextHandler(&logs, nil)).Info("x", "ari", a)
	if got := fmt.Sprintf("%v %+v %#v %s", a, a, a, &a) + logs.String(); strings.Contains(got, secret) || !strings.Contains(got, "http://h/ari") {
		t.Error(got)
	}
	r := newRest()
	c := r.start(t)
	c.ari.Password = "wrong-" + secret
	if _, err := c.Accepted(t.Context(), "204"); err == nil || strings.Contains(err.Error(), secret) {
		t.Error(err)
	}
}

func FuzzSettings(f *testing.F) {
	f.Add(200, []byte(object("auth", "204")))
	f.Add(404, []byte(`{"message":"Object not found"}`))
	f.Add(404, []byte(`{"message":"objectType 'x' not found"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		found, err := settings(status, body, ARI{Password: secret}.tell)
		if err == nil && (status != http.StatusOK || len(found) == 0) || errors.Is(err, models.ErrNotFound) && status != http.StatusNotFound {
			t.Errorf("%d %q: got %v, %v", status, body, found, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%q", err)
		}
	})
}
