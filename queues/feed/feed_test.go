package feed_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"talktime/queues"
	"talktime/queues/feed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory keeps in memory what a store would.
type memory struct {
	mu     sync.Mutex // for those who look while somebody writes
	holder string
	files  []feed.File
	events map[queues.Event]int // how often they were handed in
	bad    []feed.BadLine
	swept  int

	failing func() (before, after error) // errors before and after something is stored
}

func newMemory() *memory { return &memory{events: make(map[queues.Event]int)} }

func (m *memory) ClaimQueueLog(_ context.Context, holder string, _ time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder == "" {
		m.holder = holder
	}
	return m.holder == holder, nil
}

func (m *memory) UnclaimQueueLog(_ context.Context, holder string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder == holder {
		m.holder = ""
	}
	return nil
}

func (m *memory) QueueLogFiles(context.Context) ([]feed.File, error) {
	return slices.Clone(m.files), nil
}

func (m *memory) StoreQueueLog(_ context.Context, holder string, b feed.Batch) (feed.Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder != holder {
		return feed.Stored{}, feed.ErrNotOurs
	}
	var after error
	if m.failing != nil {
		var before error
		if before, after = m.failing(); before != nil {
			return feed.Stored{}, before
		}
	}
	if b.File.ID == 0 {
		b.File.ID = int64(len(m.files) + 1)
		m.files = append(m.files, b.File)
	}
	m.files[b.File.ID-1] = b.File
	done := feed.Stored{File: b.File}
	for _, e := range b.Events {
		if m.events[e]++; m.events[e] > 1 {
			done.Known++
		} else {
			done.New++
		}
	}
	m.bad = append(m.bad, b.Bad...)
	return done, after
}

func (m *memory) SweepQueueLog(_ context.Context, holder string, _ time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder != holder {
		return 0, feed.ErrNotOurs
	}
	m.swept++
	return 0, nil
}

// lines are the events as lines, in order.
func (m *memory) lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for e := range m.events {
		all = append(all, e.String())
	}
	slices.Sort(all)
	return all
}

// read is when the first file was last read to its end.
func (m *memory) read() (at time.Time, swept int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[0].Read, m.swept
}

func (m *memory) lost() (n int64) {
	for _, f := range m.files {
		n += f.Lost
	}
	return n
}

// site is a folder with a queue_log, and who reads it.
type site struct {
	t      testing.TB
	path   string
	keeper *memory
	f      *feed.Follower
	now    time.Time
	log    *bytes.Buffer
	table  feed.Table
	lines  int // of a batch
}

func newSite(t testing.TB, dir string) *site {
	s := &site{t: t, path: filepath.Join(dir, "queue_log"), keeper: newMemory(), now: time.Now().Add(time.Hour), log: new(bytes.Buffer)}
	s.restart()
	return s
}

// restart puts another process in the place of the one that reads.
func (s *site) restart() {
	if s.f != nil {
		s.keeper.holder = "" // its claim has run out
		s.f.Close(context.Background())
	}
	s.f = &feed.Follower{
		Keeper: s.keeper, Path: s.path, Table: s.table, Holder: fmt.Sprintf("holder %d", s.now.UnixNano()),
		Logger: slog.New(slog.NewTextHandler(s.log, nil)), Now: func() time.Time { return s.now }, Lines: s.lines,
	}
}

// look looks once, a second later.
func (s *site) look() error {
	s.now = s.now.Add(time.Second)
	_, err := s.f.Look(context.Background())
	return err
}

func (s *site) mustLook() {
	s.t.Helper()
	if err := s.look(); err != nil {
		s.t.Fatalf("look: %v", err)
	}
}

