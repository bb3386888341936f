package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"talktime/internal/config"
	"talktime/internal/password"
	"talktime/models"
	"talktime/money"
	"talktime/store"
)

// userJSON is a user as --json shows him. Amounts are decimal strings.
type userJSON struct {
	ID        int64        `json:"id"`
	Username  string       `json:"username"`
	CLID      *string      `json:"clid"`
	IMSI      *string      `json:"imsi"`
	Admin     bool         `json:"admin"`
	Currency  string       `json:"currency"`
	Balance   money.Amount `json:"balance"`
	Held      money.Amount `json:"held"`
	Available money.Amount `json:"available"`
	Credit    money.Amount `json:"credit_limit"`
	Blocked   bool         `json:"blocked"`

	LowBalance *money.Amount `json:"low_balance"`

	Promotions []promotionJSON `json:"promotions"` // a part of the balance
}

// promotionJSON is promotional credit as --json shows it.
type promotionJSON struct {
	Balance money.Amount `json:"balance"`
	Held    money.Amount `json:"held"`
	Expires time.Time    `json:"expires"`
}

// madeUserJSON is a user who was just made, with his password when that was made here: it is shown this once.
type madeUserJSON struct {
	userJSON
	Password string `json:"password,omitempty"`
}

func showUser(b models.Balance) userJSON {
	shown := userJSON{
		ID: b.ID, Username: b.Username, CLID: b.CLID, IMSI: b.IMSI, Admin: b.Admin, Currency: b.Currency,
		Balance: b.Balance, Held: b.Held, Available: b.Available, Credit: b.Credit, Blocked: b.Blocked, LowBalance: b.LowBalance,
		Promotions: make([]promotionJSON, len(b.Promotions)),
	}
	for i, p := range b.Promotions {
		shown.Promotions[i] = promotionJSON(p)
	}
	return shown
}

func userTable() table {
	return table{
		{"ID", true},
		{"USERNAME", false},
		{"CLID", false},
		{"IMSI", false},
		{"ADMIN", false},
		{"CURRENCY", false},
		{"BALANCE", true},
		{"HELD", true},
		{"AVAILABLE", true},
	}
}

func userCells(b models.Balance) []string {
	return []string{
		strconv.FormatInt(b.ID, 10), b.Username, orDash(b.CLID), orDash(b.IMSI), yesNo(b.Admin), b.Currency,
		b.Balance.String(), b.Held.String(), b.Available.String(),
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func orDash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func userList(c *command) action {
	c.reports()
	c.examples = []string{"admin user list", `admin user list --json | jq -r '.[] | select(.available == "0") | .username'`}
	return func(ctx context.Context, _ []string) error {
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if c.json {
				return c.streamUsers(ctx, db)
			}
			return userTable().stream(c.out, func(row func(...string)) error {
				return db.Users(ctx, func(b models.Balance) error {
					row(userCells(b)...)
					return nil
				})
			})
		})
	}
}

// streamUsers prints an array of users one by one: there may be more than fit into memory.
func (c *command) streamUsers(ctx context.Context, db *store.Store) error {
	separator := "[\n  "
	err := db.Users(ctx, func(b models.Balance) error {
		line, err := json.Marshal(showUser(b))
		if err != nil {
			return err
		}
		c.out.f("%s%s", separator, line)
		separator = ",\n  "
		return nil
	})
	if err != nil {
		return err // the array stays open, so that nobody takes it for the whole list
	}
	if separator == "[\n  " {
		c.out.f("[")
	}
	c.out.f("\n]\n")
	return nil
}

func userAdd(c *command) action {
	c.reports()
	c.makes = true
	var u models.NewUser
	username := c.flags.String("username", "", "NAME|the name that he logs in with; it may stand alone, too")
	secret := c.flags.String("password", "", "TEXT|his password; - reads it from standard input; when left out it is asked on a terminal, else made and printed")
	c.flags.StringVar(&u.CLID, "clid", "", "NUMBER|his phone number, as caller ids show it: digits, perhaps a + before them")
	c.flags.StringVar(&u.IMSI, "imsi", "", "DIGITS|the identity of his SIM card")
	c.flags.BoolVar(&u.Admin, "admin", false, "he may administer")
	c.amount(&u.Balance, "balance", "AMOUNT|the money that he begins with; in whole seconds of talk time, unless --currency says otherwise")
	c.flags.StringVar(&u.Currency, "currency", "", "CODE|of his money, such as EUR; he can call once a tariff in it has rates. SEC, a second of talk time, when left out")
	c.about = "A user without --clid and --imsi has no phone; he can log in."
	c.examples = []string{
		"admin user add --username marta --clid 555000204 --balance 600",
		"admin user add joel --clid 555000205 --currency EUR --balance 12.50",
		"admin user add operator --admin --password - < password.txt",
	}
	return func(ctx context.Context, operands []string) (err error) {
		if u.Username, err = oneName(*username, operands); err != nil {
			return err
		}
		if err := checkNewUser(u); err != nil {
			return usageError{err}
		}
		text, made, err := c.choosePassword(ctx, *secret)
		if err != nil {
			return err
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			if u.PasswordHash, err = password.New(1).Hash(ctx, text); err != nil {
				return err
			}
			if !made {
				text = ""
			}
			return c.addUser(ctx, db, u, text)
		})
	}
}

