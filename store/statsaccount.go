package store

import (
	"context"
	"database/sql"
	"math"
	"slices"

	"talktime/models"
	"talktime/stats"
)

// AccountOwner is who an account is, by account_id or id; models.ErrNotFound when it is nobody.
func (s *Store) AccountOwner(ctx context.Context, account string) (models.Owner, error) {
	o, err := accountNamed(s.read.WithContext(ctx), account)
	return o, translate(err)
}

// StatisticsAccount is whose calls the account of a token or a path is: of a user or a group, by account_id or id. models.ErrNotFound
// when it is nobody.
func (s *Store) StatisticsAccount(ctx context.Context, id string) (stats.Account, error) {
	var a stats.Account
	o, err := accountNamed(s.read.WithContext(ctx), id)
	if err != nil {
		return a, translate(err)
	}
	var codes []string // names that may be a clid too, which goes before
	if o.Group != 0 {
		if err := s.each(ctx, "SELECT account_id FROM user_groups WHERE id = ? AND account_id IS NOT NULL", []any{o.Group}, func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			a.Names, codes = append(a.Names, name), append(codes, name)
			return err
		}); err != nil {
			return a, err
		}
	}
	ofGroup := len(a.Names)
	err = s.each(ctx, "SELECT u.id, COALESCE(u.clid, ''), COALESCE(p.account_id, '') FROM users u LEFT JOIN profiles p ON p.user_id = u.id"+
		" WHERE "+ownedBy("u.id", o)+" AND u.deleted_at IS NULL ORDER BY u.id", nil, func(rows *sql.Rows) error {
		var user int64
		var clid, account string
		err := rows.Scan(&user, &clid, &account)
		a.Users = append(a.Users, user)
		if clid != "" {
			a.Names = append(a.Names, clid)
		}
		if account != "" && account != clid {
			a.Names, codes = append(a.Names, account), append(codes, account)
		}
		return err
	})
	if err != nil {
		return a, err
	}
	others, err := s.othersNames(ctx, a.Users, codes, codes[:ofGroup])
	if err != nil {
		return a, err
	}
	a.Names = slices.DeleteFunc(a.Names, func(name string) bool { return others[name] })
	former := make(map[string]formerName)
	if err := eachOf(ctx, s, ofFormerNames+" WHERE name IN (%s)", a.Names, formerNames(former)); err != nil {
		return a, err
	}
	for name, f := range former {
		if _, his := slices.BinarySearch(a.Users, f.user); !his {
			if a.Since == nil {
				a.Since = make(map[string]int64)
			}
			a.Since[name] = f.until
		}
	}
	users := a.Users
	a.Others = func(ctx context.Context, name string) (int64, error) { return s.othersUntil(ctx, o, users, name) }
	return a, nil
}

// othersNames says which of some account ids are clids of other users, and which of a group's are account ids of theirs: a row of a
// CDR table by such a name is not the account's.
func (s *Store) othersNames(ctx context.Context, users []int64, codes, ofGroup []string) (map[string]bool, error) {
	others := make(map[string]bool)
	note := func(rows *sql.Rows) error {
		var name string
		var user int64
		err := rows.Scan(&name, &user)
		if _, his := slices.BinarySearch(users, user); !his {
			others[name] = true
		}
		return err
	}
	maybe := slices.DeleteFunc(slices.Clone(codes), func(name string) bool { return !ascii7([]byte(name)) }) // clids are ASCII
	if err := eachOf(ctx, s, "SELECT clid, id FROM users WHERE clid IN (%s) AND deleted_at IS NULL", maybe, note); err != nil {
		return nil, err
	}
	return others, eachOf(ctx, s, "SELECT account_id, user_id FROM profiles WHERE account_id IN (%s)", ofGroup, note)
}

// othersUntil is when the last call began, in Unix seconds and not included, that is somebody else's of ours by a name which is none of
// an account's. A group whose member a user is takes nothing from him.
func (s *Store) othersUntil(ctx context.Context, o models.Owner, users []int64, name string) (int64, error) {
	until := int64(0)
	query, args := "SELECT account_id FROM profiles WHERE account_id = ? UNION ALL SELECT g.account_id FROM user_groups g WHERE g.account_id = ?"+
		" AND NOT EXISTS (SELECT 1 FROM members m WHERE m.group_id = g.id AND m.user_id = ?)", []any{name, name, o.User}
	if ascii7([]byte(name)) {
		query, args = query+" UNION ALL SELECT clid FROM users WHERE clid = ? AND deleted_at IS NULL", append(args, name)
	}
	err := s.each(ctx, query, args, func(rows *sql.Rows) error {
		var found string
		err := rows.Scan(&found)
		if found == name { // MySQL does not look at blanks behind a name
			until = math.MaxInt64
		}
		return err
	})
	if err != nil || until != 0 {
		return until, err
	}
	former := make(map[string]formerName)
	err = s.each(ctx, ofFormerNames+" WHERE name = ?", []any{name}, formerNames(former))
	f := former[name]
	if _, his := slices.BinarySearch(users, f.user); his {
		f.until = 0
	}
	return f.until, err
}
