package adminapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	ami "talktime/pbx"
	"talktime/store/storetest"
)

// monitored is a folder of recordings with things that are none, and canaries beside it that nobody may read.
func monitored(t testing.TB) (folder string) {
	t.Helper()
	top := t.TempDir()
	folder = filepath.Join(top, "monitor")
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	for name, text := range map[string]string{
		"monitor/2026/03/14/out-0551234567-204-1804596131.52.wav": "RIFF" + strings.Repeat("0123456789", 1000), "monitor/2026/03/13/für \"b\" 100%?#+.mp3": "b", "monitor/top.gsm": "top", "monitor/notes.txt": "canary",
		"canary.wav": "canary", "monitor-old/old.wav": "canary", "outside/in.wav": "canary",
	} {
		file := filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600), os.Chtimes(file, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"up": "..", "out.wav": "../canary.wav", "absolute.wav": filepath.Join(top, "canary.wav"), "sibling": "../monitor-old", "zero.wav": "/dev/zero", "dangling.wav": "gone.wav"} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(syscall.Mkfifo(filepath.Join(folder, "pipe.wav"), 0o600), os.Mkdir(filepath.Join(folder, "folder.wav"), 0o700)); err != nil {
		t.Fatal(err)
	}
	return folder
}

// unharmed fails when a canary is not as it was.
func unharmed(t *testing.T, folder string) {
	t.Helper()
	for _, name := range []string{"../canary.wav", "../monitor-old/old.wav", "../outside/in.wav", "notes.txt"} {
		if text, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(text) != "canary" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

// recording has a site serve the recordings of a folder, which are kept for 30 days.
func recording(folder string) func(*adminapi.Deps) {
	return func(d *adminapi.Deps) {
		d.PBX.Recordings = ami.NewRecordings(folder)
		d.PBX.Retention = &ami.Retention{Recordings: d.PBX.Recordings, Keep: 30 * 24 * time.Hour, Now: func() time.Time { return time.Date(2026, 4, 13, 12, 0, 0, 0, time.UTC) }}
	}
}

const (
	recordedPath = "/api/pbx/recordings/2026/03/14/out-0551234567-204-1804596131.52.wav"
	oddPath      = "/api/pbx/recordings/2026/03/13/f%C3%BCr%20%22b%22%20100%25%3F%23+.mp3"
)

// asks is a client that sends a header with each request.
func (c *client) asks(name, value string) *client {
	other := *c
	other.header = c.header.Clone()
	other.header.Set(name, value)
	return &other
}

// TestRecordings: what there is, as it is asked for.
func TestRecordings(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		folder := monitored(t)
		s.start(recording(folder))
		s.admin = s.login("admin")
		a := s.admin.get("/api/pbx/recordings").is(http.StatusOK)
		sameLines(t, "all", of(a.objects(), "name day size_bytes format uniqueid"), "2026/03/14/out-0551234567-204-1804596131.52.wav 2026-03-14 10004 wav 1804596131.52\ntop.gsm 2026-03-14 3 gsm \n2026/03/13/für \"b\" 100%?#+.mp3 2026-03-13 1 mp3 ")
		if o := a.object(); o["num_results"] != 3.0 || o["complete"] != true || o["total_pages"] != 1.0 || a.header.Get("X-Count") != "" || a.header.Get("X-Truncated") != "" {
			t.Errorf("%s %v", a.body, a.header)
		}
		for _, o := range a.objects() {
			if got := s.admin.get(o["href"].(string)).is(http.StatusOK); float64(len(got.body)) != o["size_bytes"] || o["modified_at"] != "2026-03-14T09:26:53Z" {
				t.Errorf("%v", o)
			}
		}
		if hrefs := a.objects(); hrefs[0]["href"] != recordedPath || hrefs[2]["href"] != oddPath {
			t.Errorf("%v", hrefs)
		}
		for query, want := range map[string]string{
			"from=2026-03-14": "2026/03/14/out-0551234567-204-1804596131.52.wav\ntop.gsm", "to=2026-03-14": "2026/03/13/für \"b\" 100%?#+.mp3", "from=2026-03-15": "", "name=TOP": "top.gsm", "name=canary": "",
			"number=204": "2026/03/14/out-0551234567-204-1804596131.52.wav", "number=%2B0551234567": "2026/03/14/out-0551234567-204-1804596131.52.wav", "number=55": "", "results_per_page=1&page=2": "top.gsm", "results_per_page=1&page=9": "",
		} {
			sameLines(t, query, of(s.admin.get("/api/pbx/recordings?"+query).is(http.StatusOK).objects(), "name"), want)
		}
		first := s.admin.get("/api/pbx/recordings?results_per_page=1").is(http.StatusOK)
		if first.object()["num_results"] != 2.0 || first.header.Get("X-Count") != "at-least" || !strings.Contains(first.header.Get("Link"), `page=2&results_per_page=1>; rel="next"`) {
			t.Errorf("%s %v", first.body, first.header)
		}
		for _, query := range []string{"from=14.3.2026", "to=2026-02-30", "number=abc", "number=1%202", "name=%ff", "name=" + strings.Repeat("x", 201), "page=101", "after=3", "q={}", "page=1001"} {
			s.admin.get("/api/pbx/recordings?" + query).is(http.StatusBadRequest)
		}
		s.start(recording(filepath.Join(folder, "gone")))
		again := s.login("admin")
		for _, path := range []string{"/api/pbx/recordings", "/api/pbx/recordings/retention"} { // it is on another machine, or not mounted
			if a := again.get(path).is(http.StatusNotImplemented); strings.Contains(a.body, "monitor") || !strings.Contains(a.body, "TALKTIME_RECORDINGS") {
				t.Errorf("%s", a.body)
			}
		}
		again.get(recordedPath).is(http.StatusNotFound)
		s.start(func(d *adminapi.Deps) { d.PBX.Recordings = nil })
		again = s.login("admin")
		for _, path := range []string{"/api/pbx/recordings", "/api/pbx/recordings/retention", recordedPath} {
			again.get(path).is(http.StatusNotImplemented)
		}
		again.delete(recordedPath).is(http.StatusNotImplemented)
	})
}

