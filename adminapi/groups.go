package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"talktime/models"
	"talktime/money"
)

// Groups are groups of users, whose balances are refilled on certain dates.
type Groups interface {
	ListGroups(context.Context, models.ListRequest) (models.List[models.Group], error)
	Group(ctx context.Context, name string) (models.Group, error)
	// NewGroup is models.ErrConflict when the name is taken, and models.ErrInvalid for members that do not exist.
	NewGroup(ctx context.Context, g models.NewGroup, actor string) (models.Group, error)
	ChangeGroup(ctx context.Context, name string, c models.GroupChange, actor string) (models.Group, error)
	DeleteGroup(ctx context.Context, name, actor string) error
	// ChangeAndRefill changes a group and applies one of its dates, or when that is 0 the earliest that is left. It is
	// models.ErrNoDate when none is, and models.ErrRefilling while somebody applies it; then nothing is changed.
	ChangeAndRefill(ctx context.Context, name string, c models.GroupChange, date int64, actor string) (models.Group, error)
	// Refill applies the dates that are due. With force it applies the earliest date that is left, due or not, and is
	// models.ErrNoDate when none is, and models.ErrRefilling while somebody applies it.
	Refill(ctx context.Context, name string, force bool, actor string) (models.Group, error)
	// RefillDate applies one date, and tells whether it did: once it was applied, it stays as it is. A date that was never
	// the group's is models.ErrInvalid.
	RefillDate(ctx context.Context, name string, date int64, actor string) (g models.Group, applied bool, err error)
	// GroupsOf returns the groups of each of these users.
	GroupsOf(ctx context.Context, users []int64) (map[int64][]models.Group, error)
}

// Bounds of a group.
const (
	maxCount   = 1200
	maxMembers = 100_000 // in one request
	maxName    = 64
	maxDateID  = 1<<53 - 1 // exact in every JSON reader
	minYear    = 1970
	maxYear    = 9999
)

type dateJSON struct {
	ID      int64  `json:"id_"`
	GroupID int64  `json:"group_id"`
	Date    string `json:"date"`
}

// plainGroupJSON is a group inside another object.
type plainGroupJSON struct {
	ID    int64  `json:"id_"`
	Name  string `json:"name"`
	Value refill `json:"value"`
	Mode  string `json:"mode"`
}

type groupJSON struct {
	plainGroupJSON
	Dates     []dateJSON      `json:"dates_to_update"`
	Members   []plainUserJSON `json:"tunel"`
	AccountID *string         `json:"account_id"`
}

func showPlainGroup(g models.Group) plainGroupJSON {
	return plainGroupJSON{ID: g.ID, Name: g.Name, Value: refill(g.Value), Mode: g.Mode}
}

// refill is an amount that is shown as the original did, a number, as long as it is a whole one; else as a decimal string.
type refill money.Amount

// MarshalJSON implements json.Marshaler.
func (f refill) MarshalJSON() ([]byte, error) {
	amount := money.Amount(f)
	if amount%money.Unit == 0 {
		return []byte(amount.String()), nil
	}
	return json.Marshal(amount)
}

// Members that are shown with a group, those with the lowest ids. A site may have one group of all its users.
const (
	groupMembers  = 10_000 // with a group alone
	listedMembers = 100    // with a group in a list
)

// showGroups shows groups with so many of their members each, whose rows are read together, and says when there are more.
func (r *request) showGroups(members int, groups ...models.Group) ([]groupJSON, error) {
	var ids []int64
	for i, g := range groups {
		if len(g.Members) > members {
			r.Header("X-Truncated", "tunel")
			groups[i].Members = g.Members[:members]
		}
		ids = append(ids, groups[i].Members...)
	}
	users, err := r.api.Users.UsersByID(r.ctx(), ids)
	if err != nil {
		return nil, err
	}
	shown := make([]groupJSON, len(groups))
	for i, g := range groups {
		s := groupJSON{plainGroupJSON: showPlainGroup(g), Dates: []dateJSON{}, Members: []plainUserJSON{}, AccountID: g.AccountID}
		for _, d := range g.Dates {
			s.Dates = append(s.Dates, dateJSON{d.ID, g.ID, r.api.naive(d.Date)})
		}
		for _, id := range g.Members {
			if u, ok := users[id]; ok {
				s.Members = append(s.Members, r.showPlainUser(u))
			}
		}
		shown[i] = s
	}
	return shown, nil
}

// showUsers shows users with their groups.
func (r *request) showUsers(users ...models.UserDetail) ([]userJSON, error) {
	if err := r.hideCalls(users); err != nil {
		return nil, err
	}
	groups := map[int64][]models.Group{}
	if r.api.Groups != nil {
		ids := make([]int64, len(users))
		for i, u := range users {
			ids[i] = u.ID
		}
		var err error
		if groups, err = r.api.Groups.GroupsOf(r.ctx(), ids); err != nil {
			return nil, err
		}
	}
	shown := make([]userJSON, len(users))
	for i, u := range users {
		shown[i] = r.showUser(u)
		for _, g := range groups[u.ID] {
			shown[i].Groups = append(shown[i].Groups, showPlainGroup(g))
		}
	}
	return shown, nil
}

