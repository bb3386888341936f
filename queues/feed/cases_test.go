package feed_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"talktime/queues"
	"talktime/queues/feed"
)

// TestRotations plays each way in which logs are rotated, cut behind any byte, with another process that goes on at any point.
func TestRotations(t *testing.T) {
	t.Parallel()
	remove := func(s *site) { s.must(os.Remove(s.path + ".1")) }
	rename := func(s *site) { s.must(os.Rename(s.path, s.path+".1")) }
	for _, tt := range []struct {
		name string
		// before and after the rest of the text that the writer has under way: those who rename do so while a line is half written
		before, after []func(*site)
		whole         bool // it happens between lines only
	}{
		{name: "renamed, and made anew by the writer", before: []func(*site){rename}},
		{name: "renamed, and an empty one put in its place", before: []func(*site){rename, func(s *site) { s.must(os.WriteFile(s.path, nil, 0o600)) }}},
		{name: "renamed and packed", before: []func(*site){rename}, after: []func(*site){func(s *site) { s.packFile(s.path + ".1") }}},
		{name: "renamed twice", before: []func(*site){rename}, after: []func(*site){func(s *site) { s.must(os.Rename(s.path+".1", s.path+".2")) }}},
		{name: "copied and cut", whole: true, before: []func(*site){func(s *site) {
			text, err := os.ReadFile(s.path)
			s.must(err)
			s.must(os.WriteFile(s.path+".1", text, 0o600))
			s.must(os.Truncate(s.path, 0))
		}}},
		{name: "renamed and gone, with somebody there who reads it", before: []func(*site){rename, func(s *site) { s.mustLookAway(remove) }}, whole: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := logOf(0, 2)
			for cut := range len(text) + 1 {
				if tt.whole && cut > 0 && text[cut-1] != '\n' {
					continue
				}
				for restart := range 3 {
					s := newSite(t, t.TempDir())
					first, rest := text[:cut], text[cut:]
					end := strings.LastIndexByte(first, '\n') + 1
					s.write(s.path, first)
					if cut > 0 {
						_ = s.look()
					}
					if restart == 1 && !strings.Contains(tt.name, "there who reads") {
						s.restart()
					}
					file, err := os.OpenFile(s.path, os.O_APPEND|os.O_WRONLY, 0)
					s.must(err)
					for _, do := range tt.before {
						do(s)
						_ = s.look()
					}
					// The writer ends its line in the file that it has open.
					half := ""
					if end < cut {
						half = rest[:strings.IndexByte(rest, '\n')+1]
					}
					_, err = file.WriteString(half)
					s.must(err)
					s.must(file.Close())
					if restart == 2 && !strings.Contains(tt.name, "there who reads") {
						s.restart()
					}
					for _, do := range tt.after {
						do(s)
					}
					s.write(s.path, rest[len(half):]+logOf(2, 4))
					for range 4 {
						s.mustLook()
					}
					s.same(text + logOf(2, 4))
					if s.keeper.lost() != 0 {
						t.Fatalf("cut %d, restart %d: %d bytes lost", cut, restart, s.keeper.lost())
					}
					s.f.Close(t.Context())
				}
			}
		})
	}
}

// mustLookAway does something behind the back of the one who reads.
func (s *site) mustLookAway(do func(*site)) { do(s) }

func TestFirstStartReadsAllOldestFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	s.must(os.WriteFile(s.path+"-20260103.gz", packed(logOf(0, 10)), 0o600))
	s.write(s.path+".0", logOf(10, 20))
	s.write(s.path+"-20260101", logOf(20, 30)+line(30)) // without an end
	s.write(s.path, logOf(31, 40))
	s.write(s.path+".conf", "[general]\nqueue_log = yes\n")
	s.must(os.Mkdir(s.path+".d", 0o700))
	s.mustLook()
	s.same(logOf(0, 40))
	var names []string
	for _, f := range s.keeper.files {
		names = append(names, filepath.Base(f.Name))
		if f.Done != (filepath.Base(f.Name) != "queue_log") {
			t.Errorf("done: %+v", f)
		}
	}
	if got := strings.Join(names, " "); got != "queue_log-20260103.gz queue_log.0 queue_log-20260101 queue_log" {
		t.Errorf("read in the order %s", got)
	}
	for e, n := range s.keeper.events {
		if n != 1 {
			t.Errorf("%s was handed in %d times", e, n)
		}
	}
	if n := strings.Count(s.log.String(), "level="); n != 1 || !strings.Contains(s.log.String(), "queue_log.conf") {
		t.Errorf("logged: %s", s.log)
	}
}

