package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"talktime/stats"
	"talktime/store"
)

// TestCountryCodesScript: the script in docs has the codes that are built in.
func TestCountryCodesScript(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../docs/country_codes.sql")
	if err != nil {
		t.Fatal(err)
	}
	if string(script) != store.CountryCodesSQL() {
		t.Error("docs/country_codes.sql is not what `admin cdr install-country-codes --dry-run` prints; write it anew")
	}
}

// TestInstallCountryCodes: both ways make the same, which finds what the built-in table says.
func TestInstallCountryCodes(t *testing.T) {
	t.Parallel()
	byHand, byUs := newForeign(t, "UTC"), newForeign(t, "UTC")
	for range 2 {
		for statement := range strings.SplitSeq(store.CountryCodesSQL(), ";\n") {
			if statement = strings.TrimSpace(statement); statement != "" {
				byHand.exec(statement)
			}
		}
	}
	want := stats.BuiltInCodes()
	for i, rows := range []int64{int64(len(want)), 0} {
		got, err := store.InstallCountryCodes(t.Context(), byUs.config)
		if diff := cmp.Diff(store.CountryCodesReport{Rows: rows}, got); diff != "" || err != nil {
			t.Errorf("%d: %v, %s", i, err, diff)
		}
	}
	for _, f := range []*foreign{byHand, byUs} {
		codes, err := f.source.CountryCodes(t.Context())
		if diff := cmp.Diff(want, codes); diff != "" || err != nil {
			t.Error(diff, err)
		}
		for number, want := range map[any]string{
			"+4930123456": "49", "4930123456": "49", "++4930": "", "12425551234": "1242", "12125551234": "1", "77012345678": want7(codes), "79161234567": "7", "0": "", "": "", nil: "",
			"ana": "", "4": "", "49": "49", "+": "",
		} {
			var code sql.NullString
			if err := f.db.QueryRowContext(t.Context(), "SELECT get_country_code(?)", number).Scan(&code); err != nil || code.String != want || code.Valid != (want != "") {
				t.Errorf("%v has %+v, want %q; %v", number, code, want, err)
			}
		}
	}
	// What an operator has changed stays.
	byUs.exec("UPDATE country_codes SET country = 'Deutschland' WHERE code = '49'")
	if _, err := store.InstallCountryCodes(t.Context(), byUs.config); err != nil {
		t.Error(err)
	}
	if codes, err := byUs.source.CountryCodes(t.Context()); codes["49"] != "Deutschland" || err != nil {
		t.Error(err)
	}
}

// want7 is the code of a number in Kazakhstan.
func want7(codes stats.Codes) string {
	for _, code := range []string{"7701", "770", "77"} {
		if codes[code] != "" {
			return code
		}
	}
	return "7"
}

// TestInstallCountryCodesBesideOthers leaves what somebody else has made.
func TestInstallCountryCodesBesideOthers(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC", "CREATE TABLE country_codes (code VARCHAR(10) PRIMARY KEY, country VARCHAR(100))", "INSERT INTO country_codes VALUES ('+49', 'Germany')",
		"CREATE FUNCTION get_country_code(number VARCHAR(80)) RETURNS VARCHAR(10) DETERMINISTIC RETURN '+49'")
	got, err := store.InstallCountryCodes(t.Context(), f.config)
	if diff := cmp.Diff(store.CountryCodesReport{TableLeft: true, FunctionLeft: true}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	codes, err := f.source.CountryCodes(t.Context())
	if diff := cmp.Diff(stats.Codes{"+49": "Germany"}, codes); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestInstallCountryCodesWithoutRights says which right is missing, and with what it gives is enough.
func TestInstallCountryCodesWithoutRights(t *testing.T) {
	t.Parallel()
	f := newForeign(t, "UTC")
	user := "c" + f.config.Name[len(f.config.Name)-10:]
	f.exec("CREATE USER '" + user + "'@'%' IDENTIFIED BY 'secret7'")
	t.Cleanup(func() { _, _ = f.db.ExecContext(context.Background(), "DROP USER '"+user+"'@'%'") })
	c := f.config
	c.User, c.Password = user, "secret7"
	f.exec("GRANT SELECT ON `" + c.Name + "`.* TO '" + user + "'@'%'")
	for _, right := range []string{"CREATE", "INSERT", "ALTER ROUTINE", "CREATE ROUTINE"} {
		_, err := store.InstallCountryCodes(t.Context(), c)
		var missing *store.MissingRight
		if !errors.As(err, &missing) || missing.Right != right {
			t.Fatalf("%s: %v", right, err)
		}
		f.exec("GRANT " + right + " ON `" + c.Name + "`.* TO '" + user + "'@'%'")
	}
	_, _ = store.InstallCountryCodes(t.Context(), c)
	f.exec("REVOKE ALL, GRANT OPTION FROM '" + user + "'@'%'")
	f.exec("DROP TABLE country_codes")
	f.exec("DROP FUNCTION IF EXISTS get_country_code")
	if _, err := store.InstallCountryCodes(t.Context(), c); err == nil {
		t.Fatal("without any right")
	}
	f.exec("GRANT SELECT ON `" + c.Name + "`.* TO '" + user + "'@'%'")
	_, err := store.InstallCountryCodes(t.Context(), c)
	var missing *store.MissingRight
	if !errors.As(err, &missing) {
		t.Fatal(err)
	}
	f.exec(missing.Grant)
	for range 2 {
		if _, err := store.InstallCountryCodes(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
	c.Password = "hunter2"
	if _, err := store.InstallCountryCodes(t.Context(), c); err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Error(err)
	}
}
