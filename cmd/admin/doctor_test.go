package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"talktime/store/storetest"
)

// TestDoctorOfACarefulSite: with a run-time user as docs/operations.md grants it, nothing is wrong with the ledger,
// although that user cannot see the triggers.
func TestDoctorOfACarefulSite(t *testing.T) {
	t.Parallel()
	server := storetest.Shared(t)
	u, err := url.Parse(server.NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	if code := migrateNow(t, map[string]string{"TALKTIME_DATABASE_URL": u.String()}); code != exitWell {
		t.Fatalf("admin migrate ends with %d", code)
	}
	schema := strings.TrimPrefix(u.Path, "/")
	name := "u" + schema[len(schema)-10:]
	statements := fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'secret7'", name)
	for _, table := range []string{
		"users", "accounts", "calls", "counters", "profiles", "login_failures", "ended_sessions", "secrets", "user_groups", "members",
		"refill_dates", "tokens", "grants", "provisions", "decks", "deck_versions", "deck_activations", "deck_rates",
		"pools", "refusals", "settings", "user_countries", "notices", "notice_deliveries", "webhooks", "carriers", "routes", "route_carriers",
		"voucher_batches", "vouchers", "voucher_tries", "rerates", "rerated_calls",
		"rollups", "rollup_days", "rollup_sources", "cdr_records", "cdr_imports", "former_names", "followme_settings", "pbx_changes",
		"queue_feed", "queue_files", "queue_bad_lines", "queue_names", "queue_members", "queue_calls", "queue_items", "queue_open_calls", "queue_events", "queue_days", "queue_agents",
		"kept_calls", "keepers", "moves",
	} {
		statements += fmt.Sprintf("; GRANT SELECT, INSERT, UPDATE, DELETE ON `%s`.%s TO '%s'@'%%'", schema, table, name)
	}
	for _, table := range []string{"transactions", "entries", "audit_log", "client_keys", "promotions"} {
		statements += fmt.Sprintf("; GRANT SELECT, INSERT ON `%s`.%s TO '%s'@'%%'", schema, table, name)
	}
	statements += fmt.Sprintf("; GRANT SELECT ON `%s`.goose_db_version TO '%s'@'%%'", schema, name)
	if err := server.Exec(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Exec(context.Background(), "DROP USER '"+name+"'@'%'") })
	u.User = url.UserPassword(name, "secret7")

	settings := map[string]string{"TALKTIME_DATABASE_URL": u.String(), "TALKTIME_FASTAGI_LISTEN": "127.0.0.1:1"}
	getenv := func(name string) (string, bool) { value, ok := settings[name]; return value, ok }
	finds := func(want string) {
		t.Helper()
		var stdout, stderr strings.Builder
		code := run(t.Context(), []string{"doctor"}, system{getenv: getenv, stdout: &stdout, stderr: &stderr})
		if code != exitFailed || !strings.Contains(stdout.String(), want) { // fastagi does not run
			t.Errorf("exit code %d\n%s%s", code, stdout.String(), stderr.String())
		}
	}
	finds("OK     ledger           our database user can neither change it nor see its triggers")
	finds("OK     writing          all that is written can be written")
	if err := server.Exec(t.Context(), fmt.Sprintf("REVOKE INSERT ON `%s`.entries FROM '%s'@'%%'", schema, name)); err != nil {
		t.Fatal(err)
	}
	finds("FAIL   writing          the database cannot be written: our database user has no right to INSERT on entries")
}
