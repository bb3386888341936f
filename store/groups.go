package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

var groupsListing = listing{name: "groups", from: "user_groups g", key: "g.id", always: "1 = 1"}

// groupRow is a table as GORM writes it.
type groupRow struct {
	ID        int64 `gorm:"primaryKey"`
	Name      string
	AccountID *string
	Value     int64
	Mode      string
}

// TableName implements GORM's Tabler.
func (groupRow) TableName() string { return "user_groups" }

// ListGroups returns a page of groups.
func (s *Store) ListGroups(ctx context.Context, r models.ListRequest) (models.List[models.Group], error) {
	q, err := s.search(groupsListing, r)
	if err != nil {
		return models.List[models.Group]{}, err
	}
	keys, err := s.page(ctx, groupsListing, r, q)
	if err != nil {
		return models.List[models.Group]{}, err
	}
	found, err := s.groups(ctx, keys.Items, true)
	return pick(keys, found), err
}

// Group returns a group, or models.ErrNotFound.
func (s *Store) Group(ctx context.Context, name string) (models.Group, error) {
	row, err := groupNamed(s.read.WithContext(ctx), name)
	if err != nil {
		return models.Group{}, translate(err)
	}
	found, err := s.groups(ctx, []int64{row.ID}, true)
	if err != nil {
		return models.Group{}, err
	}
	if g, ok := found[row.ID]; ok {
		return g, nil
	}
	return models.Group{}, fmt.Errorf("group %q: %w", name, models.ErrNotFound)
}

// groupNamed returns gorm.ErrRecordNotFound when there is none.
func groupNamed(db *gorm.DB, name string) (groupRow, error) {
	var row groupRow
	err := db.Where("name = ?", name).Take(&row).Error
	if err == nil && row.Name != name { // MySQL does not look at blanks behind a name
		err = gorm.ErrRecordNotFound
	}
	return row, err
}

// groups reads groups, with all that belongs to them or the row alone.
func (s *Store) groups(ctx context.Context, ids []int64, whole bool) (map[int64]models.Group, error) {
	groups := make(map[int64]models.Group, len(ids))
	err := eachOf(ctx, s, "SELECT id, name, account_id, value, mode FROM user_groups WHERE id IN (%s)", ids, func(rows *sql.Rows) error {
		g := models.Group{Members: []int64{}, Dates: []models.RefillDate{}}
		err := rows.Scan(&g.ID, &g.Name, &g.AccountID, &g.Value, &g.Mode)
		groups[g.ID] = g
		return err
	})
	if err != nil || !whole {
		return groups, err
	}
	err = eachOf(ctx, s, "SELECT group_id, user_id FROM members WHERE group_id IN (%s) ORDER BY group_id, user_id", ids, func(rows *sql.Rows) error {
		var id, user int64
		err := rows.Scan(&id, &user)
		g := groups[id]
		g.Members = append(g.Members, user)
		groups[id] = g
		return err
	})
	if err != nil {
		return nil, err
	}
	err = eachOf(ctx, s, "SELECT id, group_id, day FROM refill_dates WHERE group_id IN (%s) AND done_at IS NULL ORDER BY group_id, day, id", ids,
		func(rows *sql.Rows) error {
			var date models.RefillDate
			var id int64
			var day string
			if err := rows.Scan(&date.ID, &id, &day); err != nil {
				return err
			}
			var err error
			if date.Date, err = time.ParseInLocation(time.DateOnly, day, s.location); err != nil {
				return err
			}
			g := groups[id]
			g.Dates = append(g.Dates, date)
			groups[id] = g
			return nil
		})
	return groups, err
}

// GroupsOf returns the groups of each of these users, without their members and dates.
func (s *Store) GroupsOf(ctx context.Context, users []int64) (map[int64][]models.Group, error) {
	of := make(map[int64][]models.Group)
	err := eachOf(ctx, s, "SELECT m.user_id, g.id, g.name, g.account_id, g.value, g.mode FROM members m JOIN user_groups g ON g.id = m.group_id"+
		" WHERE m.user_id IN (%s) ORDER BY m.user_id, g.id", users, func(rows *sql.Rows) error {
		var user int64
		var g models.Group
		err := rows.Scan(&user, &g.ID, &g.Name, &g.AccountID, &g.Value, &g.Mode)
		of[user] = append(of[user], g)
		return err
	})
	return of, err
}