func (s *site) write(path, text string) {
	s.t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteString(text)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// line is the n-th line of a log, without its end.
func line(n int) string {
	return fmt.Sprintf("%d|%d.%d|support|Agent One|CONNECT|%d|%d.1|%d", 1795211500+n, 1795211400, n, n%40, n, n%7)
}

func logOf(from, to int) string {
	var b strings.Builder
	for n := from; n < to; n++ {
		b.WriteString(line(n) + "\n")
	}
	return b.String()
}

func linesOf(text string) []string {
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	slices.Sort(all)
	return all
}

func (s *site) same(text string) {
	s.t.Helper()
	if diff := cmp.Diff(linesOf(text), s.keeper.lines()); diff != "" {
		s.t.Fatalf("what was stored (-want +got):\n%s\n%s", diff, s.log)
	}
}

func (s *site) packFile(path string) {
	s.t.Helper()
	text, err := os.ReadFile(path)
	s.must(err)
	s.must(os.WriteFile(path+".gz", packed(string(text)), 0o600))
	s.must(os.Remove(path))
}

func packed(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.Bytes()
}

func TestGrows(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	text := logOf(0, 50)
	for i := range len(text) {
		s.write(s.path, text[i:i+1])
		s.mustLook()
		whole := text[:1+strings.LastIndexByte(text[:i+1], '\n')]
		if whole != "" {
			s.same(whole)
		}
	}
	if f := s.keeper.files[0]; len(s.keeper.files) != 1 || f.Position != int64(len(text)) || f.Lines != 50 || f.Done {
		t.Errorf("files: %+v", s.keeper.files)
	}
	for e, n := range s.keeper.events {
		if n != 1 {
			t.Errorf("%s was handed in %d times", e, n)
		}
	}
}

// TestAnyRotation does to the log what logrotate, "logger rotate" and people do, while it is read by processes that are killed.
func TestAnyRotation(t *testing.T) {
	t.Parallel()
	dir, outer := t.TempDir(), t
	count := 0
	rapid.Check(t, func(t *rapid.T) {
		count++
		here := filepath.Join(dir, fmt.Sprint(count))
		if err := os.Mkdir(here, 0o700); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(here) }()
		w := writer{site: newSite(&tb{TB: outer, t: t}, here), t: t}
		defer func() { w.site.f.Close(context.Background()) }()
		w.play()
	})
}

// tb is as much of testing.TB as a site needs.
type tb struct {
	testing.TB

	t *rapid.T
}

func (b *tb) Fatal(args ...any)                 { b.t.Fatal(args...) }
func (b *tb) Fatalf(format string, args ...any) { b.t.Fatalf(format, args...) }
func (b *tb) Helper()                           { b.t.Helper() }

// writer is an Asterisk that writes a log, and what happens to it.
type writer struct {
	*site

	t       *rapid.T
	at      string // where it writes: the log, or what that was renamed to
	text    string // all lines so far
	half    string // begin of the next line that is written already
	n       int
	rotated []string // names
	number  int
}

func (w *writer) play() {
	w.at = w.path
	w.site.lines = rapid.IntRange(1, 60).Draw(w.t, "batch")
	w.restart()
	steps := rapid.IntRange(1, 25).Draw(w.t, "steps")
	for range steps {
		step := rapid.SampledFrom([]func(){
			w.more, w.more, w.more, w.part, w.see, w.see, w.restart, w.rename, w.reopen, w.copyTruncate, w.pack, w.shift, w.fail, w.again,
		}).Draw(w.t, "step")
		step()
	}
	w.finishLine()
	w.reopen()
	w.more()
	w.finishLine()
	w.keeper.failing = nil
	for range 5 {
		if err := w.look(); err != nil && w.keeper.failing == nil {
			w.t.Logf("look: %v", err)
		}
		w.now = w.now.Add(time.Minute)
	}
	w.same(w.text)
	if lost := w.keeper.lost(); lost != 0 {
		w.t.Fatalf("%d bytes are said to be lost\n%s", lost, w.log)
	}
	for _, f := range w.keeper.files {
		if !f.Done && f.Name != w.path {
			w.t.Fatalf("not read to its end: %+v", f)
		}
	}
}

func (w *writer) see() { _ = w.look() }

func (w *writer) more() {
	w.finishLine()
	n := rapid.IntRange(1, 120).Draw(w.t, "lines")
	more := logOf(w.n, w.n+n)
	w.write(w.at, more)
	w.text += more
	w.n += n
}

