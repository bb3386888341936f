package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"talktime/models"
	"talktime/pbx/extension"
)

// PBXRealtime keeps extensions in the tables that Asterisk's PJSIP reads at each request, and their follow-mes in a table of ours, of
// which it makes those that Asterisk reads at each call. It is safe for use by many goroutines and processes.
//
// Only rows whose id is the number of the extension are written. Who changes rows or deletes them by SQL leaves Asterisk with what it
// remembers: extension.Checker says what to do besides.
type PBXRealtime struct {
	*pbxTables

	own      *Store
	realtime extension.Realtime
}

var _ extension.Tables = PBXRealtime{}

const (
	followMeTable = "followme"
	numbersTable  = "followme_numbers"
)

// OpenPBXRealtime prepares Asterisk's database for use, which need not be reachable yet. The follow-mes are kept in s.
func (s *Store) OpenPBXRealtime(c PBXConfig, realtime extension.Realtime) (PBXRealtime, error) {
	p, err := openPBX(c, extension.AuthTable, extension.AORTable, extension.EndpointTable, extension.IdentifyTable, extension.RegistrationTable, followMeTable, numbersTable)
	return PBXRealtime{p, s, realtime}, err
}

func (PBXRealtime) needed(t *pbxTx) error {
	return t.needs(extension.AuthTable, extension.AORTable, extension.EndpointTable)
}

// Extensions implements extension.Backend. Endpoints whose ids are no numbers are trunks.
func (r PBXRealtime) Extensions(ctx context.Context) (all []extension.Extension, err error) {
	err = r.read(ctx, func(t *pbxTx) error {
		all = []extension.Extension{}
		if err := r.needed(t); err != nil {
			return err
		}
		byID := func(table string) (map[string]extension.Columns, error) {
			rows, err := t.query(table, r.realtime.Columns(table), "")
			found := make(map[string]extension.Columns, len(rows))
			for _, row := range rows {
				found[row["id"]] = row
			}
			return found, err
		}
		auths, err := byID(extension.AuthTable)
		if err != nil {
			return err
		}
		aors, err := byID(extension.AORTable)
		if err != nil {
			return err
		}
		endpoints, err := byID(extension.EndpointTable)
		if err != nil {
			return err
		}
		for _, id := range slices.SortedFunc(maps.Keys(endpoints), byNumber) {
			if !extension.ValidAccount(id) {
				continue
			}
			e := endpoints[id]
			all = append(all, r.realtime.Extension(extension.Rows{Endpoint: e, Auth: auths[named(e["auth"], id)], AOR: aors[named(e["aors"], id)]}))
		}
		return nil
	})
	return all, err
}

// named is the first of a list of ids, or what it is when there is none.
func named(list, otherwise string) string {
	first, _, _ := strings.Cut(list, ",")
	if first = strings.Trim(first, " "); first == "" {
		return otherwise
	}
	return first
}

// rowsOf reads what there is of an account. With the lock nobody else changes it until the transaction ends.
func (r PBXRealtime) rowsOf(t *pbxTx, account, lock string) (rows extension.Rows, err error) {
	if err := r.needed(t); err != nil {
		return rows, err
	}
	one := func(table, id string) extension.Columns {
		if err != nil || !t.has(table) {
			return nil
		}
		var found []map[string]string
		if found, err = t.query(table, r.realtime.Columns(table), "WHERE id = ?"+lock, id); err != nil || len(found) == 0 {
			return nil
		}
		return found[0]
	}
	rows.Endpoint = one(extension.EndpointTable, account)
	rows.Auth = one(extension.AuthTable, named(rows.Endpoint["auth"], account))
	rows.AOR = one(extension.AORTable, named(rows.Endpoint["aors"], account))
	if err == nil {
		rows.Identify, err = t.identify(account, lock)
	}
	return rows, err
}

// Extension implements extension.Backend.
func (r PBXRealtime) Extension(ctx context.Context, account string) (e extension.Extension, err error) {
	if !extension.ValidAccount(account) {
		return e, noExtension(account)
	}
	err = r.read(ctx, func(t *pbxTx) error {
		rows, err := r.rowsOf(t, account, "")
		if err == nil && rows.Endpoint == nil {
			err = noExtension(account)
		}
		if err == nil {
			e = r.realtime.Extension(rows)
		}
		return err
	})
	return e, err
}

