package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// fileLock lets one process at a time migrate an SQLite file: make run starts two on the same one. It lies in a file
// of its own, since closing the database's would take SQLite's own locks away; the kernel gives it back when we end,
// however that happens.
type fileLock struct {
	path string
	file *os.File
}

const fileLockPoll = 20 * time.Millisecond

// Lock implements goose's Locker.
func (l *fileLock) Lock(ctx context.Context, _ *sql.DB) error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock the database for its migration: %w", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			l.file = file
			return nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			err = pause(ctx, fileLockPoll)
		}
		if err != nil {
			_ = file.Close()
			return fmt.Errorf("lock the database for its migration: %w", err)
		}
	}
}

// Unlock implements goose's Locker.
func (l *fileLock) Unlock(context.Context, *sql.DB) error { return l.file.Close() }
