package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"talktime/models"
)

// Limits are what users may do with their phones, and the calls that they were refused.
type Limits interface {
	SiteLimits(context.Context) (models.Limits, error)
	SetSiteLimits(ctx context.Context, l models.Limits, actor string) error
	GroupLimits(ctx context.Context, group string) (models.GroupLimits, error)
	SetGroupLimits(ctx context.Context, group string, l models.GroupLimits, country func(number string) string, actor string) error
	UserLimits(ctx context.Context, user int64) (models.UserLimits, error)
	SetUserLimits(ctx context.Context, user int64, l models.Limits, country func(number string) string, actor string) error
	ListRefusals(context.Context, models.ListRequest) (models.List[models.Refused], error)
}

// refusedJSON is a call that a user was refused.
type refusedJSON struct {
	ID       int64     `json:"id"`
	At       time.Time `json:"at"`
	User     nameJSON  `json:"user"`
	CallID   string    `json:"call_id"`
	CallerID string    `json:"caller_id"`
	Number   string    `json:"number"`
	Status   string    `json:"status"`
	Rule     string    `json:"rule"` // empty: no limit refused it
	Reason   string    `json:"reason"`
}

// limitFields are the limits that users, groups and the site may have.
func limitFields() []string {
	return []string{"calls", "seconds", "hour", "day", "blocked", "allowed", "quiet", "new_countries", "premium", "premium_calls"}
}

// limits reads limits from the body. What is missing bounds nothing.
func (o object) limits() (l models.Limits, err error) {
	for name, field := range map[string]*int64{"calls": &l.Calls, "seconds": &l.Seconds, "premium_calls": &l.PremiumCalls} {
		if o.has(name) {
			if *field, err = o.whole(name, 0, models.MaxAtOnce); err != nil {
				return l, err
			}
		}
	}
	if o.has("hour") {
		if l.Hour, err = o.amount("hour"); err != nil {
			return l, err
		}
	}
	if o.has("day") {
		if l.Day, err = o.amount("day"); err != nil {
			return l, err
		}
	}
	if o.has("new_countries") && !o.isNull("new_countries") {
		n, err := o.whole("new_countries", 0, models.MaxAtOnce)
		if err != nil {
			return l, err
		}
		l.NewCountries = &n
	}
	for name, field := range map[string]*[]string{"blocked": &l.Blocked, "allowed": &l.Allowed, "premium": &l.Premium} {
		if *field, err = o.texts(name); err != nil {
			return l, err
		}
	}
	windows, err := o.texts("quiet")
	if err != nil {
		return l, err
	}
	for _, text := range windows {
		var w models.Window
		if err := w.UnmarshalText([]byte(text)); err != nil {
			return l, err
		}
		l.Quiet = append(l.Quiet, w)
	}
	return l, nil
}

// texts reads a list of strings; none where it is missing.
func (o object) texts(name string) (list []string, err error) {
	if !o.has(name) {
		return nil, nil
	}
	if json.Unmarshal(o[name], &list) != nil || list == nil {
		return nil, badRequest(name + " must be a list of strings")
	}
	return list, nil
}

// newLimits reads the limits in the body of a request, which may have further fields.
func (r *request) newLimits(further ...string) (models.Limits, object, error) {
	o, err := r.object()
	if err != nil {
		return models.Limits{}, nil, err
	}
	if err := o.unknown(append(limitFields(), further...)...); err != nil {
		return models.Limits{}, nil, err
	}
	l, err := o.limits()
	return l, o, err
}

func getSiteLimits(r *request) error {
	l, err := r.api.Limits.SiteLimits(r.ctx())
	if err == nil {
		r.answer(http.StatusOK, l.Show())
	}
	return err
}

func putSiteLimits(r *request) error {
	l, _, err := r.newLimits()
	if err != nil {
		return err
	}
	if err := r.api.Limits.SetSiteLimits(r.ctx(), l, r.who.actor()); err != nil {
		return err
	}
	return getSiteLimits(r)
}

func deleteSiteLimits(r *request) error {
	if err := r.api.Limits.SetSiteLimits(r.ctx(), models.Limits{}, r.who.actor()); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

func getGroupLimits(r *request) error {
	l, err := r.api.Limits.GroupLimits(r.ctx(), r.Param("name"))
	if err == nil {
		r.answer(http.StatusOK, l.Show())
	}
	return err
}

func putGroupLimits(r *request) error {
	l, o, err := r.newLimits("shared_calls")
	if err != nil {
		return err
	}
	group := models.GroupLimits{Limits: l}
	if o.has("shared_calls") {
		if group.SharedCalls, err = o.whole("shared_calls", 0, models.MaxAtOnce); err != nil {
			return err
		}
	}
	if err := r.api.Limits.SetGroupLimits(r.ctx(), r.Param("name"), group, r.api.Country, r.who.actor()); err != nil {
		return err
	}
	return getGroupLimits(r)
}

func deleteGroupLimits(r *request) error {
	if err := r.api.Limits.SetGroupLimits(r.ctx(), r.Param("name"), models.GroupLimits{}, nil, r.who.actor()); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

func getUserLimits(r *request) error {
	user, err := r.api.Users.UserDetail(r.ctx(), r.Param("username"))
	if err != nil {
		return err
	}
	l, err := r.api.Limits.UserLimits(r.ctx(), user.ID)
	if err == nil {
		r.answer(http.StatusOK, l.Show())
	}
	return err
}

func (r *request) setUserLimits(l models.Limits) error {
	user, err := r.api.Users.UserDetail(r.ctx(), r.Param("username"))
	if err != nil {
		return err
	}
	return r.api.Limits.SetUserLimits(r.ctx(), user.ID, l, r.api.Country, r.who.actor())
}

func putUserLimits(r *request) error {
	l, _, err := r.newLimits()
	if err != nil {
		return err
	}
	if err := r.setUserLimits(l); err != nil {
		return err
	}
	return getUserLimits(r)
}

func deleteUserLimits(r *request) error {
	if err := r.setUserLimits(models.Limits{}); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

func listRefusals(r *request) error {
	l, err := r.listRequestOf(manyRows)
	if err != nil {
		return err
	}
	list, err := r.api.Limits.ListRefusals(r.ctx(), l)
	if err != nil {
		return err
	}
	users, err := r.refusedUsers(list.Items)
	if err != nil {
		return err
	}
	return answerList(r, l, list, func(f models.Refused) int64 { return f.ID }, func(f models.Refused) refusedJSON {
		return refusedJSON{
			f.ID, f.At.UTC(), nameJSON{f.UserID, users[f.UserID].Username}, f.CallID, f.CallerID, f.Number, f.Status, f.Rule, f.Reason,
		}
	})
}

func (r *request) refusedUsers(refused []models.Refused) (map[int64]models.UserDetail, error) {
	ids := make([]int64, len(refused))
	for i, f := range refused {
		ids[i] = f.UserID
	}
	ids, err := r.visible(ids...)
	if err != nil {
		return nil, err
	}
	return r.api.Users.UsersByID(r.ctx(), ids)
}