// answerUser answers with one user, and says which of his lists of calls have only the newest.
func (r *request) answerUser(status int, user models.UserDetail) error {
	var cut []string
	if user.MoreOriginated && r.who.reads() {
		cut = append(cut, "originated_calls")
	}
	if user.MoreReceived && r.who.reads() {
		cut = append(cut, "received_calls")
	}
	if cut != nil {
		r.Header("X-Truncated", strings.Join(cut, ", "))
	}
	shown, err := r.showUsers(user)
	if err == nil {
		r.answer(status, shown[0])
	}
	return err
}

// answerGroup answers with one group.
func (r *request) answerGroup(status int, g models.Group) error {
	shown, err := r.showGroups(groupMembers, g)
	if err == nil {
		r.answer(status, shown[0])
	}
	return err
}

func listGroups(r *request) error {
	l, err := r.listRequest(manyRows)
	if err != nil {
		return err
	}
	list, err := r.api.Groups.ListGroups(r.ctx(), l)
	if err != nil {
		return err
	}
	shown, err := r.showGroups(listedMembers, list.Items...)
	if err != nil {
		return err
	}
	page := models.List[groupJSON]{Items: shown, Total: list.Total, AtLeast: list.AtLeast, Single: list.Single}
	return answerList(r, l, page, func(g groupJSON) int64 { return g.ID }, func(g groupJSON) groupJSON { return g })
}

func getGroup(r *request) error {
	g, err := r.api.Groups.Group(r.ctx(), r.Param("name"))
	if err != nil {
		return err
	}
	return r.answerGroup(http.StatusOK, g)
}

func createGroup(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("name", "day", "month", "year", "count", "users", "value", "mode", "account_id"); err != nil {
		return err
	}
	if err := o.missing("name", "day", "month", "year", "count"); err != nil {
		return err
	}
	if err := r.mayRefill(); err != nil {
		return err
	}
	made, err := r.makeGroup(o)
	if err != nil {
		return err
	}
	r.Header("Location", r.location(made.Name))
	return r.answerGroup(http.StatusCreated, made)
}

func (r *request) makeGroup(o object) (models.Group, error) {
	g, err := r.newGroup(o)
	if err != nil {
		return models.Group{}, err
	}
	made, err := r.api.Groups.NewGroup(r.ctx(), g, r.who.actor())
	if errors.Is(err, models.ErrConflict) {
		err = badRequest("Already has this Group")
	}
	return made, err
}

func (r *request) newGroup(o object) (g models.NewGroup, err error) {
	if g.Name, err = o.name("name"); err != nil {
		return g, err
	}
	if g.First, err = r.day(o); err != nil {
		return g, err
	}
	count, err := o.whole("count", 1, maxCount)
	if err != nil {
		return g, err
	}
	g.Count, g.Mode = int(count), models.ModeTopUp
	if o.has("users") {
		if g.Users, err = o.ids("users"); err != nil {
			return g, err
		}
	}
	c, err := o.groupChange("value", "mode", "account_id")
	if err != nil {
		return g, err
	}
	g.Value = c.Value
	if c.Mode != nil {
		g.Mode = *c.Mode
	}
	if c.AccountID != nil {
		g.AccountID = *c.AccountID
	}
	return g, nil
}

// day is the first refill's day, which must not be before today.
func (r *request) day(o object) (time.Time, error) {
	year, err := o.whole("year", minYear, maxYear)
	if err != nil {
		return time.Time{}, err
	}
	month, err := o.whole("month", 1, 12)
	if err != nil {
		return time.Time{}, err
	}
	day, err := o.whole("day", 1, 31)
	if err != nil {
		return time.Time{}, err
	}
	date := time.Date(int(year), time.Month(month), int(day), 0, 0, 0, 0, time.UTC)
	if date.Day() != int(day) {
		return date, badRequest(fmt.Sprintf("there is no day %d-%02d-%02d", year, month, day))
	}
	now := r.api.Now().In(r.api.Location)
	if date.Before(time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)) {
		return date, badRequest("Date not accept")
	}
	return date, nil
}

// name reads a name that can stand in a path.
func (o object) name(field string) (string, error) {
	name, err := o.text(field)
	odd := func(c rune) bool { return !unicode.IsPrint(c) || c == '/' }
	if err == nil && (name == "" || models.Dots(name) || utf8.RuneCountInString(name) > maxName || strings.TrimSpace(name) != name || strings.ContainsFunc(name, odd)) {
		err = badRequest(fmt.Sprintf("%s must have 1 to %d printable characters without a slash, and no space at its ends, and be neither . nor ..", field, maxName))
	}
	return name, err
}

