package nodemanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Client speaks to one NodeManager.
type Client struct {
	Address string        // host:port
	Timeout time.Duration // of one request; 0 = 5 s
}

// Subscriber is a SIM card.
type Subscriber struct {
	Name   string // unique
	IMSI   string // digits
	MSISDN string // its telephone number; may be empty
}

// Rejected is the answer of a NodeManager that did not do what it was asked.
type Rejected struct {
	Action string
	Code   int // as of HTTP
}

func (r *Rejected) Error() string {
	return fmt.Sprintf("NodeManager answered %s with %d %s", r.Action, r.Code, http.StatusText(r.Code))
}

// Names of fields are those of OpenBTS.
type requestJSON struct {
	Command string      `json:"command"`
	Action  string      `json:"action"`
	Match   *matchJSON  `json:"match,omitempty"`
	Fields  *fieldsJSON `json:"fields,omitempty"`
}

type matchJSON struct {
	IMSI string `json:"imsi"`
}

type fieldsJSON struct {
	Name   string `json:"name"`
	IMSI   string `json:"imsi"`
	MSISDN string `json:"msisdn"`
	Ki     string `json:"ki"`
}

// Create makes a SIM card known. One that is known already is replaced, so that it may be repeated. A refusal is a
// *Rejected; any other error means that nobody knows.
func (c Client) Create(ctx context.Context, s Subscriber) error {
	create := requestJSON{Command: "subscribers", Action: "create", Fields: &fieldsJSON{Name: s.Name, IMSI: "IMSI" + s.IMSI, MSISDN: s.MSISDN}}
	err := c.ask(ctx, create)
	var rejected *Rejected
	if !errors.As(err, &rejected) || rejected.Code != http.StatusConflict {
		return err
	}
	if err := c.Delete(ctx, s.IMSI); err != nil {
		return err
	}
	return c.ask(ctx, create)
}

// Delete makes a SIM card unknown; it is well when it was so before. Errors are those of Create.
func (c Client) Delete(ctx context.Context, imsi string) error {
	err := c.ask(ctx, requestJSON{Command: "subscribers", Action: "delete", Match: &matchJSON{IMSI: "IMSI" + imsi}})
	var rejected *Rejected
	if errors.As(err, &rejected) && rejected.Code == http.StatusNotFound {
		return nil
	}
	return err
}

const defaultTimeout = 5 * time.Second

// ask makes one request.
func (c Client) ask(ctx context.Context, r requestJSON) error {
	message, err := json.Marshal(r)
	if err != nil {
		return err
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	reply, err := exchange(ctx, c.Address, message)
	if err != nil {
		return fmt.Errorf("no connection with NodeManager at %s: %w", c.Address, err)
	}
	var answer struct {
		Code int `json:"code"`
	}
	if err := json.Unmarshal(reply, &answer); err != nil || answer.Code == 0 {
		return fmt.Errorf("NodeManager at %s answered something else than JSON with a code", c.Address)
	}
	if answer.Code < 200 || answer.Code > 299 {
		return &Rejected{r.Action, answer.Code}
	}
	return nil
}
