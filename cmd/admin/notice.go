package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"talktime/internal/config"
	"talktime/models"
	"talktime/store"
)

// webhookJSON is a webhook as --json shows it; the secret only when it was just made.
type webhookJSON struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	URL       string    `json:"url"`
	Kinds     []string  `json:"kinds"`
	Enabled   bool      `json:"enabled"`
	CreatedAt time.Time `json:"created_at"`
	Secret    string    `json:"secret,omitempty"`
}

// toldJSON is a notice as --json shows it.
type toldJSON struct {
	noticeBody
	Deliveries []deliveryJSON `json:"deliveries"`
}

type deliveryJSON struct {
	To     string     `json:"to"`
	Try    int        `json:"try"`
	State  string     `json:"state"`
	Due    time.Time  `json:"due_at"`
	Tried  *time.Time `json:"tried_at"`
	Status int        `json:"status"`
	Error  string     `json:"error"`
}

const aboutWebhooks = `
Each notice is posted to the address as JSON. The header Talktime-Signature is t=UNIX,v1=HEX: the HMAC-SHA256 with the
secret over the time, a point and the body. Any answer but 2xx within 5 seconds counts as a failure. There are up to seven
tries within 33 hours; admin serve does them.`

const aboutKinds = "KINDS|which kinds of notices, with commas between: low-balance, brake, refusals, loss; empty: all"

func webhookAdd(c *command) action {
	c.reports()
	url := c.flags.String("url", "", "URL|where notices are posted")
	kinds := c.flags.String("kinds", "", aboutKinds)
	c.about = aboutWebhooks + "\nThe secret is printed this once."
	c.examples = []string{"admin notice webhook add ops --url https://hooks.example.net/talktime --kinds low-balance,brake"}
	return func(ctx context.Context, operands []string) error {
		w := models.Webhook{Name: operands[0], URL: *url, Kinds: namesIn(*kinds), Enabled: true}
		if *url == "" {
			return usagef("--url is missing")
		}
		if err := w.Validate(); err != nil {
			return usageError{validation(err)}
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			made, err := db.AddWebhook(ctx, w, actor())
			if err != nil {
				return aboutTariff(err)
			}
			if c.json {
				return c.out.json(showWebhook(made))
			}
			c.out.f("webhook %s is made; its secret, which is shown this once: %s\n", made.Name, made.Secret)
			return nil
		})
	}
}

func webhookList(c *command) action {
	c.reports()
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			webhooks, err := db.Webhooks(ctx)
			if err != nil {
				return err
			}
			return c.printWebhooks(webhooks)
		})
	}
}

func webhookChange(c *command) action {
	c.reports()
	url := c.flags.String("url", "", "URL|where notices are posted")
	kinds := c.flags.String("kinds", "", aboutKinds)
	enabled := c.flags.Bool("enabled", true, "notices are sent; --enabled=false: they wait")
	c.about = "\nWhat is left out stays. What waits goes to the new address."
	c.examples = []string{"admin notice webhook change ops --enabled=false", "admin notice webhook change ops --kinds ''"}
	return func(ctx context.Context, operands []string) error {
		var change models.WebhookChange
		if c.isGiven("url") {
			change.URL = url
		}
		if c.isGiven("kinds") {
			names := namesIn(*kinds)
			change.Kinds = &names
		}
		if c.isGiven("enabled") {
			change.Enabled = enabled
		}
		if change == (models.WebhookChange{}) {
			return usagef("nothing is to be changed; admin notice webhook change -h shows what can be")
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			w, err := db.ChangeWebhook(ctx, operands[0], change, actor())
			if err != nil {
				return aboutTariff(err)
			}
			return c.printWebhooks([]models.Webhook{w})
		})
	}
}

func webhookRemove(c *command) action {
	c.about = "\nWhat waits for it is not sent."
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if err := db.RemoveWebhook(ctx, operands[0], actor()); err != nil {
				return aboutTariff(err)
			}
			c.out.f("webhook %s is removed\n", operands[0])
			return nil
		})
	}
}

