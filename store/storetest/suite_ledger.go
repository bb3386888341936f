package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"talktime/models"
	"talktime/money"
)

// ledgerTests attack the books from a database client.
var ledgerTests = map[string]func(*testing.T, Database){
	"the ledger cannot be changed": func(t *testing.T, d Database) {
		k := newTill(t, d.Migrated(t))
		k.users()
		db := d.SQL(t)
		for _, query := range []string{
			"UPDATE entries SET amount = amount + 1", "UPDATE entries SET account_id = 3 WHERE account_id = 1", "DELETE FROM entries",
			"UPDATE transactions SET actor = 'x'", "UPDATE transactions SET ref = 'x'", "DELETE FROM transactions",
		} {
			if _, err := db.ExecContext(t.Context(), query); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", query, err)
			}
		}
		if missing, err := k.store.MissingTriggers(t.Context()); err != nil || len(missing) != 0 {
			t.Errorf("triggers %v are missing, %v", missing, err)
		}
	},
	"constraints refuse what billing would never write": func(t *testing.T, d Database) {
		k := newTill(t, d.Migrated(t))
		k.users()
		k.permit("pbx-1.1", abroad)
		db := d.SQL(t)
		for _, query := range []string{
			"UPDATE accounts SET balance = 59999999 WHERE held > 0",           // 60 SEC are held
			"UPDATE accounts SET held = 180000001 WHERE held > 0",             // of 180
			"UPDATE accounts SET held = -1 WHERE held > 0",                    //
			"UPDATE accounts SET credit_limit = -1, balance = 1 WHERE id > 4", //
			"INSERT INTO entries (account_id, tx_id, amount) VALUES (1, 1, 0)",
			"INSERT INTO accounts (user_id, name, balance) VALUES (99, 'main', -1)",
			"INSERT INTO accounts (user_id, name) SELECT user_id, name FROM accounts WHERE held > 0",
			"INSERT INTO transactions (id, kind, ref, posted_at) SELECT 1, kind, ref, posted_at FROM transactions",
			"INSERT INTO transactions (id, kind, ref, posted_at) SELECT id, 'x', 'x', posted_at FROM transactions",
			"INSERT INTO users (username, created_at) VALUES ('marta', '2026-11-20 22:00:00.000000')",
			"INSERT INTO users (username, clid, created_at) VALUES ('x', '" + martaCLID + "', '2026-11-20 22:00:00.000000')",
		} {
			if _, err := db.ExecContext(t.Context(), query); err == nil {
				t.Errorf("passed: %s", query)
			}
		}
		k.has(marta, 180, 60)
	},
	"the audit finds every kind of tampering": tampering,
	"the audit counts what an operator should see": func(t *testing.T, d Database) {
		k := newTill(t, d.Migrated(t))
		k.users()
		k.permit("pbx-1.1", abroad)
		k.permit("pbx-1.2", abroad)
		k.end("pbx-1.2", answered("caller", 130_000))
		k.end("pbx-1.2", answered("reducer", 140_000))
		k.end("pbx-1.3", models.Evidence{Source: "reducer", DialStatus: "ANSWER", Over: true})
		report, err := k.store.Audit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !report.Clean() || report.Accounts != 2 || report.Transactions != 2 || report.Entries != 5 || report.Calls != 3 || report.OpenHolds != 1 ||
			report.Held != 60*money.Unit || report.Shortfalls != 1 || report.Disputed != 1 || report.Unreconciled != 1 {
			t.Errorf("%+v", report)
		}
	},
}

// harm is a change that no audit may overlook, and how to undo it.
type harm struct {
	do, undo []string
}

