package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"talktime/billing"
	"talktime/models"
	"talktime/money"
)

// countUsers keeps the number of users, in the transaction that makes or deletes some. It comes last, so that others
// wait for the row no longer than a commit takes.
func countUsers(db *gorm.DB, more int) error {
	return db.Exec("UPDATE counters SET value = value + ? WHERE name = 'users'", more).Error
}

// inTransaction does all of do or nothing, again when another transaction was in its way, or had the ids that we gave.
func (s *Store) inTransaction(ctx context.Context, do func(*gorm.DB) error) error {
	s.watchKeepers(ctx)
	for try := 1; ; try++ {
		err := s.write.WithContext(ctx).Transaction(do)
		taken := errors.Is(err, errTakenID)
		if taken {
			s.ids.redraw()
		}
		my, _ := code(err)
		if my != myDeadlock && my != mySnapshot && !taken || try == maxTries {
			if isLocked(err) {
				err = fmt.Errorf("%w: %w", models.ErrUnavailable, err)
			}
			return err
		}
		if err := pause(ctx, time.Duration(try)*10*time.Millisecond); err != nil {
			return err
		}
	}
}

// exec does one statement, again when another one was in its way.
func (s *Store) exec(ctx context.Context, statement string, args ...any) error {
	return s.inTransaction(ctx, func(db *gorm.DB) error { return db.Exec(statement, args...).Error })
}

// logIn notes a change in the audit log, in the change's own transaction.
func (s *Store) logIn(db *gorm.DB, actor, action, target string, before, after any) error {
	l := s.lines(db, actor)
	l.add(action, target, before, after)
	return l.write(db)
}

// maxLines is how many lines of the audit log one statement writes: they may be long, and servers bound a statement.
const maxLines = 100

// lines are several of the audit log, which are written together.
type lines struct {
	to        *inserter
	at, actor string
}

func (s *Store) lines(db *gorm.DB, actor string) lines {
	tx := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
	to := tx.insert("audit_log", "at", "actor", "action", "target", "before_json", "after_json")
	to.most = maxLines
	return lines{to, stamp(s.now()), truncate(actor, 80)}
}

func (l lines) add(action, target string, before, after any) {
	l.to.row(l.at, l.actor, action, truncate(target, 160), nilOrJSON(before), nilOrJSON(after))
}

func (l lines) write(db *gorm.DB) error { return l.to.exec(db.Statement.Context) }

// userFacts is what the audit log says of a user. Passwords are not in it.
type userFacts struct {
	Username  string  `json:"username"`
	CLID      *string `json:"clid"`
	IMSI      *string `json:"imsi"`
	Admin     bool    `json:"admin"`
	Name      string  `json:"name,omitempty"`
	Level     int     `json:"level"`
	AccountID *string `json:"account_id,omitempty"`
	Address   string  `json:"address,omitempty"`
	CPF       string  `json:"cpf,omitempty"`
	Password  string  `json:"password,omitempty"` // "changed"
	Blocked   *bool   `json:"blocked,omitempty"`  // when it is changed
	Currency  string  `json:"currency,omitempty"` // of a new user where it is not SEC, and when it is changed

	CreditLimit *money.Amount `json:"credit_limit,omitempty"` // likewise
	LowBalance  *string       `json:"low_balance,omitempty"`  // likewise; empty: none

	Balance money.Amount `json:"balance,omitempty"` // that he begins or ends with
}

// ChangeUsers changes all these users or none, and returns how many there were. Blocked users make no new calls; those in
// progress go on, and their money may be moved. A username, clid, imsi or account_id
// that is taken is models.ErrConflict; groups that do not exist are models.ErrInvalid; taking the last administrator's rights is models.ErrLastAdmin.
func (s *Store) ChangeUsers(ctx context.Context, ids []int64, c models.UserChange, actor string) (int, error) {
	changed := 0
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		changed = 0
		for part := range slices.Chunk(ids, s.dialect.maxParams) {
			n, err := s.changeUsers(db, part, c, actor)
			if err != nil {
				return err
			}
			changed += n
		}
		if c.Admin != nil && !*c.Admin {
			return adminLeft(db)
		}
		return nil
	})
	var refusal *billing.Refusal
	if errors.Is(err, models.ErrLastAdmin) || errors.As(err, &refusal) {
		return 0, err
	}
	return changed, conflictWords(err)
}

