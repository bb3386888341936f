package adminapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"talktime/models"
	"talktime/pbx"
)

// Bounds of recordings that are sent.
const (
	maxSending     = 256              // at a time; others wait for their turn
	maxSendingEach = 16               // to one user or program
	sendingLife    = time.Hour        // for one
	sendingPace    = 30 * time.Second // for a part of 32 KiB: whoever takes it more slowly is cut off
)

// Bounds of what is remembered of who heard what, lest each part of a recording be a line of the audit log.
const (
	heardFor = 10 * time.Minute
	maxHeard = 4096
)

// Bounds of lists of recordings. Later pages would have to be found anew each time.
const (
	maxListed    = 10_000
	maxListText  = 200 // bytes
	maxPreviewed = 100 // names
)

const (
	pbxRecordingsPath = "/api/pbx/recordings"
	pbxRecordingPath  = pbxRecordingsPath + "/*file"     // the router cannot have another path beside it
	pbxRetentionPath  = pbxRecordingsPath + "/retention" // so this is answered there: no recording is called so
)

// pbxRecordingJSON is a file in which Asterisk recorded a call.
type pbxRecordingJSON struct {
	Name     string    `json:"name"`
	Day      string    `json:"day"`
	Modified time.Time `json:"modified_at"`
	Size     int64     `json:"size_bytes"`
	Format   string    `json:"format"`
	UniqueID string    `json:"uniqueid"`
	Href     string    `json:"href"`
}

// pbxRecordingListJSON is a page of recordings.
type pbxRecordingListJSON struct {
	envelope[pbxRecordingJSON]
	Complete bool `json:"complete"`
}

// recordingRetentionJSON is how long recordings are kept.
type recordingRetentionJSON struct {
	Days  int                `json:"keep_days"`
	Due   recordingSweepJSON `json:"due"`
	Names []string           `json:"names"`
	Last  *recordingRunJSON  `json:"last_run"`
}

type recordingSweepJSON struct {
	Files    int   `json:"files"`
	Size     int64 `json:"size_bytes"`
	Complete bool  `json:"complete"`
}

type recordingRunJSON struct {
	At       time.Time `json:"at"`
	Files    int       `json:"files"`
	Size     int64     `json:"size_bytes"`
	Folders  int       `json:"folders"`
	Failed   int       `json:"failed"`
	Complete bool      `json:"complete"`
	Why      *string   `json:"error"`
}

// recordings are those of the telephone system, or why there are none.
func (r *request) recordings() (*pbx.Recordings, error) {
	if r.api.PBX.Recordings == nil {
		return nil, unconfigured("the folder of the recordings", "TALKTIME_RECORDINGS")
	}
	return r.api.PBX.Recordings, nil
}

// unreadable says that the folder of the recordings keeps its files to itself, or that too many look into it.
func (r *request) unreadable(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || r.ctx().Err() != nil {
		return unavailable("too many others are looking through the recordings; try again")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return unconfigured("a folder of recordings on this machine", "TALKTIME_RECORDINGS")
	}
	r.api.log.Warn("the recordings cannot be listed", "request_id", r.GetString(keyRequestID), "err", err)
	return unavailable("the folder of the recordings cannot be read; the server's log says why")
}

// recordingSearch is what a list of recordings is asked for.
func (r *request) recordingSearch() (s pbx.RecordingSearch, l models.ListRequest, err error) {
	if l, err = r.plainList(); err != nil {
		return s, l, err
	}
	s = pbx.RecordingSearch{
		From: r.Query("from"), To: r.Query("to"), Text: r.Query("name"), Number: strings.TrimPrefix(r.Query("number"), "+"),
		Skip: (l.Number - 1) * l.Size, Most: l.Size, Location: r.api.Location,
	}
	for name, day := range map[string]string{"from": s.From, "to": s.To} {
		if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
			return s, l, badRequest(name + " must be a day, such as 2026-03-14")
		}
	}
	switch {
	case l.After != 0:
		err = badRequest("this list has no after: ask for its pages, or for other days")
	case len(s.Text) > maxListText || !utf8.ValidString(s.Text):
		err = badRequest(fmt.Sprintf("name must be text of at most %d bytes", maxListText))
	case s.Number != "" && (!digits(s.Number) || len(s.Number) > maxListText):
		err = badRequest("number must be digits")
	case s.Skip+s.Most > maxListed:
		err = badRequest(fmt.Sprintf("a list has at most %d recordings: ask for fewer days, by from and to", maxListed))
	}
	return s, l, err
}

