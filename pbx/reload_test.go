package pbx

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"talktime/models"
)

// TestReloadBurst: many requests are one run; who asks during a run gets one that begins after.
func TestReloadBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var began []time.Duration
		start := time.Now()
		h := newReloadHook(func(context.Context) error {
			began = append(began, time.Since(start))
			time.Sleep(2 * time.Second)
			if len(began) == 2 {
				return errors.New("the second fails")
			}
			return nil
		}, ReloadOptions{Delay: time.Second, Wait: time.Minute})
		defer h.Close()
		var all sync.WaitGroup
		ask := func(after time.Duration, fails bool) {
			all.Go(func() {
				time.Sleep(after)
				if err := h.Reload(t.Context()); (err != nil) != fails || errors.Is(err, ErrUncertain) {
					t.Errorf("after %s: got %v", after, err)
				}
			})
		}
		for i := range 1000 {
			ask(time.Duration(i)*999*time.Microsecond, false) // the last just before the first run
		}
		for range 1000 {
			ask(1500*time.Millisecond, true) // while it runs
		}
		all.Wait()
		if want := []time.Duration{time.Second, 4 * time.Second}; !slices.Equal(began, want) {
			t.Errorf("began after %v, want %v", began, want)
		}
		if err := h.Reload(t.Context()); err != nil || len(began) != 3 {
			t.Errorf("got %v, %d runs", err, len(began))
		}
	})
}

