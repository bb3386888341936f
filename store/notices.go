package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"talktime/filter"
	"talktime/models"
)

// A notice is written in the transaction of what it tells of. Later it is spread: one delivery for each webhook that wants it,
// and one by mail. A delivery is claimed by one process at a time, and each try is a row, so that they are a log as well.

// webhookFacts is what the audit log says of a webhook. The secret is not in it, nor what stands behind the ? of the address.
type webhookFacts struct {
	URL     string   `json:"url"`
	Kinds   []string `json:"kinds,omitempty"`
	Enabled bool     `json:"enabled"`
}

func factsOfWebhook(w models.Webhook) webhookFacts {
	address, _, _ := strings.Cut(w.URL, "?")
	return webhookFacts{address, w.Kinds, w.Enabled}
}

// readWebhooks reads all webhooks by name, or the one with a name.
func readWebhooks(ctx context.Context, read reader, name string) (webhooks []models.Webhook, err error) {
	query, args := "SELECT id, name, url, kinds, enabled, created_at FROM webhooks", []any(nil)
	if name != "" {
		query, args = query+" WHERE name = ?", []any{name}
	}
	err = read(ctx, query+" ORDER BY name", args, func(rows *sql.Rows) error {
		var w models.Webhook
		var kinds string
		err := rows.Scan(&w.ID, &w.Name, &w.URL, &kinds, &w.Enabled, &w.CreatedAt)
		w.Kinds = strings.Fields(kinds)
		webhooks = append(webhooks, w)
		return err
	})
	return webhooks, err
}

func readWebhook(ctx context.Context, read reader, name string) (models.Webhook, error) {
	webhooks, err := readWebhooks(ctx, read, name)
	if err == nil && (name == "" || len(webhooks) == 0 || webhooks[0].Name != name) {
		err = fmt.Errorf("webhook %q: %w", name, models.ErrNotFound)
	}
	if err != nil {
		return models.Webhook{}, err
	}
	return webhooks[0], nil
}

// Webhooks returns all webhooks by name, without their secrets.
func (s *Store) Webhooks(ctx context.Context) ([]models.Webhook, error) {
	return readWebhooks(ctx, s.each, "")
}

// Webhook returns a webhook without its secret, or models.ErrNotFound.
func (s *Store) Webhook(ctx context.Context, name string) (models.Webhook, error) {
	return readWebhook(ctx, s.each, name)
}

// AddWebhook makes a webhook with a secret, which is in what it returns and told to nobody again. A name that is taken is
// models.ErrConflict. Notices from before are not sent to it.
func (s *Store) AddWebhook(ctx context.Context, w models.Webhook, actor string) (made models.Webhook, err error) {
	if err := w.Validate(); err != nil {
		return made, err
	}
	secret := "whs_" + rand.Text()
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		err := db.Exec("INSERT INTO webhooks (name, url, secret, kinds, enabled, created_at) VALUES (?, ?, ?, ?, ?, ?)",
			w.Name, w.URL, secret, strings.Join(w.Kinds, " "), w.Enabled, stamp(s.now())).Error
		if err != nil {
			return err
		}
		if made, err = readWebhook(ctx, s.within(db), w.Name); err != nil {
			return err
		}
		made.Secret = secret
		return s.logIn(db, actor, "webhook.add", w.Name, nil, factsOfWebhook(made))
	})
	if isDuplicate(err) {
		err = fmt.Errorf("%w: there is a webhook %q already", models.ErrConflict, w.Name)
	}
	return made, translate(err)
}

// ChangeWebhook changes a webhook and returns what became of it. What waits for it goes to the new address.
func (s *Store) ChangeWebhook(ctx context.Context, name string, change models.WebhookChange, actor string) (w models.Webhook, err error) {
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		if w, err = readWebhook(ctx, s.within(db), name); err != nil {
			return err
		}
		before := factsOfWebhook(w)
		w = w.With(change)
		if err := w.Validate(); err != nil {
			return err
		}
		if err := db.Exec("UPDATE webhooks SET url = ?, kinds = ?, enabled = ? WHERE id = ?", w.URL, strings.Join(w.Kinds, " "), w.Enabled, w.ID).Error; err != nil {
			return err
		}
		return s.logIn(db, actor, "webhook.change", name, before, factsOfWebhook(w))
	})
	return w, translate(err)
}

