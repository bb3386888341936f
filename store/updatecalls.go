package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"talktime/billing"
	"talktime/models"
)

const callColumns = `id, call_id, user_id, callee_id, caller_id, number, state, rate, limit_seconds, holds, legs,
	authorized_at, due_at, up_before_ms, attempts, dials, notes, ended_at, seconds, talked_ms, status, cause, charge,
	shortfall, settled_by, unauthorized, disputed, routing, carrier_id, buy_cost, pdd_ms, slice_seconds, keeper, answered_ms, cut`

func (t *txn) loadCalls(ctx context.Context, st *billing.State, ids []string) error {
	if err := t.queryCalls(ctx, st, ids); err != nil {
		return err
	}
	var further []string
	for _, c := range st.Calls {
		for n := max(2, c.Attempts-maxAttempts); n <= c.Attempts; n++ {
			further = append(further, fmt.Sprintf("%s#%d", c.CallID, n))
		}
	}
	return t.queryCalls(ctx, st, further)
}

// maxAttempts bounds how many of the latest calls of a channel are loaded: late evidence may be about any of them.
const maxAttempts = 16

// queryCalls locks and reads calls. Of those that this process has made itself it reads only whether somebody has written
// to them since.
func (t *txn) queryCalls(ctx context.Context, st *billing.State, ids []string) error {
	ours, ids := t.store.opened.take(ids)
	err := chunks(t.dialect.maxParams, sortedKeys(ours), func(ids []string) error {
		query := "SELECT call_id FROM calls WHERE writes = 0 AND call_id IN (" + marks(len(ids)) + ")" + t.dialect.forUpdate
		return t.query(ctx, query, anys(ids), func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			if err == nil {
				st.Calls[id], t.loaded[id] = ours[id], true
				delete(ours, id)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	return t.queryWholeCalls(ctx, st, append(ids, sortedKeys(ours)...))
}

func (t *txn) queryWholeCalls(ctx context.Context, st *billing.State, ids []string) error {
	return chunks(t.dialect.maxParams, ids, func(ids []string) error {
		query := "SELECT " + callColumns + " FROM calls WHERE call_id IN (" + marks(len(ids)) + ")" + t.dialect.forUpdate
		return t.query(ctx, query, anys(ids), func(rows *sql.Rows) error {
			c, err := scanCall(rows)
			if err == nil {
				st.Calls[c.CallID] = c
				t.loaded[c.CallID] = true
				if isDisputed(c) {
					t.disputed[c.CallID] = true
				}
			}
			return err
		})
	})
}

// scanCall reads a row of callColumns, and into more what was selected behind them.
func scanCall(rows *sql.Rows, more ...any) (models.Call, error) {
	var c models.Call
	var rate string
	var holds, legs, notes, routing sql.NullString
	var ended sql.NullTime
	var carrier int64
	fields := []any{
		&c.ID, &c.CallID, &c.UserID, &c.CalleeID, &c.CallerID, &c.Number, &c.State, &rate, &c.Limit, &holds, &legs,
		&c.Authorized, &c.Due, &c.UpBefore, &c.Attempts, &c.Dials, &notes, &ended, &c.Seconds, &c.TalkedMS, &c.Status, &c.Cause,
		&c.Charge, &c.Shortfall, &c.SettledBy, &c.Unauthorized, &c.Disputed, &routing, &carrier, &c.BuyCost, &c.PDD,
		&c.Slice, &c.Keeper, &c.AnsweredMS, &c.Cut,
	}
	if err := rows.Scan(append(fields, more...)...); err != nil {
		return models.Call{ID: c.ID, CallID: c.CallID}, fmt.Errorf("call %s: %w", c.CallID, err)
	}
	if ended.Valid {
		c.Ended = &ended.Time
	}
	var bad error
	var err error
	if c.Rate, err = rates.get(rate); err != nil {
		bad = fmt.Errorf("call %s: %w: rate: %w", c.CallID, errUnreadable, err)
	}
	for _, column := range []struct {
		name, text string
		into       any
	}{{"holds", holds.String, &c.Holds}, {"legs", legs.String, &c.Legs}, {"notes", notes.String, &c.Notes}, {"routing", routing.String, &c.Routing}} {
		if column.text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(column.text), column.into); err != nil {
			bad = fmt.Errorf("call %s: %w: %s: %w", c.CallID, errUnreadable, column.name, err)
		}
	}
	return c, bad
}

// errUnreadable says that a column of a call is not what we write. The call comes with it, without that column.
var errUnreadable = errors.New("the database has something that cannot be read")

// writeCalls inserts new calls with what an authorisation knows, and closed or otherwise changed ones whole.
func (t *txn) writeCalls(ctx context.Context, calls map[string]models.Call) error {
	opened := t.insert("calls", "id", "call_id", "user_id", "callee_id", "caller_id", "number", "rate", "limit_seconds",
		"holds", "authorized_at", "due_at")
	routed := t.insert("calls", append(slices.Clone(opened.columns), "routing", "carrier_id")...)
	sliced := t.insert("calls", append(slices.Clone(routed.columns), "slice_seconds", "keeper")...)
	ended := t.insert("calls", "id", "state", "notes", "ended_at", "seconds", "talked_ms", "status", "cause", "charge", "settled_by", "buy_cost", "pdd_ms")
	ended.update(append(slices.Clone(ended.columns[1:]), "holds")...) // holds becomes what it would be in a new row: NULL
	// Of one that was held in slices more may have changed in the very transaction that closes it.
	cut := t.insert("calls", append(slices.Clone(ended.columns), "limit_seconds", "due_at", "slice_seconds", "keeper", "answered_ms", "cut")...)
	cut.update(append(slices.Clone(cut.columns[1:]), "holds")...)
	// Only a row that was loaded, and so is locked, may be overwritten. A new one must be refused when somebody else
	// has made it meanwhile.
	fresh := t.insert("calls", splitColumns(callColumns)...)
	whole := t.insert("calls", splitColumns(callColumns)...)
	whole.update(whole.columns[1:]...)
	disputed := 0
	var begun, over []models.Call // those that somebody extends
	for _, id := range sortedKeys(calls) {
		c := calls[id]
		switch now := isDisputed(c); {
		case now && !t.disputed[id]:
			disputed++
		case !now && t.disputed[id]:
			disputed--
		}
		switch now := isKept(c); {
		case now && !t.kept[id]:
			begun = append(begun, c)
		case !now && t.kept[id]:
			over = append(over, c)
		}
		holds, notes := jsonText(c.Holds), jsonText(c.Notes)
		switch {
		case !t.loaded[id] && c.State == models.CallOpen && c.UpBefore == 0 && c.Attempts == 1 && c.Dials == 1 && c.Ended == nil &&
			len(c.Legs) == 0 && len(c.Notes) == 0 && c.BuyCost == 0 && c.AnsweredMS == 0 && c.Cut == "":
			fields := []any{
				c.ID, c.CallID, c.UserID, c.CalleeID, truncate(c.CallerID, 80), c.Number, rateText(c.Rate), c.Limit, holds, stamp(c.Authorized), stamp(c.Due),
			}
			switch {
			case c.Keeper != 0 || c.Slice != 0:
				sliced.row(append(fields, jsonText(c.Routing), carrierOf(c), c.Slice, c.Keeper)...)
			case c.Routing.Empty():
				opened.row(fields...)
			default:
				routed.row(append(fields, jsonText(c.Routing), carrierOf(c))...)
			}
			c.CallerID, c.Authorized, c.Due = truncate(c.CallerID, 80), asStored(c.Authorized), asStored(c.Due)
			t.opened = append(t.opened, c)
		case t.loaded[id] && c.State != models.CallOpen && len(c.Holds) == 0 && len(c.Legs) == 0 && c.Disputed == 0 &&
			c.Shortfall == 0 && c.Attempts == 1 && c.Routing.At == 0 && !c.Unauthorized:
			fields := []any{
				c.ID, string(c.State), notes, stampPtr(c.Ended), c.Seconds, c.TalkedMS, ascii(c.Status, 16), c.Cause,
				int64(c.Charge), c.SettledBy, int64(c.BuyCost), c.PDD,
			}
			if c.Slice == 0 && c.Keeper == 0 && c.AnsweredMS == 0 && c.Cut == "" {
				ended.row(fields...)
			} else {
				cut.row(append(fields, c.Limit, stamp(c.Due), c.Slice, c.Keeper, c.AnsweredMS, ascii(c.Cut, 16))...)
			}
		default:
			w := fresh
			if t.loaded[id] {
				w = whole
			}
			w.row(c.ID, c.CallID, c.UserID, c.CalleeID, truncate(c.CallerID, 80), ascii(c.Number, 40), string(c.State),
				rateText(c.Rate), c.Limit, holds, jsonText(c.Legs), stamp(c.Authorized), stamp(c.Due), c.UpBefore, c.Attempts, c.Dials, notes,
				stampPtr(c.Ended), c.Seconds, c.TalkedMS, ascii(c.Status, 16), c.Cause, int64(c.Charge), int64(c.Shortfall),
				c.SettledBy, c.Unauthorized, c.Disputed, jsonText(c.Routing), carrierOf(c), int64(c.BuyCost), c.PDD,
				c.Slice, c.Keeper, c.AnsweredMS, ascii(c.Cut, 16))
		}
	}
	ended.counted, cut.counted, whole.counted = "writes", "writes", "writes"
	for _, w := range []*inserter{opened, routed, sliced, fresh, ended, cut, whole} {
		if err := w.exec(ctx); err != nil {
			return err
		}
	}
	if err := t.writeKept(ctx, begun, over); err != nil {
		return fmt.Errorf("list those that are kept: %w", err)
	}
	if disputed == 0 {
		return nil
	}
	_, err := t.conn.ExecContext(ctx, "UPDATE counters SET value = value + ? WHERE name = 'disputed'", disputed)
	return err
}

// carrierOf is the id of the carrier to whom a call was given last; 0: none.
func carrierOf(c models.Call) int64 {
	carrier, _ := c.Routing.Carrier()
	return carrier.Carrier
}

// isDisputed reports whether evidence claims a longer talk than was charged.
func isDisputed(c models.Call) bool { return c.Disputed > c.Seconds }

// Most calls of a time have the same few rates, so these are not written and read anew for each.
var (
	rates = memo[string, models.Rate]{of: func(text string) (r models.Rate, err error) {
		if text != "" {
			err = json.Unmarshal([]byte(text), &r)
		}
		return r, err
	}}
	rateTexts = memo[models.Rate, string]{of: func(r models.Rate) (string, error) {
		var text strings.Builder
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false) // the column is short
		err := encoder.Encode(r)
		short := strings.TrimSuffix(text.String(), "\n")
		rates.put(short, r) // it is read when the call ends
		return short, err
	}}
)

func rateText(r models.Rate) string {
	text, err := rateTexts.get(r)
	if err != nil {
		panic(fmt.Sprintf("a rate cannot be written as JSON: %v", err)) // plain record of ours
	}
	return text
}

// jsonText is v as JSON, nil when it is empty.
func jsonText(v any) any {
	switch v := v.(type) {
	case []models.HoldPart:
		if len(v) == 0 {
			return nil
		}
	case []models.Leg:
		if len(v) == 0 {
			return nil
		}
	case []models.Evidence:
		if len(v) == 0 {
			return nil
		}
	case models.Routing:
		if v.Empty() {
			return nil
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("%T cannot be written as JSON: %v", v, err)) // plain records of ours
	}
	return string(text)
}
