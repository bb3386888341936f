package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"talktime/internal/config"
	"talktime/internal/mail"
	"talktime/internal/webhook"
	"talktime/internal/wiring"
	"talktime/models"
	"talktime/store"
)

// How notices are delivered.
const (
	noticePause   = 2 * time.Second // between two looks at what is due
	deliveryLease = time.Minute     // longer than a try takes
	senders       = 4               // at once: a slow receiver keeps nobody waiting for long
	refusalsPause = 30 * time.Second
	noticesKept   = 90 * 24 * time.Hour
	forgottenStep = 500
)

// deliveryPauses are those between two tries; after the last one it is given up.
func deliveryPauses() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour}
}

// courier delivers notices, in any number of processes.
type courier struct {
	db     *store.Store
	hooks  *webhook.Client
	mail   mail.Client
	to     []string // by mail; none: no mail is sent
	pauses []time.Duration
	now    func() time.Time
	log    *slog.Logger
}

func newCourier(db *store.Store, n config.Notices, log *slog.Logger) *courier {
	server := mail.Client{Addr: n.SMTP.Addr, User: n.SMTP.User, Password: n.SMTP.Password.Reveal(), From: n.SMTP.From}
	return &courier{db: db, hooks: webhook.New(), mail: server, to: n.Mail, pauses: deliveryPauses(), now: time.Now, log: log}
}

// spreadDue makes deliveries of new notices until ctx ends.
func (c *courier) spreadDue(ctx context.Context) {
	for ; ctx.Err() == nil; wiring.Pause(ctx, noticePause) {
		if _, err := c.db.SpreadNotices(ctx, len(c.to) > 0); err != nil && ctx.Err() == nil {
			c.log.Error("notices were not taken up; trying again", "err", err)
		}
	}
}

// deliverDue delivers what is due until ctx ends.
func (c *courier) deliverDue(ctx context.Context) {
	for ; ctx.Err() == nil; wiring.Pause(ctx, noticePause) {
		more := true
		var err error
		for more && err == nil && ctx.Err() == nil {
			more, err = c.deliverNext(ctx)
		}
		if err != nil && ctx.Err() == nil {
			c.log.Error("notices were not delivered; trying again", "err", err)
		}
	}
}

// deliverNext tries what is due next, and is false when nothing is.
func (c *courier) deliverNext(ctx context.Context) (more bool, err error) {
	d, err := c.db.ClaimDelivery(ctx, len(c.to) > 0, deliveryLease)
	if d == nil || err != nil {
		return false, err
	}
	if d.WebhookID == 0 {
		err = c.mail.Send(ctx, c.mailOf(*d))
	} else {
		d.Status, err = c.post(ctx, *d)
	}
	if err != nil && ctx.Err() != nil {
		return false, nil // broken off: somebody tries again when the claim has ended
	}
	where := d.Webhook
	if d.WebhookID == 0 {
		where = "mail"
	}
	pause := time.Duration(0)
	switch {
	case err == nil:
		d.State = models.DeliveryDone
		c.log.Info("a notice is delivered", "notice", d.NoticeID, "kind", d.Notice.Kind, "to", where, "try", d.Try)
	case d.Try > len(c.pauses):
		d.State, d.Error = models.DeliveryGivenUp, err.Error()
		c.log.Error("a notice was not delivered, and is given up; admin notice list shows it", "notice", d.NoticeID, "to", where, "try", d.Try, "err", err)
	default:
		d.State, d.Error, pause = models.DeliveryFailed, err.Error(), c.pauses[d.Try-1]
		c.log.Warn("a notice was not delivered; trying again", "notice", d.NoticeID, "to", where, "try", d.Try, "after", pause.String(), "err", err)
	}
	return true, c.db.Delivered(context.WithoutCancel(ctx), d.Delivery, pause)
}

