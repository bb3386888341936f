package adminapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/web"
)

// Rows of a group's page.
const (
	shownMembers = 100
	shownDates   = 12
	typedNames   = 100 // in one form
)

func groupsPage(r *request) error {
	l := r.pageRequest()
	list, err := r.api.Groups.ListGroups(r.ctx(), l)
	if err != nil {
		return err
	}
	groups, more := onePage(list.Items)
	body := web.Groups{Total: counted(list, "group", "groups")}
	for _, g := range groups {
		body.Rows = append(body.Rows, r.pageGroup(g))
	}
	if more {
		body.Next = r.nextPage(groups[pageRows-1].ID)
	}
	return r.render(http.StatusOK, web.Page{Title: "Groups", Section: "/groups", Body: body})
}

func (r *request) pageGroup(g models.Group) web.GroupRow {
	row := web.GroupRow{Name: g.Name, Refill: refillWords(g), Members: len(g.Members), Left: len(g.Dates)}
	if len(g.Dates) > 0 {
		row.Next = r.dayOf(g.Dates[0])
	}
	return row
}

// refillWords is what a refill does. Its value is in the currency of each member.
func refillWords(g models.Group) string {
	if g.Mode == models.ModeAdd {
		return "adds " + refillValue(g.Value)
	}
	return "raises balances to " + refillValue(g.Value)
}

func refillValue(a money.Amount) string {
	return fmt.Sprintf("%s (%s)", a, web.Clock(a.Whole()))
}

func (r *request) dayOf(d models.RefillDate) string {
	return d.Date.In(r.api.Location).Format(time.DateOnly)
}

func showGroupPage(r *request) error {
	g, err := r.pathGroup()
	if err != nil {
		return err
	}
	return r.showGroup(http.StatusOK, g, "", "")
}

func (r *request) pathGroup() (models.Group, error) {
	return r.api.Groups.Group(r.ctx(), r.Param("name"))
}

// showGroup shows a group, with what is wrong with one of its forms.
func (r *request) showGroup(status int, g models.Group, form, fault string) error {
	shown := g.Members[:min(len(g.Members), shownMembers)]
	users, err := r.api.Users.UsersByID(r.ctx(), shown)
	if err != nil {
		return err
	}
	body := web.Group{
		GroupRow: r.pageGroup(g), AccountID: orEmpty(g.AccountID), Hidden: len(g.Members) - len(shown),
		More: max(len(g.Dates)-shownDates, 0),
		Add:  memberForm(g, "add", "Add members", form, fault), Remove: memberForm(g, "remove", "Remove members", form, fault),
	}
	if form != "" {
		names := r.PostForm("names")
		if form == "add" {
			body.Add.Fields[0].Value = names
		} else {
			body.Remove.Fields[0].Value = names
		}
	}
	for _, d := range g.Dates[:min(len(g.Dates), shownDates)] {
		body.Dates = append(body.Dates, r.dayOf(d))
	}
	for _, id := range shown {
		if u, ok := users[id]; ok {
			body.Users = append(body.Users, pageUserRow(u))
		}
	}
	return r.render(status, web.Page{Title: g.Name, Section: "/groups", Body: body})
}

// memberForm is one of the two forms beside each other, each with fields of its own.
func memberForm(g models.Group, does, submit, form, fault string) web.Form {
	f := web.Field{Name: "names", Key: does, Label: submit, Type: "textarea", Hint: "Usernames, one on each line.", Required: true}
	if form == does {
		f.Error = fault
	}
	return web.Form{Action: web.GroupPath(g.Name), Submit: submit, Fields: []web.Field{f, {Name: "does", Key: does, Type: "hidden", Value: does}}}
}

