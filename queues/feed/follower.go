package feed

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"time"

	"talktime/queues"
)

// Times of a follower.
const (
	lease     = time.Minute
	renewal   = 15 * time.Second // of the claim
	beatPause = 10 * time.Second // between notes that there is nothing new
	turnTime  = 5 * time.Second  // after which others may have a turn, once everything is read
	sweepTime = time.Minute
	lookPause = time.Second

	// ahead is how far a clock may be ahead of ours. What is later was written while one was wrong: it is stored, but says nothing about
	// how far the log goes.
	ahead = time.Hour
)

// Follower reads a queue_log as it grows: a file and those it was rotated to, or a table. It may run in any number of processes, of
// which one reads. It is for one goroutine.
type Follower struct {
	Keeper   Keeper
	Path     string         // of the file; empty: the table
	Table    Table          // nil: the file
	Location *time.Location // of times without a zone; nil is UTC
	Holder   string         // who we are among those who may read the log
	Logger   *slog.Logger
	Now      func() time.Time // nil is time.Now
	Lines    int              // that are stored in one transaction; 0: 10,000

	// Pack is called when everything is read and there is time for other things, as whoever holds the claim. It tells whether there
	// is more to do. Nil: nothing.
	Pack func(ctx context.Context, holder string) (more bool, err error)

	loaded  bool
	files   []File    // as they are stored
	heads   heads     // where they are in files, by their heads
	claimed time.Time // or when the claim was renewed; zero: it is not ours
	began   time.Time // our turn
	offered bool      // the claim was given up to see whether somebody else waits for it
	swept   time.Time
	trouble string // what was logged
	source  source

	// What is kept when others had a turn.
	rotated map[string]rotated // files beside the log, by their paths
	told    map[string]bool    // what was logged of them
	seen    map[string]int64   // rows of a table without ids, by their digests, and their times; nil: begin anew
}

// source is a log of one kind.
type source interface {
	// look reads what is new. It is true when there is no more for now.
	look(ctx context.Context) (caughtUp bool, err error)
	// current is the row of the file that grows; nil: it has none yet.
	current() *File
	// forget closes what is open.
	forget()
}

// ErrStore is what errors of the Keeper are, besides what it says.
var ErrStore = errors.New("the queue_log cannot be stored")

// storeError is an error of the keeper: what it has stored has to be looked up again.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

func (e storeError) Is(target error) bool { return target == ErrStore }

// Run follows the log until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := f.Look(ctx)
		if ctx.Err() != nil {
			break
		}
		f.tell(err)
		if !more {
			pause(ctx, lookPause)
		}
	}
	f.Close(context.WithoutCancel(ctx))
}

// tell logs what is wrong once, and that it is well again.
func (f *Follower) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == f.trouble || errors.Is(err, ErrNotOurs) {
		return
	}
	if f.trouble = text; err != nil {
		f.Logger.Warn("the queue_log cannot be read; trying again", "err", err)
		return
	}
	f.Logger.Info("the queue_log is read again")
}

// Close lets others read the log at once.
func (f *Follower) Close(ctx context.Context) {
	f.reset()
	if f.claimed.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookPause)
	defer cancel()
	if err := f.Keeper.UnclaimQueueLog(ctx, f.Holder); err != nil {
		f.Logger.Warn("others have to wait for a minute until they may read the queue_log", "err", err)
	}
	f.claimed = time.Time{}
}

// Look looks once for what is new and has it stored. More says that there is something left to do at once. ErrNotOurs when another
// process reads the log.
func (f *Follower) Look(ctx context.Context) (more bool, err error) {
	more, err = f.look(ctx)
	var stored storeError
	if errors.As(err, &stored) || errors.Is(err, ErrNotOurs) {
		f.reset() // what is stored now has to be asked for
	}
	if errors.Is(err, ErrNotOurs) {
		f.claimed = time.Time{}
	}
	return more, err
}

