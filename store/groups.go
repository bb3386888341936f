package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"talktime/models"
	"talktime/money"
)

// groupColumns are the columns of a group g.
var groupColumns = fmt.Sprintf("g.id, g.name, g.account_id, COALESCE(g.value, %d), g.mode", models.DefaultRefill)

var groupsListing = listing{name: "groups", from: "user_groups g", key: "g.id", always: "1 = 1"}

// groupRow is a table as GORM writes it.
type groupRow struct {
	ID        int64 `gorm:"primaryKey"`
	Name      string
	AccountID *string
	Value     *int64 // nil: the default, which only seconds have
	Mode      string
	DeckID    int64
}

func (g groupRow) value() money.Amount {
	if g.Value == nil {
		return models.DefaultRefill
	}
	return money.Amount(*g.Value)
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
	err := eachOf(ctx, s, "SELECT "+groupColumns+" FROM user_groups g WHERE g.id IN (%s)", ids, func(rows *sql.Rows) error {
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
			if date.Date, err = dayBegins(day, s.location); err != nil {
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
	err := eachOf(ctx, s, "SELECT m.user_id, "+groupColumns+" FROM members m JOIN user_groups g ON g.id = m.group_id"+
		" WHERE m.user_id IN (%s) ORDER BY m.user_id, g.id", users, func(rows *sql.Rows) error {
		var user int64
		var g models.Group
		err := rows.Scan(&user, &g.ID, &g.Name, &g.AccountID, &g.Value, &g.Mode)
		of[user] = append(of[user], g)
		return err
	})
	return of, err
}

// dayBegins is the first moment of a day. Where the clock jumps over midnight into summer time, that is an hour later.
func dayBegins(day string, zone *time.Location) (time.Time, error) {
	begins, err := time.ParseInLocation(time.DateOnly, day, zone)
	if err == nil && begins.Format(time.DateOnly) != day {
		begins = begins.Add(time.Hour)
	}
	return begins, err
}

// idList is written as a list where that is short. A line of the audit log does not hold the members of every group.
type idList []int64

const maxLogged = 1000

// MarshalJSON implements json.Marshaler.
func (l idList) MarshalJSON() ([]byte, error) {
	if len(l) > maxLogged {
		return json.Marshal(fmt.Sprintf("%d ids", len(l)))
	}
	return json.Marshal([]int64(l))
}

// groupFacts is what the audit log says of a group.
type groupFacts struct {
	Name      string  `json:"name"`
	AccountID *string `json:"account_id,omitempty"`
	Value     string  `json:"value"`
	Mode      string  `json:"mode"`
	First     string  `json:"first,omitempty"`
	Count     int     `json:"count,omitempty"`
	Members   idList  `json:"members,omitempty"`
	Added     idList  `json:"added,omitempty"`
	Removed   idList  `json:"removed,omitempty"`
}

func (g groupRow) facts() groupFacts {
	return groupFacts{Name: g.Name, AccountID: g.AccountID, Value: g.value().String(), Mode: g.Mode}
}

// lockGroup reads the group with an id, or where that is 0 a name, for a transaction that changes it: two that do so come
// one after the other. It returns gorm.ErrRecordNotFound when there is none.
func lockGroup(db *gorm.DB, id int64, name string) (groupRow, error) {
	db = db.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	if id == 0 {
		return groupNamed(db, name)
	}
	var row groupRow
	return row, db.Where("id = ?", id).Take(&row).Error
}

// wrongMoney is the condition of the users u whose money a value does not go with: the default is for seconds alone, and
// those are whole. It is empty when there can be none; else it has one question mark, for models.SEC.
func (g groupRow) wrongMoney() string {
	switch {
	case g.Value == nil:
		return "u.currency <> ?"
	case g.value()%money.Unit != 0:
		return "u.currency = ?"
	}
	return ""
}

// checkValue refuses a value that does not go with the money of a member.
func checkValue(db *gorm.DB, row groupRow) error {
	return row.refuse(db, "FROM members m JOIN users u ON u.id = m.user_id WHERE m.group_id = ?", row.ID)
}

// checkJoining is checkValue for these users alone. To look at all members for each who joins would cost their square.
func (s *Store) checkJoining(db *gorm.DB, row groupRow, users []int64) error {
	return chunks(s.dialect.maxParams-1, users, func(part []int64) error {
		return row.refuse(db, "FROM users u WHERE u.id IN ?", part)
	})
}

// refuse refuses a value that does not go with the money of one of the users u of a query.
func (g groupRow) refuse(db *gorm.DB, users string, of any) error {
	wrong := g.wrongMoney()
	if wrong == "" {
		return nil
	}
	var found struct {
		ID       int64
		Currency string
	}
	err := db.Raw("SELECT u.id, u.currency "+users+" AND "+wrong+" LIMIT 1", of, models.SEC).Scan(&found).Error
	switch {
	case err != nil || found.ID == 0:
		return err
	case g.Value == nil:
		return fmt.Errorf("%w: the group needs a value, because the money of user %d is %s", models.ErrInvalid, found.ID, found.Currency)
	}
	return fmt.Errorf("%w: value must be whole, because the money of user %d is %s", models.ErrInvalid, found.ID, found.Currency)
}

// lastDay is the last that a refill may be on: days are compared as text.
const lastDay = "9999-12-31"

// NewGroup makes a group. A name that is taken is models.ErrConflict; members that do not exist, and a missing value
// where a member's money is not seconds, are models.ErrInvalid.
func (s *Store) NewGroup(ctx context.Context, g models.NewGroup, actor string) (models.Group, error) {
	row := groupRow{Name: g.Name, AccountID: g.AccountID, Value: (*int64)(g.Value), Mode: g.Mode}
	days := models.Monthly(g.First, g.Count)
	if len(days) == 0 || len(days[len(days)-1].Format(time.DateOnly)) > len(lastDay) {
		return models.Group{}, fmt.Errorf("%w: there must be at least one refill, and none after %s", models.ErrInvalid, lastDay)
	}
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		row.ID = 0
		if err := db.Create(&row).Error; err != nil {
			return err
		}
		if err := s.addMembers(db, row.ID, g.Users); err != nil {
			return err
		}
		if err := checkValue(db, row); err != nil {
			return err
		}
		for part := range slices.Chunk(days, s.dialect.maxParams/2) {
			var args []any
			for _, day := range part {
				args = append(args, row.ID, day.Format(time.DateOnly))
			}
			if err := db.Exec("INSERT INTO refill_dates (group_id, day) VALUES (?,?)"+strings.Repeat(",(?,?)", len(part)-1), args...).Error; err != nil {
				return err
			}
		}
		facts := row.facts()
		facts.First, facts.Count, facts.Members = days[0].Format(time.DateOnly), g.Count, g.Users
		return s.logIn(db, actor, "group.add", g.Name, nil, facts)
	})
	if err != nil {
		return models.Group{}, groupError(err)
	}
	return s.Group(ctx, g.Name)
}

func groupError(err error) error {
	switch {
	case errors.Is(err, models.ErrInvalid), errors.Is(err, models.ErrNoDate), errors.Is(err, models.ErrRefilling):
		return err
	case isDuplicate(err):
		return fmt.Errorf("%w: the name or account_id belongs to another group already", models.ErrConflict)
	}
	return translate(err)
}

// addMembers adds those who are not members yet.
func (s *Store) addMembers(db *gorm.DB, group int64, users []int64) error {
	users = slices.Compact(slices.Sorted(slices.Values(users)))
	for part := range slices.Chunk(users, s.dialect.maxParams/2) {
		var found []userRow
		if err := db.Select("id").Where("id IN ? AND deleted_at IS NULL", part).Find(&found).Error; err != nil {
			return err
		}
		known := make(map[int64]bool, len(found))
		for _, u := range found {
			known[u.ID] = true
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

// ChangeGroup changes a group and returns what has become of it. It fails as NewGroup does.
func (s *Store) ChangeGroup(ctx context.Context, name string, c models.GroupChange, actor string) (models.Group, error) {
	var row groupRow
	err := s.inTransaction(ctx, func(db *gorm.DB) (err error) {
		row, err = s.changeGroup(db, name, c, actor)
		return err
	})
	if err != nil {
		return models.Group{}, groupError(err)
	}
	return s.Group(ctx, row.Name)
}

// ChangeAndRefill changes a group as ChangeGroup does, and then applies the refill with this id as RefillDate does, or
// when it is 0 the earliest that is left, as Refill does with force. What keeps the refill from being begun keeps the group
// as it was.
func (s *Store) ChangeAndRefill(ctx context.Context, name string, c models.GroupChange, date int64, actor string) (models.Group, error) {
	var row groupRow
	var apply int64
	var begun, done bool
	err := s.inTransaction(ctx, func(db *gorm.DB) (err error) {
		if row, err = s.changeGroup(db, name, c, actor); err != nil {
			return err
		}
		if apply = date; date == 0 {
			apply, err = nextDate(db, row.ID)
		} else {
			err = hasDate(db, row.ID, date)
		}
		if err != nil {
			return err
		}
		begun, done, err = s.refillSome(ctx, db, apply, date == 0, actor)
		if err == nil && date == 0 && !begun { // somebody else was quicker
			err = models.ErrRefilling
		}
		return err
	})
	if err != nil {
		return models.Group{}, groupError(err)
	}
	if begun && !done {
		if _, _, err := s.refill(ctx, apply, false, actor); err != nil {
			return models.Group{}, brokenOff(err)
		}
	}
	return s.Group(ctx, row.Name)
}

// changeGroup is ChangeGroup in a transaction of other changes.
func (s *Store) changeGroup(db *gorm.DB, name string, c models.GroupChange, actor string) (groupRow, error) {
	row, err := lockGroup(db, 0, name)
	if err != nil {
		return row, err
	}
	before := row.facts()
	if c.Members.All != nil {
		if err := db.Raw("SELECT user_id FROM members WHERE group_id = ? ORDER BY user_id", row.ID).Scan(&before.Members).Error; err != nil {
			return row, err
		}
	}
	columns := map[string]any{}
	if c.Name != nil {
		columns["name"], row.Name = *c.Name, *c.Name
	}
	if c.AccountID != nil {
		if err := s.leaveName(db, 0, row.AccountID, *c.AccountID); err != nil {
			return row, err
		}
		columns["account_id"], row.AccountID = *c.AccountID, *c.AccountID
	}
	if c.Value != nil {
		columns["value"], row.Value = int64(*c.Value), (*int64)(c.Value)
	}
	if c.Mode != nil {
		columns["mode"], row.Mode = *c.Mode, *c.Mode
	}
	if len(columns) > 0 {
		if err := db.Model(&groupRow{}).Where("id = ?", row.ID).Updates(columns).Error; err != nil {
			return row, err
		}
	}
	if err := s.changeMembers(db, row.ID, c.Members); err != nil {
		return row, err
	}
	if c.Value != nil {
		err = checkValue(db, row)
	} else {
		err = s.checkJoining(db, row, c.Members.Joining())
	}
	if err != nil {
		return row, err
	}
	after := row.facts()
	after.Added, after.Removed = c.Members.Add, c.Members.Remove
	if c.Members.All != nil {
		after.Members = *c.Members.All
	}
	if err := s.logIn(db, actor, "group.change", name, before, after); err != nil {
		return row, err
	}
	return row, s.moved(db, slices.Concat(before.Members, c.Members.Remove, c.Members.Joining())...)
}

func (s *Store) changeMembers(db *gorm.DB, group int64, m models.Membership) error {
	if m.All != nil {
		if err := db.Exec("DELETE FROM members WHERE group_id = ?", group).Error; err != nil {
			return err
		}
	}
	for part := range slices.Chunk(m.Remove, s.dialect.maxParams-1) {
		if err := db.Exec("DELETE FROM members WHERE group_id = ? AND user_id IN ?", group, part).Error; err != nil {
			return err
		}
	}
	return s.addMembers(db, group, m.Joining())
}

// Join changes the groups of a user. Those that do not exist, and those whose value does not go with his money, are
// models.ErrInvalid.
func (s *Store) Join(ctx context.Context, user int64, m models.Membership, actor string) error {
	return groupError(s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := s.joinIn(db, []int64{user}, m, actor); err != nil {
			return err
		}
		return s.moved(db, user)
	}))
}

// joinIn is Join in a transaction of other changes, for users of whom there are no more than a statement can bind. It does
// for all of them together what can be done so: each group is locked and checked once, however many join it.
func (s *Store) joinIn(db *gorm.DB, users []int64, m models.Membership, actor string) error {
	before, err := groupIDs(db, users)
	if err != nil {
		return err
	}
	if m.All != nil {
		if err := db.Exec("DELETE FROM members WHERE user_id IN ?", users).Error; err != nil {
			return err
		}
	}
	for _, group := range m.Remove {
		for part := range slices.Chunk(users, s.dialect.maxParams-1) {
			if err := db.Exec("DELETE FROM members WHERE group_id = ? AND user_id IN ?", group, part).Error; err != nil {
				return err
			}
		}
	}
	for _, group := range slices.Compact(slices.Sorted(slices.Values(m.Joining()))) {
		if err := s.join(db, users, group); err != nil {
			return err
		}
	}
	after, err := groupIDs(db, users)
	if err != nil {
		return err
	}
	log := s.lines(db, actor)
	for _, user := range users {
		was, is := map[string]idList{"groups": before[user]}, map[string]idList{"groups": after[user]}
		log.add("user.group", strconv.FormatInt(user, 10), was, is)
	}
	return log.write(db)
}

func (s *Store) join(db *gorm.DB, users []int64, group int64) error {
	row, err := lockGroup(db, group, "")
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return fmt.Errorf("%w: there is no group with the id %d", models.ErrInvalid, group)
	}
	if err == nil {
		err = s.addMembers(db, group, users)
	}
	if err == nil {
		err = s.checkJoining(db, row, users)
	}
	return err
}

// groupIDs are the groups of each of these users, as the audit log shows them.
func groupIDs(db *gorm.DB, users []int64) (map[int64]idList, error) {
	var rows []struct{ UserID, GroupID int64 }
	err := db.Raw("SELECT user_id, group_id FROM members WHERE user_id IN ? ORDER BY user_id, group_id", users).Scan(&rows).Error
	ids := make(map[int64]idList, len(users))
	for _, user := range users {
		ids[user] = idList{}
	}
	for _, row := range rows {
		ids[row.UserID] = append(ids[row.UserID], row.GroupID)
	}
	return ids, err
}

// DeleteGroup deletes a group; its members keep their credit.
func (s *Store) DeleteGroup(ctx context.Context, name, actor string) error {
	return groupError(s.inTransaction(ctx, func(db *gorm.DB) error {
		row, err := lockGroup(db, 0, name)
		if err != nil {
			return err
		}
		before := row.facts()
		if err := db.Raw("SELECT user_id FROM members WHERE group_id = ? ORDER BY user_id", row.ID).Scan(&before.Members).Error; err != nil {
			return err
		}
		for _, statement := range []string{
			"DELETE FROM user_groups WHERE id = ?", "DELETE FROM members WHERE group_id = ?", "DELETE FROM refill_dates WHERE group_id = ? AND done_at IS NULL",
		} {
			if err := db.Exec(statement, row.ID).Error; err != nil {
				return err
			}
		}
		if err := s.leaveName(db, 0, row.AccountID, nil); err != nil {
			return err
		}
		if err := s.logIn(db, actor, "group.delete", name, before, nil); err != nil {
			return err
		}
		return s.moved(db, before.Members...)
	}))
}
