package store

import (
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strings"
)

// MissingTriggers returns the names of the ledger's triggers that are not there.
func (s *Store) MissingTriggers(ctx context.Context) ([]string, error) {
	query := "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
	if s.dialect.name == sqliteDialect.name {
		query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
	}
	missing := []string{"transactions_no_update", "transactions_no_delete", "entries_no_update", "entries_no_delete"}
	err := s.texts(ctx, query, func(name string) {
		missing = slices.DeleteFunc(missing, func(wanted string) bool { return strings.EqualFold(wanted, name) })
	})
	return missing, err
}

// LedgerRights returns the rights by which our database user could change the ledger, were it not for the triggers,
// or could remove those. An SQLite file knows no users.
func (s *Store) LedgerRights(ctx context.Context) ([]string, error) {
	if s.dialect.name == sqliteDialect.name {
		return nil, nil
	}
	var schema string
	if err := s.texts(ctx, "SELECT DATABASE()", func(name string) { schema = name }); err != nil {
		return nil, err
	}
	var rights []string
	err := s.texts(ctx, "SHOW GRANTS", func(grant string) { rights = append(rights, ledgerRights(grant, schema)...) })
	slices.Sort(rights)
	return slices.Compact(rights), err
}

var grantForm = regexp.MustCompile("^GRANT (.+?) ON (?:TABLE )?(\\*|`(?:[^`]|``)*`)\\.(\\*|`(?:[^`]|``)*`) TO ")

// ledgerRights are those that a line of SHOW GRANTS gives and that could change the ledger of a schema.
func ledgerRights(grant, schema string) []string {
	m := grantForm.FindStringSubmatch(grant)
	if m == nil {
		return nil
	}
	if db := grantName(m[2]); db != "*" && !likeMatch(db, schema) {
		return nil
	}
	if table := grantName(m[3]); table != "*" && table != "transactions" && table != "entries" {
		return nil
	}
	harmful := []string{"ALL PRIVILEGES", "UPDATE", "DELETE", "DROP", "ALTER", "TRIGGER", "SUPER"}
	var rights []string
	for right := range strings.SplitSeq(m[1], ",") {
		right, _, _ = strings.Cut(strings.ToUpper(strings.TrimSpace(right)), " (") // UPDATE (column)
		if slices.Contains(harmful, right) {
			rights = append(rights, right)
		}
	}
	return rights
}

func grantName(quoted string) string {
	return strings.ReplaceAll(strings.Trim(quoted, "`"), "``", "`")
}

// likeMatch compares a schema's name with the pattern that a grant may be for: % and _ are wildcards unless escaped.
func likeMatch(pattern, name string) bool {
	var b strings.Builder
	escaped := false
	for _, r := range pattern {
		switch {
		case !escaped && r == '\\':
			escaped = true
			continue
		case !escaped && r == '%':
			b.WriteString(".*")
		case !escaped && r == '_':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
		escaped = false
	}
	matched, err := regexp.MatchString("^"+b.String()+"$", name)
	return err == nil && matched
}

// texts runs a query of one text column.
func (s *Store) texts(ctx context.Context, query string, each func(string)) error {
	pool, err := s.read.DB()
	if err != nil {
		return err
	}
	t := txn{store: s, conn: pool, dialect: s.dialect}
	return translate(t.query(ctx, query, nil, func(rows *sql.Rows) error {
		var text sql.NullString
		if err := rows.Scan(&text); err != nil {
			return err
		}
		each(text.String)
		return nil
	}))
}

// CallCounts are numbers of calls that somebody should look at. Overdue ones are past their due time and the grace
// that the reconciler gives, and still open.
type CallCounts struct {
	Open, Overdue, Unreconciled, Disputed, Shortfalls, Unauthorised int64
}

// CountCalls counts calls. It reads all of them.
func (s *Store) CountCalls(ctx context.Context) (CallCounts, error) {
	past := "DATE_SUB(UTC_TIMESTAMP(6), INTERVAL 60 SECOND)"
	if s.dialect.name == sqliteDialect.name {
		past = "strftime('%Y-%m-%d %H:%M:%f', 'now', '-60 seconds')"
	}
	var n CallCounts
	err := s.read.WithContext(ctx).Raw(`SELECT COALESCE(SUM(CASE WHEN state = 'open' THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN state = 'open' AND due_at < `+past+` THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN state = 'unreconciled' THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN disputed > seconds THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN shortfall > 0 THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN unauthorized = 1 THEN 1 ELSE 0 END), 0) FROM calls`).
		Row().Scan(&n.Open, &n.Overdue, &n.Unreconciled, &n.Disputed, &n.Shortfalls, &n.Unauthorised)
	return n, translate(err)
}
