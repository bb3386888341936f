package adminapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

const maxValue = 1<<31 - 1 // of a movement on the kept paths, in whole units

func listBalance(r *request) error { return r.entries(manyRows, r.api.Ledger.ListEntries) }

func (r *request) entries(size int, read func(context.Context, models.ListRequest) (models.List[models.LedgerEntry], error)) error {
	l, err := r.listRequest(size)
	if err != nil {
		return err
	}
	list, err := read(r.ctx(), l)
	if err != nil {
		return err
	}
	return answerList(r, l, list, func(e models.LedgerEntry) int64 { return e.ID }, func(e models.LedgerEntry) entryJSON { return r.api.showEntry(e) })
}

func getBalance(r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	entry, err := r.api.Ledger.Entry(r.ctx(), id)
	if err == nil {
		err = r.mustSee(entry.UserID)
	}
	if err == nil {
		r.answer(http.StatusOK, r.api.showEntry(entry))
	}
	return err
}

// id is the number in the path. What is none belongs to nothing.
func (r *request) id() (int64, error) {
	id, err := strconv.ParseInt(r.Param("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, models.ErrNotFound
	}
	return id, nil
}

func createBalance(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("signal", "type_", "value", "userId", "date", "expires"); err != nil {
		return err
	}
	sign, err := o.sign()
	if err != nil {
		return err
	}
	if err := o.missing("value", "userId"); err != nil {
		return err
	}
	key, err := r.idempotencyKey(byBalance)
	if err != nil {
		return err
	}
	user, err := r.payee(o)
	if err != nil {
		return r.doneBefore(key, err)
	}
	amount, err := o.value(user.Currency)
	if err != nil {
		return err
	}
	expires, err := r.expiry(o)
	if err != nil {
		return err
	}
	entry, _, err := r.moveUntil(user, sign*amount, expires, key)
	if err != nil {
		return err
	}
	r.Header("Location", r.location(strconv.FormatInt(entry.ID, 10)))
	r.json(http.StatusCreated, r.api.showEntry(entry))
	return nil
}

// expiry is until when the money is promised; the zero time when nothing is said of it.
func (r *request) expiry(o object) (time.Time, error) {
	if !o.has("expires") {
		return time.Time{}, nil
	}
	text, err := o.text("expires")
	if err != nil {
		return time.Time{}, err
	}
	until, err := models.ParseExpiry(text, r.api.Now(), r.api.Location)
	if err != nil {
		return time.Time{}, badRequest("expires must be a date, a number of days such as 30d, or a time with its zone such as 2027-01-31T12:00:00Z")
	}
	return until, nil
}

// move gives money to a user or takes it, under a key that makes it safe to repeat. already tells that it had been done
// before.
func (r *request) move(user models.User, amount money.Amount, key idempotencyKey) (entry models.LedgerEntry, already bool, err error) {
	return r.moveUntil(user, amount, time.Time{}, key)
}

// moveUntil is move for money that expires; at the zero time it never does.
func (r *request) moveUntil(
	user models.User, amount money.Amount, expires time.Time, key idempotencyKey,
) (entry models.LedgerEntry, already bool, err error) {
	posted := func(done models.Transaction) models.LedgerEntry {
		return models.LedgerEntry{
			ID: done.ID, TransactionID: done.ID, UserID: user.ID, Currency: user.Currency, Amount: amount, Ref: key.ref, PostedAt: done.PostedAt,
		}
	}
	r.changing = false // billing says itself when nobody knows
	moved, err := r.api.Money.Move(r.ctx(), billing.Movement{
		UserID: user.ID, Amount: amount, Ref: key.ref, Key: key.whole, Not: key.not, Actor: r.who.actor(), Expires: expires,
		Note: func(m billing.Moved) models.AuditLine {
			return auditLine(m.Transaction, "balance.add", user.Username, r.api.showEntry(posted(m.Transaction)))
		},
	})
	if err != nil {
		return models.LedgerEntry{}, false, key.refusal(err)
	}
	return posted(moved.Transaction), moved.Already, nil
}

// auditLine tells of a transaction.
func auditLine(done models.Transaction, action, target string, after any) models.AuditLine {
	text, err := json.Marshal(after)
	if err != nil {
		panic(err) // records of ours
	}
	return models.AuditLine{At: done.PostedAt, Actor: done.Actor, Action: action, Target: target, After: string(text)}
}

// sign is 1 for money in and -1 for money out. The signal decides; the type alone says the same.
func (o object) sign() (money.Amount, error) {
	signs := map[string]money.Amount{"+": 1, "-": -1, "increase": 1, "decrease": -1}
	var found money.Amount
	for _, name := range []string{"signal", "type_"} {
		if !o.has(name) {
			continue
		}
		text, err := o.text(name)
		sign := signs[text]
		if err != nil || sign == 0 || len(text) == 1 != (name == "signal") {
			return 0, badRequest(`signal must be "+" or "-", and type_ "increase" or "decrease"`)
		}
		if found != 0 && found != sign {
			return 0, badRequest("signal and type_ disagree")
		}
		found = sign
	}
	if found == 0 {
		return 0, badRequest("missing field: signal")
	}
	return found, nil
}

// payee is the user whose money moves. So long a number is an IMSI.
func (r *request) payee(o object) (models.User, error) {
	text, err := o.number("userId")
	if err != nil || !digits(text) || len(text) > 18 {
		return models.User{}, badRequest("userId must be the id_ of a user")
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err == nil && len(text) >= 14 && len(text) <= 15 {
		id, err = r.api.Users.UserIDByIMSI(r.ctx(), text)
	}
	var user models.User
	if err == nil {
		user, err = r.api.Users.UserByID(r.ctx(), id)
	}
	if isNotFound(err) {
		return user, badRequest("userId: there is no such user")
	}
	return user, err
}

// value is a positive amount: whole seconds, or decimals of other currencies.
func (o object) value(currency string) (money.Amount, error) {
	text, err := o.number("value")
	if err == nil && currency == models.SEC && !digits(text) {
		err = badRequest("value must be a positive whole number")
	}
	if err != nil {
		return 0, err
	}
	amount, err := o.amount("value")
	if err == nil && (amount <= 0 || amount > maxValue*money.Unit) {
		err = badRequest("value must be positive and at most " + strconv.Itoa(maxValue))
	}
	return amount, err
}

// maxKey is how long a key may be that makes a movement safe to repeat.
const maxKey = 100

// idempotencyKey is a client's own key, which makes a movement safe to repeat, or one of ours.
type idempotencyKey struct {
	sent  string       // as the client wrote it; empty: it sent none
	whole string       // with the client, so that keys of different clients never meet
	ref   string       // of the transaction
	own   []models.Ref // what the request posts, one of them
	not   []models.Ref // what other paths post under the same key
}

// keyed is how a path posts: with references of its own, since each client has one set of keys for all paths.
type keyed struct {
	prefix string
	kinds  []string
}

const (
	byBalance = iota
	byVoiceBalance
	byTransfers
)

func keyedPaths() [3]keyed {
	moves := []string{models.KindTopUp, models.KindDebit}
	return [3]keyed{byBalance: {"api-", moves}, byVoiceBalance: {"voice-", moves}, byTransfers: {"api-", []string{models.KindTransfer}}}
}

// idempotencyKey reads the key of a request on one of the paths.
func (r *request) idempotencyKey(path int) (idempotencyKey, error) {
	paths := keyedPaths()
	sent := r.Request.Header.Values("Idempotency-Key")
	if len(sent) == 0 {
		return idempotencyKey{ref: paths[path].prefix + rand.Text()}, nil
	}
	odd := func(c rune) bool { return c <= ' ' || c > '~' }
	if len(sent) > 1 || sent[0] == "" || len(sent[0]) > maxKey || strings.ContainsFunc(sent[0], odd) {
		return idempotencyKey{}, badRequest("Idempotency-Key must have 1 to 100 ASCII characters without blanks, and be there once")
	}
	key := idempotencyKey{sent: sent[0], whole: r.who.key() + ":" + sent[0]}
	for i, p := range paths {
		ref := p.prefix + key.whole
		if i == path {
			key.ref = ref
		}
		for _, kind := range p.kinds {
			if i == path {
				key.own = append(key.own, models.Ref{Kind: kind, Ref: ref})
			} else {
				key.not = append(key.not, models.Ref{Kind: kind, Ref: ref})
			}
		}
	}
	return key, nil
}

// refusal names the key as the client knows it.
func (k idempotencyKey) refusal(err error) error {
	if k.sent != "" && errors.Is(err, billing.ErrRefUsed) {
		return refused(http.StatusConflict, "the Idempotency-Key "+strconv.Quote(k.sent)+" was used for another request")
	}
	return err
}

// doneBefore says of a request for a user whom there is not that it was carried out when there was: it must not look as if
// it never had been.
func (r *request) doneBefore(k idempotencyKey, err error) error {
	if f, ok := failureOf(err); k.sent == "" || !ok || f.status != http.StatusBadRequest {
		return err
	}
	posted, failed := r.api.Ledger.Posted(r.ctx(), k.own)
	if failed != nil {
		return failed
	}
	if posted {
		return refused(http.StatusConflict, "a request with the Idempotency-Key "+strconv.Quote(k.sent)+" was carried out, but now there is no such user; GET /api/ledger has what was posted")
	}
	return err
}
