package adminapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// deadlined is an answer whose deadlines are kept.
type deadlined struct {
	*httptest.ResponseRecorder

	deadlines []time.Time
}

func (d *deadlined) SetWriteDeadline(t time.Time) error {
	d.deadlines = append(d.deadlines, t)
	return nil
}

// TestPacedWriter: each part has its own time, and all of them together have one.
func TestPacedWriter(t *testing.T) {
	t.Parallel()
	under := &deadlined{ResponseRecorder: httptest.NewRecorder()}
	ctx, cancel := context.WithCancel(t.Context())
	w := &pacedWriter{under, http.NewResponseController(under), ctx}
	begin := time.Now()
	for range 3 {
		if n, err := w.Write([]byte("part")); n != 4 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(under.deadlines) != 3 || under.Body.String() != "partpartpart" {
		t.Fatalf("%v %q", under.deadlines, under.Body)
	}
	for _, d := range under.deadlines {
		if d.Before(begin.Add(sendingPace)) || d.After(time.Now().Add(sendingPace)) {
			t.Errorf("%v after %v", d, begin)
		}
	}
	cancel()
	if n, err := w.Write([]byte("part")); n != 0 || !errors.Is(err, context.Canceled) {
		t.Error(n, err)
	}
}