// TestRecordingIsSent as it is, whole or in parts, and it is noted who got it.
func TestRecordingIsSent(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		folder := monitored(t)
		sound, err := os.ReadFile(filepath.Join(folder, "2026/03/14/out-0551234567-204-1804596131.52.wav"))
		if err != nil {
			t.Fatal(err)
		}
		s.start(recording(folder))
		s.admin = s.login("admin")
		heard := s.program("recordings")
		a := heard.get(recordedPath).is(http.StatusOK)
		h := a.header
		if a.body != string(sound) || h.Get("Content-Type") != "audio/x-wav" || h.Get("Content-Length") != "10004" || h.Get("Accept-Ranges") != "bytes" ||
			h.Get("Content-Disposition") != "attachment; filename=out-0551234567-204-1804596131.52.wav" || h.Get("Last-Modified") != "Sat, 14 Mar 2026 09:26:53 GMT" || h.Get("ETag") == "" {
			t.Errorf("%d bytes, %v", len(a.body), h)
		}
		if head := heard.do(http.MethodHead, recordedPath, "").is(http.StatusOK); head.body != "" || head.header.Get("Content-Length") != "10004" || head.header.Get("ETag") != h.Get("ETag") {
			t.Errorf("HEAD: %q %v", head.body, head.header)
		}
		for _, part := range []string{"0-3", "4-13", "-3", "10000-", "9999-20000", "0-10003", "5000-5000"} {
			got := heard.asks("Range", "bytes="+part).get(recordedPath).is(http.StatusPartialContent)
			var from, to int
			if _, err := fmt.Sscanf(got.header.Get("Content-Range"), "bytes %d-%d/10004", &from, &to); err != nil || got.body != string(sound[from:to+1]) {
				t.Errorf("%s: %q, %v %v", part, got.body, got.header, err)
			}
		}
		heard.asks("Range", "bytes=10004-").get(recordedPath).is(http.StatusRequestedRangeNotSatisfiable)
		ranged := heard.asks("Range", "bytes=0-3")
		for value, status := range map[string]int{
			h.Get("ETag"): http.StatusPartialContent, `"another"`: http.StatusOK, h.Get("Last-Modified"): http.StatusPartialContent, "Sat, 14 Mar 2026 09:26:52 GMT": http.StatusOK,
		} {
			if got := ranged.asks("If-Range", value).get(recordedPath).is(status); status == http.StatusOK && got.body != string(sound) {
				t.Errorf("If-Range %s: %d bytes", value, len(got.body))
			}
		}
		heard.asks("If-None-Match", h.Get("ETag")).get(recordedPath).is(http.StatusNotModified)
		heard.asks("If-Modified-Since", h.Get("Last-Modified")).get(recordedPath).is(http.StatusNotModified)
		heard.asks("If-Match", `"another"`).get(recordedPath).is(http.StatusPreconditionFailed)
		if odd := heard.get(oddPath).is(http.StatusOK); odd.body != "b" || odd.header.Get("Content-Disposition") != `attachment; filename*=utf-8''f%C3%BCr%20%22b%22%20100%25%3F#+.mp3` || odd.header.Get("Content-Type") != "audio/mpeg" {
			t.Errorf("%q %v", odd.body, odd.header)
		}
		if encoded := heard.get("/api/pbx/recordings/2026%2f03%2F14/out-0551234567-204-1804596131.52.wav").is(http.StatusOK); encoded.body != string(sound) {
			t.Errorf("%d bytes", len(encoded.body))
		}
		// The first of each caller and file was noted: a player asks for a file in many parts.
		list, err := s.store.ListAudit(t.Context(), models.ListRequest{Number: 1, Size: 100})
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		for _, line := range list.Items {
			if line.Action != "recording.read" {
				continue
			}
			read++
			if !strings.HasPrefix(line.Actor, "token/") || line.Target != "2026/03/14/out-0551234567-204-1804596131.52.wav" && line.Target != `2026/03/13/für "b" 100%?#+.mp3` {
				t.Errorf("%+v", line)
			}
		}
		if read != 2 {
			t.Errorf("%d lines of the audit log", read)
		}
		now := time.Now()
		log := &countingLog{}
		s.start(recording(folder), func(d *adminapi.Deps) { d.PBX.Log, d.Now = log, func() time.Time { return now } })
		others := []*client{s.listener("another"), s.login("admin")}
		for i, tt := range []struct {
			after time.Duration
			lines int64
		}{{0, 2}, {9 * time.Minute, 2}, {time.Minute, 4}, {10*time.Minute - time.Second, 4}} {
			now = now.Add(tt.after)
			for _, c := range others {
				c.asks("Range", "bytes=0-3").get(recordedPath).is(http.StatusPartialContent)
				c.do(http.MethodHead, recordedPath, "").is(http.StatusOK)
			}
			if n := log.lines.Load(); n != tt.lines {
				t.Errorf("%d: %d lines, want %d", i, n, tt.lines)
			}
		}
		// Who cannot be noted does not hear it.
		s.start(recording(folder), func(d *adminapi.Deps) { d.PBX.Log = fullLog{} })
		if a := s.login("admin").get(recordedPath).is(http.StatusServiceUnavailable); strings.Contains(a.body, "RIFF") {
			t.Errorf("%s", a.body)
		}
	})
}

