package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"talktime/models"
)

// A node manager is told of SIM cards in the order in which they changed. What it is to be told is written in the
// transaction of the change, and goes when it has been done, so that nothing is lost and the change waits for nobody.

// provision notes that a user's card or number has changed. What waits for him in vain is forgotten: this says it all.
func (s *Store) provision(db *gorm.DB, userID int64, before, after, clid *string) error {
	if !s.provisions {
		return nil
	}
	if err := db.Exec("DELETE FROM provisions WHERE user_id = ? AND "+s.useless(), userID).Error; err != nil {
		return err
	}
	add := func(action string, imsi, clid *string) error {
		if imsi == nil {
			return nil
		}
		number := ""
		if clid != nil {
			number = *clid
		}
		return db.Exec("INSERT INTO provisions (user_id, action, imsi, clid, made_at, due_at) VALUES (?, ?, ?, ?, "+s.dialect.now+", "+s.dialect.now+")",
			userID, action, *imsi, number).Error
	}
	if err := add(models.ProvisionDelete, before, nil); err != nil {
		return err
	}
	return add(models.ProvisionCreate, after, clid)
}

// provisionChange notes what a change of a user means for his card.
func (s *Store) provisionChange(db *gorm.DB, u userRow, c models.UserChange) error {
	imsi, clid := u.IMSI, u.CLID
	set(&imsi, c.IMSI)
	set(&clid, c.CLID)
	if same(imsi, u.IMSI) && same(clid, u.CLID) || imsi == nil && u.IMSI == nil {
		return nil
	}
	return s.provision(db, u.ID, u.IMSI, imsi, clid)
}

