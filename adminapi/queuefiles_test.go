package adminapi_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/money"
	ami "talktime/pbx"
	"talktime/queues"
	"talktime/queues/feed"
	"talktime/stats"
)

// withRecording gives a site the recording of one call of the Wednesday, and that of the examples.
func withRecording(t testing.TB) func(*adminapi.Deps) { return withRecordingIn(t, t.TempDir()) }

func withRecordingIn(t testing.TB, folder string) func(*adminapi.Deps) {
	return func(d *adminapi.Deps) {
		if err := os.WriteFile(filepath.Join(folder, "q-sales.wav"), []byte("RIFF"), 0o600); err != nil {
			t.Fatal(err)
		}
		example, long := filepath.Join(folder, "2026/03/14/out-0551234567-204-1804596131.52.wav"), time.Now().Add(-time.Hour) // what was just written is not deleted
		if err := errors.Join(os.MkdirAll(filepath.Dir(example), 0o700), os.WriteFile(example, []byte("RIFF"), 0o600), os.Chtimes(example, long, long)); err != nil {
			t.Fatal(err)
		}
		files := ami.NewRecordings(folder)
		d.Recordings, d.Queues.Recordings = files, recordedCalls{"1812528928.11": "q-sales.wav"}
		d.PBX.Recordings, d.PBX.Retention = files, &ami.Retention{Recordings: files, Keep: 365 * 24 * time.Hour, Now: time.Now}
	}
}

// TestAbandoned: who gave up, and whether somebody made up for it.
func TestAbandoned(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, room *switchroom) {
		s.user(models.NewUser{Username: "marta", CLID: "555000204", Balance: 1000 * money.Unit})
		gaveUp := func(id, number, from, to string) { // after 30 seconds
			s.keeps(from+"|"+id+"|sales|NONE|ENTERQUEUE||"+number+"|1", to+"|"+id+"|sales|NONE|ABANDON|1|1|30")
		}
		// Of Wednesday, e.1 (5550181) gave up at 09:30:20; he calls again 75 minutes later.
		s.keeps("10:45:20|r.1|support|NONE|ENTERQUEUE||+43 555 0181|1", "10:45:25|r.1|support|Ben|CONNECT|5|r.1a|2", "10:46:25|r.1|support|Ben|COMPLETEAGENT|5|60|1", "10:45:20|r.2|support|NONE|ENTERQUEUE||5550181|1",
			"10:45:25|r.2|support|Ben|CONNECT|5|r.2a|2", "10:46:25|r.2|support|Ben|COMPLETEAGENT|5|60|1")
		gaveUp("k.1", "5550190", "10:20:00", "10:20:30")
		gaveUp("m.1", "5550191", "10:25:00", "10:25:30")
		gaveUp("m.2", "5550191", "10:40:00", "10:40:30")
		gaveUp("n.1", "", "10:41:00", "10:41:30")
		calls := s.traffic()
		calls.call("2027-06-09T08:20:00Z", "555000204", "5550190", 9, "ANSWER", 16) // before he gave up
		calls.call("2027-06-09T08:25:00Z", "555000204", "5550190", 0, "BUSY", 17)
		calls.call("2027-06-09T08:30:00Z", "555000204", "5550190", 10, "ANSWER", 16)
		s.start(callCentre(t, room), func(d *adminapi.Deps) { d.Queues.Outbound = stats.AnsweredBy{s.store.OwnRecords(d.Location)} })
		s.admin = s.login("admin")

		const names = "uniqueid caller state again_at again_uniqueid again_outcome called_back_at"
		const e1 = "e.1 5550181 answered 2027-06-09T10:45:20+02:00 r.2 answered -"
		const k1 = "k.1 5550190 called_back - - - 2027-06-09T10:30:02+02:00"
		const m1, m2, n1 = "m.1 5550191 open 2027-06-09T10:40:00+02:00 m.2 abandoned -", "m.2 5550191 open - - - -", "n.1  open - - - -"
		a := s.admin.get("/api/queues/abandoned").is(http.StatusOK)
		sameLines(t, "all", of(a.queues().Objects, names), strings.Join([]string{e1, k1, m1, m2, n1}, "\n"))
		o := a.object()
		if o["abandoned"] != 5.0 || o["answered_again"] != 1.0 || o["called_back"] != 1.0 || o["open"] != 3.0 || o["within_hours"] != 24.0 || o["formulas"].(map[string]any)["open"] != "abandoned − answered_again − called_back" {
			t.Errorf("%s", a.body)
		}
		if href := a.queues().Objects[0]["href"].(string); s.admin.get(href).is(http.StatusOK).object()["outcome"] != "abandoned" {
			t.Errorf("%s is not the call", href)
		}
		for query, want := range map[string]string{
			"within=1": "e.1 open\nk.1 called_back\nm.1 open\nm.2 open\nn.1 open", "within=2&state=answered": "e.1 answered", "state=open": "m.1 open\nm.2 open\nn.1 open", "state=called_back": "k.1 called_back",
			"queue=support": "", "queue=sales&day_from=10:00": "k.1 called_back\nm.1 open\nm.2 open\nn.1 open", "results_per_page=2&page=2": "m.1 open\nm.2 open", "from=2027-06-08&to=2027-06-09": "y.2 open",
		} {
			sameLines(t, query, of(s.admin.get("/api/queues/abandoned?"+query).queues().Objects, "uniqueid state"), want)
		}
		for _, query := range []string{"within=0", "within=721", "state=again", "after=1", "q=1"} {
			s.admin.get("/api/queues/abandoned?" + query).is(http.StatusBadRequest)
		}
		sameLines(t, "CSV", s.admin.get("/api/queues/abandoned?format=csv&state=called_back").is(http.StatusOK).body,
			"abandoned_at,uniqueid,caller,queue,queue_name,wait_seconds,did,state,again_at,again_uniqueid,again_outcome,called_back_at,href\r\n"+
				"2027-06-09T10:20:30+02:00,k.1,5550190,sales,Sales,30,,called_back,,,,2027-06-09T10:30:02+02:00,/api/queues/calls/k.1\r\n")
	})
}

