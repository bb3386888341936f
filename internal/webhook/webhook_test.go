package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"talktime/internal/webhook"
)

func message(url string) webhook.Message {
	return webhook.Message{URL: url, Secret: "s3cret", Key: "notice-7", Body: []byte(`{"id":7}`), At: time.Unix(1_700_000_000, 0)}
}

// TestSignature is computed here by the words of the manual, not by the code of the package.
func TestSignature(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	status, err := webhook.New().Send(t.Context(), message(server.URL+"/a?b=c"))
	if err != nil || status != http.StatusNoContent {
		t.Fatal(status, err)
	}
	mac := hmac.New(sha256.New, []byte("s3cret"))
	_, _ = io.WriteString(mac, "1700000000."+string(body))
	want := fmt.Sprintf("t=1700000000,v1=%x", mac.Sum(nil))
	if s := got.Header.Get("Talktime-Signature"); s != want || string(body) != `{"id":7}` {
		t.Errorf("signed %s, want %s; body %s", s, want, body)
	}
	if got.Method != http.MethodPost || got.RequestURI != "/a?b=c" || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Idempotency-Key") != "notice-7" {
		t.Errorf("%s %s %v", got.Method, got.RequestURI, got.Header)
	}
}

// TestAnswers: only 2xx is well, a redirection is not followed, and of a long answer no more is read than it takes.
func TestAnswers(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	var written atomic.Int64
	done := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/target", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/target", func(http.ResponseWriter, *http.Request) { followed.Store(true) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/huge", func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		for part := []byte(strings.Repeat("x", 1<<16)); r.Context().Err() == nil; {
			n, err := w.Write(part)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{
		"/moved": "it answered 307, but redirections are not followed", "/broken": "it answered 500 Internal Server Error", "/none": "it answered 404 Not Found", "/huge": "<nil>",
	} {
		_, err := webhook.New().Send(t.Context(), message(server.URL+path))
		if fmt.Sprint(err) != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	<-done // it was cut off, and did not write for ever
	if followed.Load() {
		t.Error("a redirection was followed")
	}
}

// TestSlow: whoever does not answer, or never ends his header, keeps us no longer than the time limit.
func TestSlow(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, err = webhook.New().Send(t.Context(), message("http://"+listener.Addr().String()+"/?key=geheim"))
	if err == nil || err.Error() != "no answer within 5s" {
		t.Errorf("it says %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := webhook.New().Send(ctx, message("http://"+listener.Addr().String()+"/?key=geheim")); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("it says %v", err)
	}
}

// TestForbiddenAddresses: those behind which clouds keep secrets are not reached, whatever their name.
func TestForbiddenAddresses(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"169.254.169.254", "[fe80::1%25lo]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "0.0.0.0", "224.0.0.1"} {
		_, err := webhook.New().Send(t.Context(), message("http://"+host+":80/"))
		if err == nil || !strings.Contains(err.Error(), "no notices are sent to ") {
			t.Errorf("%s: %v", host, err)
		}
	}
}