// ids reads a list of ids, each a number, a string of one, or an object with the key id_.
func (o object) ids(field string) ([]int64, error) {
	var items []json.RawMessage
	if json.Unmarshal(o[field], &items) != nil || items == nil || len(items) > maxMembers {
		return nil, badRequest(field + " must be a list of ids")
	}
	ids := make([]int64, len(items))
	for i, item := range items {
		one := object{field: item}
		var inner object
		if json.Unmarshal(item, &inner) == nil && inner.has("id_") {
			one = object{field: inner["id_"]}
		}
		id, err := one.whole(field, 1, 1<<53)
		if err != nil {
			return nil, badRequest(field + " must be a list of ids")
		}
		ids[i] = id
	}
	return ids, nil
}

// membership reads a relation: a whole list, or an object of what is to be added and removed.
func (o object) membership(field string) (m models.Membership, err error) {
	var change object
	if json.Unmarshal(o[field], &change) != nil || change == nil {
		all, err := o.ids(field)
		return models.Membership{All: &all}, err
	}
	for _, name := range change.names() {
		switch name {
		case "add":
			m.Add, err = change.ids(name)
		case "remove":
			m.Remove, err = change.ids(name)
		default:
			err = badRequest(field + " must be a list, or an object with add and remove")
		}
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

// groupChange reads those of the fields that are there.
func (o object) groupChange(fields ...string) (c models.GroupChange, err error) {
	for _, name := range fields {
		if !o.has(name) {
			continue
		}
		switch name {
		case "name":
			c.Name, err = ptr(o.name(name))
		case "account_id":
			c.AccountID, err = ptr(o.textOrNull(name))
			if err == nil {
				err = models.UserChange{AccountID: c.AccountID}.Validate()
			}
		case "value":
			c.Value, err = ptr(o.amount(name))
			if err == nil && (*c.Value <= 0 || *c.Value > maxValue*money.Unit) {
				err = badRequest("value must be positive")
			}
		case "mode":
			c.Mode, err = ptr(o.text(name))
			if err == nil && *c.Mode != models.ModeTopUp && *c.Mode != models.ModeAdd {
				err = badRequest(`mode must be "topup" or "add"`)
			}
		case "newUser":
			c.Members.Add, err = o.ids(name)
		case "removeUser":
			c.Members.Remove, err = o.ids(name)
		case "tunel":
			c.Members, err = o.membership(name)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func changeGroup(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	fields := []string{"name", "account_id", "value", "mode", "newUser", "removeUser", "tunel"}
	for _, name := range o.names() {
		switch {
		case name == "id_" || name == "dates_to_update":
			return forbidden()
		case name != "updateGroup" && name != "date" && !slices.Contains(fields, name):
			return badRequest("Model does not have field '" + name + "'")
		}
	}
	force, date := int64(0), int64(0)
	if o.has("updateGroup") {
		if force, err = o.whole("updateGroup", 0, 1); err != nil {
			return err
		}
	}
	if o.has("date") {
		if date, err = o.whole("date", 1, maxDateID); err != nil {
			return err
		}
		if force == 0 {
			return badRequest("date says which refill updateGroup 1 means, and means nothing without it")
		}
	}
	c, err := o.groupChange(fields...)
	if err != nil {
		return err
	}
	if force == 1 || c.Value != nil || c.Mode != nil || !c.Members.Empty() {
		if err := r.mayRefill(); err != nil {
			return err
		}
	}
	name := r.Param("name")
	changed := c.Name != nil || c.AccountID != nil || c.Value != nil || c.Mode != nil || !c.Members.Empty()
	var g models.Group
	switch {
	case changed && force == 1:
		g, err = r.api.Groups.ChangeAndRefill(r.ctx(), name, c, date, r.who.actor())
		err = nameTaken(err)
	case changed:
		g, err = r.alterGroup(name, c)
	case date != 0:
		g, _, err = r.api.Groups.RefillDate(r.ctx(), name, date, r.who.actor())
	default:
		g, err = r.api.Groups.Refill(r.ctx(), name, force == 1, r.who.actor())
	}
	if err != nil {
		return err
	}
	return r.answerGroup(http.StatusOK, g)
}

func (r *request) alterGroup(name string, c models.GroupChange) (models.Group, error) {
	g, err := r.api.Groups.ChangeGroup(r.ctx(), name, c, r.who.actor())
	return g, nameTaken(err)
}

// nameTaken says in the original's words that there is such a group.
func nameTaken(err error) error {
	if errors.Is(err, models.ErrConflict) {
		return badRequest("Already has this Group")
	}
	return err
}

func deleteGroup(r *request) error {
	if err := r.mayRefill(); err != nil {
		return err
	}
	if err := r.api.Groups.DeleteGroup(r.ctx(), r.Param("name"), r.who.actor()); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}