// TestReloadWait: nobody waits longer than the limit; a run that hangs is ended; Close ends all.
func TestReloadWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		h := newReloadHook(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, ReloadOptions{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
		began := time.Now()
		if err := h.Reload(t.Context()); !errors.Is(err, ErrUncertain) || time.Since(began) != reloadWait {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Reload(ctx); !errors.Is(err, ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(2*reloadTimeout + time.Minute)
		synctest.Wait()
		if got := logs.String(); strings.Count(got, "ended after 2m0s") != 2 {
			t.Error(got)
		}
		h.options.Wait = time.Minute
		var all sync.WaitGroup
		for range 3 { // the first runs when it is closed, the others wait for the next
			all.Go(func() {
				if err := h.Reload(t.Context()); err == nil || errors.Is(err, ErrUncertain) {
					t.Errorf("got %v", err)
				}
			})
			time.Sleep(time.Second)
		}
		h.Close()
		all.Wait()
		h.Close()
		if err := h.Reload(t.Context()); !errors.Is(err, errReloadClosed) {
			t.Error(err)
		}
	})
}

// hook returns a hook that runs a program, which is given the file beside it as its last argument.
func hook(t *testing.T, o ReloadOptions, script string, arguments ...string) (h *ReloadHook, file string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "reload")
	file = program + ".out"
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	o.Delay = time.Millisecond
	h, err := NewReloadHook(append(append([]string{program}, arguments...), file), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, file
}

// TestReloadCommand: arguments go as they are, and our settings do not.
func TestReloadCommand(t *testing.T) { //nolint:paralleltest // it sets a variable
	t.Setenv("TALKTIME_TEST_SECRET", secret)
	h, file := hook(t, ReloadOptions{Wait: time.Minute}, `echo "$1" > "$2"; env >> "$2"`, "a b; $(touch x) `id` *")
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(got), "a b; $(touch x) `id` *\n") || strings.Contains(string(got), secret) || !strings.Contains(string(got), "PATH=") {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestReloadFails(t *testing.T) {
	t.Parallel()
	h, _ := hook(t, ReloadOptions{Wait: time.Minute}, `head -c 100000 /dev/zero | tr '\0' x; echo; echo "Unable
to connect" >&2; exit 3`)
	if err := h.Reload(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "Unable to connect") || !strings.Contains(err.Error(), "exit status 3") || len(err.Error()) > 600 {
		t.Errorf("got %v", err)
	}
	gone, file := hook(t, ReloadOptions{Wait: time.Minute}, "")
	if err := os.Remove(strings.TrimSuffix(file, ".out")); err != nil {
		t.Fatal(err)
	}
	if err := gone.Reload(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	for _, command := range [][]string{nil, {""}, {"fwconsole", "reload"}, {"/bin/true", "a\x00b"}} {
		if _, err := NewReloadHook(command, ReloadOptions{}); !errors.Is(err, models.ErrInvalid) {
			t.Errorf("%q: got %v", command, err)
		}
	}
}

// TestReloadEnded: a command that does not end is ended with what it has started: it is asked to, and killed when it does not listen.
func TestReloadEnded(t *testing.T) {
	t.Parallel()
	for script, how := range map[string]string{
		`sleep 1000 & echo "$!." > "$1"; wait`:                                                "terminated",
		`trap 'exit 7' TERM; sh -c 'trap "" TERM; sleep 1000' & echo "$!." > "$1"; wait`:      "exit status 7",
		`trap '' TERM; sleep 1000 & echo "$!." > "$1"; while :; do wait; done`:                "killed",
		`trap 'echo tidied > "$1.tidied"; exit 8' TERM; sleep 1000 & echo "$!." > "$1"; wait`: "exit status 8",
	} {
		h, file := hook(t, ReloadOptions{Wait: time.Minute, Closing: time.Millisecond}, script)
		h.run = func(ctx context.Context) error {
			return runHook(ctx, []string{strings.TrimSuffix(file, ".out"), file}, []string{"PATH=/usr/bin:/bin"}, 100*time.Millisecond)
		}
		ended := make(chan error, 1)
		go func() { ended <- h.Reload(t.Context()) }()
		pid := ""
		for !strings.HasSuffix(pid, ".\n") {
			time.Sleep(time.Millisecond)
			text, _ := os.ReadFile(file)
			pid = string(text)
		}
		h.Close()
		if err := <-ended; err == nil || errors.Is(err, ErrUncertain) || !strings.Contains(err.Error(), how) {
			t.Errorf("%s: got %v", script, err)
		}
		for alive := true; alive; time.Sleep(time.Millisecond) {
			state, err := os.ReadFile("/proc/" + strings.TrimSuffix(pid, ".\n") + "/stat")
			alive = err == nil && !strings.Contains(string(state), ") Z ")
		}
		if _, err := os.Stat(file + ".tidied"); (err == nil) != strings.Contains(script, "tidied") {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// TestReloadClose: a run under way may end, and what was asked for runs; only what takes too long is ended.
func TestReloadClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all sync.WaitGroup
		for _, tt := range []struct {
			takes, requests time.Duration // of a run; from one request to the next
			runs, cut       int
			within          time.Duration
		}{
			{time.Second, 10 * time.Millisecond, 1, 0, time.Second},   // both wait for the same run
			{4 * time.Second, 2 * time.Second, 2, 0, 7 * time.Second}, // the second waits for the end of the first
			{8 * time.Second, 2 * time.Second, 2, 1, reloadClosing},   // there is no time for the second to end
			{time.Minute, 2 * time.Second, 1, 1, reloadClosing},       // nor for the first
		} {
			runs, cut := 0, 0
			h := newReloadHook(func(ctx context.Context) error {
				runs++
				select {
				case <-time.After(tt.takes):
				case <-ctx.Done():
					cut++
				}
				return ctx.Err()
			}, ReloadOptions{Delay: 500 * time.Millisecond, Wait: time.Hour})
			for range 2 {
				all.Go(func() { _ = h.Reload(t.Context()) })
				time.Sleep(tt.requests)
			}
			began := time.Now()
			h.Close()
			if took := time.Since(began); runs != tt.runs || cut != tt.cut || took > tt.within {
				t.Errorf("%+v: %d runs, %d cut off, after %s", tt, runs, cut, took)
			}
			all.Wait()
			if err := h.Reload(t.Context()); !errors.Is(err, errReloadClosed) {
				t.Error(err)
			}
		}
	})
}