// groupFacts is what the audit log says of a group.
type groupFacts struct {
	Name      string  `json:"name"`
	AccountID *string `json:"account_id,omitempty"`
	Value     string  `json:"value"`
	Mode      string  `json:"mode"`
	First     string  `json:"first,omitempty"`
	Count     int     `json:"count,omitempty"`
	Members   []int64 `json:"members,omitempty"`
	Added     []int64 `json:"added,omitempty"`
	Removed   []int64 `json:"removed,omitempty"`
}

// NewGroup makes a group. A name that is taken is models.ErrConflict; members that do not exist, and a missing value
// where a member's money is not seconds, are models.ErrInvalid.
func (s *Store) NewGroup(ctx context.Context, g models.NewGroup, actor string) (models.Group, error) {
	row := groupRow{Name: g.Name, AccountID: g.AccountID, Value: int64(models.DefaultRefill), Mode: g.Mode}
	if g.Value != nil {
		row.Value = int64(*g.Value)
	}
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		row.ID = 0
		if err := db.Create(&row).Error; err != nil {
			return err
		}
		if err := s.addMembers(db, row.ID, g.Users, g.Value != nil); err != nil {
			return err
		}
		days := models.Monthly(g.First, g.Count)
		for part := range slices.Chunk(days, s.dialect.maxParams/2) {
			var args []any
			for _, day := range part {
				args = append(args, row.ID, day.Format(time.DateOnly))
			}
			if err := db.Exec("INSERT INTO refill_dates (group_id, day) VALUES (?,?)"+strings.Repeat(",(?,?)", len(part)-1), args...).Error; err != nil {
				return err
			}
		}
		return s.logIn(db, actor, "group.add", g.Name, nil, groupFacts{
			Name: g.Name, AccountID: g.AccountID, Value: money.Amount(row.Value).String(), Mode: g.Mode, First: g.First.Format(time.DateOnly), Count: g.Count, Members: g.Users,
		})
	})
	if err != nil {
		return models.Group{}, groupError(err)
	}
	return s.Group(ctx, g.Name)
}

func groupError(err error) error {
	switch {
	case errors.Is(err, models.ErrInvalid), errors.Is(err, models.ErrNoDate):
		return err
	case isDuplicate(err):
		return fmt.Errorf("%w: the name or account_id belongs to another group already", models.ErrConflict)
	}
	return translate(err)
}

// addMembers adds those who are not members yet.
func (s *Store) addMembers(db *gorm.DB, group int64, users []int64, hasValue bool) error {
	slices.Sort(users)
	users = slices.Compact(slices.Clone(users))
	for part := range slices.Chunk(users, s.dialect.maxParams/2) {
		var found []userRow
		if err := db.Select("id", "currency").Where("id IN ? AND deleted_at IS NULL", part).Find(&found).Error; err != nil {
			return err
		}
		known := make(map[int64]bool, len(found))
		for _, u := range found {
			known[u.ID] = true
			if u.Currency != models.SEC && !hasValue {
				return fmt.Errorf("%w: value must be given, because the money of user %d is %s", models.ErrInvalid, u.ID, u.Currency)
			}
		}
		for _, id := range part {
			if !known[id] {
				return fmt.Errorf("%w: there is no user with the id %d", models.ErrInvalid, id)
			}
		}
		var args []any
		for _, id := range part {
			args = append(args, group, id)
		}
		err := db.Exec(s.dialect.insertIgnore+" INTO members (group_id, user_id) VALUES (?,?)"+strings.Repeat(",(?,?)", len(part)-1), args...).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// ChangeGroup changes a group and returns what has become of it.
func (s *Store) ChangeGroup(ctx context.Context, name string, c models.GroupChange, actor string) (models.Group, error) {
	now := name
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		row, err := groupNamed(db, name)
		if err != nil {
			return err
		}
		before := groupFacts{Name: row.Name, AccountID: row.AccountID, Value: money.Amount(row.Value).String(), Mode: row.Mode}
		columns := map[string]any{}
		if c.Name != nil {
			columns["name"], row.Name = *c.Name, *c.Name
		}
		if c.AccountID != nil {
			columns["account_id"], row.AccountID = *c.AccountID, *c.AccountID
		}
		if c.Value != nil {
			columns["value"], row.Value = int64(*c.Value), int64(*c.Value)
		}
		if c.Mode != nil {
			columns["mode"], row.Mode = *c.Mode, *c.Mode
		}
		if len(columns) > 0 {
			if err := db.Model(&groupRow{}).Where("id = ?", row.ID).Updates(columns).Error; err != nil {
				return err
			}
		}
		if err := s.changeMembers(db, row.ID, c.Members); err != nil {
			return err
		}
		now = row.Name
		after := groupFacts{
			Name: row.Name, AccountID: row.AccountID, Value: money.Amount(row.Value).String(), Mode: row.Mode, Added: c.Members.Add, Removed: c.Members.Remove,
		}
		if c.Members.All != nil {
			after.Members = *c.Members.All
		}
		return s.logIn(db, actor, "group.change", name, before, after)
	})
	if err != nil {
		return models.Group{}, groupError(err)
	}
	return s.Group(ctx, now)
}