// fullLog takes no more lines.
type fullLog struct{}

func (fullLog) Log(context.Context, string, string, string, any, any) error {
	return models.ErrUnavailable
}

// TestNothingElseIsSent: whatever is asked for, and in whatever way, is answered alike when it is no recording, and nothing becomes of it.
func TestNothingElseIsSent(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		folder := monitored(t)
		s.start(recording(folder))
		s.admin = s.login("admin")
		named := regexp.MustCompile(`"request_id":"[^"]*"`)
		unlike := ""
		names := []string{
			"gone.wav", "..", "../canary.wav", "..%2fcanary.wav", "%2e%2e/canary.wav", "%2e%2e%2fcanary.wav", "%252e%252e%252fcanary.wav", "2026/../../canary.wav", "2026/../top.gsm", "./top.gsm", "2026//03/14/x.wav",
			"/etc/passwd", "%2fetc%2fpasswd.wav", "/" + strings.TrimPrefix(filepath.Join(folder, "../canary.wav"), "/"), filepath.Join(folder, "top.gsm"), "..%5ccanary.wav", "..%c0%afcanary.wav",
			"up/canary.wav", "up/outside/in.wav", "out.wav", "absolute.wav", "sibling/old.wav", "../monitor-old/old.wav", "zero.wav", "dangling.wav", "pipe.wav", "folder.wav", "folder.wav/", "2026", "2026/03/14", "2026/03/14/",
			"notes.txt", "top.gsm%00", "top%00.gsm", "%00/../canary.wav", "top.gsm%0a", "a%0d%0ab.wav", "%7f.wav", "%ff%fe.wav", "top.GSM", "top.gsm.", "top.gsm%20", "top.gsm/", "top.gsm/x.wav", "%20",
			strings.Repeat("a", 300) + ".wav", strings.Repeat("a/", 700) + "b.wav", strings.Repeat("..%2f", 50) + "etc/passwd.wav", "retention.wav", "retention/x.wav",
		}
		for _, name := range names {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete} {
				a := s.admin.asks("Range", "bytes=0-1").raw(method, "/api/pbx/recordings/"+name)
				if a.status != http.StatusNotFound || strings.Contains(a.body, "canary") || strings.Contains(a.body, folder) {
					t.Errorf("%s: status %d: %s", a.what, a.status, a.body)
				}
				if method == http.MethodHead {
					continue
				}
				if body := named.ReplaceAllString(a.body, ""); unlike == "" {
					unlike = body
				} else if body != unlike {
					t.Errorf("%s tells more than others: %s", a.what, a.body)
				}
			}
		}
		unharmed(t, folder)
		for _, name := range []string{"top.gsm", "out.wav", "absolute.wav", "pipe.wav", "folder.wav", "up", "sibling", "dangling.wav"} {
			if _, err := os.Lstat(filepath.Join(folder, name)); err != nil {
				t.Errorf("%s is gone", name)
			}
		}
		if open := openBelow(t, filepath.Dir(folder)); open != 0 {
			t.Errorf("%d files are still open", open)
		}
	})
}

