package main

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"talktime/internal/config"
	"talktime/models"
	"talktime/store"
	"talktime/tariff"
)

// refusedJSON is a call that a user was refused, as --json shows it.
type refusedJSON struct {
	ID       int64     `json:"id"`
	At       time.Time `json:"at"`
	UserID   int64     `json:"user_id"`
	User     string    `json:"user"` // empty: deleted
	CallID   string    `json:"call_id"`
	CallerID string    `json:"caller_id"`
	Number   string    `json:"number"`
	Status   string    `json:"status"`
	Rule     string    `json:"rule"` // empty: no limit refused it
	Reason   string    `json:"reason"`
}

// limitRefusals is a query that the help shows.
const limitRefusals = `{"filters":[{"name":"status","op":"eq","val":"LIMIT"}]}`

func callRefused(c *command) action {
	c.reports()
	p := c.part(limitRefusals).ofUser(c)
	rule := c.flags.String("rule", "", "NAME|only those that this limit refused: "+strings.Join(models.Rules(), ", "))
	since := c.flags.String("since", "", "TIME|only those from then on, such as 2030-01-31 23:59 in TALKTIME_TIMEZONE")
	c.about = `
The newest stand first. Calls of callers whom nobody knows are in the log of fastagi alone. They are kept for
TALKTIME_KEEP_REFUSALS_DAYS days.`
	c.examples = []string{"admin call refused --user marta", "admin call refused --rule new-countries --since 2030-01-31"}
	return func(ctx context.Context, _ []string) error {
		if *p.query != "" && (*rule != "" || *since != "") {
			return usagef("--query says all of which ones: --rule and --since cannot go with it")
		}
		if *rule != "" && !slices.Contains(models.Rules(), *rule) {
			return usagef("--rule is %q, but must be one of %s", *rule, strings.Join(models.Rules(), ", "))
		}
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			if err := p.only(*rule, *since, cfg.Location); err != nil {
				return err
			}
			refused, err := listed(ctx, c, db, cfg, p, db.ListRefusals)
			if err != nil {
				return err
			}
			return c.printRefused(ctx, db, refused)
		})
	}
}

// only makes the query of a rule and a time.
func (p *part) only(rule, since string, zone *time.Location) error {
	type condition struct {
		Name string `json:"name"`
		Op   string `json:"op"`
		Val  string `json:"val"`
	}
	var conditions []condition
	if rule != "" {
		conditions = append(conditions, condition{"rule", "eq", rule})
	}
	if since != "" {
		at, err := tariff.ParseTime(since, zone)
		if err != nil {
			return usageError{err}
		}
		conditions = append(conditions, condition{"at", "ge", at.UTC().Format(time.RFC3339)})
	}
	if len(conditions) == 0 {
		return nil
	}
	text, err := json.Marshal(map[string]any{"filters": conditions})
	*p.query = string(text)
	return err
}

func (c *command) printRefused(ctx context.Context, db *store.Store, refused []models.Refused) error {
	var ids []int64
	for _, r := range refused {
		ids = append(ids, r.UserID)
	}
	slices.Sort(ids)
	names, err := db.Usernames(ctx, slices.Compact(ids))
	if err != nil {
		return err
	}
	shown, rows := make([]refusedJSON, len(refused)), make([][]string, len(refused))
	for i, r := range refused {
		shown[i] = refusedJSON{r.ID, r.At.UTC(), r.UserID, names[r.UserID], r.CallID, r.CallerID, r.Number, r.Status, r.Rule, r.Reason}
		rows[i] = []string{r.At.UTC().Format(time.DateTime), userCell(r.UserID, names), r.CallerID, r.Number, cmp.Or(r.Rule, r.Status), r.Reason}
	}
	if c.json {
		return c.out.json(shown)
	}
	table{{"AT (UTC)", false}, {"USER", false}, {"CALLER ID", false}, {"NUMBER", false}, {"RULE", false}, {"REASON", false}}.write(c.out, rows)
	return nil
}