func (s *Store) changeMembers(db *gorm.DB, group int64, m models.Membership) error {
	if m.All != nil {
		if err := db.Exec("DELETE FROM members WHERE group_id = ?", group).Error; err != nil {
			return err
		}
		m.Add = append(slices.Clone(*m.All), m.Add...)
	}
	for part := range slices.Chunk(m.Remove, s.dialect.maxParams-1) {
		if err := db.Exec("DELETE FROM members WHERE group_id = ? AND user_id IN ?", group, part).Error; err != nil {
			return err
		}
	}
	return s.addMembers(db, group, m.Add, true)
}

// Join changes the groups of a user. Those that do not exist are models.ErrInvalid.
func (s *Store) Join(ctx context.Context, user int64, m models.Membership, actor string) error {
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		if m.All != nil {
			if err := db.Exec("DELETE FROM members WHERE user_id = ?", user).Error; err != nil {
				return err
			}
			m.Add = append(slices.Clone(*m.All), m.Add...)
		}
		for _, group := range m.Remove {
			if err := db.Exec("DELETE FROM members WHERE group_id = ? AND user_id = ?", group, user).Error; err != nil {
				return err
			}
		}
		for _, group := range m.Add {
			var row groupRow
			err := db.Where("id = ?", group).Take(&row).Error
			if errors.Is(err, gorm.ErrRecordNotFound) {
				return fmt.Errorf("%w: there is no group with the id %d", models.ErrInvalid, group)
			}
			if err == nil {
				err = s.addMembers(db, group, []int64{user}, true)
			}
			if err != nil {
				return err
			}
		}
		return s.logIn(db, actor, "user.groups", fmt.Sprint(user), nil, m)
	})
	return groupError(err)
}

// DeleteGroup deletes a group; its members keep their credit.
func (s *Store) DeleteGroup(ctx context.Context, name, actor string) error {
	return groupError(s.inTransaction(ctx, func(db *gorm.DB) error {
		row, err := groupNamed(db, name)
		if err != nil {
			return err
		}
		for _, statement := range []string{
			"DELETE FROM user_groups WHERE id = ?", "DELETE FROM members WHERE group_id = ?", "DELETE FROM refill_dates WHERE group_id = ? AND done_at IS NULL",
		} {
			if err := db.Exec(statement, row.ID).Error; err != nil {
				return err
			}
		}
		return s.logIn(db, actor, "group.delete", name, groupFacts{Name: row.Name, Value: money.Amount(row.Value).String(), Mode: row.Mode}, nil)
	}))
}

// refillPart is how many members get their refill in one transaction: calls of theirs wait for no more.
const refillPart = 200

// Refill applies a group's dates that are due. With force it applies the earliest date that is left, due or not, and is
// models.ErrNoDate when none is.
func (s *Store) Refill(ctx context.Context, name string, force bool, actor string) (models.Group, error) {
	row, err := groupNamed(s.read.WithContext(ctx), name)
	if err != nil {
		return models.Group{}, groupError(err)
	}
	today, err := s.today(ctx)
	if err != nil {
		return models.Group{}, err
	}
	last := today
	if force {
		last = "9999-12-31"
	}
	for done := 0; !force || done == 0; done++ {
		applied, err := s.refillNext(ctx, "group_id = ? AND (day <= ? OR reached > 0)", []any{row.ID, last}, actor)
		if err != nil {
			return models.Group{}, err
		}
		if !applied && force {
			return models.Group{}, models.ErrNoDate
		}
		if !applied {
			break
		}
	}
	return s.Group(ctx, name)
}

