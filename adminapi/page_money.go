package adminapi

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"talktime/models"
	"talktime/money"
	"talktime/web"
)

// maxNote is how many characters a note beside a movement of money may have.
const maxNote = 100

// keyForm is that of [rand.Text].
var keyForm = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// moneyForm is the form for top-ups and for taking money. Its key makes it safe to send twice; empty: a new one.
func (r *request) moneyForm(u models.UserDetail, key string) *web.Form {
	if key == "" {
		key = rand.Text()
	}
	unit, mode := "Amount in "+u.Currency, "decimal"
	if u.Currency == models.SEC {
		unit, mode = "Seconds", "numeric"
	}
	take := r.PostForm("does") == "take"
	return &web.Form{
		Action: web.UserPath(u.Username) + "/money", Submit: "Book",
		Fields: []web.Field{
			{Name: "does", Label: "What", Type: "select", Options: []web.Option{
				{Value: "add", Label: "Add money"}, {Value: "take", Label: "Take money", Selected: take},
			}},
			{Name: "amount", Label: unit, Type: "text", Mode: mode, Required: true, Value: r.PostForm("amount")},
			{Name: "note", Label: "Note", Type: "text", Hint: "Such as a receipt's number. It stays in the ledger.", Value: r.PostForm("note")},
			{Name: "key", Type: "hidden", Value: key},
		},
	}
}

func moneyPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	return r.showMoney(http.StatusOK, user, "", "", "")
}

// showMoney shows the form by itself, with what is wrong with a field, or with the whole when the field is empty.
func (r *request) showMoney(status int, user models.UserDetail, key, field, fault string) error {
	form := r.moneyForm(user, key)
	available := pageAmount(user.Available, user.Currency)
	form.Intro = []string{user.Username + " may spend " + available.Decimal + " " + available.Unit + " now."}
	form.Cancel = web.UserPath(user.Username)
	if field == "" {
		form.Error = fault
	}
	for i, f := range form.Fields {
		if f.Name == field {
			form.Fields[i].Error = fault
		}
	}
	return r.showForm(status, "Money of "+user.Username, "/users", *form)
}

func bookPage(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	key, note := r.PostForm("key"), r.typed("note")
	if !keyForm.MatchString(key) {
		return r.showMoney(http.StatusBadRequest, user, "", "", "The form was not complete. Nothing was booked; please try again.")
	}
	odd := func(c rune) bool { return !unicode.IsPrint(c) }
	if utf8.RuneCountInString(note) > maxNote || strings.ContainsFunc(note, odd) {
		return r.showMoney(http.StatusBadRequest, user, key, "note", "A note has at most 100 printable characters.")
	}
	amount, err := object{"value": jsonText(r.typed("amount"))}.value(user.Currency)
	if f, ok := refusal(err); ok {
		return r.showMoney(f.status, user, key, "amount", sentence(strings.TrimPrefix(f.message, "Value ")))
	}
	if err != nil {
		return err
	}
	word := "added to"
	if r.PostForm("does") == "take" {
		amount, word = -amount, "taken from"
	}
	ref := models.PageRef + r.who.key() + ":" + key
	clash, err := r.otherwiseBooked(user, amount, ref, note)
	if err != nil {
		return err
	}
	if clash {
		return r.showMoney(http.StatusConflict, user, "", "", "This form was booked before, with something else in it. Look at the ledger, and send it again if you mean it.")
	}
	_, already, err := r.move(user.User, amount, idempotencyKey{whole: ref, ref: strings.TrimSpace(ref + " " + note)})
	if f, ok := refusal(err); ok {
		return r.showMoney(f.status, user, key, "amount", f.message)
	}
	if err != nil {
		return err
	}
	if already {
		return r.done(web.UserPath(user.Username), "This was booked before; nothing was booked again.")
	}
	shown := pageAmount(max(amount, -amount), user.Currency)
	return r.done(web.UserPath(user.Username), "%s %s %s %s.", shown.Decimal, shown.Unit, word, user.Username)
}

// otherwiseBooked reports whether a form was booked before with another amount or another note. One that is sent twice
// with the same content is found by its reference.
func (r *request) otherwiseBooked(user models.UserDetail, amount money.Amount, ref, note string) (bool, error) {
	list, err := r.api.Ledger.ListLedger(r.ctx(), models.ListRequest{
		Query: search(where("ref", "like", pattern(ref)+"%")), User: user.ID, Number: 1, Size: 1,
	})
	if err != nil || len(list.Items) == 0 {
		return false, err
	}
	before := list.Items[0]
	return before.Amount != amount || before.Ref != strings.TrimSpace(ref+" "+note), nil
}
