package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"talktime/filter"
	"talktime/models"
	"talktime/money"
)

// search reads the query of a request.
func (s *Store) search(l listing, r models.ListRequest) (search, error) {
	if r.Query == "" {
		return search{}, nil
	}
	q, err := filter.Parse(r.Query, s.searchable(l, r), filter.Options{
		Now: s.now(), Location: r.Location, Stamp: func(t time.Time) any { return stamp(t) }, Glob: s.dialect.name == sqliteDialect.name,
	})
	switch {
	case errors.Is(err, filter.ErrText):
		return search{}, fmt.Errorf("%w: %w", models.ErrQueryText, err)
	case err != nil:
		return search{}, fmt.Errorf("%w: %w", models.ErrQuery, err)
	}
	found := search{where: q.Where, args: q.Args, order: q.Order, group: q.Group, limit: q.Limit, offset: q.Offset, single: q.Single}
	for _, name := range []string{"usersId", "userId", "user_id"} {
		if owner, ok := q.Equal[name].(int64); ok {
			found.owner = owner
		}
	}
	if found.order != "" {
		found.order += ", " + l.key
	}
	return found, nil
}

// badComparison reports whether the server cannot compare a text with a column of digits and letters.
func badComparison(err error) bool {
	const mixOfCollations, noConversion = 1267, 3988
	my, _ := code(err)
	return my == mixOfCollations || my == noConversion
}

// searchable says what of a list can be searched: of those related to its rows only what is an owner's, unless that is
// nobody. Passwords are not among it.
func (s *Store) searchable(l listing, r models.ListRequest) *filter.Table {
	switch l.name {
	case usersListing.name:
		if r.NoRead {
			return s.unreadUserFields()
		}
		return s.userFields(r.Only)
	case cdrListing.name:
		if r.NoRead {
			return narrow(s.cdrFields(r.Only), "id_", "username", "clid", "imsi", "admin")
		}
		return s.cdrFields(r.Only)
	case callsListing.name, holdsListing.name:
		return s.callFields(r.Only)
	case refusalsListing.name:
		return refusalFields()
	case entriesListing.name:
		return s.entryFields()
	case ledgerListing.name:
		return ledgerFields()
	case groupsListing.name:
		return s.groupFields()
	case tokensListing.name:
		return &filter.Table{Fields: map[string]filter.Field{
			"id": whole("k.id"), "name": text("k.name"), "account": text("k.account"), "created_at": instant("k.created_at"), "expires_at": instant("k.expires_at"),
		}}
	case noticesListing.name:
		return noticeFields()
	case auditListing.name:
		return &filter.Table{Fields: map[string]filter.Field{
			"id": whole("l.id"), "at": instant("l.at"), "actor": text("l.actor"), "action": text("l.action"), "target": text("l.target"),
		}}
	}
	return &filter.Table{}
}

func text(sql string) filter.Field    { return filter.Field{SQL: sql, Kind: filter.Text} }
func whole(sql string) filter.Field   { return filter.Field{SQL: sql, Kind: filter.Int} }
func truth(sql string) filter.Field   { return filter.Field{SQL: sql, Kind: filter.Bool} }
func instant(sql string) filter.Field { return filter.Field{SQL: sql, Kind: filter.Time} }

// amount is a field of millionths, compared with decimal numbers.
func amount(sql string) filter.Field {
	return filter.Field{SQL: sql, Kind: filter.Other, Convert: func(v any) (any, error) {
		var decimal string
		switch v := v.(type) {
		case string:
			decimal = v
		case json.Number:
			decimal = v.String()
		}
		a, err := money.Parse(decimal)
		return int64(a), err
	}}
}

// units are the whole units of an expression in millionths.
func (s *Store) units(sql string) filter.Field {
	if s.dialect.name == sqliteDialect.name {
		return whole("((" + sql + ") / 1000000)")
	}
	return whole("((" + sql + ") DIV 1000000)")
}

