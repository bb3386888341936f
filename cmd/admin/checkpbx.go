package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"talktime/internal/config"
	"talktime/models"
	"talktime/pbx"
	"talktime/pbx/extension"
	"talktime/store"
)

// nobody is the name of an object of PJSIP that there is not.
const nobody = "talktime-doctor"

// checkPBX looks whether extensions can be kept, and whether Asterisk can be asked about them.
func checkPBX(ctx context.Context, db *store.Store, cfg config.Config) []finding {
	var findings []finding
	var faults store.PBXFaults
	if cfg.PBX.Backend != config.PBXOff {
		var found finding
		found, faults = checkPBXTables(ctx, db, cfg)
		findings = append(findings, found)
	}
	if cfg.PBX.Backend == config.PBXRealtime && len(faults.Open) > 0 {
		findings = append(findings, fine("PBX logins", "anybody who says so may call as %s, without a password", few(faults.Open)).
			fail("set identify_by = 'ip' in ps_endpoints where only its addresses are known, or give it a login (auth); an endpoint called anonymous is everybody: give it another name"))
	}
	if cfg.ARI.URL != "" {
		findings = append(findings, checkARI(ctx, cfg.ARI, faults.Some))
	}
	switch cfg.PBX.Backend {
	case config.PBXOff:
	case config.PBXRealtime:
		if cfg.ARI.URL == "" {
			findings = append(findings, fine("PBX", "nobody asks Asterisk whether it takes what is written").
				warn("set TALKTIME_ARI_URL, _USER and _PASSWORD: a value that Asterisk does not know keeps a telephone out, and a deleted one stays registered"))
		}
		findings = append(findings, checkPBXOrders(ctx, cfg.AMI, "pjsip reload qualify aor", "command", func(ctx context.Context, c *pbx.Client) error {
			return c.PJSIPSync(ctx, nobody)
		}))
	case config.PBXFreePBX:
		findings = append(findings, checkPBXOrders(ctx, cfg.AMI, "DBDelTree", "system", func(ctx context.Context, c *pbx.Client) error {
			return pbx.AstDB{Client: c}.DeleteTree(ctx, extension.FollowMe{GrpNum: nobody}.AstDBTree())
		}), checkReload(cfg.PBX.Reload))
	}
	return findings
}

