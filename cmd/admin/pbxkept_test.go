package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"talktime/internal/config"
	"talktime/store"
)

// TestKeptPBX: what the old PBX interface stands on is as the settings say.
func TestKeptPBX(t *testing.T) {
	t.Parallel()
	foreign, db := &store.CDRStatistics{}, &store.Store{}
	with := &statistics{foreign: []*store.CDRStatistics{foreign}}
	cfg := config.Config{Location: time.UTC, Recordings: "/srv/monitor"}
	cfg.PBX.Backend = config.PBXOff
	cfg.AMI = config.AMI{User: "talktime", Secret: "geheim"}
	a := keptPBX(db, nil, &statistics{}, cfg)
	if _, own := a.CDRs.(*store.OwnRecords); !own || a.Asterisk != nil || a.Manager != nil || !a.NoPJSIPPeers || a.Host == nil {
		t.Errorf("%+v", a)
	}
	for _, folder := range a.Folders {
		if folder.Key == "recording" && folder.Path != "/srv/monitor" || folder.Key == "logs" && folder.Path != "/var/log" {
			t.Errorf("%+v", folder)
		}
	}
	cfg.CDR.Databases = []config.CDRDatabase{{Slot: 2}}
	if _, own := keptPBX(db, nil, with, cfg).CDRs.(*store.OwnRecords); !own {
		t.Error("DB2 is taken for DB1")
	}
	cfg.CDR.Databases[0].Slot = 1
	cfg.Elastix = config.Elastix{ExposeManagerSecret: true, PJSIPPeers: true, Folders: map[string]string{"recording": "/srv/other", "logs": "/srv/log"}}
	a = keptPBX(db, nil, with, cfg)
	if a.CDRs != foreign || a.NoPJSIPPeers || a.Folders[0].Path != "/srv/log" || a.Folders[5].Path != "/srv/other" {
		t.Errorf("%+v", a)
	}
	if user, secret, err := a.Manager.Account(t.Context()); user != "talktime" || secret != "geheim" || err != nil {
		t.Errorf("%s %s %v", user, secret, err)
	}
}

// TestSIPFile: the file is read where nothing else knows the telephones, or where it is named.
func TestSIPFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "sip_additional.conf")
	of := func(backend config.PBXBackend, name string) func() (io.ReadCloser, error) {
		return sipFile(config.Config{PBX: config.PBX{Backend: backend}, Elastix: config.Elastix{SIPAdditional: name}})
	}
	for _, tt := range []struct {
		backend config.PBXBackend
		name    string
		file    bool
	}{{config.PBXOff, "", true}, {config.PBXOff, name, true}, {config.PBXFreePBX, "", false}, {config.PBXFreePBX, name, true}, {config.PBXRealtime, "", false}, {config.PBXRealtime, name, false}} {
		if got := of(tt.backend, tt.name) != nil; got != tt.file {
			t.Errorf("%s %q: a file is read: %t", tt.backend, tt.name, got)
		}
	}
	if _, err := of(config.PBXOff, name)(); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(name, []byte("[204]"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := of(config.PBXOff, name)()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(file); string(text) != "[204]" || err != nil || file.Close() != nil {
		t.Errorf("%s %v", text, err)
	}
}
