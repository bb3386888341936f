package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"gorm.io/gorm"
)

// maxQueueName is how many bytes a name in the queue_log has that is kept whole.
const maxQueueName = 150

// KeepQueueMembers notes whose telephones are: names of members by interfaces, both as queues.AgentKey has them. Only what changed is
// written; those that are not among them are kept, and names too long for the log are passed over.
func (s *Store) KeepQueueMembers(ctx context.Context, members map[string]string) error {
	known, err := s.QueueMembers(ctx)
	if err != nil {
		return err
	}
	changed := map[string]string{}
	for phone, name := range members {
		if known[phone] != name && len(phone) <= maxQueueName && len(name) <= maxQueueName {
			changed[phone] = name
		}
	}
	if len(changed) == 0 {
		return nil
	}
	again := " ON DUPLICATE KEY UPDATE name = VALUES(name), seen_at = VALUES(seen_at)"
	if s.dialect.name == sqliteDialect.name {
		again = " ON CONFLICT (interface) DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at"
	}
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		for _, phone := range slices.Sorted(maps.Keys(changed)) { // several processes may do it at once
			err := db.Exec("INSERT INTO queue_members (interface, name, seen_at) VALUES (?, ?, "+s.dialect.now+")"+again, phone, changed[phone]).Error
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// QueueMembers implements reports.Keeper.
func (s *Store) QueueMembers(ctx context.Context) (map[string]string, error) {
	members := map[string]string{}
	err := s.each(ctx, "SELECT interface, name FROM queue_members", nil, func(rows *sql.Rows) error {
		var phone, name string
		err := rows.Scan(&phone, &name)
		members[phone] = name
		return err
	})
	return members, err
}