// noticeBody is what a webhook gets. Fields may be added.
type noticeBody struct {
	ID       int64           `json:"id"`
	At       time.Time       `json:"at"`
	Kind     string          `json:"kind"`
	UserID   int64           `json:"user_id"` // 0: it is about no user
	Username string          `json:"user"`
	Data     json.RawMessage `json:"data"`
}

func noticeKey(id int64) string { return "talktime-notice-" + strconv.FormatInt(id, 10) }

func (c *courier) post(ctx context.Context, d models.DueDelivery) (status int, err error) {
	n := d.Notice
	body, err := json.Marshal(noticeBody{n.ID, n.At.UTC(), n.Kind, n.UserID, d.Username, rawJSON(n.Data)})
	if err != nil {
		return 0, err
	}
	return c.hooks.Send(ctx, webhook.Message{URL: d.URL, Secret: d.Secret, Key: noticeKey(n.ID), Body: body, At: c.now()})
}

func (c *courier) mailOf(d models.DueDelivery) mail.Message {
	subject, text := noticeWords(d.Notice, d.Username)
	return mail.Message{To: c.to, ID: noticeKey(d.NoticeID), Subject: "Talktime: " + subject, Text: text, At: c.now()}
}

// noticeWords tell a notice to people.
func noticeWords(n models.Notice, username string) (subject, text string) {
	var data map[string]any
	if json.Unmarshal([]byte(n.Data), &data) != nil {
		data = nil
	}
	of := func(key string) string {
		if data[key] == nil {
			return "?"
		}
		return fmt.Sprint(data[key])
	}
	who := orElse(username, "somebody")
	switch n.Kind {
	case models.NoticeLowBalance:
		subject = "low balance of " + who
		text = fmt.Sprintf("The balance of %s has fallen to %s %s, below %s.", who, of("balance"), of("currency"), of("below"))
	case models.NoticeBrake:
		subject = "a call of " + who + " was stopped"
		text = fmt.Sprintf("A call of %s to %s was refused: %s. Further calls that the same rule (%s) stops in this hour are not told.", who, of("number"), of("reason"), of("rule"))
	case models.NoticeRefusals:
		subject = "many refused calls of " + who
		text = fmt.Sprintf("%s calls of %s were refused within %s minutes.", of("refused"), who, of("minutes"))
	case models.NoticeLoss:
		subject = "carrier " + of("carrier") + " asks more than is charged"
		text = fmt.Sprintf("A call of %s to %s went to carrier %s, who may ask more than is charged: %s a minute, charged %s.", who, of("number"), of("carrier"), of("buy"), of("sell"))
	default:
		subject = n.Kind
		for _, key := range slices.Sorted(maps.Keys(data)) {
			text += fmt.Sprintf("%s: %s\n", key, of(key))
		}
	}
	return subject, fmt.Sprintf("%s\n\nAt %s. Notice %d.\n", strings.TrimSpace(text), n.At.UTC().Format("2006-01-02 15:04:05 UTC"), n.ID)
}

// watchRefusals notes bursts of refused calls until ctx ends.
func (c *courier) watchRefusals(ctx context.Context, many int, window time.Duration) {
	for ; ctx.Err() == nil; wiring.Pause(ctx, refusalsPause) {
		noted, err := c.db.NoteRefusals(ctx, int64(many), window)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			c.log.Error("refused calls were not counted; trying again", "err", err)
		case noted > 0:
			c.log.Warn("many calls of users were refused", "users", noted)
		}
	}
}

// forgetDue deletes old notices, a few at a time, until ctx ends.
func (c *courier) forgetDue(ctx context.Context) {
	for ; ctx.Err() == nil; wiring.Pause(ctx, time.Minute) {
		if _, err := c.db.ForgetNotices(ctx, c.now().Add(-noticesKept), forgottenStep); err != nil && ctx.Err() == nil {
			c.log.Error("old notices were not deleted; trying again", "err", err)
		}
	}
}