// Add implements extension.Backend. A number that is the id of a row in any of the tables is taken, and so are the addresses of others. What
// is left of an extension that had the number is removed: addresses that call as it, and its follow-me.
func (r PBXRealtime) Add(ctx context.Context, e extension.Extension) (added extension.Extension, err error) {
	if err := errors.Join(r.rules.In(ctx).Validate(e), r.realtime.Fits(e)); err != nil {
		return added, err
	}
	err = r.change(ctx, func(t *pbxTx) error {
		if err := r.needed(t); err != nil {
			return err
		}
		rows := r.realtime.Rows(e)
		for i, of := range rows.Secure() {
			if rows.Tables()[i].Row == nil {
				continue
			}
			if err := t.takes(of.Name, nil, of.Row); err != nil {
				return err
			}
		}
		if err := t.alone(e.Account, extension.Decode(rows.Identify["match"]), locked); err != nil {
			return err
		}
		for _, of := range rows.Tables() {
			if of.Name == extension.IdentifyTable && t.hasColumn(of.Name, "endpoint") {
				if err := t.remove(of.Name, "endpoint = ?", e.Account); err != nil {
					return err
				}
			}
			if of.Row == nil {
				continue
			}
			err := t.insert(of.Name, of.Row)
			if isDuplicate(err) {
				err = takenExtension(e.Account)
			}
			if err != nil {
				return err
			}
		}
		rows, err := r.rowsOf(t, e.Account, "")
		if err != nil {
			return err
		}
		added = r.realtime.Extension(rows)
		_, err = r.removeFollowMe(t, e.Account)
		return err
	})
	if err != nil {
		return extension.Extension{}, err
	}
	return added, nil
}

// Preview implements extension.Backend.
func (r PBXRealtime) Preview(ctx context.Context, account string, p extension.Patch) (before, after extension.Extension, err error) {
	if !extension.ValidAccount(account) {
		return before, after, noExtension(account)
	}
	err = r.read(ctx, func(t *pbxTx) error {
		rows, err := r.rowsOf(t, account, "")
		if err != nil {
			return err
		}
		before, after, err = r.changedExtension(t, account, rows, p, nil, "")
		return err
	})
	if err != nil {
		return extension.Extension{}, extension.Extension{}, err
	}
	return before, r.realtime.Extension(r.realtime.Rows(after)), nil
}

// changedExtension is what becomes of the extension of some rows.
func (r PBXRealtime) changedExtension(t *pbxTx, account string, rows extension.Rows, p extension.Patch, check func(extension.Extension) error, lock string) (before, after extension.Extension, err error) {
	if rows.Endpoint == nil {
		return before, after, noExtension(account)
	}
	before = r.realtime.Extension(rows)
	if err := extension.Passes(check, before); err != nil {
		return before, after, err
	}
	if after, err = r.realtime.Change(r.rules.In(t.ctx), before, p); err != nil {
		return before, after, err
	}
	there, was, is := rows.Tables(), r.realtime.Rows(before), r.realtime.Rows(after)
	for i, of := range is.Secure() {
		if is.Tables()[i].Row == nil || maps.Equal(was.Tables()[i].Row, is.Tables()[i].Row) {
			continue
		}
		kept := was.Tables()[i].Row
		if there[i].Row == nil {
			kept = nil
		}
		if err := t.takes(of.Name, kept, of.Row); err != nil {
			return before, after, err
		}
	}
	if match := is.Identify["match"]; match != was.Identify["match"] {
		err = t.alone(account, extension.Decode(match), lock)
	}
	return before, after, err
}

// Update implements extension.Backend. Columns that the patch does not come to stay as they are, whatever is in them. An extension whose
// auth or aor has another id than its number shares it with somebody, perhaps: what is in there cannot be changed, models.ErrConflict.
func (r PBXRealtime) Update(ctx context.Context, account string, p extension.Patch, check func(extension.Extension) error) (before, after extension.Extension, err error) {
	if !extension.ValidAccount(account) {
		return before, after, noExtension(account)
	}
	err = r.change(ctx, func(t *pbxTx) error {
		rows, err := r.rowsOf(t, account, locked)
		if err != nil {
			return err
		}
		var want extension.Extension
		if before, want, err = r.changedExtension(t, account, rows, p, check, locked); err != nil {
			return err
		}
		there, was := rows.Tables(), r.realtime.Rows(before).Tables()
		for i, is := range r.realtime.Rows(want).Tables() {
			if is.Name != extension.IdentifyTable {
				err = r.rewrite(t, is.Name, account, there[i].Row, was[i].Row, is.Row)
			} else if want.Host != before.Host {
				err = t.reidentify(account, there[i].Row, there[i].Row, is.Row)
			} else {
				err = t.reidentify(account, there[i].Row, was[i].Row, is.Row)
			}
			if err != nil {
				return err
			}
		}
		if want.Context != before.Context && t.has(followMeTable) {
			if err := t.update(followMeTable, map[string]string{"context": extension.Encode(want.Context)}, "name = ?", account); err != nil {
				return err
			}
		}
		rows, err = r.rowsOf(t, account, "")
		after = r.realtime.Extension(rows)
		return err
	})
	if err != nil {
		return extension.Extension{}, extension.Extension{}, err
	}
	return before, after, nil
}

