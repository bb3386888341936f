package pbx_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"talktime/models"
	"talktime/pbx"
)

// recorded is a folder with recordings, a sibling with nearly its name, and a canary outside that nobody may read.
func recorded(t testing.TB) (folder string) {
	t.Helper()
	top := t.TempDir()
	folder = filepath.Join(top, "monitor")
	for name, text := range map[string]string{
		"monitor/2026/11/20/late.wav":   "the day before",
		"monitor/2026/11/21/q-1.wav":    "one",
		"monitor/2026/11/21/both.WAV":   "of the day",
		"monitor/2026/11/22/early.gsm":  "the day after",
		"monitor/both.WAV":              "at the top",
		"monitor/top.mp3":               "top",
		"monitor/odd ü name'.wav":       "odd",
		"monitor/notes.txt":             "text",
		"monitor/wav":                   "no extension",
		"monitor/folder.wav/inside.wav": "inside",
		"monitor-old/2025/old.wav":      "canary",
		"canary.wav":                    "canary",
	} {
		file := filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"out.wav": "../canary.wav", "absolute.wav": filepath.Join(top, "canary.wav"), "sibling": "../monitor-old", "up": "..", "loop.wav": "loop.wav",
		"within.wav": "2026/11/21/q-1.wav", "inside": "2026/11/21", "dangling.wav": "gone.wav", "device.wav": "/dev/zero", "2026/11/21/deep.wav": "../../../../canary.wav",
	} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe.wav"), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

func contents(t *testing.T, f *os.File) string {
	t.Helper()
	text, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestOpenRecording: what is a recording is opened, and nothing else.
func TestOpenRecording(t *testing.T) {
	t.Parallel()
	r := pbx.NewRecordings(recorded(t))
	for name, want := range map[string]string{
		"2026/11/21/q-1.wav": "one", "/2026/11/21/q-1.wav": "one", "top.mp3": "top", "odd ü name'.wav": "odd", "folder.wav/inside.wav": "inside",
	} {
		f, info, err := r.Open(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if got := contents(t, f); got != want || info.Size() != int64(len(want)) {
			t.Errorf("%q: %q of %d bytes, want %q", name, got, info.Size(), want)
		}
	}
	for _, name := range []string{
		"", "/", ".", "..", "gone.wav", "2026/11/21/gone.wav", "2026/gone/q-1.wav", "top.mp3/x.wav", "2026", "2026/11/21", "folder.wav", "folder.wav/",
		"within.wav", "inside/q-1.wav", "notes.txt", "wav", "top.MP3", "top.mp3.", "top.mp3 ", "q-1", ".wav",
		"../canary.wav", "/../canary.wav", "2026/../../canary.wav", "2026/../top.mp3", "./top.mp3", "2026/./11/21/q-1.wav", "2026//11/21/q-1.wav", "//top.mp3",
		"../monitor-old/2025/old.wav", "sibling/2025/old.wav", "up/canary.wav", "out.wav", "absolute.wav", "loop.wav", "dangling.wav", "device.wav", "pipe.wav", "2026/11/21/deep.wav",
		"/etc/passwd", "/dev/zero.wav", "..\\canary.wav", "%2e%2e/canary.wav", "..%2fcanary.wav",
		"top.mp3\x00", "top\x00.mp3", "\x00/../canary.wav", "top.mp3\n", "a\r\nb.wav", "\x7f.wav", "\xff\xfe.wav",
		strings.Repeat("a", 300) + ".wav", strings.Repeat("a/", 600) + "b.wav",
	} {
		f, _, err := r.Open(name)
		if f != nil || !errors.Is(err, models.ErrNotFound) {
			t.Errorf("%q: %v, %v", name, f, err)
		}
	}
	if _, _, err := pbx.NewRecordings(filepath.Join(t.TempDir(), "gone")).Open("top.mp3"); !errors.Is(err, models.ErrNotFound) {
		t.Error("of a folder that is not there:", err)
	}
}

// TestRecordingExtensions: an operator's list replaces ours.
func TestRecordingExtensions(t *testing.T) {
	t.Parallel()
	r := pbx.NewRecordings(recorded(t), "txt")
	if f, _, err := r.Open("notes.txt"); err != nil || contents(t, f) != "text" {
		t.Error(err)
	}
	if _, _, err := r.Open("top.mp3"); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
}

// TestRecordingOfCall: the file is where the CDR says it is, or where Asterisk puts it.
func TestRecordingOfCall(t *testing.T) {
	t.Parallel()
	folder := recorded(t)
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, r := range []*pbx.Recordings{pbx.NewRecordings(folder), pbx.NewRecordings(folder + "/")} {
		for file, want := range map[string]string{
			"q-1.wav": "one", "/q-1.wav": "one", "2026/11/21/q-1.wav": "one", folder + "/2026/11/21/q-1.wav": "one", "both.WAV": "of the day",
			"top.mp3": "top", "late.wav": "the day before", "early.gsm": "the day after",
		} {
			if f, _, err := r.OfCall(file, at); err != nil || contents(t, f) != want {
				t.Errorf("%q: %v", file, err)
			}
		}
		for _, file := range []string{"", "/", "../20/late.wav", "../../../../canary.wav", "deep.wav", folder + "-old/2025/old.wav", folder + "/../canary.wav", "gone.wav"} {
			if f, _, err := r.OfCall(file, at); f != nil || !errors.Is(err, models.ErrNotFound) {
				t.Errorf("%q: %v, %v", file, f, err)
			}
		}
	}
}

// TestRecordingThatMayNotBeRead is no recording that is not there: the operator must hear of it.
func TestRecordingThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 { // who may read everything
		return
	}
	folder := recorded(t)
	if err := os.Chmod(filepath.Join(folder, "top.mp3"), 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := pbx.NewRecordings(folder).Open("top.mp3"); err == nil || errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
}

// FuzzOpenRecording: whatever the name is, nothing outside the folder is opened, and nothing that is no recording.
func FuzzOpenRecording(f *testing.F) {
	for _, name := range []string{"top.mp3", "../canary.wav", "up/canary.wav", "sibling/2025/old.wav", "a\x00.wav", "2026/11/21/q-1.wav", "up/monitor/top.mp3"} {
		f.Add(name)
	}
	r := pbx.NewRecordings(recorded(f))
	f.Fuzz(func(t *testing.T, name string) {
		file, _, err := r.OfCall(name, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
		if err == nil && contents(t, file) == "canary" {
			t.Fatalf("%q is outside", name)
		}
	})
}