// part writes the begin of a line.
func (w *writer) part() {
	w.finishLine()
	next := line(w.n) + "\n"
	w.half = next[:rapid.IntRange(1, len(next)-1).Draw(w.t, "bytes")]
	w.write(w.at, w.half)
}

func (w *writer) finishLine() {
	if w.half == "" {
		return
	}
	next := line(w.n) + "\n"
	w.write(w.at, next[len(w.half):])
	w.text += next
	w.half = ""
	w.n++
}

func (w *writer) name() string {
	w.number++
	return fmt.Sprintf("%s%s%d", w.path, rapid.SampledFrom([]string{".", "-2026110"}).Draw(w.t, "name"), 1000+w.number)
}

// rename renames the log; Asterisk goes on writing to it until it opens the log again.
func (w *writer) rename() {
	if _, err := os.Stat(w.path); w.at != w.path || err != nil {
		return
	}
	to := w.name()
	w.must(os.Rename(w.path, to))
	w.at = to
	w.rotated = append(w.rotated, to)
	if rapid.Bool().Draw(w.t, "create") {
		w.must(os.WriteFile(w.path, nil, 0o600))
	}
}

func (w *writer) reopen() {
	w.finishLine()
	w.at = w.path
}

func (w *writer) copyTruncate() {
	w.finishLine()
	text, err := os.ReadFile(w.path)
	if w.at != w.path || err != nil {
		return
	}
	to := w.name()
	n := rapid.IntRange(0, len(text)).Draw(w.t, "copied")
	w.must(os.WriteFile(to, text[:n], 0o600))
	w.see()
	w.must(os.WriteFile(to, text, 0o600))
	w.must(os.Truncate(w.path, 0))
	w.rotated = append(w.rotated, to)
}

// pack packs a rotated file as gzip does: both are there for a while.
func (w *writer) pack() {
	i := slices.IndexFunc(w.rotated, func(name string) bool { return !strings.HasSuffix(name, ".gz") && name != w.at })
	if i < 0 {
		return
	}
	name := w.rotated[i]
	text, err := os.ReadFile(name)
	w.must(err)
	data := packed(string(text))
	n := rapid.IntRange(0, len(data)).Draw(w.t, "packed")
	w.must(os.WriteFile(name+".gz", data[:n], 0o600))
	changed := w.now
	w.must(os.Chtimes(name+".gz", changed, changed))
	w.see()
	w.must(os.WriteFile(name+".gz", data, 0o600))
	w.must(os.Remove(name))
	w.rotated[i] += ".gz"
}

// shift renames all rotated files, as a rotation does.
func (w *writer) shift() {
	for i, name := range w.rotated {
		to := w.name()
		if strings.HasSuffix(name, ".gz") {
			to += ".gz"
		}
		w.must(os.Rename(name, to))
		if w.at == name {
			w.at = to
		}
		w.rotated[i] = to
	}
}

// again is a copy of a file that is there already.
func (w *writer) again() {
	if len(w.rotated) == 0 {
		return
	}
	name := rapid.SampledFrom(w.rotated).Draw(w.t, "file")
	text, err := os.ReadFile(name)
	if err != nil || name == w.at {
		return
	}
	to := w.name()
	if strings.HasSuffix(name, ".gz") {
		to += ".gz"
	}
	w.must(os.WriteFile(to, text, 0o600))
}

// fail makes the next transactions fail, before or after they are committed.
func (w *writer) fail() {
	fails := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 4).Draw(w.t, "failures")
	w.keeper.failing = func() (before, after error) {
		if len(fails) == 0 {
			return nil, nil
		}
		kind := fails[0]
		fails = fails[1:]
		switch kind {
		case 1:
			return errors.New("the database is away"), nil
		case 2:
			return nil, errors.New("nobody knows whether it was committed")
		}
		return nil, nil
	}
}

func sortRows(rows []feed.Row, by func(a, b feed.Row) int) { slices.SortStableFunc(rows, by) }