// profileRow is a table as GORM reads it.
type profileRow struct {
	UserID    int64 `gorm:"primaryKey"`
	Name      string
	Level     int
	AccountID *string
	Address   string
	CPF       string `gorm:"column:cpf"`
}

// TableName implements GORM's Tabler.
func (profileRow) TableName() string { return "profiles" }

func (s *Store) changeUsers(db *gorm.DB, ids []int64, c models.UserChange, actor string) (int, error) {
	var blocked map[int64]bool
	if c.Blocked != nil {
		var err error
		if blocked, err = s.block(db, ids, *c.Blocked); err != nil {
			return 0, err
		}
	}
	var limits map[int64]money.Amount
	if c.CreditLimit != nil {
		var err error
		if limits, err = s.limitCredit(db, ids, *c.CreditLimit); err != nil {
			return 0, err
		}
	}
	var warned map[int64]*money.Amount
	if c.LowBalance != nil {
		var err error
		if warned, err = s.warnBelow(db, ids, *c.LowBalance); err != nil {
			return 0, err
		}
	}
	if c.Currency != nil {
		if err := s.lockAccounts(db, ids); err != nil {
			return 0, err
		}
	}
	// Locked: another server may be changing the same user, and what it writes must not be lost.
	var users []userRow
	lock := clause.Locking{Strength: clause.LockingStrengthUpdate}
	if err := db.Clauses(lock).Where("id IN ? AND deleted_at IS NULL", ids).Order("id").Find(&users).Error; err != nil {
		return 0, err
	}
	var rows []profileRow
	if err := db.Where("user_id IN ?", ids).Find(&rows).Error; err != nil {
		return 0, err
	}
	profiles := make(map[int64]profileRow, len(rows))
	for _, p := range rows {
		profiles[p.UserID] = p
	}
	if c.Groups != nil {
		known := make([]int64, len(users))
		for i, u := range users {
			known[i] = u.ID
		}
		if err := s.joinIn(db, known, *c.Groups, actor); err != nil {
			return 0, err
		}
	}
	log := s.lines(db, actor)
	for _, u := range users {
		p, known := profiles[u.ID]
		if !known {
			p = profileRow{UserID: u.ID, Level: models.LevelUser}
		}
		before := facts(u, p)
		if was := blocked[u.ID]; c.Blocked != nil {
			before.Blocked = &was
		}
		if c.Currency != nil {
			before.Currency = u.Currency
			if err := s.changeCurrency(db, u, *c.Currency); err != nil {
				return 0, err
			}
		}
		if was := limits[u.ID]; c.CreditLimit != nil {
			before.CreditLimit = &was
		}
		if c.LowBalance != nil {
			before.LowBalance = amountText(warned[u.ID])
		}
		if err := s.changeUser(db, u.ID, c); err != nil {
			return 0, err
		}
		if err := s.provisionChange(db, u, c); err != nil {
			return 0, err
		}
		if inProfile(c) {
			if err := changeProfile(db, &p, known, c); err != nil {
				return 0, err
			}
		}
		after := changedFacts(before, c)
		if err := s.leaveNames(db, u.ID, before, after); err != nil {
			return 0, err
		}
		if c.Groups != nil && after == before {
			continue // joinIn has said it all
		}
		log.add("user.change", before.Username, before, after)
	}
	if err := log.write(db); err != nil || c.Blocked == nil && c.CreditLimit == nil && c.Groups == nil {
		return len(users), err
	}
	return len(users), s.moved(db, ids...)
}

// block blocks the open accounts of these users or makes them active, and returns who was blocked before. It comes before
// the users are locked: whoever moves money or deletes a user locks accounts first, too.
func (s *Store) block(db *gorm.DB, ids []int64, to bool) (before map[int64]bool, err error) {
	var accounts []accountRow
	query := "SELECT user_id, status FROM accounts" + s.dialect.useOwner + " WHERE user_id IN ?" + s.dialect.forUpdate
	if err := db.Raw(query, ids).Scan(&accounts).Error; err != nil {
		return nil, err
	}
	before = make(map[int64]bool, len(accounts))
	for _, a := range accounts {
		before[a.UserID] = before[a.UserID] || a.Status == string(models.AccountBlocked)
	}
	status := models.AccountActive
	if to {
		status = models.AccountBlocked
	}
	return before, db.Exec("UPDATE accounts"+s.dialect.useOwner+" SET status = ? WHERE user_id IN ? AND status <> ?", status, ids, models.AccountClosed).Error
}

