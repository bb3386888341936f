package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"talktime/internal/config"
	"talktime/store/storetest"
)

// TestDoctorOfAPBX: each thing that keeps extensions from being managed is told.
func TestDoctorOfAPBX(t *testing.T) {
	t.Parallel()
	d := storetest.OnShared(t)
	tables := d.SQL(t)
	exec := func(statement string) {
		t.Helper()
		if _, err := tables.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for statement := range strings.SplitSeq(storetest.RealtimeTables+storetest.RegistrationTable, ";\n") {
		exec(statement)
	}
	address, err := url.Parse("mysql://" + d.Config.Addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		t.Fatal(err)
	}
	status, knows := http.StatusNotFound, ""
	asterisk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if knows != "" && strings.HasSuffix(r.URL.Path, "/endpoint/"+knows) {
			_, _ = w.Write([]byte(`[{"attribute": "context", "value": "c"}]`))
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"message": "Object not found"}`))
	}))
	t.Cleanup(asterisk.Close)
	cfg := config.Config{
		PBX: config.PBX{Backend: config.PBXRealtime, Database: config.Database{
			Dialect: config.MySQL, Host: address.Hostname(), Port: port, User: d.Config.User, Password: config.Secret(d.Config.Password), Name: d.Config.Name,
		}},
		ARI: config.ARI{URL: asterisk.URL + "/ari", User: "talktime", Password: "ari-secret"},
	}
	db := storetest.SQLite(t).Migrated(t)
	finds := func(grade, check, says string) {
		t.Helper()
		all := checkPBX(t.Context(), db, cfg)
		for _, f := range all {
			if f.Grade == grade && f.Check == check && strings.Contains(f.Found+" "+f.Advice, says) {
				return
			}
		}
		t.Errorf("no %s of %s says %q: %+v", grade, check, says, all)
	}
	finds(gradeOK, "PBX database", "has all tables, columns and rights")
	finds(gradeOK, "ARI", "answers")
	exec("INSERT INTO ps_endpoints (id, auth, identify_by) VALUES ('204', '204', NULL), ('205', NULL, 'ip'), ('north', NULL, 'ip')")
	finds(gradeFail, "ARI", "takes none of 204, 205")
	knows = "205"
	finds(gradeOK, "ARI", "reads our tables")
	for _, f := range checkPBX(t.Context(), db, cfg) {
		if f.Check == "PBX logins" {
			t.Errorf("%+v", f)
		}
	}
	exec("INSERT INTO ps_endpoints (id, auth, identify_by) VALUES ('206', NULL, NULL), ('207', '', 'ip, username'), ('Anonymous', NULL, 'ip')")
	finds(gradeFail, "PBX logins", "as 206, 207, Anonymous,")
	finds(gradeWarn, "AMI orders", "TALKTIME_AMI_ADDR")
	status = http.StatusUnauthorized
	finds(gradeFail, "ARI", "refuses our user")
	status = http.StatusForbidden
	finds(gradeFail, "ARI", "read_only")
	asterisk.Close()
	finds(gradeFail, "ARI", "correct TALKTIME_ARI_URL")
	if f := checkARI(t.Context(), cfg.ARI, nil); strings.Contains(f.Found, "nobody knows") {
		t.Errorf("%+v", f)
	}
	cfg.ARI = config.ARI{}
	finds(gradeWarn, "PBX", "nobody asks Asterisk")
	exec("ALTER TABLE ps_endpoints DROP COLUMN callerid")
	finds(gradeWarn, "PBX database", "lacks ps_endpoints.callerid")
	exec("ALTER TABLE ps_endpoints DROP COLUMN identify_by, DROP COLUMN allow_transfer")
	finds(gradeWarn, "PBX database", "lacks ps_endpoints.allow_transfer, ps_endpoints.callerid, ps_endpoints.identify_by")
	exec("DROP TABLE ps_registrations")
	finds(gradeFail, "PBX database", "has no ps_registrations")
	exec("DROP TABLE followme")
	finds(gradeFail, "PBX database", "has no followme")
	cfg.PBX.Backend = config.PBXFreePBX
	finds(gradeFail, "PBX database", "FreePBX's own database in TALKTIME_PBX_DATABASE_URL")
	cfg.PBX.Backend = config.PBXRealtime
	cfg.PBX.Database.Password = "wrong-password"
	for _, f := range checkPBX(t.Context(), db, cfg) {
		if strings.Contains(f.Found+f.Advice, "wrong-password") {
			t.Errorf("a password: %+v", f)
		}
	}
	finds(gradeFail, "PBX database", "TALKTIME_PBX_DATABASE_URL")

	for _, command := range [][]string{nil, {filepath.Join(t.TempDir(), "nothing")}, {t.TempDir()}} {
		if f := checkReload(command); f.Grade == gradeOK {
			t.Errorf("%v: %+v", command, f)
		}
	}
	if f := checkReload([]string{"/bin/sh"}); f.Grade != gradeOK {
		t.Errorf("%+v", f)
	}
}