// members reads usernames, one on each line. fault says what is wrong with them.
func (r *request) members() (ids []int64, fault string, err error) {
	var names []string
	for line := range strings.Lines(r.PostForm("names")) {
		if name := strings.TrimSpace(line); name != "" {
			names = append(names, name)
		}
	}
	switch {
	case len(names) == 0:
		return nil, "", nil
	case len(names) > typedNames:
		return nil, fmt.Sprintf("At most %d names at once.", typedNames), nil
	}
	list, err := r.api.Users.ListUsers(r.ctx(), models.ListRequest{Query: search(where("username", "in", names)), Number: 1, Size: typedNames})
	if err != nil {
		return nil, "", err
	}
	found := map[string]int64{}
	for _, u := range list.Items {
		found[u.Username] = u.ID
	}
	var missing []string
	for _, name := range names {
		if id, ok := found[name]; ok {
			ids = append(ids, id)
		} else {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		fault = "There is no such user: " + strings.Join(missing, ", ") + "."
	}
	return ids, fault, nil
}

func saveMembersPage(r *request) error {
	g, err := r.pathGroup()
	if err != nil {
		return err
	}
	does := "add"
	if r.PostForm("does") == "remove" {
		does = "remove"
	}
	ids, fault, err := r.members()
	if err != nil {
		return err
	}
	if fault == "" && len(ids) == 0 {
		fault = "Who? Write at least one username."
	}
	if fault != "" {
		return r.showGroup(http.StatusBadRequest, g, does, fault)
	}
	change := models.GroupChange{Members: models.Membership{Add: ids}}
	if does == "remove" {
		change.Members = models.Membership{Remove: ids}
	}
	_, err = r.alterGroup(g.Name, change)
	if f, ok := refusal(err); ok {
		return r.showGroup(f.status, g, does, f.message)
	}
	if err != nil {
		return err
	}
	return r.done(web.GroupPath(g.Name), "The members are changed.")
}

func newGroupPage(r *request) error {
	return r.showNewGroup(http.StatusOK, map[string]string{"count": "12", "value": models.DefaultRefill.String()}, nil)
}

func (r *request) showNewGroup(status int, values, faults map[string]string) error {
	text := func(name, label, hint, mode string) web.Field {
		return web.Field{Name: name, Label: label, Hint: hint, Type: "text", Mode: mode, Value: values[name], Error: faults[name]}
	}
	name, first, count := text("name", "Name", "", ""), text("first", "First refill", "", ""), text("count", "How many refills", "One each month, the first included.", "numeric")
	first.Type = "date"
	name.Required, first.Required, count.Required = true, true, true
	users := text("names", "Members", "Usernames, one on each line. You can add others later.", "")
	users.Type = "textarea"
	return r.showForm(status, "New group", "/groups", web.Form{
		Action: "/new-group", Cancel: "/groups", Submit: "Make the group", Error: faults[""],
		Fields: append([]web.Field{name, first, count}, append(refillFields(values, faults), users)...),
	})
}

// refillFields are those of what a refill does.
func refillFields(values, faults map[string]string) []web.Field {
	return []web.Field{
		{Name: "mode", Label: "A refill", Type: "select", Error: faults["mode"], Options: []web.Option{
			{Value: models.ModeTopUp, Label: "raises each balance to the value", Selected: values["mode"] == models.ModeTopUp},
			{Value: models.ModeAdd, Label: "adds the value to each balance", Selected: values["mode"] == models.ModeAdd},
		}},
		{Name: "value", Label: "Value", Type: "text", Mode: "decimal", Hint: "In the currency of each member: seconds, for SEC.", Value: values["value"], Error: faults["value"], Required: true},
		{Name: "account_id", Label: "Account id", Type: "text", Hint: "What other systems call the group. Mostly empty.", Value: values["account_id"], Error: faults["account_id"]},
	}
}

// typedGroup is what a form says of a group, as the API would have been sent it, with what is wrong with each field.
func (r *request) typedGroup() (o object, values, faults map[string]string) {
	values, faults = map[string]string{}, map[string]string{}
	for _, name := range []string{"name", "first", "count", "mode", "value", "account_id", "names"} {
		values[name] = r.typed(name)
	}
	o = object{
		"name": jsonText(values["name"]), "mode": jsonText(values["mode"]), "value": jsonText(values["value"]), "account_id": textOrNone(values["account_id"]),
	}
	for name := range o {
		if _, err := o.groupChange(name); err != nil {
			f, _ := refusal(err)
			faults[name] = f.message
		}
	}
	return o, values, faults
}

func makeGroupPage(r *request) error {
	o, values, faults := r.typedGroup()
	o["count"] = jsonText(values["count"])
	if _, err := o.whole("count", 1, maxCount); err != nil {
		faults["count"] = fmt.Sprintf("A whole number from 1 to %d.", maxCount)
	}
	if day, err := time.Parse(time.DateOnly, values["first"]); err != nil {
		faults["first"] = "A date is written as 2026-12-31."
	} else {
		for name, n := range map[string]int{"year": day.Year(), "month": int(day.Month()), "day": day.Day()} {
			o[name] = json.RawMessage(strconv.Itoa(n))
		}
		if _, err := r.day(o); err != nil {
			faults["first"] = "The first refill must not be before today."
		}
	}
	ids, fault, err := r.members()
	if err != nil {
		return err
	}
	if fault != "" {
		faults["names"] = fault
	}
	status := http.StatusBadRequest
	if len(faults) == 0 {
		if o["users"], err = json.Marshal(append([]int64{}, ids...)); err != nil {
			return err
		}
		g, err := r.makeGroup(o)
		if err == nil {
			return r.done(web.GroupPath(g.Name), "The group %s is made.", g.Name)
		}
		f, ok := refusal(err)
		if !ok {
			return err
		}
		status, faults[""] = f.status, f.message
	}
	return r.showNewGroup(status, values, faults)
}

func editGroupPage(r *request) error {
	g, err := r.pathGroup()
	if err != nil {
		return err
	}
	values := map[string]string{"name": g.Name, "mode": g.Mode, "value": g.Value.String(), "account_id": orEmpty(g.AccountID)}
	return r.showEditGroup(http.StatusOK, g, values, nil)
}

func (r *request) showEditGroup(status int, g models.Group, values, faults map[string]string) error {
	name := web.Field{Name: "name", Label: "Name", Type: "text", Value: values["name"], Error: faults["name"], Required: true}
	return r.showForm(status, "Edit "+g.Name, "/groups", web.Form{
		Action: web.GroupPath(g.Name) + "/edit", Cancel: web.GroupPath(g.Name), Submit: "Save", Error: faults[""],
		Fields: append([]web.Field{name}, refillFields(values, faults)...),
	})
}

func saveGroupPage(r *request) error {
	g, err := r.pathGroup()
	if err != nil {
		return err
	}
	o, values, faults := r.typedGroup()
	status := http.StatusBadRequest
	if len(faults) == 0 {
		c, err := o.groupChange("name", "mode", "value", "account_id")
		if err != nil {
			return err
		}
		changed, err := r.alterGroup(g.Name, c)
		if err == nil {
			return r.done(web.GroupPath(changed.Name), "Saved.")
		}
		f, ok := refusal(err)
		if !ok {
			return err
		}
		status, faults[""] = f.status, f.message
	}
	return r.showEditGroup(status, g, values, faults)
}

func refillPage(r *request) error {
	g, err := r.pathGroup()
	if err != nil {
		return err
	}
	if len(g.Dates) == 0 {
		return models.ErrNoDate
	}
	return r.showForm(http.StatusOK, "Refill "+g.Name+" now?", "/groups", web.Form{
		Action: web.GroupPath(g.Name) + "/refill", Cancel: web.GroupPath(g.Name), Submit: "Refill now",
		Intro:  []string{fmt.Sprintf("This applies the refill of %s at once to all members, of whom there are %d: it %s. The date is then used up.", r.dayOf(g.Dates[0]), len(g.Members), refillWords(g))},
		Fields: []web.Field{{Name: "date", Type: "hidden", Value: strconv.FormatInt(g.Dates[0].ID, 10)}},
	})
}

// refillNowPage applies the date that the form was for, and no other one when the form is sent twice.
func refillNowPage(r *request) error {
	g, err := r.pathGroup()
	if err != nil {
		return err
	}
	date, err := object{"date": jsonText(r.PostForm("date"))}.whole("date", 1, maxDateID)
	if err != nil {
		return err
	}
	_, applied, err := r.api.Groups.RefillDate(r.ctx(), g.Name, date, r.who.actor())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(g.Dates, func(d models.RefillDate) bool { return d.ID == date })
	if !applied || i < 0 {
		return r.done(web.GroupPath(g.Name), "This refill has been applied before; nothing was refilled again.")
	}
	return r.done(web.GroupPath(g.Name), "The refill of %s is applied.", r.dayOf(g.Dates[i]))
}

func deleteGroupPage(r *request) error {
	g, err := r.pathGroup()
	if err != nil {
		return err
	}
	return r.showForm(http.StatusOK, "Delete "+g.Name, "/groups", web.Form{
		Action: web.GroupPath(g.Name) + "/delete", Cancel: web.GroupPath(g.Name), Submit: "Delete the group", Danger: true,
		Intro: []string{"Its members keep their credit; refills that are still to come are dropped. This cannot be undone."},
	})
}

func removeGroupPage(r *request) error {
	name := r.Param("name")
	if err := r.api.Groups.DeleteGroup(r.ctx(), name, r.who.actor()); err != nil {
		return err
	}
	return r.done("/groups", "The group %s is deleted.", name)
}
