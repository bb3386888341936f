package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"talktime/models"
)

// carrierFacts is what the audit log says of a carrier, and routeFacts of a route.
type carrierFacts struct {
	Dial     string `json:"dial"`
	Strip    int    `json:"strip,omitempty"`
	Prepend  string `json:"prepend,omitempty"`
	Tariff   string `json:"tariff,omitempty"`
	Channels int64  `json:"channels,omitempty"`
	Enabled  bool   `json:"enabled"`
}

type routeFacts struct {
	Order    string   `json:"order"`
	Loss     string   `json:"loss"`
	Carriers []string `json:"carriers"`
}

func factsOfCarrier(c models.Carrier) carrierFacts {
	return carrierFacts{c.Dial, c.Strip, c.Prepend, c.Deck, c.Channels, c.Enabled}
}

func factsOfRoute(r models.Route) routeFacts { return routeFacts{r.Order, r.Loss, r.Names} }

// reader runs a SELECT, in a transaction or outside.
type reader func(ctx context.Context, query string, args []any, row func(*sql.Rows) error) error

// within reads in a transaction.
func (s *Store) within(db *gorm.DB) reader {
	return (&txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}).query
}

// routesChanged makes every process read carriers and routes again. It comes first in each change of them: two at once then wait
// for each other, and neither rests on what the other is about to change.
func routesChanged(db *gorm.DB) error {
	return db.Exec("UPDATE counters SET value = value + 1 WHERE name = 'routes'").Error
}

// RouteRevision implements routing.Source.
func (s *Store) RouteRevision(ctx context.Context) (int64, error) {
	return s.number(ctx, "SELECT value FROM counters WHERE name = 'routes'")
}

// readCarriers reads all carriers by name, or the one with a name.
func readCarriers(ctx context.Context, read reader, name string) (carriers []models.Carrier, err error) {
	query, args := "SELECT c.id, c.name, c.dial, c.strip, c.prepend, c.deck_id, COALESCE(d.name, ''), COALESCE(d.currency, ''), COALESCE(p.most, 0), c.pool_id,"+
		" COALESCE(p.calls, 0), c.enabled, c.created_at FROM carriers c LEFT JOIN decks d ON d.id = c.deck_id LEFT JOIN pools p ON p.id = c.pool_id", []any(nil)
	if name != "" {
		query, args = query+" WHERE c.name = ?", []any{name}
	}
	err = read(ctx, query+" ORDER BY c.name", args, func(rows *sql.Rows) error {
		var c models.Carrier
		err := rows.Scan(&c.ID, &c.Name, &c.Dial, &c.Strip, &c.Prepend, &c.DeckID, &c.Deck, &c.Currency, &c.Channels, &c.PoolID, &c.Calls, &c.Enabled, &c.CreatedAt)
		carriers = append(carriers, c)
		return err
	})
	return carriers, err
}

func readCarrier(ctx context.Context, read reader, name string) (models.Carrier, error) {
	carriers, err := readCarriers(ctx, read, name)
	if err == nil && (name == "" || len(carriers) == 0 || carriers[0].Name != name) { // MySQL does not look at blanks behind a name
		err = fmt.Errorf("carrier %q: %w", name, models.ErrNotFound)
	}
	if err != nil {
		return models.Carrier{}, err
	}
	return carriers[0], nil
}

// Carriers returns all carriers, by name.
func (s *Store) Carriers(ctx context.Context) ([]models.Carrier, error) {
	return readCarriers(ctx, s.each, "")
}

// Carrier returns a carrier, or models.ErrNotFound.
func (s *Store) Carrier(ctx context.Context, name string) (models.Carrier, error) {
	return readCarrier(ctx, s.each, name)
}

// AddCarrier makes a carrier of the values that people choose: his Deck is its name. A name that is taken is models.ErrConflict, a
// deck that there is not models.ErrNotFound.
func (s *Store) AddCarrier(ctx context.Context, c models.Carrier, actor string) (made models.Carrier, err error) {
	if err := c.Validate(); err != nil {
		return made, err
	}
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := routesChanged(db); err != nil {
			return err
		}
		deck, err := s.assignable(db, c.Deck, "")
		if err != nil {
			return err
		}
		if err := db.Exec("INSERT INTO carriers (name, dial, strip, prepend, deck_id, enabled, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
			c.Name, c.Dial, c.Strip, c.Prepend, deck, c.Enabled, stamp(s.now())).Error; err != nil {
			return err
		}
		if made, err = readCarrier(ctx, s.within(db), c.Name); err != nil {
			return err
		}
		if err := setChannels(db, &made, c.Channels); err != nil {
			return err
		}
		return s.logIn(db, actor, "carrier.add", c.Name, nil, factsOfCarrier(made))
	})
	if isDuplicate(err) {
		err = fmt.Errorf("%w: there is a carrier %q already", models.ErrConflict, c.Name)
	}
	return made, translate(err)
}

