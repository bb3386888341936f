package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRetainedFolder: recordings are deleted only below a folder that has nothing else.
func TestRetainedFolder(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	for _, name := range []string{"monitor/2026", "spool/voicemail", "lib/sounds", "music/moh", "voicemail/default"} {
		if err := os.MkdirAll(filepath.Join(top, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("voicemail", filepath.Join(top, "link")), os.Symlink("/etc", filepath.Join(top, "etc"))); err != nil {
		t.Fatal(err)
	}
	for folder, why := range map[string]string{
		filepath.Join(top, "monitor"): "", filepath.Join(top, "not-yet"): "", "/srv/monitor": "", "/var/spool/asterisk/monitor": "",
		filepath.Join(top, "spool"): "a folder voicemail", filepath.Join(top, "lib"): "a folder sounds", filepath.Join(top, "music"): "a folder moh", filepath.Join(top, "voicemail/default"): "keeps its voicemail",
		filepath.Join(top, "link"): "keeps its voicemail", filepath.Join(top, "etc"): "more than recordings", "/": "more than recordings", "/var/spool": "more than recordings", "/var/spool/asterisk": "more than recordings",
		"/var/lib/asterisk": "more than recordings", "/usr/share/asterisk": "more than recordings", "/tmp": "more than recordings", "/var/lib/asterisk/sounds/en": "keeps its sounds",
	} {
		getenv := func(name string) (string, bool) {
			v, ok := map[string]string{"TALKTIME_RECORDINGS": folder, "TALKTIME_KEEP_RECORDINGS_DAYS": "30"}[name]
			return v, ok
		}
		l := newLoader(getenv, nil, top)
		l.retained(folder)
		switch err := l.err(); {
		case why == "" && err != nil, why != "" && (err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "TALKTIME_RECORDINGS is "+folder+", ")):
			t.Errorf("%s: %v, want %q", folder, err, why)
		}
	}
}
