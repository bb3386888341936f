package pbx_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"talktime/models"
	"talktime/pbx"
)

// canaries are the files beside the folder of recorded, which nothing may touch.
func canaries(folder string) []string {
	return []string{filepath.Join(folder, "../canary.wav"), filepath.Join(folder, "../monitor-old/2025/old.wav")}
}

// untouched fails when a canary is not as it was.
func untouched(t *testing.T, folder string) {
	t.Helper()
	for _, file := range canaries(folder) {
		if text, err := os.ReadFile(file); err != nil || string(text) != "canary" {
			t.Errorf("%s: %q, %v", file, text, err)
		}
	}
}

// age lets a file, or all files below a folder, be last changed at a moment.
func age(t *testing.T, path string, at time.Time) {
	t.Helper()
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(path, at, at)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string, at time.Time) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, at, at)); err != nil {
		t.Fatal(err)
	}
}

func namesOf(l pbx.RecordingList) string {
	var names []string
	for _, r := range l.Found {
		names = append(names, r.Name)
	}
	return strings.Join(names, " ")
}

// TestSearchRecordings: the latest day first, and of a day what was changed last; and nothing that is no recording, or behind a link.
func TestSearchRecordings(t *testing.T) {
	t.Parallel()
	folder := recorded(t)
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	age(t, folder, noon)
	const out = "2026/11/21/out-0551234567-204-20261121-140211-1804596131.52.wav"
	put(t, filepath.Join(folder, out), "1234567", noon.Add(time.Hour))
	put(t, filepath.Join(folder, "2026/11/21/deep/er/x.mp3"), "x", noon.Add(-time.Hour))
	put(t, filepath.Join(folder, "2026/11/23/tomorrow.wav"), "x", noon.Add(-time.Hour))
	put(t, filepath.Join(folder, "2026/month.wav"), "x", noon.AddDate(0, 0, -1))
	put(t, filepath.Join(folder, "2026/13/01/no-month.wav"), "x", noon.AddDate(0, 0, -30))
	put(t, filepath.Join(folder, "auto-20261119-080000-204.wav"), "x", noon) // copied, without its age
	put(t, filepath.Join(folder, "queues/q-sales-pbx1-1792588931.53.wav"), "x", noon.AddDate(0, 0, -31))
	put(t, filepath.Join(folder, "line\nfeed.wav"), "x", noon)
	r := pbx.NewRecordings(folder)
	all := []string{
		"2026/11/23/tomorrow.wav", "2026/11/22/early.gsm", out, "2026/11/21/both.WAV", "2026/11/21/q-1.wav", "both.WAV", "folder.wav/inside.wav", "odd ü name'.wav", "top.mp3", "2026/11/21/deep/er/x.mp3",
		"2026/11/20/late.wav", "2026/month.wav", "auto-20261119-080000-204.wav", "2026/13/01/no-month.wav", "queues/q-sales-pbx1-1792588931.53.wav",
	}
	find := func(s pbx.RecordingSearch) pbx.RecordingList {
		t.Helper()
		s.Location = time.UTC
		l, err := r.Search(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := find(pbx.RecordingSearch{Most: 100})
	got := strings.Split(namesOf(l), " ")
	if namesOf(l) != strings.Join(all, " ") || l.Total != len(all) || l.More || l.Cut {
		t.Errorf("found %q\nwant %q\n%d of %d, more %v, cut %v", got, all, len(l.Found), l.Total, l.More, l.Cut)
	}
	for _, one := range l.Found {
		switch one.Name {
		case out:
			want := pbx.Recording{Name: out, Day: "2026-11-21", Size: 7, Modified: one.Modified, Format: "wav", UniqueID: "1804596131.52"}
			if one != want || !one.Modified.Equal(noon.Add(time.Hour)) {
				t.Errorf("%+v", one)
			}
		case "queues/q-sales-pbx1-1792588931.53.wav":
			if one.UniqueID != "1792588931.53" || one.Day != "2026-10-21" {
				t.Errorf("%+v", one)
			}
		default:
			if one.UniqueID != "" {
				t.Errorf("%+v", one)
			}
		}
	}
	// Every page of every size is a part of the same list.
	for size := 1; size <= len(all)+1; size++ {
		for skip := 0; skip <= len(all); skip++ {
			l := find(pbx.RecordingSearch{Skip: skip, Most: size})
			want := all[skip:min(skip+size, len(all))]
			if namesOf(l) != strings.Join(want, " ") || l.More != (skip+size < len(all)) {
				t.Fatalf("%d after %d: %q, more %v", size, skip, namesOf(l), l.More)
			}
		}
	}
	for what, tt := range map[string]struct {
		s    pbx.RecordingSearch
		want string
	}{
		"a day":            {pbx.RecordingSearch{From: "2026-11-22", To: "2026-11-23"}, "2026/11/22/early.gsm"},
		"from a day":       {pbx.RecordingSearch{From: "2026-11-22"}, "2026/11/23/tomorrow.wav 2026/11/22/early.gsm"},
		"until a day":      {pbx.RecordingSearch{To: "2026-11-01"}, "2026/13/01/no-month.wav queues/q-sales-pbx1-1792588931.53.wav"},
		"text":             {pbx.RecordingSearch{Text: "EARLY"}, "2026/11/22/early.gsm"},
		"text of a folder": {pbx.RecordingSearch{Text: "queues/"}, "queues/q-sales-pbx1-1792588931.53.wav"},
		"a number":         {pbx.RecordingSearch{Number: "0551234567"}, out},
		"an extension":     {pbx.RecordingSearch{Number: "204"}, out + " auto-20261119-080000-204.wav"},
		"part of a number": {pbx.RecordingSearch{Number: "55123"}, ""},
		"end of a number":  {pbx.RecordingSearch{Number: "551234567"}, ""},
		"number and text":  {pbx.RecordingSearch{Number: "1792588931", Text: "sales"}, "queues/q-sales-pbx1-1792588931.53.wav"},
		"canary":           {pbx.RecordingSearch{Text: "canary"}, ""},
		"a sibling":        {pbx.RecordingSearch{Text: "old.wav"}, ""},
	} {
		tt.s.Most = 100
		if l := find(tt.s); namesOf(l) != tt.want || l.Total != len(l.Found) {
			t.Errorf("%s: %q, want %q", what, namesOf(l), tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Search(ctx, pbx.RecordingSearch{Most: 1, Location: time.UTC}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := pbx.NewRecordings(filepath.Join(folder, "gone")).Search(t.Context(), pbx.RecordingSearch{Most: 1, Location: time.UTC}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// TestSearchStopsWhenItHasEnough: what an old day has is not looked at for a page that a later one fills.
func TestSearchStopsWhenItHasEnough(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Log("root may read every folder: what is not looked at shows in Total alone")
	}
	folder := t.TempDir()
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for day := range 20 {
		for n := range 10 {
			put(t, filepath.Join(folder, noon.AddDate(0, 0, -day).Format("2006/01/02"), fmt.Sprintf("%d.wav", n)), "x", noon)
		}
	}
	if err := os.Chmod(filepath.Join(folder, "2026/11/03"), 0); err != nil {
		t.Fatal(err)
	}
	r := pbx.NewRecordings(folder)
	l, err := r.Search(t.Context(), pbx.RecordingSearch{Most: 15, Location: time.UTC})
	if err != nil || len(l.Found) != 15 || !l.More || l.Cut || l.Total != 20 {
		t.Errorf("%d of %d, more %v, cut %v, %v", len(l.Found), l.Total, l.More, l.Cut, err)
	}
	if os.Getuid() != 0 {
		if l, err := r.Search(t.Context(), pbx.RecordingSearch{Most: 500, Location: time.UTC}); err != nil || len(l.Found) != 190 || !l.Cut {
			t.Errorf("a folder that may not be read: %d, cut %v, %v", len(l.Found), l.Cut, err)
		}
	}
}

// TestDeleteRecording: what is a recording is deleted, and nothing else.
func TestDeleteRecording(t *testing.T) {
	t.Parallel()
	folder := recorded(t)
	r := pbx.NewRecordings(folder)
	now := time.Now().Add(time.Hour)
	for _, name := range badNames() {
		if _, err := r.Delete(name, now); !errors.Is(err, models.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"within.wav", "out.wav", "device.wav", "pipe.wav", "folder.wav/inside.wav", "2026/11/21/q-1.wav"} {
		if _, err := os.Lstat(filepath.Join(folder, name)); err != nil {
			t.Errorf("%q is gone: %v", name, err)
		}
	}
	untouched(t, folder)
	for _, at := range []time.Time{time.Now(), time.Now().Add(30 * time.Second)} {
		if _, err := r.Delete("2026/11/21/q-1.wav", at); !errors.Is(err, models.ErrConflict) {
			t.Errorf("while it is written: %v", err)
		}
	}
	for _, name := range []string{"voicemail/default/204/INBOX/msg0000.wav", "Sounds/en/hello.gsm", "moh/a.wav", "sub/meetme/a.wav"} {
		put(t, filepath.Join(folder, name), "x", now.AddDate(0, 0, -1))
		if _, err := r.Delete(name, now); !errors.Is(err, models.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Delete("inside/q-1.wav", now); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("behind a link: %v", err)
	}
	info, err := r.Delete("2026/11/21/q-1.wav", now)
	if err != nil || info.Size() != 3 {
		t.Fatal(err)
	}
	if _, err := r.Delete("/2026/11/21/q-1.wav", now); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(folder, "2026/11/21/q-1.wav")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}

// badNames are names of what is no recording in the folder of recorded, as somebody may send them.
func badNames() []string {
	return []string{
		"", "/", ".", "..", "2026", "2026/11/21", "folder.wav", "folder.wav/", "notes.txt", "wav", "within.wav", "out.wav", "absolute.wav", "loop.wav", "dangling.wav", "device.wav", "pipe.wav", "2026/11/21/deep.wav",
		"../canary.wav", "/../canary.wav", "2026/../../canary.wav", "up/canary.wav", "sibling/2025/old.wav", "../monitor-old/2025/old.wav", "2026/../top.mp3", "./top.mp3", "2026//11/21/q-1.wav", "//top.mp3",
		"/etc/passwd", "..\\canary.wav", "%2e%2e/canary.wav", "..%2fcanary.wav", "top.mp3\x00", "\x00/../canary.wav", "top.mp3\n", "a\r\nb.wav", "\xff\xfe.wav",
		strings.Repeat("a", 300) + ".wav", strings.Repeat("a/", 600) + "b.wav",
	}
}

// TestRetention: what was changed long enough ago goes, with the folders that it leaves empty; nothing else does.
func TestRetention(t *testing.T) {
	t.Parallel()
	folder := recorded(t)
	now := time.Date(2026, 12, 21, 12, 0, 0, 0, time.UTC)
	old := now.AddDate(0, 0, -40)
	age(t, filepath.Dir(folder), old)
	put(t, filepath.Join(folder, "2025/03/04/a.wav"), "12345", old)
	put(t, filepath.Join(folder, "2025/03/05/open.wav"), "x", now) // a call of that day goes on, or somebody has put it back
	put(t, filepath.Join(folder, "2026/12/21/clock.wav"), "x", old)
	// What is no recording of a call, though it ends like one, or is said to be younger than its file.
	others := []string{
		"voicemail/default/204/INBOX/msg0000.wav", "voicemail/default/204/INBOX/2025/03/04/msg-1700000000.1.wav", "sounds/en/hello.gsm", "moh/tune.wav", "both.WAV", "top.mp3", "folder.wav/inside.wav", "queues/q-1700000000.1.wav",
		"2025/03/note-1700000000.1.wav", "2025/03/03/copy/voicemail/msg0000.wav", "q-sales-1804596131.52.wav", "1234.567.wav", "0551234567.wav", "20250101.wav",
	}
	for _, name := range others {
		put(t, filepath.Join(folder, name), "x", old)
	}
	put(t, filepath.Join(folder, "q-sales-1700000000.1.wav"), "12", old)
	put(t, filepath.Join(folder, "auto-20250101-235959-204.wav"), "123", old)
	if err := os.MkdirAll(filepath.Join(folder, "2024/12/31"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(folder, "2026/11/21/young.wav"), "x", now.AddDate(0, 0, -30).Add(time.Second))
	k := &pbx.Retention{Recordings: pbx.NewRecordings(folder), Now: func() time.Time { return now }}
	if s, err := k.Run(t.Context()); err != nil || s.Files != 0 || k.Last() != nil {
		t.Errorf("kept for ever: %+v, %v", s, err)
	}
	k.Keep = 30 * 24 * time.Hour
	due := []string{"2025/03/04/a.wav", "2026/11/20/late.wav", "2026/11/21/both.WAV", "2026/11/21/q-1.wav", "2026/11/22/early.gsm", "auto-20250101-235959-204.wav", "q-sales-1700000000.1.wav"}
	preview, err := k.Due(t.Context(), 100)
	slices.Sort(preview.Names)
	if err != nil || !slices.Equal(preview.Names, due) || preview.Files != len(due) || preview.Bytes != 50 || preview.More {
		t.Fatalf("due: %+v, %v", preview, err)
	}
	if few, err := k.Due(t.Context(), 2); err != nil || len(few.Names) != 2 || few.Files != len(due) {
		t.Errorf("%+v, %v", few, err)
	}
	// Several processes do it at a time: together they delete each file once.
	var mu sync.Mutex
	var files, folders int
	var bytes int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			other := &pbx.Retention{Recordings: pbx.NewRecordings(folder), Keep: k.Keep, Now: k.Now}
			s, err := other.Run(t.Context())
			if last := other.Last(); err != nil || s.Failed != 0 || s.More || last == nil || last.Files != s.Files || !last.At.Equal(now) {
				t.Errorf("%+v, %v", s, err)
			}
			mu.Lock()
			defer mu.Unlock()
			files, bytes, folders = files+s.Files, bytes+s.Bytes, folders+s.Folders
		})
	}
	all.Wait()
	if files != len(due) || bytes != preview.Bytes || folders != 4 { // 2024, 2024/12, 2024/12/31 and 2025/03/04; those around the day itself stay a while
		t.Errorf("%d files of %d bytes, %d folders", files, bytes, folders)
	}
	untouched(t, folder)
	for _, name := range append(others, "2025/03/05/open.wav", "2026/12/21/clock.wav", "2026/11/21/young.wav", "notes.txt", "wav", "out.wav", "within.wav", "pipe.wav", "device.wav", "up", "sibling", "folder.wav") {
		if _, err := os.Lstat(filepath.Join(folder, name)); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
	for _, name := range append(due, "2024", "2025/03/04") {
		if _, err := os.Lstat(filepath.Join(folder, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	if s, err := k.Run(t.Context()); err != nil || s.Files != 0 || s.Folders != 0 {
		t.Errorf("again: %+v, %v", s, err)
	}
}

// TestRetentionWithADoubtfulClock deletes nothing, and says why.
func TestRetentionWithADoubtfulClock(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	now := time.Date(2026, 12, 21, 12, 0, 0, 0, time.UTC)
	put(t, filepath.Join(folder, "2026/11/20/a.wav"), "x", now.AddDate(0, 0, -31))
	var skew time.Duration
	var away error
	k := &pbx.Retention{
		Recordings: pbx.NewRecordings(folder), Keep: 24 * time.Hour, Now: func() time.Time { return now },
		Skew: func(context.Context) (time.Duration, error) { return skew, away },
	}
	for _, skew = range []time.Duration{time.Hour + time.Second, -time.Hour - time.Second, 20 * 365 * 24 * time.Hour} {
		if s, err := k.Run(t.Context()); !errors.Is(err, pbx.ErrClock) || s.Files != 0 || k.Last() == nil || !errors.Is(k.Last().Err, pbx.ErrClock) {
			t.Errorf("%s: %+v, %v", skew, s, err)
		}
	}
	skew, away = 0, models.ErrUnavailable
	if s, err := k.Run(t.Context()); !errors.Is(err, pbx.ErrClock) || s.Files != 0 {
		t.Errorf("no database: %+v, %v", s, err)
	}
	skew, away = -time.Hour, nil
	if s, err := k.Run(t.Context()); err != nil || s.Files != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestNothingIsDeletedBehindALink, which somebody puts in the place of a folder while recordings are listed, read and deleted.
func TestNothingIsDeletedBehindALink(t *testing.T) {
	t.Parallel()
	folder := recorded(t)
	age(t, filepath.Dir(folder), time.Unix(1_000_000_000, 0))
	swapped := filepath.Join(folder, "2026/11/21")
	put(t, filepath.Join(folder, "../outside/old.wav"), "canary", time.Unix(1_000_000_000, 0))
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swapping.Go(func() {
		aside, link := swapped+"-aside", swapped+"-link"
		_ = os.Symlink("../../../outside", link)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Rename(swapped, aside)
			_ = os.Rename(link, swapped)
			_ = os.Rename(swapped, link)
			_ = os.Rename(aside, swapped)
			_ = os.MkdirAll(swapped, 0o700)
			_ = os.WriteFile(filepath.Join(swapped, "old.wav"), []byte("of the folder itself"), 0o600)
			_ = os.Chtimes(filepath.Join(swapped, "old.wav"), time.Unix(1_000_000_000, 0), time.Unix(1_000_000_000, 0))
		}
	})
	r := pbx.NewRecordings(folder)
	k := &pbx.Retention{Recordings: r, Keep: 24 * time.Hour, Now: func() time.Time { return time.Date(2026, 12, 21, 0, 0, 0, 0, time.UTC) }}
	opened := 0
	for range 2000 {
		if f, _, err := r.Open("2026/11/21/old.wav"); err == nil {
			opened++
			if text := contents(t, f); text == "canary" {
				t.Error("it reads what is outside")
			}
		}
		if l, err := r.Search(t.Context(), pbx.RecordingSearch{Most: 100, Text: "old.wav", Location: time.UTC}); err == nil {
			for _, one := range l.Found {
				if one.Size == int64(len("canary")) {
					t.Errorf("it lists %+v", one)
				}
			}
		}
		_, _ = r.Delete("2026/11/21/old.wav", time.Now())
		_, _ = k.Run(t.Context())
	}
	close(stop)
	swapping.Wait()
	untouched(t, folder)
	if text, err := os.ReadFile(filepath.Join(folder, "../outside/old.wav")); err != nil || string(text) != "canary" {
		t.Errorf("%q, %v", text, err)
	}
	if opened == 0 {
		t.Error("nothing was ever there: this shows nothing")
	}
}