func same(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// provisionNew notes that users with these names were made.
func (s *Store) provisionNew(db *gorm.DB, usernames []string) error {
	if !s.provisions {
		return nil
	}
	return chunks(s.dialect.maxParams, usernames, func(names []string) error {
		_, err := s.provisionUsers(db, "username IN ("+marks(len(names))+")", anys(names)...)
		return err
	})
}

func (s *Store) provisionUsers(db *gorm.DB, condition string, args ...any) (int64, error) {
	done := db.Exec("INSERT INTO provisions (user_id, action, imsi, clid, made_at, due_at) SELECT id, 'create', imsi, COALESCE(clid, ''), "+
		s.dialect.now+", "+s.dialect.now+" FROM users WHERE imsi IS NOT NULL AND deleted_at IS NULL AND "+condition, args...)
	return done.RowsAffected, done.Error
}

// ProvisionAgain notes anew what a node manager should know of one user, or of all of them when it is 0, and returns of
// how many. Those without a card are none.
func (s *Store) ProvisionAgain(ctx context.Context, userID int64, actor string) (int64, error) {
	target, whose, who, args := "all", "TRUE", "TRUE", []any{}
	if userID != 0 {
		target, whose, who, args = fmt.Sprintf("user %d", userID), "user_id = ?", "id = ?", []any{userID}
	}
	var n int64
	err := s.inTransaction(ctx, func(db *gorm.DB) (err error) {
		if err := db.Exec("DELETE FROM provisions WHERE "+s.useless()+" AND "+whose, args...).Error; err != nil {
			return err
		}
		if n, err = s.provisionUsers(db, who, args...); err != nil {
			return err
		}
		return s.logIn(db, actor, "user.provision", target, nil, n)
	})
	return n, translate(err)
}

// useless is what waits for a user and need not be tried any more when all that concerns him is noted anew.
func (s *Store) useless() string {
	return "(given_up = TRUE OR action = 'create' AND " + s.unclaimed() + ")"
}

func (s *Store) unclaimed() string {
	return "(claimed_until IS NULL OR claimed_until < " + s.dialect.now + ")"
}

// later is the database's clock in so many seconds, which are bound.
func (s *Store) later() string {
	if s.dialect.name == sqliteDialect.name {
		return "strftime('%Y-%m-%d %H:%M:%f', 'now', '+' || ? || ' seconds')"
	}
	return "DATE_ADD(UTC_TIMESTAMP(6), INTERVAL ? SECOND)"
}

const provisionColumns = "id, user_id, action, imsi, clid, made_at, due_at, refusals, error, given_up"

// provisionRow is a table as GORM reads it.
type provisionRow struct {
	ID       int64
	UserID   int64
	Action   string
	IMSI     string `gorm:"column:imsi"`
	CLID     string `gorm:"column:clid"`
	MadeAt   time.Time
	DueAt    time.Time
	Refusals int
	Error    string
	GivenUp  bool
}

func (s *Store) provisionsWhere(ctx context.Context, condition string, limit int) ([]models.Provision, error) {
	var rows []provisionRow
	err := s.read.WithContext(ctx).Raw("SELECT "+provisionColumns+" FROM provisions p WHERE "+condition+" LIMIT ?", limit).Scan(&rows).Error
	found := make([]models.Provision, len(rows))
	for i, r := range rows {
		found[i] = models.Provision{
			ID: r.ID, UserID: r.UserID, Action: r.Action, IMSI: r.IMSI, CLID: r.CLID, Made: r.MadeAt, Due: r.DueAt,
			Refusals: r.Refusals, Error: r.Error, GivenUp: r.GivenUp,
		}
	}
	return found, translate(err)
}

// Provisions returns what a node manager is still to be told: what was given up first, then what failed, at most limit.
func (s *Store) Provisions(ctx context.Context, limit int) ([]models.Provision, error) {
	return s.provisionsWhere(ctx, "TRUE ORDER BY given_up DESC, error <> '' DESC, id", limit)
}

// claimTries is how many candidates are looked at: others may be faster.
const claimTries = 8

// ClaimProvision makes this process the one that does what is due next, for the given time; nil when nothing is. What
// is about the same card or the same user is done in its order.
func (s *Store) ClaimProvision(ctx context.Context, lease time.Duration) (*models.Provision, error) {
	due, err := s.provisionsWhere(ctx, "given_up = FALSE AND due_at <= "+s.dialect.now+" AND "+s.unclaimed()+`
		AND NOT EXISTS (SELECT 1 FROM provisions e WHERE e.user_id = p.user_id AND e.id < p.id AND e.given_up = FALSE)
		AND NOT EXISTS (SELECT 1 FROM provisions e WHERE e.imsi = p.imsi AND e.id < p.id AND e.given_up = FALSE) ORDER BY due_at, id`, claimTries)
	if err != nil {
		return nil, err
	}
	for _, p := range due {
		done := s.write.WithContext(ctx).Exec("UPDATE provisions SET claimed_until = "+s.later()+" WHERE id = ? AND given_up = FALSE AND "+s.unclaimed(),
			int(lease/time.Second), p.ID)
		switch {
		case isLocked(done.Error), isTransient(done.Error) && !isLost(done.Error): // somebody else is at it
		case done.Error != nil:
			return nil, translate(done.Error)
		case done.RowsAffected == 1:
			return &p, nil
		}
	}
	return nil, nil //nolint:nilnil // nothing is due, which is no mistake
}

// ProvisionDone forgets what the node manager now knows.
func (s *Store) ProvisionDone(ctx context.Context, id int64) error {
	return translate(s.exec(ctx, "DELETE FROM provisions WHERE id = ?", id))
}

// ProvisionFailed notes what became of a try: p's error, refusals and whether it is given up. If not, it is tried again
// after a while.
func (s *Store) ProvisionFailed(ctx context.Context, p models.Provision, after time.Duration) error {
	return translate(s.exec(ctx, "UPDATE provisions SET error = ?, refusals = ?, given_up = ?, claimed_until = NULL, due_at = "+
		s.later()+" WHERE id = ?", truncate(p.Error, 200), p.Refusals, p.GivenUp, int(after/time.Second), p.ID))
}
