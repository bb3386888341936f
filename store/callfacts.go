package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"talktime/models"
	"talktime/money"
	"talktime/stats"
)

// endedCalls is the condition for calls of which statistics are made: those that were permitted and are over. Emergency calls are
// not: nobody learns what became of them.
const endedCalls = "c.state IN ('settled', 'released', 'unreconciled')"

// factsColumns are what statistics need of a call. A re-rating changes what it cost, beside its charge.
const factsColumns = `c.id, c.call_id, CAST(c.authorized_at AS CHAR), CAST(c.due_at AS CHAR), CAST(c.ended_at AS CHAR), c.settled_by, c.user_id, c.callee_id,
	c.number, c.rate, c.carrier_id, c.state, c.status, c.cause, c.seconds, c.pdd_ms, c.buy_cost, CASE WHEN c.buy_cost <> 0 THEN c.routing END,
	COALESCE((SELECT r.charge_after FROM rerated_calls r WHERE r.call_key = c.id AND r.tx_id <> 0 ORDER BY r.rerate_id DESC LIMIT 1), c.charge)`

// factsWindow is of how much time the ids are that one statement looks at.
const factsWindow = 24 * time.Hour

// EachCall implements stats.Calls. It reads by the connections of searches, each statement within their time.
func (s *Store) EachCall(ctx context.Context, from, to time.Time, account *stats.Account, each func(*stats.Call) error) error {
	if account == nil {
		return s.factsOf(ctx, from, to, nil, each)
	}
	return chunks(s.dialect.maxParams/2, account.Users, func(users []int64) error { return s.factsOf(ctx, from, to, users, each) })
}

// factsOf reads the calls of some users; of everybody for none. No index has the time at which calls began: it goes by their ids,
// which grow with it, and by the CallIDs of records that were written by hand, whenever that was.
func (s *Store) factsOf(ctx context.Context, from, to time.Time, users []int64, each func(*stats.Call) error) error {
	index, owner := "PRIMARY", ""
	if users != nil {
		index, owner = "calls_user", " AND c.user_id IN ("+marks(len(users))+")"
	}
	read := func(index, condition string, args ...any) error {
		query := "SELECT " + factsColumns + " FROM calls c" + s.force(index) + " WHERE " + condition + " AND c.authorized_at >= ? AND c.authorized_at < ? AND " + endedCalls + owner + " ORDER BY c.id"
		return s.streamFacts(ctx, query, concat(args, []any{stamp(from), stamp(to)}, anys(users)), each)
	}
	const hand, handEnd = byHand + "/", byHand + "0" // 0 comes behind /
	if err := read("calls_call_id", "c.call_id >= ? AND c.call_id < ? AND c.settled_by = '"+byHand+"'", hand, handEnd); err != nil {
		return err
	}
	least, most := idAt(from.Add(-longestChannel)), idAt(to.Add(clocksDiffer))
	first, err := s.number(ctx, "SELECT COALESCE(MIN(id), 0) FROM calls WHERE id >= ? AND id < ?", least, most)
	if err != nil || first == 0 {
		return err
	}
	last, err := s.number(ctx, "SELECT COALESCE(MAX(id), 0) FROM calls WHERE id >= ? AND id < ?", least, most)
	window, began := idAt(idEpoch.Add(factsWindow)), idAt(from.Add(-clocksDiffer))
	for id := first; err == nil && id <= last; id += window {
		// A call that was redirected began, as we tell it, with its last leg, long after the time in its id.
		err = read(index, "c.id >= ? AND c.id < ? AND (c.id >= ? OR c.legs IS NOT NULL) AND c.settled_by <> '"+byHand+"'", id, min(id+window, last+1), began)
	}
	return err
}

// force leads a server along an index. SQLite finds it by itself.
func (s *Store) force(index string) string {
	if s.dialect.name == sqliteDialect.name {
		return ""
	}
	return " FORCE INDEX (" + index + ")"
}

func (s *Store) streamFacts(ctx context.Context, query string, args []any, each func(*stats.Call) error) error {
	clock := stats.NewClock(s.location)
	err := s.streamSearch(ctx, query, args, func(v []driver.Value) error { return each(factsRow(v, clock)) })
	var stopped stopError
	switch {
	case errors.As(err, &stopped):
		return stopped.error
	case isTimeout(err):
		return models.ErrSlowSearch
	}
	return translate(err)
}

// factsRouting is what of a call's routing tells in which currency its carrier asks.
type factsRouting struct {
	At       int `json:"at"`
	Attempts []struct {
		Buy struct {
			Currency string `json:"currency"`
		} `json:"buy"`
	} `json:"attempts"`
}

