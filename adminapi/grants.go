package adminapi

import (
	"context"
	"encoding/json"
	"net/http"

	"talktime/models"
)

// Grants are what users who are no administrators may see of the statistics.
type Grants interface {
	UserGrants(ctx context.Context, userID int64) (models.Grants, error)
	// ChangeGrants makes a user's grants what change returns. models.ErrNotFound and models.ErrInvalid are for the client.
	ChangeGrants(ctx context.Context, userID int64, change func(models.Grants) models.Grants, actor string) (models.Grants, error)
}

func getGrants(r *request) error {
	user, err := r.api.Users.UserDetail(r.ctx(), r.Param("username"))
	if err == nil {
		err = r.mustSee(user.ID)
	}
	if err != nil {
		return err
	}
	grants, err := r.api.Grants.UserGrants(r.ctx(), user.ID)
	if err != nil {
		return err
	}
	r.json(http.StatusOK, grants)
	return nil
}

// putGrants replaces all that a user was granted.
func putGrants(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("queues", "agents", "accounts"); err != nil {
		return err
	}
	if err := o.missing("queues", "agents", "accounts"); err != nil {
		return err
	}
	var wanted models.Grants
	for name, list := range map[string]*[]string{"queues": &wanted.Queues, "agents": &wanted.Agents, "accounts": &wanted.Accounts} {
		if json.Unmarshal(o[name], list) != nil || *list == nil {
			return badRequest(name + " must be a list of strings")
		}
	}
	user, err := r.api.Users.UserDetail(r.ctx(), r.Param("username"))
	if err != nil {
		return err
	}
	grants, err := r.api.Grants.ChangeGrants(r.ctx(), user.ID, func(models.Grants) models.Grants { return wanted }, r.who.actor())
	if err != nil {
		return err
	}
	r.json(http.StatusOK, grants)
	return nil
}