// RefillDue applies every date of every group that is due, oldest first, and returns how many. Each is applied once,
// however many processes do this at once, and one that was broken off is finished.
func (s *Store) RefillDue(ctx context.Context, actor string) (int, error) {
	today, err := s.today(ctx)
	if err != nil {
		return 0, err
	}
	for applied := 0; ; applied++ {
		more, err := s.refillNext(ctx, "(day <= ? OR reached > 0)", []any{today}, actor)
		if !more || err != nil {
			return applied, err
		}
	}
}

// today is the day in the zone of the settings, by the database's clock.
func (s *Store) today(ctx context.Context) (string, error) {
	now, err := s.Clock(ctx)
	return now.In(s.location).Format(time.DateOnly), err
}

// refillNext applies the earliest date that satisfies a condition; it is false when there is none.
func (s *Store) refillNext(ctx context.Context, condition string, args []any, actor string) (bool, error) {
	var date int64
	for {
		found, done := int64(0), false
		err := s.inTransaction(ctx, func(db *gorm.DB) (err error) {
			found, done, err = s.refillSome(ctx, db, date, condition, args, actor)
			return err
		})
		if err != nil {
			return false, fmt.Errorf("refill: %w", translate(err))
		}
		if done || date == 0 && found == 0 {
			return done, nil
		}
		date = found // 0: somebody else has finished it, and there may be another
	}
}

// refillSome gives a refill to the next members of a group, or marks the date as done when all have theirs. Date is 0 to
// look for one; found is 0 when there is none, or none any more. What is already done is in the date's own row, which stays locked meanwhile, and each member's entry
// has a reference that can be posted once.
func (s *Store) refillSome(ctx context.Context, db *gorm.DB, date int64, condition string, args []any, actor string) (found int64, done bool, err error) {
	if date != 0 {
		condition, args = "id = ?", []any{date}
	}
	var row struct{ ID, GroupID, Reached int64 }
	err = db.Raw("SELECT id, group_id, reached FROM refill_dates WHERE done_at IS NULL AND "+condition+" ORDER BY day, id LIMIT 1"+s.dialect.forUpdate,
		args...).Scan(&row).Error
	if err != nil {
		return 0, false, err
	}
	if row.ID == 0 {
		return 0, false, nil
	}
	var group groupRow
	if err := db.Where("id = ?", row.GroupID).Take(&group).Error; err != nil {
		return 0, false, err
	}
	var users []int64
	err = db.Raw("SELECT m.user_id FROM members m JOIN users u ON u.id = m.user_id WHERE m.group_id = ? AND m.user_id > ? AND u.deleted_at IS NULL"+
		fmt.Sprintf(" ORDER BY m.user_id LIMIT %d", refillPart), row.GroupID, row.Reached).Scan(&users).Error
	if err != nil {
		return 0, false, err
	}
	if len(users) == 0 {
		err := db.Exec("UPDATE refill_dates SET done_at = "+s.dialect.now+" WHERE id = ?", row.ID).Error
		if err == nil {
			err = s.logIn(db, actor, "group.refill", group.Name, nil, map[string]any{"date_id": row.ID, "value": money.Amount(group.Value).String(), "mode": group.Mode})
		}
		return row.ID, err == nil, err
	}
	tx := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
	st, err := tx.load(ctx, billing.Keys{Users: users}, false)
	if err != nil {
		return 0, false, err
	}
	refill := billing.Refill{ID: row.ID, Value: money.Amount(group.Value), Mode: group.Mode, Actor: actor}
	left, err := billing.DecideRefill(st, users, refill, s.now())
	if err != nil {
		return 0, false, err
	}
	if err := tx.write(ctx, st); err != nil {
		return 0, false, err
	}
	for user, why := range left {
		if err := s.logIn(db, actor, "group.refill.left", group.Name, nil, map[string]any{"date_id": row.ID, "user": user, "why": why.Error()}); err != nil {
			return 0, false, err
		}
	}
	return row.ID, false, db.Exec("UPDATE refill_dates SET reached = ? WHERE id = ?", users[len(users)-1], row.ID).Error
}