func webhookTest(c *command) action {
	c.about = "\nadmin serve sends it; admin notice list shows whether it arrived."
	return func(ctx context.Context, operands []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			id, err := db.TestWebhook(ctx, operands[0], actor())
			if err != nil {
				return aboutTariff(err)
			}
			c.out.f("notice %d will be sent to %s\n", id, operands[0])
			return nil
		})
	}
}

func noticeList(c *command) action {
	c.reports()
	p := c.part(usersMade)
	c.about = "\nThe newest stand first. They are kept for 90 days. Where a delivery stands, its last try is shown; --json has all."
	c.examples = []string{"admin notice list", `admin notice list --query '{"filters":[{"name":"kind","op":"eq","val":"brake"}]}'`}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, cfg config.Config) error {
			notices, err := listed(ctx, c, db, cfg, p, db.ListNotices)
			if err != nil {
				return err
			}
			return c.printNotices(notices)
		})
	}
}

func (c *command) printNotices(notices []models.ToldNotice) error {
	shown := make([]toldJSON, len(notices))
	rows := make([][]string, len(notices))
	for i, n := range notices {
		shown[i] = toldJSON{noticeBody{n.ID, n.At.UTC(), n.Kind, n.UserID, n.Username, rawJSON(n.Data)}, make([]deliveryJSON, len(n.Deliveries))}
		var told []string
		for k, d := range n.Deliveries {
			to := orElse(d.Webhook, "(removed)")
			if d.WebhookID == 0 {
				to = "mail"
			}
			one := deliveryJSON{To: to, Try: d.Try, State: d.State, Due: d.Due.UTC(), Status: d.Status, Error: d.Error}
			if !d.Tried.IsZero() {
				at := d.Tried.UTC()
				one.Tried = &at
			}
			shown[i].Deliveries[k] = one
			if last := k+1 == len(n.Deliveries) || n.Deliveries[k+1].WebhookID != d.WebhookID; last {
				told = append(told, deliveryWords(n.Deliveries[:k+1], to))
			}
		}
		rows[i] = []string{strconv.FormatInt(n.ID, 10), n.At.UTC().Format(time.DateTime), n.Kind, orNone(n.Username), n.Data, orNone(strings.Join(told, "; "))}
	}
	if c.json {
		return c.out.json(shown)
	}
	table{{"ID", true}, {"AT (UTC)", false}, {"KIND", false}, {"USER", false}, {"DATA", false}, {"DELIVERIES", false}}.write(c.out, rows)
	return nil
}

// deliveryWords sum up the tries to deliver a notice to one, of which the last stands at the end.
func deliveryWords(tries []models.Delivery, to string) string {
	d := tries[len(tries)-1]
	words := fmt.Sprintf("%s: %s", to, d.State)
	if d.Try > 1 {
		words += fmt.Sprintf(", try %d", d.Try)
	}
	if d.State == models.DeliveryWaiting && d.Try > 1 {
		words += " at " + d.Due.UTC().Format(time.DateTime) + " (" + tries[len(tries)-2].Error + ")"
	}
	if d.Error != "" {
		words += " (" + d.Error + ")"
	}
	return words
}

func showWebhook(w models.Webhook) webhookJSON {
	return webhookJSON{w.ID, w.Name, w.URL, append([]string{}, w.Kinds...), w.Enabled, w.CreatedAt.UTC(), w.Secret}
}

func (c *command) printWebhooks(webhooks []models.Webhook) error {
	shown := make([]webhookJSON, len(webhooks))
	rows := make([][]string, len(webhooks))
	for i, w := range webhooks {
		shown[i] = showWebhook(w)
		rows[i] = []string{w.Name, w.URL, orElse(strings.Join(w.Kinds, ", "), "all"), yesNo(w.Enabled)}
	}
	if c.json {
		return c.out.json(shown)
	}
	table{{"NAME", false}, {"URL", false}, {"KINDS", false}, {"ENABLED", false}}.write(c.out, rows)
	return nil
}
