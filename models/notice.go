package models

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Kinds of notices.
const (
	NoticeLowBalance = "low-balance" // a balance has fallen below what its user is warned at
	NoticeBrake      = "brake"       // a call was refused by a rule that is to stop abuse
	NoticeRefusals   = "refusals"    // many calls of a user were refused within a short time
	NoticeLoss       = "loss"        // a call goes to a carrier who asks more than is charged
	NoticeTest       = "test"        // somebody tries whether a webhook is reached; only he gets it
)

// NoticeKinds are those that a webhook may want.
func NoticeKinds() []string {
	return []string{NoticeLowBalance, NoticeBrake, NoticeRefusals, NoticeLoss}
}

// Notice is something that happened which somebody wants to hear of.
type Notice struct {
	ID     int64
	At     time.Time
	Kind   string
	UserID int64  // 0: it is about no user
	Data   string // JSON object
	// Once is what there is one notice about at most, such as a brake of a user on a day; empty: it is told each time.
	Once string
}

// Webhook is an address to which notices are sent.
type Webhook struct {
	ID        int64
	Name      string // unique
	URL       string
	Secret    string   // signs what is sent; empty where it is not told
	Kinds     []string // of notices; none: all
	Enabled   bool
	CreatedAt time.Time
}

// WebhookChange is what is to become of a webhook. What is nil stays.
type WebhookChange struct {
	URL     *string
	Kinds   *[]string
	Enabled *bool
}

// With is the webhook as a change leaves it.
func (w Webhook) With(c WebhookChange) Webhook {
	if c.URL != nil {
		w.URL = *c.URL
	}
	if c.Kinds != nil {
		w.Kinds = *c.Kinds
	}
	if c.Enabled != nil {
		w.Enabled = *c.Enabled
	}
	return w
}

// Validate returns all mistakes in w, joined; nil when there are none.
func (w Webhook) Validate() error {
	var err error
	wrong := func(format string, args ...any) {
		err = errors.Join(err, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	if !printable(w.Name, 1, 64) || strings.Contains(w.Name, "/") {
		wrong("name must have 1 to 64 printable characters, without /")
	}
	const longest = 500
	u, urlErr := url.Parse(w.URL)
	if urlErr != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(w.URL) > longest {
		wrong("url must be an address such as https://example.net/notices, of at most %d characters, without a user and #", longest)
	}
	for i, kind := range w.Kinds {
		switch {
		case !slices.Contains(NoticeKinds(), kind):
			wrong("there is no kind %.40q of notices; there are %s", kind, strings.Join(NoticeKinds(), ", "))
		case slices.Contains(w.Kinds[:i], kind):
			wrong("the kind %s is given twice", kind)
		}
	}
	return err
}

// States of a try to deliver a notice.
const (
	DeliveryWaiting = "waiting"  // it is to come
	DeliveryDone    = "done"     // the notice has arrived
	DeliveryFailed  = "failed"   // there is another try after it
	DeliveryGivenUp = "given-up" // there is none
)

// Delivery is one try to deliver a notice to a webhook or by mail.
type Delivery struct {
	ID        int64
	NoticeID  int64
	WebhookID int64  // 0: by mail
	Webhook   string // its name; empty: by mail, or the webhook is gone
	Try       int    // from 1 on
	State     string
	Due       time.Time
	Tried     time.Time // zero: not yet
	Status    int       // of HTTP; 0: no answer
	Error     string    // why it failed
}

// DueDelivery is a delivery with all that it takes.
type DueDelivery struct {
	Delivery
	URL, Secret string // of the webhook
	Notice      Notice
	Username    string // whom the notice is about; empty: nobody
}

// ToldNotice is a notice with what was done to tell somebody of it.
type ToldNotice struct {
	Notice
	Username   string
	Deliveries []Delivery // in the order of their tries
}
