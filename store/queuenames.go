package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"talktime/models"
	"talktime/queues"
)

// QueueNames implements reports.Keeper.
func (s *Store) QueueNames(ctx context.Context) (names []queues.Name, err error) {
	err = s.each(ctx, "SELECT agent, id, name, shown FROM queue_names ORDER BY agent, id", nil, func(rows *sql.Rows) error {
		var n queues.Name
		err := rows.Scan(&n.Agent, &n.ID, &n.Key, &n.Shown)
		if n.Shown == "" {
			n.Shown = n.Key
		}
		names = append(names, n)
		return err
	})
	return names, err
}

// QueueAgents implements reports.Keeper.
func (s *Store) QueueAgents(ctx context.Context) (pairs [][2]int32, err error) {
	err = s.each(ctx, "SELECT queue_id, agent_id FROM queue_agents ORDER BY queue_id, agent_id", nil, func(rows *sql.Rows) error {
		var p [2]int32
		err := rows.Scan(&p[0], &p[1])
		pairs = append(pairs, p)
		return err
	})
	return pairs, err
}

// shownFacts is what the audit log says of what a queue or an agent is called.
type shownFacts struct {
	Shown string `json:"shown"`
}

// RenameQueue has a queue shown by a name, of at most 150 characters, that is not the one in the log; empty: by that again.
// models.ErrNotFound if no queue has that number, models.ErrInvalid if the name is no text of one line, models.ErrConflict if another queue
// is called so: whoever asked for that name would be told of both.
func (s *Store) RenameQueue(ctx context.Context, id int32, shown, actor string) (queues.Name, error) {
	return s.renameQueued(ctx, false, id, shown, func(db *gorm.DB, key string, before, after shownFacts) error {
		return s.logIn(db, actor, "queue.rename", key, before, after)
	})
}

// RenameAgent is RenameQueue for an agent. Agents may have the same name: they are telephones of one person.
func (s *Store) RenameAgent(ctx context.Context, id int32, shown, actor string) (queues.Name, error) {
	return s.renameQueued(ctx, true, id, shown, func(db *gorm.DB, key string, before, after shownFacts) error {
		return s.logIn(db, actor, "agent.rename", key, before, after)
	})
}

// maxShown is how many characters a name has that people see.
const maxShown = 150

func (s *Store) renameQueued(ctx context.Context, agent bool, id int32, shown string, log func(db *gorm.DB, key string, before, after shownFacts) error) (name queues.Name, err error) {
	if truncate(shown, maxShown) != shown || queueControl(shown) {
		return name, fmt.Errorf("%w: a name has at most %d characters, and no control characters", models.ErrInvalid, maxShown)
	}
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		name = queues.Name{Agent: agent, ID: id}
		// What reports say changes: two who change it at different nodes of a cluster must collide.
		if err := db.Exec("UPDATE queue_feed SET changes = changes + 1 WHERE id = 1").Error; err != nil {
			return err
		}
		var before shownFacts
		if err := db.Raw("SELECT name, shown FROM queue_names WHERE agent = ? AND id = ?", agent, id).Row().Scan(&name.Key, &before.Shown); err != nil {
			return err
		}
		if name.Shown = shown; shown == "" || shown == name.Key {
			name.Shown, shown = name.Key, ""
		}
		if before.Shown == shown {
			return nil
		}
		if !agent && shown != "" {
			var other string
			err := db.Raw("SELECT name FROM queue_names WHERE agent = ? AND id <> ? AND (name = ? OR shown = ?)", false, id, shown, shown).Row().Scan(&other)
			if err == nil {
				return fmt.Errorf("%w: the queue %s is called %s", models.ErrConflict, other, shown)
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		if err := db.Exec("UPDATE queue_names SET shown = ? WHERE agent = ? AND id = ?", shown, agent, id).Error; err != nil {
			return err
		}
		if before.Shown == "" {
			before.Shown = name.Key
		}
		return log(db, name.Key, before, shownFacts{name.Shown})
	})
	return name, translate(err)
}

func queueControl(text string) bool {
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return true
		}
	}
	return false
}