func (f *Follower) look(ctx context.Context) (more bool, err error) {
	if err := f.begin(ctx); err != nil {
		return false, err
	}
	if f.source == nil {
		f.source = &folder{f: f, path: absolute(f.Path)}
		if f.Table != nil {
			f.source = &table{f: f, rows: f.Table}
		}
	}
	caughtUp, lookErr := f.source.look(ctx)
	var stored storeError
	switch {
	case errors.As(lookErr, &stored) || errors.Is(lookErr, ErrNotOurs) || ctx.Err() != nil:
		f.reset() // what was given out may not be stored
		f.seen = nil
		return false, lookErr
	case lookErr != nil: // there may be other work all the same
	case !caughtUp:
		return false, nil
	default:
		if err := f.beat(ctx); err != nil {
			return false, err
		}
	}
	now := f.now()
	if now.Sub(f.swept).Abs() >= sweepTime {
		if err := f.sweep(ctx); err != nil {
			return false, err
		}
		f.swept = now
	}
	if f.Pack != nil {
		if more, err = f.Pack(ctx, f.Holder); err != nil {
			return false, storeError{err}
		}
	}
	if !more && now.Sub(f.began).Abs() >= turnTime {
		if err := f.Keeper.UnclaimQueueLog(ctx, f.Holder); err != nil {
			return false, storeError{err}
		}
		f.claimed, f.offered = time.Time{}, true
	}
	return more, lookErr
}

// sweep closes calls of which no end will come.
func (f *Follower) sweep(ctx context.Context) error {
	ended, err := f.Keeper.SweepQueueLog(ctx, f.Holder, f.now())
	if err != nil {
		return storeError{err}
	}
	if ended > 0 {
		f.Logger.Info("calls of which the queue_log says no end are closed", "calls", ended)
	}
	return nil
}

// begin claims the log and learns what was read of it.
func (f *Follower) begin(ctx context.Context) error {
	if err := f.Claim(ctx); err != nil {
		return err
	}
	if f.loaded && !f.offered {
		return nil
	}
	files, err := f.Keeper.QueueLogFiles(ctx)
	if err != nil {
		return storeError{err}
	}
	if f.offered && !sameFiles(files, f.files) { // somebody else has read meanwhile
		f.reset()
	}
	f.files, f.loaded, f.offered = files, true, false
	f.heads = heads{}
	for i := range files {
		f.heads.add(&files[i], i)
	}
	return nil
}

// sameFiles tells whether nothing was read between two looks at what was read.
func sameFiles(a, b []File) bool {
	if len(a) != len(b) {
		return false
	}
	for _, file := range a {
		if !slices.ContainsFunc(b, func(other File) bool {
			return other.ID == file.ID && other.Position == file.Position && other.Lines == file.Lines && other.Done == file.Done
		}) {
			return false
		}
	}
	return true
}

// Claim makes us the one who reads the log, or keeps us so: ErrNotOurs while somebody else does. Call it often.
func (f *Follower) Claim(ctx context.Context) error {
	now := f.now()
	if !f.claimed.IsZero() && now.Sub(f.claimed).Abs() < renewal {
		return nil
	}
	ours, err := f.Keeper.ClaimQueueLog(ctx, f.Holder, lease)
	switch {
	case err != nil:
		return storeError{err}
	case !ours:
		return ErrNotOurs
	}
	if f.claimed.IsZero() {
		f.began = now
	}
	f.claimed = now
	return nil
}

func (f *Follower) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

// reset forgets what was stored, and closes what is open.
func (f *Follower) reset() {
	f.loaded, f.files = false, nil
	if f.source != nil {
		f.source.forget()
		f.source = nil
	}
}

// beat notes from time to time that there is nothing new, for those who ask how far we are.
func (f *Follower) beat(ctx context.Context) error {
	file := f.source.current()
	if file == nil {
		if len(f.files) == 0 {
			return nil
		}
		latest := slices.MaxFunc(f.files, func(a, b File) int { return a.Read.Compare(b.Read) })
		file = &latest
	}
	now := f.now()
	if now.Sub(file.Read) < beatPause {
		return nil
	}
	file.Read = now
	_, err := f.store(ctx, Batch{File: *file, Now: now})
	return err
}