// limitCredit gives the main accounts of these users a credit limit, and returns those before. Like block it comes before the
// users are locked. Who owes or has held more than that is billing.ErrInsufficientFunds: nobody passes his limit because it moved.
func (s *Store) limitCredit(db *gorm.DB, ids []int64, to money.Amount) (before map[int64]money.Amount, err error) {
	var accounts []struct {
		ID, UserID                 int64
		Balance, Held, CreditLimit int64
	}
	query := "SELECT id, user_id, balance, held, credit_limit FROM accounts" + s.dialect.useOwner + " WHERE user_id IN ? AND name = 'main' AND status <> ?" + s.dialect.forUpdate
	if err := db.Raw(query, ids, models.AccountClosed).Scan(&accounts).Error; err != nil {
		return nil, err
	}
	before = make(map[int64]money.Amount, len(accounts))
	for _, a := range accounts {
		before[a.UserID] = money.Amount(a.CreditLimit)
		if used := money.Amount(a.Held - a.Balance); used > to {
			return nil, billing.Refuse(billing.ErrInsufficientFunds, fmt.Sprintf("user %d owes or has held %s already, which is more than a credit limit of %s", a.UserID, used, to))
		}
		if err := db.Exec("UPDATE accounts SET credit_limit = ? WHERE id = ?", int64(to), a.ID).Error; err != nil {
			return nil, err
		}
	}
	return before, nil
}

// warnBelow lets the balances of these users' main accounts be told below an amount, or as the settings say, and returns the amounts
// before. Like block it comes before the users are locked.
func (s *Store) warnBelow(db *gorm.DB, ids []int64, to *money.Amount) (before map[int64]*money.Amount, err error) {
	var accounts []struct {
		UserID int64
		Warn   *money.Amount
	}
	of := s.dialect.useOwner + " WHERE user_id IN ? AND name = 'main' AND status <> ?"
	if err := db.Raw("SELECT user_id, warn FROM accounts"+of+s.dialect.forUpdate, ids, models.AccountClosed).Scan(&accounts).Error; err != nil {
		return nil, err
	}
	before = make(map[int64]*money.Amount, len(accounts))
	for _, a := range accounts {
		before[a.UserID] = a.Warn
	}
	var warn any
	if to != nil {
		warn = int64(*to)
	}
	return before, db.Exec("UPDATE accounts"+s.dialect.useOwner+" SET warn = ? WHERE user_id IN ? AND name = 'main' AND status <> ?", warn, ids, models.AccountClosed).Error
}

func amountText(a *money.Amount) *string {
	text := ""
	if a != nil {
		text = a.String()
	}
	return &text
}

// lockAccounts keeps everybody else from these users' money until the transaction ends. It comes before the users are locked, as in
// block.
func (s *Store) lockAccounts(db *gorm.DB, users []int64) error {
	var ids []int64
	return db.Raw("SELECT id FROM accounts"+s.dialect.useOwner+" WHERE user_id IN ?"+s.dialect.forUpdate, users).Scan(&ids).Error
}

