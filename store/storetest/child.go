package storetest

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Child is a process that cannot outlive ours.
type Child struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// StartChild starts cmd in a process group of its own, so that Ctrl-C does not reach it before us, and has the kernel kill
// it when our process ends, however that happens.
//
// The kernel sends that signal when the thread ends that started the child, which may be long before the process does.
// The goroutine that starts the child therefore keeps its thread, and waits on it for the child's end.
func StartChild(cmd *exec.Cmd) (*Child, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL

	child := &Child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(child.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return child, nil
}

// PID returns the process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Ended tells whether the child has ended.
func (c *Child) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Exit waits for the child's end and says how it ended: "exit status 1", "signal: killed".
func (c *Child) Exit() string {
	<-c.done
	return c.cmd.ProcessState.String()
}

// Signal sends a signal; a child that has ended is none the worse for it.
func (c *Child) Signal(signal os.Signal) { _ = c.cmd.Process.Signal(signal) }

// Kill ends the child at once and returns when it is gone.
func (c *Child) Kill() {
	c.Signal(syscall.SIGKILL)
	<-c.done
}

// Stop asks the child to end, kills it when it has not done so in time, and returns when it is gone.
func (c *Child) Stop(grace time.Duration) {
	c.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(grace):
		c.Kill()
	}
}