// raw sends a request whose path is sent as it is.
func (c *client) raw(method, path string) answer {
	t := c.site.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.site.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Opaque = strings.TrimPrefix(c.site.url, "http:") + path
	for name, values := range c.header {
		req.Header[name] = values
	}
	if c.cookie != nil {
		req.AddCookie(c.cookie)
	}
	response, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{t, method + " " + path, response.StatusCode, response.Header, string(text)}
}

// openBelow counts the files below a folder that this process has open.
func openBelow(t *testing.T, folder string) (n int) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, folder) {
			n++
		}
	}
	return n
}

// TestRecordingIsDeleted by whoever may change the telephone system, and it is noted.
func TestRecordingIsDeleted(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		folder := monitored(t)
		s.start(recording(folder))
		s.program("recordings", "read", "admin", "secrets").delete(recordedPath).is(http.StatusForbidden)
		writer := s.program("write")
		writer.get(recordedPath).is(http.StatusForbidden)
		writer.delete(recordedPath).is(http.StatusNoContent)
		if _, err := os.Lstat(filepath.Join(folder, "2026/03/14/out-0551234567-204-1804596131.52.wav")); !errors.Is(err, fs.ErrNotExist) {
			t.Error("it is there:", err)
		}
		writer.delete(recordedPath).is(http.StatusNotFound)
		for _, name := range []string{"2026/03/14/now.wav", "voicemail/default/204/INBOX/msg0000.wav"} {
			file := filepath.Join(folder, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("x"), 0o600)); err != nil {
				t.Fatal(err)
			}
			if a := writer.delete("/api/pbx/recordings/" + name).is(http.StatusConflict); !strings.Contains(a.body, "still being written") && !strings.Contains(a.body, "Asterisk's own") {
				t.Errorf("%s", a.body)
			}
			if _, err := os.Lstat(file); err != nil {
				t.Error(err)
			}
		}
		list, err := s.store.ListAudit(t.Context(), models.ListRequest{Number: 1, Size: 100})
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, line := range list.Items {
			if strings.HasPrefix(line.Action, "recording.") {
				lines = append(lines, line.Action+" "+line.Target+" "+line.Before+line.After)
			}
		}
		sameLines(t, "the audit log", strings.Join(lines, "\n"), `recording.delete 2026/03/14/out-0551234567-204-1804596131.52.wav {"modified_at":"2026-03-14T09:26:53Z","size_bytes":10004}`)
	})
}

