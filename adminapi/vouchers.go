package adminapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/voucher"
	"talktime/voucher/sheet"
)

// Vouchers are codes that put money on an account, and the PINs of calling cards.
type Vouchers interface {
	// AddBatch makes all of a batch or nothing; what is wrong with it is models.ErrInvalid, a name that is taken models.ErrConflict.
	AddBatch(ctx context.Context, b models.NewBatch, actor string, making models.Making) (models.Batch, error)
	Batches(ctx context.Context, kind string) ([]models.Batch, error)
	Batch(ctx context.Context, kind, name string) (models.Batch, error)
	ChangeBatch(ctx context.Context, kind, name string, c models.BatchChange, actor string) (changed int64, err error)
	RedeemVoucher(context.Context, models.Redemption) (models.Redeemed, error)
}

const typePDF = "application/pdf"

// maxMade is how many vouchers or cards one request makes. The command line makes larger batches.
const maxMade = 10_000

type redeemedJSON struct {
	User      string       `json:"user"`
	Serial    string       `json:"serial"`
	Amount    money.Amount `json:"amount"`
	Currency  string       `json:"currency"`
	ExpiresAt *time.Time   `json:"expires_at"`
	Available money.Amount `json:"available"`
	Already   bool         `json:"already"`
}

// ofKind makes a handler for vouchers or for cards.
func ofKind(kind string, handle func(*request, string) error) handler {
	return tariffs(func(r *request) error { return handle(r, kind) })
}

func listBatches(r *request, kind string) error {
	l, err := r.plainList()
	if err != nil {
		return err
	}
	batches, err := r.api.Vouchers.Batches(r.ctx(), kind)
	if err != nil {
		return err
	}
	key := func(b models.Batch) int64 { return b.ID }
	return answerList(r, l, pageOf(l, batches, key), key, voucher.Show)
}

func getBatch(r *request, kind string) error {
	b, err := r.api.Vouchers.Batch(r.ctx(), kind, r.Param("batch"))
	if err == nil {
		r.answer(http.StatusOK, voucher.Show(b))
	}
	return err
}

// newBatch reads what is to be made.
func (r *request) newBatch(kind string) (b models.NewBatch, err error) {
	o, err := r.object()
	if err != nil {
		return b, err
	}
	further := []string{"credit_days"}
	if kind == models.BatchCards {
		further = []string{"tariff", "language"}
	}
	if err := o.unknown(append(further, "name", "count", "amount", "currency", "valid_until")...); err != nil {
		return b, err
	}
	if err := o.missing("name", "count", "amount"); err != nil {
		return b, err
	}
	b.Kind, b.Currency = kind, models.SEC
	for name, into := range map[string]*string{"name": &b.Name, "currency": &b.Currency, "tariff": &b.Deck, "language": &b.Language} {
		if !o.has(name) || o.isNull(name) && name != "name" && name != "currency" {
			continue
		}
		if *into, err = o.text(name); err != nil {
			return b, err
		}
	}
	for name, into := range map[string]*int{"count": &b.Count, "credit_days": &b.CreditDays} {
		if !o.has(name) {
			continue
		}
		n, err := o.whole(name, 0, maxMade)
		if err != nil {
			return b, err
		}
		*into = int(n)
	}
	if b.Amount, err = o.amount("amount"); err != nil {
		return b, err
	}
	if o.has("valid_until") && !o.isNull("valid_until") {
		text, err := o.text("valid_until")
		if err != nil {
			return b, err
		}
		until, err := voucher.ParseUntil(text, r.api.Location)
		if err != nil {
			return b, badRequest("valid_until: " + err.Error())
		}
		b.ValidUntil = &until
	}
	return b, b.Validate(r.api.Now())
}

// sheetFormat is how the codes are to be written.
func (r *request) sheetFormat() (format, contentType string, err error) {
	switch r.Query("format") {
	case "":
		if strings.Contains(r.GetHeader("Accept"), typePDF) {
			return sheet.PDF, typePDF, nil
		}
		return sheet.CSV, typeCSV, nil
	case sheet.CSV:
		return sheet.CSV, typeCSV, nil
	case sheet.PDF:
		return sheet.PDF, typePDF, nil
	}
	return "", "", badRequest("format must be csv or pdf")
}