// TestQueueRecording: the file is sent as it is, whole or in parts, to whoever may hear it; and no other file ever is.
func TestQueueRecording(t *testing.T) {
	onCentres(t, func(t *testing.T, s *site, room *switchroom) {
		top := t.TempDir()
		folder := filepath.Join(top, "monitor")
		sound := "RIFF" + strings.Repeat("0123456789", 1000)
		for name, text := range map[string]string{
			"monitor/2027/06/09/q-sales-1812528928.11.wav": sound, "monitor/2027/06/09/für \"b\".mp3": "b", "monitor/notes.txt": "canary", "canary.wav": "canary", "monitor-old/old.wav": "canary",
		} {
			file := filepath.Join(top, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.Symlink("..", filepath.Join(folder, "up")), os.Symlink("../canary.wav", filepath.Join(folder, "out.wav"))); err != nil {
			t.Fatal(err)
		}
		names := recordedCalls{
			"1812528928.11": "q-sales-1812528928.11.wav", "b.1": `für "b".mp3`, "c.1": "../../../../canary.wav", "d.1": "up/canary.wav", "e.1": "out.wav", "f.1": folder + "-old/old.wav", "i.1": "notes.txt", "y.1": "canary\x00.wav", "y.2": "gone.wav",
		}
		s.start(callCentre(t, room), func(d *adminapi.Deps) { d.Queues.Recordings, d.Recordings = names, ami.NewRecordings(folder) })
		s.admin = s.login("admin")
		const path = "/api/queues/calls/1812528928.11/recording"
		a := s.admin.get(path).is(http.StatusOK)
		if a.body != sound || a.header.Get("Content-Type") != "audio/x-wav" || a.header.Get("Content-Length") != "10004" || a.header.Get("Content-Disposition") != "attachment; filename=q-sales-1812528928.11.wav" || a.header.Get("Accept-Ranges") != "bytes" {
			t.Errorf("%d bytes, %v", len(a.body), a.header)
		}
		if head := s.admin.do(http.MethodHead, path, "").is(http.StatusOK); head.body != "" || head.header.Get("Content-Length") != "10004" {
			t.Errorf("HEAD: %q, %v", head.body, head.header)
		}
		asks := func(name, value string) *client {
			c := *s.admin
			c.header = http.Header{name: {value}}
			return &c
		}
		for value, want := range map[string]string{"bytes=0-3": "RIFF", "bytes=4-13": "0123456789", "bytes=-3": "789", "bytes=10000-": "6789"} {
			if part := asks("Range", value).get(path).is(http.StatusPartialContent); part.body != want {
				t.Errorf("%s: %q", value, part.body)
			}
		}
		asks("Range", "bytes=10004-").get(path).is(http.StatusRequestedRangeNotSatisfiable)
		asks("If-Modified-Since", a.header.Get("Last-Modified")).get(path).is(http.StatusNotModified)
		if b := s.admin.get("/api/queues/calls/b.1/recording").is(http.StatusOK); b.body != "b" || b.header.Get("Content-Type") != "audio/mpeg" || b.header.Get("Content-Disposition") != `attachment; filename*=utf-8''f%C3%BCr%20%22b%22.mp3` {
			t.Errorf("%q %v", b.body, b.header)
		}
		for _, id := range []string{"c.1", "d.1", "e.1", "f.1", "i.1", "y.1", "y.2"} {
			if a := s.admin.get("/api/queues/calls/" + id + "/recording").is(http.StatusNotFound); a.object()["message"] != "the recording is not there" || strings.Contains(a.body, "monitor") {
				t.Errorf("%s: %s", id, a.body)
			}
		}
		if !strings.Contains(s.log.String(), `"a recording cannot be sent"`) || !strings.Contains(s.log.String(), `"actor":"admin","call_id":"1812528928.11"`) {
			t.Error("the log does not tell who heard what")
		}
		for _, id := range []string{"h.1", "g.1", "x", "..%2f..%2fcanary.wav"} { // without a recording, and none
			s.admin.get("/api/queues/calls/" + id + "/recording").is(http.StatusNotFound)
		}

		// Who may see a call may not therefore hear it.
		joel := s.user(models.NewUser{Username: "joel"})
		if _, err := s.store.ChangeGrants(t.Context(), joel.ID, func(models.Grants) models.Grants { return models.Grants{Queues: []string{"sales"}} }, "test"); err != nil {
			t.Fatal(err)
		}
		statistics := s.program("statistics")
		for _, who := range []*client{s.login("joel"), statistics} {
			who.get(path).is(http.StatusForbidden)
			if got := who.get("/api/queues/calls/1812528928.11").is(http.StatusOK).object()["recording"].(map[string]any); got["file"] != "q-sales-1812528928.11.wav" || got["href"] != nil {
				t.Errorf("%v", got)
			}
		}
		if got := s.login("joel").get("/api/queues/calls/d.1").is(http.StatusOK).object(); got["recording"] != nil { // its name may name a queue that is not his
			t.Errorf("%v", got["recording"])
		}
		s.anonymous().get(path).is(http.StatusUnauthorized)
		if s.program("recordings").get(path).is(http.StatusOK).body != sound {
			t.Error("a program for recordings hears something else")
		}
	})
}

// TestQueueImport: the files that were read, and what in them was no line.
func TestQueueImport(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.admin.get("/api/queues/import").says(http.StatusOK, `{"files":[],"lag_bytes":0,"lag_seconds":null,"lines":0,"malformed":0,"lost_bytes":0,"open_calls":0,"unpacked_days":0,"last_event":null,"bad_lines":[]}`)
		if ours, err := s.store.ClaimQueueLog(t.Context(), "test", time.Hour); err != nil || !ours {
			t.Fatal(ours, err)
		}
		now := time.Date(2027, 6, 9, 12, 0, 0, 0, time.UTC)
		var p queues.Parser
		event, err := p.Parse("1812528928|a.1|sales|NONE|ENTERQUEUE||5550177|1")
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range []feed.Batch{
			{File: feed.File{Kind: feed.KindFile, Name: "/var/log/asterisk/queue_log.1", Digest: "1", Done: true, Position: 90, Size: 90, Lines: 2, Read: now.Add(-time.Hour)}},
			{
				File:   feed.File{Kind: feed.KindFile, Name: "/var/log/asterisk/queue_log", Digest: "2", Position: 60, Size: 100, Lines: 2, Bad: 1, Lost: 7, First: event.At, Last: event.At, Read: now.Add(-90 * time.Second)},
				Events: []queues.Event{event}, Bad: []feed.BadLine{{Position: 50, Line: "nonsense", Why: "it has no bars"}},
			},
		} {
			b.Now = now
			if _, err := s.store.StoreQueueLog(t.Context(), "test", b); err != nil {
				t.Fatal(err)
			}
		}
		s.start(func(d *adminapi.Deps) { d.Now = func() time.Time { return now } })
		s.login("admin").get("/api/queues/import").says(http.StatusOK, `{"files":[`+
			`{"kind":"file","name":"/var/log/asterisk/queue_log","done":false,"position":60,"size":100,"lines":2,"malformed":1,"lost_bytes":7,"first_event":"2027-06-09T08:15:28Z","last_event":"2027-06-09T08:15:28Z","read_at":"2027-06-09T11:58:30Z"},`+
			`{"kind":"file","name":"/var/log/asterisk/queue_log.1","done":true,"position":90,"size":90,"lines":2,"malformed":0,"lost_bytes":0,"first_event":null,"last_event":null,"read_at":"2027-06-09T11:00:00Z"}],`+
			`"lag_bytes":40,"lag_seconds":90,"lines":4,"malformed":1,"lost_bytes":7,"open_calls":1,"unpacked_days":0,"last_event":"2027-06-09T08:15:28Z",`+
			`"bad_lines":[{"file":"/var/log/asterisk/queue_log","position":50,"read_at":"2027-06-09T12:00:00Z","why":"it has no bars","line":"nonsense"}]}`)
	})
}