// RemoveWebhook removes a webhook with what waits for it. What was sent stays in the log of deliveries.
func (s *Store) RemoveWebhook(ctx context.Context, name, actor string) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		w, err := readWebhook(ctx, s.within(db), name)
		if err != nil {
			return err
		}
		if err := db.Exec("DELETE FROM webhooks WHERE id = ?", w.ID).Error; err != nil {
			return err
		}
		if err := db.Exec("DELETE FROM notice_deliveries WHERE webhook_id = ? AND state = ?", w.ID, models.DeliveryWaiting).Error; err != nil {
			return err
		}
		return s.logIn(db, actor, "webhook.delete", name, factsOfWebhook(w), nil)
	}))
}

// TestWebhook makes a notice for one webhook alone, whatever it wants, and returns the notice's id. It is models.ErrConflict when
// the webhook is disabled.
func (s *Store) TestWebhook(ctx context.Context, name, actor string) (id int64, err error) {
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		w, err := readWebhook(ctx, s.within(db), name)
		if err != nil {
			return err
		}
		if !w.Enabled {
			return fmt.Errorf("%w: the webhook %q is disabled", models.ErrConflict, name)
		}
		once := "test:" + rand.Text()
		if err := db.Exec("INSERT INTO notices (at, kind, user_id, data, once, spread) VALUES (?, ?, 0, '{}', ?, TRUE)", stamp(s.now()), models.NoticeTest, once).Error; err != nil {
			return err
		}
		if err := db.Raw("SELECT id FROM notices WHERE once = ?", once).Row().Scan(&id); err != nil {
			return err
		}
		if err := s.makeDelivery(db, id, w.ID, 1, 0); err != nil {
			return err
		}
		return s.logIn(db, actor, "webhook.test", name, nil, nil)
	})
	return id, translate(err)
}

// makeDelivery notes that a notice is to be delivered after a while.
func (s *Store) makeDelivery(db *gorm.DB, notice, webhook int64, try int, after time.Duration) error {
	return db.Exec("INSERT INTO notice_deliveries (notice_id, webhook_id, try, state, due_at) VALUES (?, ?, ?, ?, "+s.later()+")",
		notice, webhook, try, models.DeliveryWaiting, int(after/time.Second)).Error
}

// maxSpread is how many notices are spread at once.
const maxSpread = 100

// SpreadNotices makes the deliveries of notices that have none yet, by mail too where that is set, and returns of how many notices.
// It may run in any number of processes: each notice is spread once.
func (s *Store) SpreadNotices(ctx context.Context, mail bool) (int, error) {
	ids, err := s.numbers(ctx, "SELECT id FROM notices WHERE spread = FALSE ORDER BY id LIMIT ?", maxSpread)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		err := s.inTransaction(ctx, func(db *gorm.DB) error {
			done := db.Exec("UPDATE notices SET spread = TRUE WHERE id = ? AND spread = FALSE", id)
			if done.Error != nil || done.RowsAffected == 0 {
				return done.Error
			}
			var kind string
			if err := db.Raw("SELECT kind FROM notices WHERE id = ?", id).Row().Scan(&kind); err != nil {
				return err
			}
			if mail {
				if err := s.makeDelivery(db, id, 0, 1, 0); err != nil {
					return err
				}
			}
			return db.Exec("INSERT INTO notice_deliveries (notice_id, webhook_id, try, state, due_at) SELECT ?, id, 1, ?, "+s.dialect.now+
				" FROM webhooks WHERE enabled = TRUE AND (kinds = '' OR "+s.has("kinds")+")", id, models.DeliveryWaiting, "% "+kind+" %").Error
		})
		if err != nil {
			return 0, translate(err)
		}
	}
	return len(ids), nil
}

// has is whether a column of words has one, which is bound between percent signs and blanks.
func (s *Store) has(column string) string {
	if s.dialect.name == sqliteDialect.name {
		return "' ' || " + column + " || ' ' LIKE ?"
	}
	return "CONCAT(' ', " + column + ", ' ') LIKE ?"
}

