package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"talktime/models"
	"talktime/pbx/extension"
)

var _ extension.TrunkBackend = PBXRealtime{}

func noTrunk(name string) error {
	return fmt.Errorf("trunk %.40q: %w", name, models.ErrNotFound)
}

// trunkTables are those of a trunk, in the order in which they are written.
func trunkTables() []string {
	return []string{extension.AuthTable, extension.AORTable, extension.EndpointTable, extension.IdentifyTable, extension.RegistrationTable}
}

// Trunks implements extension.Trunks.
func (r PBXRealtime) Trunks(ctx context.Context) (all []extension.Trunk, err error) {
	err = r.read(ctx, func(t *pbxTx) error {
		all = []extension.Trunk{}
		if err := r.needed(t); err != nil {
			return err
		}
		tables := map[string]map[string]extension.Columns{}
		for _, table := range trunkTables() {
			tables[table] = map[string]extension.Columns{}
			if !t.has(table) {
				continue
			}
			rows, err := t.query(table, r.realtime.TrunkColumns(table), "ORDER BY id")
			if err != nil {
				return err
			}
			for _, row := range rows {
				key := row["id"]
				if table == extension.IdentifyTable {
					key = row["endpoint"]
					if was := tables[table][key]; was != nil && row["match"] != "" {
						row["match"] = was["match"] + "," + row["match"]
					}
					if row["match"] == "" {
						continue
					}
				}
				tables[table][key] = row
			}
		}
		for _, id := range slices.Sorted(maps.Keys(tables[extension.EndpointTable])) {
			if trunk, is := r.trunkOf(id, func(table, id string) extension.Columns { return tables[table][id] }); is {
				all = append(all, trunk)
			}
		}
		return nil
	})
	return all, err
}

// trunkOf puts a trunk together of rows that are found by their ids; false: there is none.
func (r PBXRealtime) trunkOf(name string, row func(table, id string) extension.Columns) (extension.Trunk, bool) {
	rows := trunkRows(name, row)
	if rows.Endpoint["id"] != name { // a collation may find it in other letters
		return extension.Trunk{}, false
	}
	return r.realtime.Trunk(rows)
}

func trunkRows(name string, row func(table, id string) extension.Columns) extension.Rows {
	e, registration := row(extension.EndpointTable, name), row(extension.RegistrationTable, name)
	if of := registration["endpoint"]; of != "" && of != name {
		registration = nil // of somebody else
	}
	return extension.Rows{
		Endpoint: e, Auth: row(extension.AuthTable, named(e["outbound_auth"], name)), AOR: row(extension.AORTable, named(e["aors"], name)),
		Identify: row(extension.IdentifyTable, name), Registration: registration,
	}
}

// trunkIn reads the rows of a trunk, or of what has its name. With the lock nobody else changes them until the transaction ends.
func (r PBXRealtime) trunkIn(t *pbxTx, name, lock string) (rows extension.Rows, err error) {
	if !extension.ValidTrunkName(name) {
		return rows, noTrunk(name)
	}
	if err := r.needed(t); err != nil {
		return rows, err
	}
	return trunkRows(name, func(table, id string) (row extension.Columns) {
		if err != nil || !t.has(table) {
			return nil
		}
		if table == extension.IdentifyTable {
			row, err = t.identify(id, lock)
			return row
		}
		var found []map[string]string
		if found, err = t.query(table, r.realtime.TrunkColumns(table), "WHERE id = ?"+lock, id); err != nil || len(found) == 0 {
			return nil
		}
		return found[0]
	}), err
}

// one is the trunk of rows that were read, or models.ErrNotFound.
func (r PBXRealtime) one(name string, rows extension.Rows) (extension.Trunk, error) {
	trunk, is := r.realtime.Trunk(rows)
	if !is || trunk.Name != name {
		return extension.Trunk{}, noTrunk(name)
	}
	return trunk, nil
}

// Trunk implements extension.Trunks.
func (r PBXRealtime) Trunk(ctx context.Context, name string) (trunk extension.Trunk, err error) {
	err = r.read(ctx, func(t *pbxTx) error {
		rows, err := r.trunkIn(t, name, "")
		if err == nil {
			trunk, err = r.one(name, rows)
		}
		return err
	})
	return trunk, err
}

// AddTrunk implements extension.TrunkBackend. A name that is the id of a row in any of the tables is taken, and so are the addresses of others.
func (r PBXRealtime) AddTrunk(ctx context.Context, trunk extension.Trunk) (added extension.Trunk, err error) {
	if err := r.rules.In(ctx).ValidateTrunk(trunk); err != nil {
		return added, err
	}
	err = r.change(ctx, func(t *pbxTx) error {
		if err := r.needed(t); err != nil {
			return err
		}
		if err := t.alone(trunk.Name, trunk.Match, locked); err != nil {
			return err
		}
		tables := r.realtime.TrunkRows(trunk).Tables()
		for _, of := range tables {
			if err := t.takes(of.Name, nil, of.Row); err != nil {
				return err
			}
		}
		for _, of := range tables {
			if of.Row == nil {
				continue
			}
			err := t.insert(of.Name, of.Row)
			if isDuplicate(err) {
				err = fmt.Errorf("%w: there is a trunk, or something else, of the name %s already", models.ErrConflict, trunk.Name)
			}
			if err != nil {
				return err
			}
		}
		rows, err := r.trunkIn(t, trunk.Name, "")
		if err == nil {
			added, err = r.one(trunk.Name, rows)
		}
		return err
	})
	if err != nil {
		return extension.Trunk{}, err
	}
	return added, nil
}