// addUser makes the user and shows him, with his password when that was made here.
func (c *command) addUser(ctx context.Context, db *store.Store, u models.NewUser, madePassword string) error {
	if _, err := db.AddUser(ctx, u, actor()); err != nil {
		return explainConflict(ctx, db, u, err)
	}
	made, err := db.UserByName(ctx, u.Username)
	if err != nil {
		return err
	}
	if c.json {
		return c.out.json(madeUserJSON{showUser(made), madePassword})
	}
	userTable().write(c.out, [][]string{userCells(made)})
	if madePassword != "" {
		c.out.f("\npassword: %s\n", madePassword)
	}
	return nil
}

// checkNewUser says everything that is wrong with a user, whatever the database holds.
func checkNewUser(u models.NewUser) error {
	if err := u.Validate(); err != nil {
		return validation(err)
	}
	if u.Currency != "" && u.Currency != models.SEC {
		return nil
	}
	return wholeSeconds(u.Balance)
}

// validation takes the kind off an error of Validate: the sentence says it.
func validation(err error) error {
	var all interface{ Unwrap() []error }
	if errors.As(err, &all) {
		for _, part := range all.Unwrap() {
			if !errors.Is(part, models.ErrInvalid) {
				return part
			}
		}
	}
	return err
}

// wholeSeconds refuses fractions of the default currency: a second is not divided.
func wholeSeconds(amount money.Amount) error {
	if amount%money.Unit != 0 {
		return fmt.Errorf("the amount %s must be whole: a %s is a second of talk", amount, models.SEC)
	}
	return nil
}

// amount adds a flag that takes an amount of money.
func (c *command) amount(into *money.Amount, name, usage string) {
	c.flags.Func(name, usage, func(text string) (err error) {
		if *into, err = money.Parse(text); err != nil {
			if errors.Is(err, money.ErrOverflow) {
				return errors.New("is too large")
			}
			return errors.New("must be a decimal number, with a point before at most six decimals")
		}
		return nil
	})
}

// oneName returns the username, which may be given by flag or by itself.
func oneName(flag string, operands []string) (string, error) {
	switch {
	case flag == "" && len(operands) == 0:
		return "", usagef("--username is missing")
	case flag == "":
		return operands[0], nil
	case len(operands) == 1 && operands[0] != flag:
		return "", usagef("--username is %q, but %q is given too", flag, operands[0])
	}
	return flag, nil
}

// explainConflict names what belongs to another user already.
func explainConflict(ctx context.Context, db *store.Store, u models.NewUser, err error) error {
	if !errors.Is(err, models.ErrConflict) {
		return err
	}
	others, lookupErr := db.UsersWith(ctx, []string{u.Username}, []string{u.CLID}, []string{u.IMSI})
	if lookupErr != nil || len(others) == 0 {
		return err
	}
	var taken []error
	for _, other := range others {
		taken = append(taken, claims(u, other)...)
	}
	return errors.Join(taken...)
}

// claims lists what a new user has in common with one that exists.
func claims(u models.NewUser, other models.User) []error {
	var taken []error
	if other.Username == u.Username {
		taken = append(taken, fmt.Errorf("the username %q is taken", u.Username))
	}
	if other.CLID != nil && *other.CLID == u.CLID {
		taken = append(taken, fmt.Errorf("the clid %q belongs to user %q", u.CLID, other.Username))
	}
	if other.IMSI != nil && *other.IMSI == u.IMSI {
		taken = append(taken, fmt.Errorf("the imsi %q belongs to user %q", u.IMSI, other.Username))
	}
	return taken
}

func userPasswd(c *command) action {
	c.reports()
	username := c.flags.String("username", "", "NAME|the user; the name may stand alone, too")
	secret := c.flags.String("password", "", "TEXT|the new password; - reads it from standard input; when left out it is asked on a terminal, else made and printed")
	c.examples = []string{"admin user passwd marta", "admin user passwd marta --password - < password.txt"}
	return func(ctx context.Context, operands []string) error {
		name, err := oneName(*username, operands)
		if err != nil {
			return err
		}
		return c.withStore(ctx, func(db *store.Store, _ config.Config) error {
			user, err := db.UserByName(ctx, name)
			if err != nil { // before anybody types a password
				return unknownUser(name, err)
			}
			text, made, err := c.choosePassword(ctx, *secret)
			if err != nil {
				return err
			}
			hash, err := password.New(1).Hash(ctx, text)
			if err != nil {
				return err
			}
			n, err := db.ChangeUsers(ctx, []int64{user.ID}, models.UserChange{PasswordHash: &hash}, actor())
			if err == nil && n == 0 { // he has gone meanwhile
				err = models.ErrNotFound
			}
			if err != nil {
				return unknownUser(name, err)
			}
			if !made {
				text = ""
			}
			return c.showPassword(name, text)
		})
	}
}

func (c *command) showPassword(name, made string) error {
	if c.json {
		return c.out.json(struct {
			Username string `json:"username"`
			Password string `json:"password,omitempty"`
		}{name, made})
	}
	if made != "" {
		c.out.f("password: %s\n", made)
	}
	c.note("the password of %q is changed; his sessions have ended", name)
	return nil
}
