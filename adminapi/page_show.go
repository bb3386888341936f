package adminapi

import (
	"slices"
	"strconv"
	"strings"

	"talktime/models"
	"talktime/money"
	"talktime/web"
)

// pageAmount is an amount for people: seconds also as a time.
func pageAmount(a money.Amount, currency string) web.Amount {
	shown := web.Amount{Decimal: strings.Replace(a.String(), "-", "−", 1), Unit: currency}
	if currency == models.SEC {
		shown.Unit, shown.Clock = "s", web.Clock(a.Whole())
	}
	return shown
}

func pageUserRow(u models.UserDetail) web.UserRow {
	row := web.UserRow{
		Name: u.Username, FullName: u.Profile.Name, Admin: u.Admin, Blocked: u.Blocked,
		Credit: pageCredit(u), Promotions: pagePromotions(u),
		Balance: pageAmount(u.Balance.Balance, u.Currency), Held: pageAmount(u.Held, u.Currency), Available: pageAmount(u.Available, u.Currency),
	}
	if u.CLID != nil {
		row.CLID = *u.CLID
	}
	return row
}

func pagePromotions(u models.UserDetail) []web.Promotion {
	shown := make([]web.Promotion, len(u.Promotions))
	for i, p := range u.Promotions {
		shown[i] = web.Promotion{Balance: pageAmount(p.Balance, u.Currency), Expires: p.Expires}
	}
	return shown
}

// orEmpty is a text that may not be there.
func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// pageCalls shows calls with the names of their users.
func (r *request) pageCalls(calls []models.Call) ([]web.CallRow, error) {
	users, err := r.callUsers(calls...)
	if err != nil {
		return nil, err
	}
	rows := make([]web.CallRow, len(calls))
	for i, c := range calls {
		rows[i] = pageCall(c, users)
	}
	return rows, nil
}

func pageCall(c models.Call, users map[int64]models.UserDetail) web.CallRow {
	row := web.CallRow{
		ID: c.ID, At: c.Authorized, User: users[c.UserID].Username, CallerID: c.CallerID, Number: c.Number, Seconds: c.Seconds,
		Held: pageAmount(c.Held(), c.Rate.Currency), Due: c.Due,
	}
	switch c.State {
	case models.CallOpen:
		row.State = "in progress"
	case models.CallSettled:
		row.State, row.Talk = "charged", web.Clock(c.Seconds)
		charge := pageAmount(c.Charge, c.Rate.Currency)
		row.Charge = &charge
		if c.SettledBy == byHand {
			row.State = "written by hand"
		}
		if c.Disputed > c.Seconds {
			row.State, row.Alert = "disputed", true
		}
	case models.CallReleased:
		row.State = dialWords(c.Status)
	case models.CallUnreconciled:
		row.State, row.Alert = "unreconciled", true
	case models.CallEmergency:
		row.State = "emergency"
	}
	return row
}

// dialWords is Asterisk's word for the end of a dial, as people say it.
func dialWords(status string) string {
	switch status {
	case "ANSWER":
		return "answered"
	case "BUSY":
		return "busy"
	case "NOANSWER":
		return "no answer"
	case "CANCEL":
		return "caller gave up"
	case "CHANUNAVAIL", "CONGESTION":
		return "not reachable"
	case "":
		return "not answered"
	}
	return "not answered (" + status + ")"
}

// entryWords are the kinds of ledger entries, for people.
func entryWords(e models.LedgerEntry) string {
	switch e.Kind {
	case models.KindTopUp:
		if strings.HasPrefix(e.Ref, "opening:") {
			return "Opening balance"
		}
		return "Top-up"
	case models.KindDebit:
		return "Taken"
	case models.KindCall:
		return "Call"
	case models.KindRerate:
		return "Call, priced anew"
	case models.KindClosed:
		return "Account closed"
	case models.KindExpire:
		return "Promotional credit, expired"
	case models.KindVoucher:
		return "Voucher no. " + e.Ref
	case models.KindTransfer:
		if e.Amount < 0 {
			return "Transfer to another user"
		}
		return "Transfer from another user"
	case models.KindRefill:
		if e.Refill == "" {
			return "Refill of a group"
		}
		return "Refill of " + e.Refill
	}
	return e.Kind
}

// pageEntries shows a user's ledger entries. Those of calls lead to them.
func (r *request) pageEntries(entries []models.LedgerEntry, user int64) ([]web.EntryRow, error) {
	calls, err := r.callsOf(entries, user)
	if err != nil {
		return nil, err
	}
	rows := make([]web.EntryRow, len(entries))
	for i, e := range entries {
		rows[i] = web.EntryRow{At: e.PostedAt, Does: entryWords(e), Note: noteOf(e), Actor: e.Actor, Amount: pageAmount(e.Amount, e.Currency)}
		if e.Kind != models.KindCall {
			continue
		}
		rows[i].Actor = "" // which witness settled it is in the explanation
		if call, ok := calls[e.Ref]; ok {
			rows[i].Call, rows[i].Does = call.ID, "Call to "+call.Number+", "+web.Clock(call.Seconds)
		}
	}
	return rows, nil
}

// callsOf finds the calls that entries charge.
func (r *request) callsOf(entries []models.LedgerEntry, user int64) (map[string]models.Call, error) {
	var ids []string
	for _, e := range entries {
		if e.Kind == models.KindCall {
			ids = append(ids, e.Ref)
		}
	}
	found := map[string]models.Call{}
	if len(ids) == 0 {
		return found, nil
	}
	list, err := r.api.Calls.ListCalls(r.ctx(), models.ListRequest{Query: search(where("call_id", "in", slices.Compact(ids))), User: user, Number: 1, Size: len(ids)})
	for _, c := range list.Items {
		found[c.CallID] = c
	}
	return found, err
}

// noteOf is what an operator wrote beside a movement of money: behind the reference that a page made, or as the
// reference of a command. The others are made up by programs.
func noteOf(e models.LedgerEntry) string {
	if e.Kind != models.KindTopUp && e.Kind != models.KindDebit {
		return ""
	}
	if strings.HasPrefix(e.Ref, models.PageRef) {
		return e.Note()
	}
	for _, made := range []string{"api-", "cli-", "opening:"} {
		if strings.HasPrefix(e.Ref, made) {
			return ""
		}
	}
	return e.Ref
}

// nextPage is the address of what comes behind a key.
func (r *request) nextPage(key int64) string {
	u := *r.Request.URL
	q := u.Query()
	q.Set("after", strconv.FormatInt(key, 10))
	u.RawQuery = q.Encode()
	return u.RequestURI()
}

// onePage cuts a list that was read with one row too many, and tells whether there is another page behind it.
func onePage[T any](items []T) (page []T, more bool) {
	if len(items) > pageRows {
		return items[:pageRows], true
	}
	return items, false
}

// pageRequest reads which page is wanted: the rows behind a key. It asks for one row more than is shown.
func (r *request) pageRequest() models.ListRequest {
	l := models.ListRequest{Number: 1, Size: pageRows + 1, Location: r.api.Location}
	if n, err := strconv.ParseInt(r.Query("after"), 10, 64); err == nil && n > 0 {
		l.After = n
	}
	return l
}

// pageCredit is nil for whoever has no credit limit.
func pageCredit(u models.UserDetail) *web.Amount {
	if u.Credit == 0 {
		return nil
	}
	shown := pageAmount(u.Credit, u.Currency)
	return &shown
}