func listRecordings(r *request) error {
	files, err := r.recordings()
	if err != nil {
		return err
	}
	s, l, err := r.recordingSearch()
	if err != nil {
		return err
	}
	found, err := files.Search(r.ctx(), s)
	if err != nil {
		return r.unreadable(err)
	}
	if found.Cut {
		r.Header("X-Truncated", "files")
	}
	list := models.List[pbx.Recording]{Items: found.Found, Total: int64(found.Total), AtLeast: found.More || found.Cut}
	show := func(one pbx.Recording) pbxRecordingJSON {
		return pbxRecordingJSON{
			Name: one.Name, Day: one.Day, Modified: one.Modified.In(r.api.Location).Truncate(time.Second), Size: one.Size, Format: one.Format, UniqueID: one.UniqueID, Href: recordingHref(one.Name),
		}
	}
	return answerListAs(r, l, list, func(pbx.Recording) int64 { return 0 }, show, func(page envelope[pbxRecordingJSON]) any {
		return pbxRecordingListJSON{page, !found.Cut}
	})
}

// recordingHref is where a recording is heard.
func recordingHref(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return pbxRecordingsPath + "/" + strings.Join(parts, "/")
}

// noRecording is the answer for what is not there and for what may not be had, so that nobody finds out what there is.
func (r *request) noRecording(err error) error {
	if !errors.Is(err, models.ErrNotFound) {
		r.api.log.Warn("a recording cannot be sent", "request_id", r.GetString(keyRequestID), "err", err)
	}
	return failure{status: http.StatusNotFound, message: "the recording is not there"}
}

func getRecording(r *request) error {
	if r.Param("file") == strings.TrimPrefix(pbxRetentionPath, pbxRecordingsPath) {
		return showRetention(r)
	}
	files, err := r.recordings()
	if err != nil {
		return err
	}
	return r.sendSound(func() (*os.File, fs.FileInfo, string, error) {
		file, info, err := files.Open(r.Param("file"))
		return file, info, strings.TrimPrefix(r.Param("file"), "/"), err
	})
}

func deleteRecording(r *request) error {
	files, err := r.recordings()
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(r.Param("file"), "/")
	info, err := files.Delete(name, r.api.Now())
	switch {
	case errors.Is(err, models.ErrNotFound):
		return r.noRecording(err)
	case errors.Is(err, models.ErrConflict):
		return refused(http.StatusConflict, strings.TrimPrefix(err.Error(), models.ErrConflict.Error()+": "))
	case err != nil:
		r.api.log.Error("a recording cannot be deleted", "request_id", r.GetString(keyRequestID), "actor", r.who.actor(), "err", err)
		return unavailable("the recording cannot be deleted; the server's log says why")
	}
	before := map[string]any{"size_bytes": info.Size(), "modified_at": info.ModTime().UTC().Truncate(time.Second)}
	if err := r.noteRecording("recording.delete", name, before); err != nil { // it has gone all the same
		r.api.log.Error("the audit log lacks a change", "request_id", r.GetString(keyRequestID), "actor", r.who.actor(), "action", "recording.delete", "target", loggable(name), "err", err)
	}
	r.Status(http.StatusNoContent)
	return nil
}

// noteRecording writes a line of the audit log, also when whoever asked has gone meanwhile.
func (r *request) noteRecording(action, name string, before any) error {
	if r.api.PBX == nil || r.api.PBX.Log == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx()), r.api.Patience)
	defer cancel()
	return r.api.PBX.Log.Log(ctx, r.who.actor(), action, name, before, nil)
}

// showRetention tells what becomes of old recordings. With dry_run it names some of those that are due.
func showRetention(r *request) error {
	keep := r.api.PBX.Retention
	if keep == nil {
		return unconfigured("the retention of recordings", "TALKTIME_KEEP_RECORDINGS_DAYS")
	}
	shown := recordingRetentionJSON{Days: int(keep.Keep.Hours() / 24), Names: []string{}}
	names := 0
	if v := r.Query("dry_run"); v == "1" || v == "true" {
		names = maxPreviewed
	}
	due, err := keep.Due(r.ctx(), names)
	if err != nil {
		return r.unreadable(err)
	}
	shown.Due = recordingSweepJSON{due.Files, due.Bytes, !due.More}
	shown.Names = append(shown.Names, due.Names...)
	if last := keep.Last(); last != nil {
		run := recordingRunJSON{last.At.In(r.api.Location), last.Files, last.Bytes, last.Folders, last.Failed, !last.More, nil}
		if last.Err != nil {
			why := "the server's log says what went wrong"
			run.Why = &why
		}
		shown.Last = &run
	}
	r.answer(http.StatusOK, shown)
	return nil
}

