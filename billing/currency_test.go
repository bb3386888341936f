package billing_test

import (
	"testing"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// TestOtherMoneyPaysForNothing: what is learned of a call after its user's money was changed is charged in the call's currency,
// of which he has nothing, and never to his new account.
func TestOtherMoneyPaysForNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.authorize("pbx-1.1", abroad)
	if _, err := d.Settle(t.Context(), billing.CallResult{CallID: "pbx-1.1", GiveUp: true, By: billing.SourceReconciler}); err != nil {
		t.Fatal(err)
	}
	d.topUp("marta", -180)
	d.store.change(d.marta.ID, func(a *models.Account) { a.Status = models.AccountClosed })
	d.store.mu.Lock()
	u := d.store.users[d.marta.ID]
	u.Currency = "EUR"
	d.store.users[u.ID] = u
	d.store.mu.Unlock()
	euros := d.store.addAccount(models.Account{UserID: u.ID, Name: models.MainAccount, Currency: "EUR", Burn: 100, Balance: 100 * money.Unit})

	charge := d.settle("pbx-1.1", answered("reducer", 40_000))
	if charge.State != models.CallSettled || charge.Amount != 40*money.Unit || d.call("pbx-1.1").Shortfall != charge.Amount {
		t.Errorf("%+v, shortfall %s", charge, d.call("pbx-1.1").Shortfall)
	}
	if got := d.balances(euros.ID); got != "100/0" {
		t.Errorf("the euros are %s", got)
	}
	available, _, err := d.Available(t.Context(), billing.Identity{CallerID: martaCLID})
	if err != nil || available != 100*money.Unit {
		t.Errorf("available are %s, %v", available, err)
	}
	_, err = d.Authorize(t.Context(), d.request("pbx-1.2", abroad)) // he is not blocked; there is no tariff
	refused(t, err, billing.ErrNoRate)

	again, err := d.Move(t.Context(), billing.Movement{Username: "marta", Amount: 180 * money.Unit, Ref: "ref-0", Actor: "test"})
	if err != nil || !again.Already {
		t.Errorf("a repeat of what was paid in before: %+v, %v", again, err)
	}
}
