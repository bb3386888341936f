package main

import (
	"context"
	"fmt"

	"talktime/store"
)

func installCountryCodes(c *command) action {
	database := c.flags.String("database", "", "DBn|the CDR database; default: the only one")
	dry := c.flags.Bool("dry-run", false, "only print the SQL, which docs/country_codes.sql has too")
	c.about = `
Makes the table country_codes and the function get_country_code in a CDR database, for programs that ask it for the country of
a number. Talktime itself needs neither: asrstat has the same table built in. Where the database has the table, asrstat uses that
and shows the codes as they stand there: 49 in place of +49. A table or a function of somebody else is left as it is, and so are
rows that are there already; it may be done again. The user of DBn_USER needs the rights CREATE, INSERT, CREATE
ROUTINE and ALTER ROUTINE on the schema for it, and afterwards none of them.`
	c.examples = []string{"admin cdr install-country-codes --dry-run", "admin cdr install-country-codes --database DB1"}
	return func(ctx context.Context, _ []string) error {
		if *dry {
			c.out.f("%s", store.CountryCodesSQL())
			return nil
		}
		cfg, err := c.settings()
		if err != nil {
			return err
		}
		slot := *database
		switch n := len(cfg.CDR.Databases); {
		case slot == "" && n == 1:
			slot = fmt.Sprintf("DB%d", cfg.CDR.Databases[0].Slot)
		case slot == "" && n > 1:
			return usagef("there are %d CDR databases; say with --database which one", n)
		}
		d, err := configuredCDR(cfg, slot)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("DB%d", d.Slot)
		done, err := store.InstallCountryCodes(ctx, store.CDRConfig{Label: name, Addr: d.Addr(), User: d.User, Password: d.Password.Reveal(), Name: d.Name})
		if err != nil {
			return err
		}
		if done.TableLeft {
			c.note("%s has a table country_codes that is not of Talktime; it is left as it is", name)
		}
		if done.FunctionLeft {
			c.note("%s has a function get_country_code that is not of Talktime; it is left as it is", name)
		}
		c.out.f("%s has %s more\n", name, counted(int(done.Rows), "country code"))
		return nil
	}
}
