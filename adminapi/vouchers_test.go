package adminapi_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"talktime/adminapi"
	"talktime/models"
	"talktime/money"
)

// batch makes a batch past the API and returns its codes.
func (s *site) batch(b models.NewBatch) (codes []models.PrintedCode) {
	s.t.Helper()
	_, err := s.store.AddBatch(s.t.Context(), b, "test", models.Making{
		Export: func(_ models.Batch, all []models.PrintedCode) error { codes = all; return nil },
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return codes
}

// rows are those of a CSV answer, without its head.
func (a answer) rows() [][]string {
	a.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || len(rows) < 2 || strings.Join(rows[0], " ") != "serial code amount currency valid_until batch" {
		a.t.Fatalf("%s: %v, %v", a.what, rows, err)
	}
	return rows[1:]
}

// TestVouchers: a batch is made, its codes are told once, and one is redeemed.
func TestVouchers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta() // 180
		s.joel()
		s.admin.get("/api/vouchers").says(http.StatusOK, `{"num_results":0,"objects":[],"page":1,"total_pages":0}`)
		a := s.admin.post("/api/vouchers", `{"name":"spring","count":3,"amount":600,"valid_until":"2099-12-31"}`).is(http.StatusCreated)
		if a.header.Get("Location") != s.url+"/api/vouchers/spring" || a.header.Get("Content-Type") != "text/csv" || a.header.Get("Cache-Control") != "no-store" ||
			a.header.Get("Content-Disposition") != `attachment; filename="voucher-1.csv"` {
			t.Errorf("%v", a.header)
		}
		rows := a.rows()
		if got := strings.Join(rows[2][2:], "|"); len(rows) != 3 || rows[2][0] != "00001000003" || got != "600|SEC|2099-12-31|spring" {
			t.Errorf("%v", rows)
		}
		s.admin.get("/api/vouchers/spring").is(http.StatusOK).shows(map[string]any{
			"count": 3, "left": 3, "worth": "1800", "redeemed": 0, "valid_until": "2100-01-01T00:00:00Z", "first": "00001000001", "last": "00001000003", "tariff": nil, "actor": "admin",
		})
		for _, body := range []string{s.admin.get("/api/vouchers").body, s.admin.get("/api/vouchers/spring").body, s.admin.get("/api/audit").body, s.log.String()} {
			for _, row := range rows {
				if strings.Contains(body, row[1]) || strings.Contains(body, strings.ReplaceAll(row[1], " ", "")) {
					t.Errorf("a code is shown: %s", short(body))
				}
			}
		}

		// A user for himself, again, and another one.
		marta, joel := s.login("marta"), s.login("joel")
		code := func(n int) string { return fmt.Sprintf(`{"code":%q}`, rows[n][1]) }
		marta.post("/api/vouchers/redeem", code(0)).says(http.StatusOK, `{"user":"marta","serial":"00001000001","amount":"600","currency":"SEC","expires_at":null,"available":"780","already":false}`)
		marta.post("/api/vouchers/redeem", code(0)).says(http.StatusOK, `{"user":"marta","serial":"00001000001","amount":"600","currency":"SEC","expires_at":null,"available":"780","already":true}`)
		joel.post("/api/vouchers/redeem", code(0)).is(http.StatusConflict).shows(map[string]any{"message": models.ErrVoucherUsed.Error()})
		joel.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q,"user":"marta"}`, rows[1][1])).is(http.StatusForbidden)
		joel.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q,"user":"joel"}`, rows[1][1])).is(http.StatusOK)
		s.admin.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q,"user":"joel"}`, strings.ReplaceAll(rows[2][1], " ", ""))).is(http.StatusOK).shows(map[string]any{"user": "joel"})
		s.admin.get("/api/vouchers/spring").is(http.StatusOK).shows(map[string]any{"redeemed": 3, "left": 0, "worth": "0"})
		ledger := s.admin.get("/api/ledger?user=joel").objects()
		if len(ledger) != 2 || ledger[0]["kind"] != "voucher" || ledger[0]["ref"] != "00001000003" || ledger[0]["actor"] != "admin" {
			t.Errorf("%v", ledger)
		}

		// As PDF, with credit that does not last.
		a = s.admin.send(http.MethodPost, "/api/vouchers?format=pdf", `{"name":"promo","count":25,"amount":"10","credit_days":30}`, "application/json").is(http.StatusCreated)
		if a.header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(a.body, "%PDF-") || bytes.Count([]byte(a.body), []byte("/Type /Page\n")) != 2 {
			t.Errorf("%v %.20q", a.header, a.body)
		}
		codes := s.batch(models.NewBatch{Kind: models.BatchVouchers, Name: "more", Count: 4, Amount: 10 * money.Unit, Currency: models.SEC, CreditDays: 30})
		o := marta.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q}`, codes[0].Code)).is(http.StatusOK).object()
		if at, err := time.Parse(time.RFC3339, fmt.Sprint(o["expires_at"])); err != nil || time.Until(at) < 29*24*time.Hour {
			t.Errorf("%v, %v", o, err)
		}

		// A series.
		change := func(body string, want map[string]any) {
			t.Helper()
			s.admin.patch("/api/vouchers/more", body).is(http.StatusOK).shows(want)
		}
		change(`{"state":"blocked"}`, map[string]any{"blocked": 3, "left": 0, "redeemed": 1, "name": "more"})
		marta.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q}`, codes[1].Code)).is(http.StatusConflict).shows(map[string]any{"message": models.ErrVoucherBlocked.Error()})
		change(fmt.Sprintf(`{"state":"ready","from":%q,"to":%q}`, codes[1].Serial, codes[2].Serial), map[string]any{"blocked": 1, "left": 2})
		change(fmt.Sprintf(`{"state":"expired","from":%q}`, codes[2].Serial), map[string]any{"blocked": 0, "left": 1, "expired": 2})
		marta.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q}`, codes[2].Code)).is(http.StatusConflict).shows(map[string]any{"message": models.ErrVoucherExpired.Error()})
		log := s.admin.get("/api/audit").body
		for _, action := range []string{"voucher.add", "voucher.redeem", "voucher.block", "voucher.unblock", "voucher.expire"} {
			if !strings.Contains(log, `"action":"`+action+`"`) {
				t.Errorf("%s is not in the audit log", action)
			}
		}
		s.audit()
	})
}