// harms are made to books with two users: Marta has 180 SEC of which 60 are held by the open call pbx-1.1; her calls
// pbx-1.2 (10 SEC), pbx-1.3 (no answer) and Joel's pbx-1.4 (5 SEC, of which 2 are a shortfall) are over.
func harms(ids map[string]int64) map[string]harm {
	marta, joel, held := ids["marta"], ids["joel"], ids["martas account"]
	ten, five := ids["pbx-1.2"], ids["pbx-1.4"]
	set := func(table, column, value, undo, where string) harm {
		update := func(v string) []string {
			return []string{fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s", table, column, v, where)}
		}
		return harm{do: update(value), undo: update(undo)}
	}
	// move changes the very column by which the row is found.
	move := func(table, column, from, to, where string) harm {
		update := func(from, to string) []string {
			return []string{fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s = %s AND %s", table, column, to, column, from, where)}
		}
		return harm{do: update(from, to), undo: update(to, from)}
	}
	account := fmt.Sprintf("id = %d", held)
	call := func(id string) string { return "call_id = '" + id + "'" }
	return map[string]harm{
		"a balance is raised":                   set("accounts", "balance", "balance + 1", "balance - 1", account),
		"a balance is lowered":                  set("accounts", "balance", "balance - 1", "balance + 1", account),
		"held money is freed":                   set("accounts", "held", "held - 1", "held + 1", account),
		"money is held without a call":          set("accounts", "held", "held + 1", "held - 1", account),
		"the house is given a balance":          set("accounts", "balance", "1", "0", "id = 2"),
		"an account changes its owner":          set("accounts", "user_id", "99", fmt.Sprint(marta), account),
		"an account changes its currency":       set("accounts", "currency", "'EUR'", "'SEC'", account),
		"an entry is raised":                    set("entries", "amount", "amount - 1", "amount + 1", fmt.Sprintf("tx_id = %d AND account_id = %d", ten, held)),
		"an entry goes to another account":      move("entries", "account_id", "3", "4", fmt.Sprintf("tx_id = %d", five)),
		"an entry is moved to nobody's account": move("entries", "account_id", "2", "98765", fmt.Sprintf("tx_id = %d", ten)),
		"a transaction is given another ref":    set("transactions", "ref", "'pbx-9.9'", "'pbx-1.2'", fmt.Sprintf("id = %d", ten)),
		"a charge becomes a top-up":             set("transactions", "kind", "'topup'", "'call'", fmt.Sprintf("id = %d", ten)),
		"an entry is deleted": {
			do:   []string{fmt.Sprintf("DELETE FROM entries WHERE tx_id = %d AND account_id = 2", ten)},
			undo: []string{fmt.Sprintf("INSERT INTO entries (account_id, tx_id, amount) VALUES (2, %d, 10000000)", ten)},
		},
		"an entry is added": {
			do:   []string{fmt.Sprintf("INSERT INTO entries (account_id, tx_id, amount) VALUES (4, %d, 1)", ten)},
			undo: []string{fmt.Sprintf("DELETE FROM entries WHERE tx_id = %d AND account_id = 4", ten)},
		},
		"two entries are added that cancel out": {
			do: []string{
				fmt.Sprintf("INSERT INTO entries (account_id, tx_id, amount) VALUES (4, %d, 1), (3, %d, -1)", ten, ten),
			},
			undo: []string{fmt.Sprintf("DELETE FROM entries WHERE tx_id = %d AND account_id IN (3, 4)", ten)},
		},
		"another customer pays": {
			do: []string{
				fmt.Sprintf("UPDATE entries SET account_id = %d WHERE tx_id = %d AND account_id = %d", ids["joels account"], ten, held),
				fmt.Sprintf("UPDATE accounts SET balance = balance + 10000000 WHERE id = %d", held),
				fmt.Sprintf("UPDATE accounts SET credit_limit = 10000000, balance = balance - 10000000 WHERE id = %d", ids["joels account"]),
			},
			undo: []string{
				fmt.Sprintf("UPDATE entries SET account_id = %d WHERE tx_id = %d AND account_id = %d", held, ten, ids["joels account"]),
				fmt.Sprintf("UPDATE accounts SET balance = balance - 10000000 WHERE id = %d", held),
				fmt.Sprintf("UPDATE accounts SET balance = balance + 10000000, credit_limit = 0 WHERE id = %d", ids["joels account"]),
			},
		},
		"an empty transaction": {
			do:   []string{"INSERT INTO transactions (id, kind, ref, posted_at) VALUES (1, 'topup', 'x', '2026-11-20 22:00:00.000000')"},
			undo: []string{"DELETE FROM transactions WHERE id = 1"},
		},
		"a transaction of one entry": {
			do: []string{
				"INSERT INTO transactions (id, kind, ref, posted_at) VALUES (1, 'topup', 'x', '2026-11-20 22:00:00.000000')",
				"INSERT INTO entries (account_id, tx_id, amount) VALUES (4, 1, 1)",
			},
			undo: []string{"DELETE FROM entries WHERE tx_id = 1", "DELETE FROM transactions WHERE id = 1"},
		},
		"entries without a transaction": {
			do:   []string{"INSERT INTO entries (account_id, tx_id, amount) VALUES (3, 77, 1), (4, 77, -1)"},
			undo: []string{"DELETE FROM entries WHERE tx_id = 77"},
		},
		"a charge for no call": {
			do: []string{
				"INSERT INTO transactions (id, kind, ref, posted_at) VALUES (1, 'call', 'pbx-9.9', '2026-11-20 22:00:00.000000')",
				"INSERT INTO entries (account_id, tx_id, amount) VALUES (3, 1, 1), (2, 1, -1)",
			},
			undo: []string{"DELETE FROM entries WHERE tx_id = 1", "DELETE FROM transactions WHERE id = 1"},
		},
		"a charge for an unanswered call": {
			do: []string{
				"INSERT INTO transactions (id, kind, ref, posted_at) VALUES (1, 'call', 'pbx-1.3', '2026-11-20 22:00:00.000000')",
				"INSERT INTO entries (account_id, tx_id, amount) VALUES (3, 1, 1), (2, 1, -1)",
			},
			undo: []string{"DELETE FROM entries WHERE tx_id = 1", "DELETE FROM transactions WHERE id = 1"},
		},
		"a charge is changed":              set("calls", "charge", "charge + 1", "charge - 1", call("pbx-1.2")),
		"seconds are changed":              set("calls", "seconds", "11", "10", call("pbx-1.2")),
		"a rate is changed":                set("calls", "rate", "REPLACE(rate, '60', '61')", "REPLACE(rate, '61', '60')", call("pbx-1.2")),
		"a shortfall is hidden":            set("calls", "shortfall", "0", "2000000", call("pbx-1.4")),
		"a charged call becomes released":  set("calls", "state", "'released'", "'settled'", call("pbx-1.2")),
		"an open call becomes released":    set("calls", "state", "'released'", "'open'", call("pbx-1.1")),
		"a settled call is opened again":   set("calls", "state", "'open'", "'settled'", call("pbx-1.2")),
		"a call changes its owner":         set("calls", "user_id", fmt.Sprint(joel), fmt.Sprint(marta), call("pbx-1.2")),
		"a call changes its id":            move("calls", "call_id", "'pbx-1.2'", "'pbx-9.9'", "state = 'settled'"),
		"a hold is forgotten":              set("calls", "holds", "NULL", fmt.Sprintf(`'[{"account":%d,"amount":"60"}]'`, held), call("pbx-1.1")),
		"a hold is put on another account": set("calls", "holds", fmt.Sprintf(`'[{"account":%d,"amount":"60"}]'`, ids["joels account"]), fmt.Sprintf(`'[{"account":%d,"amount":"60"}]'`, held), call("pbx-1.1")),
		"a hold is put on no account":      set("calls", "holds", `'[{"account":4711,"amount":"60"}]'`, fmt.Sprintf(`'[{"account":%d,"amount":"60"}]'`, held), call("pbx-1.1")),
		"a closed call holds money":        set("calls", "holds", fmt.Sprintf(`'[{"account":%d,"amount":"1"}]'`, held), "NULL", call("pbx-1.3")),
	}
}

// dropTriggers removes what protects the ledger, as somebody who means harm would.
func dropTriggers(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, name := range []string{"transactions_no_update", "transactions_no_delete", "entries_no_update", "entries_no_delete"} {
		if _, err := db.ExecContext(t.Context(), "DROP TRIGGER "+name); err != nil {
			t.Fatal(err)
		}
	}
}

func tampering(t *testing.T, d Database) {
	k := newTill(t, d.Migrated(t))
	id, joelID := k.users()
	k.move(joel, 3, "r")
	k.permit("pbx-1.1", abroad)
	k.permit("pbx-1.2", abroad)
	k.end("pbx-1.2", answered("caller", 10_000))
	k.permit("pbx-1.3", abroad)
	k.end("pbx-1.3", unanswered("caller", "BUSY"))
	if _, err := k.Settle(t.Context(), result(joelCLID, "pbx-1.4", answered("reducer", 5000))); err != nil {
		t.Fatal(err)
	}
	db := d.SQL(t)
	dropTriggers(t, db)
	if missing, err := k.store.MissingTriggers(t.Context()); err != nil || len(missing) != 4 {
		t.Errorf("missing triggers %v, %v", missing, err)
	}
	ids := map[string]int64{"marta": id, "joel": joelID}
	for name, query := range map[string]string{
		"martas account": "SELECT a.id FROM accounts a JOIN users u ON u.id = a.user_id WHERE u.username = 'marta'",
		"joels account":  "SELECT a.id FROM accounts a JOIN users u ON u.id = a.user_id WHERE u.username = 'joel'",
		"pbx-1.2":        "SELECT id FROM transactions WHERE ref = 'pbx-1.2'",
		"pbx-1.4":        "SELECT id FROM transactions WHERE ref = 'pbx-1.4'",
	} {
		var found int64
		if err := db.QueryRowContext(t.Context(), query).Scan(&found); err != nil {
			t.Fatal(err)
		}
		ids[name] = found
	}
	clean := func(when string) bool {
		report, err := k.store.Audit(context.Background())
		if err != nil {
			t.Errorf("%s: %v", when, err)
		}
		return report.Clean()
	}
	if !clean("before") {
		t.Fatal("the books do not balance to begin with")
	}
	for name, h := range harms(ids) {
		for _, query := range h.do {
			if _, err := db.ExecContext(t.Context(), query); err != nil {
				t.Fatalf("%s: %s: %v", name, query, err)
			}
		}
		if clean(name) {
			t.Errorf("%s: overlooked", name)
		}
		for _, query := range h.undo {
			if _, err := db.ExecContext(t.Context(), query); err != nil {
				t.Fatalf("%s, taken back: %s: %v", name, query, err)
			}
		}
		if !clean(name) {
			t.Fatalf("%s: taken back, but the books still do not balance", name)
		}
	}
}