// changeCurrency makes a user's money another. His old account is closed and stays in the books; if he comes back to its
// currency it is opened again. He must have nothing and owe nothing, and no call in progress, else it is models.ErrConflict: what
// is learned later of a call is charged in the currency of that call, of which he has nothing then. His own rate deck is
// taken away when it is in another currency. His accounts must be locked.
func (s *Store) changeCurrency(db *gorm.DB, u userRow, to string) error {
	if u.Currency == to {
		return nil
	}
	for _, reason := range []struct{ query, words string }{
		{"SELECT EXISTS (SELECT 1 FROM calls WHERE state = 'open' AND user_id = ?)", "a call is in progress"},
		{"SELECT EXISTS (SELECT 1 FROM accounts WHERE user_id = ? AND balance <> 0)", "the balance is not 0, with all promotional credit; take what is left, or have paid what is owed"},
		{"SELECT EXISTS (SELECT 1 FROM accounts WHERE user_id = ? AND credit_limit <> 0)", "there is a credit limit; make it 0 first"},
		{"SELECT EXISTS (SELECT 1 FROM members WHERE user_id = ?)", "refills of a group are in each member's currency; take the user out of all groups first"},
	} {
		var found int64
		if err := db.Raw(reason.query, u.ID).Row().Scan(&found); err != nil {
			return err
		}
		if found != 0 {
			return billing.Refuse(models.ErrConflict, fmt.Sprintf("the currency of %s stays %s: %s", u.Username, u.Currency, reason.words))
		}
	}
	if err := s.openHouse(db, to); err != nil {
		return err
	}
	var status string
	err := db.Raw("SELECT status FROM accounts WHERE user_id = ? AND name = ? AND currency = ?", u.ID, models.MainAccount, u.Currency).Row().Scan(&status)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{"UPDATE accounts SET status = ? WHERE user_id = ?", []any{models.AccountClosed, u.ID}},
		{s.dialect.insertIgnore + " INTO accounts (user_id, name, currency) VALUES (?, ?, ?)", []any{u.ID, models.MainAccount, to}},
		{"UPDATE accounts SET status = ? WHERE user_id = ? AND currency = ?", []any{status, u.ID, to}},
		{"UPDATE users SET currency = ?, deck_id = COALESCE((SELECT d.id FROM decks d WHERE d.id = users.deck_id AND d.currency = ?), 0) WHERE id = ?", []any{to, to, u.ID}},
	} {
		if err := db.Exec(step.statement, step.args...).Error; err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) changeUser(db *gorm.DB, id int64, c models.UserChange) error {
	set := map[string]any{}
	if c.Username != nil {
		set["username"] = *c.Username
	}
	if c.PasswordHash != nil {
		set["password_hash"], set["epoch"] = *c.PasswordHash, gorm.Expr("epoch + 1")
	}
	if c.CLID != nil {
		set["clid"] = *c.CLID
	}
	if c.IMSI != nil {
		set["imsi"] = *c.IMSI
	}
	if c.Admin != nil {
		set["admin"] = *c.Admin
	}
	if len(set) == 0 {
		return nil
	}
	return db.Model(&userRow{}).Where("id = ? AND deleted_at IS NULL", id).Updates(set).Error
}

// inProfile reports whether a change is one of the profile too.
func inProfile(c models.UserChange) bool {
	return c.Name != nil || c.Level != nil || c.AccountID != nil || c.Address != nil || c.CPF != nil
}

func changeProfile(db *gorm.DB, p *profileRow, known bool, c models.UserChange) error {
	if c.Name != nil {
		p.Name = *c.Name
	}
	if c.Level != nil && *c.Level != models.LevelAdmin {
		p.Level = *c.Level
	}
	if c.AccountID != nil {
		p.AccountID = *c.AccountID
	}
	set(&p.Address, c.Address)
	set(&p.CPF, c.CPF)
	if known {
		return db.Save(p).Error
	}
	return db.Create(p).Error
}

func facts(u userRow, p profileRow) userFacts {
	f := userFacts{
		Username: u.Username, CLID: u.CLID, IMSI: u.IMSI, Admin: u.Admin, Name: p.Name, Level: p.Level, AccountID: p.AccountID,
		Address: p.Address, CPF: p.CPF,
	}
	if u.Admin {
		f.Level = models.LevelAdmin
	}
	return f
}

// changedFacts is what f becomes.
func changedFacts(f userFacts, c models.UserChange) userFacts {
	set(&f.Username, c.Username)
	set(&f.CLID, c.CLID)
	set(&f.IMSI, c.IMSI)
	set(&f.Admin, c.Admin)
	set(&f.Name, c.Name)
	set(&f.Level, c.Level)
	set(&f.AccountID, c.AccountID)
	set(&f.Address, c.Address)
	set(&f.CPF, c.CPF)
	f.Blocked, f.CreditLimit = c.Blocked, c.CreditLimit
	if c.LowBalance != nil {
		f.LowBalance = amountText(*c.LowBalance)
	}
	set(&f.Currency, c.Currency)
	if c.PasswordHash != nil {
		f.Password = "changed"
	}
	return f
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// adminLeft refuses a transaction that leaves nobody to administrate. Two at once must not each count on the other's
// administrator: both need the row of the counter first.
func adminLeft(db *gorm.DB) error {
	if err := countUsers(db, 0); err != nil {
		return err
	}
	var n int64
	err := db.Raw("SELECT COUNT(*) FROM (SELECT 1 FROM users WHERE admin AND deleted_at IS NULL LIMIT 1) left_over").Row().Scan(&n)
	if err == nil && n == 0 {
		return models.ErrLastAdmin
	}
	return err
}

// NewUserWithProfile makes a user as AddUser does, with what else is known of him, all or nothing.
func (s *Store) NewUserWithProfile(ctx context.Context, u models.NewUser, c models.UserChange, actor string) (models.UserDetail, error) {
	var id int64
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		if err := s.importChunk(ctx, db, actor, []models.NewUser{u}); err != nil {
			return err
		}
		var made userRow
		if err := db.Select("id").Where("username = ?", u.Username).Take(&made).Error; err != nil {
			return err
		}
		id = made.ID
		p := profileRow{UserID: id, Level: models.LevelUser}
		if inProfile(c) {
			if err := changeProfile(db, &p, false, c); err != nil {
				return err
			}
		}
		made = userRow{Username: u.Username, CLID: optional(u.CLID), IMSI: optional(u.IMSI), Admin: u.Admin}
		added := facts(made, p)
		if u.Currency != models.SEC {
			added.Currency = u.Currency
		}
		if err := s.logIn(db, actor, "user.add", u.Username, nil, added); err != nil {
			return err
		}
		if c.Groups != nil {
			if err := s.joinIn(db, []int64{id}, *c.Groups, actor); err != nil {
				return err
			}
		}
		return countUsers(db, 1)
	})
	if err != nil {
		return models.UserDetail{}, conflictWords(err)
	}
	return s.UserDetailByID(ctx, id)
}

