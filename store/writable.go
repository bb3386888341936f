package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

// ErrUnwritable says that the database can be asked, but does not take what the program has to write.
var ErrUnwritable = errors.New("the database cannot be written")

// CheckWrites finds out whether everything that the program writes can be written, and changes nothing. It returns
// ErrUnwritable with what is in the way. The schema must be right.
func (s *Store) CheckWrites(ctx context.Context) error {
	if s.dialect.name == sqliteDialect.name {
		return s.checkFileWrites(ctx)
	}
	var missing []string
	for _, t := range writtenTables() {
		var rights []string
		for _, right := range t.rights() {
			err := s.write.WithContext(ctx).Exec(right.probe).Error
			switch my, _ := code(err); {
			case err == nil:
			case my == myTableDenied || my == myColumnDenied:
				rights = append(rights, right.name)
			case my == myReadOnly || my == myReadOnlyTx || my == myReadOnlyMode:
				return fmt.Errorf("%w: %w", ErrUnwritable, err)
			default:
				return translate(err)
			}
		}
		if len(rights) > 0 {
			missing = append(missing, strings.Join(rights, ", ")+" on "+t.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: our database user has no right to %s", ErrUnwritable, strings.Join(missing, "; "))
	}
	return nil
}

// writtenTable is a table that the program writes. One without a column is only ever added to.
type writtenTable struct{ name, column string }

// writtenTables are all tables but goose's: docs/operations.md gives the rights on them by the same rule.
func writtenTables() []writtenTable {
	return []writtenTable{
		{"transactions", ""},
		{"entries", ""},
		{"audit_log", ""},
		{"client_keys", ""},
		{"promotions", ""},
		{"accounts", "id"},
		{"calls", "id"},
		{"users", "id"},
		{"counters", "name"},
		{"profiles", "user_id"},
		{"login_failures", "who"},
		{"ended_sessions", "id"},
		{"secrets", "name"},
		{"user_groups", "id"},
		{"members", "user_id"},
		{"refill_dates", "id"},
		{"tokens", "id"},
		{"grants", "user_id"},
		{"provisions", "id"},
		{"decks", "id"},
		{"deck_versions", "id"},
		{"deck_activations", "id"},
		{"deck_rates", "n"},
		{"pools", "id"},
		{"refusals", "id"},
		{"settings", "name"},
		{"user_countries", "user_id"},
		{"notices", "id"},
		{"notice_deliveries", "id"},
		{"webhooks", "id"},
		{"voucher_batches", "id"},
		{"vouchers", "serial"},
		{"voucher_tries", "who"},
		{"carriers", "id"},
		{"routes", "id"},
		{"route_carriers", "n"},
		{"rerates", "id"},
		{"rerated_calls", "call_key"},
		{"rollups", "day"},
		{"rollup_days", "day"},
		{"rollup_sources", "source"},
		{"cdr_records", "id"},
		{"cdr_imports", "id"},
		{"former_names", "name"},
		{"followme_settings", "grpnum"},
		{"pbx_changes", "id"},
		{"queue_feed", "id"},
		{"queue_files", "id"},
		{"queue_bad_lines", "position"},
		{"queue_names", "id"},
		{"queue_members", "interface"},
		{"queue_calls", "call_id"},
		{"queue_items", "n"},
		{"queue_open_calls", "call_id"},
		{"queue_events", "at"},
		{"queue_days", "day"},
		{"queue_agents", "queue_id"},
		{"kept_calls", "user_id"},
		{"keepers", "id"},
		{"moves", "id"},
	}
}

// tableRight is a right on a table, and a statement that needs it and touches no row.
type tableRight struct{ name, probe string }

func (t writtenTable) rights() []tableRight {
	rights := []tableRight{
		{"SELECT", "SELECT 1 FROM " + t.name + " WHERE 1 = 0"},
		{"INSERT", "INSERT INTO " + t.name + " SELECT * FROM " + t.name + " WHERE 1 = 0"},
	}
	if t.column == "" {
		return rights
	}
	return append(rights,
		tableRight{"UPDATE", "UPDATE " + t.name + " SET " + t.column + " = " + t.column + " WHERE 1 = 0"},
		tableRight{"DELETE", "DELETE FROM " + t.name + " WHERE 1 = 0"})
}

// errUndo ends a transaction that is not meant to last.
var errUndo = errors.New("undo")

// checkFileWrites writes to the SQLite file and takes it back. It does not find a full disk: what is taken back never
// gets there.
func (s *Store) checkFileWrites(ctx context.Context) error {
	err := s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
		if err := db.Exec("UPDATE counters SET value = value + 1").Error; err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) || isLocked(err) { // whoever keeps us waiting can write
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrUnwritable, translate(err))
}