// store stores a batch and keeps in mind how far the file is then.
func (f *Follower) store(ctx context.Context, b Batch) (Stored, error) {
	if err := f.Claim(ctx); err != nil {
		return Stored{}, err
	}
	done, err := f.Keeper.StoreQueueLog(ctx, f.Holder, b)
	if err != nil {
		return done, storeError{err}
	}
	i := slices.IndexFunc(f.files, func(file File) bool { return file.ID == done.File.ID })
	if i < 0 {
		i = len(f.files)
		f.files = append(f.files, File{})
	}
	f.files[i] = done.File
	f.heads.add(&done.File, i)
	if done.Beyond > 0 {
		f.Logger.Warn("calls have more events than are kept, or Asterisk started with a clock of the future: these events are left out", "events", done.Beyond)
	}
	return done, nil
}

// span is from when to when something was read, as Event.At; to is behind it.
type span struct{ from, to int64 }

// spans are those of which files of the other kind were read, in order: their events are not taken a second time, with times that
// differ by parts of a second.
func (f *Follower) spans(kind string) (all []span) {
	for _, file := range f.files {
		if file.Kind != kind && file.Last != 0 {
			all = append(all, span{file.First - file.First%queues.Second, file.Last - file.Last%queues.Second + queues.Second})
		}
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	apart := all[:0]
	for _, s := range all {
		if n := len(apart); n > 0 && s.from <= apart[n-1].to {
			apart[n-1].to = max(apart[n-1].to, s.to)
		} else {
			apart = append(apart, s)
		}
	}
	return apart
}

// within tells whether one of the spans has a time.
func within(spans []span, at int64) bool {
	i, _ := slices.BinarySearchFunc(spans, at, func(s span, at int64) int {
		if s.to <= at {
			return -1
		}
		return 1
	})
	return i < len(spans) && spans[i].from <= at
}

// tellSkipped logs how many events were not taken, as the log of the other kind has them.
func (f *Follower) tellSkipped(name string, n int64) {
	if n > 0 {
		f.Logger.Info("events are left out, as the times at which they happened were read from the other kind of queue_log before", "events", n, "name", name)
	}
}

// latest is the latest time that is believed, as Event.At.
func (f *Follower) latest() int64 { return f.now().Add(ahead).UnixMicro() }

// add counts an event of a file. One that is later than the latest time that is believed counts as long as there are no others.
func (file *File) add(e *queues.Event, latest int64) {
	switch {
	case file.Last == 0:
		file.First = e.At
	case e.At > latest && file.Last <= latest:
		return
	case e.At <= latest && file.Last > latest:
		file.Last = 0
		if file.First > latest {
			file.First = e.At
		}
	}
	file.First, file.Last = min(file.First, e.At), max(file.Last, e.At)
}

// pause waits; it is false when ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// heads tells where files are, by their heads. An entry may be out of date, if the head has grown since.
type heads struct {
	lengths []int // in order
	at      map[head][]int
}

type head struct {
	length int
	digest string
}

func (h *heads) add(file *File, i int) {
	if file.Kind != KindFile || file.Head == 0 {
		return
	}
	if n, there := slices.BinarySearch(h.lengths, file.Head); !there {
		h.lengths = slices.Insert(h.lengths, n, file.Head)
	}
	if h.at == nil {
		h.at = make(map[head][]int)
	}
	key := head{file.Head, file.Digest}
	if !slices.Contains(h.at[key], i) {
		h.at[key] = append(h.at[key], i)
	}
}

// fileOf is the row of a file that begins so, the one that is known by most of it; false if there is none.
func (f *Follower) fileOf(text []byte) (File, bool) {
	var best File
	sum, done := sha256.New(), 0
	for _, n := range f.heads.lengths {
		if n > len(text) {
			break
		}
		_, _ = sum.Write(text[done:n])
		done = n
		key := head{n, hex.EncodeToString(sum.Sum(nil))}
		for _, i := range f.heads.at[key] {
			if file := f.files[i]; file.Head == n && file.Digest == key.digest && (file.Head > best.Head || file.Position > best.Position) {
				best = file
			}
		}
	}
	return best, best.Head > 0
}