// rewrite makes of a row that is there what a change comes to: the columns in which what it was meant to be before and after differ.
func (r PBXRealtime) rewrite(t *pbxTx, table, account string, there, before, after extension.Columns) error {
	if maps.Equal(before, after) {
		return nil
	}
	if err := t.needs(table); err != nil {
		return err
	}
	changed := map[string]string{}
	for column, value := range after {
		if was, known := before[column]; !known || was != value {
			changed[column] = value
		}
	}
	switch {
	case after == nil:
		if there["id"] != account {
			return nil
		}
		auth, aor, err := t.named(account)
		if err != nil || table == extension.AuthTable && auth || table == extension.AORTable && aor {
			return err
		}
		return t.remove(table, "id = ?", account)
	case there == nil:
		return t.insert(table, after)
	case there["id"] != account:
		return fmt.Errorf("%w: %s has %q of %s, which may be of others too; change that row by hand", models.ErrConflict, account, there["id"], table)
	}
	return t.update(table, changed, "id = ?", account)
}

// Delete implements extension.Backend. Rows of others that the endpoint named stay.
func (r PBXRealtime) Delete(ctx context.Context, account string, check func(extension.Extension) error) (removed extension.Removed, err error) {
	if !extension.ValidAccount(account) {
		return removed, noExtension(account)
	}
	err = r.change(ctx, func(t *pbxTx) error {
		removed = extension.Removed{}
		rows, err := r.rowsOf(t, account, locked)
		if err != nil {
			return err
		}
		if rows.Endpoint == nil {
			return noExtension(account)
		}
		removed.Extension = r.realtime.Extension(rows)
		if err := extension.Passes(check, removed.Extension); err != nil {
			return err
		}
		removed.FollowMe, err = r.removeRows(t, account)
		return err
	})
	if err != nil {
		return extension.Removed{}, err
	}
	return removed, nil
}

// removeRows removes all of an account, and returns its follow-me.
func (r PBXRealtime) removeRows(t *pbxTx, account string) (*extension.FollowMe, error) {
	if err := t.removeOwn(account); err != nil {
		return nil, err
	}
	return r.removeFollowMe(t, account)
}

// removeFollowMe removes the follow-me of an account, and returns it; nil: it had none. It comes last.
func (r PBXRealtime) removeFollowMe(t *pbxTx, account string) (*extension.FollowMe, error) {
	for _, table := range []string{followMeTable, numbersTable} {
		if !t.has(table) {
			continue
		}
		if err := t.remove(table, "name = ?", account); err != nil {
			return nil, err
		}
	}
	follow, err := r.own.followMe(t.ctx, account)
	if errors.Is(err, models.ErrNotFound) {
		return nil, nil //nolint:nilnil // it had none
	}
	if err != nil {
		return nil, err
	}
	return &follow, r.keep(t, account, &follow, nil)
}

// Sweep implements extension.Tables. Rows of this id that another endpoint names stay.
func (r PBXRealtime) Sweep(ctx context.Context, account string) (follow *extension.FollowMe, err error) {
	if !extension.ValidAccount(account) {
		return nil, noExtension(account)
	}
	err = r.change(ctx, func(t *pbxTx) error {
		rows, err := r.rowsOf(t, account, locked)
		if err != nil {
			return err
		}
		if rows.Endpoint != nil || !r.left(t, account, rows) {
			return noExtension(account)
		}
		follow, err = r.removeRows(t, account)
		return err
	})
	if err != nil {
		return nil, err
	}
	return follow, nil
}

// left tells whether there is something of an extension whose endpoint has gone. What cannot be asked is not.
func (r PBXRealtime) left(t *pbxTx, account string, rows extension.Rows) bool {
	if r.leftOver(t, account, rows) == nil {
		return true
	}
	if _, err := r.own.followMe(t.ctx, account); err == nil {
		return true
	}
	if !t.has(followMeTable) {
		return false
	}
	found, err := t.query(followMeTable, []string{"name"}, "WHERE name = ?", account)
	return err == nil && len(found) > 0
}