// factsRow reads the values of factsColumns. What cannot be read of a rate or a route is left out: a call is one all the same.
func factsRow(v []driver.Value, clock *stats.Clock) *stats.Call {
	text := func(v driver.Value) string { return string(valueText(v, new([]byte))) }
	began, due, ended := text(v[2]), text(v[3]), text(v[4])
	c := &stats.Call{
		ID: numberOf(v[0]), CallID: text(v[1]), Start: unixOf(began), User: numberOf(v[6]), Callee: numberOf(v[7]), Number: text(v[8]), Carrier: numberOf(v[10]),
		Answered: text(v[11]) == string(models.CallSettled), Status: text(v[12]), Cause: int(numberOf(v[13])), Seconds: secondsOf(v[14]), PDD: -1,
		Cost: money.Amount(numberOf(v[16])), Charge: money.Amount(numberOf(v[18])),
	}
	c.Wall = clock.Wall(c.Start)
	if ms, known := v[15].(int64); known {
		c.PDD = ms
	}
	c.Duration = callLength(c.Seconds, began, due, ended, []byte(text(v[5])))
	if r, err := rates.get(text(v[9])); err == nil {
		c.Currency, c.Prefix, c.Label = r.Currency, r.Prefix, r.Name
	}
	var r factsRouting
	if routing := valueText(v[17], new([]byte)); len(routing) > 0 && json.Unmarshal(routing, &r) == nil && r.At >= 0 && r.At < len(r.Attempts) {
		c.CostIn = r.Attempts[r.At].Buy.Currency
	}
	return c
}

func concat(lists ...[]any) []any {
	var all []any
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// CallIDs tells between which ids, the first included, the calls are that began between two moments of a time, so that whoever looks for
// them need not look at all there are. It is nil when some of that time were written by hand, whose ids are of when that was.
func (s *Store) CallIDs(ctx context.Context, from, to time.Time) (func(from, to time.Time) (least, most int64), error) {
	written, err := s.number(ctx, "SELECT EXISTS (SELECT 1 FROM calls WHERE call_id >= ? AND call_id < ? AND authorized_at >= ? AND authorized_at < ?)",
		byHand+"/", byHand+"0", stamp(from), stamp(to))
	if err != nil || written != 0 {
		return nil, err
	}
	return func(from, to time.Time) (least, most int64) {
		return idAt(from.Add(-longestChannel)), idAt(to.Add(clocksDiffer))
	}, nil
}

// MembersOf returns the users that an owner is, or has as members now, ascending.
func (s *Store) MembersOf(ctx context.Context, o models.Owner) ([]int64, error) {
	if o.Group == 0 {
		return []int64{o.User}, nil
	}
	return s.numbers(ctx, "SELECT user_id FROM members WHERE group_id = ? ORDER BY user_id", o.Group)
}

// GroupsOfUsers returns the groups of everybody who is in one now.
func (s *Store) GroupsOfUsers(ctx context.Context) (map[int64][]int64, error) {
	groups := make(map[int64][]int64)
	err := s.each(ctx, "SELECT user_id, group_id FROM members ORDER BY user_id, group_id", nil, func(rows *sql.Rows) error {
		var user, group int64
		err := rows.Scan(&user, &group)
		groups[user] = append(groups[user], group)
		return err
	})
	return groups, err
}

// NamesOf returns the names that users, groups or carriers with these ids have now; of is one of these words.
func (s *Store) NamesOf(ctx context.Context, of string, ids []int64) (map[int64]string, error) {
	query, ok := map[string]string{
		"users":    "SELECT id, username FROM users WHERE deleted_at IS NULL AND id IN (%s)",
		"groups":   "SELECT id, name FROM user_groups WHERE id IN (%s)",
		"carriers": "SELECT id, name FROM carriers WHERE id IN (%s)",
	}[of]
	if !ok {
		return nil, fmt.Errorf("%w: there are no names of %q", models.ErrInvalid, of)
	}
	names := make(map[int64]string, len(ids))
	err := eachOf(ctx, s, query, ids, func(rows *sql.Rows) error {
		var id int64
		var name string
		err := rows.Scan(&id, &name)
		names[id] = name
		return err
	})
	return names, err
}

// callCountry is the calling code of the number of a call, as stats finds it: the longest one that it begins with, behind a + or else
// the longest prefix that stands before international numbers here; NULL for none.
func (s *Store) callCountry() string {
	number := "CASE WHEN SUBSTR(c.number, 1, 1) = '+' THEN SUBSTR(c.number, 2)"
	for _, prefix := range slices.SortedStableFunc(slices.Values(s.accessPrefixes), func(a, b string) int { return len(b) - len(a) }) {
		number += fmt.Sprintf(" WHEN SUBSTR(c.number, 1, %d) = '%s' THEN SUBSTR(c.number, %d)", len(prefix), prefix, len(prefix)+1)
	}
	number += " ELSE c.number END"
	byLength := make(map[int][]string) // of the negative length, so that the longest come first
	for _, code := range slices.Sorted(maps.Keys(stats.BuiltInCodes())) {
		byLength[-len(code)] = append(byLength[-len(code)], "'"+code+"'")
	}
	var b strings.Builder
	b.WriteString("CASE")
	for _, length := range sortedKeys(byLength) {
		prefix := fmt.Sprintf("SUBSTR(%s, 1, %d)", number, -length)
		fmt.Fprintf(&b, " WHEN %s IN (%s) THEN %s", prefix, strings.Join(byLength[length], ","), prefix)
	}
	return "(" + b.String() + " END)"
}

// accessPrefix is what may stand before international numbers; it goes into SQL as it is.
func accessPrefix(text string) bool { return text != "" && strings.Trim(text, "0123456789*#") == "" }