// TestRetentionIsShown, and nothing is deleted by asking.
func TestRetentionIsShown(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		folder := monitored(t)
		var keep *ami.Retention
		s.start(recording(folder), func(d *adminapi.Deps) { keep = d.PBX.Retention })
		s.admin = s.login("admin")
		const path = "/api/pbx/recordings/retention"
		s.admin.get(path).says(http.StatusOK, `{"keep_days":30,"due":{"files":2,"size_bytes":10005,"complete":true},"names":[],"last_run":null}`)
		if names := fmt.Sprint(s.admin.get(path + "?dry_run=1").is(http.StatusOK).object()["names"]); len(names) < 50 || strings.Contains(names, "top.gsm") || strings.Contains(names, "canary") {
			t.Error(names)
		}
		s.admin.get(recordedPath).is(http.StatusOK)
		if _, err := keep.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.admin.get(path).says(http.StatusOK, `{"keep_days":30,"due":{"files":0,"size_bytes":0,"complete":true},"names":[],"last_run":{"at":"2026-04-13T12:00:00Z","files":2,"size_bytes":10005,"folders":0,"failed":0,"complete":true,"error":null}}`)
		unharmed(t, folder)
		keep.Keep = 0
		s.admin.get(path + "?dry_run=1").is(http.StatusOK)
		if o := s.admin.get(path).object(); o["keep_days"] != 0.0 {
			t.Errorf("%v", o)
		}
	})
}

// countingLog counts lines.
type countingLog struct{ lines atomic.Int64 }

func (l *countingLog) Log(context.Context, string, string, string, any, any) error {
	l.lines.Add(1)
	return nil
}

// listener is a program with a name that may hear recordings.
func (s *site) listener(name string) *client {
	s.t.Helper()
	_, secret, err := s.store.NewToken(s.t.Context(), models.NewToken{Name: name, Scopes: []string{"recordings"}}, "test")
	if err != nil {
		s.t.Fatal(err)
	}
	c := s.anonymous()
	c.header.Set("Authorization", "Bearer "+secret)
	return c
}

// TestManyDownloads: 10,000 recordings, some hundreds at a time, arrive as they are, and leave nothing open.
func TestManyDownloads(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	const workers, each = 400, 25
	folder := monitored(t)
	sound := strings.Repeat("0123456789abcdef", 4096) // 64 KiB
	if err := os.WriteFile(filepath.Join(folder, "2026/03/14/long.wav"), []byte(sound), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &countingLog{}
	s.start(recording(folder), func(d *adminapi.Deps) { d.PBX.Log = log })
	var callers []*client
	for i := range 20 {
		callers = append(callers, s.listener(fmt.Sprint("listener", i)))
	}
	transport := &http.Transport{MaxConnsPerHost: workers, MaxIdleConnsPerHost: workers}
	defer transport.CloseIdleConnections()
	stop := make(chan struct{})
	most := 0
	var watching, all sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				most = max(most, openBelow(t, folder))
			}
		}
	})
	for w := range workers {
		all.Go(func() {
			for i := range each {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/pbx/recordings/2026/03/14/long.wav", nil)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header = callers[w%len(callers)].header.Clone()
				want, status := sound, http.StatusOK
				if (w+i)%2 == 1 {
					from := (w*1009 + i*7919) % len(sound)
					req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
					want, status = sound[from:], http.StatusPartialContent
				}
				response, err := transport.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				text, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != status || string(text) != want {
					t.Errorf("status %d, %d bytes, want %d: %v", response.StatusCode, len(text), len(want), err)
					return
				}
			}
		})
	}
	all.Wait()
	close(stop)
	watching.Wait()
	if n := log.lines.Load(); n < int64(len(callers)) || n > workers { // those who began at the same time
		t.Errorf("%d lines of the audit log", n)
	}
	if most == 0 || most > 2*256 { // a folder, before its file
		t.Errorf("%d files were open at a time", most)
	}
	if open := openBelow(t, folder); open != 0 {
		t.Errorf("%d files are still open", open)
	}
}