func (s *Store) plainUserFields() *filter.Table {
	sum := func(what string) string {
		return "(SELECT COALESCE(SUM(" + what + "), 0) FROM accounts ua WHERE ua.user_id = u.id)"
	}
	profile := func(column string) string { return "(SELECT p." + column + " FROM profiles p WHERE p.user_id = u.id)" }
	return &filter.Table{Fields: map[string]filter.Field{
		"id_": whole("u.id"), "username": text("u.username"), "clid": text("u.clid"), "imsi": text("u.imsi"), "admin": truth("u.admin"),
		"currency": text("u.currency"), "BallanceUser": s.units(sum("ua.balance")), "balance": amount(sum("ua.balance")), "held": amount(sum("ua.held")),
		"available": amount(sum("CASE WHEN " + s.expired("ua") + " THEN 0 ELSE ua.balance - ua.held + ua.credit_limit END")), "name": text("COALESCE(" + profile("name") + ", '')"),
		"level":      whole("CASE WHEN u.admin THEN 0 ELSE COALESCE(" + profile("level") + ", 1) END"),
		"account_id": text(profile("account_id")), "address": text("COALESCE(" + profile("address") + ", '')"),
		"cpf": text("COALESCE(" + profile("cpf") + ", '')"), "voice_balance": s.units(sum("ua.balance")),
	}}
}

func (s *Store) plainCDRFields() *filter.Table {
	answer := "DATE_SUB(COALESCE(c.ended_at, c.authorized_at), INTERVAL c.seconds SECOND)"
	if s.dialect.name == sqliteDialect.name {
		answer = "strftime('%Y-%m-%d %H:%M:%f000', COALESCE(c.ended_at, c.authorized_at), '-' || c.seconds || ' seconds')"
	}
	return &filter.Table{Fields: map[string]filter.Field{
		"id_": whole("c.id"), "answer": instant(answer), "billsec": whole("c.seconds"),
		"from_user_id": whole("c.user_id"), "to_user_id": {SQL: "NULLIF(c.callee_id, 0)", Kind: filter.Int, Column: "c.callee_id"},
	}}
}

func plainGroupFields() *filter.Table {
	return &filter.Table{Fields: map[string]filter.Field{
		"id_": whole("g.id"), "name": text("g.name"), "value": amount(fmt.Sprintf("COALESCE(g.value, %d)", models.DefaultRefill)), "mode": text("g.mode"), "account_id": text("g.account_id"),
	}}
}

func (s *Store) groupFields() *filter.Table {
	groups := plainGroupFields()
	dates := &filter.Table{Fields: map[string]filter.Field{"id_": whole("d.id"), "group_id": whole("d.group_id"), "date": day("d.day")}}
	groups.Relations = map[string]filter.Relation{
		"tunel": {
			Many: true, Table: s.plainUserFields(), From: "members m JOIN users u ON u.id = m.user_id",
			On: "m.group_id = g.id AND u.deleted_at IS NULL",
		},
		"dates_to_update": {Many: true, Table: dates, From: "refill_dates d", On: "d.group_id = g.id AND d.done_at IS NULL"},
	}
	return groups
}

// day is a field of days, compared with dates whose time of day counts for nothing.
func day(sql string) filter.Field {
	return filter.Field{SQL: sql, Kind: filter.Other, Convert: func(v any) (any, error) {
		date, _ := v.(string)
		date, _, _ = strings.Cut(date, "T")
		_, err := time.Parse(time.DateOnly, date)
		return date, err
	}}
}

// andOwned goes behind another condition; it is empty where everybody's rows may be looked at.
func andOwned(column string, only models.Owner) string {
	if only == (models.Owner{}) {
		return ""
	}
	return " AND " + ownedBy(column, only)
}

func (s *Store) userFields(only models.Owner) *filter.Table {
	users, calls := s.plainUserFields(), s.plainCDRFields()
	users.Relations = map[string]filter.Relation{
		"tunel": {Many: true, Table: plainGroupFields(), From: "members m JOIN user_groups g ON g.id = m.group_id", On: "m.user_id = u.id"},

		"originated_calls": {Many: true, Table: calls, From: "calls c", On: "c.user_id = u.id AND c.state = 'settled'"},
		"received_calls":   {Many: true, Table: calls, From: "calls c", On: "c.callee_id = u.id AND c.state = 'settled'" + andOwned("c.user_id", only)},
	}
	return users
}

// unreadUserFields are those that say nothing of what users have and whom they call.
func (s *Store) unreadUserFields() *filter.Table {
	users := s.userFields(models.Owner{})
	for _, name := range []string{"BallanceUser", "balance", "held", "available", "voice_balance"} {
		delete(users.Fields, name)
	}
	users.Relations = map[string]filter.Relation{"tunel": users.Relations["tunel"]}
	return users
}

// narrow leaves of the related rows of a table none but these fields.
func narrow(t *filter.Table, fields ...string) *filter.Table {
	for _, relation := range t.Relations {
		maps.DeleteFunc(relation.Table.Fields, func(name string, _ filter.Field) bool { return !slices.Contains(fields, name) })
	}
	return t
}

