package main

import (
	"context"

	"talktime/internal/wiring"
)

func migrate(c *command) action {
	c.reports()
	c.makes = true
	c.about = `
Needed after each installation of a new version on a MariaDB or MySQL server; stop nothing before it. An SQLite file is
made here when there is none, and migrated whenever a command but doctor opens it. Several at once are safe.`
	c.examples = []string{"TALKTIME_DATABASE_URL=mysql://talktime:PASSWORD@db.example.net/talktime admin migrate"}
	return func(ctx context.Context, _ []string) error {
		cfg, err := c.settings()
		if err != nil {
			return err
		}
		db, err := c.openStore(cfg)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		ran, err := db.Migrate(ctx)
		if c.json {
			if ran == nil {
				ran = []string{}
			}
			if err == nil {
				err = c.out.json(map[string][]string{"ran": ran})
			}
			return wiring.AboutDatabase(cfg.Database, err)
		}
		for _, name := range ran {
			c.out.f("%s\n", name)
		}
		if err == nil && len(ran) == 0 {
			c.out.f("nothing to do: the schema is up to date\n")
		}
		return wiring.AboutDatabase(cfg.Database, err)
	}
}
