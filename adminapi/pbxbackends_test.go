package adminapi_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"talktime/adminapi"
	"talktime/pbx/extension"
	"talktime/store"
	"talktime/store/storetest"
)

// phoneSite is a site with a back end for extensions on a real database.
type phoneSite struct {
	*site

	db    *sql.DB
	kind  string // freepbx or realtime
	peer  *asteriskPeer
	other extension.Backend // the tables as another program writes them
}

// asteriskPeer is what an Asterisk would do.
type asteriskPeer struct {
	mu      sync.Mutex
	keys    map[string]string // of its own database
	away    error             // it cannot be asked
	reloads int
	tables  extension.Backend
	db      *sql.DB
}

func (a *asteriskPeer) set(away error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away = away
}

// Put implements extension.AstDB.
func (a *asteriskPeer) Put(_ context.Context, e extension.DBEntry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[e.Family+"/"+e.Key] = e.Value
	return nil
}

// DeleteTree implements extension.AstDB.
func (a *asteriskPeer) DeleteTree(_ context.Context, family string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.keys {
		if strings.HasPrefix(key, family+"/") {
			delete(a.keys, key)
		}
	}
	return nil
}

// under is how many keys begin so.
func (a *asteriskPeer) under(prefix string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.keys {
		if strings.HasPrefix(key, prefix) {
			n++
		}
	}
	return n
}

// Reload implements extension.Reloader.
func (a *asteriskPeer) Reload(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reloads++
	return a.away
}

// Accepted implements extension.Checker: a context is refused.
func (a *asteriskPeer) Accepted(ctx context.Context, account string) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away != nil {
		return false, a.away
	}
	e, err := a.tables.Extension(ctx, account)
	return err == nil && e.Context != "refused", nil
}

// Sync implements extension.Checker.
func (a *asteriskPeer) Sync(context.Context, string) error { return nil }

// Forget implements extension.Checker: the rows go as Asterisk removes them.
func (a *asteriskPeer) Forget(ctx context.Context, account string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away != nil {
		return a.away
	}
	var errs []error
	for _, table := range []string{"ps_endpoints", "ps_aors", "ps_auths"} {
		_, err := a.db.ExecContext(ctx, "DELETE FROM "+table+" WHERE id = ?", account)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// pbxTables makes a database with these tables, and says where it is.
func pbxTables(t testing.TB, statements string) (store.PBXConfig, *sql.DB) {
	t.Helper()
	d := storetest.OnShared(t)
	db := d.SQL(t)
	for statement := range strings.SplitSeq(statements, ";\n") {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return store.PBXConfig{Addr: d.Config.Addr, User: d.Config.User, Password: d.Config.Password, Name: d.Config.Name}, db
}

func newPhoneSite(t testing.TB, s *site, kind string) *phoneSite {
	t.Helper()
	statements := storetest.FreePBXTables
	if kind == "realtime" {
		statements = storetest.RealtimeTables
	}
	config, db := pbxTables(t, statements)
	p := &phoneSite{site: s, db: db, kind: kind, peer: &asteriskPeer{keys: map[string]string{}, db: db}}
	var back extension.Backend
	if kind == "realtime" {
		tables, err := s.store.OpenPBXRealtime(config, extension.Realtime{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tables.Close() })
		p.other, p.peer.tables, back = tables, tables, extension.Checked{Tables: tables, Checker: p.peer}
	} else {
		tables, err := store.OpenFreePBX(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tables.Close() })
		p.other, back = tables, extension.Applied{Backend: tables, AstDB: p.peer, Reloader: p.peer}
	}
	s.start(func(d *adminapi.Deps) {
		recorded := extension.Recorded{Backend: back, Log: s.store, Logger: slog.New(slog.NewJSONHandler(s.log, nil))}
		d.PBX.Extensions, d.PBX.Changes = recorded, recorded
	})
	return p
}

func onEachBackend(t *testing.T, test func(t *testing.T, p *phoneSite)) {
	t.Helper()
	for _, kind := range []string{"freepbx", "realtime"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, newPhoneSite(t, newSite(t, storetest.SQLite(t)), kind))
		})
	}
}

// rows are those of all tables of the telephone system, without numbers that the server gives, and what we keep beside them.
func (p *phoneSite) rows() []string {
	p.t.Helper()
	tables := []string{"sip", "users", "devices", "findmefollow"}
	if p.kind == "realtime" {
		tables = []string{"ps_auths", "ps_aors", "ps_endpoints", "ps_endpoint_id_ips", "followme", "followme_numbers"}
	}
	var all []string
	for _, table := range tables {
		all = append(all, p.rowsOf(table)...)
	}
	follow, err := p.other.FollowMes(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range follow {
		all = append(all, "follow-me "+f.GrpNum+" "+strings.Join(f.GrpList, "-")+" "+f.Strategy)
	}
	slices.Sort(all)
	return all
}

func (p *phoneSite) rowsOf(table string) (all []string) {
	p.t.Helper()
	rows, err := p.db.QueryContext(p.t.Context(), "SELECT * FROM "+table)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		p.t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			p.t.Fatal(err)
		}
		line := table
		for i, v := range values {
			if table != "followme_numbers" || columns[i] != "id" {
				line += " " + columns[i] + "=" + v.String
			}
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	return all
}

// lines are those of the audit log about the telephone system, oldest first.
func (p *phoneSite) lines() []string {
	p.t.Helper()
	var all []string
	for _, o := range p.admin.get("/api/audit?results_per_page=100").is(200).objects() {
		if action := o["action"].(string); strings.HasPrefix(action, "extension.") || strings.HasPrefix(action, "followme.") {
			all = append([]string{action + " " + o["target"].(string)}, all...)
		}
	}
	return all
}

// withFreePBX gives a site a back end.
func withFreePBX(t testing.TB) func(*adminapi.Deps) {
	t.Helper()
	config, _ := pbxTables(t, storetest.FreePBXTables)
	tables, err := store.OpenFreePBX(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tables.Close() })
	peer := &asteriskPeer{keys: map[string]string{}}
	return func(d *adminapi.Deps) {
		notes, ok := d.PBX.Log.(extension.Changes)
		if !ok {
			t.Fatal("nobody notes changes")
		}
		recorded := extension.Recorded{Backend: extension.Applied{Backend: tables, AstDB: peer, Reloader: peer}, Log: notes, Logger: d.Logger}
		d.PBX.Extensions, d.PBX.Changes = recorded, recorded
	}
}

// extension makes one, perhaps with a follow-me.
func (c *contractor) extension(account string, followMe bool) {
	c.t.Helper()
	e, err := extension.Rules{}.New(extension.Patch{"account": account, "name": "Nora", "secret": norasSecret})
	if err == nil {
		_, err = c.deps.PBX.Extensions.Add(c.t.Context(), e)
	}
	if err == nil && followMe {
		var f extension.FollowMe
		if f, err = (extension.Rules{}).NewFollowMe(extension.Patch{"grpnum": account, "grplist": account}); err == nil {
			_, err = c.deps.PBX.Extensions.AddFollowMe(c.t.Context(), f)
		}
	}
	if err != nil {
		c.t.Fatal(err)
	}
}