// TestWrongVouchers: what is wrong is told, changes nothing, and guessing ends soon.
func TestWrongVouchers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.marta()
		s.joel()
		for body, says := range map[string]string{
			`{}`: "missing field: name", `{"name":"x","count":1}`: "missing field: amount", `{"name":"x","count":0,"amount":1}`: "a batch has 1 to 100000 of them",
			`{"name":"x","count":10001,"amount":1}`: "count must be a whole number", `{"name":"a/b","count":1,"amount":1}`: "the batch's name", `{"name":"x","count":1,"amount":-1}`: "the amount must be positive",
			`{"name":"x","count":1,"amount":"0.5"}`: "the amount must be whole", `{"name":"x","count":1,"amount":1,"currency":"euro"}`: "currency", `{"name":"x","count":1,"amount":1,"valid_until":"2001-01-01"}`: "must be to come",
			`{"name":"x","count":1,"amount":1,"valid_until":"soon"}`: "valid_until: ", `{"name":"x","count":1,"amount":1,"credit_days":9999}`: "the credit is good for", `{"name":"x","count":1,"amount":1,"language":"en"}`: "unknown field",
			`{"name":7e1,"count":1,"amount":1}`: "name must be a string", `{"name":"x","count":"many","amount":1}`: "count must be", `[]`: "Unable to decode data",
		} {
			if a := s.admin.post("/api/vouchers", body); a.status != http.StatusBadRequest || !strings.Contains(a.body, says) {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
		s.admin.post("/api/vouchers?format=odt", `{"name":"x","count":1,"amount":1}`).is(http.StatusBadRequest)
		s.admin.post("/api/cards", `{"name":"x","count":1,"amount":1,"credit_days":1}`).is(http.StatusBadRequest)
		s.admin.post("/api/cards", `{"name":"x","count":1,"amount":1,"tariff":"none"}`).is(http.StatusNotFound).shows(map[string]any{"message": `tariff "none" does not exist`})
		s.admin.post("/api/cards", `{"name":"x","count":1,"amount":1,"language":"English!"}`).is(http.StatusBadRequest)
		s.admin.get("/api/vouchers").is(http.StatusOK).shows(map[string]any{"num_results": 0})
		s.admin.post("/api/vouchers", `{"name":"spring","count":2,"amount":1}`).is(http.StatusCreated)
		s.admin.post("/api/vouchers", `{"name":"spring","count":2,"amount":1}`).is(http.StatusConflict).shows(map[string]any{"message": `there is a batch "spring" already`})
		s.admin.get("/api/cards/spring").is(http.StatusNotFound).shows(map[string]any{"message": `batch "spring" does not exist`})
		s.admin.patch("/api/vouchers/none", `{"state":"blocked"}`).is(http.StatusNotFound)
		for _, body := range []string{`{}`, `{"state":"used"}`, `{"state":"blocked","from":""}`, `{"state":"blocked","from":"7"}`, `{"state":"blocked","series":1}`, `{"state":7.5}`} {
			s.admin.patch("/api/vouchers/spring", body).is(http.StatusBadRequest)
		}
		for _, body := range []string{`{}`, `{"code":{}}`, `{"code":"1","user":{}}`, `{"code":"1","amount":5}`} {
			s.admin.post("/api/vouchers/redeem", body).is(http.StatusBadRequest)
		}
		s.admin.post("/api/vouchers/redeem", `{"code":"1","user":"nobody"}`).is(http.StatusNotFound)

		marta := s.login("marta")
		for range 7 {
			marta.post("/api/vouchers/redeem", `{"code":"1234 5678 9012 3456"}`).is(http.StatusNotFound)
		}
		for _, code := range []string{"0000000000000098", "0000000000000195", "0000000000000292", "0000000000000389", "0000000000000486"} {
			marta.post("/api/vouchers/redeem", `{"code":"`+code+`"}`).is(http.StatusNotFound).shows(map[string]any{"message": models.ErrNoVoucher.Error()})
		}
		codes := s.batch(models.NewBatch{Kind: models.BatchVouchers, Name: "more", Count: 2, Amount: money.Unit, Currency: models.SEC})
		late := marta.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q}`, codes[0].Code)).is(http.StatusTooManyRequests)
		if late.header.Get("Retry-After") != "900" {
			t.Errorf("%v", late.header)
		}
		s.login("joel").post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q}`, codes[0].Code)).is(http.StatusTooManyRequests)        // from the same address
		s.admin.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q,"user":"joel"}`, codes[0].Code)).is(http.StatusOK)               // who is trusted with money
		s.admin.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q,"user":"marta"}`, codes[1].Code)).is(http.StatusTooManyRequests) // for her there is a pause
		s.user(models.NewUser{Username: "euro", Currency: "EUR"})
		s.admin.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q,"user":"euro"}`, codes[1].Code)).is(http.StatusConflict).shows(map[string]any{
			"message": "the voucher is worth SEC, but the user's money is EUR",
		})
		s.audit()
	})
}

// TestCards: each is a user, by the tariff that it was made with.
func TestCards(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		s.deck("retail", "EUR")
		a := s.admin.post("/api/cards", `{"name":"kiosk","count":2,"amount":"5","currency":"EUR","tariff":"retail","language":"de","valid_until":"2099-12-31 18:00"}`).is(http.StatusCreated)
		rows := a.rows()
		if rows[0][4] != "2099-12-31 18:00" || a.header.Get("Location") != s.url+"/api/cards/kiosk" {
			t.Errorf("%v, %v", rows, a.header)
		}
		s.admin.get("/api/cards/kiosk").is(http.StatusOK).shows(map[string]any{"tariff": "retail", "language": "de", "worth": "10", "left": 2, "redeemed": 0})
		s.admin.get("/api/users/card-" + rows[1][0]).is(http.StatusOK).shows(map[string]any{"balance": "5", "clid": nil})
		s.admin.get("/api/users/card-" + rows[1][0] + "/tariff").shows(map[string]any{"tariff": "retail"})
		if u, err := s.store.CardUser(t.Context(), models.CardLogin{PIN: rows[1][1], From: "555"}); err != nil || u.Username != "card-"+rows[1][0] {
			t.Errorf("%+v, %v", u, err)
		}
		s.admin.patch("/api/cards/kiosk", `{"state":"blocked"}`).is(http.StatusOK).shows(map[string]any{"blocked": 2, "redeemed": 1, "worth": "10"})
		s.admin.get("/api/cards").is(http.StatusOK).shows(map[string]any{"num_results": 1, "objects.0.name": "kiosk"})
		s.admin.get("/api/vouchers").is(http.StatusOK).shows(map[string]any{"num_results": 0})
		s.admin.post("/api/vouchers/redeem", fmt.Sprintf(`{"code":%q}`, rows[0][1])).is(http.StatusNotFound)
		s.audit()
	})
}

// TestVouchersMissing: a server without vouchers has no such routes.
func TestVouchersMissing(t *testing.T) {
	onBoth(t, func(_ *testing.T, s *site) {
		s.admin.get("/api/vouchers").is(http.StatusNotFound)
		s.admin.get("/api/cards").is(http.StatusNotFound)
	}, func(d *adminapi.Deps) { d.Vouchers = nil })
}
