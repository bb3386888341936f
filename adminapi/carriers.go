package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"talktime/models"
	"talktime/routing"
	"talktime/tariff"
)

// Routing is who takes calls to numbers of others: carriers, and the routes that lead to them.
type Routing interface {
	routing.Source
	Carrier(ctx context.Context, name string) (models.Carrier, error)
	// AddCarrier is models.ErrConflict for a name that is taken, models.ErrNotFound for a rate deck that there is not, and
	// RemoveCarrier models.ErrConflict for one that a route names.
	AddCarrier(ctx context.Context, c models.Carrier, actor string) (models.Carrier, error)
	ChangeCarrier(ctx context.Context, name string, c models.CarrierChange, actor string) (models.Carrier, error)
	RemoveCarrier(ctx context.Context, name, actor string) error
	Route(ctx context.Context, prefix string) (models.Route, error)
	// AddRoute is models.ErrConflict for a prefix that has one, and models.ErrNotFound for a carrier that there is not.
	AddRoute(ctx context.Context, r models.Route, actor string) (models.Route, error)
	ChangeRoute(ctx context.Context, prefix string, c models.RouteChange, actor string) (models.Route, error)
	RemoveRoute(ctx context.Context, prefix, actor string) error
	// Currencies are those of users' money.
	Currencies(context.Context) ([]string, error)
}

// Bounds of what is read of a carrier; models.Carrier.Validate has narrower ones for texts.
const (
	maxStrip    = 40
	maxChannels = 1_000_000
)

func listCarriers(r *request) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	carriers, err := r.api.Routing.Carriers(r.ctx())
	if err != nil {
		return err
	}
	key := func(c models.Carrier) int64 { return c.ID }
	return answerList(r, l, pageOf(l, carriers, key), key, routing.ShowCarrier)
}

// carrierFields are what a carrier has that can be changed.
func carrierFields() []string {
	return []string{"dial", "strip", "prepend", "tariff", "channels", "enabled"}
}

// carrierChange reads what of a carrier is in the body.
func (r *request) carrierChange(o object) (c models.CarrierChange, err error) {
	text := func(name string, field **string) {
		if err == nil && o.has(name) {
			var value string
			value, err = o.text(name)
			*field = &value
		}
	}
	whole := func(name string, most int64) (value int64) {
		if err == nil && o.has(name) {
			value, err = o.whole(name, 0, most)
		}
		return value
	}
	text("dial", &c.Dial)
	text("prepend", &c.Prepend)
	if o.isNull("tariff") {
		c.Deck = new("")
	} else {
		text("tariff", &c.Deck)
	}
	if strip := int(whole("strip", maxStrip)); o.has("strip") {
		c.Strip = &strip
	}
	if channels := whole("channels", maxChannels); o.has("channels") {
		c.Channels = &channels
	}
	if err == nil && o.has("enabled") {
		var enabled bool
		enabled, err = o.bool("enabled")
		c.Enabled = &enabled
	}
	if err == nil && c.Dial != nil {
		err = routing.CheckDial(*c.Dial, r.api.DialTechs)
	}
	return c, err
}

func createCarrier(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown(append(carrierFields(), "name")...); err != nil {
		return err
	}
	if err := o.missing("name", "dial"); err != nil {
		return err
	}
	c := models.Carrier{Enabled: true}
	if c.Name, err = o.text("name"); err != nil {
		return err
	}
	change, err := r.carrierChange(o)
	if err != nil {
		return err
	}
	made, err := r.api.Routing.AddCarrier(r.ctx(), c.With(change), r.who.actor())
	if err != nil {
		return err
	}
	r.Header("Location", r.location(made.Name))
	r.json(http.StatusCreated, routing.ShowCarrier(made))
	return nil
}

func getCarrier(r *request) error {
	c, err := r.api.Routing.Carrier(r.ctx(), r.Param("carrier"))
	if err == nil {
		r.answer(http.StatusOK, routing.ShowCarrier(c))
	}
	return err
}

func changeCarrier(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown(carrierFields()...); err != nil {
		return err
	}
	change, err := r.carrierChange(o)
	if err != nil {
		return err
	}
	c, err := r.api.Routing.ChangeCarrier(r.ctx(), r.Param("carrier"), change, r.who.actor())
	if err == nil {
		r.json(http.StatusOK, routing.ShowCarrier(c))
	}
	return err
}