func TestLinesAreMissing(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	s.write(s.path, logOf(0, 100))
	s.mustLook()
	s.f.Close(t.Context())
	// The next one fails in the middle, and then the log is gone.
	s.restart()
	s.write(s.path, logOf(100, 200))
	calls := 0
	s.lines = 10
	s.restart()
	s.keeper.failing = func() (error, error) {
		if calls++; calls > 3 {
			return errors.New("the database is away"), nil
		}
		return nil, nil
	}
	if err := s.look(); !errors.Is(err, feed.ErrStore) {
		t.Fatalf("look: %v", err)
	}
	s.keeper.failing = nil
	size := int64(len(logOf(0, 200)))
	s.must(os.Remove(s.path))
	s.write(s.path, logOf(200, 210))
	for range 5 {
		s.mustLook()
	}
	s.same(logOf(0, 130) + logOf(200, 210))
	if want := size - int64(len(logOf(0, 130))); s.keeper.lost() != want || !s.keeper.files[0].Done {
		t.Errorf("%d bytes lost, want %d: %+v", s.keeper.lost(), want, s.keeper.files[0])
	}
	if n := strings.Count(s.log.String(), "events may be missing"); n != 1 {
		t.Errorf("told %d times:\n%s", n, s.log)
	}
	// It turns up again.
	turnedUp := s.path + ".found"
	s.write(turnedUp, logOf(0, 200))
	done, err := s.f.Import(t.Context(), turnedUp, false, nil)
	if err != nil || done.Lines != 70 || done.New != 70 {
		t.Errorf("import: %+v, %v", done, err)
	}
	s.same(logOf(0, 210))
}

func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	days := 0
	s.f.Pack = func(context.Context, string) (bool, error) { days++; return false, nil }
	for range 3 {
		if err := s.look(); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("no file: %v", err)
		}
	}
	if s.keeper.swept != 1 || days != 3 {
		t.Errorf("while there is no file, calls are swept %d times and days packed %d times", s.keeper.swept, days)
	}
	s.must(os.Mkdir(s.path, 0o700))
	if err := s.look(); err == nil || !strings.Contains(err.Error(), "it is no file") {
		t.Fatalf("a folder: %v", err)
	}
	s.must(os.Remove(s.path))
	s.must(os.WriteFile(s.path, packed(logOf(0, 5)), 0o600))
	if err := s.look(); err == nil || !strings.Contains(err.Error(), "admin queues import") {
		t.Fatalf("a packed file: %v", err)
	}
	s.must(os.Remove(s.path))
	s.write(s.path, logOf(0, 5))
	s.mustLook()
	s.must(os.Rename(s.path, s.path+".1"))
	s.must(os.Mkdir(s.path, 0o700))
	s.write(s.path+".1", logOf(5, 7)) // the writer goes on with it
	if err := s.look(); err == nil {
		t.Error("a folder in its place is not told")
	}
	s.same(logOf(0, 7))
	s.must(os.Remove(s.path))
	s.mustLook() // for a moment it may be away
	s.now = s.now.Add(time.Minute)
	if err := s.look(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is away: %v", err)
	}
}

func TestMalformedLines(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	long := strings.Repeat("x", 20<<20)
	s.write(s.path, line(0)+"\n\nrubbish\n"+line(1)+"\n\x00\x00\x00\x00"+line(2)+"\n"+line(3)+"\r\n")
	s.mustLook()
	for n := 0; n < len(long); n += 4 << 20 {
		s.write(s.path, long[n:n+4<<20])
		s.mustLook()
	}
	s.write(s.path, "\n"+line(4)+"\n")
	s.mustLook()
	s.same(strings.Join([]string{line(0), line(1), line(3), line(4)}, "\n") + "\n")
	f := s.keeper.files[0]
	if f.Bad != 4 || f.Lines != 8 || len(s.keeper.bad) != 4 {
		t.Errorf("%d of %d lines are malformed, %d shown", f.Bad, f.Lines, len(s.keeper.bad))
	}
	for _, b := range s.keeper.bad {
		if len(b.Line) > 200 || b.Why == "" {
			t.Errorf("shown: %d bytes, %q", len(b.Line), b.Why)
		}
	}
	s.restart()
	s.mustLook()
	if len(s.keeper.bad) != 4 || s.keeper.files[0].Lines != 8 {
		t.Error("lines were read twice")
	}
}