// alone refuses addresses that are another endpoint's: of a call from there nobody could say whose it is. With the lock nobody else takes
// them until the transaction ends.
func (t *pbxTx) alone(endpoint, match, lock string) error {
	if match == "" || !t.has(extension.IdentifyTable) {
		return nil
	}
	rows, err := t.query(extension.IdentifyTable, []string{"id", "endpoint", "match"}, lock)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if network := extension.Meets(match, extension.Decode(row["match"])); network != "" && row["endpoint"] != endpoint {
			return fmt.Errorf("%w: calls from %s are those of %s already", models.ErrConflict, network, row["endpoint"])
		}
	}
	return nil
}

// identify is what an endpoint's calls are known by: its rows with addresses as if they were one, which has the id of the first of them.
func (t *pbxTx) identify(endpoint, lock string) (one extension.Columns, err error) {
	if !t.hasColumn(extension.IdentifyTable, "endpoint") {
		return nil, nil //nolint:nilnil // there is none
	}
	rows, err := t.query(extension.IdentifyTable, []string{"id", "endpoint", "match"}, "WHERE endpoint = ? ORDER BY id"+lock, endpoint)
	for _, row := range rows {
		switch {
		case row["match"] == "": // known by a header
		case one == nil:
			one = row
		default:
			one["match"] += "," + row["match"]
		}
	}
	return one, err
}

// reidentify makes the rows of identify what a change comes to. The first stays, with what else there is in it.
func (t *pbxTx) reidentify(endpoint string, there, before, after extension.Columns) error {
	if maps.Equal(before, after) {
		return nil
	}
	if err := t.needs(extension.IdentifyTable); err != nil {
		return err
	}
	if there == nil {
		if after == nil {
			return nil
		}
		return t.insert(extension.IdentifyTable, after)
	}
	others := "endpoint = ? AND `match` <> ''"
	if after == nil {
		return t.remove(extension.IdentifyTable, others, endpoint)
	}
	if err := t.remove(extension.IdentifyTable, others+" AND id <> ?", endpoint, there["id"]); err != nil {
		return err
	}
	return t.update(extension.IdentifyTable, map[string]string{"match": after["match"]}, "id = ?", there["id"])
}

// named tells which objects of an id other endpoints and registrations than that of this id name: they are theirs, too.
func (t *pbxTx) named(id string) (auth, aor bool, err error) {
	has := func(list string) bool {
		return slices.Contains(strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }), id)
	}
	for _, table := range []string{extension.EndpointTable, extension.RegistrationTable} {
		if !t.has(table) {
			continue
		}
		rows, err := t.query(table, []string{"id", "aors", "auth", "outbound_auth"}, "WHERE id <> ?", id)
		if err != nil {
			return auth, aor, err
		}
		for _, row := range rows {
			auth = auth || has(row["auth"]) || has(row["outbound_auth"])
			aor = aor || has(row["aors"])
		}
	}
	return auth, aor, nil
}

// removeOwn removes the endpoint of an id, and what is known by that id: its aor and auth unless others name them, too.
func (t *pbxTx) removeOwn(id string) error {
	auth, aor, err := t.named(id)
	if err != nil {
		return err
	}
	for _, of := range []struct {
		table, key string
		stays      bool
	}{
		{extension.IdentifyTable, "endpoint", !t.hasColumn(extension.IdentifyTable, "endpoint")},
		{extension.EndpointTable, "id", false},
		{extension.AORTable, "id", aor},
		{extension.AuthTable, "id", auth},
	} {
		if of.stays || !t.has(of.table) {
			continue
		}
		if err := t.remove(of.table, of.key+" = ?", id); err != nil {
			return err
		}
	}
	return nil
}

// PreviewTrunk implements extension.TrunkBackend.
func (r PBXRealtime) PreviewTrunk(ctx context.Context, name string, p extension.Patch) (before, after extension.Trunk, err error) {
	err = r.read(ctx, func(t *pbxTx) error {
		rows, err := r.trunkIn(t, name, "")
		if err == nil {
			before, after, err = r.changed(t, name, rows, p, nil, "")
		}
		return err
	})
	return before, after, err
}

// changed is what becomes of the trunk of some rows.
func (r PBXRealtime) changed(t *pbxTx, name string, rows extension.Rows, p extension.Patch, check func(extension.Trunk) error, lock string) (before, after extension.Trunk, err error) {
	if before, err = r.one(name, rows); err != nil {
		return before, after, err
	}
	if err := extension.Passes(check, before); err != nil {
		return before, after, err
	}
	if after, err = r.rules.In(t.ctx).ChangeTrunk(before, p); err != nil {
		return before, after, err
	}
	if after.Match != before.Match {
		err = t.alone(name, after.Match, lock)
	}
	return before, after, err
}

