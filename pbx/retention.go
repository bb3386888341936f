package pbx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
)

// Bounds of one sweep.
const (
	maxSweep     = 10_000 // files that are deleted
	sweepTime    = 5 * time.Minute
	previewTime  = 5 * time.Second
	stillWritten = time.Hour // a file that was changed within it may be that of a call
	maxClock     = time.Hour // that our clock may be from another one
	clockTime    = 10 * time.Second
)

// ErrClock says that nothing is deleted, since nobody knows how old a recording is.
var ErrClock = errors.New("nothing is deleted while the clock is in doubt")

// Sweep is what became of recordings that were kept for long enough, or would.
type Sweep struct {
	Files   int
	Bytes   int64
	Folders int      // of days, months and years, that were empty then
	Names   []string // the first of the files, where they were asked for
	Failed  int      // files that are due and could not be deleted
	More    bool     // there may be others
}

// RetentionRun is a sweep that was done.
type RetentionRun struct {
	At time.Time
	Sweep
	Err error // why it did nothing, or what kept it from deleting a file
}

// Retention deletes recordings that were kept for long enough: files in the folder of a day, such as 2026/11/21, and of those in the folder
// of the recordings itself the ones whose name tells when they were made, as Asterisk's and FreePBX's do. Whatever lies elsewhere below it,
// such as voicemail, prompts and music on hold, is none of its business. Any number of processes may do so at a time: each counts what it
// deleted itself.
type Retention struct {
	Recordings *Recordings
	Keep       time.Duration // since a file was last changed; 0: for ever
	Now        func() time.Time
	Skew       func(context.Context) (time.Duration, error) // how far Now is from another clock; nil: there is none

	mu   sync.Mutex
	last *RetentionRun
}

// Last is the latest run of this process; nil: there was none.
func (k *Retention) Last() *RetentionRun {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

// Run deletes what is due, up to 10,000 files, and the folders of days that are empty then. An error is that of the folder, or of the first
// file that could not be deleted: the others were; or ErrClock, and nothing was.
func (k *Retention) Run(ctx context.Context) (Sweep, error) {
	if k.Keep <= 0 {
		return Sweep{}, nil
	}
	at := k.Now()
	ctx, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	err := k.clock(ctx)
	var s Sweep
	if err == nil {
		s, err = k.Recordings.sweep(ctx, at.Add(-max(k.Keep, stillWritten)), sweepOptions{most: maxSweep, names: 1 << 40, looks: 1 << 40, deletes: true})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = &RetentionRun{At: at, Sweep: s, Err: err}
	return s, err
}

// clock says what is wrong with our clock, by which files seem old.
func (k *Retention) clock(ctx context.Context) error {
	if k.Skew == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, clockTime)
	defer cancel()
	skew, err := k.Skew(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%w: the database does not tell the time: %w", ErrClock, err)
	case skew.Abs() > maxClock:
		return fmt.Errorf("%w: ours is %s from the database's", ErrClock, skew.Round(time.Second))
	}
	return nil
}

// Due is what Run would delete now, with the paths of the first of these files. It deletes nothing, and looks no further than a search does.
func (k *Retention) Due(ctx context.Context, names int) (Sweep, error) {
	if k.Keep <= 0 {
		return Sweep{}, nil
	}
	limited, cancel := context.WithTimeout(ctx, previewTime)
	defer cancel()
	s, err := k.Recordings.sweep(limited, k.Now().Add(-max(k.Keep, stillWritten)), sweepOptions{most: 1 << 40, names: maxNames, looks: maxLooks, shown: names})
	if err == nil {
		err = ctx.Err()
	}
	return s, err
}

type sweepOptions struct {
	most         int // files
	names, looks int // see walk
	shown        int // paths
	deletes      bool
}

// sweep finds, and perhaps deletes, recordings that were last changed before a moment, those of the first days first. Folders of days after
// that moment are not looked into, which leaves files that are older than their folder; so does a file whose name tells a later moment.
func (r *Recordings) sweep(ctx context.Context, before time.Time, o sweepOptions) (s Sweep, err error) {
	root, err := os.OpenRoot(r.folder)
	if err != nil {
		return Sweep{}, fmt.Errorf("the folder of the recordings cannot be read: %w", err)
	}
	defer func() { _ = root.Close() }()
	w := &walk{ctx: ctx, names: o.names, looks: o.looks}
	file := func(f foundFile) {
		if s.Files >= o.most {
			s.More, w.names = true, 0
			return
		}
		if _, invalid := r.path(f.path); invalid != nil {
			return
		}
		info, ok := w.look(f)
		if !ok || !info.ModTime().Before(before) {
			return
		}
		if o.deletes {
			switch failed := f.dir.Remove(f.name); {
			case errors.Is(failed, fs.ErrNotExist): // another process was faster
				return
			case failed != nil:
				s.Failed++
				if err == nil {
					err = fmt.Errorf("recording %q cannot be deleted: %w", f.path, failed)
				}
				return
			}
		}
		s.Files++
		s.Bytes += info.Size()
		if len(s.Names) < o.shown {
			s.Names = append(s.Names, f.path)
		}
	}
	last := before.AddDate(0, 0, 1) // days begin elsewhere at other times
	today := before.AddDate(0, 0, -1).Format("2006/01/02")
	days := w.days(root, false, func(f foundFile) {
		if made, ok := madeAt(f.path, time.UTC); ok && !strings.Contains(f.path, "/") && made.Before(last) {
			file(f)
		}
	})
	w.looks = o.looks // for the days
	for _, day := range days {
		if day > last.Format("2006/01/02") || w.over() {
			break
		}
		w.open(root, day, func(dir *os.Root) {
			w.entries(dir, func(e fs.DirEntry) { // not what lies in folders below it: it may be the copy of another tree
				if e.Type().IsRegular() {
					file(foundFile{dir, e.Name(), join(day, e.Name())})
				}
			})
		})
		if o.deletes && day < today {
			s.Folders += removeEmpty(root, day, today)
		}
	}
	s.More = s.More || w.cut
	return s, err
}

// removeEmpty removes the folder of a day if there is nothing in it, and then those of its month and its year, if these are over: Asterisk
// makes none of them any more.
func removeEmpty(root *os.Root, day, today string) (removed int) {
	for path := day; ; path = path[:strings.LastIndex(path, "/")] {
		if path >= today[:len(path)] {
			return removed
		}
		if info, err := root.Lstat(path); err != nil || !info.IsDir() || root.Remove(path) != nil {
			return removed
		}
		removed++
		if len(path) == len("2006") {
			return removed
		}
	}
}
