package adminapi

import (
	"encoding/json"
	"regexp"
	"strconv"
	"time"

	"talktime/models"
	"talktime/money"
)

// The kept objects have their keys in the original's order; what is newer stands behind them.

// plainUserJSON is a user inside another object. Programs that may not read what users have get it without his balance.
type plainUserJSON struct {
	ID       int64         `json:"id_"`
	Username string        `json:"username"`
	CLID     *string       `json:"clid"`
	IMSI     *string       `json:"imsi"`
	Admin    bool          `json:"admin"`
	Balance  *int64        `json:"BallanceUser,omitempty"` // whole units, cut off toward zero
	Historic []stringsJSON `json:"BallanceUserHistoric,omitzero"`
}

// userJSON is a user by himself. Programs that may not read it get him without money and calls.
type userJSON struct {
	plainUserJSON
	Groups     []plainGroupJSON `json:"tunel"`
	Originated []cdrJSON        `json:"originated_calls,omitzero"`
	Received   []cdrJSON        `json:"received_calls,omitzero"`

	Name         string          `json:"name"`
	Level        int             `json:"level"`
	AccountID    *string         `json:"account_id"`
	Currency     string          `json:"currency"`
	ExactBalance *money.Amount   `json:"balance,omitempty"`
	Held         *money.Amount   `json:"held,omitempty"`
	Available    *money.Amount   `json:"available,omitempty"`
	CreditLimit  *money.Amount   `json:"credit_limit,omitempty"`
	LowBalance   *money.Amount   `json:"low_balance,omitempty"`
	Promotions   []promotionJSON `json:"promotions,omitempty"`
	Address      string          `json:"address"`
	CPF          string          `json:"cpf"`
	VoiceBalance *int64          `json:"voice_balance,omitempty"` // as BallanceUser
	Blocked      bool            `json:"blocked"`
}

// promotionJSON is promotional credit, a part of the balance.
type promotionJSON struct {
	Balance money.Amount `json:"balance"`
	Held    money.Amount `json:"held"`
	Expires time.Time    `json:"expires"`
}

// entryJSON is a ledger entry.
type entryJSON struct {
	ID     int64  `json:"id_"`
	UserID int64  `json:"usersId"`
	Signal string `json:"signal"`
	Type   string `json:"type_"`
	Value  int64  `json:"value"` // whole units, cut off
	Date   string `json:"date"`

	Currency string       `json:"currency"`
	Amount   money.Amount `json:"amount"` // exact and signed
	Ref      string       `json:"ref"`
}

// stringsJSON is a ledger entry in a user's history, where every value is a string.
type stringsJSON struct {
	ID     string `json:"id_"`
	UserID string `json:"usersId"`
	Signal string `json:"signal"`
	Type   string `json:"type_"`
	Value  string `json:"value"`
	Date   string `json:"date"`
}

// cdrJSON is a call record inside another object.
type cdrJSON struct {
	ID      int64  `json:"id_"`
	Answer  string `json:"answer"`
	BillSec int64  `json:"billsec"`
	From    *int64 `json:"from_user_id"`
	To      *int64 `json:"to_user_id"`
}

// fullCDRJSON is a call record by itself.
type fullCDRJSON struct {
	cdrJSON
	FromUser *plainUserJSON `json:"from_user"`
	ToUser   *plainUserJSON `json:"to_user"`
}

// naive is a time as the original wrote it: without zone, in the server's own.
func (a *api) naive(t time.Time) string { return t.In(a.Location).Format("2006-01-02T15:04:05") }

func (r *request) showPlainUser(u models.UserDetail) plainUserJSON {
	p := plainUserJSON{ID: u.ID, Username: u.Username, CLID: u.CLID, IMSI: u.IMSI, Admin: u.Admin}
	if !r.who.reads() {
		return p
	}
	p.Balance, p.Historic = new(u.Balance.Balance.Whole()), make([]stringsJSON, len(u.Historic))
	for i, e := range u.Historic {
		shown := r.api.showEntry(e)
		p.Historic[i] = stringsJSON{
			strconv.FormatInt(shown.ID, 10), strconv.FormatInt(shown.UserID, 10), shown.Signal, shown.Type,
			strconv.FormatInt(shown.Value, 10), shown.Date,
		}
	}
	return p
}

func (r *request) showUser(u models.UserDetail) userJSON {
	shown := userJSON{
		plainUserJSON: r.showPlainUser(u), Groups: []plainGroupJSON{},
		Name: u.Profile.Name, Level: u.Level, AccountID: u.AccountID, Currency: u.Currency, Address: u.Address, CPF: u.CPF, Blocked: u.Blocked,
	}
	if r.who.reads() {
		shown.Originated, shown.Received = r.api.showCDRs(u.Originated), r.api.showCDRs(u.Received)
		shown.ExactBalance, shown.Held, shown.Available, shown.VoiceBalance = &u.Balance.Balance, &u.Held, &u.Available, shown.Balance
		shown.LowBalance = u.LowBalance
		shown.CreditLimit, shown.Promotions = &u.Credit, make([]promotionJSON, len(u.Promotions))
		for i, p := range u.Promotions {
			shown.Promotions[i] = promotionJSON(p)
		}
	}
	return shown
}

func (a *api) showEntry(e models.LedgerEntry) entryJSON {
	shown := entryJSON{
		ID: e.ID, UserID: e.UserID, Signal: "+", Type: "increase", Value: e.Amount.Whole(), Date: a.naive(e.PostedAt),
		Currency: e.Currency, Amount: e.Amount, Ref: e.Ref,
	}
	if e.Amount < 0 {
		shown.Signal, shown.Type, shown.Value = "-", "decrease", -shown.Value
	}
	return shown
}

func (a *api) showCDRs(calls []models.CDR) []cdrJSON {
	shown := make([]cdrJSON, len(calls))
	for i, c := range calls {
		shown[i] = a.showCDR(c)
	}
	return shown
}

func (a *api) showCDR(c models.CDR) cdrJSON {
	return cdrJSON{ID: c.ID, Answer: a.naive(c.Answer), BillSec: c.BillSec, From: known(c.From), To: known(c.To)}
}

// showFullCDR shows a call record with its users, of whom those that were deleted are missing.
func (r *request) showFullCDR(c models.CDR, users map[int64]models.UserDetail) fullCDRJSON {
	shown := fullCDRJSON{cdrJSON: r.api.showCDR(c)}
	if u, ok := users[c.From]; ok {
		p := r.showPlainUser(u)
		shown.FromUser = &p
	}
	if u, ok := users[c.To]; ok {
		p := r.showPlainUser(u)
		shown.ToUser = &p
	}
	return shown
}

// known is an id, or nil for whoever is no user of ours.
func known(id int64) *int64 {
	if id == 0 {
		return nil
	}
	return &id
}

// rawJSON is text from the database that is JSON already; empty is null.
func rawJSON(text string) json.RawMessage {
	if text == "" || !json.Valid([]byte(text)) {
		return json.RawMessage("null")
	}
	return json.RawMessage(plainJSON(text))
}

// escapedHTML is what package json writes for HTML, and a backslash, which might stand before what only looks like that.
var escapedHTML = regexp.MustCompile(`\\(\\|u003c|u003e|u0026)`)

// plainJSON is JSON without the escapes that only HTML needs.
func plainJSON(text string) string {
	return escapedHTML.ReplaceAllStringFunc(text, func(escape string) string {
		switch escape {
		case `\u003c`:
			return "<"
		case `\u003e`:
			return ">"
		case `\u0026`:
			return "&"
		}
		return escape
	})
}