func TestOneReads(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	s.write(s.path, logOf(0, 10))
	s.mustLook()
	first := s.f
	s.f = nil
	s.restart()
	s.f.Holder = "another"
	if s.keeper.holder == "another" {
		t.Fatal("it has the claim already")
	}
	if err := s.look(); !errors.Is(err, feed.ErrNotOurs) {
		t.Fatalf("two read at once: %v", err)
	}
	// The first one lets others have a turn after a while.
	s.now = s.now.Add(time.Minute)
	if _, err := first.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.write(s.path, logOf(10, 20))
	s.mustLook()
	s.same(logOf(0, 20))
	if _, err := first.Look(t.Context()); !errors.Is(err, feed.ErrNotOurs) {
		t.Fatalf("two read at once: %v", err)
	}
	s.f.Close(t.Context())
	s.write(s.path, logOf(20, 30))
	if _, err := first.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.same(logOf(0, 30))
	for e, n := range s.keeper.events {
		if n != 1 {
			t.Errorf("%s was handed in %d times", e, n)
		}
	}
	first.Close(t.Context())
	if s.keeper.holder != "" {
		t.Error("the claim is not given back")
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	s.write(s.path, logOf(50, 60)+line(60)[:20])
	old := filepath.Join(t.TempDir(), "old.gz")
	s.must(os.WriteFile(old, packed(logOf(0, 30)+line(30)), 0o600))
	for i, want := range []feed.Imported{{Lines: 31, New: 31}, {}} {
		done, err := s.f.Import(t.Context(), old, false, nil)
		if done.File = (feed.File{}); err != nil || done != want {
			t.Errorf("time %d: %+v, %v", i, done, err)
		}
	}
	done, err := s.f.Import(t.Context(), old, true, nil)
	if err != nil || done.Lines != 31 || done.Known != 31 || done.File.Lines != 31 {
		t.Errorf("again: %+v, %v", done, err)
	}
	if done, err = s.f.Import(t.Context(), s.path, false, nil); err != nil || done.Lines != 10 || done.File.Done {
		t.Errorf("the log itself: %+v, %v", done, err)
	}
	s.write(s.path, line(60)[20:]+"\n")
	s.mustLook()
	s.same(logOf(0, 31) + logOf(50, 61))
	if s.keeper.swept != 4 { // three that read something, and a look
		t.Errorf("swept %d times", s.keeper.swept)
	}
	rubbish := filepath.Join(t.TempDir(), "rubbish")
	s.write(rubbish, "root:x:0:0\n")
	if _, err := s.f.Import(t.Context(), rubbish, false, nil); !errors.Is(err, feed.ErrNoLog) {
		t.Errorf("rubbish: %v", err)
	}
	cut := packed(logOf(70, 90))
	s.must(os.WriteFile(old, cut[:len(cut)-9], 0o600))
	if _, err := s.f.Import(t.Context(), old, false, nil); err == nil {
		t.Error("a packed file without its end is imported without an error")
	}
	s.must(os.WriteFile(old, cut, 0o600))
	if _, err := s.f.Import(t.Context(), old, false, nil); err != nil {
		t.Error(err)
	}
	s.same(logOf(0, 31) + logOf(50, 61) + logOf(70, 90))
}

// TestRunFollows is the loop, with a clock that stands still unless all wait.
func TestRunFollows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, dir)
		s.f.Now = nil
		var packed atomic.Int64
		s.f.Pack = func(context.Context, string) (bool, error) { return packed.Add(1) == 1, nil }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.f.Run(ctx) }()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		s.write(s.path, logOf(0, 10))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s.same(logOf(0, 10))
		before, _ := s.keeper.read()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if read, swept := s.keeper.read(); !read.After(before.Add(time.Minute)) || swept < 2 || packed.Load() < 100 {
			t.Errorf("read %v, swept %d times, packed %d times", read, swept, packed.Load())
		}
		s.must(os.Remove(s.path))
		time.Sleep(time.Minute)
		synctest.Wait()
		stands, _ := s.keeper.read()
		time.Sleep(time.Minute)
		synctest.Wait()
		if read, _ := s.keeper.read(); !read.Equal(stands) {
			t.Error("a log that is away is said to be read to its end")
		}
		cancel()
		<-ended
		if s.keeper.holder != "" {
			t.Error("the claim is not given back")
		}
		log := s.log.String()
		if strings.Count(log, "trying again") != 2 || strings.Count(log, "is read again") != 1 {
			t.Errorf("logged:\n%s", log)
		}
	})
}

// FuzzFile reads whatever lies where a log should be, packed or not.
func FuzzFile(f *testing.F) {
	f.Add([]byte(logOf(0, 3)), true)
	f.Add(packed(logOf(0, 3)), false)
	f.Add([]byte("\x1f\x8b\x08"), false)
	f.Add([]byte("BZh91AY&SY"), false)
	f.Add([]byte("\x00\n\n1795211500|a|b|c|d"), true)
	f.Fuzz(func(t *testing.T, text []byte, pack bool) {
		s := newSite(t, t.TempDir())
		defer func() { s.f.Close(context.Background()) }()
		if pack {
			text = packed(string(text))
		}
		s.must(os.WriteFile(s.path+".1", text, 0o600))
		s.write(s.path, logOf(0, 2))
		for range 3 {
			s.mustLook()
		}
		for n := range 2 {
			var p queues.Parser
			e, _ := p.Parse(line(n))
			if s.keeper.events[e] == 0 {
				t.Fatalf("%s is missing", e)
			}
		}
		_, _ = s.f.Import(context.Background(), s.path+".1", true, nil)
	})
}

