package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"talktime/stats"
)

var _ stats.CountryCoder = (*CDRStatistics)(nil)

// CountryCodes implements stats.CountryCoder with the table country_codes beside the records. Where there is none, or we may not read it,
// there are no codes.
func (c *CDRStatistics) CountryCodes(ctx context.Context) (stats.Codes, error) {
	codes := make(stats.Codes)
	err := c.stream(ctx, "SELECT code, country FROM country_codes LIMIT 100000", nil, func(v []driver.Value) error {
		codes[string(valueText(v[0], new([]byte)))] = string(valueText(v[1], new([]byte)))
		return nil
	})
	if isAbsent(err) {
		return nil, nil
	}
	return codes, err
}

// countryComment marks what we have made in somebody else's database.
const countryComment = "Talktime: country calling codes"

// countryStatement is a step of installing country codes, and the right that it needs.
type countryStatement struct{ sql, right string }

func countryTable() []countryStatement {
	codes := stats.BuiltInCodes()
	var rows []string
	quoted := func(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
	for _, code := range sortedKeys(codes) {
		rows = append(rows, "  ("+quoted(code)+", "+quoted(codes[code])+")")
	}
	return []countryStatement{
		{
			"CREATE TABLE IF NOT EXISTS country_codes (\n  code    VARCHAR(10)  NOT NULL PRIMARY KEY,\n  country VARCHAR(100) NOT NULL\n" +
				") DEFAULT CHARSET=utf8mb4 COMMENT='" + countryComment + "'", "CREATE",
		},
		{"INSERT IGNORE INTO country_codes (code, country) VALUES\n" + strings.Join(rows, ",\n"), "INSERT"},
	}
}

// countryFunction looks up each beginning of a number by the primary key, which is faster than to compare it with every code.
func countryFunction() []countryStatement {
	const digits = "IF(LEFT(number, 1) = '+', SUBSTRING(number, 2), number)"
	var beginnings []string
	for n := 1; n <= 10; n++ {
		beginnings = append(beginnings, fmt.Sprintf("    LEFT(%s, %d)", digits, n))
	}
	return []countryStatement{
		{"DROP FUNCTION IF EXISTS get_country_code", "ALTER ROUTINE"},
		{
			"CREATE FUNCTION get_country_code(number VARCHAR(80) CHARACTER SET utf8mb4) RETURNS VARCHAR(10) CHARACTER SET utf8mb4\n" +
				"  READS SQL DATA SQL SECURITY INVOKER COMMENT '" + countryComment + "'\n" +
				"  RETURN (SELECT c.code FROM country_codes c WHERE c.code IN (\n" + strings.Join(beginnings, ",\n") + "\n" +
				"  ) ORDER BY LENGTH(c.code) DESC LIMIT 1)", "CREATE ROUTINE",
		},
	}
}

// CountryCodesSQL is the script that makes the table country_codes and the function get_country_code in a CDR database. It may be run
// again.
func CountryCodesSQL() string {
	var b strings.Builder
	b.WriteString(`-- Country calling codes for a CDR database of MariaDB or MySQL: the table country_codes and the function get_country_code, which
-- returns the longest code that a number begins with, without regard to one + before it, and NULL where there is none.
-- ` + "`admin cdr install-country-codes`" + ` does the same. Talktime needs neither: it has the same table built in. Where there is a table
-- country_codes, what stands in it counts, and is shown as it stands there.
--
-- It needs CREATE, INSERT, CREATE ROUTINE and ALTER ROUTINE on the schema, and may be run again: rows that are there stay as they are.
`)
	for _, s := range append(countryTable(), countryFunction()...) {
		b.WriteString("\n" + s.sql + ";\n")
	}
	return b.String()
}

// CountryCodesReport says what InstallCountryCodes has found and done.
type CountryCodesReport struct {
	TableLeft    bool  // there is a table of somebody else's, which was left as it is
	FunctionLeft bool  // there is such a function
	Rows         int64 // that were added
}

// MissingRight says that our user of a CDR database may not do something there.
type MissingRight struct {
	Right string // CREATE ROUTINE
	Grant string // the statement that gives all rights it takes
}

// Error implements error.
func (e *MissingRight) Error() string {
	return fmt.Sprintf("our database user has no right to %s; an administrator of that server may give it: %s", e.Right, e.Grant)
}

// InstallCountryCodes makes the table country_codes and the function get_country_code in a CDR database, unless somebody else has. It
// may be done again. The error is a *MissingRight when our user may not do it.
func InstallCountryCodes(ctx context.Context, c CDRConfig) (r CountryCodesReport, err error) {
	connector, err := c.connector(cdrConnectTime, cdrReadTime)
	if err != nil {
		return r, err
	}
	pool := sql.OpenDB(connector)
	defer func() { _ = pool.Close() }()
	steps := []struct {
		statements []countryStatement
		comment    string // SELECT of that of what is there
		left       *bool
	}{
		{countryTable(), "SELECT table_comment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'country_codes'", &r.TableLeft},
		{
			countryFunction(), "SELECT routine_comment FROM information_schema.routines WHERE routine_schema = DATABASE() AND routine_name = 'get_country_code'",
			&r.FunctionLeft,
		},
	}
	for _, step := range steps {
		var comment string
		err := pool.QueryRowContext(ctx, step.comment).Scan(&comment)
		if err == nil && comment != countryComment {
			*step.left = true
			continue
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return r, fmt.Errorf("CDR database %s: %s: %w", c.Label, sourceReason(err), err)
		}
		for _, s := range step.statements {
			done, err := pool.ExecContext(ctx, s.sql)
			if err != nil {
				return r, fmt.Errorf("CDR database %s: %w", c.Label, missing(ctx, pool, s.right, c.Name, err))
			}
			if n, err := done.RowsAffected(); err == nil {
				r.Rows += n
			}
		}
	}
	return r, nil
}

// missing tells of a right that is missing what to do about it.
func missing(ctx context.Context, pool *sql.DB, right, schema string, err error) error {
	const deniedRoutine, needsSuper, unsafeRoutine = 1370, 1227, 1418
	switch my, _ := code(err); my {
	case myTableDenied, myDenied, deniedRoutine, needsSuper:
	case myNoTrigger, unsafeRoutine:
		return fmt.Errorf("the server keeps a binary log and takes functions from administrators alone; let one of them run docs/country_codes.sql, "+
			"or set log_bin_trust_function_creators there: %w", err)
	default:
		return err
	}
	user := "our user"
	_ = pool.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&user)
	name, host, _ := strings.Cut(user, "@")
	return &MissingRight{right, fmt.Sprintf("GRANT SELECT, CREATE, INSERT, CREATE ROUTINE, ALTER ROUTINE, EXECUTE ON `%s`.* TO '%s'@'%s'", schema, name, host)}
}
