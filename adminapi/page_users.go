package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"talktime/models"
	"talktime/web"
)

func usersPage(r *request) error {
	l, text := r.pageRequest(), r.Query("q")
	if text = strings.TrimSpace(text); text != "" {
		l.Query = userSearch(text)
	}
	list, err := r.api.Users.ListUsers(r.ctx(), l)
	if err != nil {
		return err
	}
	users, more := onePage(list.Items)
	body := web.Users{
		Search: web.Field{Name: "q", Label: "Name or number", Type: "search", Value: text},
		Total:  counted(list, "user", "users"),
	}
	for _, u := range users {
		body.Rows = append(body.Rows, pageUserRow(u))
	}
	if more {
		body.Next = r.nextPage(users[pageRows-1].ID)
	}
	return r.render(http.StatusOK, web.Page{Title: "Users", Section: "/users", Body: body})
}

// userSearch finds users by a part of a name, or by how a number begins, which an index knows.
func userSearch(text string) string {
	begins := pattern(text) + "%"
	either := []map[string]any{where("clid", "like", begins), where("imsi", "like", begins)}
	if !digits(strings.TrimPrefix(text, "+")) {
		either = []map[string]any{where("username", "ilike", "%"+begins), where("name", "ilike", "%"+begins)}
	} else {
		either = append(either, where("username", "like", begins))
	}
	return search(map[string]any{"or": either})
}

// userPage shows a user to an administrator, or to himself.
func (r *request) userPage(status int, u models.UserDetail, greeting string, form *web.Form) error {
	admin := r.who.user.Admin
	entries, err := r.pageEntries(u.Historic, u.ID)
	if err != nil {
		return err
	}
	calls, err := r.api.Calls.ListCalls(r.ctx(), models.ListRequest{User: u.ID, Number: 1, Size: someRows})
	if err != nil {
		return err
	}
	rows, err := r.pageCalls(calls.Items)
	if err != nil {
		return err
	}
	body := web.User{
		Greeting: greeting, UserRow: pageUserRow(u), IMSI: orEmpty(u.IMSI), AccountID: orEmpty(u.AccountID), Currency: currencyWords(u.Currency),
		Created: u.CreatedAt, Manage: admin, Money: form, Entries: entries, Calls: rows,
	}
	if admin && form == nil {
		body.Money = r.moneyForm(u, "")
	}
	if admin {
		body.Block = blockForm(u)
	}
	if r.api.Groups != nil {
		groups, err := r.api.Groups.GroupsOf(r.ctx(), []int64{u.ID})
		if err != nil {
			return err
		}
		for _, g := range groups[u.ID] {
			body.Groups = append(body.Groups, g.Name)
		}
	}
	if r.api.Limits != nil {
		limits, err := r.api.Limits.UserLimits(r.ctx(), u.ID)
		if err != nil {
			return err
		}
		body.Limits = limitWords(limits, u.Currency)
	}
	section := "/users"
	if !admin {
		section = "/"
	}
	return r.render(status, web.Page{Title: u.Username, Section: section, Body: body})
}

func currencyWords(currency string) string {
	if currency == models.SEC {
		return "SEC, seconds of talk"
	}
	return currency
}

func showUserPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	return r.userPage(http.StatusOK, user, "", nil)
}

// pathUser is the user whose name is in the path.
func (r *request) pathUser() (models.UserDetail, error) {
	return r.api.Users.UserDetail(r.ctx(), r.Param("username"))
}

func userEntriesPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	l := r.pageRequest()
	l.User = user.ID
	list, err := r.api.Ledger.ListLedger(r.ctx(), l)
	if err != nil {
		return err
	}
	entries, more := onePage(list.Items)
	body := web.Entries{User: user.Username}
	if body.Rows, err = r.pageEntries(entries, user.ID); err != nil {
		return err
	}
	if more {
		body.Next = r.nextPage(entries[pageRows-1].ID)
	}
	return r.render(http.StatusOK, web.Page{Title: "Ledger of " + user.Username, Section: "/users", Body: body})
}

func userCallsPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	l := r.pageRequest()
	l.User = user.ID
	return r.callsPage(http.StatusOK, l, web.Calls{User: user.Username}, "/users")
}

