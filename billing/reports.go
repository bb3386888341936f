package billing

import (
	"context"
	"fmt"
	"time"

	"talktime/models"
	"talktime/money"
)

// AuditReport is what an audit found. Differences are broken promises; the rest is for the operator's attention.
type AuditReport struct {
	Accounts     int64        `json:"accounts"`
	Transactions int64        `json:"transactions"`
	Entries      int64        `json:"entries"`
	Calls        int64        `json:"calls"`
	OpenHolds    int64        `json:"open_holds"`
	Held         money.Amount `json:"held"`
	Shortfalls   int64        `json:"shortfalls"`
	Disputed     int64        `json:"disputed"`
	Unreconciled int64        `json:"unreconciled"`
	Differences  []string     `json:"differences"`
}

// Clean reports whether the books hold.
func (r AuditReport) Clean() bool { return len(r.Differences) == 0 }

// maxDifferences bounds how many differences an audit spells out.
const maxDifferences = 1000

// Differ adds a difference to the report.
func (r *AuditReport) Differ(format string, args ...any) {
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
	}
}

// CheckCall compares a call with what the ledger has for it: customer is the sum of the entries on customers'
// accounts, revenue and shortfall those on the house accounts, posted the number of its transactions.
func (r *AuditReport) CheckCall(c models.Call, customer, revenue, shortfall money.Amount, posted int64) {
	r.Calls++
	if c.Disputed > c.Seconds {
		r.Disputed++
	}
	if c.Shortfall > 0 {
		r.Shortfalls++
	}
	switch c.State {
	case models.CallOpen:
		r.OpenHolds++
		r.Held += c.Held()
	case models.CallUnreconciled:
		r.Unreconciled++
	case models.CallSettled, models.CallReleased, models.CallEmergency:
	}
	if len(c.Holds) > 0 && c.State != models.CallOpen {
		r.Differ("call %s is %s, but holds %s", c.CallID, c.State, c.Held())
	}
	if c.Shortfall < 0 || c.Shortfall > c.Charge {
		r.Differ("call %s has a shortfall of %s of a charge of %s", c.CallID, c.Shortfall, c.Charge)
	}
	if c.State != models.CallSettled {
		if c.Charge != 0 || c.Shortfall != 0 || posted != 0 {
			r.Differ("call %s is %s, but has a charge of %s and %d transactions", c.CallID, c.State, c.Charge, posted)
		}
		return
	}
	switch cost, err := CallCost(c); {
	case err != nil:
		r.Differ("call %s was charged %s, but what %d seconds cost cannot be told: %v", c.CallID, c.Charge, c.Seconds, err)
	case cost != c.Charge:
		r.Differ("call %s was charged %s, but %d seconds at its rate cost %s", c.CallID, c.Charge, c.Seconds, cost)
	}
	want := int64(1)
	if c.Charge == 0 {
		want = 0
	}
	if posted != want {
		r.Differ("call %s has %d settlements in the ledger, not %d", c.CallID, posted, want)
	}
	if customer != c.Shortfall-c.Charge || revenue != c.Charge || shortfall != -c.Shortfall {
		r.Differ("call %s: the ledger has customer %s, revenue %s, shortfall %s for a charge of %s with a shortfall of %s",
			c.CallID, customer, revenue, shortfall, c.Charge, c.Shortfall)
	}
}

// OpenCalls is what the reconciler needs of the store.
type OpenCalls interface {
	// OpenCalls returns calls that hold money, after the given id, in order, at most limit. Overdue are those whose
	// Due is more than grace ago by the database's clock. One that cannot be read keeps nobody back: it has an Err.
	OpenCalls(ctx context.Context, after int64, limit int) ([]OpenCall, error)
	// ClaimCall makes this process the one that looks into a call for the given time; false when another has it.
	ClaimCall(ctx context.Context, id int64, lease time.Duration) (bool, error)
	// NextCalls says, by CallID, when the channels of these calls were permitted their next ones, where they were. An
	// emergency call counts too.
	NextCalls(ctx context.Context, calls []models.Call) (map[string]time.Time, error)
}

// OpenCall is an open call with what the database's clock says of it.
type OpenCall struct {
	models.Call
	OverdueBy time.Duration // how long its Due is past; negative when it lies ahead
	Err       error         // why the call cannot be read; then no more than its ids is sure. nil: it was read
}

// endedFor is how long ago a witness said that the channel had ended; negative when none did.
func (c OpenCall) endedFor() time.Duration {
	if c.Ended == nil {
		return -1
	}
	return c.Due.Add(c.OverdueBy).Sub(*c.Ended)
}

// CDRSource finds what a CDR database says of calls.
type CDRSource interface {
	// Evidence returns, for each call of which there are rows, what they say. A row belongs to a call when the
	// unique id and the caller agree, it began within a day of the authorisation, and it is not of the channel's next
	// call, of which next says when it was permitted.
	Evidence(ctx context.Context, calls []models.Call, next map[string]time.Time) (map[string]models.Evidence, error)
	Name() string
}

// LiveChannels knows which channels exist now.
type LiveChannels interface {
	// Live returns the unique ids of all channels. An error means that nobody knows.
	Live(ctx context.Context) (map[string]bool, error)
}