// ClaimDelivery makes this process the one that does the delivery that is due next, for the given time; nil when none is. Those by
// mail are left to others where this process sends none.
func (s *Store) ClaimDelivery(ctx context.Context, mail bool, lease time.Duration) (*models.DueDelivery, error) {
	query := `SELECT d.id, d.notice_id, d.webhook_id, d.try, d.due_at, COALESCE(w.name, ''), COALESCE(w.url, ''), COALESCE(w.secret, ''),
		n.at, n.kind, n.user_id, n.data, COALESCE(u.username, '') FROM notice_deliveries d JOIN notices n ON n.id = d.notice_id
		LEFT JOIN webhooks w ON w.id = d.webhook_id LEFT JOIN users u ON u.id = n.user_id
		WHERE d.state = 'waiting' AND d.due_at <= ` + s.dialect.now + " AND " + s.unclaimed()
	if mail {
		query += " AND (d.webhook_id = 0 OR w.enabled = TRUE)"
	} else {
		query += " AND w.enabled = TRUE"
	}
	var due []models.DueDelivery
	err := s.each(ctx, query+" ORDER BY d.due_at, d.id LIMIT ?", []any{claimTries}, func(rows *sql.Rows) error {
		d := models.DueDelivery{Delivery: models.Delivery{State: models.DeliveryWaiting}}
		err := rows.Scan(&d.ID, &d.NoticeID, &d.WebhookID, &d.Try, &d.Due, &d.Webhook, &d.URL, &d.Secret,
			&d.Notice.At, &d.Notice.Kind, &d.Notice.UserID, &d.Notice.Data, &d.Username)
		d.Notice.ID = d.NoticeID
		due = append(due, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, d := range due {
		done := s.write.WithContext(ctx).Exec("UPDATE notice_deliveries SET claimed_until = "+s.later()+" WHERE id = ? AND state = 'waiting' AND "+s.unclaimed(),
			int(lease/time.Second), d.ID)
		switch {
		case isLocked(done.Error), isTransient(done.Error) && !isLost(done.Error): // somebody else is at it
		case done.Error != nil:
			return nil, translate(done.Error)
		case done.RowsAffected == 1:
			return &d, nil
		}
	}
	return nil, nil //nolint:nilnil // nothing is due, which is no mistake
}

// Delivered notes what became of a try: d's state, status and error. One that failed is tried again after a while. When somebody
// else, who thought us dead, has noted it before, that counts.
func (s *Store) Delivered(ctx context.Context, d models.Delivery, again time.Duration) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		done := db.Exec("UPDATE notice_deliveries SET state = ?, status = ?, error = ?, claimed_until = NULL, tried_at = "+s.dialect.now+
			" WHERE id = ? AND state = 'waiting'", d.State, d.Status, truncate(d.Error, 200), d.ID)
		if done.Error != nil || done.RowsAffected == 0 || d.State != models.DeliveryFailed {
			return done.Error
		}
		return s.makeDelivery(db, d.NoticeID, d.WebhookID, d.Try+1, again)
	}))
}