// few are the first of some names, and how many there are besides.
func few(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// checkPBXTables looks for tables, columns and rights, and returns what it found in the tables.
func checkPBXTables(ctx context.Context, db *store.Store, cfg config.Config) (finding, store.PBXFaults) {
	const check = "PBX database"
	ctx, cancel := context.WithTimeout(ctx, 2*probeTimeout)
	defer cancel()
	var tables interface {
		Inspect(ctx context.Context) (store.PBXFaults, error)
		Close() error
	}
	var err error
	if cfg.PBX.Backend == config.PBXFreePBX {
		tables, err = store.OpenFreePBX(pbxConfig(cfg))
	} else {
		tables, err = db.OpenPBXRealtime(pbxConfig(cfg), extension.Realtime{})
	}
	if err != nil {
		return fine(check, "%s", err).fail("correct TALKTIME_PBX_DATABASE_URL"), store.PBXFaults{}
	}
	defer func() { _ = tables.Close() }()
	where := cfg.PBX.Database.Redacted()
	f, err := tables.Inspect(ctx)
	found := fine(check, "%s has all tables, columns and rights", where)
	switch {
	case err != nil:
		found = fine(check, "%s: %s", where, err).fail("see that it answers, and that TALKTIME_PBX_DATABASE_URL has the right user and password")
	case len(f.Tables) > 0 && cfg.PBX.Backend == config.PBXFreePBX:
		found = fine(check, "%s has no %s, or our user may not read them", where, strings.Join(f.Tables, ", ")).
			fail("name FreePBX's own database in TALKTIME_PBX_DATABASE_URL, mostly asterisk, or give our user the rights of docs/operations.md, section Extensions")
	case len(f.Tables) > 0:
		found = fine(check, "%s has no %s, or our user may not read them", where, strings.Join(f.Tables, ", ")).fail("make the tables (admin dialplan pbx.sql), or give our user the rights of docs/operations.md, section Extensions")
	case len(f.Rights) > 0:
		found = fine(check, "our user has no right to %s", strings.Join(f.Rights, ", ")).fail("give it the rights of docs/operations.md, section Extensions")
	case len(f.Columns) > 0:
		found = fine(check, "%s lacks %s", where, strings.Join(f.Columns, ", ")).
			warn("add the columns (admin dialplan pbx.sql): what belongs into them is lost, or refused where that would let others call; then module reload res_odbc.so in Asterisk")
	}
	return found, f
}

// checkARI makes Asterisk forget what it does not know, for which it has to take the user, and asks it about some extensions, of which it
// knows none unless it reads our tables.
func checkARI(ctx context.Context, a config.ARI, extensions []string) finding {
	const check = "ARI"
	ctx, cancel := context.WithTimeout(ctx, 2*probeTimeout)
	defer cancel()
	rest, err := pbx.NewREST(ari(a))
	if err == nil {
		err = rest.Forget(ctx, nobody)
	}
	var status *pbx.StatusError
	version := ""
	if err == nil {
		version, _ = rest.Version(ctx) // nothing else depends on it
	}
	switch {
	case err == nil && len(extensions) == 0:
		return fine(check, "%s answers: Asterisk %s", a.URL, cmp.Or(version, "of an unknown version"))
	case err == nil:
		known := false
		for _, account := range extensions {
			if known, err = rest.Accepted(ctx, account); known || err != nil {
				break
			}
		}
		if err != nil {
			break
		}
		if !known {
			return fine(check, "%s answers, but Asterisk takes none of %s", a.URL, strings.Join(extensions, ", ")).
				fail("see that extconfig.conf, sorcery.conf and res_odbc.conf of Asterisk lead to the database of TALKTIME_PBX_DATABASE_URL, and its log for a value that it does not take")
		}
		return fine(check, "%s answers, and Asterisk %s reads our tables", a.URL, cmp.Or(version, "of an unknown version"))
	case errors.As(err, &status) && status.Status == 401:
		return fine(check, "%s refuses our user", a.URL).fail("see ari.conf of Asterisk, and TALKTIME_ARI_USER and _PASSWORD")
	case errors.As(err, &status) && status.Status == 403:
		return fine(check, "%s lets our user read only", a.URL).fail("take read_only off that user in ari.conf of Asterisk")
	case errors.Is(err, pbx.ErrRESTAway):
		return fine(check, "%s: no REST interface of Asterisk answers there", a.URL).
			fail("correct TALKTIME_ARI_URL (the port is bindport of http.conf), or see http.conf and ari.conf of Asterisk (enabled=yes)")
	}
	return fine(check, "%s: %s", a.URL, strings.ReplaceAll(err.Error(), pbx.ErrUncertain.Error()+": ", "")).fail("see http.conf and ari.conf of Asterisk (enabled=yes), that res_ari_asterisk and res_pjsip are loaded, and TALKTIME_ARI_URL")
}

// checkPBXOrders gives Asterisk an order about nobody.
func checkPBXOrders(ctx context.Context, a config.AMI, order, right string, give func(context.Context, *pbx.Client) error) finding {
	const check = "AMI orders"
	if a.Addr == "" {
		return fine(check, "there is no manager interface").warn("set TALKTIME_AMI_ADDR: without it a queue rings a new telephone only once Asterisk has asked it by itself")
	}
	err := askManager(ctx, a, give)
	if errors.Is(err, pbx.ErrAway) {
		return fine(check, "%s: %s", a.Addr, err).fail(adviseAMI(err))
	}
	if err != nil && !errors.Is(err, models.ErrNotFound) {
		return fine(check, "%s does not carry out %s: %s", a.Addr, order, err).fail("give our user " + right + " among what he may write in manager.conf")
	}
	return fine(check, "%s carries out %s", a.Addr, order)
}

// checkReload looks whether there is such a program.
func checkReload(command []string) finding {
	const check = "PBX reload"
	if command == nil {
		return fine(check, "nothing makes FreePBX apply its tables").warn("set TALKTIME_PBX_RELOAD, such as /usr/sbin/fwconsole reload")
	}
	info, err := os.Stat(command[0])
	if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return fine(check, "%s is no program that can be run", command[0]).fail("correct TALKTIME_PBX_RELOAD, or the rights on the file")
	}
	return fine(check, "%s is there", command[0])
}
