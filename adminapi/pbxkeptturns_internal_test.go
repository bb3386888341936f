package adminapi

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"talktime/models"
)

// noRecordings has none.
type noRecordings struct{}

func (noRecordings) Open(string) (*os.File, fs.FileInfo, error) { return nil, nil, models.ErrNotFound }

// TestOneTurnForEachRequest, however often it opens a recording; and it is given back.
func TestOneTurnForEachRequest(t *testing.T) {
	t.Parallel()
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	a := &api{Deps: Deps{Patience: time.Millisecond}}
	a.sending.all, a.sending.each.most = make(chan struct{}, 2), 2
	turned := &turnedRecordings{Recordings: noRecordings{}, request: &request{Context: c, api: a}}
	for range 3 {
		if _, _, err := turned.Open("a.wav"); !errors.Is(err, models.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if n := len(a.sending.all); n != 1 {
		t.Errorf("%d turns are taken", n)
	}
	turned.leave()
	if n := len(a.sending.all); n != 0 || len(a.sending.each.of) != 0 {
		t.Errorf("%d turns are left over, and of each %d", n, len(a.sending.each.of))
	}
}

// TestHeardIsBounded: what is remembered for the audit log does not grow without end.
func TestHeardIsBounded(t *testing.T) {
	t.Parallel()
	var h heard
	now := time.Unix(1_800_000_000, 0)
	for i := range 3 * maxHeard {
		h.remember(hearing{"one", time.Duration(i).String()}, now)
	}
	if len(h.at) > maxHeard {
		t.Errorf("%d are remembered", len(h.at))
	}
	h.remember(hearing{"two", "a"}, now.Add(heardFor))
	if !h.lately(hearing{"two", "a"}, now.Add(heardFor)) || h.lately(hearing{"two", "b"}, now) || h.lately(hearing{"two", "a"}, now.Add(2*heardFor)) {
		t.Error("the wrong ones are remembered")
	}
}
