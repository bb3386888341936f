package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"talktime/models"
	"talktime/store/storetest"
)

// TestServeRetainsRecordings: admin serve deletes what was kept for long enough, notes it once, and serves the rest.
func TestServeRetainsRecordings(t *testing.T) {
	t.Parallel()
	path, folder := filepath.Join(t.TempDir(), "t.db"), t.TempDir()
	old := time.Now().AddDate(0, 0, -40)
	for name, at := range map[string]time.Time{"2020/01/02/old.wav": old, "2020/01/03/put-back.wav": time.Now(), "flat-1577934245.1.gsm": old, "notes.txt": old, "voice/mail.gsm": old} {
		file := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("0123456789"), 0o600), os.Chtimes(file, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	s := startServer(t, map[string]string{
		"TALKTIME_DATABASE_URL": "sqlite:" + path, "TALKTIME_ADMIN_PASSWORD": "secret7", "TALKTIME_RECORDINGS": folder, "TALKTIME_KEEP_RECORDINGS_DAYS": "30",
	})
	s.get(t, http.DefaultClient, "/readyz", http.StatusOK)
	db := withAdmin(t, path)
	client := s.login(t)
	var shown struct {
		Days int `json:"keep_days"`
		Last *struct {
			Files, Folders, Failed int
			Size                   int64 `json:"size_bytes"`
		} `json:"last_run"`
		Due struct{ Files int }
	}
	for shown.Last == nil {
		if err := json.Unmarshal([]byte(s.get(t, client, "/api/pbx/recordings/retention", http.StatusOK)), &shown); err != nil {
			t.Fatal(err)
		}
	}
	if shown.Days != 30 || shown.Last.Files != 2 || shown.Last.Size != 20 || shown.Last.Folders != 1 || shown.Last.Failed != 0 || shown.Due.Files != 0 {
		t.Errorf("%+v, %+v", shown, shown.Last)
	}
	for _, name := range []string{"2020/01/02", "flat-1577934245.1.gsm"} {
		if _, err := os.Lstat(filepath.Join(folder, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(folder, "voice/mail.gsm")); err != nil {
		t.Error(err)
	}
	if got := s.get(t, client, "/api/pbx/recordings/2020/01/03/put-back.wav", http.StatusOK); got != "0123456789" {
		t.Errorf("%q", got)
	}
	s.get(t, client, "/api/pbx/recordings/notes.txt", http.StatusNotFound)
	var lines []models.AuditLine
	for retained := 0; retained == 0; { // it is written after the run
		list, err := db.ListAudit(t.Context(), models.ListRequest{Number: 1, Size: 100})
		if err != nil {
			t.Fatal(err)
		}
		lines = nil
		for _, line := range list.Items {
			if strings.HasPrefix(line.Action, "recording.") {
				lines = append(lines, line)
			}
			if line.Action == "recording.retain" {
				retained++
			}
		}
	}
	if len(lines) != 2 || lines[0].Action+lines[1].Action != "recording.readrecording.retain" && lines[0].Action+lines[1].Action != "recording.retainrecording.read" {
		t.Fatalf("%+v", lines)
	}
	for _, line := range lines {
		if line.Action == "recording.retain" && (line.Actor != byItself || line.After != `{"bytes":20,"failed":0,"files":2,"folders":1,"keep_days":30}`) ||
			line.Action == "recording.read" && (line.Actor != "admin" || line.Target != "2020/01/03/put-back.wav") {
			t.Errorf("%+v", line)
		}
	}
	storetest.Audited(t, db)
	if code := s.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