// userForm is the form for a user, new or not, with what was typed or what there is.
func (r *request) userForm(o object, faults map[string]string, fresh bool) web.Form {
	value := func(name string) string {
		var s *string
		if json.Unmarshal(o[name], &s) != nil {
			return ""
		}
		return orEmpty(s)
	}
	field := func(name, label, hint, mode string) web.Field {
		return web.Field{Name: name, Label: label, Hint: hint, Type: "text", Mode: mode, Value: value(name), Error: faults[name]}
	}
	username := field("username", "Username", "What the user logs in with.", "")
	username.Required = true
	form := web.Form{Fields: []web.Field{username}, Error: faults[""], Submit: "Save"}
	if fresh {
		form.Submit = "Make the user"
		form.Fields = append(form.Fields, web.Field{
			Name: "password", Label: "Password", Type: "password", Hint: "At least 6 characters.", Error: faults["password"], Required: true, Autocomplete: "new-password",
		})
	}
	form.Fields = append(form.Fields, field("name", "Name", "Of the person, if you like.", ""))
	if !r.who.user.Admin {
		return form
	}
	form.Fields = append(form.Fields,
		field("clid", "Phone number (clid)", "As Asterisk delivers it as caller id, such as 555000204.", "tel"),
		field("imsi", "IMSI", "Of the SIM card, digits only. Empty where there is none.", "numeric"),
		field("account_id", "Account id", "What other systems call the user. Mostly empty.", ""),
		field("currency", "Currency", "Of the user's money, such as EUR. SEC is seconds of talk time.", ""),
		web.Field{Name: "admin", Label: "Administrator: may see and do everything", Type: "checkbox", Checked: string(o["admin"]) == "true", Error: faults["admin"]},
	)
	if !fresh {
		form.Fields = append(form.Fields, field("credit_limit", "Credit limit", "How far below zero the balance may go. Mostly 0.", "decimal"))
	}
	return form
}

// typedUser is what a form says of a user, as the API would have been sent it.
func (r *request) typedUser(fresh bool) object {
	o := object{"username": jsonText(r.typed("username")), "name": jsonText(r.typed("name"))}
	if r.who.user.Admin {
		o["clid"], o["imsi"], o["account_id"] = textOrNone(r.typed("clid")), textOrNone(r.typed("imsi")), textOrNone(r.typed("account_id"))
		o["admin"] = json.RawMessage("false")
		if r.PostForm("admin") == "true" {
			o["admin"] = json.RawMessage("true")
		}
		for _, name := range []string{"currency", "credit_limit"} {
			if text := r.typed(name); text != "" {
				o[name] = jsonText(text)
			}
		}
	}
	if fresh {
		o["password"] = jsonText(r.PostForm("password"))
	}
	return o
}

// userFaults says what is wrong with each field by itself; nothing is wrong when it is empty. self is who may have the
// names already.
func (r *request) userFaults(o object, self int64) (map[string]string, error) {
	faults := map[string]string{}
	for _, name := range o.names() {
		_, _, err := r.userChange(object{name: o[name]})
		if f, ok := refusal(err); ok {
			faults[name] = f.message
		} else if err != nil {
			return nil, err
		}
	}
	for field, find := range map[string]func(context.Context, string) (int64, error){
		"username": r.idByName, "clid": r.idByCLID, "imsi": r.api.Users.UserIDByIMSI,
	} {
		text, err := o.text(field)
		if err != nil || faults[field] != "" {
			continue // null, or not there
		}
		id, err := find(r.ctx(), text)
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		if err == nil && id != self {
			faults[field] = "Another user has this already."
		}
	}
	return faults, nil
}

func (r *request) idByName(ctx context.Context, name string) (int64, error) {
	user, err := r.api.Users.UserDetail(ctx, name)
	return user.ID, err
}

func (r *request) idByCLID(ctx context.Context, clid string) (int64, error) {
	ids, err := r.api.Users.UserIDs(ctx, models.ListRequest{Query: search(where("clid", "eq", clid))}, 1)
	if err == nil && len(ids) == 0 {
		err = models.ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// wholeFault is what is wrong with a user though each field by itself is right.
func wholeFault(f failure) string {
	if f.message == sentence(userExists) {
		return "Another user has this username, phone number, IMSI or account id already."
	}
	return f.message
}

func newUserPage(r *request) error {
	return r.showForm(http.StatusOK, "New user", "/users", r.newUserForm(object{}, nil))
}

func (r *request) newUserForm(o object, faults map[string]string) web.Form {
	if len(o) == 0 {
		o = object{"currency": jsonText(models.SEC)}
	}
	form := r.userForm(o, faults, true)
	form.Action, form.Cancel = "/new-user", "/users"
	form.Intro = []string{"A user has no credit until you top up."}
	return form
}

func makeUserPage(r *request) error {
	o := r.typedUser(true)
	faults, err := r.userFaults(o, 0)
	if err != nil {
		return err
	}
	status := http.StatusBadRequest
	if len(faults) == 0 {
		c, secret, err := r.userChange(o)
		if err != nil {
			return err
		}
		user, err := r.makeUser(c, *secret)
		if err == nil {
			return r.done(web.UserPath(user.Username), "The user %s is made.", user.Username)
		}
		f, ok := refusal(err)
		if !ok {
			return err
		}
		status, faults[""] = f.status, wholeFault(f)
	}
	return r.showForm(status, "New user", "/users", r.newUserForm(o, faults))
}

func editUserPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	o := object{
		"username": jsonText(user.Username), "name": jsonText(user.Profile.Name), "admin": json.RawMessage("false"),
		"currency": jsonText(user.Currency), "credit_limit": jsonText(user.Credit.String()),
	}
	for name, value := range map[string]*string{"clid": user.CLID, "imsi": user.IMSI, "account_id": user.AccountID} {
		o[name] = textOrNone(orEmpty(value))
	}
	if user.Admin {
		o["admin"] = json.RawMessage("true")
	}
	return r.showEditUser(http.StatusOK, user, o, nil)
}

func (r *request) showEditUser(status int, user models.UserDetail, o object, faults map[string]string) error {
	form := r.userForm(o, faults, false)
	form.Action, form.Cancel = web.UserPath(user.Username)+"/edit", web.UserPath(user.Username)
	return r.showForm(status, "Edit "+user.Username, "/users", form)
}

func saveUserPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	o := r.typedUser(false)
	faults, err := r.userFaults(o, user.ID)
	if err != nil {
		return err
	}
	status := http.StatusBadRequest
	if len(faults) == 0 {
		if string(o["currency"]) == string(jsonText(user.Currency)) {
			delete(o, "currency")
		}
		if string(o["credit_limit"]) == string(jsonText(user.Credit.String())) {
			delete(o, "credit_limit")
		}
		if err := r.mayChange(o); err != nil {
			return err
		}
		changed, err := r.alterUser(user, o)
		if err == nil {
			return r.done(web.UserPath(changed.Username), "Saved.")
		}
		f, ok := refusal(err)
		if !ok {
			return err
		}
		status, faults[""] = f.status, wholeFault(f)
	}
	return r.showEditUser(status, user, o, faults)
}

func passwordPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	return r.showPassword(http.StatusOK, user, "")
}

func (r *request) showPassword(status int, user models.UserDetail, fault string) error {
	return r.showForm(status, "New password for "+user.Username, "/users", web.Form{
		Action: web.UserPath(user.Username) + "/password", Cancel: web.UserPath(user.Username), Submit: "Change the password",
		Intro: []string{"A new password ends all sessions of the user, but not the one that you are in."},
		Fields: []web.Field{
			{Name: "username", Label: "Username", Type: "text", Value: user.Username, Fixed: true, Autocomplete: "username"},
			{Name: "password", Label: "New password", Type: "password", Hint: "At least 6 characters.", Error: fault, Required: true, Autocomplete: "new-password"},
		},
	})
}

func savePasswordPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	_, err = r.alterUser(user, object{"password": jsonText(r.PostForm("password"))})
	if f, ok := refusal(err); ok {
		return r.showPassword(f.status, user, f.message)
	}
	if err != nil {
		return err
	}
	return r.done(web.UserPath(user.Username), "The password of %s is changed.", user.Username)
}

// blockForm is the button that blocks a user, or ends that.
func blockForm(u models.UserDetail) *web.Form {
	does, intro, submit := "true", "A blocked user makes no new calls. Those in progress that are held in slices are ended. Money can be added and taken.", "Block"
	if u.Blocked {
		does, intro, submit = "false", "The user is blocked: his new calls are refused.", "Unblock"
	}
	return &web.Form{
		Action: web.UserPath(u.Username) + "/block", Intro: []string{intro}, Submit: submit,
		Fields: []web.Field{{Name: "blocked", Type: "hidden", Value: does}},
	}
}

func blockUserPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	does := r.PostForm("blocked") == "true"
	if !does && r.PostForm("blocked") != "false" {
		return badRequest("blocked must be true or false")
	}
	if _, err := r.alterUser(user, object{"blocked": json.RawMessage(r.PostForm("blocked"))}); err != nil {
		return err
	}
	if does {
		return r.done(web.UserPath(user.Username), "The user %s is blocked.", user.Username)
	}
	return r.done(web.UserPath(user.Username), "The user %s can make calls again.", user.Username)
}

func deleteUserPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	return r.showDeleteUser(http.StatusOK, user, "")
}

func (r *request) showDeleteUser(status int, user models.UserDetail, fault string) error {
	balance := pageAmount(user.Balance.Balance, user.Currency)
	return r.showForm(status, "Delete "+user.Username, "/users", web.Form{
		Action: web.UserPath(user.Username) + "/delete", Cancel: web.UserPath(user.Username), Submit: "Delete the user", Danger: true, Error: fault,
		Intro: []string{
			"The balance of " + strings.TrimSpace(balance.Decimal+" "+balance.Unit) + " is lost to the user: it moves to the house account “closed”.",
			"His name, phone number and IMSI become free for others. His ledger and his calls stay. This cannot be undone.",
		},
	})
}

func removeUserPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	had, err := r.removeUser(user)
	if f, ok := refusal(err); ok {
		return r.showDeleteUser(f.status, user, f.message)
	}
	if err != nil {
		return err
	}
	balance := pageAmount(had, user.Currency)
	return r.done("/users", "The user %s is deleted. His balance of %s went to the house account “closed”.", user.Username, strings.TrimSpace(balance.Decimal+" "+balance.Unit))
}
