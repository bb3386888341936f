package adminapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"talktime/billing"
	"talktime/internal/password"
	"talktime/models"
	"talktime/money"
)

// Fields of a user that nobody may change.
var fixedUserFields = []string{
	"id_", "originated_calls", "received_calls", "BallanceUser", "BallanceUserHistoric", "balance", "held", "available", "voice_balance",
}

// Fields that a user may not change of himself.
// Callers are known by their numbers: whoever chose his own could pay for, and be shown, the calls of somebody else's phone.
var adminUserFields = []string{"admin", "clid", "imsi", "tunel", "level", "account_id", "blocked", "credit_limit", "low_balance", "currency"}

// Fields that may be given for a new user, and those that may be changed.
var (
	newUserFields = []string{"username", "password", "clid", "imsi", "admin", "name", "level", "account_id", "address", "cpf", "tunel", "currency"}
	userFields    = append(slices.Clone(newUserFields), "blocked", "credit_limit", "low_balance")
)

// maxChanged is how many users one request may change: an SQLite file that changes more keeps calls waiting meanwhile.
const maxChanged = 10_000

func listUsers(r *request) error {
	l, err := r.listRequest(fewRows)
	if err != nil {
		return err
	}
	list, err := r.api.Users.ListUsers(r.ctx(), l)
	if err != nil {
		return err
	}
	shown, err := r.showUsers(list.Items...)
	if err != nil {
		return err
	}
	page := models.List[userJSON]{Items: shown, Total: list.Total, AtLeast: list.AtLeast, Single: list.Single}
	return answerList(r, l, page, func(u userJSON) int64 { return u.ID }, func(u userJSON) userJSON { return u })
}

func getUser(r *request) error {
	user, err := r.api.Users.UserDetail(r.ctx(), r.Param("username"))
	if err == nil {
		err = r.mustSee(user.ID)
	}
	if err != nil {
		return err
	}
	return r.answerUser(http.StatusOK, user)
}

func createUser(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown(newUserFields...); err != nil {
		return err
	}
	if err := o.missing("username", "password", "clid", "imsi", "admin"); err != nil {
		return err
	}
	c, secret, err := r.userChange(o)
	if err != nil {
		return err
	}
	if c.CLID == nil || *c.CLID == nil || c.IMSI == nil || *c.IMSI == nil {
		return badRequest("clid and imsi must not be null")
	}
	user, err := r.makeUser(c, *secret)
	if err != nil {
		return err
	}
	r.Header("Location", r.location(user.Username))
	return r.answerUser(http.StatusCreated, user)
}

// makeUser makes a user of what was asked for: at least a name, and whether he is an administrator.
func (r *request) makeUser(c models.UserChange, secret string) (models.UserDetail, error) {
	if err := r.mayTouch(*c.Admin); err != nil {
		return models.UserDetail{}, err
	}
	hash, err := r.api.hasher.Hash(r.ctx(), secret)
	if err != nil {
		return models.UserDetail{}, err
	}
	u := models.NewUser{Username: *c.Username, PasswordHash: hash, Admin: *c.Admin}
	if c.CLID != nil && *c.CLID != nil {
		u.CLID = **c.CLID
	}
	if c.IMSI != nil && *c.IMSI != nil {
		u.IMSI = **c.IMSI
	}
	if c.Currency != nil {
		u.Currency = *c.Currency
	}
	user, err := r.api.Users.NewUserWithProfile(r.ctx(), u, c, r.who.actor())
	return user, taken(err)
}

// location is where an object of the collection that was posted to is found.
func (r *request) location(key string) string {
	return strings.SplitN(r.link(nil), "?", 2)[0] + "/" + url.PathEscape(key)
}

const userExists = "the user already exists"

func taken(err error) error {
	var refusal *billing.Refusal // which says what is wrong
	if errors.Is(err, models.ErrConflict) && !errors.Is(err, models.ErrLastAdmin) && !errors.As(err, &refusal) {
		return refused(http.StatusConflict, userExists)
	}
	return err
}

