package spool_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"talktime/internal/spool"
)

// writer makes this test program a process that spools until it is killed: it prints each number when Put has
// accepted it.
const writer = "SPOOL_TEST_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writer); dir != "" {
		s := spool.New(dir)
		for n := 1; ; n++ {
			if err := s.Put(n); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println(n)
		}
	}
	os.Exit(m.Run())
}

// drain uses up all records and returns them in the order in which they came.
func drain(t *testing.T, s *spool.Spool) []int {
	t.Helper()
	var got []int
	if err := s.Each(func(_ string, data []byte) error {
		var n int
		err := json.Unmarshal(data, &n)
		got = append(got, n)
		return err
	}); err != nil {
		t.Error(err)
	}
	return got
}

func put(t *testing.T, s *spool.Spool, records ...any) {
	t.Helper()
	for _, r := range records {
		if err := s.Put(r); err != nil {
			t.Fatal(err)
		}
	}
}

func waiting(t *testing.T, s *spool.Spool, want int) {
	t.Helper()
	if n, err := s.Len(); n != want || err != nil {
		t.Errorf("%d records wait, %v; want %d", n, err, want)
	}
}

// files lists what lies in a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestOldestFirst(t *testing.T) {
	t.Parallel()
	s := spool.New(t.TempDir())
	var want []int
	for n := range 50 {
		put(t, s, n)
		want = append(want, n)
	}
	waiting(t, s, 50)
	if got := drain(t, s); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	waiting(t, s, 0)
}

// TestFolders: the folder is made for the first record, whatever it is called, and its absence is no failure.
func TestFolders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"spool", "a/b", "new-site/spool", "[odd] *?", "new-"} {
		dir := filepath.Join(t.TempDir(), name)
		s := spool.New(dir)
		waiting(t, s, 0)
		if got := drain(t, s); got != nil {
			t.Errorf("%s: got %v from nothing", name, got)
		}
		put(t, s, 7)
		waiting(t, s, 1)
		if got := drain(t, s); !slices.Equal(got, []int{7}) {
			t.Errorf("%s: got %v", name, got)
		}
		if left := files(t, dir); len(left) != 0 {
			t.Errorf("%s: %v are left", name, left)
		}
	}
}

// TestGroupMayRead: the user that runs Asterisk writes what the server's user settles.
func TestGroupMayRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, spool.New(dir), 1)
	info, err := os.Stat(filepath.Join(dir, files(t, dir)[0]))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v; want 0640", info.Mode(), err)
	}
}

func TestOnlyWholeRecordsAreSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"new-00000000000000000001-2", ".hidden.json", "1.json.bad", "README"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"half`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := spool.New(dir)
	waiting(t, s, 0)
	if got := drain(t, s); got != nil {
		t.Errorf("got %v", got)
	}
	if left := files(t, dir); len(left) != 4 {
		t.Errorf("left are %v", left)
	}
}

// TestWhatUseSays: what becomes of the middle one of three records.
func TestWhatUseSays(t *testing.T) {
	t.Parallel()
	broken := errors.New("the database is away")
	for _, test := range []struct {
		name string
		says error
		want error
		seen int // records that were handed over
		left int // records that wait afterwards
		bad  int // records set aside
	}{
		{"one that was used is gone", nil, nil, 3, 0, 0},
		{"a useless one is set aside", fmt.Errorf("it is rubbish: %w", spool.ErrUseless), nil, 3, 0, 1},
		{"one for later lets the others pass", fmt.Errorf("locked: %w", spool.ErrLater), nil, 3, 1, 0},
		{"a failure ends the pass and keeps it", broken, broken, 2, 2, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := spool.New(dir)
			put(t, s, 1, 2, 3)
			seen := 0
			err := s.Each(func(_ string, data []byte) error {
				seen++
				if string(data) == "2" {
					return test.says
				}
				return nil
			})
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, test.want)
			}
			bad := 0
			for _, name := range files(t, dir) {
				if strings.HasSuffix(name, ".json.bad") {
					bad++
				}
			}
			if seen != test.seen || bad != test.bad {
				t.Errorf("%d handed over, %d set aside; want %d, %d", seen, bad, test.seen, test.bad)
			}
			waiting(t, s, test.left)
		})
	}
}

// TestUnreadableFileKeepsNobodyWaiting: a folder in the place of a record stands for any file that cannot be read.
func TestUnreadableFileKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "0.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := spool.New(dir)
	put(t, s, 1)
	used := 0
	err := s.Each(func(string, []byte) error { used++; return nil })
	if used != 1 || err == nil || !strings.Contains(err.Error(), "0.json") {
		t.Errorf("%d records were used, and the error is %v", used, err)
	}
}

func TestWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), "/proc/spool"} {
		if err := spool.New(dir).Put(1); err == nil {
			t.Errorf("%s: a record was accepted", dir)
		}
	}
	if _, err := spool.New(file).Len(); err == nil {
		t.Error("a file was taken for a spool")
	}
	if os.Getuid() != 0 { // root may write anywhere
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		if err := spool.New(dir).Put(1); err == nil {
			t.Error("a record was accepted in a folder that is read-only")
		}
	}
	dir := t.TempDir()
	if err := spool.New(dir).Put(func() {}); err == nil || len(files(t, dir)) != 0 {
		t.Errorf("what is no JSON: got %v and the files %v", err, files(t, dir))
	}
}

// TestManyAtOnce: writers and readers at once lose nothing and hand over nothing half. Two readers may both get a
// record, as after a crash between use and removal; whoever uses it must not mind.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const writers, each = 4, 25
	s := spool.New(filepath.Join(t.TempDir(), "spool"))
	var mu sync.Mutex
	seen := map[string]int{}
	use := func(_ string, data []byte) error {
		var text string
		if err := json.Unmarshal(data, &text); err != nil || len(text) != 3000 {
			t.Errorf("half a record: %d bytes, %v", len(data), err)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[strings.TrimSpace(text)]++
		if seen[strings.TrimSpace(text)]%5 == 4 {
			return spool.ErrUseless // two readers may set the same one aside, too
		}
		return nil
	}
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				if err := s.Put(fmt.Sprintf("%3000s", fmt.Sprintf("%d-%d", w, n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		reading.Go(func() {
			for {
				if err := s.Each(use); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	if err := s.Each(use); err != nil {
		t.Error(err)
	}
	if len(seen) != writers*each {
		t.Errorf("%d records came out, want %d", len(seen), writers*each)
	}
	waiting(t, s, 0)
}

// TestKilledWriter: whatever Put accepted before the process was killed is there, and nothing half beside it.
func TestKilledWriter(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writer+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for accepted < 20 {
		if _, err := fmt.Fscan(out, &accepted); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := fmt.Fscan(out, &accepted); err != nil {
			break
		}
	}
	_ = cmd.Wait() // killed
	got := drain(t, spool.New(dir))
	for i, n := range got {
		if n != i+1 {
			t.Fatalf("record %d is %d", i, n)
		}
	}
	if len(got) < accepted || len(got) > accepted+1 {
		t.Errorf("%d records came out, %d were accepted", len(got), accepted)
	}
}
