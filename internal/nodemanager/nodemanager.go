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
	Name   string // unique; a card that has it is ours
	IMSI   string // digits
	MSISDN string // its telephone number; may be empty
}

// Rejected is the answer of a NodeManager that did not do what it was asked.
type Rejected struct {
	Action string
	Code   int    // as of HTTP
	Why    string // in place of the code's own words; may be empty
}

func (r *Rejected) Error() string {
	why := r.Why
	if why == "" {
		why = http.StatusText(r.Code)
	}
	return fmt.Sprintf("NodeManager answered %s with %d %s", r.Action, r.Code, why)
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

// cardJSON is a SIM card that is known already.
type cardJSON struct {
	Name   string `json:"name"`
	IMSI   string `json:"imsi"`
	MSISDN string `json:"msisdn"`
}

func imsiOf(digits string) string { return "IMSI" + digits }

// Create makes a SIM card known. One that is known already is left as it is when it has the number that it should have,
// and replaced when it has s's name, so that this may be repeated. It may be somebody else's: then nothing is done. A
// refusal is a *Rejected; any other error means that nobody knows.
func (c Client) Create(ctx context.Context, s Subscriber) error {
	create := requestJSON{Command: "subscribers", Action: "create", Fields: &fieldsJSON{Name: s.Name, IMSI: imsiOf(s.IMSI), MSISDN: s.MSISDN}}
	_, err := c.ask(ctx, create)
	var rejected *Rejected
	if !errors.As(err, &rejected) || rejected.Code != http.StatusConflict {
		return err
	}
	switch card, unread := c.read(ctx, s.IMSI); {
	case unread != nil:
		return unread
	case card == nil: // another card has the number
		return err
	case card.MSISDN == s.MSISDN:
		return nil
	case card.Name != s.Name:
		rejected.Why = "because it knows this card by a name that is not ours; delete the card there if that is a mistake"
		return rejected
	}
	if err := c.remove(ctx, s.IMSI); err != nil {
		return err
	}
	_, err = c.ask(ctx, create)
	return err
}

// Delete makes a SIM card unknown that has s's name and IMSI. It is well when there is none, or somebody else's. Errors are
// those of Create.
func (c Client) Delete(ctx context.Context, s Subscriber) error {
	card, err := c.read(ctx, s.IMSI)
	if err != nil || card == nil || card.Name != s.Name {
		return err
	}
	return c.remove(ctx, s.IMSI)
}

// remove makes a card unknown, whoever made it known.
func (c Client) remove(ctx context.Context, imsi string) error {
	_, err := c.ask(ctx, requestJSON{Command: "subscribers", Action: "delete", Match: &matchJSON{IMSI: imsiOf(imsi)}})
	if isUnknown(err) {
		return nil
	}
	return err
}

// read returns the card with an IMSI, nil when there is none.
func (c Client) read(ctx context.Context, imsi string) (*cardJSON, error) {
	data, err := c.ask(ctx, requestJSON{Command: "subscribers", Action: "read", Match: &matchJSON{IMSI: imsiOf(imsi)}})
	if isUnknown(err) {
		return nil, nil //nolint:nilnil // which is no mistake
	}
	if err != nil {
		return nil, err
	}
	var cards []cardJSON
	if json.Unmarshal(data, &cards) == nil {
		for _, card := range cards {
			if card.IMSI == imsiOf(imsi) {
				return &card, nil
			}
		}
		if len(cards) == 0 {
			return nil, nil //nolint:nilnil // as above
		}
	}
	return nil, &Rejected{"read", http.StatusOK, "and something else than this card"}
}

func isUnknown(err error) bool {
	var rejected *Rejected
	return errors.As(err, &rejected) && rejected.Code == http.StatusNotFound
}

const defaultTimeout = 5 * time.Second

// ask makes one request, and returns the data of the answer.
func (c Client) ask(ctx context.Context, r requestJSON) (json.RawMessage, error) {
	message, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	reply, err := exchange(ctx, c.Address, message)
	if err != nil {
		return nil, fmt.Errorf("no connection with NodeManager at %s: %w", c.Address, err)
	}
	var answer struct {
		Code int             `json:"code"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(reply, &answer); err != nil || answer.Code == 0 {
		return nil, fmt.Errorf("NodeManager at %s answered something else than JSON with a code", c.Address)
	}
	if answer.Code < 200 || answer.Code > 299 {
		return nil, &Rejected{Action: r.Action, Code: answer.Code}
	}
	return answer.Data, nil
}
