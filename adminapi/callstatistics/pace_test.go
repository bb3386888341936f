package callstatistics_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"talktime/adminapi/callstatistics"
	"talktime/stats"
)

// modem takes so many bytes a second.
type modem struct {
	speed    int
	header   http.Header
	status   int
	bytes    int
	deadline time.Time
}

func (m *modem) Header() http.Header { return m.header }

func (m *modem) WriteHeader(status int) { m.status = status }

func (m *modem) SetWriteDeadline(at time.Time) error { m.deadline = at; return nil }

func (m *modem) Write(b []byte) (int, error) {
	if len(b) < 1000 { // the first line, which waits in a buffer of the system: whoever needs it waits for a lock, in which no time passes here
		return len(b), nil
	}
	takes := time.Duration(len(b)) * time.Second / time.Duration(m.speed)
	if left := time.Until(m.deadline); takes > left {
		time.Sleep(max(left, 0))
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(takes)
	m.bytes += len(b)
	return len(b), nil
}

// slow is a source that takes a minute for each thousand calls.
type slow struct{ calls int }

func (slow) Name() string { return "slow" }

func (s slow) Each(ctx context.Context, _ stats.Scan, each func(*stats.Record) error) error {
	r := call("2027-06-17T09:00:00Z", 1)
	for i := range s.calls {
		if i%1000 == 999 {
			time.Sleep(time.Minute)
		}
		r.Start++
		r.UniqueID = []byte(time.Unix(r.Start, 0).String())
		if err := each(&r); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// TestSlowClient: whoever takes a list too slowly is given up, whether he takes nothing or little; how slow a source is does not matter.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	for speed, cut := range map[int]bool{100: true, 10_000: true, 40_000: true, 60_000: false} {
		synctest.Test(t, func(t *testing.T) {
			m := &modem{speed: speed, header: http.Header{}}
			begun := time.Now()
			err := api(t, slow{250_000}).CSV(t.Context(), m, "", nil)
			if errors.Is(err, callstatistics.ErrCut) != cut || !cut && err != nil {
				t.Errorf("at %d bytes/s: %v after %s and %d bytes", speed, err, time.Since(begun), m.bytes)
			}
		})
	}
}

// stuck is a source that never answers.
type stuck struct{}

func (stuck) Name() string { return "stuck" }

func (stuck) Each(ctx context.Context, _ stats.Scan, _ func(*stats.Record) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestManyLists: whoever has no turn is refused with a status, not with a list that is cut.
func TestManyLists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := api(t, stuck{})
		ctx, cancel := context.WithCancel(t.Context())
		for range 4 {
			go func() { _ = a.CSV(ctx, &modem{speed: 1_000_000, header: http.Header{}}, "", nil) }()
		}
		synctest.Wait()
		m := &modem{speed: 1_000_000, header: http.Header{}}
		err := a.CSV(t.Context(), m, "", nil)
		var refusal *callstatistics.Error
		if !errors.As(err, &refusal) || refusal.Status != http.StatusServiceUnavailable || !strings.Contains(refusal.Text, "too many lists") || m.status != 0 || m.bytes != 0 {
			t.Errorf("%v, status %d, %d bytes", err, m.status, m.bytes)
		}
		cancel()
	})
}