// sendSound sends a recording that open opens, whole or in parts, as the request says: when it is its turn, to whoever takes it fast
// enough. Who hears it is noted before he does, or he does not. Whether it is not there, is none or may not be read is all the same to a
// client; the log has it.
func (r *request) sendSound(open func() (file *os.File, info fs.FileInfo, name string, err error)) error {
	leave, err := r.sendingTurn()
	if err != nil {
		return err
	}
	defer leave()
	file, info, name, err := open()
	if err != nil {
		return r.noRecording(err)
	}
	defer func() { _ = file.Close() }()
	if r.Request.Method != http.MethodHead {
		if err := r.noteHearing(name); err != nil {
			return err
		}
	}
	r.Header("Content-Type", soundType(name))
	r.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(name)}))
	r.sendFile(file, info.ModTime(), info.Size())
	return nil
}

// sending gives everybody his turns to be sent recordings, of which there are so many for all.
type sending struct {
	all  chan struct{}
	each searches
}

// sendingTurn waits for a turn to send a recording, and returns how to give it back.
func (r *request) sendingTurn() (leave func(), err error) {
	waiting, cancel := context.WithTimeout(r.ctx(), r.api.Patience)
	defer cancel()
	leaveOwn, err := r.api.sending.each.enter(waiting, r.turnsOf())
	if err != nil {
		return nil, unavailable(fmt.Sprintf("you are being sent %d recordings, as many as anybody may be at a time; try again", maxSendingEach))
	}
	select {
	case r.api.sending.all <- struct{}{}:
		return func() { <-r.api.sending.all; leaveOwn() }, nil
	case <-waiting.Done():
		leaveOwn()
		return nil, unavailable("too many recordings are being sent; try again")
	}
}

// heard remembers for a while who was sent which recording. The zero value is ready to use.
type heard struct {
	mu sync.Mutex
	at map[hearing]time.Time
}

type hearing struct{ who, name string }

// lately reports whether somebody was sent a recording within the last ten minutes, as far as it is remembered.
func (h *heard) lately(what hearing, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.at[what]
	return ok && now.Sub(at) < heardFor
}

// remember keeps a hearing that was noted. When there are too many of the last ten minutes, all are forgotten, and noted again.
func (h *heard) remember(what hearing, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.at) >= maxHeard {
		maps.DeleteFunc(h.at, func(_ hearing, at time.Time) bool { return now.Sub(at) >= heardFor })
	}
	if h.at == nil || len(h.at) >= maxHeard {
		h.at = make(map[hearing]time.Time)
	}
	h.at[what] = now
}

// noteHearing writes a line of the audit log for who is sent a recording, unless it has one of the last ten minutes: a player asks for
// one in many parts.
func (r *request) noteHearing(name string) error {
	what, now := hearing{r.turnsOf(), name}, r.api.Now()
	if r.api.heard.lately(what, now) {
		return nil
	}
	err := r.noteRecording("recording.read", name, nil)
	if err == nil {
		r.api.heard.remember(what, now)
	}
	return err
}

// sendFile sends a file, whole or in parts, as the request says, to whoever takes it fast enough.
func (r *request) sendFile(file io.ReadSeeker, modified time.Time, size int64) {
	ctx, end := context.WithTimeout(context.WithoutCancel(r.ctx()), sendingLife)
	defer end()
	r.Header("ETag", fmt.Sprintf(`"%x-%x"`, modified.UnixNano(), size))
	http.ServeContent(&pacedWriter{r.Writer, http.NewResponseController(r.Writer), ctx}, r.Request, "", modified, file)
}

// pacedWriter fails when somebody takes too long for a part of an answer, or for all of it.
type pacedWriter struct {
	http.ResponseWriter

	conn *http.ResponseController
	ctx  context.Context
}

// Write implements io.Writer.
func (w *pacedWriter) Write(part []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	_ = w.conn.SetWriteDeadline(time.Now().Add(sendingPace))
	return w.ResponseWriter.Write(part)
}
