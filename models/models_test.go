package models_test

import (
	"errors"
	"strings"
	"testing"

	"talktime/models"
	"talktime/money"
)

func TestNewUserIsChecked(t *testing.T) {
	t.Parallel()
	good := models.NewUser{Username: "marta", CLID: "555000204", IMSI: "724990000000204", Balance: 180 * money.Unit}
	for name, c := range map[string]struct {
		edit  func(*models.NewUser)
		wrong int // how many mistakes
	}{
		"as it should be":                {nil, 0},
		"no phone":                       {func(u *models.NewUser) { u.CLID, u.IMSI, u.Balance = "", "", 0 }, 0},
		"a clid with a plus":             {func(u *models.NewUser) { u.CLID = "+59899123000" }, 0},
		"the longest clid":               {func(u *models.NewUser) { u.CLID = "+" + strings.Repeat("9", 20) }, 0},
		"a name with a space in it":      {func(u *models.NewUser) { u.Username = "Marta Pérez" }, 0},
		"a name in another script":       {func(u *models.NewUser) { u.Username = "марта" }, 0},
		"the longest name":               {func(u *models.NewUser) { u.Username = strings.Repeat("é", 64) }, 0},
		"a name too long":                {func(u *models.NewUser) { u.Username = strings.Repeat("é", 65) }, 1},
		"no name":                        {func(u *models.NewUser) { u.Username = "" }, 1},
		"a name with a slash":            {func(u *models.NewUser) { u.Username = "a/b" }, 1},
		"a name with a space before it":  {func(u *models.NewUser) { u.Username = " marta" }, 1},
		"a name with a space behind it":  {func(u *models.NewUser) { u.Username = "marta " }, 1},
		"a name with a no-break space":   {func(u *models.NewUser) { u.Username = "marta\u00a0" }, 1},
		"a name with a newline":          {func(u *models.NewUser) { u.Username = "mar\nta" }, 1},
		"a name with a zero":             {func(u *models.NewUser) { u.Username = "mar\x00ta" }, 1},
		"a name that turns around":       {func(u *models.NewUser) { u.Username = "mar\u202eta" }, 1},
		"a name that is no text":         {func(u *models.NewUser) { u.Username = "mar\xffta" }, 1},
		"a clid with letters":            {func(u *models.NewUser) { u.CLID = "555a" }, 1},
		"a clid with a newline":          {func(u *models.NewUser) { u.CLID = "555\n" }, 1},
		"a clid too long":                {func(u *models.NewUser) { u.CLID = strings.Repeat("9", 21) }, 1},
		"a clid of other digits":         {func(u *models.NewUser) { u.CLID = "٥٥٥" }, 1},
		"only a plus":                    {func(u *models.NewUser) { u.CLID = "+" }, 1},
		"an imsi with a plus":            {func(u *models.NewUser) { u.IMSI = "+724" }, 1},
		"an imsi too long":               {func(u *models.NewUser) { u.IMSI = strings.Repeat("7", 17) }, 1},
		"an imsi with leading zeros":     {func(u *models.NewUser) { u.IMSI = "001010000000001" }, 0},
		"a negative balance":             {func(u *models.NewUser) { u.Balance = -1 }, 1},
		"everything wrong is all listed": {func(u *models.NewUser) { *u = models.NewUser{CLID: "x", IMSI: "x", Balance: -1} }, 4},
	} {
		u := good
		if c.edit != nil {
			c.edit(&u)
		}
		err := u.Validate()
		if (err != nil) != (c.wrong > 0) || err != nil && (!errors.Is(err, models.ErrInvalid) || strings.Count(err.Error(), "must") != c.wrong) {
			t.Errorf("%s: %v, want %d mistakes", name, err, c.wrong)
		}
	}
}

func TestAvailableCountsHoldsAndCredit(t *testing.T) {
	t.Parallel()
	a := models.Account{Balance: 10 * money.Unit, Held: 4 * money.Unit, CreditLimit: 5 * money.Unit}
	if a.Available() != 11*money.Unit {
		t.Errorf("%s", a.Available())
	}
	c := models.Call{Holds: []models.HoldPart{{AccountID: 1, Amount: 3}, {AccountID: 2, Amount: 4}}}
	if c.Held() != 7 {
		t.Errorf("%s", c.Held())
	}
}