// setChannels bounds a carrier's calls at once; 0: not at all. Whoever decides on a call holds the lock of the pool: the next one
// knows it. Calls that began while nothing bounded them are not counted.
func setChannels(db *gorm.DB, c *models.Carrier, most int64) error {
	if c.Channels = most; c.PoolID != 0 {
		return db.Exec("UPDATE pools SET most = ? WHERE id = ?", most, c.PoolID).Error
	}
	if most == 0 {
		return nil
	}
	name := "carrier:" + strconv.FormatInt(c.ID, 10)
	if err := db.Exec("INSERT INTO pools (name, most) VALUES (?, ?)", name, most).Error; err != nil {
		return err
	}
	if err := db.Raw("SELECT id FROM pools WHERE name = ?", name).Row().Scan(&c.PoolID); err != nil {
		return err
	}
	return db.Exec("UPDATE carriers SET pool_id = ? WHERE id = ?", c.PoolID, c.ID).Error
}

// ChangeCarrier changes a carrier and returns what became of him. Calls in progress stay where they are.
func (s *Store) ChangeCarrier(ctx context.Context, name string, change models.CarrierChange, actor string) (c models.Carrier, err error) {
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := routesChanged(db); err != nil {
			return err
		}
		if c, err = readCarrier(ctx, s.within(db), name); err != nil {
			return err
		}
		before := factsOfCarrier(c)
		c = c.With(change)
		if err := c.Validate(); err != nil {
			return err
		}
		deck := c.DeckID
		if change.Deck != nil {
			if deck, err = s.assignable(db, c.Deck, ""); err != nil {
				return err
			}
		}
		if change.Channels != nil {
			if err := setChannels(db, &c, c.Channels); err != nil {
				return err
			}
		}
		if err := db.Exec("UPDATE carriers SET dial = ?, strip = ?, prepend = ?, deck_id = ?, enabled = ? WHERE id = ?",
			c.Dial, c.Strip, c.Prepend, deck, c.Enabled, c.ID).Error; err != nil {
			return err
		}
		if c, err = readCarrier(ctx, s.within(db), name); err != nil {
			return err
		}
		return s.logIn(db, actor, "carrier.change", name, before, factsOfCarrier(c))
	})
	return c, translate(err)
}

// RemoveCarrier removes a carrier. While a route names him it is models.ErrConflict. Calls in progress go on.
func (s *Store) RemoveCarrier(ctx context.Context, name, actor string) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := routesChanged(db); err != nil {
			return err
		}
		c, err := readCarrier(ctx, s.within(db), name)
		if err != nil {
			return err
		}
		var uses []string
		err = s.within(db)(ctx, "SELECT r.prefix FROM route_carriers rc JOIN routes r ON r.id = rc.route_id WHERE rc.carrier_id = ? ORDER BY r.prefix LIMIT 5",
			[]any{c.ID}, func(rows *sql.Rows) error {
				var r models.Route
				err := rows.Scan(&r.Prefix)
				uses = append(uses, r.Shown())
				return err
			})
		if err != nil {
			return err
		}
		if len(uses) > 0 {
			return fmt.Errorf("%w: the carrier %q takes calls of the routes %s; take him out of them first", models.ErrConflict, name, strings.Join(uses, ", "))
		}
		if err := db.Exec("DELETE FROM pools WHERE id = ? AND calls = 0", c.PoolID).Error; err != nil { // else calls in progress still count there
			return err
		}
		if err := db.Exec("DELETE FROM carriers WHERE id = ?", c.ID).Error; err != nil {
			return err
		}
		return s.logIn(db, actor, "carrier.delete", name, factsOfCarrier(c), nil)
	}))
}

// carriersOfDeck are how many carriers ask what a deck says.
func carriersOfDeck(db *gorm.DB, deck int64) (n int64, err error) {
	err = db.Raw("SELECT COUNT(*) FROM carriers WHERE deck_id = ?", deck).Scan(&n).Error
	return n, err
}

// readRoutes reads all routes by prefix, or the one with a prefix.
func readRoutes(ctx context.Context, read reader, prefix *string) (routes []models.Route, err error) {
	query, args := "SELECT r.id, r.prefix, r.ordering, r.loss, r.created_at, c.id, c.name FROM routes r JOIN route_carriers rc ON rc.route_id = r.id"+
		" JOIN carriers c ON c.id = rc.carrier_id", []any(nil)
	if prefix != nil {
		query, args = query+" WHERE r.prefix = ?", []any{*prefix}
	}
	err = read(ctx, query+" ORDER BY r.prefix, rc.n", args, func(rows *sql.Rows) error {
		var r models.Route
		var carrier int64
		var name string
		if err := rows.Scan(&r.ID, &r.Prefix, &r.Order, &r.Loss, &r.CreatedAt, &carrier, &name); err != nil {
			return err
		}
		if n := len(routes); n == 0 || routes[n-1].ID != r.ID {
			routes = append(routes, r)
		}
		last := &routes[len(routes)-1]
		last.Carriers, last.Names = append(last.Carriers, carrier), append(last.Names, name)
		return nil
	})
	return routes, err
}

