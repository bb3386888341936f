package adminapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/adminapi/elastix"
	"talktime/models"
	ami "talktime/pbx"
	"talktime/store/storetest"
)

// keptSounds is a folder with recordings, and what must not be had beside it.
func keptSounds(t testing.TB, sound string) (folder string, canaries []string) {
	t.Helper()
	top := t.TempDir()
	folder = filepath.Join(top, "monitor")
	for name, text := range map[string]string{
		"monitor/2027/03/09/out-1.wav": sound, "monitor/notes.txt": "canary", "monitor/2027/03/09/x.wav/a.wav": "a", "canary.wav": "canary", "monitor-old/old.wav": "canary", "monitor.wav": "canary",
	} {
		file := filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		if text == "canary" {
			canaries = append(canaries, file)
		}
	}
	for name, to := range map[string]string{"out.wav": "../canary.wav", "up": "..", "abs.wav": filepath.Join(top, "canary.wav"), "old": "../monitor-old"} {
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder, canaries
}

// watch tells whether any of some files was opened since.
func watch(t *testing.T, files []string) (opened func() bool) {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	for _, file := range files {
		if _, err := syscall.InotifyAddWatch(fd, file, syscall.IN_OPEN|syscall.IN_ACCESS); err != nil {
			t.Fatal(err)
		}
	}
	return func() bool {
		n, err := syscall.Read(fd, make([]byte, 4096))
		return n > 0 || err != syscall.EAGAIN
	}
}

// TestKeptPBXRecordings: what is a recording is sent, whole or in part, and noted; what is none is never even opened.
func TestKeptPBXRecordings(t *testing.T) {
	t.Parallel()
	sound := "RIFF" + strings.Repeat("0123456789", 1000)
	folder, canaries := keptSounds(t, sound)
	s := newSite(t, storetest.SQLite(t), kept(func(a *elastix.API) { a.Recordings = ami.NewRecordings(folder) }))
	key := s.key("recordings")
	const path = keptPath + "getwavfile&name=/2027/03/09/out-1.wav"
	for _, a := range []answer{key.get(path), key.get(keptPath + "getwavfile&name=2027%2F03%2F09%2Fout-1.wav"), key.form(keptPath+"getwavfile", "name=/2027/03/09/out-1.wav"), key.send("POST", path, "", "")} {
		if a.is(http.StatusOK); a.body != sound || a.header.Get("Content-Type") != "application/octet-stream" || a.header.Get("Content-Length") != "10004" || a.header.Get("Content-Disposition") != `attachment; filename="out-1.wav"` || a.header.Get("Accept-Ranges") != "bytes" {
			t.Errorf("%d bytes, %v", len(a.body), a.header)
		}
	}
	if head := key.send("HEAD", path, "", "").is(http.StatusOK); head.body != "" || head.header.Get("Content-Length") != "10004" || head.header.Get("Content-Disposition") == "" {
		t.Errorf("HEAD: %q, %v", head.body, head.header)
	}
	ranged := func(name, value string) *client {
		c := s.shows(key.header.Get("Authorization"))
		c.header.Set(name, value)
		return c
	}
	for value, want := range map[string]string{"bytes=0-3": "RIFF", "bytes=4-13": "0123456789", "bytes=-3": "789", "bytes=10000-": "6789"} {
		if part := ranged("Range", value).get(path).is(http.StatusPartialContent); part.body != want || part.header.Get("Content-Range") == "" {
			t.Errorf("%s: %q %v", value, part.body, part.header)
		}
	}
	ranged("Range", "bytes=10004-").get(path).is(http.StatusRequestedRangeNotSatisfiable)
	if lines := s.noted("recording.read"); len(lines) != 9 || lines[0].Actor != "token/recordings" || lines[0].Target != "/2027/03/09/out-1.wav" {
		t.Errorf("%d lines: %+v", len(lines), lines)
	}
	opened := watch(t, canaries)
	for _, name := range []string{
		"", "/", ".", "..", "/2027/03/09/gone.wav", "/2027/03/09", "/2027/03/09/x.wav", "/../canary.wav", "/2027/../../canary.wav", "..%2fcanary.wav", "%2e%2e%2fcanary.wav", "%252e%252e%252fcanary.wav", "..%5ccanary.wav",
		"/./2027/03/09/out-1.wav", "//2027/03/09/out-1.wav", "/up/canary.wav", "/out.wav", "/abs.wav", "/old/old.wav", "/../monitor-old/old.wav", url.QueryEscape(folder + "-old/old.wav"), url.QueryEscape(canaries[0]), "-old/old.wav", ".wav", "/.wav",
		"/notes.txt", "/notes.txt%00.wav", "/2027/03/09/out-1.wav%00", "/2027/03/09/out-1.wav%0a", "%0d%0aX: y.wav", "/2027/03/09/out-1.wav/", "/2027/03/09/out-1.wav/../out-1.wav", "%ff.wav", "%zz.wav", strings.Repeat("a", 5000) + ".wav", "/etc/passwd", "/dev/stdin.wav", "file:///canary.wav", "%2fproc%2fself%2fenviron",
	} {
		key.get(keptPath+"getwavfile&name="+strings.ReplaceAll(name, " ", "+")).says(http.StatusNotFound, noRecording)
		if strings.Count(name, "../") > 1 || strings.HasPrefix(name, "%") {
			key.form(keptPath+"getwavfile", "name="+strings.ReplaceAll(name, " ", "+")).says(http.StatusNotFound, noRecording)
		}
	}
	key.get(keptPath+"getwavfile").says(http.StatusNotFound, noRecording)
	if opened() {
		t.Error("a file outside the folder was opened")
	}
	if _, err := os.ReadFile(canaries[0]); err != nil || !opened() {
		t.Error("nobody would have seen that", err)
	}
	s.key("read", "cdr", "write", "secrets").get(path).says(http.StatusForbidden, `{"status":"FORBIDDEN","code":403}`)

	// What cannot be noted is not heard.
	s.start(kept(func(a *elastix.API) { a.Recordings = ami.NewRecordings(folder) }), func(d *adminapi.Deps) { d.PBX.Log = deafLog{} })
	s.shows(key.header.Get("Authorization")).get(path).says(http.StatusServiceUnavailable, `{"status":"DATABASE UNAVAILABLE","code":503}`)
}

type deafLog struct{}

func (deafLog) Log(context.Context, string, string, string, any, any) error {
	return models.ErrUnavailable
}

// TestKeptPBXManyDownloads: ten thousand downloads, of some hundreds at once, give everybody his recording, and leave no file open.
func TestKeptPBXManyDownloads(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; a run that is not short has it")
	}
	sound := strings.Repeat("0123456789abcdef", 1<<10)
	folder, _ := keptSounds(t, sound)
	s := newSite(t, storetest.SQLite(t), kept(func(a *elastix.API) { a.Recordings = ami.NewRecordings(folder) }))
	secret := s.key("recordings").header.Get("Authorization")
	const path = keptPath + "getwavfile&name=/2027/03/09/out-1.wav"
	before := openSounds(t, folder)
	work := make(chan int)
	var running sync.WaitGroup
	clients := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 300}}
	defer clients.CloseIdleConnections()
	var wrong atomic.Int64
	for range 300 {
		running.Go(func() {
			for n := range work {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("Authorization", secret)
				want, status := sound, http.StatusOK
				if n%3 == 1 {
					request.Header.Set("Range", "bytes=5-99")
					want, status = sound[5:100], http.StatusPartialContent
				}
				response, err := clients.Do(request)
				if err != nil {
					wrong.Add(1)
					continue
				}
				if n%7 == 3 { // goes away
					_ = response.Body.Close()
					continue
				}
				text, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || response.StatusCode != status || string(text) != want {
					wrong.Add(1)
				}
			}
		})
	}
	for n := range 10_000 {
		work <- n
	}
	close(work)
	running.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d downloads went wrong", n)
	}
	for n := openSounds(t, folder); n > before; n = openSounds(t, folder) { // who went away is noticed at the next write
		select {
		case <-t.Context().Done():
			t.Fatalf("%d files are still open", n)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// openSounds is how many files of a folder this process has open.
func openSounds(t *testing.T, folder string) (n int) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	for _, fd := range all {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(name, folder) {
			n++
		}
	}
	return n
}