// TestPackedMeanwhile: nobody looked while the log was rotated, and it is being packed when somebody does.
func TestPackedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	s.write(s.path, logOf(0, 50))
	s.mustLook()
	s.f.Close(t.Context())
	data := packed(logOf(0, 100))
	s.must(os.Remove(s.path))
	s.must(os.WriteFile(s.path+".1.gz", data[:60], 0o600))
	s.must(os.Chtimes(s.path+".1.gz", s.now, s.now))
	s.write(s.path, logOf(100, 110))
	s.restart()
	for range 10 {
		s.mustLook()
	}
	s.same(logOf(0, 50) + logOf(100, 110))
	s.must(os.WriteFile(s.path+".1.gz", data, 0o600))
	s.must(os.Chtimes(s.path+".1.gz", s.now, s.now))
	s.mustLook()
	s.same(logOf(0, 110))
	if f := s.keeper.files; len(f) != 2 || !f[0].Done || f[0].Lost != 0 || f[0].Lines != 100 {
		t.Errorf("%+v", f)
	}
}

// TestCopiedToItsPlace: the log comes from another machine, each time as another file.
func TestCopiedToItsPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	text := logOf(0, 20)
	for n := 1; n <= len(text); n += 7 {
		s.write(s.path+"~", text[:n])
		s.must(os.Rename(s.path+"~", s.path))
		s.mustLook()
	}
	s.write(s.path+"~", text)
	s.must(os.Rename(s.path+"~", s.path))
	s.mustLook()
	s.same(text)
	if f := s.keeper.files; len(f) != 1 || f[0].Bad != 0 || f[0].Lines != 20 {
		t.Errorf("%+v", f)
	}
}

// TestHalfALine: the begin of a line may look like another event.
func TestHalfALine(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	s.write(s.path, logOf(40, 50))
	whole := logOf(0, 30)
	s.write(s.path+".1", whole[:len(whole)-2]) // it is being brought back
	s.must(os.Chtimes(s.path+".1", s.now, s.now))
	s.mustLook()
	s.mustLook()
	s.same(logOf(0, 29) + logOf(40, 50))
	s.write(s.path+".1", whole[len(whole)-2:])
	s.must(os.Chtimes(s.path+".1", s.now, s.now))
	s.mustLook()
	s.same(logOf(0, 30) + logOf(40, 50))
}

func TestTurnsAreTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	first := s.f
	s.f = nil
	s.restart()
	other := s.f
	other.Holder = "another"
	for n := range 10 {
		s.write(s.path, logOf(10*n, 10*n+10))
		s.now = s.now.Add(time.Minute)
		who := first
		if n%2 == 1 {
			who = other
		}
		for range 2 { // the first one begins its turn
			if _, err := who.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.now = s.now.Add(time.Minute)
		}
		if s.keeper.holder != "" {
			t.Fatal("it does not end its turn")
		}
	}
	s.same(logOf(0, 100))
	for e, n := range s.keeper.events {
		if n != 1 {
			t.Errorf("%s was handed in %d times", e, n)
		}
	}
	first.Close(t.Context())
	other.Close(t.Context())
}

// TestTurnsWithoutLog: whoever cannot read the log does not keep others from reading files.
func TestTurnsWithoutLog(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	for range 2 { // there is no file yet
		if _, err := s.f.Look(t.Context()); err == nil {
			t.Fatal("it reads a file that is not there")
		}
		s.now = s.now.Add(time.Minute)
	}
	if s.keeper.holder != "" {
		t.Error("it does not end its turn")
	}
	s.write(s.path, logOf(0, 10))
	if _, err := s.f.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.same(logOf(0, 10))
	s.f.Close(t.Context())
}

// TestRotatedAreKnown: after a turn of another server they are not read again, unless they look different.
func TestRotatedAreKnown(t *testing.T) {
	t.Parallel()
	s := newSite(t, t.TempDir())
	old := s.path + ".1"
	s.write(old, logOf(10, 20))
	s.write(s.path, logOf(20, 30))
	s.mustLook()
	first := s.f
	first.Close(t.Context())
	s.f = nil
	s.restart()
	s.f.Holder = "another"
	s.write(s.path, logOf(30, 40))
	s.mustLook()
	s.f.Close(t.Context())
	info, err := os.Stat(old)
	s.must(err)
	s.must(os.WriteFile(old, []byte(logOf(50, 60)), 0o600))
	s.must(os.Chtimes(old, info.ModTime(), info.ModTime()))
	s.f = first
	s.mustLook()
	s.same(logOf(10, 40))
	s.must(os.Chtimes(old, s.now, s.now))
	s.restart()
	s.mustLook()
	s.same(logOf(10, 40) + logOf(50, 60))
}
