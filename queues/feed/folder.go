package feed

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// settleTime is for how long a rotated file must not have changed until we believe that nothing will be added to it.
	settleTime = time.Minute
	// goneTime is for how long the file may be away while another one is put in its place.
	goneTime = 10 * time.Second
	// maxMissed is how often a file must not be found among the rotated ones until it is given up: just when one is renamed or packed it
	// may be missed.
	maxMissed = 3
)

// folder follows a file, and finds those it was rotated to.
type folder struct {
	f    *Follower
	path string

	open    *reading // the file that grows, whatever its name is by now; nil: none yet
	gone    time.Time
	pending bool          // rotated files are to be looked at again
	missed  map[int64]int // how often a file was not found, by its ID
}

// rotated is what is known of a rotated file, as long as it looks like that.
type rotated struct {
	size    int64
	changed time.Time
	id      int64 // of its row; 0: it has none
	again   bool  // it is not read to its end
}

// absolute is a path that says the same in another process.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

func (d *folder) current() *File {
	if d.open == nil || d.open.row.ID == 0 {
		return nil
	}
	return &d.open.row
}

func (d *folder) forget() {
	if d.open != nil {
		d.open.close()
		d.open = nil
	}
}

// look reads what is new. When another file has come to the place of the one that was read, the rest of that is read first.
func (d *folder) look(ctx context.Context) (bool, error) {
	now, err := d.openCurrent()
	if err := d.leave(ctx, now); err != nil {
		if now != nil {
			now.close()
		}
		return false, err
	}
	if d.open == nil || d.pending {
		if err := d.readRotated(ctx, now); err != nil {
			if now != nil {
				now.close()
			}
			return false, err
		}
	}
	if now != nil {
		if err := d.readCurrent(ctx, now); err != nil {
			return false, err
		}
	}
	return err == nil, err
}

// openCurrent opens the file; nil as long as nothing is written to it.
func (d *folder) openCurrent() (*reading, error) {
	now, err := openFile(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.open != nil && (d.gone.IsZero() || d.f.now().Sub(d.gone) < goneTime):
		if d.gone.IsZero() {
			d.gone = d.f.now()
		}
		return nil, nil
	case err != nil:
		return nil, err
	}
	d.gone = time.Time{}
	if now.packed {
		now.close()
		return nil, fmt.Errorf("%s is a packed file, which does not grow: admin queues import reads it", d.path)
	}
	if len(now.head) == 0 {
		now.close()
		return nil, nil
	}
	return now, nil
}

// leave reads the rest of the file that was read, and leaves it when another one has come in its place. As long as that is empty,
// Asterisk still writes to the one before.
func (d *folder) leave(ctx context.Context, now *reading) error {
	if d.open == nil || now != nil && os.SameFile(now.info, d.open.info) && d.open.same() {
		return nil
	}
	if !d.open.same() || now != nil && bytes.HasPrefix(now.head, d.open.head) { // cut, or copied: its text is elsewhere
		d.forget()
		return nil
	}
	if err := d.f.readOn(ctx, d.open, nil); err != nil || now == nil {
		return err
	}
	if err := d.f.finish(ctx, d.open, nil); err != nil {
		return err
	}
	d.forget()
	return nil
}

// readCurrent reads what is new in the file.
func (d *folder) readCurrent(ctx context.Context, now *reading) error {
	if d.open != nil {
		now.close() // it is the one that we have
		return d.f.readOn(ctx, d.open, nil)
	}
	row, _ := d.f.fileOf(now.head)
	if row.Position > now.info.Size() {
		row.Position = 0 // it is shorter than it was: what it says now is read again
	}
	row.Done = false
	if err := d.f.start(now, row); err != nil {
		now.close()
		return err
	}
	d.open = now
	return d.f.readOn(ctx, d.open, nil)
}

// start goes to where a file was read to.
func (f *Follower) start(r *reading, row File) error {
	r.spans, r.latest = f.spans(KindFile), f.latest
	r.most = cmp.Or(f.Lines, batchLines)
	if err := r.start(row, f.Location); err != nil {
		return fmt.Errorf("read %s: %w", r.path, err)
	}
	return nil
}

// finish takes the last line of a file to which nothing will be added, and notes that it is read.
func (f *Follower) finish(ctx context.Context, r *reading, each func(Stored)) error {
	p := r.rest()
	if p.File.Position == 0 {
		return nil // it is empty
	}
	r.row.Done = true
	return f.storeOf(ctx, r, p, each)
}

// readRotated reads the files that the log was rotated to, as far as that has not happened yet, the oldest first. Now is the file that
// has come in their place; without one the newest of them may still grow.
func (d *folder) readRotated(ctx context.Context, now *reading) error {
	if d.missed == nil {
		d.missed = make(map[int64]int)
	}
	d.pending = false
	found := make(map[int64]bool)
	files, sure := d.openRotated(now, found)
	defer func() {
		for _, r := range files {
			if r != d.open {
				r.close()
			}
		}
	}()
	for i, r := range files {
		row, _ := d.f.fileOf(r.head)
		if row.Done && (r.packed || r.info.Size() <= row.Position) {
			found[row.ID] = true
			d.keep(r, row.ID, false)
			continue
		}
		if now == nil && d.open == nil && i == len(files)-1 && !r.packed {
			if err := d.f.start(r, row); err != nil {
				return err
			}
			d.open = r
			return d.f.readOn(ctx, r, nil)
		}
		whole, err := d.readOld(ctx, r, row)
		if err != nil {
			return err
		}
		found[r.row.ID] = true
		d.pending = d.pending || !whole
	}
	if now == nil || !sure {
		d.pending = d.pending || !sure
		return nil
	}
	return d.giveUp(ctx, now, found)
}