// createBatch makes a batch and answers with its codes, which are nowhere else.
func createBatch(r *request, kind string) error {
	format, contentType, err := r.sheetFormat()
	if err != nil {
		return err
	}
	b, err := r.newBatch(kind)
	if err != nil {
		return err
	}
	select {
	case r.api.making <- struct{}{}: // all of its codes are in memory
		defer func() { <-r.api.making }()
	default:
		return failure{status: http.StatusTooManyRequests, message: "another batch is being made; try again", headers: map[string]string{"Retry-After": "10"}}
	}
	var file bytes.Buffer
	made, err := r.api.Vouchers.AddBatch(r.ctx(), b, r.who.actor(), models.Making{
		Export: func(made models.Batch, codes []models.PrintedCode) error {
			return sheet.Sheet{Batch: made, Codes: codes, Location: r.api.Location}.Write(&file, format)
		},
	})
	if err != nil {
		return err
	}
	r.Header("Location", r.location(made.Name))
	r.Header("Content-Disposition", `attachment; filename="`+kind+"-"+strconv.FormatInt(made.ID, 10)+"."+format+`"`)
	r.Header("Cache-Control", "no-store")
	r.Data(http.StatusCreated, contentType, file.Bytes())
	return nil
}

func changeBatch(r *request, kind string) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("state", "from", "to"); err != nil {
		return err
	}
	if err := o.missing("state"); err != nil {
		return err
	}
	var c models.BatchChange
	for name, into := range map[string]*string{"state": &c.State, "from": &c.From, "to": &c.To} {
		if !o.has(name) {
			continue
		}
		if *into, err = o.text(name); err != nil {
			return err
		}
		if *into == "" {
			return badRequest(name + " must not be empty")
		}
	}
	if _, err := r.api.Vouchers.ChangeBatch(r.ctx(), kind, r.Param("batch"), c, r.who.actor()); err != nil {
		return err
	}
	return getBatch(r, kind)
}

// redeemVoucher redeems for whoever asks, or for the user whom an operator or a program names. Wrong codes count against that
// user, and against the address of whoever tries for himself.
func redeemVoucher(r *request) error {
	o, err := r.object()
	if err != nil {
		return err
	}
	if err := o.unknown("code", "user"); err != nil {
		return err
	}
	if err := o.missing("code"); err != nil {
		return err
	}
	var wish models.Redemption
	if wish.Code, err = o.text("code"); err != nil {
		return err
	}
	user, err := r.redeemer(o)
	if err != nil {
		return err
	}
	wish.UserID, wish.Actor = user.ID, r.who.actor()
	if !r.who.has(ScopeMoney) {
		address, _ := r.api.client(r.Request)
		wish.From = address.String()
	}
	done, err := r.api.Vouchers.RedeemVoucher(r.ctx(), wish)
	if err != nil {
		return aboutCode(err)
	}
	r.json(http.StatusOK, redeemedJSON{user.Username, done.Serial, done.Amount, done.Currency, done.Expires, done.Available, done.Already})
	return nil
}

// redeemer is the user who gets a voucher's money.
func (r *request) redeemer(o object) (models.User, error) {
	if !o.has("user") {
		if r.who.user == nil {
			return models.User{}, badRequest("missing field: user")
		}
		return *r.who.user, nil
	}
	name, err := o.text("user")
	if err != nil {
		return models.User{}, err
	}
	if r.who.user != nil && r.who.user.Username == name {
		return *r.who.user, nil
	}
	if !r.who.has(ScopeMoney) {
		return models.User{}, forbidden()
	}
	user, err := r.api.Users.UserDetail(r.ctx(), name)
	if isNotFound(err) {
		return models.User{}, refused(http.StatusNotFound, "there is no such user")
	}
	return user.User, err
}

// aboutCode says why a code is refused.
func aboutCode(err error) error {
	switch {
	case errors.Is(err, models.ErrNoVoucher):
		return refused(http.StatusNotFound, err.Error())
	case errors.Is(err, models.ErrVoucherUsed), errors.Is(err, models.ErrVoucherBlocked), errors.Is(err, models.ErrVoucherExpired):
		return refused(http.StatusConflict, err.Error())
	case errors.Is(err, models.ErrTooManyTries):
		return failure{status: http.StatusTooManyRequests, message: err.Error(), headers: map[string]string{"Retry-After": "900"}}
	}
	return err
}