// ForgetNotices deletes notices from before an instant with their deliveries, at most limit of them, and returns how many.
func (s *Store) ForgetNotices(ctx context.Context, before time.Time, limit int) (int, error) {
	var ids []int64
	err := s.each(ctx, "SELECT id, at FROM notices ORDER BY id LIMIT ?", []any{limit}, func(rows *sql.Rows) error {
		var id int64
		var at time.Time
		if err := rows.Scan(&id, &at); err != nil {
			return err
		}
		if at.Before(before) {
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		return chunks(s.dialect.maxParams, ids, func(ids []int64) error {
			err := db.Exec("DELETE FROM notice_deliveries WHERE notice_id IN ("+marks(len(ids))+")", anys(ids)...).Error
			return errors.Join(err, db.Exec("DELETE FROM notices WHERE id IN ("+marks(len(ids))+")", anys(ids)...).Error)
		})
	})
	return len(ids), translate(err)
}

// NoteRefusals notes of each user who was refused so many calls or more within the window that ends now, and returns how many
// users there were. There is one notice of a user in a window, which begins with the first time that is noted.
func (s *Store) NoteRefusals(ctx context.Context, many int64, window time.Duration) (int, error) {
	now := s.now()
	since := now.Add(-window)
	refused := map[int64]int64{}
	err := s.each(ctx, `SELECT r.user_id, COUNT(*) FROM refusals r WHERE r.at > ?
		AND NOT EXISTS (SELECT 1 FROM notices n WHERE n.user_id = r.user_id AND n.kind = ? AND n.at > ?) GROUP BY r.user_id HAVING COUNT(*) >= ?`,
		[]any{stamp(since), models.NoticeRefusals, stamp(since), many}, func(rows *sql.Rows) error {
			var user, n int64
			err := rows.Scan(&user, &n)
			refused[user] = n
			return err
		})
	if err != nil || len(refused) == 0 {
		return 0, err
	}
	noted := 0
	for _, user := range sortedKeys(refused) {
		data := fmt.Sprintf(`{"refused":%d,"minutes":%d}`, refused[user], int64(window/time.Minute))
		once := fmt.Sprintf("refusals:%d:%d", user, now.Unix()/int64(window/time.Second))
		err := s.inTransaction(ctx, func(db *gorm.DB) error {
			done := db.Exec(s.dialect.insertIgnore+" INTO notices (at, kind, user_id, data, once) VALUES (?, ?, ?, ?, ?)",
				stamp(now), models.NoticeRefusals, user, data, once)
			noted += int(done.RowsAffected)
			return done.Error
		})
		if err != nil {
			return noted, translate(err)
		}
	}
	return noted, nil
}

var noticesListing = listing{name: "notices", from: "notices n LEFT JOIN users nu ON nu.id = n.user_id", key: "n.id", always: "1 = 1", owner: "n.user_id", newest: true}

func noticeFields() *filter.Table {
	return &filter.Table{Fields: map[string]filter.Field{
		"id": whole("n.id"), "at": instant("n.at"), "kind": text("n.kind"), "user_id": whole("n.user_id"), "user": text("COALESCE(nu.username, '')"),
	}}
}

// ListNotices returns a page of notices with their deliveries, newest first.
func (s *Store) ListNotices(ctx context.Context, r models.ListRequest) (models.List[models.ToldNotice], error) {
	q, err := s.search(noticesListing, r)
	if err != nil {
		return models.List[models.ToldNotice]{}, err
	}
	keys, err := s.page(ctx, noticesListing, r, q)
	if err != nil {
		return models.List[models.ToldNotice]{}, err
	}
	found := make(map[int64]models.ToldNotice)
	err = eachOf(ctx, s, "SELECT n.id, n.at, n.kind, n.user_id, n.data, COALESCE(u.username, '') FROM notices n LEFT JOIN users u ON u.id = n.user_id WHERE n.id IN (%s)",
		keys.Items, func(rows *sql.Rows) error {
			var n models.ToldNotice
			err := rows.Scan(&n.ID, &n.At, &n.Kind, &n.UserID, &n.Data, &n.Username)
			found[n.ID] = n
			return err
		})
	if err != nil {
		return models.List[models.ToldNotice]{}, err
	}
	err = eachOf(ctx, s, "SELECT d.id, d.notice_id, d.webhook_id, COALESCE(w.name, ''), d.try, d.state, d.due_at, d.tried_at, d.status, d.error"+
		" FROM notice_deliveries d LEFT JOIN webhooks w ON w.id = d.webhook_id WHERE d.notice_id IN (%s) ORDER BY d.webhook_id, d.try",
		keys.Items, func(rows *sql.Rows) error {
			var d models.Delivery
			var tried sql.NullTime
			err := rows.Scan(&d.ID, &d.NoticeID, &d.WebhookID, &d.Webhook, &d.Try, &d.State, &d.Due, &tried, &d.Status, &d.Error)
			d.Tried = tried.Time
			n := found[d.NoticeID]
			n.Deliveries = append(n.Deliveries, d)
			found[d.NoticeID] = n
			return err
		})
	return pick(keys, found), err
}