func (d *folder) keep(r *reading, id int64, again bool) {
	if d.f.rotated == nil {
		d.f.rotated = make(map[string]rotated)
	}
	d.f.rotated[r.path] = rotated{r.info.Size(), r.info.ModTime(), id, again}
}

// openRotated opens the rotated files that have changed since they were read, the oldest first. Of the others it notes the rows. It
// is sure when no file is left out that may be one of the log.
func (d *folder) openRotated(now *reading, found map[int64]bool) (files []*reading, sure bool) {
	sure = true
	known := map[int64]bool{0: true}
	for _, file := range d.f.files {
		known[file.ID] = true
	}
	for _, path := range d.siblings() {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			sure = sure && err == nil
			continue
		}
		if d.open != nil && os.SameFile(info, d.open.info) || now != nil && os.SameFile(info, now.info) {
			continue
		}
		if seen, ok := d.f.rotated[path]; ok && known[seen.id] && seen.size == info.Size() && seen.changed.Equal(info.ModTime()) && !seen.again {
			found[seen.id] = true
			continue
		}
		r, err := openFile(path)
		switch {
		case err != nil:
			sure = false
			if d.once(path, "read") {
				d.f.Logger.Warn("a rotated queue_log cannot be read; trying again", "err", err)
			}
			continue
		case r.cut && !d.isSettled(r.info): // it is being packed
			sure = false
		case r.first == 0:
			if d.once(path, "none") {
				d.f.Logger.Warn("a file beside the queue_log is none: it is not read", "file", path)
			}
			d.keep(r, 0, false)
		case now != nil && bytes.HasPrefix(now.head, r.head): // the log is being copied
		default:
			files = append(files, r)
			continue
		}
		r.close()
	}
	slices.SortFunc(files, func(a, b *reading) int {
		return cmp.Or(cmp.Compare(a.first, b.first), a.info.ModTime().Compare(b.info.ModTime()), strings.Compare(a.path, b.path))
	})
	return files, sure
}

// siblings are the paths of all that begin like the log's: beside it, and beside what it is a link to.
func (d *folder) siblings() (paths []string) {
	bases := []string{d.path}
	if target, err := filepath.EvalSymlinks(d.path); err == nil && target != d.path {
		bases = append(bases, target)
	}
	for _, base := range bases {
		entries, err := os.ReadDir(filepath.Dir(base))
		if err != nil && d.once(base, "list") {
			d.f.Logger.Warn("the folder of the queue_log cannot be listed: rotated files are not found", "err", err)
		}
		for _, e := range entries {
			if name := filepath.Base(base); strings.HasPrefix(e.Name(), name) && e.Name() != name {
				paths = append(paths, filepath.Join(filepath.Dir(base), e.Name()))
			}
		}
	}
	return paths
}

func (d *folder) isSettled(info fs.FileInfo) bool {
	return d.f.now().Sub(info.ModTime()) >= settleTime
}

// once tells whether something is told of a file for the first time.
func (d *folder) once(path, what string) bool {
	if d.f.told == nil {
		d.f.told = make(map[string]bool)
	}
	first := !d.f.told[path+what]
	d.f.told[path+what] = true
	return first
}

// readOld reads a rotated file to its end, unless that is still to come.
func (d *folder) readOld(ctx context.Context, r *reading, row File) (whole bool, err error) {
	if row.Position > r.info.Size() && !r.packed {
		row.Position = r.info.Size() // a copy of what was there when it was made; the rest was read before
	}
	err = d.f.start(r, row)
	if err == nil {
		err = d.f.readOn(ctx, r, nil)
	}
	var stored storeError
	switch {
	case errors.As(err, &stored) || errors.Is(err, ErrNotOurs) || ctx.Err() != nil:
		return false, err
	case err != nil:
		if d.once(r.path, "part") {
			d.f.Logger.Warn("a rotated queue_log was read only in part; trying again when it has changed", "err", err)
		}
		d.keep(r, max(r.row.ID, row.ID), false)
		r.row.ID = max(r.row.ID, row.ID)
		return false, nil
	case r.lines.Rest() != "" && !r.packed && !d.isSettled(r.info):
		d.keep(r, r.row.ID, true)
		return false, nil
	}
	if err := d.f.finish(ctx, r, nil); err != nil {
		return false, err
	}
	d.keep(r, r.row.ID, false)
	return true, nil
}

// giveUp notes what was lost of files that are not there any more.
func (d *folder) giveUp(ctx context.Context, now *reading, found map[int64]bool) error {
	current, _ := d.f.fileOf(now.head)
	for _, file := range slices.Clone(d.f.files) {
		if file.Kind != KindFile || file.Done || file.ID == current.ID || found[file.ID] || !strings.HasPrefix(file.Name, d.path) || d.open != nil && d.open.row.ID == file.ID {
			continue
		}
		if d.missed[file.ID]++; d.missed[file.ID] < maxMissed {
			d.pending = true
			continue
		}
		lost := max(file.Size-file.Position, 0)
		file.Done, file.Lost = true, file.Lost+lost
		d.f.Logger.Warn("the queue_log was rotated, and what it was rotated to is not there: events may be missing. If that file turns up, admin queues import reads the rest of it",
			"bytes_known_to_be_missing", lost, "last_read", file.Read, "name", file.Name)
		if _, err := d.f.store(ctx, Batch{File: file, Now: d.f.now()}); err != nil {
			return err
		}
	}
	return nil
}