// TestWhoGoesAwayLeavesNothing open, in the middle of a recording that does not end so soon.
func TestWhoGoesAwayLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	folder := monitored(t)
	long := filepath.Join(folder, "2026/03/14/long.wav")
	if err := errors.Join(os.WriteFile(long, nil, 0o600), os.Truncate(long, 1<<34)); err != nil {
		t.Fatal(err)
	}
	s.start(recording(folder))
	who := s.program("recordings")
	for range 20 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "GET /api/pbx/recordings/2026/03/14/long.wav HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n", who.header.Get("Authorization"))
		if err != nil {
			t.Fatal(err)
		}
		begin := make([]byte, 4096)
		if _, err := io.ReadFull(conn, begin); err != nil || !strings.HasPrefix(string(begin), "HTTP/1.1 200 OK\r\n") {
			t.Fatalf("%q, %v", begin, err)
		}
		if openBelow(t, long) == 0 {
			t.Fatal("nothing is open: this shows nothing")
		}
		conn.Close()
	}
	for openBelow(t, folder) > 0 {
		select {
		case <-t.Context().Done():
			t.Fatalf("%d files are still open", openBelow(t, folder))
		case <-time.After(time.Millisecond):
		}
	}
}

// TestNobodyTakesAllDownloads: whoever is sent as many recordings as anybody may be is told to try again, and others are sent theirs; so it is
// by either interface.
func TestNobodyTakesAllDownloads(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	folder := monitored(t)
	long := filepath.Join(folder, "2026/03/14/long.wav")
	if err := errors.Join(os.WriteFile(long, nil, 0o600), os.Truncate(long, 1<<34)); err != nil {
		t.Fatal(err)
	}
	s.start(recording(folder), func(d *adminapi.Deps) { d.Patience = 200 * time.Millisecond })
	greedy, other := s.program("recordings"), s.listener("other")
	var taken []net.Conn
	for range 16 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		begin := make([]byte, 4096)
		if _, err = fmt.Fprintf(conn, "GET /api/pbx/recordings/2026/03/14/long.wav HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n", greedy.header.Get("Authorization")); err == nil {
			_, err = io.ReadFull(conn, begin)
		}
		if err != nil || !strings.HasPrefix(string(begin), "HTTP/1.1 200 OK\r\n") {
			t.Fatalf("%q, %v", begin, err)
		}
		taken = append(taken, conn)
	}
	const kept = "/api/api.php?cmd=getwavfile&name=2026/03/14/out-0551234567-204-1804596131.52.wav"
	if a := greedy.get(recordedPath).is(http.StatusServiceUnavailable); a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "16 recordings") {
		t.Errorf("%s %v", a.body, a.header)
	}
	if a := greedy.get(kept).is(http.StatusServiceUnavailable); a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "TOO MANY DOWNLOADS") {
		t.Errorf("%s %v", a.body, a.header)
	}
	other.get(recordedPath).is(http.StatusOK)
	other.get(kept).is(http.StatusOK)
	taken[0].Close()
	for greedy.get(recordedPath).status != http.StatusOK { // when the server has seen it
		if t.Context().Err() != nil {
			t.Fatal("the turn is not given back")
		}
	}
}