func deleteCarrier(r *request) error {
	if err := r.api.Routing.RemoveCarrier(r.ctx(), r.Param("carrier"), r.who.actor()); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

// shower shows routes with what their loss guards cannot compare now.
func (r *request) shower() (func(models.Route) routing.ShownRoute, error) {
	table, err := routing.Load(r.ctx(), r.api.Routing, r.api.DialTechs)
	if err != nil {
		return nil, err
	}
	currencies, err := r.api.Routing.Currencies(r.ctx())
	return func(one models.Route) routing.ShownRoute { return table.ShowRoute(one, currencies) }, err
}

func (r *request) answerRoute(status int, one models.Route) error {
	show, err := r.shower()
	if err == nil {
		r.answer(status, show(one))
	}
	return err
}

func listRoutes(r *request) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	routes, err := r.api.Routing.Routes(r.ctx())
	if err != nil {
		return err
	}
	show, err := r.shower()
	if err != nil {
		return err
	}
	key := func(one models.Route) int64 { return one.ID }
	return answerList(r, l, pageOf(l, routes, key), key, show)
}

// routeChange reads what of a route is in the body.
func routeChange(o object) (c models.RouteChange, err error) {
	for name, field := range map[string]**string{"order": &c.Order, "loss": &c.Loss} {
		if o.has(name) {
			value, err := o.text(name)
			if err != nil {
				return c, err
			}
			*field = &value
		}
	}
	if !o.has("carriers") {
		return c, nil
	}
	var names []*string
	if json.Unmarshal(o["carriers"], &names) != nil || len(names) == 0 || slices.Contains(names, nil) {
		return c, badRequest("carriers must be a list of names, the first one first")
	}
	for _, name := range names {
		c.Carriers = append(c.Carriers, *name)
	}
	return c, nil
}

func createRoute(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("prefix", "carriers", "order", "loss"); err != nil {
		return err
	}
	if err := o.missing("prefix", "carriers"); err != nil {
		return err
	}
	prefix, err := o.text("prefix")
	if err != nil {
		return err
	}
	if prefix == "" {
		return badRequest("prefix must be the first digits of the numbers, or " + models.AllNumbers)
	}
	change, err := routeChange(o)
	if err != nil {
		return err
	}
	one := models.Route{Prefix: models.ParsePrefix(prefix), Order: models.OrderListed, Loss: models.LossSkip}
	made, err := r.api.Routing.AddRoute(r.ctx(), one.With(change), r.who.actor())
	if err != nil {
		return err
	}
	r.Header("Location", r.location(made.Shown()))
	return r.answerRoute(http.StatusCreated, made)
}

func (r *request) prefix() string { return models.ParsePrefix(r.Param("route")) }

func getRoute(r *request) error {
	one, err := r.api.Routing.Route(r.ctx(), r.prefix())
	if err != nil {
		return err
	}
	return r.answerRoute(http.StatusOK, one)
}

func changeRoute(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("carriers", "order", "loss"); err != nil {
		return err
	}
	change, err := routeChange(o)
	if err != nil {
		return err
	}
	one, err := r.api.Routing.ChangeRoute(r.ctx(), r.prefix(), change, r.who.actor())
	if err != nil {
		return err
	}
	return r.answerRoute(http.StatusOK, one)
}

func deleteRoute(r *request) error {
	if err := r.api.Routing.RemoveRoute(r.ctx(), r.prefix(), r.who.actor()); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

func explainRoute(r *request) error {
	q := routing.Question{
		User: r.Query("user"), Number: r.Query("number"), At: r.api.Now(), Longest: int64(r.api.LongestCall / time.Second), Techs: r.api.DialTechs,
	}
	switch {
	case q.User == "":
		return badRequest("user is missing: who calls")
	case !dialForm.MatchString(q.Number):
		return badRequest("number must be what is dialled, 1 to " + strconv.Itoa(maxDial) + " characters without blanks")
	}
	if at := r.Query("at"); at != "" {
		var err error
		if q.At, err = tariff.ParseTime(at, r.api.Location); err != nil {
			return badRequest("at: " + err.Error())
		}
		if year := q.At.UTC().Year(); year < minYear || year > maxYear {
			return badRequest("at must be between 1970 and 9999")
		}
	}
	told, err := routing.Explain(r.ctx(), struct {
		Routing
		tariff.Prices
	}{r.api.Routing, r.api.Tariffs}, q)
	if err == nil {
		r.answer(http.StatusOK, told)
	}
	return err
}
