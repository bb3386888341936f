// Package store keeps Talktime's records in SQLite or in MySQL/MariaDB, by GORM.
//
// It decides nothing about money: [Store.Update] locks and loads rows, lets package billing decide, writes what
// came of it and commits once. The statements of that path are written by hand, since every call of a site goes
// through them; everything else uses GORM's builder.
//
//	db, err := store.Open(store.Config{Path: "data/talktime.db"})
//	err = db.Update(ctx, billing.Keys{CLIDs: []string{"555000204"}}, func(s *billing.State) { … })
package store