// userChange reads what is to become of a user, and checks it. The password is returned by itself: it is not hashed yet.
func (r *request) userChange(o object) (c models.UserChange, secret *string, err error) {
	for _, name := range o.names() {
		switch name {
		case "username":
			c.Username, err = ptr(o.text(name))
		case "password":
			if secret, err = ptr(o.text(name)); err == nil {
				if err := password.Check(*secret); err != nil {
					return c, nil, badRequest(err.Error())
				}
			}
		case "name":
			c.Name, err = ptr(o.text(name))
		case "address":
			c.Address, err = ptr(o.text(name))
		case "cpf":
			c.CPF, err = ptr(o.text(name))
		case "tunel":
			if err = r.mayRefill(); err == nil {
				c.Groups, err = ptr(o.membership(name))
			}
		case "clid":
			c.CLID, err = ptr(o.textOrNull(name))
		case "imsi":
			c.IMSI, err = ptr(o.textOrNull(name))
		case "account_id":
			c.AccountID, err = ptr(o.textOrNull(name))
		case "admin":
			c.Admin, err = ptr(o.bool(name))
		case "currency":
			c.Currency, err = ptr(o.text(name))
		case "blocked":
			c.Blocked, err = ptr(o.bool(name))
		case "credit_limit":
			if err = r.mayMove("a credit limit is money"); err == nil {
				c.CreditLimit, err = ptr(o.amount(name))
			}
		case "low_balance":
			c.LowBalance, err = ptr(o.amountOrNull(name))
		case "level":
			var level int64
			level, err = o.whole(name, models.LevelAdmin, models.LevelCollaborator)
			n := int(level)
			c.Level = &n
		}
		if err != nil {
			return c, nil, err
		}
	}
	if err := c.Validate(); err != nil {
		return c, nil, err
	}
	return c, secret, sameRights(&c)
}

// sameRights makes level and admin say the same: level 0 is an administrator.
func sameRights(c *models.UserChange) error {
	if c.Level == nil {
		return nil
	}
	admin := *c.Level == models.LevelAdmin
	if c.Admin != nil && *c.Admin != admin {
		return badRequest("admin and level disagree: level 0 is an administrator")
	}
	c.Admin = &admin
	return nil
}

func ptr[T any](v T, err error) (*T, error) { return &v, err }

// textOrNull reads a string, or nil for null.
func (o object) textOrNull(name string) (*string, error) {
	if o.isNull(name) {
		return nil, nil //nolint:nilnil // null is a value here
	}
	return ptr(o.text(name))
}

// amountOrNull reads an amount, or nil for null.
func (o object) amountOrNull(name string) (*money.Amount, error) {
	if o.isNull(name) {
		return nil, nil //nolint:nilnil // null is a value here
	}
	return ptr(o.amount(name))
}

func changeUser(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := r.mayChange(o); err != nil {
		return err
	}
	user, err := r.api.Users.UserDetail(r.ctx(), r.Param("username"))
	if err != nil {
		return err
	}
	if user, err = r.alterUser(user, o); err != nil {
		return err
	}
	return r.answerUser(http.StatusOK, user)
}

// alterUser changes a user as an object says, whose fields mayChange has let pass.
func (r *request) alterUser(user models.UserDetail, o object) (models.UserDetail, error) {
	c, err := r.checkedChange(o)
	if err != nil {
		return user, err
	}
	// A program must not take over an administrator by his password; nobody but one makes one.
	if r.who.token != nil && (user.Admin || c.Admin != nil) {
		if err := r.mayTouch(true); err != nil {
			return user, err
		}
	}
	if c.Username != nil && !r.who.has(ScopeUsers) {
		if err := r.nobodyIs(*c.Username, user.ID); err != nil {
			return user, err
		}
	}
	if !c.Empty() {
		if _, err := r.api.Users.ChangeUsers(r.ctx(), []int64{user.ID}, c, r.who.actor()); err != nil {
			return user, taken(err)
		}
	}
	if user, err = r.api.Users.UserDetailByID(r.ctx(), user.ID); err != nil {
		return user, err
	}
	// A new password ends the sessions, but not that of the one who chose it.
	if c.PasswordHash != nil && r.who.user != nil && r.who.user.ID == user.ID {
		err = r.begin(user.User)
	}
	return user, err
}

