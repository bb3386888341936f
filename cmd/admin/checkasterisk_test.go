package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"talktime/internal/config"
)

// TestDoctorOfTransports: a transport that Asterisk has not is told.
func TestDoctorOfTransports(t *testing.T) {
	t.Parallel()
	cfg := config.Config{
		PBX: config.PBX{Backend: config.PBXRealtime, Transports: map[string]string{"udp": "transport-udp"}},
		AMI: config.AMI{Addr: manager(t), User: "talktime", Secret: "geheim"},
	}
	if found := checkTransports(t.Context(), cfg); len(found) != 1 || found[0].Grade != gradeOK {
		t.Errorf("%+v", found)
	}
	cfg.PBX.Transports["tls"] = "transport-tls"
	if found := checkTransports(t.Context(), cfg); len(found) != 1 || found[0].Grade != gradeWarn || !strings.HasSuffix(found[0].Found, "has no transport transport-tls") {
		t.Errorf("%+v", found)
	}
	for about, change := range map[string]func(*config.Config){
		"no transports":      func(c *config.Config) { c.PBX.Transports = nil },
		"FreePBX":            func(c *config.Config) { c.PBX.Backend = config.PBXFreePBX },
		"nobody to ask":      func(c *config.Config) { c.AMI.Addr = "" },
		"nobody who answers": func(c *config.Config) { c.AMI.Addr = "127.0.0.1:1" },
	} {
		c := cfg
		c.PBX.Transports = maps.Clone(cfg.PBX.Transports)
		change(&c)
		if found := checkTransports(t.Context(), c); found != nil {
			t.Errorf("%s: %+v", about, found)
		}
	}
}

// TestDoctorOfRecordings: a folder that is not there is told when somebody means it to be.
func TestDoctorOfRecordings(t *testing.T) {
	t.Parallel()
	i := slices.IndexFunc(config.Describe(), func(s config.Setting) bool { return s.Name == "TALKTIME_RECORDINGS" })
	unset := func(string) (string, bool) { return "", false }
	cfg := config.Config{Recordings: config.Describe()[i].Default}
	if namesRecordings(cfg, unset) {
		t.Error("nobody has named the usual folder")
	}
	cfg.KeepRecordings = 1
	if !namesRecordings(cfg, unset) || !namesRecordings(config.Config{Recordings: "/r"}, unset) {
		t.Error("recordings are meant to be there")
	}
	there, missing := t.TempDir(), filepath.Join(t.TempDir(), "monitor")
	for _, tt := range []struct {
		folder string
		named  bool
		grade  string
	}{{there, false, gradeOK}, {there, true, gradeOK}, {missing, true, gradeWarn}, {missing, false, ""}} {
		grade := ""
		for _, f := range checkRecordings(tt.folder, tt.named) {
			grade = f.Grade
		}
		if grade != tt.grade {
			t.Errorf("%+v: %q", tt, grade)
		}
	}
}
