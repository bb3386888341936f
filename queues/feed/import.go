package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// ErrNoLog says that a file is no queue_log.
var ErrNoLog = errors.New("none of its first lines is an event of a queue_log")

// Imported is what came of a file.
type Imported struct {
	File  File
	Lines int64 // that were read
	Bad   int64 // of them, those that are none of a queue_log
	New   int64 // events that were not there yet
	Known int64 // events that were
}

// Import reads a file of the log, packed or not, from where it was read to, or from its begin again. Only the file that grows may get
// more lines; of others the last one is taken without an end too. ErrNotOurs while another process reads the log. What was read before an error is stored.
func (f *Follower) Import(ctx context.Context, path string, again bool, each func(Imported)) (Imported, error) {
	done, err := f.importFile(ctx, path, again, each)
	if err == nil && done.Lines > 0 {
		err = f.sweep(ctx)
	}
	if err != nil {
		f.reset()
	}
	return done, err
}

func (f *Follower) importFile(ctx context.Context, path string, again bool, each func(Imported)) (done Imported, err error) {
	if err := f.begin(ctx); err != nil {
		return done, err
	}
	r, err := openFile(absolute(path))
	if err != nil {
		return done, err
	}
	defer r.close()
	switch {
	case len(r.head) == 0 && !r.cut:
		return done, nil // a rotation leaves empty files
	case r.first == 0:
		return done, fmt.Errorf("%s: %w", path, ErrNoLog)
	}
	row, _ := f.fileOf(r.head)
	done.File = row
	if row.Done && !again && (r.packed || r.info.Size() <= row.Position) {
		return done, nil
	}
	if again || row.Position > r.info.Size() && !r.packed {
		row.Position, row.Lines, row.Bad = 0, 0, 0
	}
	row.Done = false
	lines, bad := row.Lines, row.Bad
	if err := f.start(r, row); err != nil {
		return done, err
	}
	stored := func(s Stored) {
		done.File, done.Lines, done.Bad = s.File, s.File.Lines-lines, s.File.Bad-bad
		done.New, done.Known = done.New+int64(s.New), done.Known+int64(s.Known)
		if each != nil {
			each(done)
		}
	}
	if err := f.readOn(ctx, r, stored); err != nil {
		return done, err
	}
	if live, err := os.Stat(f.Path); err == nil && os.SameFile(live, r.info) {
		return done, nil
	}
	return done, f.finish(ctx, r, stored)
}