// nobodyIs refuses a name that somebody chooses for himself when it is another user's number or account id: phones may send
// those as their account code, by which callers are looked up among the names.
func (r *request) nobodyIs(name string, self int64) error {
	either := []map[string]any{where("clid", "eq", name), where("imsi", "eq", name), where("account_id", "eq", name)}
	others := search(map[string]any{"or": either}, where("id_", "neq", self))
	ids, err := r.api.Users.UserIDs(r.ctx(), models.ListRequest{Query: others}, 1)
	if err == nil && len(ids) > 0 {
		err = refused(http.StatusConflict, userExists)
	}
	return err
}

// mayChange refuses what nobody may change, what a user may not change of himself, and what there is not.
func (r *request) mayChange(o object) error {
	for _, name := range o.names() {
		switch {
		case slices.Contains(fixedUserFields, name):
			return forbidden()
		case !slices.Contains(userFields, name):
			return badRequest("Model does not have field '" + name + "'")
		case slices.Contains(adminUserFields, name) && r.who.user != nil && !r.who.user.Admin:
			return forbidden()
		}
	}
	return nil
}

// checkedChange reads a change whole, with its password hashed.
func (r *request) checkedChange(o object) (models.UserChange, error) {
	c, secret, err := r.userChange(o)
	if err != nil || secret == nil {
		return c, err
	}
	c.PasswordHash, err = ptr(r.api.hasher.Hash(r.ctx(), *secret))
	return c, err
}

type modifiedJSON struct {
	Modified int `json:"num_modified"`
}

func changeUsers(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	query, err := o.query()
	if err != nil {
		return err
	}
	delete(o, "q")
	if err := r.mayChange(o); err != nil {
		return err
	}
	c, err := r.checkedChange(o)
	if err != nil {
		return err
	}
	ids, err := r.api.Users.UserIDs(r.ctx(), models.ListRequest{Query: query, Location: r.api.Location, NoRead: !r.who.reads()}, maxChanged+1)
	if err != nil {
		return err
	}
	if len(ids) > maxChanged {
		return badRequest("more than 10000 users at once; narrow the query")
	}
	if r.who.token != nil {
		if err := r.spareAdmins(ids, c); err != nil {
			return err
		}
	}
	n := len(ids)
	if !c.Empty() {
		if n, err = r.api.Users.ChangeUsers(r.ctx(), ids, c, r.who.actor()); err != nil {
			return taken(err)
		}
	}
	r.json(http.StatusOK, modifiedJSON{n})
	return nil
}

// spareAdmins keeps a program from changing administrators among many users.
func (r *request) spareAdmins(ids []int64, c models.UserChange) error {
	if c.Admin != nil {
		return r.mayTouch(true)
	}
	users, err := r.api.Users.UsersByID(r.ctx(), ids)
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := r.mayTouch(u.Admin); err != nil {
			return err
		}
	}
	return nil
}

// query takes the search out of a change of many. Without a filter it would be everybody: that is refused.
func (o object) query() (string, error) {
	raw, ok := o["q"]
	if !ok {
		return "", badRequest("missing field: q; it says which users, by at least one filter")
	}
	var text string
	if json.Unmarshal(raw, &text) == nil { // the search as a string of JSON
		raw = json.RawMessage(text)
	}
	var q struct {
		Filters []json.RawMessage `json:"filters"`
	}
	if json.Unmarshal(raw, &q) != nil {
		return "", undecodable()
	}
	if len(q.Filters) == 0 {
		return "", badRequest("q must have at least one filter")
	}
	return string(raw), nil
}

func deleteUser(r *request) error {
	if err := r.mayMove("what the user has left goes to the house"); err != nil {
		return err
	}
	user, err := r.api.Users.UserDetail(r.ctx(), r.Param("username"))
	if err != nil {
		return err
	}
	if _, err := r.removeUser(user); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

// removeUser deletes a user, and tells what he had.
func (r *request) removeUser(user models.UserDetail) (money.Amount, error) {
	if err := r.mayTouch(user.Admin); err != nil {
		return 0, err
	}
	return r.api.Users.DeleteUser(r.ctx(), user.ID, r.who.actor())
}