// keep writes our own table when all else is done, and takes it back should the foreign transaction come to nothing.
func (r PBXRealtime) keep(t *pbxTx, account string, before, after *extension.FollowMe) error {
	if err := r.own.setFollowMe(t.ctx, account, before == nil, after); err != nil {
		return err
	}
	t.undo = func(ctx context.Context) error { return r.own.setFollowMe(ctx, account, after == nil, before) }
	return nil
}

// generate makes the rows of which Asterisk reads a follow-me.
func (r PBXRealtime) generate(t *pbxTx, f extension.FollowMe, context string) error {
	if err := r.clear(t, f.GrpNum); err != nil {
		return err
	}
	row, steps := r.realtime.FollowMe(f, context)
	if err := t.insert(followMeTable, row); err != nil {
		return err
	}
	for i, step := range steps {
		err := t.insert(numbersTable, map[string]string{
			"name": f.GrpNum, "ordinal": strconv.Itoa(i + 1), "phonenumber": step.Numbers, "timeout": strconv.Itoa(step.Seconds),
		})
		if my, _ := code(err); my == myTooLong {
			return &extension.FieldError{Field: "grplist", Wrong: "has more numbers that ring together than the column phonenumber of " + numbersTable + " takes; take some out, or make the column longer"}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (PBXRealtime) clear(t *pbxTx, account string) error {
	if err := t.needs(followMeTable, numbersTable); err != nil {
		return err
	}
	if err := t.remove(numbersTable, "name = ?", account); err != nil {
		return err
	}
	return t.remove(followMeTable, "name = ?", account)
}

// FollowMes implements extension.Backend.
func (r PBXRealtime) FollowMes(ctx context.Context) ([]extension.FollowMe, error) {
	return r.own.followMes(ctx, "ORDER BY LENGTH(grpnum), grpnum")
}

// FollowMe implements extension.Backend.
func (r PBXRealtime) FollowMe(ctx context.Context, account string) (extension.FollowMe, error) {
	return r.own.followMe(ctx, account)
}

// AddFollowMe implements extension.Backend. The numbers are dialled in the context of the extension.
func (r PBXRealtime) AddFollowMe(ctx context.Context, f extension.FollowMe) (extension.FollowMe, error) {
	if err := r.rules.In(ctx).ValidateFollowMe(f); err != nil {
		return extension.FollowMe{}, err
	}
	err := r.change(ctx, func(t *pbxTx) error {
		rows, err := r.rowsOf(t, f.GrpNum, locked)
		if err != nil {
			return err
		}
		if rows.Endpoint == nil {
			return followMeOfNobody(f.GrpNum)
		}
		if _, err := r.own.followMe(t.ctx, f.GrpNum); !errors.Is(err, models.ErrNotFound) {
			if err == nil {
				err = takenFollowMe(f.GrpNum)
			}
			return err
		}
		if err := r.generate(t, f, r.realtime.Extension(rows).Context); err != nil {
			return err
		}
		return r.keep(t, f.GrpNum, nil, &f)
	})
	if err != nil {
		return extension.FollowMe{}, err
	}
	return f, nil
}

// UpdateFollowMe implements extension.Backend.
func (r PBXRealtime) UpdateFollowMe(ctx context.Context, account string, p extension.Patch, check func(extension.FollowMe) error) (before, after extension.FollowMe, err error) {
	if !extension.ValidAccount(account) {
		return before, after, noFollowMe(account)
	}
	err = r.change(ctx, func(t *pbxTx) error {
		rows, err := r.rowsOf(t, account, locked)
		if err != nil {
			return err
		}
		if before, err = r.own.followMe(t.ctx, account); err != nil {
			return err
		}
		if err := extension.Passes(check, before); err != nil {
			return err
		}
		if rows.Endpoint == nil {
			return followMeOfNobody(account)
		}
		if after, err = r.rules.In(ctx).ChangeFollowMe(before, p); err != nil {
			return err
		}
		if err := r.generate(t, after, r.realtime.Extension(rows).Context); err != nil {
			return err
		}
		return r.keep(t, account, &before, &after)
	})
	if err != nil {
		return extension.FollowMe{}, extension.FollowMe{}, err
	}
	return before, after, nil
}

// DeleteFollowMe implements extension.Backend.
func (r PBXRealtime) DeleteFollowMe(ctx context.Context, account string, check func(extension.FollowMe) error) (f extension.FollowMe, err error) {
	if !extension.ValidAccount(account) {
		return f, noFollowMe(account)
	}
	err = r.change(ctx, func(t *pbxTx) error {
		if _, err := r.rowsOf(t, account, locked); err != nil {
			return err
		}
		if f, err = r.own.followMe(t.ctx, account); err != nil {
			return err
		}
		if err := extension.Passes(check, f); err != nil {
			return err
		}
		if err := r.clear(t, account); err != nil {
			return err
		}
		return r.keep(t, account, &f, nil)
	})
	if err != nil {
		return extension.FollowMe{}, err
	}
	return f, nil
}

// followMes reads our own table.
func (s *Store) followMes(ctx context.Context, rest string, args ...any) ([]extension.FollowMe, error) {
	columns := extension.FollowMeColumns()
	all := []extension.FollowMe{}
	err := s.each(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM followme_settings "+rest, args, func(rows *sql.Rows) error {
		values := make([]string, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		err := rows.Scan(into...)
		row := map[string]string{}
		for i, column := range columns {
			row[column] = values[i]
		}
		all = append(all, extension.LoadFollowMe(row))
		return err
	})
	return all, err
}

func (s *Store) followMe(ctx context.Context, account string) (extension.FollowMe, error) {
	if !extension.ValidAccount(account) {
		return extension.FollowMe{}, noFollowMe(account)
	}
	all, err := s.followMes(ctx, "WHERE grpnum = ?", account)
	if err == nil && len(all) == 0 {
		err = noFollowMe(account)
	}
	if err != nil {
		return extension.FollowMe{}, err
	}
	return all[0], nil
}

// setFollowMe makes the follow-me of an account, changes it or, for nil, removes it.
func (s *Store) setFollowMe(ctx context.Context, account string, made bool, f *extension.FollowMe) error {
	columns := extension.FollowMeColumns()
	err := s.inTransaction(ctx, func(db *gorm.DB) error {
		if f == nil {
			return db.Exec("DELETE FROM followme_settings WHERE grpnum = ?", account).Error
		}
		values := f.Values()
		args := make([]any, len(columns))
		for i, column := range columns {
			args[i] = values[column]
		}
		if made {
			return db.Exec("INSERT INTO followme_settings ("+strings.Join(columns, ", ")+") VALUES ("+marks(len(columns))+")", args...).Error
		}
		return db.Exec("UPDATE followme_settings SET "+strings.Join(columns, " = ?, ")+" = ? WHERE grpnum = ?", append(args, account)...).Error
	})
	if isDuplicate(err) {
		return takenFollowMe(account)
	}
	return translate(err)
}

// somePBX is how many extensions Asterisk may be asked about to see whether it reads these tables.
const somePBX = 3

// Inspect looks for what is in the way of keeping extensions and trunks here, and for endpoints that anybody can be.
func (r PBXRealtime) Inspect(ctx context.Context) (PBXFaults, error) {
	row, _ := r.realtime.FollowMe(extension.FollowMe{}, "")
	columns := map[string][]string{followMeTable: slices.Sorted(maps.Keys(row)), numbersTable: {"name", "ordinal", "phonenumber", "timeout"}}
	for _, table := range trunkTables() {
		columns[table] = slices.Compact(slices.Sorted(slices.Values(append(r.realtime.Columns(table), r.realtime.TrunkColumns(table)...))))
	}
	f, err := r.inspect(ctx, columns)
	if err != nil || slices.Contains(f.Tables, extension.EndpointTable) || slices.Contains(f.Rights, "SELECT on "+extension.EndpointTable) {
		return f, err
	}
	return f, r.read(ctx, func(t *pbxTx) error {
		f.Open, f.Some = nil, nil
		rows, err := t.query(extension.EndpointTable, []string{"id", "auth", "identify_by"}, "ORDER BY id")
		for _, row := range rows {
			if row["auth"] == "" && openToAll(row["id"], row["identify_by"]) {
				f.Open = append(f.Open, row["id"])
			}
			if extension.ValidAccount(row["id"]) && len(f.Some) < somePBX {
				f.Some = append(f.Some, row["id"])
			}
		}
		return err
	})
}

// openToAll tells whether a request from anywhere may be taken for one of an endpoint, as Asterisk says who it is.
func openToAll(id, identifyBy string) bool {
	name, _, _ := strings.Cut(id, "@")
	if strings.EqualFold(name, "anonymous") || identifyBy == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(identifyBy, ","), func(by string) bool {
		by = strings.TrimSpace(by)
		return by != "" && by != "ip"
	})
}