func (s *Store) cdrFields(only models.Owner) *filter.Table {
	calls, users := s.plainCDRFields(), s.plainUserFields()
	calls.Relations = map[string]filter.Relation{
		"from_user": {Table: users, From: "users u", On: "u.id = c.user_id AND u.deleted_at IS NULL"},
		"to_user":   {Table: users, From: "users u", On: "u.id = c.callee_id AND u.deleted_at IS NULL" + andOwned("u.id", only)},
	}
	return calls
}

// callFields are those of calls. What carriers ask, and who they are, is for nobody who is shown one account's calls only.
func (s *Store) callFields(only models.Owner) *filter.Table {
	t := &filter.Table{Fields: map[string]filter.Field{
		"id": whole("c.id"), "call_id": text("c.call_id"), "state": text("c.state"), "user_id": whole("c.user_id"), "callee_id": whole("c.callee_id"),
		"caller_id": text("c.caller_id"), "number": text("c.number"), "authorized_at": instant("c.authorized_at"), "due_at": instant("c.due_at"),
		"ended_at": instant("c.ended_at"), "limit_seconds": whole("c.limit_seconds"), "seconds": whole("c.seconds"), "status": text("c.status"),
		"cause": whole("c.cause"), "charge": amount("c.charge"), "shortfall": amount("c.shortfall"), "settled_by": text("c.settled_by"),
		"unauthorized": truth("c.unauthorized"), "disputed_seconds": whole("c.disputed"), "slice_seconds": whole("c.slice_seconds"), "cut": text("c.cut"),
		"prefix": text(s.ofRate("prefix")), "destination": text(s.ofRate("name")),
		"country":    {SQL: s.callCountry(), Kind: filter.Other, Convert: callingCode},
		"carrier_id": whole("c.carrier_id"),
		"groups":     whole("(SELECT COUNT(*) FROM members gm WHERE gm.user_id = c.user_id)"),
	}}
	if only != (models.Owner{}) {
		delete(t.Fields, "carrier_id")
		delete(t.Fields, "groups")
		return t
	}
	groups := &filter.Table{Fields: map[string]filter.Field{"id_": whole("g.id"), "name": text("g.name")}}
	t.Relations = map[string]filter.Relation{
		"group": {Many: true, Table: groups, From: "members m JOIN user_groups g ON g.id = m.group_id", On: "m.user_id = c.user_id"},
	}
	return t
}

// ofRate is a text of the rate that a call was priced by, empty where that has none.
func (s *Store) ofRate(name string) string {
	value := "JSON_UNQUOTE(JSON_EXTRACT(c.rate, '$." + name + "'))"
	if s.dialect.name == sqliteDialect.name {
		value = "json_extract(c.rate, '$." + name + "')"
	}
	return "(CASE WHEN JSON_VALID(c.rate) THEN COALESCE(" + value + ", '') ELSE '' END)"
}

// callingCode is that of a country, with or without +.
func callingCode(v any) (any, error) {
	var code string
	switch v := v.(type) {
	case string:
		code = v
	case json.Number:
		code = v.String()
	}
	code = strings.TrimPrefix(code, "+")
	if code == "" || strings.Trim(code, "0123456789") != "" {
		return nil, errors.New("a calling code has digits only")
	}
	return code, nil
}

func (s *Store) entryFields() *filter.Table {
	return &filter.Table{Fields: map[string]filter.Field{
		"id_": entryID(), "usersId": whole("a.user_id"), "userId": whole("a.user_id"),
		"signal": text("CASE WHEN e.amount > 0 THEN '+' ELSE '-' END"), "type_": text("CASE WHEN e.amount > 0 THEN 'increase' ELSE 'decrease' END"),
		"value": s.units("ABS(e.amount)"), "date": instant("t.posted_at"), "currency": text("a.currency"), "amount": amount("e.amount"), "ref": text("t.ref"),
	}}
}

// entryID is sorted and found by the transaction, which is the same order.
func entryID() filter.Field {
	return filter.Field{SQL: "(e.tx_id + " + entryRank + ")", Kind: filter.Int, Column: "e.tx_id", Above: idEntries - 1}
}

func ledgerFields() *filter.Table {
	return &filter.Table{Fields: map[string]filter.Field{
		"id": entryID(), "transaction_id": whole("e.tx_id"), "user_id": whole("a.user_id"), "account_id": whole("e.account_id"), "currency": text("a.currency"),
		"amount": amount("e.amount"), "kind": text("t.kind"), "ref": text("t.ref"), "actor": text("t.actor"), "posted_at": instant("t.posted_at"),
	}}
}
