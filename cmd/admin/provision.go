package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"talktime/internal/config"
	"talktime/internal/nodemanager"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/store"
)

// How the node manager is told.
const (
	provisionPause  = 2 * time.Second  // between two looks at what is due
	provisionLease  = time.Minute      // far longer than telling takes
	maxProvisionOff = 30 * time.Second // between two tries while nobody answers
	maxRefusals     = 20               // of one thing; then it is given up
	firstRefusal    = 5 * time.Second  // until the next try, and each time twice as long
	maxRefusalPause = time.Hour
)

// teller is a node manager.
type teller interface {
	Create(context.Context, nodemanager.Subscriber) error
	Delete(context.Context, nodemanager.Subscriber) error
}

// provisionDue tells the node manager of SIM cards as they change, until ctx ends. It may run in any number of
// processes.
func provisionDue(ctx context.Context, db *store.Store, to teller, log *slog.Logger) {
	for ctx.Err() == nil {
		more, reached := true, true
		var err error
		for more && reached && err == nil && ctx.Err() == nil {
			more, reached, err = provisionNext(ctx, db, to, log)
		}
		if err != nil && ctx.Err() == nil {
			log.Error("the node manager was not told of SIM cards; trying again", "err", err)
		}
		pause := provisionPause
		if !reached {
			pause = maxProvisionOff
		}
		wiring.Pause(ctx, pause)
	}
}

// provisionNext tells of one card, if there is one, and whether the node manager answered.
func provisionNext(ctx context.Context, db *store.Store, to teller, log *slog.Logger) (more, reached bool, err error) {
	p, err := db.ClaimProvision(ctx, provisionLease)
	if p == nil || err != nil {
		return false, true, err
	}
	card := nodemanager.Subscriber{Name: strconv.FormatInt(p.UserID, 10), IMSI: p.IMSI, MSISDN: p.CLID}
	if p.Action == models.ProvisionDelete {
		err = to.Delete(ctx, card)
	} else {
		err = to.Create(ctx, card)
	}
	if err == nil {
		log.Info("the node manager knows", "action", p.Action, "user_id", p.UserID)
		return true, true, db.ProvisionDone(ctx, p.ID)
	}
	if ctx.Err() != nil {
		err = errors.New("broken off")
	}
	var rejected *nodemanager.Rejected
	reached = errors.As(err, &rejected)
	wait, first := maxProvisionOff, p.Error == ""
	if p.Error = err.Error(); reached {
		wait = min(firstRefusal<<min(p.Refusals, maxRefusals), maxRefusalPause)
		p.Refusals++
		p.GivenUp = p.Refusals >= maxRefusals
	}
	switch {
	case p.GivenUp:
		log.Error("the node manager was not told of a SIM card, which is given up; admin provision shows it", "action", p.Action, "user_id", p.UserID, "err", err)
	case first:
		log.Warn("the node manager was not told of a SIM card; trying again", "action", p.Action, "user_id", p.UserID, "err", err)
	}
	return true, reached, db.ProvisionFailed(context.WithoutCancel(ctx), *p, wait)
}

// provisionJSON is something that a node manager is still to be told, as --json shows it.
type provisionJSON struct {
	UserID   int64     `json:"user_id"`
	Action   string    `json:"action"`
	IMSI     string    `json:"imsi"`
	CLID     string    `json:"clid"`
	MadeAt   time.Time `json:"made_at"`
	DueAt    time.Time `json:"due_at"`
	Refusals int       `json:"refusals"`
	GivenUp  bool      `json:"given_up"`
	Error    string    `json:"error"`
}

// maxShown is how much of what waits is shown.
const maxShown = 1000

func provision(c *command) action {
	c.reports()
	all := c.flags.Bool("all", false, "tell of every user with an IMSI, for instance when TALKTIME_NODEMANAGER is new")
	c.about = "\nWithout USERNAME and --all it shows what waits or failed. admin serve does the telling."
	c.examples = []string{"admin provision", "admin provision marta", "admin provision --all"}
	return func(ctx context.Context, operands []string) error {
		if *all && len(operands) > 0 {
			return usagef("--all does not go with a USERNAME")
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			if cfg.NodeManager == "" {
				return errors.New("TALKTIME_NODEMANAGER is off")
			}
			if *all || len(operands) > 0 {
				if err := c.provisionAgain(ctx, db, operands); err != nil {
					return err
				}
			}
			waiting, err := db.Provisions(ctx, maxShown)
			if err != nil {
				return err
			}
			return c.showProvisions(waiting)
		})
	}
}

func (c *command) provisionAgain(ctx context.Context, db *store.Store, operands []string) error {
	var id int64
	if len(operands) > 0 {
		user, err := db.UserByName(ctx, operands[0])
		if err != nil {
			return unknownUser(operands[0], err)
		}
		id = user.ID
	}
	n, err := db.ProvisionAgain(ctx, id, actor())
	if err == nil {
		c.note("the node manager will be told of %d users", n)
	}
	return err
}

func (c *command) showProvisions(waiting []models.Provision) error {
	shown := make([]provisionJSON, len(waiting))
	rows := make([][]string, len(waiting))
	for i, p := range waiting {
		shown[i] = provisionJSON{p.UserID, p.Action, p.IMSI, p.CLID, p.Made.UTC(), p.Due.UTC(), p.Refusals, p.GivenUp, p.Error}
		due := p.Due.UTC().Format("2006-01-02 15:04:05")
		if p.GivenUp {
			due = "given up"
		}
		rows[i] = []string{strconv.FormatInt(p.UserID, 10), p.Action, p.IMSI, p.CLID, due, strconv.Itoa(p.Refusals), p.Error}
	}
	if c.json {
		return c.out.json(shown)
	}
	table{{"USER ID", true}, {"ACTION", false}, {"IMSI", false}, {"CLID", false}, {"DUE", false}, {"REFUSALS", true}, {"ERROR", false}}.write(c.out, rows)
	return nil
}

// checkNodeManager says what the node manager was not told.
func checkNodeManager(ctx context.Context, db *store.Store, address string) []finding {
	if address == "" {
		return nil
	}
	f, err := db.Figures(ctx)
	if err != nil {
		return nil // the database's checks have told of it
	}
	found := fine("node manager", "%s: %d changes wait, %d of them failed at least once, %d were given up",
		address, f.Provisions, f.ProvisionsFailing, f.ProvisionsGivenUp)
	if f.ProvisionsFailing > 0 {
		return []finding{found.warn("admin provision shows why; start the node manager, or correct TALKTIME_NODEMANAGER; what was given up goes on with admin provision USERNAME")}
	}
	return []finding{found}
}
