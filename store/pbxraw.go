package store

import (
	"context"
	"maps"
	"slices"

	"talktime/pbx/extension"
)

// Raw implements extension.Tables.
func (r PBXRealtime) Raw(ctx context.Context, account string) (e extension.Extension, raw extension.Rows, err error) {
	if !extension.ValidAccount(account) {
		return e, raw, noExtension(account)
	}
	err = r.read(ctx, func(t *pbxTx) error {
		rows, err := r.rowsOf(t, account, "")
		if err != nil {
			return err
		}
		if rows.Endpoint == nil {
			return noExtension(account)
		}
		e = r.realtime.Extension(rows)
		raw, err = t.raw(account)
		return err
	})
	return e, raw, err
}

// raw reads whole rows by their id.
func (t *pbxTx) raw(id string) (raw extension.Rows, err error) {
	for table, row := range rawTables(&raw) {
		found, err := t.query(table, slices.Sorted(maps.Keys(t.schema[table].columns)), "WHERE id = ?", id)
		if err != nil {
			return raw, err
		}
		if len(found) > 0 {
			*row = found[0]
		}
	}
	return raw, nil
}

// rawTables are the tables of which whole rows are kept.
func rawTables(raw *extension.Rows) map[string]*extension.Columns {
	return map[string]*extension.Columns{
		extension.AuthTable: &raw.Auth, extension.AORTable: &raw.AOR, extension.EndpointTable: &raw.Endpoint,
	}
}

// Restore implements extension.Tables. Rows that are not there any more are not made.
func (r PBXRealtime) Restore(ctx context.Context, account string, was, is extension.Rows) error {
	if !extension.ValidAccount(account) {
		return noExtension(account)
	}
	return r.change(ctx, func(t *pbxTx) error {
		if err := r.needed(t); err != nil {
			return err
		}
		now := rawTables(&is)
		for table, row := range rawTables(&was) {
			changed := map[string]string{}
			for column, value := range *row {
				if before, known := (*now[table])[column]; !known || before != value {
					changed[column] = value
				}
			}
			if err := t.update(table, changed, "id = ?", account); err != nil {
				return err
			}
		}
		return nil
	})
}
