package pbx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"talktime/models"
	"talktime/pbx/extension"
)

// Times of a ReloadHook, where its options name none.
const (
	reloadDelay   = 500 * time.Millisecond
	reloadWait    = 5 * time.Second
	reloadTimeout = 2 * time.Minute
	reloadClosing = 10 * time.Second
)

// endTime is how long a command may take to end when it is asked to: what it is about may be half done.
const endTime = 3 * time.Second

// maxComplaint is how many bytes of what a hook prints are kept.
const maxComplaint = 200

// ReloadOptions are those of a ReloadHook. The zero value is useful.
type ReloadOptions struct {
	Delay       time.Duration    // from the first request of a burst to the run; 0: 500 ms
	Wait        time.Duration    // that a request waits for the end of its run, at most; 0: 5 s
	Timeout     time.Duration    // after which a run is ended; 0: 2 min
	Closing     time.Duration    // that Close leaves to runs, at most; 0: 10 s
	Environment []string         // of the command, NAME=value; nil: the usual PATH. It gets nothing of ours, where passwords are
	Logger      *slog.Logger     // nil: no logs
	Now         func() time.Time // nil: the clock
}

// ReloadHook runs a command that makes FreePBX apply its tables, such as fwconsole reload. Many requests at a time are one run, and never are
// there two runs at a time. It implements extension.Reloader, and must be closed.
type ReloadHook struct {
	options ReloadOptions
	run     func(context.Context) error
	ctx     context.Context // of runs; ends some time after Close has begun
	cancel  context.CancelFunc
	running sync.WaitGroup
	closing chan struct{} // closed by Close

	mu   sync.Mutex
	next *reload // what requests wait for; nil: nobody has asked since the last run began
	busy bool    // work runs
}

// reload is one run.
type reload struct {
	done chan struct{} // closed when err is set
	err  error
}

var _ extension.Reloader = (*ReloadHook)(nil)

// NewReloadHook returns the hook of a command, a program by its full path and its arguments. They are given to it as they are, by no shell.
// The error is models.ErrInvalid.
func NewReloadHook(command []string, o ReloadOptions) (*ReloadHook, error) {
	if len(command) == 0 || !filepath.IsAbs(command[0]) || slices.ContainsFunc(command, func(s string) bool { return strings.ContainsRune(s, 0) }) {
		return nil, fmt.Errorf("the reload command must be the full path of a program, and its arguments: %w", models.ErrInvalid)
	}
	command = slices.Clone(command)
	if len(o.Environment) == 0 { // to exec none would be ours
		o.Environment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	}
	return newReloadHook(func(ctx context.Context) error { return runHook(ctx, command, o.Environment, endTime) }, o), nil
}

func newReloadHook(run func(context.Context) error, o ReloadOptions) *ReloadHook {
	set := func(d *time.Duration, usual time.Duration) {
		if *d <= 0 {
			*d = usual
		}
	}
	set(&o.Delay, reloadDelay)
	set(&o.Wait, reloadWait)
	set(&o.Timeout, reloadTimeout)
	set(&o.Closing, reloadClosing)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &ReloadHook{options: o, run: run, closing: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Reload asks for a run that begins after this moment, and returns when it has ended, or when the time to wait is over: the run goes on
// then, and the error is ErrUncertain. Other errors are what is wrong with the run, and that of ctx.
func (h *ReloadHook) Reload(ctx context.Context) error {
	r, err := h.request()
	if err != nil {
		return err
	}
	timer := time.NewTimer(h.options.Wait)
	defer timer.Stop()
	select {
	case <-r.done:
		return r.err
	case <-timer.C:
		return fmt.Errorf("%w: the reload has not ended within %s", ErrUncertain, h.options.Wait)
	case <-ctx.Done():
		return fmt.Errorf("%w: the reload has not ended: %w", ErrUncertain, context.Cause(ctx))
	}
}

func (h *ReloadHook) request() (*reload, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.closing:
		return nil, errReloadClosed
	default:
	}
	if h.next == nil {
		h.next = &reload{done: make(chan struct{})}
	}
	if !h.busy {
		h.busy = true
		h.running.Go(h.work)
	}
	return h.next, nil
}

var errReloadClosed = errors.New("nothing is reloaded any more: the service ends")

// Close lets a run under way end and runs what was asked for since, or else the change would wait for the next one. What takes longer than it
// may is ended. It returns when nothing runs any more.
func (h *ReloadHook) Close() {
	h.mu.Lock()
	select {
	case <-h.closing:
	default:
		close(h.closing)
	}
	h.mu.Unlock()
	defer time.AfterFunc(h.options.Closing, h.cancel).Stop()
	h.running.Wait()
	h.cancel()
}

// work runs the command until nobody has asked for it again.
func (h *ReloadHook) work() {
	for {
		timer := time.NewTimer(h.options.Delay)
		select {
		case <-timer.C:
		case <-h.closing:
			timer.Stop()
		}
		h.mu.Lock()
		r := h.next
		h.next = nil // who asks from now on may have written what this run does not see
		h.mu.Unlock()
		r.err = h.once()
		close(r.done)
		h.mu.Lock()
		if h.next == nil {
			h.busy = false
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
	}
}

func (h *ReloadHook) once() error {
	if h.ctx.Err() != nil {
		return errReloadClosed
	}
	ctx, cancel := context.WithTimeout(h.ctx, h.options.Timeout)
	defer cancel()
	began := h.options.Now()
	err := h.run(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && err != nil {
		err = fmt.Errorf("it was ended after %s: %w", h.options.Timeout, err)
	}
	if err != nil {
		h.options.Logger.Error("the reload command has failed", "err", err, "duration_ms", h.options.Now().Sub(began).Milliseconds())
		return fmt.Errorf("the reload command has failed: %w", err)
	}
	h.options.Logger.Info("the reload command has run", "duration_ms", h.options.Now().Sub(began).Milliseconds())
	return nil
}

// runHook runs a command. When ctx ends, it asks it to end with all that it has started, and kills what is left after a time.
func runHook(ctx context.Context, command, environment []string, patience time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dying, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	cmd := exec.CommandContext(dying, command[0], command[1:]...) //nolint:gosec // a setting of the operator's; nothing of a request gets here
	all := func(s syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, s) }
	cmd.Env = environment
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return all(syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var said complaint
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Start()
	if err == nil {
		ended := make(chan struct{})
		spared := context.AfterFunc(ctx, func() {
			_ = all(syscall.SIGTERM)
			defer time.AfterFunc(patience, kill).Stop()
			<-ended
		})
		err = cmd.Wait()
		close(ended)
		if !spared() {
			_ = all(syscall.SIGKILL) // what it has started and did not end
		}
	}
	if errors.Is(err, exec.ErrWaitDelay) { // it has left something running that holds its output
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", command[0], err, AMI{}.tell(said.kept.String()))
	}
	return nil
}

// complaint keeps the end of what is written to it: there a program says why it fails.
type complaint struct{ kept bytes.Buffer }

func (c *complaint) Write(p []byte) (int, error) {
	n := len(p)
	c.kept.Write(p[max(0, n-maxComplaint):])
	c.kept.Next(max(0, c.kept.Len()-maxComplaint))
	return n, nil
}