func readRoute(ctx context.Context, read reader, prefix string) (models.Route, error) {
	var routes []models.Route
	var err error
	if models.ValidPrefix(prefix) { // MariaDB compares a prefix with ASCII alone
		routes, err = readRoutes(ctx, read, &prefix)
	}
	if err == nil && (len(routes) == 0 || routes[0].Prefix != prefix) {
		err = fmt.Errorf("route %q: %w", models.Route{Prefix: prefix}.Shown(), models.ErrNotFound)
	}
	if err != nil {
		return models.Route{}, err
	}
	return routes[0], nil
}

// Routes returns all routes, by prefix.
func (s *Store) Routes(ctx context.Context) ([]models.Route, error) {
	return readRoutes(ctx, s.each, nil)
}

// Route returns the route of a prefix, or models.ErrNotFound.
func (s *Store) Route(ctx context.Context, prefix string) (models.Route, error) {
	return readRoute(ctx, s.each, prefix)
}

// AddRoute makes a route of the carriers that r.Names names. A prefix that has one is models.ErrConflict, a carrier that there is not
// models.ErrNotFound.
func (s *Store) AddRoute(ctx context.Context, r models.Route, actor string) (made models.Route, err error) {
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := routesChanged(db); err != nil {
			return err
		}
		if err := s.findCarriers(ctx, db, &r); err != nil {
			return err
		}
		if err := db.Exec("INSERT INTO routes (prefix, ordering, loss, created_at) VALUES (?, ?, ?, ?)", r.Prefix, r.Order, r.Loss, stamp(s.now())).Error; err != nil {
			return err
		}
		if err := db.Raw("SELECT id FROM routes WHERE prefix = ?", r.Prefix).Row().Scan(&r.ID); err != nil {
			return err
		}
		if err := s.writeCarriers(ctx, db, r); err != nil {
			return err
		}
		if made, err = readRoute(ctx, s.within(db), r.Prefix); err != nil {
			return err
		}
		return s.logIn(db, actor, "route.add", r.Shown(), nil, factsOfRoute(made))
	})
	if isDuplicate(err) {
		err = fmt.Errorf("%w: there is a route for %s already", models.ErrConflict, r.Shown())
	}
	return made, translate(err)
}

// findCarriers finds the ids of the carriers that a route names, and checks the route.
func (s *Store) findCarriers(ctx context.Context, db *gorm.DB, r *models.Route) error {
	r.Carriers = nil
	for _, name := range r.Names {
		c, err := readCarrier(ctx, s.within(db), name)
		if err != nil {
			return err
		}
		r.Carriers = append(r.Carriers, c.ID)
	}
	return r.Validate()
}

// writeCarriers replaces the carriers of a route.
func (s *Store) writeCarriers(ctx context.Context, db *gorm.DB, r models.Route) error {
	if err := db.Exec("DELETE FROM route_carriers WHERE route_id = ?", r.ID).Error; err != nil {
		return err
	}
	rows := (&txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}).insert("route_carriers", "route_id", "n", "carrier_id")
	for i, id := range r.Carriers {
		rows.row(r.ID, i+1, id)
	}
	return rows.exec(ctx)
}

// ChangeRoute changes the route of a prefix and returns what became of it. It is for calls to come.
func (s *Store) ChangeRoute(ctx context.Context, prefix string, change models.RouteChange, actor string) (r models.Route, err error) {
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := routesChanged(db); err != nil {
			return err
		}
		if r, err = readRoute(ctx, s.within(db), prefix); err != nil {
			return err
		}
		before := factsOfRoute(r)
		r = r.With(change)
		if err := s.findCarriers(ctx, db, &r); err != nil {
			return err
		}
		if err := db.Exec("UPDATE routes SET ordering = ?, loss = ? WHERE id = ?", r.Order, r.Loss, r.ID).Error; err != nil {
			return err
		}
		if err := s.writeCarriers(ctx, db, r); err != nil {
			return err
		}
		return s.logIn(db, actor, "route.change", r.Shown(), before, factsOfRoute(r))
	})
	return r, translate(err)
}

// RemoveRoute removes the route of a prefix. Calls in progress go on.
func (s *Store) RemoveRoute(ctx context.Context, prefix, actor string) error {
	return translate(s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := routesChanged(db); err != nil {
			return err
		}
		r, err := readRoute(ctx, s.within(db), prefix)
		if err != nil {
			return err
		}
		for _, table := range []string{"route_carriers WHERE route_id", "routes WHERE id"} {
			if err := db.Exec("DELETE FROM "+table+" = ?", r.ID).Error; err != nil {
				return err
			}
		}
		return s.logIn(db, actor, "route.delete", r.Shown(), factsOfRoute(r), nil)
	}))
}

// Currencies are those of users' money, in order.
func (s *Store) Currencies(ctx context.Context) (currencies []string, err error) {
	err = s.each(ctx, "SELECT DISTINCT currency FROM users WHERE deleted_at IS NULL ORDER BY currency", nil, func(rows *sql.Rows) error {
		var currency string
		err := rows.Scan(&currency)
		currencies = append(currencies, currency)
		return err
	})
	return currencies, err
}
