package adminapi

import (
	"encoding/json"
	"time"

	"talktime/models"
	"talktime/money"
)

// ledgerJSON is an entry on a user's account.
type ledgerJSON struct {
	ID            int64        `json:"id"`
	TransactionID int64        `json:"transaction_id"`
	UserID        int64        `json:"user_id"`
	AccountID     int64        `json:"account_id"`
	Account       string       `json:"account"` // its name
	Currency      string       `json:"currency"`
	Amount        money.Amount `json:"amount"` // signed: + adds to the account
	Kind          string       `json:"kind"`
	Ref           string       `json:"ref"`
	Note          string       `json:"note"` // empty: there is none
	Actor         string       `json:"actor"`
	PostedAt      time.Time    `json:"posted_at"`
}

func listLedger(r *request) error {
	l, err := r.listRequestOf(manyRows)
	if err != nil {
		return err
	}
	list, err := r.api.Ledger.ListLedger(r.ctx(), l)
	if err != nil {
		return err
	}
	return answerList(r, l, list, func(e models.LedgerEntry) int64 { return e.ID }, func(e models.LedgerEntry) ledgerJSON {
		return ledgerJSON{e.ID, e.TransactionID, e.UserID, e.AccountID, e.Account, e.Currency, e.Amount, e.Kind, e.Ref, e.Note(), e.Actor, e.PostedAt.UTC()}
	})
}

// auditJSON is a line of the audit log.
type auditJSON struct {
	ID     int64           `json:"id"`
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`
	Action string          `json:"action"`
	Target string          `json:"target"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

func listAudit(r *request) error {
	l, err := r.listRequest(manyRows)
	if err != nil {
		return err
	}
	list, err := r.api.Ledger.ListAudit(r.ctx(), l)
	if err != nil {
		return err
	}
	return answerList(r, l, list, func(a models.AuditLine) int64 { return a.ID }, func(a models.AuditLine) auditJSON {
		return auditJSON{a.ID, a.At.UTC(), a.Actor, a.Action, a.Target, rawJSON(a.Before), rawJSON(a.After)}
	})
}