// UpdateTrunk implements extension.TrunkBackend. Columns that the patch does not come to stay as they are, whatever is in them.
func (r PBXRealtime) UpdateTrunk(ctx context.Context, name string, p extension.Patch, check func(extension.Trunk) error) (before, after extension.Trunk, err error) {
	err = r.change(ctx, func(t *pbxTx) error {
		rows, err := r.trunkIn(t, name, locked)
		if err != nil {
			return err
		}
		var want extension.Trunk
		if before, want, err = r.changed(t, name, rows, p, check, locked); err != nil {
			return err
		}
		there, was := rows.Tables(), r.realtime.TrunkRows(before).Tables()
		for i, is := range r.realtime.TrunkRows(want).Tables() {
			if is.Row != nil && !maps.Equal(was[i].Row, is.Row) {
				kept := was[i].Row
				if there[i].Row == nil {
					kept = nil
				}
				if err := t.takes(is.Name, kept, is.Row); err != nil {
					return err
				}
			}
			if is.Name == extension.IdentifyTable {
				err = t.reidentify(name, there[i].Row, was[i].Row, is.Row)
			} else {
				err = r.rewrite(t, is.Name, name, there[i].Row, was[i].Row, is.Row)
			}
			if err != nil {
				return err
			}
		}
		if rows, err = r.trunkIn(t, name, ""); err == nil {
			after, err = r.one(name, rows)
		}
		return err
	})
	if err != nil {
		return extension.Trunk{}, extension.Trunk{}, err
	}
	return before, after, nil
}

// DeleteTrunk implements extension.TrunkBackend.
func (r PBXRealtime) DeleteTrunk(ctx context.Context, name string, check func(extension.Trunk) error) (trunk extension.Trunk, err error) {
	err = r.change(ctx, func(t *pbxTx) error {
		rows, err := r.trunkIn(t, name, locked)
		if err != nil {
			return err
		}
		if rows.Endpoint != nil {
			if trunk, err = r.one(name, rows); err == nil {
				err = extension.Passes(check, trunk)
			}
		} else {
			trunk, err = extension.Trunk{Name: name}, r.leftOver(t, name, rows)
		}
		if err != nil {
			return err
		}
		if rows.Registration != nil {
			if err := t.remove(extension.RegistrationTable, "id = ?", name); err != nil {
				return err
			}
		}
		return t.removeOwn(name)
	})
	if err != nil {
		return extension.Trunk{}, err
	}
	return trunk, nil
}

// leftOver is models.ErrNotFound unless there is something of a trunk whose endpoint has gone, and nobody else's.
func (r PBXRealtime) leftOver(t *pbxTx, name string, rows extension.Rows) error {
	auth, aor, err := t.named(name)
	if err == nil && (rows.Auth == nil || auth) && (rows.AOR == nil || aor) && rows.Identify == nil && rows.Registration == nil {
		err = noTrunk(name)
	}
	return err
}

var _ extension.Trunks = FreePBX{}

// FreePBX's ids of a trunk in the table sip: a word, and its number.
const (
	freePBXPeer     = "tr-peer-"
	freePBXRegister = "tr-reg-"
)

// Trunks implements extension.Trunks: those that FreePBX has for chan_sip. FreePBX alone changes them.
func (f FreePBX) Trunks(ctx context.Context) (all []extension.Trunk, err error) {
	err = f.read(ctx, func(t *pbxTx) error {
		all = []extension.Trunk{}
		if err := t.needs(sipTable); err != nil {
			return err
		}
		rows, err := t.query(sipTable, []string{"id", "keyword", "data"}, "WHERE id LIKE 'tr-%'")
		if err != nil {
			return err
		}
		peers, registers := map[string]map[string]string{}, map[string]string{}
		for _, row := range rows {
			keyword := strings.ToLower(row["keyword"])
			if number, is := strings.CutPrefix(row["id"], freePBXPeer); is {
				if peers[number] == nil {
					peers[number] = map[string]string{}
				}
				peers[number][keyword] = row["data"]
			} else if number, is := strings.CutPrefix(row["id"], freePBXRegister); is && keyword == "register" {
				registers[number] = row["data"]
			}
		}
		for number, data := range peers {
			if trunk := extension.FreePBXTrunk(data, registers[number]); trunk.Name != "" {
				all = append(all, trunk)
			}
		}
		slices.SortFunc(all, func(a, b extension.Trunk) int { return strings.Compare(a.Name, b.Name) })
		return nil
	})
	return all, err
}

// Trunk implements extension.Trunks.
func (f FreePBX) Trunk(ctx context.Context, name string) (extension.Trunk, error) {
	all, err := f.Trunks(ctx)
	if err != nil {
		return extension.Trunk{}, err
	}
	if i := slices.IndexFunc(all, func(t extension.Trunk) bool { return t.Name == name }); i >= 0 {
		return all[i], nil
	}
	return extension.Trunk{}, noTrunk(name)
}
