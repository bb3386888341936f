package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"talktime/models"
)

// Notices are what somebody wants to hear of, and the addresses to which that is sent.
type Notices interface {
	// ListNotices is newest first.
	ListNotices(context.Context, models.ListRequest) (models.List[models.ToldNotice], error)
	Webhooks(context.Context) ([]models.Webhook, error)
	Webhook(ctx context.Context, name string) (models.Webhook, error)
	// AddWebhook returns the secret too, which nobody can read again. A name that is taken is models.ErrConflict.
	AddWebhook(ctx context.Context, w models.Webhook, actor string) (models.Webhook, error)
	ChangeWebhook(ctx context.Context, name string, c models.WebhookChange, actor string) (models.Webhook, error)
	RemoveWebhook(ctx context.Context, name, actor string) error
	// TestWebhook makes a notice for this webhook alone; one that is disabled is models.ErrConflict.
	TestWebhook(ctx context.Context, name, actor string) (notice int64, err error)
}

type webhookJSON struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	URL       string    `json:"url"`
	Kinds     []string  `json:"kinds"`
	Enabled   bool      `json:"enabled"`
	CreatedAt time.Time `json:"created_at"`
	Secret    string    `json:"secret,omitempty"` // in the answer to its making only
}

type noticeJSON struct {
	ID         int64           `json:"id"`
	At         time.Time       `json:"at"`
	Kind       string          `json:"kind"`
	UserID     *int64          `json:"user_id"`
	User       *string         `json:"user"`
	Data       json.RawMessage `json:"data"`
	Deliveries []deliveryJSON  `json:"deliveries"`
}

type deliveryJSON struct {
	Webhook *string    `json:"webhook"`
	Try     int        `json:"try"`
	State   string     `json:"state"`
	Due     time.Time  `json:"due_at"`
	Tried   *time.Time `json:"tried_at"`
	Status  int        `json:"status"`
	Error   string     `json:"error"`
}

type testedJSON struct {
	Notice int64 `json:"notice"`
}

func showWebhook(w models.Webhook) webhookJSON {
	return webhookJSON{w.ID, w.Name, w.URL, append([]string{}, w.Kinds...), w.Enabled, w.CreatedAt.UTC(), w.Secret}
}

func showNotice(n models.ToldNotice) noticeJSON {
	shown := noticeJSON{ID: n.ID, At: n.At.UTC(), Kind: n.Kind, Data: rawJSON(n.Data), Deliveries: make([]deliveryJSON, len(n.Deliveries))}
	if n.UserID != 0 {
		shown.UserID, shown.User = &n.UserID, &n.Username
	}
	for i, d := range n.Deliveries {
		shown.Deliveries[i] = deliveryJSON{Try: d.Try, State: d.State, Due: d.Due.UTC(), Status: d.Status, Error: d.Error}
		if d.WebhookID != 0 {
			shown.Deliveries[i].Webhook = &d.Webhook
		}
		if !d.Tried.IsZero() {
			at := d.Tried.UTC()
			shown.Deliveries[i].Tried = &at
		}
	}
	return shown
}

func listNotices(r *request) error {
	l, err := r.listRequest(manyRows)
	if err != nil {
		return err
	}
	list, err := r.api.Notices.ListNotices(r.ctx(), l)
	if err != nil {
		return err
	}
	return answerList(r, l, list, func(n models.ToldNotice) int64 { return n.ID }, showNotice)
}

func listWebhooks(r *request) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	webhooks, err := r.api.Notices.Webhooks(r.ctx())
	if err != nil {
		return err
	}
	key := func(w models.Webhook) int64 { return w.ID }
	return answerList(r, l, pageOf(l, webhooks, key), key, showWebhook)
}

// webhookChange reads what of a webhook is in the body.
func webhookChange(o object) (c models.WebhookChange, err error) {
	if o.has("url") {
		if c.URL, err = ptr(o.text("url")); err != nil {
			return c, err
		}
	}
	if o.has("kinds") {
		kinds := []string{}
		if o.isNull("kinds") || json.Unmarshal(o["kinds"], &kinds) != nil {
			return c, badRequest("kinds must be a list of kinds of notices, or empty for all")
		}
		c.Kinds = &kinds
	}
	if o.has("enabled") {
		c.Enabled, err = ptr(o.bool("enabled"))
	}
	return c, err
}

func createWebhook(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("name", "url", "kinds", "enabled"); err != nil {
		return err
	}
	if err := o.missing("name", "url"); err != nil {
		return err
	}
	name, err := o.name("name")
	if err != nil {
		return err
	}
	change, err := webhookChange(o)
	if err != nil {
		return err
	}
	made, err := r.api.Notices.AddWebhook(r.ctx(), models.Webhook{Name: name, Enabled: true}.With(change), r.who.actor())
	if err != nil {
		return err
	}
	r.Header("Location", r.location(made.Name))
	r.json(http.StatusCreated, showWebhook(made))
	return nil
}

func getWebhook(r *request) error {
	w, err := r.api.Notices.Webhook(r.ctx(), r.Param("webhook"))
	if err == nil {
		r.answer(http.StatusOK, showWebhook(w))
	}
	return err
}

func changeWebhook(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("url", "kinds", "enabled"); err != nil {
		return err
	}
	change, err := webhookChange(o)
	if err != nil {
		return err
	}
	w, err := r.api.Notices.ChangeWebhook(r.ctx(), r.Param("webhook"), change, r.who.actor())
	if err == nil {
		r.json(http.StatusOK, showWebhook(w))
	}
	return err
}

func deleteWebhook(r *request) error {
	if err := r.api.Notices.RemoveWebhook(r.ctx(), r.Param("webhook"), r.who.actor()); err != nil {
		return err
	}
	r.Status(http.StatusNoContent)
	return nil
}

func testWebhook(r *request) error {
	id, err := r.api.Notices.TestWebhook(r.ctx(), r.Param("webhook"), r.who.actor())
	if err == nil {
		r.json(http.StatusAccepted, testedJSON{id})
	}
	return err
}