// idle is models.ErrHoldIsOpen while a user has a call in progress, even one that holds nothing because it costs nothing.
// His accounts must be locked: then no new one begins.
func idle(db *gorm.DB, userID int64) error {
	var id int64
	err := db.Raw("SELECT id FROM calls WHERE state = 'open' AND user_id = ? LIMIT 1", userID).Scan(&id).Error
	if err == nil && id != 0 {
		err = billing.Refuse(models.ErrHoldIsOpen, "the user has a call in progress")
	}
	return err
}

// DeleteUser closes a user's accounts and frees his names; his ledger and his calls stay. It returns what he had, which goes
// to the house. While a call of his is in progress it is models.ErrHoldIsOpen, and models.ErrLastAdmin for the last
// administrator.
func (s *Store) DeleteUser(ctx context.Context, id int64, actor string) (had money.Amount, err error) {
	err = s.inTransaction(ctx, func(db *gorm.DB) error {
		tx := txn{store: s, conn: db.Statement.ConnPool, dialect: s.dialect}
		st, err := tx.load(ctx, billing.Keys{Users: []int64{id}}, false)
		if err != nil {
			return err
		}
		var user userRow
		if err := db.Where("id = ? AND deleted_at IS NULL", id).Take(&user).Error; err != nil {
			return err
		}
		profile := profileRow{Level: models.LevelUser}
		if err := db.Where("user_id = ?", id).Limit(1).Find(&profile).Error; err != nil {
			return err
		}
		if err := idle(db, id); err != nil {
			return err
		}
		had = 0
		for _, a := range st.Accounts[id] {
			had += a.Balance
		}
		if err := billing.DecideClose(st, id, actor, s.now()); err != nil {
			return err
		}
		if err := tx.write(ctx, st); err != nil {
			return err
		}
		for _, statement := range []string{
			"UPDATE accounts SET status = 'closed', credit_limit = 0 WHERE user_id = ?",
			"DELETE FROM profiles WHERE user_id = ?",
			"DELETE FROM members WHERE user_id = ?",
		} {
			if err := db.Exec(statement, id).Error; err != nil {
				return err
			}
		}
		// A name with a slash is nobody's: the old one is free for somebody else.
		err = db.Exec("UPDATE users SET username = ?, clid = NULL, imsi = NULL, password_hash = '', admin = FALSE, epoch = epoch + 1,"+
			" deleted_at = ? WHERE id = ?", fmt.Sprintf("deleted/%d", id), stamp(s.now()), id).Error
		if err != nil {
			return err
		}
		if user.IMSI != nil {
			if err := s.provision(db, id, user.IMSI, nil, nil); err != nil {
				return err
			}
		}
		// Not before: whoever gives him some now waits for his row.
		if err := db.Exec("DELETE FROM grants WHERE user_id = ?", id).Error; err != nil {
			return err
		}
		if user.Admin {
			if err := adminLeft(db); err != nil {
				return err
			}
		}
		was := facts(user, profile)
		if err := s.leaveNames(db, id, was, userFacts{}); err != nil {
			return err
		}
		was.Balance = had
		if err := s.logIn(db, actor, "user.delete", user.Username, was, nil); err != nil {
			return err
		}
		return countUsers(db, -1)
	})
	var refusal *billing.Refusal
	if errors.As(err, &refusal) || errors.Is(err, models.ErrLastAdmin) {
		return 0, err
	}
	return had, translate(err)
}
