package adminapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"talktime/adminapi"
	"talktime/billing"
	"talktime/models"
	"talktime/money"
	"talktime/store/storetest"
)

// doubtfulMoney moves none, and says why.
type doubtfulMoney struct{ err error }

func (m doubtfulMoney) Move(context.Context, billing.Movement) (billing.Moved, error) {
	return billing.Moved{}, m.err
}

func (m doubtfulMoney) Transfer(context.Context, billing.Transfer) (billing.Moved, error) {
	return billing.Moved{}, m.err
}

func (m doubtfulMoney) GiveUp(context.Context, string, string) (money.Amount, billing.Charge, error) {
	return 0, billing.Charge{}, m.err
}

// TestMoneyInDoubt: what was not done, or perhaps, is answered so, and when to try again.
func TestMoneyInDoubt(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.SQLite(t))
	s.marta()
	s.joel()
	s.call("pbx-1.1", "555000204", "600", -1)
	hold := s.admin.get("/api/holds").objects()[0]["id"]
	for err, says := range map[error]string{
		fmt.Errorf("move: %w: lock wait timeout", billing.ErrLocked):                             "nothing was done",
		fmt.Errorf("move: %w", billing.ErrBusy):                                                  "nothing was done",
		fmt.Errorf("move: %w: %w", billing.ErrUncertain, models.ErrUnavailable):                  "may have been done or not",
		fmt.Errorf("move: %w: %w", billing.ErrUncertain, context.DeadlineExceeded):               "may have been done or not",
		fmt.Errorf("move: %w: %w", billing.ErrUncertain, fmt.Errorf("%w: x", billing.ErrLocked)): "may have been done or not",
	} {
		s.start(func(d *adminapi.Deps) { d.Money = doubtfulMoney{err} })
		for _, a := range []answer{
			s.admin.post("/api/balance", `{"signal":"+","value":5,"userId":2}`),
			s.admin.post("/api/transfers", `{"from":"marta","to":"joel","amount":"5"}`),
			s.admin.delete(fmt.Sprintf("/api/holds/%.0f", hold)),
			s.admin.sends("/users/marta/money", "does", "add", "amount", "5", "key", strings.Repeat("A", 26)),
		} {
			if a.is(http.StatusServiceUnavailable).header.Get("Retry-After") == "" {
				t.Errorf("%v: %s: nobody says when to try again", err, a.what)
			}
			if !strings.Contains(strings.ToLower(a.body), says) || strings.Contains(a.body, "lock wait") {
				t.Errorf("%v: %s does not say %q: %s", err, a.what, says, a.body)
			}
		}
	}
	storetest.Audited(t, s.store)
}
